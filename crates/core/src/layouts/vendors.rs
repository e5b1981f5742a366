//! Distributions that see to their certificates themselves: where those lie, so that they are shown,
//! and the vendor's own way to renew them, so that it is named instead of working against it.
//!
//! k3s and RKE2 re-issue at a start what has less than 120 days left, and keep copies in their
//! datastore: what is written beside them is overwritten, or breaks a joining server. k0s re-issues
//! everything at every start of a controller. MicroK8s has a verb of its own.
//! <https://docs.k3s.io/cli/certificate>, <https://docs.rke2.io/security/certificates>,
//! <https://docs.k0sproject.io/stable/custom-ca/>, <https://microk8s.io/docs/command-reference>

use super::kind::LayoutKind;
use crate::model::role::{AuthorityName, Role};
use std::path::Path;

/// A distribution's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorLayout {
    /// Which one.
    pub kind: LayoutKind,
    /// The vendor's name, which is also that of its program; `{vendor}` in the tables.
    pub program: &'static str,
    /// The folder that the tables' relative paths begin in.
    pub base: &'static str,
    /// Everything below these is the vendor's.
    pub folders: &'static [&'static str],
    /// The vendor's way to renew leaf certificates.
    pub renewal: &'static str,
    /// The vendor's configuration file that may name another base (`data-dir`), where it has one.
    pub configuration: Option<&'static str>,
    /// Authorities, `.crt` and `.key`.
    pub authorities: &'static [VendorAuthority],
    /// Certificates, `.crt` and `.key` unless they say otherwise.
    pub certificates: &'static [VendorCertificate],
    /// Kubeconfigs whose certificate is embedded.
    pub kubeconfigs: &'static [VendorKubeconfig],
    /// The key pair or key of service-account tokens.
    pub service_account_key: &'static str,
}

/// An authority of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorAuthority {
    /// The vendor's name for it.
    pub name: &'static str,
    /// Which of a cluster's authorities it is.
    pub authority: AuthorityName,
    /// The file below the base, without its ending.
    pub file_base: &'static str,
}

/// A certificate of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorCertificate {
    /// The file below the base, without its ending; with an ending, certificate and key are in it.
    pub file_base: &'static str,
    /// What it is for.
    pub role: Role,
    /// The vendor's name of the authority that signs it.
    pub authority: &'static str,
}

/// A kubeconfig of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorKubeconfig {
    /// The file below the base, or its absolute path.
    pub path: &'static str,
    /// What its client certificate is for.
    pub role: Role,
    /// The vendor's name of the authority that signs it.
    pub authority: &'static str,
}

/// Every distribution that is shown and not written to.
pub const VENDORS: &[VendorLayout] = &[
    VendorLayout {
        kind: LayoutKind::K3s,
        program: "k3s",
        base: "/var/lib/rancher/k3s",
        folders: &["/var/lib/rancher/k3s", "/etc/rancher/k3s"],
        renewal: "systemctl stop k3s && k3s certificate rotate && systemctl start k3s",
        configuration: Some("/etc/rancher/k3s/config.yaml"),
        authorities: RANCHER_AUTHORITIES,
        certificates: RANCHER_CERTIFICATES,
        kubeconfigs: &[kubeconfig(
            "/etc/rancher/k3s/k3s.yaml",
            Role::Admin,
            "client-ca",
        )],
        service_account_key: "server/tls/service.key",
    },
    VendorLayout {
        kind: LayoutKind::Rke2,
        program: "rke2",
        base: "/var/lib/rancher/rke2",
        folders: &["/var/lib/rancher/rke2", "/etc/rancher/rke2"],
        renewal: "systemctl stop rke2-server && rke2 certificate rotate && systemctl start rke2-server",
        configuration: Some("/etc/rancher/rke2/config.yaml"),
        authorities: RANCHER_AUTHORITIES,
        certificates: RANCHER_CERTIFICATES,
        kubeconfigs: &[kubeconfig(
            "/etc/rancher/rke2/rke2.yaml",
            Role::Admin,
            "client-ca",
        )],
        service_account_key: "server/tls/service.key",
    },
    VendorLayout {
        kind: LayoutKind::K0s,
        program: "k0s",
        base: "/var/lib/k0s",
        folders: &["/var/lib/k0s"],
        renewal: "k0s stop && k0s start, on one controller after the other: k0s issues its certificates anew at every start",
        configuration: None,
        authorities: &[
            authority("ca", AuthorityName::Cluster, "pki/ca"),
            authority("etcd-ca", AuthorityName::Etcd, "pki/etcd/ca"),
            authority(
                "front-proxy-ca",
                AuthorityName::FrontProxy,
                "pki/front-proxy-ca",
            ),
        ],
        certificates: &[
            certificate("pki/server", Role::ApiserverServing, "ca"),
            certificate("pki/k0s-api", Role::Other, "ca"),
            certificate("pki/admin", Role::Admin, "ca"),
            certificate("pki/ccm", Role::ControllerManager, "ca"),
            certificate("pki/scheduler", Role::Scheduler, "ca"),
            certificate("pki/konnectivity", Role::Other, "ca"),
            certificate(
                "pki/apiserver-kubelet-client",
                Role::ApiserverKubeletClient,
                "ca",
            ),
            certificate(
                "pki/apiserver-etcd-client",
                Role::ApiserverEtcdClient,
                "etcd-ca",
            ),
            certificate(
                "pki/front-proxy-client",
                Role::FrontProxyClient,
                "front-proxy-ca",
            ),
            certificate("pki/etcd/server", Role::EtcdServer, "etcd-ca"),
            certificate("pki/etcd/peer", Role::EtcdPeer, "etcd-ca"),
            certificate(
                "kubelet/pki/kubelet-client-current.pem",
                Role::KubeletClient,
                "ca",
            ),
            certificate(
                "kubelet/pki/kubelet-server-current.pem",
                Role::KubeletServing,
                "ca",
            ),
        ],
        kubeconfigs: &[
            kubeconfig("pki/admin.conf", Role::Admin, "ca"),
            kubeconfig("pki/ccm.conf", Role::ControllerManager, "ca"),
            kubeconfig("pki/scheduler.conf", Role::Scheduler, "ca"),
            kubeconfig("pki/konnectivity.conf", Role::Other, "ca"),
        ],
        service_account_key: "pki/sa.key",
    },
    VendorLayout {
        kind: LayoutKind::Microk8s,
        program: "microk8s",
        base: "/var/snap/microk8s/current",
        folders: &["/var/snap/microk8s"],
        renewal: "microk8s refresh-certs --cert server.crt, then --cert front-proxy-client.crt",
        configuration: None,
        authorities: &[
            authority("ca", AuthorityName::Cluster, "certs/ca"),
            authority(
                "front-proxy-ca",
                AuthorityName::FrontProxy,
                "certs/front-proxy-ca",
            ),
        ],
        certificates: &[
            certificate("certs/server", Role::ApiserverServing, "ca"),
            certificate("certs/kubelet", Role::KubeletServing, "ca"),
            certificate(
                "certs/apiserver-kubelet-client",
                Role::ApiserverKubeletClient,
                "ca",
            ),
            certificate(
                "certs/front-proxy-client",
                Role::FrontProxyClient,
                "front-proxy-ca",
            ),
        ],
        kubeconfigs: &[
            kubeconfig("credentials/client.config", Role::Admin, "ca"),
            kubeconfig(
                "credentials/controller.config",
                Role::ControllerManager,
                "ca",
            ),
            kubeconfig("credentials/scheduler.config", Role::Scheduler, "ca"),
            kubeconfig("credentials/proxy.config", Role::KubeProxy, "ca"),
            kubeconfig("credentials/kubelet.config", Role::KubeletClient, "ca"),
        ],
        service_account_key: "certs/serviceaccount.key",
    },
];

/// As k3s's `CreateRuntimeCertFiles` names them, which RKE2 is built on.
const RANCHER_AUTHORITIES: &[VendorAuthority] = &[
    authority("client-ca", AuthorityName::Cluster, "server/tls/client-ca"),
    authority("server-ca", AuthorityName::Cluster, "server/tls/server-ca"),
    authority(
        "request-header-ca",
        AuthorityName::FrontProxy,
        "server/tls/request-header-ca",
    ),
    authority(
        "etcd-server-ca",
        AuthorityName::Etcd,
        "server/tls/etcd/server-ca",
    ),
    authority(
        "etcd-peer-ca",
        AuthorityName::Etcd,
        "server/tls/etcd/peer-ca",
    ),
    // What an agent gets from its server.
    authority("client-ca", AuthorityName::Cluster, "agent/client-ca"),
    authority("server-ca", AuthorityName::Cluster, "agent/server-ca"),
];

const RANCHER_CERTIFICATES: &[VendorCertificate] = &[
    certificate("server/tls/client-admin", Role::Admin, "client-ca"),
    certificate("server/tls/client-supervisor", Role::Other, "client-ca"),
    certificate(
        "server/tls/client-controller",
        Role::ControllerManager,
        "client-ca",
    ),
    certificate("server/tls/client-scheduler", Role::Scheduler, "client-ca"),
    certificate(
        "server/tls/client-kube-apiserver",
        Role::ApiserverKubeletClient,
        "client-ca",
    ),
    certificate("server/tls/client-kube-proxy", Role::KubeProxy, "client-ca"),
    certificate(
        "server/tls/client-{vendor}-controller",
        Role::Other,
        "client-ca",
    ),
    certificate(
        "server/tls/client-{vendor}-cloud-controller",
        Role::Other,
        "client-ca",
    ),
    certificate(
        "server/tls/serving-kube-apiserver",
        Role::ApiserverServing,
        "server-ca",
    ),
    certificate(
        "server/tls/client-auth-proxy",
        Role::FrontProxyClient,
        "request-header-ca",
    ),
    certificate(
        "server/tls/etcd/client",
        Role::ApiserverEtcdClient,
        "etcd-server-ca",
    ),
    certificate(
        "server/tls/etcd/server-client",
        Role::EtcdServer,
        "etcd-server-ca",
    ),
    certificate(
        "server/tls/etcd/peer-server-client",
        Role::EtcdPeer,
        "etcd-peer-ca",
    ),
    certificate(
        "server/tls/kube-controller-manager/kube-controller-manager",
        Role::ControllerManagerServing,
        "server-ca",
    ),
    certificate(
        "server/tls/kube-scheduler/kube-scheduler",
        Role::SchedulerServing,
        "server-ca",
    ),
    certificate("agent/client-kubelet", Role::KubeletClient, "client-ca"),
    certificate("agent/serving-kubelet", Role::KubeletServing, "server-ca"),
    certificate("agent/client-kube-proxy", Role::KubeProxy, "client-ca"),
    certificate("agent/client-{vendor}-controller", Role::Other, "client-ca"),
];

/// The distribution that a file belongs to: by its folder, else (its data may be kept elsewhere) by
/// the whole of its path below that, which nobody else has.
pub fn vendor_of(path: &Path) -> Option<&'static VendorLayout> {
    let by_folder = VENDORS
        .iter()
        .find(|vendor| vendor.folders.iter().any(|folder| path.starts_with(folder)));
    by_folder.or_else(|| {
        let mut movable = VENDORS
            .iter()
            .filter(|vendor| vendor.configuration.is_some() && vendor.has_in_tables(path));
        let first = movable.next()?;
        // Both of Rancher's have the same tables; their own controllers' files and most folders
        // carry the name.
        let is_named = |vendor: &&VendorLayout| path.to_string_lossy().contains(vendor.program);
        match is_named(&first) {
            true => Some(first),
            false => movable.find(is_named).or(Some(first)),
        }
    })
}

impl VendorLayout {
    /// Whether the path ends as one of the tables' does.
    fn has_in_tables(&self, path: &Path) -> bool {
        let authorities = self.authorities.iter().map(|row| row.file_base);
        let certificates = self.certificates.iter().map(|row| row.file_base);
        authorities.chain(certificates).any(|file_base| {
            let is_movable =
                file_base.starts_with("server/tls/") || file_base.starts_with("agent/");
            is_movable && path.ends_with(format!("{}.crt", self.named(file_base)))
        })
    }

    /// A path of the tables with the vendor's name in it.
    pub fn named(&self, path: &str) -> String {
        path.replace("{vendor}", self.program)
    }
}

const fn authority(
    name: &'static str,
    authority: AuthorityName,
    file_base: &'static str,
) -> VendorAuthority {
    VendorAuthority {
        name,
        authority,
        file_base,
    }
}

const fn certificate(
    file_base: &'static str,
    role: Role,
    authority: &'static str,
) -> VendorCertificate {
    VendorCertificate {
        file_base,
        role,
        authority,
    }
}

const fn kubeconfig(path: &'static str, role: Role, authority: &'static str) -> VendorKubeconfig {
    VendorKubeconfig {
        path,
        role,
        authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_distribution_whose_folder_it_lies_in() {
        let of = |path: &str| vendor_of(Path::new(path)).map(|vendor| vendor.program);
        assert_eq!(
            of("/var/lib/rancher/k3s/server/tls/client-ca.crt"),
            Some("k3s")
        );
        assert_eq!(of("/etc/rancher/rke2/rke2.yaml"), Some("rke2"));
        assert_eq!(of("/var/lib/rancher/etcd"), None);
        assert_eq!(of("/etc/kubernetes/pki/ca.crt"), None);
    }

    #[test]
    fn every_signer_is_an_authority_of_its_table() {
        for vendor in VENDORS {
            let known = |name: &str| vendor.authorities.iter().any(|row| row.name == name);
            let signers = (vendor.certificates.iter().map(|row| row.authority))
                .chain(vendor.kubeconfigs.iter().map(|row| row.authority));
            for signer in signers {
                assert!(known(signer), "{}: {signer}", vendor.program);
            }
            assert!(vendor.renewal.contains(vendor.program));
        }
    }
}
