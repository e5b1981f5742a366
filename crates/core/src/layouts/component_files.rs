//! Which flag of which component names what: the portable way to find a cluster's PKI, whatever
//! its folders are called.
//!
//! A settings file counts like flags, under the flag's name: the kubelet's `clientCAFile` is
//! `client-ca-file`, etcd's `peer-transport-security.cert-file` is `peer-cert-file`.
//! <https://kubernetes.io/docs/reference/command-line-tools-reference/>

use crate::model::component_kind::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeProxy,
    KubeScheduler, Kubelet,
};
use crate::model::role::{AuthorityName, Role};

/// Two flags that name a certificate and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPairFlags {
    /// The component.
    pub component: ComponentKind,
    /// The flag that names the certificate (and chain).
    pub certificate: &'static str,
    /// The flag that names the key.
    pub key: &'static str,
    /// What the certificate is for.
    pub role: Role,
    /// Who is expected to have issued it; none where anybody may.
    pub authority: Option<AuthorityName>,
    /// kubeadm's name, where kubeadm makes such a certificate.
    pub kubeadm_name: Option<&'static str>,
}

/// A flag that names the certificates that are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustBundleFlag {
    /// The component.
    pub component: ComponentKind,
    /// The flag.
    pub flag: &'static str,
    /// Whose certificates the bundle is expected to hold.
    pub authority: AuthorityName,
    /// The role of the certificates that are verified with it.
    pub verifies: &'static str,
}

/// Two flags that name an authority's certificate and key, to issue with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityKeyPairFlags {
    /// The component.
    pub component: ComponentKind,
    /// The flag that names the certificate. It must hold exactly one.
    pub certificate: &'static str,
    /// The flag that names the key.
    pub key: &'static str,
    /// Which authority this is.
    pub authority: AuthorityName,
}

/// A flag that names a key of service account tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceAccountKeyFlag {
    /// The component.
    pub component: ComponentKind,
    /// The flag.
    pub flag: &'static str,
    /// Whether tokens are signed or verified with it.
    pub used_to: ServiceAccountKeyUse,
}

/// What a service account key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccountKeyUse {
    /// Signing: exactly one private key.
    Sign,
    /// Verifying: any number of public or private keys, in any number of files.
    Verify,
}

/// A flag that names a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubeconfigFlag {
    /// The component.
    pub component: ComponentKind,
    /// The flag.
    pub flag: &'static str,
    /// What its client certificate is for.
    pub role: Role,
    /// kubeadm's name, where kubeadm makes such a kubeconfig.
    pub kubeadm_name: Option<&'static str>,
}

/// Certificates with their keys.
pub const KEY_PAIRS: &[KeyPairFlags] = &[
    pair(
        Etcd,
        "cert-file",
        "key-file",
        Role::EtcdServer,
        Some(ETCD),
        Some("etcd-server"),
    ),
    pair(
        Etcd,
        "peer-cert-file",
        "peer-key-file",
        Role::EtcdPeer,
        Some(ETCD),
        Some("etcd-peer"),
    ),
    // etcd 3.5 and later may present other certificates where it is the client.
    pair(
        Etcd,
        "client-cert-file",
        "client-key-file",
        Role::Other,
        Some(ETCD),
        None,
    ),
    pair(
        Etcd,
        "peer-client-cert-file",
        "peer-client-key-file",
        Role::Other,
        Some(ETCD),
        None,
    ),
    pair(
        KubeApiserver,
        "tls-cert-file",
        "tls-private-key-file",
        Role::ApiserverServing,
        Some(CLUSTER),
        Some("apiserver"),
    ),
    pair(
        KubeApiserver,
        "kubelet-client-certificate",
        "kubelet-client-key",
        Role::ApiserverKubeletClient,
        Some(CLUSTER),
        Some("apiserver-kubelet-client"),
    ),
    pair(
        KubeApiserver,
        "etcd-certfile",
        "etcd-keyfile",
        Role::ApiserverEtcdClient,
        Some(ETCD),
        Some("apiserver-etcd-client"),
    ),
    pair(
        KubeApiserver,
        "proxy-client-cert-file",
        "proxy-client-key-file",
        Role::FrontProxyClient,
        Some(FRONT_PROXY),
        Some("front-proxy-client"),
    ),
    pair(
        KubeControllerManager,
        "tls-cert-file",
        "tls-private-key-file",
        Role::ControllerManagerServing,
        None,
        None,
    ),
    pair(
        KubeScheduler,
        "tls-cert-file",
        "tls-private-key-file",
        Role::SchedulerServing,
        None,
        None,
    ),
    pair(
        Kubelet,
        "tls-cert-file",
        "tls-private-key-file",
        Role::KubeletServing,
        None,
        None,
    ),
];

/// Trusted certificates.
pub const TRUST_BUNDLES: &[TrustBundleFlag] = &[
    trust(Etcd, "trusted-ca-file", ETCD, "clients"),
    trust(Etcd, "peer-trusted-ca-file", ETCD, "peers"),
    trust(KubeApiserver, "client-ca-file", CLUSTER, "clients"),
    trust(KubeApiserver, "etcd-cafile", ETCD, "etcd"),
    trust(
        KubeApiserver,
        "kubelet-certificate-authority",
        CLUSTER,
        "kubelets",
    ),
    trust(
        KubeApiserver,
        "requestheader-client-ca-file",
        FRONT_PROXY,
        "front proxies",
    ),
    trust(KubeControllerManager, "client-ca-file", CLUSTER, "clients"),
    trust(
        KubeControllerManager,
        "requestheader-client-ca-file",
        FRONT_PROXY,
        "front proxies",
    ),
    trust(
        KubeControllerManager,
        "root-ca-file",
        CLUSTER,
        "API servers, for every pod",
    ),
    trust(KubeScheduler, "client-ca-file", CLUSTER, "clients"),
    trust(
        KubeScheduler,
        "requestheader-client-ca-file",
        FRONT_PROXY,
        "front proxies",
    ),
    trust(Kubelet, "client-ca-file", CLUSTER, "clients"),
    trust(CloudControllerManager, "client-ca-file", CLUSTER, "clients"),
    trust(
        CloudControllerManager,
        "requestheader-client-ca-file",
        FRONT_PROXY,
        "front proxies",
    ),
];

/// Authorities that a component issues with.
/// <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers>
pub const AUTHORITY_KEY_PAIRS: &[AuthorityKeyPairFlags] = &[
    issues("cluster-signing-cert-file", "cluster-signing-key-file"),
    issues(
        "cluster-signing-kube-apiserver-client-cert-file",
        "cluster-signing-kube-apiserver-client-key-file",
    ),
    issues(
        "cluster-signing-kubelet-client-cert-file",
        "cluster-signing-kubelet-client-key-file",
    ),
    issues(
        "cluster-signing-kubelet-serving-cert-file",
        "cluster-signing-kubelet-serving-key-file",
    ),
    issues(
        "cluster-signing-legacy-unknown-cert-file",
        "cluster-signing-legacy-unknown-key-file",
    ),
];

/// Keys of service account tokens.
pub const SERVICE_ACCOUNT_KEYS: &[ServiceAccountKeyFlag] = &[
    service_account(
        KubeApiserver,
        "service-account-key-file",
        ServiceAccountKeyUse::Verify,
    ),
    service_account(
        KubeApiserver,
        "service-account-signing-key-file",
        ServiceAccountKeyUse::Sign,
    ),
    service_account(
        KubeControllerManager,
        "service-account-private-key-file",
        ServiceAccountKeyUse::Sign,
    ),
];

/// Kubeconfigs.
pub const KUBECONFIGS: &[KubeconfigFlag] = &[
    kubeconfig(KubeControllerManager, "kubeconfig", CONTROLLER_MANAGER),
    kubeconfig(
        KubeControllerManager,
        "authentication-kubeconfig",
        CONTROLLER_MANAGER,
    ),
    kubeconfig(
        KubeControllerManager,
        "authorization-kubeconfig",
        CONTROLLER_MANAGER,
    ),
    kubeconfig(KubeScheduler, "kubeconfig", SCHEDULER),
    kubeconfig(KubeScheduler, "authentication-kubeconfig", SCHEDULER),
    kubeconfig(KubeScheduler, "authorization-kubeconfig", SCHEDULER),
    kubeconfig(
        Kubelet,
        "kubeconfig",
        (Role::KubeletClient, Some("kubelet.conf")),
    ),
    kubeconfig(
        Kubelet,
        "bootstrap-kubeconfig",
        (Role::Bootstrap, Some("bootstrap-kubelet.conf")),
    ),
    kubeconfig(KubeProxy, "kubeconfig", (Role::KubeProxy, None)),
    kubeconfig(CloudControllerManager, "kubeconfig", CLOUD),
    kubeconfig(CloudControllerManager, "authentication-kubeconfig", CLOUD),
    kubeconfig(CloudControllerManager, "authorization-kubeconfig", CLOUD),
];

/// Folders in which network plugins keep kubeconfigs of their own.
pub const PLUGIN_FOLDERS: &[&str] = &[
    "/etc/cni/net.d",
    "/etc/cni/net.d/calico.d",
    "/etc/cni/net.d/multus.d",
    "/etc/cni/net.d/whereabouts.d",
];

/// Root's home; administrators keep kubeconfigs at home.
pub const ROOT_HOME: &str = "/root";
/// The folder of all others' homes.
pub const HOME_FOLDERS: &str = "/home";
/// The folder in a home that kubectl keeps kubeconfigs in.
pub const HOME_KUBECONFIGS: &str = ".kube";
/// How kubeconfigs in it are called: `config`, and what people put beside it.
pub const HOME_KUBECONFIG: &str = "config";
/// How the names of what people put beside it end.
pub const HOME_KUBECONFIG_ENDINGS: &[&str] = &[".conf", ".config"];
/// Whose home is where.
pub const USERS: &str = "/etc/passwd";

/// Folders in which clients of etcd keep certificates of etcd's authority.
pub const ETCD_CLIENT_FOLDERS: &[&str] = &[
    "/etc/calico/certs",
    "/etc/cilium/etcd-secrets",
    "/etc/etcd",
    "/etc/etcd/pki",
    "/etc/etcd/ssl",
    "/etc/flanneld/ssl",
    "/etc/kubernetes/ssl/etcd",
    "/etc/prometheus/etcd",
    "/etc/prometheus/secrets/etcd-client",
    "/etc/prometheus/secrets/etcd-client-cert",
    "/etc/ssl/etcd",
    "/etc/ssl/etcd/ssl",
    "/var/lib/etcd-secrets",
];

const CONTROLLER_MANAGER: (Role, Option<&str>) =
    (Role::ControllerManager, Some("controller-manager.conf"));
const SCHEDULER: (Role, Option<&str>) = (Role::Scheduler, Some("scheduler.conf"));
const CLOUD: (Role, Option<&str>) = (Role::Other, None);
const CLUSTER: AuthorityName = AuthorityName::Cluster;
const ETCD: AuthorityName = AuthorityName::Etcd;
const FRONT_PROXY: AuthorityName = AuthorityName::FrontProxy;

const fn pair(
    component: ComponentKind,
    certificate: &'static str,
    key: &'static str,
    role: Role,
    authority: Option<AuthorityName>,
    kubeadm_name: Option<&'static str>,
) -> KeyPairFlags {
    KeyPairFlags {
        component,
        certificate,
        key,
        role,
        authority,
        kubeadm_name,
    }
}

const fn trust(
    component: ComponentKind,
    flag: &'static str,
    authority: AuthorityName,
    verifies: &'static str,
) -> TrustBundleFlag {
    TrustBundleFlag {
        component,
        flag,
        authority,
        verifies,
    }
}

const fn issues(certificate: &'static str, key: &'static str) -> AuthorityKeyPairFlags {
    AuthorityKeyPairFlags {
        component: KubeControllerManager,
        certificate,
        key,
        authority: AuthorityName::Cluster,
    }
}

const fn service_account(
    component: ComponentKind,
    flag: &'static str,
    used_to: ServiceAccountKeyUse,
) -> ServiceAccountKeyFlag {
    ServiceAccountKeyFlag {
        component,
        flag,
        used_to,
    }
}

const fn kubeconfig(
    component: ComponentKind,
    flag: &'static str,
    (role, kubeadm_name): (Role, Option<&'static str>),
) -> KubeconfigFlag {
    KubeconfigFlag {
        component,
        flag,
        role,
        kubeadm_name,
    }
}
