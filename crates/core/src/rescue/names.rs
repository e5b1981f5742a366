//! Names that a serving certificate needs on its host: kubeadm's recipe, filled in from flags and from
//! the certificates of its siblings on other hosts.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/>

use crate::diagnose::HostEvidence;
use crate::founding::first_service_address;
use crate::layouts::kubeadm::{KUBEADM, SubjectAltNameRule};
use crate::model::{ComponentKind, Inventory, Role};
use kubepki_x509::{Certificate, GeneralName};
use std::net::IpAddr;

/// What a host is called by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNames {
    /// Its node's name, then its own.
    pub names: Vec<String>,
    /// Its addresses, the advertised one first.
    pub addresses: Vec<IpAddr>,
}

impl OwnNames {
    /// From its flags and its node's name.
    pub fn of(hosts: &[HostEvidence], host: usize) -> Self {
        let mut own = Self::default();
        let Some(inventory) = hosts.get(host).map(|host| &host.inventory) else {
            return own;
        };
        let name = inventory.host.trim().to_lowercase();
        if let Some(node) = &inventory.node_name {
            // A certificate that was copied from another node speaks of that one.
            let is_anothers = node.name != name
                && hosts
                    .iter()
                    .enumerate()
                    .any(|(other, it)| other != host && it.inventory.host == node.name);
            if !is_anothers {
                own.name(node.name.clone());
            }
        }
        own.name(name);
        let flags = [
            (ComponentKind::KubeApiserver, "advertise-address"),
            (ComponentKind::Etcd, "initial-advertise-peer-urls"),
            (ComponentKind::Etcd, "advertise-client-urls"),
            (ComponentKind::Etcd, "listen-peer-urls"),
            (ComponentKind::Etcd, "listen-client-urls"),
            (ComponentKind::Kubelet, "node-ip"),
        ];
        for (kind, flag) in flags {
            let Some(component) = inventory.component(kind) else {
                continue;
            };
            for value in component.flags.list(flag) {
                if let Ok(address) = host_of(value).parse::<IpAddr>()
                    && !address.is_loopback()
                    && !address.is_unspecified()
                    && !own.addresses.contains(&address)
                {
                    own.addresses.push(address);
                }
            }
        }
        own
    }

    fn name(&mut self, name: String) {
        if !name.is_empty() && !name.starts_with('(') && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Whether a name of a certificate is this host's own.
    pub fn holds(&self, name: &GeneralName) -> bool {
        match name {
            GeneralName::DnsName(name) => {
                let mut names = self.names.iter();
                names.any(|own| own.eq_ignore_ascii_case(name))
            }
            name => {
                let mut addresses = self.addresses.iter();
                addresses.any(|own| address(*own).as_ref() == Some(name))
            }
        }
    }

    /// The name that certificates of this node bear.
    pub fn node(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// Where names come from: this host and the others.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// All hosts.
    pub hosts: &'a [HostEvidence],
    /// This one.
    pub host: usize,
}

impl<'a> Naming<'a> {
    fn inventory(&self) -> Option<&'a Inventory> {
        Some(&self.hosts.get(self.host)?.inventory)
    }

    /// What this host is called by.
    pub fn own(&self) -> OwnNames {
        OwnNames::of(self.hosts, self.host)
    }

    fn others(&self) -> Vec<OwnNames> {
        (0..self.hosts.len())
            .filter(|index| *index != self.host)
            .map(|index| OwnNames::of(self.hosts, index))
            .collect()
    }

    fn all(&self) -> Vec<OwnNames> {
        (0..self.hosts.len())
            .map(|index| OwnNames::of(self.hosts, index))
            .collect()
    }

    /// Whether a certificate is for another of the hosts and not for this one.
    pub fn is_foreign(&self, certificate: &Certificate) -> bool {
        let names = certificate.subject_alt_names();
        let own = self.own();
        if names.is_empty() || names.iter().any(|name| own.holds(name)) {
            return false;
        }
        self.others()
            .iter()
            .any(|other| names.iter().any(|name| other.holds(name)))
    }

    /// Names that a serving certificate of kubeadm's table needs here; `None` for one that it has no
    /// names for.
    pub fn demanded(&self, kubeadm_name: &str) -> Option<Vec<GeneralName>> {
        let row = KUBEADM.certificate(kubeadm_name)?;
        if row.subject_alt_names.is_empty() {
            return None;
        }
        let inventory = self.inventory()?;
        let own = self.own();
        let mut names: Vec<GeneralName> = Vec::new();
        let mut add = |name: Option<GeneralName>| {
            if let Some(name) = name
                && !names.contains(&name)
            {
                names.push(name);
            }
        };
        for rule in row.subject_alt_names {
            match rule {
                SubjectAltNameRule::Dns(name) => add(dns(name)),
                SubjectAltNameRule::Ip(text) => add(text.parse().ok().and_then(address)),
                SubjectAltNameRule::NodeName => add(dns(own.node())),
                SubjectAltNameRule::KubernetesServiceInDnsDomain => {
                    add(dns(&self.service_in_domain(inventory)));
                }
                SubjectAltNameRule::ControlPlaneEndpoint => {
                    self.endpoints().iter().for_each(|name| add(any(name)));
                }
                SubjectAltNameRule::FirstServiceIp => {
                    let range = inventory
                        .component(ComponentKind::KubeApiserver)
                        .and_then(|server| server.flags.one("service-cluster-ip-range"));
                    add(range.and_then(first_service_address).and_then(address));
                }
                SubjectAltNameRule::AdvertiseAddress => {
                    add(own.addresses.first().copied().and_then(address));
                }
                SubjectAltNameRule::ApiserverCertSans
                | SubjectAltNameRule::EtcdServerCertSans
                | SubjectAltNameRule::EtcdPeerCertSans => {
                    let stored = self.stored_names(rule).into_iter();
                    let siblings = self.siblings_names(row.role).into_iter();
                    siblings.chain(stored).for_each(|name| add(Some(name)));
                }
            }
        }
        names.sort_by_key(|name| matches!(name, GeneralName::IpAddress(_)));
        Some(names)
    }

    /// The names without which nothing works: those that components call this server by.
    pub fn indispensable(&self, role: Role) -> Vec<GeneralName> {
        let own = self.own().addresses.first().copied().and_then(address);
        let named = match role {
            Role::ApiserverServing => dns("kubernetes.default.svc"),
            Role::EtcdServer => self
                .inventory()
                .and_then(|inventory| inventory.component(ComponentKind::Etcd))
                .filter(|etcd| {
                    etcd.flags
                        .list("listen-client-urls")
                        .any(|url| host_of(url) == "127.0.0.1")
                })
                .and_then(|_| "127.0.0.1".parse().ok())
                .and_then(address),
            Role::EtcdPeer => None,
            _ => return Vec::new(),
        };
        named.into_iter().chain(own).collect()
    }

    /// What a certificate's names become so that it serves here: what is right in them stays, in its
    /// order; `None` when they stay as they are.
    pub fn corrected(
        &self,
        kubeadm_name: &str,
        certificate: &Certificate,
    ) -> Option<Vec<GeneralName>> {
        let held = certificate.subject_alt_names();
        let others = self.others();
        let own = self.own();
        let mut names: Vec<GeneralName> = held
            .iter()
            .filter(|name| own.holds(name) || !others.iter().any(|other| other.holds(name)))
            .cloned()
            .collect();
        for name in self.demanded(kubeadm_name)? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.sort_by_key(|name| matches!(name, GeneralName::IpAddress(_)));
        let mut before = held.clone();
        before.sort_by_key(|name| matches!(name, GeneralName::IpAddress(_)));
        (names != before).then_some(names)
    }

    /// Names in the certificates of the same kind on other hosts that are not those hosts' own:
    /// `certSANs`, the address of a load balancer.
    fn siblings_names(&self, role: Role) -> Vec<GeneralName> {
        let all = self.all();
        let mut found: Vec<GeneralName> = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            if index == self.host {
                continue;
            }
            let entries = host.inventory.entries.iter();
            for certificate in entries
                .filter(|entry| entry.role == role)
                .filter_map(|entry| entry.certificate())
            {
                for name in certificate.subject_alt_names() {
                    if !all.iter().any(|own| own.holds(&name)) && !found.contains(&name) {
                        found.push(name);
                    }
                }
            }
        }
        found
    }

    /// Names that kubeadm's configuration has for a certificate, as a file on any host still holds it.
    fn stored_names(&self, rule: &SubjectAltNameRule) -> Vec<GeneralName> {
        let configurations = self.hosts.iter();
        let names = configurations
            .filter_map(|host| host.inventory.kubeadm_configuration.as_ref())
            .flat_map(|stored| match rule {
                SubjectAltNameRule::ApiserverCertSans => stored.names.api_server.as_slice(),
                SubjectAltNameRule::EtcdServerCertSans => stored.names.etcd_server.as_slice(),
                SubjectAltNameRule::EtcdPeerCertSans => stored.names.etcd_peer.as_slice(),
                _ => &[],
            });
        names.filter_map(|name| any(name)).collect()
    }

    /// `kubernetes.default.svc.` and the cluster's DNS domain.
    fn service_in_domain(&self, inventory: &Inventory) -> String {
        const PREFIX: &str = "kubernetes.default.svc.";
        let servers = self.hosts.iter().flat_map(|host| &host.inventory.entries);
        let held = servers
            .filter(|entry| entry.role == Role::ApiserverServing)
            .filter_map(|entry| entry.certificate())
            .flat_map(Certificate::subject_alt_names)
            .find_map(|name| match name {
                GeneralName::DnsName(name) if name.starts_with(PREFIX) => Some(name),
                _ => None,
            });
        held.unwrap_or_else(|| {
            let domain = inventory
                .component(ComponentKind::Kubelet)
                .and_then(|kubelet| kubelet.flags.one("cluster-domain"))
                .unwrap_or("cluster.local");
            format!("{PREFIX}{domain}")
        })
    }

    /// Hosts by which kubelets and administrators call the API server, without the hosts' own.
    fn endpoints(&self) -> Vec<String> {
        let all = self.all();
        let mut found: Vec<String> = Vec::new();
        for host in self.hosts {
            for kubeconfig in &host.inventory.kubeconfigs {
                if !matches!(kubeconfig.role, Role::Admin | Role::KubeletClient) {
                    continue;
                }
                let server = kubeconfig
                    .cluster
                    .as_ref()
                    .and_then(|cluster| cluster.server.as_deref());
                let Some(server) = server else { continue };
                let name = host_of(server).to_owned();
                let is_own = any(&name)
                    .is_some_and(|general| all.iter().any(|own| own.holds(&general)))
                    || ["127.0.0.1", "::1", "localhost"].contains(&name.as_str());
                if !name.is_empty() && !is_own && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        // One name that most ask for; a lone wrong one would be put into the certificate otherwise.
        let count = |name: &String| {
            let kubeconfigs = self
                .hosts
                .iter()
                .flat_map(|host| &host.inventory.kubeconfigs);
            kubeconfigs
                .filter(|kubeconfig| {
                    let cluster = kubeconfig.cluster.as_ref();
                    let server = cluster.and_then(|cluster| cluster.server.as_deref());
                    server.is_some_and(|server| host_of(server) == name)
                })
                .count()
        };
        found.into_iter().max_by_key(count).into_iter().collect()
    }
}

/// The host in `https://HOST:PORT`, `HOST:PORT` or `HOST`, an IPv6 address without its brackets.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    if let Some(rest) = rest.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match rest.matches(':').count() {
        1 => rest.split(':').next().unwrap_or(rest),
        _ => rest,
    }
}

fn dns(name: &str) -> Option<GeneralName> {
    (!name.is_empty())
        .then(|| format!("DNS:{name}").parse().ok())
        .flatten()
}

fn address(address: IpAddr) -> Option<GeneralName> {
    format!("IP:{address}").parse().ok()
}

fn any(name: &str) -> Option<GeneralName> {
    name.parse().ok()
}
