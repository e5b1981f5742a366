//! kubeadm's PKI: which certificates, kubeconfigs and keys there are, by which names.
//!
//! The names are those of `kubeadm certs renew` and `check-expiration` (which lists them sorted by
//! name). Every leaf's key usage is digitalSignature and keyEncipherment; every authority's is
//! digitalSignature, keyEncipherment and keyCertSign, with its own common name as DNS name.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/>

use kubepki_x509::ExtendedKeyUsage;

use crate::model::role::{AuthorityName, Role};

/// Where things are and which there must be.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The layout's name.
    pub name: &'static str,
    /// The folder of certificates and keys (`--cert-dir`).
    pub pki_folder: &'static str,
    /// The folder of kubeconfigs.
    pub kubeconfig_folder: &'static str,
    /// The folder of static-pod manifests.
    pub manifests_folder: &'static str,
    /// The kubelet's own folder of certificates.
    pub kubelet_pki_folder: &'static str,
    /// The kubelet's configuration file.
    pub kubelet_configuration: &'static str,
    /// The kubelet's flags, as an environment file.
    pub kubelet_flags: &'static str,
    /// The authorities.
    pub authorities: &'static [RequiredAuthority],
    /// The certificates with their keys.
    pub certificates: &'static [RequiredCertificate],
    /// The kubeconfigs.
    pub kubeconfigs: &'static [RequiredKubeconfig],
    /// The kubelet's certificates.
    pub kubelet_certificates: &'static [KubeletCertificate],
    /// The file base of the service account key pair (`.key`, `.pub`), in the PKI folder.
    pub service_account_key: &'static str,
}

/// A certificate authority: `file_base` with `.crt` and `.key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredAuthority {
    /// The authority; its name is kubeadm's.
    pub name: AuthorityName,
    /// The file in the PKI folder, without its ending.
    pub file_base: &'static str,
    /// The common name.
    pub common_name: &'static str,
}

/// A certificate: `file_base` with `.crt` and `.key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredCertificate {
    /// kubeadm's name.
    pub name: &'static str,
    /// The file in the PKI folder, without its ending.
    pub file_base: &'static str,
    /// Who issues it.
    pub authority: AuthorityName,
    /// What it is for.
    pub role: Role,
    /// The subject.
    pub subject: SubjectRule,
    /// The extended key usages.
    pub usages: &'static [ExtendedKeyUsage],
    /// The subject alternative names.
    pub subject_alt_names: &'static [SubjectAltNameRule],
}

/// A kubeconfig with an embedded client certificate, issued by the cluster's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredKubeconfig {
    /// kubeadm's name, which is the file's name in the kubeconfig folder.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// The client certificate's subject; none where the user is no certificate but a token.
    pub subject: Option<SubjectRule>,
    /// Whether `kubeadm certs renew` and `check-expiration` know it.
    pub known_to_kubeadm_certs: bool,
    /// Whether every control-plane host has it.
    pub required: bool,
}

/// A certificate of the kubelet's own, in the kubelet's PKI folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubeletCertificate {
    /// Our name for it; kubeadm has none.
    pub name: &'static str,
    /// The certificate's file.
    pub certificate: &'static str,
    /// The key's file, which may be the same.
    pub key: &'static str,
    /// How a rotated certificate's file is called: this, a time, `.pem`. None where the file is
    /// not a symbolic link to such a file.
    pub rotated_prefix: Option<&'static str>,
    /// What it is for.
    pub role: Role,
    /// Who issues it; none where it is self-signed.
    pub authority: Option<AuthorityName>,
    /// The subject, where it is not self-signed.
    pub subject: Option<SubjectRule>,
    /// The extended key usages.
    pub usages: &'static [ExtendedKeyUsage],
}

/// What the subject of a certificate must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// The common name.
    pub common_name: CommonNameRule,
    /// The organization.
    pub organization: OrganizationRule,
}

/// What a common name must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonNameRule {
    /// This.
    Fixed(&'static str),
    /// The node's name.
    NodeName,
    /// `system:node:` and the node's name.
    SystemNode,
}

/// What an organization must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationRule {
    /// None.
    None,
    /// This, in every version.
    Fixed(&'static str),
    /// kubeadm 1.29 changed it.
    ChangedIn129 {
        /// Before 1.29.
        before: &'static str,
        /// Since 1.29; none where it was dropped.
        since: Option<&'static str>,
    },
}

/// A subject alternative name that kubeadm writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectAltNameRule {
    /// This DNS name.
    Dns(&'static str),
    /// This IP address.
    Ip(&'static str),
    /// The node's name.
    NodeName,
    /// `kubernetes.default.svc.` and the cluster's DNS domain.
    KubernetesServiceInDnsDomain,
    /// The host of `controlPlaneEndpoint`, a DNS name or an IP address.
    ControlPlaneEndpoint,
    /// The first address of the service network.
    FirstServiceIp,
    /// The address that the API server (or this etcd member) advertises.
    AdvertiseAddress,
    /// `apiServer.certSANs`
    ApiserverCertSans,
    /// `etcd.local.serverCertSANs`
    EtcdServerCertSans,
    /// `etcd.local.peerCertSANs`
    EtcdPeerCertSans,
}

/// kubeadm's layout.
pub const KUBEADM: Layout = Layout {
    name: "kubeadm",
    pki_folder: "/etc/kubernetes/pki",
    kubeconfig_folder: "/etc/kubernetes",
    manifests_folder: "/etc/kubernetes/manifests",
    kubelet_pki_folder: "/var/lib/kubelet/pki",
    kubelet_configuration: "/var/lib/kubelet/config.yaml",
    kubelet_flags: "/var/lib/kubelet/kubeadm-flags.env",
    authorities: AUTHORITIES,
    certificates: CERTIFICATES,
    kubeconfigs: KUBECONFIGS,
    kubelet_certificates: KUBELET_CERTIFICATES,
    service_account_key: "sa",
};

/// Where the configuration that kubeadm was given may still lie: kubespray's, Cluster API's, kind's,
/// minikube's, and where people put it.
pub const STORED_CONFIGURATIONS: &[&str] = &[
    "/etc/kubernetes/kubeadm-config.yaml",
    "/run/kubeadm/kubeadm.yaml",
    "/kind/kubeadm.conf",
    "/var/tmp/minikube/kubeadm.yaml",
    "/etc/kubernetes/kubeadm.yaml",
    "/root/kubeadm-config.yaml",
    "/root/kubeadm.yaml",
];

const AUTHORITIES: &[RequiredAuthority] = &[
    RequiredAuthority {
        name: AuthorityName::Cluster,
        file_base: "ca",
        common_name: "kubernetes",
    },
    RequiredAuthority {
        name: AuthorityName::Etcd,
        file_base: "etcd/ca",
        common_name: "etcd-ca",
    },
    RequiredAuthority {
        name: AuthorityName::FrontProxy,
        file_base: "front-proxy-ca",
        common_name: "front-proxy-ca",
    },
];

const CERTIFICATES: &[RequiredCertificate] = &[
    RequiredCertificate {
        name: "apiserver",
        file_base: "apiserver",
        authority: AuthorityName::Cluster,
        role: Role::ApiserverServing,
        subject: subject("kube-apiserver", OrganizationRule::None),
        usages: SERVER,
        subject_alt_names: &[
            SubjectAltNameRule::NodeName,
            SubjectAltNameRule::Dns("kubernetes"),
            SubjectAltNameRule::Dns("kubernetes.default"),
            SubjectAltNameRule::Dns("kubernetes.default.svc"),
            SubjectAltNameRule::KubernetesServiceInDnsDomain,
            SubjectAltNameRule::FirstServiceIp,
            SubjectAltNameRule::AdvertiseAddress,
            SubjectAltNameRule::ControlPlaneEndpoint,
            SubjectAltNameRule::ApiserverCertSans,
        ],
    },
    client(
        "apiserver-etcd-client",
        AuthorityName::Etcd,
        Role::ApiserverEtcdClient,
    )
    .named("kube-apiserver-etcd-client", MASTERS_DROPPED),
    client(
        "apiserver-kubelet-client",
        AuthorityName::Cluster,
        Role::ApiserverKubeletClient,
    )
    .named("kube-apiserver-kubelet-client", CLUSTER_ADMINS),
    client(
        "etcd-healthcheck-client",
        AuthorityName::Etcd,
        Role::EtcdHealthcheckClient,
    )
    .named("kube-etcd-healthcheck-client", MASTERS_DROPPED)
    .in_file("etcd/healthcheck-client"),
    etcd_member("etcd-peer", "etcd/peer", Role::EtcdPeer, ETCD_PEER_NAMES),
    etcd_member(
        "etcd-server",
        "etcd/server",
        Role::EtcdServer,
        ETCD_SERVER_NAMES,
    ),
    client(
        "front-proxy-client",
        AuthorityName::FrontProxy,
        Role::FrontProxyClient,
    )
    .named("front-proxy-client", OrganizationRule::None),
];

const KUBECONFIGS: &[RequiredKubeconfig] = &[
    RequiredKubeconfig {
        name: "admin.conf",
        role: Role::Admin,
        subject: Some(subject("kubernetes-admin", CLUSTER_ADMINS)),
        known_to_kubeadm_certs: true,
        required: true,
    },
    // kubeadm 1.29 and later, on the host where `kubeadm init` ran only.
    RequiredKubeconfig {
        name: "super-admin.conf",
        role: Role::SuperAdmin,
        subject: Some(subject(
            "kubernetes-super-admin",
            OrganizationRule::Fixed("system:masters"),
        )),
        known_to_kubeadm_certs: true,
        required: false,
    },
    RequiredKubeconfig {
        name: "controller-manager.conf",
        role: Role::ControllerManager,
        subject: Some(subject(
            "system:kube-controller-manager",
            OrganizationRule::None,
        )),
        known_to_kubeadm_certs: true,
        required: true,
    },
    RequiredKubeconfig {
        name: "scheduler.conf",
        role: Role::Scheduler,
        subject: Some(subject("system:kube-scheduler", OrganizationRule::None)),
        known_to_kubeadm_certs: true,
        required: true,
    },
    RequiredKubeconfig {
        name: "kubelet.conf",
        role: Role::KubeletClient,
        subject: Some(SYSTEM_NODE),
        known_to_kubeadm_certs: false,
        required: true,
    },
    // A token, and gone once the kubelet has its certificate.
    RequiredKubeconfig {
        name: "bootstrap-kubelet.conf",
        role: Role::Bootstrap,
        subject: None,
        known_to_kubeadm_certs: false,
        required: false,
    },
];

const KUBELET_CERTIFICATES: &[KubeletCertificate] = &[
    KubeletCertificate {
        name: "kubelet-client",
        certificate: "kubelet-client-current.pem",
        key: "kubelet-client-current.pem",
        rotated_prefix: Some("kubelet-client-"),
        role: Role::KubeletClient,
        authority: Some(AuthorityName::Cluster),
        subject: Some(SYSTEM_NODE),
        usages: CLIENT,
    },
    // With serverTLSBootstrap.
    KubeletCertificate {
        name: "kubelet-server",
        certificate: "kubelet-server-current.pem",
        key: "kubelet-server-current.pem",
        rotated_prefix: Some("kubelet-server-"),
        role: Role::KubeletServing,
        authority: Some(AuthorityName::Cluster),
        subject: Some(SYSTEM_NODE),
        usages: SERVER,
    },
    // Without: self-signed by the kubelet for a year, `host@time`.
    KubeletCertificate {
        name: "kubelet-server",
        certificate: "kubelet.crt",
        key: "kubelet.key",
        rotated_prefix: None,
        role: Role::KubeletServing,
        authority: None,
        subject: None,
        usages: SERVER,
    },
];

const CLIENT: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ClientAuth];
const SERVER: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth];
/// An etcd server is also a client of itself, through its gRPC gateway (etcd issue 9785).
const SERVER_AND_CLIENT: &[ExtendedKeyUsage] =
    &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];

const ETCD_SERVER_NAMES: &[SubjectAltNameRule] = &[
    SubjectAltNameRule::NodeName,
    SubjectAltNameRule::Dns("localhost"),
    SubjectAltNameRule::AdvertiseAddress,
    SubjectAltNameRule::Ip("127.0.0.1"),
    SubjectAltNameRule::Ip("::1"),
    SubjectAltNameRule::EtcdServerCertSans,
];
const ETCD_PEER_NAMES: &[SubjectAltNameRule] = &[
    SubjectAltNameRule::NodeName,
    SubjectAltNameRule::Dns("localhost"),
    SubjectAltNameRule::AdvertiseAddress,
    SubjectAltNameRule::Ip("127.0.0.1"),
    SubjectAltNameRule::Ip("::1"),
    SubjectAltNameRule::EtcdPeerCertSans,
];

/// The ClusterRoleBinding of that name must exist before such a certificate is used.
const CLUSTER_ADMINS: OrganizationRule = OrganizationRule::ChangedIn129 {
    before: "system:masters",
    since: Some("kubeadm:cluster-admins"),
};
/// etcd never looked at it.
const MASTERS_DROPPED: OrganizationRule = OrganizationRule::ChangedIn129 {
    before: "system:masters",
    since: None,
};
const SYSTEM_NODE: SubjectRule = SubjectRule {
    common_name: CommonNameRule::SystemNode,
    organization: OrganizationRule::Fixed("system:nodes"),
};

const fn subject(common_name: &'static str, organization: OrganizationRule) -> SubjectRule {
    SubjectRule {
        common_name: CommonNameRule::Fixed(common_name),
        organization,
    }
}

/// A client's certificate, in a file of its name.
const fn client(name: &'static str, authority: AuthorityName, role: Role) -> RequiredCertificate {
    RequiredCertificate {
        name,
        file_base: name,
        authority,
        role,
        subject: subject(name, OrganizationRule::None),
        usages: CLIENT,
        subject_alt_names: &[],
    }
}

const fn etcd_member(
    name: &'static str,
    file_base: &'static str,
    role: Role,
    subject_alt_names: &'static [SubjectAltNameRule],
) -> RequiredCertificate {
    RequiredCertificate {
        name,
        file_base,
        authority: AuthorityName::Etcd,
        role,
        subject: SubjectRule {
            common_name: CommonNameRule::NodeName,
            organization: OrganizationRule::None,
        },
        usages: SERVER_AND_CLIENT,
        subject_alt_names,
    }
}

impl RequiredCertificate {
    const fn named(mut self, common_name: &'static str, organization: OrganizationRule) -> Self {
        self.subject = subject(common_name, organization);
        self
    }

    const fn in_file(mut self, file_base: &'static str) -> Self {
        self.file_base = file_base;
        self
    }
}

impl CommonNameRule {
    /// The common name on the node of this name.
    pub fn on_node(self, node_name: &str) -> String {
        match self {
            Self::Fixed(name) => name.to_owned(),
            Self::NodeName => node_name.to_owned(),
            Self::SystemNode => format!("system:node:{node_name}"),
        }
    }
}

impl OrganizationRule {
    /// The organization that kubeadm of Kubernetes 1.`minor` writes.
    pub const fn in_minor(self, minor: u32) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Fixed(name) => Some(name),
            Self::ChangedIn129 { before, .. } if minor < 29 => Some(before),
            Self::ChangedIn129 { since, .. } => since,
        }
    }
}

impl Layout {
    /// The authority of this name.
    pub fn authority(&self, name: AuthorityName) -> Option<&'static RequiredAuthority> {
        self.authorities
            .iter()
            .find(|authority| authority.name == name)
    }

    /// The certificate of this kubeadm name.
    pub fn certificate(&self, name: &str) -> Option<&'static RequiredCertificate> {
        self.certificates
            .iter()
            .find(|certificate| certificate.name == name)
    }

    /// The kubeconfig of this kubeadm name.
    pub fn kubeconfig(&self, name: &str) -> Option<&'static RequiredKubeconfig> {
        self.kubeconfigs
            .iter()
            .find(|kubeconfig| kubeconfig.name == name)
    }
}
