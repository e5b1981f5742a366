//! kubeadm's layout for one control-plane host, declared: kubeadm's table with the cluster's own names
//! and addresses filled in.

use super::document::{
    DEFAULT_CLUSTER, DeclaredAuthority, DeclaredCertificate, DeclaredKubeconfig, DeclaredLayout,
    DeclaredServiceAccountKey, DeclaredSubject,
};
use crate::layouts::kubeadm::{KUBEADM, SubjectAltNameRule, SubjectRule};
use crate::layouts::{RequiredCertificate, RequiredKubeconfig};
use crate::model::Role;
use kubepki_x509::GeneralName;
use std::net::IpAddr;
use std::path::PathBuf;

/// What kubeadm's ClusterConfiguration and InitConfiguration say, as far as certificates go.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterParameters {
    /// The cluster's name in kubeconfigs.
    pub cluster: String,
    /// The node's name.
    pub node_name: String,
    /// The address that this host's API server and etcd member advertise.
    pub advertise_address: IpAddr,
    /// The API server's port.
    pub bind_port: u16,
    /// The address of all API servers together, where there is one.
    pub control_plane_endpoint: Option<ControlPlaneEndpoint>,
    /// The address of the `kubernetes` Service.
    pub first_service_address: IpAddr,
    /// The cluster's DNS domain.
    pub dns_domain: String,
    /// More names of the API server.
    pub apiserver_names: Vec<GeneralName>,
    /// More names of the etcd member, as server and as peer.
    pub etcd_names: Vec<GeneralName>,
    /// Kubernetes 1.this.
    pub kubernetes_minor: u32,
}

/// A host, and a port if it is not the API server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlaneEndpoint {
    /// A DNS name or an IP address.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

/// The first minor version in which kube-controller-manager and kube-scheduler talk to the API
/// server of their own host instead of the control-plane endpoint.
const LOCAL_CLIENTS_SINCE: u32 = 19;
/// The first minor version with a super-admin.conf.
const SUPER_ADMIN_SINCE: u32 = 29;

impl std::str::FromStr for ControlPlaneEndpoint {
    type Err = String;

    /// Reads `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("expected HOST or HOST:PORT, found {text:?}");
        let whole: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
        let (host, port) = match text.rsplit_once(':') {
            _ if whole.is_ok() => (text, None),
            Some((host, port)) => (host, Some(port.parse().map_err(|_| refused())?)),
            None => (text, None),
        };
        let host = host.trim_matches(['[', ']']);
        match host.parse() {
            Ok(GeneralName::DnsName(_) | GeneralName::IpAddress(_)) => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(refused()),
        }
    }
}

/// The minor version of `1.29`, `v1.29.3` or the like.
pub fn kubernetes_minor(version: &str) -> Option<u32> {
    let rest = version
        .strip_prefix('v')
        .unwrap_or(version)
        .strip_prefix("1.")?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let after = rest.get(minor.len()..)?;
    (after.is_empty() || after.starts_with(['.', '+', '-'])).then_some(())?;
    minor.parse().ok()
}

/// kubeadm's layout for a host.
pub fn declared_by_kubeadm(cluster: &ClusterParameters) -> DeclaredLayout {
    let authorities = KUBEADM
        .authorities
        .iter()
        .map(|authority| DeclaredAuthority {
            name: authority.name.to_string(),
            subject: DeclaredSubject {
                common_name: authority.common_name.to_owned(),
                organizations: Vec::new(),
            },
            certificate: PathBuf::from(format!("{}.crt", authority.file_base)),
            key: PathBuf::from(format!("{}.key", authority.file_base)),
            signer: None,
            path_length: None,
            validity: None,
            key_type: None,
            role: Some(authority.name),
        });
    let certificates = KUBEADM
        .certificates
        .iter()
        .map(|certificate| cluster.certificate(certificate));
    let kubeconfigs = KUBEADM
        .kubeconfigs
        .iter()
        .filter(|kubeconfig| {
            kubeconfig.role != Role::SuperAdmin || cluster.kubernetes_minor >= SUPER_ADMIN_SINCE
        })
        .filter_map(|kubeconfig| cluster.kubeconfig(kubeconfig));
    let service_account = KUBEADM.service_account_key;
    DeclaredLayout {
        authorities: authorities.collect(),
        certificates: certificates.collect(),
        kubeconfigs: kubeconfigs.collect(),
        service_account_keys: vec![DeclaredServiceAccountKey {
            name: service_account.to_owned(),
            private: PathBuf::from(format!("{service_account}.key")),
            public: PathBuf::from(format!("{service_account}.pub")),
            key_type: None,
        }],
        ..DeclaredLayout::empty()
    }
}

impl ClusterParameters {
    /// The parameters of a host, everything else as kubeadm's defaults.
    pub fn new(node_name: &str, advertise_address: IpAddr, kubernetes_minor: u32) -> Self {
        Self {
            cluster: DEFAULT_CLUSTER.to_owned(),
            node_name: node_name.to_owned(),
            advertise_address,
            bind_port: 6443,
            control_plane_endpoint: None,
            first_service_address: IpAddr::from([10, 96, 0, 1]),
            dns_domain: "cluster.local".to_owned(),
            apiserver_names: Vec::new(),
            etcd_names: Vec::new(),
            kubernetes_minor,
        }
    }

    fn certificate(&self, required: &RequiredCertificate) -> DeclaredCertificate {
        DeclaredCertificate {
            name: required.name.to_owned(),
            signer: required.authority.to_string(),
            subject: self.subject(required.subject),
            names: required
                .subject_alt_names
                .iter()
                .flat_map(|rule| self.names(*rule))
                .collect(),
            usages: required.usages.iter().map(ToString::to_string).collect(),
            certificate: PathBuf::from(format!("{}.crt", required.file_base)),
            key: PathBuf::from(format!("{}.key", required.file_base)),
            validity: None,
            key_type: None,
            role: Some(required.role),
        }
    }

    /// None for a kubeconfig whose user is no certificate.
    fn kubeconfig(&self, required: &RequiredKubeconfig) -> Option<DeclaredKubeconfig> {
        Some(DeclaredKubeconfig {
            name: required.name.to_owned(),
            signer: crate::model::role::AuthorityName::Cluster.to_string(),
            subject: self.subject(required.subject?),
            file: PathBuf::from(required.name),
            server: self.server(required.role),
            cluster: self.cluster.clone(),
            user: None,
            trusts: None,
            validity: None,
            key_type: None,
            role: Some(required.role),
        })
    }

    fn subject(&self, rule: SubjectRule) -> DeclaredSubject {
        let organization = rule.organization.in_minor(self.kubernetes_minor);
        DeclaredSubject {
            common_name: rule.common_name.on_node(&self.node_name),
            organizations: organization.into_iter().map(str::to_owned).collect(),
        }
    }

    fn server(&self, role: Role) -> String {
        let is_local = matches!(role, Role::ControllerManager | Role::Scheduler)
            && self.kubernetes_minor >= LOCAL_CLIENTS_SINCE;
        match &self.control_plane_endpoint {
            Some(endpoint) if !is_local => {
                url(&endpoint.host, endpoint.port.unwrap_or(self.bind_port))
            }
            _ => url(&self.advertise_address.to_string(), self.bind_port),
        }
    }

    fn names(&self, rule: SubjectAltNameRule) -> Vec<String> {
        let written = |names: &[GeneralName]| names.iter().map(ToString::to_string).collect();
        match rule {
            SubjectAltNameRule::Dns(name) => vec![format!("DNS:{name}")],
            SubjectAltNameRule::Ip(address) => vec![format!("IP:{address}")],
            SubjectAltNameRule::NodeName => vec![format!("DNS:{}", self.node_name)],
            SubjectAltNameRule::KubernetesServiceInDnsDomain => {
                vec![format!("DNS:kubernetes.default.svc.{}", self.dns_domain)]
            }
            // Without a prefix, since it may be either.
            SubjectAltNameRule::ControlPlaneEndpoint => self
                .control_plane_endpoint
                .iter()
                .map(|endpoint| endpoint.host.clone())
                .collect(),
            SubjectAltNameRule::FirstServiceIp => {
                vec![format!("IP:{}", self.first_service_address)]
            }
            SubjectAltNameRule::AdvertiseAddress => vec![format!("IP:{}", self.advertise_address)],
            SubjectAltNameRule::ApiserverCertSans => written(&self.apiserver_names),
            SubjectAltNameRule::EtcdServerCertSans | SubjectAltNameRule::EtcdPeerCertSans => {
                written(&self.etcd_names)
            }
        }
    }
}

fn url(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(minor: u32) -> ClusterParameters {
        ClusterParameters::new("cp1", IpAddr::from([10, 0, 0, 5]), minor)
    }

    fn kubeconfig<'a>(layout: &'a DeclaredLayout, name: &str) -> &'a DeclaredKubeconfig {
        layout
            .kubeconfigs
            .iter()
            .find(|it| it.name == name)
            .unwrap()
    }

    #[test]
    fn groups_and_the_super_admin_follow_the_version() {
        let old = declared_by_kubeadm(&parameters(28));
        assert_eq!(
            kubeconfig(&old, "admin.conf").subject.organizations,
            ["system:masters"]
        );
        assert!(
            old.kubeconfigs
                .iter()
                .all(|it| it.name != "super-admin.conf")
        );
        let new = declared_by_kubeadm(&parameters(29));
        let admin = kubeconfig(&new, "admin.conf");
        assert_eq!(admin.subject.organizations, ["kubeadm:cluster-admins"]);
        let super_admin = kubeconfig(&new, "super-admin.conf");
        assert_eq!(super_admin.subject.organizations, ["system:masters"]);
        assert!(
            new.kubeconfigs
                .iter()
                .all(|it| it.name != "bootstrap-kubelet.conf")
        );
    }

    #[test]
    fn only_admins_and_kubelets_go_through_the_control_plane_endpoint() {
        let mut cluster = parameters(20);
        cluster.control_plane_endpoint = Some("lb.example:8443".parse().unwrap());
        let server = |minor, name: &str| {
            let cluster = ClusterParameters {
                kubernetes_minor: minor,
                ..cluster.clone()
            };
            kubeconfig(&declared_by_kubeadm(&cluster), name)
                .server
                .clone()
        };
        assert_eq!(server(20, "admin.conf"), "https://lb.example:8443");
        assert_eq!(server(20, "kubelet.conf"), "https://lb.example:8443");
        assert_eq!(server(20, "scheduler.conf"), "https://10.0.0.5:6443");
        assert_eq!(server(18, "scheduler.conf"), "https://lb.example:8443");
    }

    #[test]
    fn endpoints_have_a_host_and_perhaps_a_port() {
        let read = |text: &str| {
            text.parse::<ControlPlaneEndpoint>()
                .map(|it| (it.host, it.port))
        };
        assert_eq!(read("lb.example"), Ok(("lb.example".to_owned(), None)));
        assert_eq!(read("10.0.0.1:443"), Ok(("10.0.0.1".to_owned(), Some(443))));
        assert_eq!(read("[fd00::1]:443"), Ok(("fd00::1".to_owned(), Some(443))));
        assert_eq!(read("fd00::1"), Ok(("fd00::1".to_owned(), None)));
        for wrong in ["", "https://lb:1", "lb:port", "a b", "lb:99999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_read_as_people_write_them() {
        assert_eq!(kubernetes_minor("1.29"), Some(29));
        assert_eq!(kubernetes_minor("v1.20.2"), Some(20));
        assert_eq!(kubernetes_minor("v1.33.0-rc.1"), Some(33));
        assert_eq!(kubernetes_minor("1.30+k3s1"), Some(30));
        for wrong in ["", "2.1", "1.", "1.x", "1.29x", "stable"] {
            assert_eq!(kubernetes_minor(wrong), None, "{wrong}");
        }
    }
}
