//! Who talks to whom: slots and the connections between them. The shape only; what lies in the slots
//! is a [`super::Material`].

use super::place::Place;
use crate::layouts::reload::Reload;
use crate::model::{AuthorityName, ComponentKind};
use kubepki_x509::path::ServerName;
use serde::Serialize;
use std::fmt;

/// The index of a slot in [`Graph::slots`] and in [`super::Material::held`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub usize);

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// A certificate with its key, presented to others.
    Present,
    /// CA certificates, by which others are believed.
    Trust,
}

/// One use of one place by one process: two components that read the same file have two slots, since
/// one may have read it before a change and the other after.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Whose.
    pub party: Party,
    /// The flag that names it, without dashes, where one does.
    pub flag: Option<String>,
    /// Where it lies.
    pub place: Place,
    /// The private key's place, when it is another.
    pub key_place: Option<Place>,
    /// What for.
    pub purpose: Use,
    /// How its process takes up a change.
    pub reload: Reload,
    /// The authority that should have signed it, or whose certificates it should hold.
    pub authority: Option<AuthorityName>,
    /// What `kubepki renew` calls it, for a certificate that it can renew.
    pub renewable_as: Option<String>,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// What people call it: `kube-apiserver`, `kubelet`, `kubectl with /etc/kubernetes/admin.conf`,
    /// `pods of namespace shop`.
    pub name: String,
    /// The host, when it runs on one.
    pub host: Option<String>,
    /// The component, when it is one.
    pub component: Option<ComponentKind>,
}

/// A kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// etcd member to etcd member; each is client and server.
    EtcdPeer,
    /// The API server to etcd.
    ApiserverToEtcd,
    /// The health check of etcd.
    EtcdHealthcheck,
    /// Monitoring, CNI and other clients of etcd.
    EtcdClient,
    /// Anything with a kubeconfig to the API server: people, controller manager, scheduler, kubelet,
    /// kube-proxy, cloud controller manager, CNI.
    KubeconfigToApiserver,
    /// The API server to a kubelet (logs, exec).
    ApiserverToKubelet,
    /// The API server to an aggregated API server, and that one's trust in the front proxy.
    ApiserverToAggregated,
    /// The API server to an admission or conversion webhook.
    ApiserverToWebhook,
    /// Pods to the API server.
    PodToApiserver,
    /// A joining node to the API server.
    JoiningNode,
    /// A client of the controller manager's or the scheduler's own port.
    ComponentPort,
    /// An endpoint that was named by the user or is exposed by the cluster.
    Exposed,
}

/// A name that the client asks for in the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedName {
    /// The name.
    pub name: ServerName,
    /// What makes the client ask for it: a kubeconfig's server, a flag, a Node's address.
    pub asked_by: Place,
}

/// What a server demands of a client's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// One of these common names; empty for any.
    pub common_names: Vec<String>,
    /// All of these organizations (groups).
    pub organizations: Vec<String>,
    /// Organizations that may do everything: with one of them nothing else is demanded.
    pub privileged: Vec<String>,
    /// One of these host names among the subject alternative names; empty for any.
    pub host_names: Vec<ServerName>,
    /// What demands it: a flag, an object, or the field's convention.
    pub demanded_by: Place,
}

/// One connection: TLS from a client to a server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Stable, unique in the graph: `kube-apiserver->etcd`; with hosts or objects where there are
    /// several: `etcd@cp1->etcd@cp2`, `kube-apiserver->ValidatingWebhookConfiguration a/b`.
    pub id: String,
    /// Its kind.
    pub kind: ConnectionKind,
    /// What it is for, as one reads what breaks with it: `kubectl logs, exec and port-forward`.
    pub serves: String,
    /// Who opens it.
    pub client: Party,
    /// Who answers.
    pub server: Party,
    /// The client's certificate; `None` when it has none (a token, or nothing).
    pub client_presents: Option<SlotId>,
    /// By what the client believes the server; `None` when it believes anybody. What cannot be told is a
    /// slot that holds [`super::Held::Unknown`].
    pub client_trusts: Option<SlotId>,
    /// The server's certificate; `None` when only the wire could tell.
    pub server_presents: Option<SlotId>,
    /// By what the server believes the client; `None` when it asks for no certificate. What cannot be
    /// told is a slot that holds [`super::Held::Unknown`].
    pub server_trusts: Option<SlotId>,
    /// Names that the client asks for; every one has to be in the server's certificate.
    pub names: Vec<AskedName>,
    /// What the server demands of the client's subject.
    pub identity: Option<Identity>,
    /// Addresses and names that the client comes from, where the server compares them: etcd refuses a
    /// client certificate that has names when none of them is its bearer's. Empty where nobody asks.
    pub client_names: Vec<AskedName>,
    /// Where it can be tried from the client's host.
    pub address: Option<(String, u16)>,
}

/// All slots and connections.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The slots.
    pub slots: Vec<Slot>,
    /// The connections.
    pub connections: Vec<Connection>,
}

impl Graph {
    /// The slot of this id.
    pub fn slot(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(id.0)
    }

    /// The connection of this id.
    pub fn connection(&self, id: &str) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|connection| connection.id == id)
    }

    /// Every connection in which this slot takes part.
    pub fn connections_of(&self, slot: SlotId) -> impl Iterator<Item = &Connection> {
        self.connections
            .iter()
            .filter(move |connection| connection.slots().any(|other| other == slot))
    }
}

impl Connection {
    /// The slots that take part in it.
    pub fn slots(&self) -> impl Iterator<Item = SlotId> {
        [
            self.client_presents,
            self.client_trusts,
            self.server_presents,
            self.server_trusts,
        ]
        .into_iter()
        .flatten()
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{} on {host}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
