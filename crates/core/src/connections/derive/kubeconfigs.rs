//! Everybody with a kubeconfig, towards the API server.
//!
//! Which API server a kubeconfig's address leads to: the one of that host; of the own host for a
//! loopback address; otherwise, behind a name or a load balancer, any of them. A kubeconfig that
//! trusts other authorities and asks for names that no API server has leads to a proxy with a
//! certificate of its own: of that one nothing is known.

use super::address::{Url, is_loopback};
use super::apiserver::{authorizes_by_name, client_trust, identity, published_trust, serving};
use super::builder::Builder;
use super::etcd_clients::{entry_slot, slot, trust_slot};
use super::host::Host;
use super::scene::{Scene, system_trust};
use crate::connections::{AskedName, Connection, ConnectionKind, Held, Party, Place, SlotId, Use};
use crate::layouts::{Reload, reload};
use crate::model::ComponentKind::KubeApiserver;
use crate::model::role::AuthorityName;
use crate::model::{
    ComponentKind, Entry, Holder, KubeconfigTarget, KubeconfigTrust, KubeconfigUse, Role,
};
use kubepki_x509::Certificate;
use kubepki_x509::path::ServerName;
use std::path::Path;

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    for host in &scene.hosts {
        for kubeconfig in &host.inventory.kubeconfigs {
            one(builder, scene, *host, kubeconfig);
        }
    }
}

/// Who uses a kubeconfig: one connection for each component that names it.
struct User {
    party: Party,
    end: String,
    serves: &'static str,
    flag: Option<String>,
}

fn one<'a>(
    builder: &mut Builder,
    scene: &Scene<'a>,
    host: Host<'a>,
    kubeconfig: &'a KubeconfigUse,
) {
    let url = kubeconfig
        .cluster
        .as_ref()
        .and_then(|target| Url::parse(target.server.as_deref()?));
    // Without TLS there is nothing to verify; without an address nobody to call.
    if kubeconfig.problem.is_none() && !url.as_ref().is_some_and(|url| url.tls) {
        return;
    }
    for user in users(&host, kubeconfig) {
        let client = Client {
            host,
            kubeconfig,
            url: url.as_ref(),
            presents: presented(builder, &host, kubeconfig, &user),
            trusts: trusted(builder, scene, &host, kubeconfig, &user),
            user,
        };
        let servers = client.servers(builder, scene);
        if servers.is_empty() {
            client.calls_somebody(builder, scene);
        }
        for server in servers {
            client.calls(builder, scene, &server);
        }
    }
}

fn users(host: &Host<'_>, kubeconfig: &KubeconfigUse) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for used_by in &kubeconfig.used_by {
        let kind = used_by.component;
        let name = match used_by.flag.as_str() {
            "bootstrap-kubeconfig" => "bootstrap-kubelet.conf".to_owned(),
            "kubeconfig" => kind.to_string(),
            // Nearly always the same file, and then one connection tells it all.
            flag => match users.iter().any(|user| user.party.component == Some(kind)) {
                true => continue,
                false => format!("{kind} --{flag}"),
            },
        };
        users.push(User {
            party: host.party(kind),
            end: name,
            serves: serves(kind, kubeconfig.role),
            flag: Some(used_by.flag.clone()),
        });
    }
    if users.is_empty() {
        let path = kubeconfig.path.display();
        let file_name = kubeconfig.path.file_name().unwrap_or_default();
        let is_plugins = is_of_plugin(&kubeconfig.path);
        users.push(User {
            party: host.somebody(match kubeconfig.role {
                _ if is_plugins => format!("the network plugin with {path}"),
                Role::Bootstrap => format!("a kubelet that joins with {path}"),
                _ => format!("kubectl with {path}"),
            }),
            end: match kubeconfig.role {
                Role::Admin | Role::SuperAdmin | Role::Bootstrap => {
                    file_name.to_string_lossy().into_owned()
                }
                _ if is_plugins => format!("cni {path}"),
                _ => path.to_string(),
            },
            serves: match kubeconfig.role {
                _ if is_plugins => "the network plugin: new pods get no network without it",
                Role::Admin | Role::SuperAdmin => "kubectl as administrator",
                Role::Bootstrap => "joining again, for a kubelet without a certificate",
                _ => "kubectl",
            },
            flag: None,
        });
    }
    users
}

fn is_of_plugin(path: &Path) -> bool {
    path.starts_with("/etc/cni") || path.starts_with("/var/run/multus")
}

fn serves(kind: ComponentKind, role: Role) -> &'static str {
    match kind {
        _ if role == Role::Bootstrap => "joining again, for a kubelet without a certificate",
        ComponentKind::KubeControllerManager => {
            "all controllers: deployments, certificates, tokens, namespaces"
        }
        ComponentKind::KubeScheduler => "placing pods on nodes",
        ComponentKind::Kubelet => "the node: its pods and its readiness",
        ComponentKind::KubeProxy => "Services on this node",
        ComponentKind::CloudControllerManager => "the cloud's load balancers, routes and nodes",
        _ => "a client of the API server",
    }
}

/// A kubeconfig in the hands of one user.
struct Client<'a, 'k> {
    host: Host<'a>,
    kubeconfig: &'k KubeconfigUse,
    url: Option<&'k Url>,
    user: User,
    presents: Option<SlotId>,
    trusts: Option<SlotId>,
}

impl<'a> Client<'a, '_> {
    /// The API servers that its address may lead to.
    fn servers(&self, builder: &mut Builder, scene: &Scene<'a>) -> Vec<Host<'a>> {
        let all: Vec<Host<'a>> = scene.running(KubeApiserver).collect();
        let Some(url) = self.url else { return all };
        let own = scene.meant(&url.host, Some(self.host), KubeApiserver);
        if let Some(host) = own {
            let port = host.port(KubeApiserver, "secure-port", 6443);
            if !is_loopback(&url.host) || port == url.port {
                return vec![host];
            }
        }
        let asked: Vec<ServerName> = self.names().into_iter().map(|asked| asked.name).collect();
        let named = all.iter().any(|host| {
            let slot = serving(builder, host, &asked);
            let Some(certificate) = slot.and_then(|slot| certificate_in(builder, slot)) else {
                return false;
            };
            let held = certificate.subject_alt_names();
            asked.iter().any(|name| name.matches(&held))
        });
        if named || self.means_cluster(scene) {
            all
        } else {
            Vec::new()
        }
    }

    /// Whether what it trusts is, or is called like, the cluster's authority.
    fn means_cluster(&self, scene: &Scene<'_>) -> bool {
        let Some(target) = &self.kubeconfig.cluster else {
            return true;
        };
        let trusted: &[Certificate] = match &target.trust {
            KubeconfigTrust::Embedded(Ok(certificates)) => certificates,
            KubeconfigTrust::File(file) => &file.certificates,
            KubeconfigTrust::Embedded(Err(_)) => &[],
            KubeconfigTrust::System => return false,
        };
        let authorities = scene
            .hosts
            .iter()
            .flat_map(|host| &host.inventory.authorities);
        let mut cluster = authorities
            .filter(|authority| authority.role == Role::ClusterCa)
            .flat_map(|authority| &authority.certificates);
        trusted.is_empty()
            || cluster.any(|ca| {
                trusted.iter().any(|other| {
                    other.public_key() == ca.public_key() || other.subject() == ca.subject()
                })
            })
    }

    fn names(&self) -> Vec<AskedName> {
        let Some(target) = &self.kubeconfig.cluster else {
            return Vec::new();
        };
        let name = match &target.tls_server_name {
            Some(name) => name.parse().ok(),
            None => self.url.and_then(Url::server_name),
        };
        let asked_by = cluster_place(&self.host, self.kubeconfig, target);
        name.map(|name| AskedName { name, asked_by })
            .into_iter()
            .collect()
    }

    fn connection(&self, scene: &Scene<'_>, server_end: &str, server: Party) -> Connection {
        let mut connection = Connection::between(
            format!(
                "{}->{server_end}",
                scene.end(&self.user.end, self.host.name())
            ),
            ConnectionKind::KubeconfigToApiserver,
            self.user.serves,
            self.user.party.clone(),
            server,
        );
        connection.client_presents = self.presents;
        connection.client_trusts = self.trusts;
        connection.names = self.names();
        connection.address = self.url.map(|url| (url.host.clone(), url.port));
        connection.identity = identity(&self.host, self.kubeconfig.role);
        connection
    }

    fn calls(&self, builder: &mut Builder, scene: &Scene<'_>, server: &Host<'_>) {
        let end = scene.end("kube-apiserver", server.name());
        let mut connection = self.connection(scene, &end, server.party(KubeApiserver));
        let names: Vec<ServerName> = connection
            .names
            .iter()
            .map(|asked| asked.name.clone())
            .collect();
        connection.server_presents = serving(builder, server, &names);
        connection.server_trusts = client_trust(builder, server);
        if connection.identity.is_some() && !authorizes_by_name(server, self.kubeconfig.role) {
            connection.identity = None;
        }
        builder.connect(connection);
    }

    fn calls_somebody(&self, builder: &mut Builder, scene: &Scene<'_>) {
        let server = super::scene::elsewhere(KubeApiserver, None);
        let mut connection = self.connection(scene, "kube-apiserver", server.clone());
        connection.server_trusts = match published_trust(builder, scene, &server) {
            Some(slot) => Some(slot),
            None => self
                .url
                .map(|url| scene.unknown_trust(builder, &server, url)),
        };
        // Who authorizes there, and how, is not known.
        connection.identity = None;
        builder.connect(connection);
    }
}

/// The slot of a kubeconfig's certificate in the hands of somebody who is no component.
pub(super) fn entry_of(
    builder: &mut Builder,
    host: &Host<'_>,
    party: &Party,
    entry: &Entry,
) -> SlotId {
    let user = User {
        party: party.clone(),
        end: String::new(),
        serves: "",
        flag: None,
    };
    credential_slot(builder, host, entry, &user)
}

fn presented(
    builder: &mut Builder,
    host: &Host<'_>,
    kubeconfig: &KubeconfigUse,
    user: &User,
) -> Option<SlotId> {
    let kubelets = || {
        let mut entries = host.inventory.entries.iter();
        entries.find(|entry| entry.role == Role::KubeletClient)
    };
    let entry: &Entry = match kubeconfig.role {
        Role::KubeletClient => kubelets().or(kubeconfig.credential.as_ref()),
        _ => kubeconfig.credential.as_ref(),
    }?;
    if kubeconfig.role == Role::Bootstrap && entry.chain.is_empty() && entry.problem.is_none() {
        return None;
    }
    Some(credential_slot(builder, host, entry, user))
}

fn credential_slot(builder: &mut Builder, host: &Host<'_>, entry: &Entry, user: &User) -> SlotId {
    let Holder::Kubeconfig { path, user: name } = &entry.holder else {
        return entry_slot(builder, host, &user.party, entry);
    };
    let place = Place::KubeconfigUser {
        host: host.name().to_owned(),
        path: path.clone(),
        user: name.clone(),
    };
    let mut slot = slot(
        &user.party,
        place,
        Use::Present,
        Some(AuthorityName::Cluster),
    );
    slot.flag.clone_from(&user.flag);
    slot.reload = reload_of(user);
    slot.renewable_as = host.renewable_as(entry);
    builder.slot(slot, |_| host.held_entry(entry, None))
}

fn reload_of(user: &User) -> Reload {
    match (user.party.component, &user.flag) {
        (Some(kind), Some(flag)) => reload(kind, flag),
        // kubectl reads it every time.
        _ => Reload::NextConnection,
    }
}

fn cluster_place(host: &Host<'_>, kubeconfig: &KubeconfigUse, target: &KubeconfigTarget) -> Place {
    Place::KubeconfigCluster {
        host: host.name().to_owned(),
        path: kubeconfig.path.clone(),
        cluster: target.name.clone(),
    }
}

fn trusted(
    builder: &mut Builder,
    scene: &Scene<'_>,
    host: &Host<'_>,
    kubeconfig: &KubeconfigUse,
    user: &User,
) -> Option<SlotId> {
    let Some(target) = &kubeconfig.cluster else {
        let problem = kubeconfig.problem.clone()?;
        let slot = slot(&user.party, host.file(&kubeconfig.path), Use::Trust, None);
        let missing = format!("{} does not exist", kubeconfig.path.display());
        let held = host.nothing_in(&kubeconfig.path, Some(problem), missing);
        return Some(builder.slot(slot, |_| held));
    };
    if target.unverified {
        return None;
    }
    let place = cluster_place(host, kubeconfig, target);
    let mut slot = slot(&user.party, place, Use::Trust, Some(AuthorityName::Cluster));
    slot.flag.clone_from(&user.flag);
    slot.reload = reload_of(user);
    match &target.trust {
        KubeconfigTrust::File(file) => Some(trust_slot(builder, host, &user.party, file)),
        KubeconfigTrust::Embedded(embedded) => Some(builder.slot(slot, |builder| match embedded {
            Ok(certificates) => builder.trust(certificates),
            Err(reason) => Held::Unusable(reason.clone()),
        })),
        KubeconfigTrust::System => {
            let server = scene
                .running(KubeApiserver)
                .next()
                .and_then(|server| serving(builder, &server, &[]));
            let held = system_trust(builder, host, server);
            Some(builder.slot(slot, |_| held))
        }
    }
}

fn certificate_in(builder: &Builder, slot: SlotId) -> Option<&Certificate> {
    match builder.held(slot) {
        Held::Credential(credential) => credential.chain.first(),
        _ => None,
    }
}
