//! Everything that the checks look at, in one place, with the questions that several of them ask.

use super::DiagnoseOptions;
use super::evidence::{Evidence, HostEvidence};
use crate::connections::{Connection, Graph, Held, Material, Party, Place, Slot, SlotId, Verdict};
use crate::model::{ComponentKind, Entry, FileTime, Holder, Inventory};
use jiff::Timestamp;
use kubepki_x509::Certificate;
use kubepki_x509::path::SignatureMemo;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The evidence and what was made of it.
pub(super) struct Scene<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) options: &'a DiagnoseOptions<'a>,
    pub(super) graph: Graph,
    pub(super) disk: Material,
    /// Of every connection, by the files.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) signatures: SignatureMemo,
    hosts: HashMap<&'a str, &'a HostEvidence>,
    /// Of every place, the connections in which it takes part, in their order.
    connections: HashMap<Place, Vec<usize>>,
    /// Places on which something fails, and the flags by which they are named there.
    unsound: HashMap<Place, HashSet<Option<String>>>,
}

impl<'a> Scene<'a> {
    /// Everything in its place; what many checks ask for is looked up, for with hundreds of hosts
    /// looking through all connections for each of them takes their square.
    pub(super) fn new(
        evidence: &'a Evidence<'a>,
        options: &'a DiagnoseOptions<'a>,
        graph: Graph,
        disk: Material,
        verdicts: Vec<Verdict>,
        signatures: SignatureMemo,
    ) -> Self {
        let mut hosts = HashMap::new();
        for host in evidence.hosts {
            hosts.entry(host.inventory.host.as_str()).or_insert(host);
        }
        let mut connections: HashMap<Place, Vec<usize>> = HashMap::new();
        for (index, connection) in graph.connections.iter().enumerate() {
            for slot in connection.slots().filter_map(|id| graph.slot(id)) {
                let known = connections.entry(slot.place.clone()).or_default();
                if known.last() != Some(&index) {
                    known.push(index);
                }
            }
        }
        let mut unsound: HashMap<Place, HashSet<Option<String>>> = HashMap::new();
        for failure in verdicts.iter().flat_map(Verdict::failures) {
            let slots = [failure.presented, failure.trusted_by];
            for slot in slots.into_iter().flatten().filter_map(|id| graph.slot(id)) {
                let flags = unsound.entry(slot.place.clone()).or_default();
                flags.insert(slot.flag.clone());
            }
        }
        Self {
            evidence,
            options,
            graph,
            disk,
            verdicts,
            signatures,
            hosts,
            connections,
            unsound,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.options.now
    }

    /// The evidence of the host of this name.
    pub(super) fn host(&self, name: &str) -> Option<&'a HostEvidence> {
        self.hosts.get(name).copied()
    }

    pub(super) fn inventory(&self, host: &str) -> Option<&'a Inventory> {
        self.host(host).map(|host| &host.inventory)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        self.graph
            .slots
            .iter()
            .enumerate()
            .map(|(index, slot)| (SlotId(index), slot))
    }

    /// The end-entity certificate that a slot presents by its file.
    pub(super) fn presented(&self, slot: SlotId) -> Option<&Certificate> {
        leaf(self.disk.held(slot))
    }

    /// The CA certificates that a slot trusts by its file.
    pub(super) fn trusted(&self, slot: SlotId) -> &[Certificate] {
        trusted(self.disk.held(slot))
    }

    /// Whether nothing that depends on a place (and is named by this flag, if one is given) fails by
    /// the files.
    pub(super) fn is_sound(&self, place: &Place, flag: Option<&str>) -> bool {
        self.unsound.get(place).is_none_or(|flags| {
            let is_this = |failing: &Option<String>| failing.as_deref() == flag;
            flag.is_some() && !flags.iter().any(is_this)
        })
    }

    /// The connections of the slots that lie in a place.
    pub(super) fn connections_of(&self, place: &Place) -> Vec<&Connection> {
        let indices = self.connections.get(place).into_iter().flatten();
        indices
            .filter_map(|index| self.graph.connections.get(*index))
            .collect()
    }

    /// When a file of a host was last changed.
    pub(super) fn file_time(&self, host: &str, path: &Path) -> Option<&'a FileTime> {
        self.inventory(host)?.file_times.get(path)
    }

    /// When the oldest process of a component on a host started.
    pub(super) fn started(&self, host: &str, component: ComponentKind) -> Option<Timestamp> {
        let component = self.inventory(host)?.component(component)?;
        component
            .processes
            .iter()
            .map(|process| process.started)
            .min()
    }

    /// Whether several hosts were looked at: then sentences name them.
    pub(super) fn is_one_host(&self) -> bool {
        self.evidence.hosts.len() < 2
    }

    /// One end of a connection, with its host where there are several.
    pub(super) fn party(&self, party: &Party) -> String {
        if self.is_one_host() {
            party.name.clone()
        } else {
            party.to_string()
        }
    }

    /// `PATH on cp1` where there are several hosts.
    pub(super) fn on_host(&self, place: &Place) -> String {
        match place.host() {
            Some(host) if !self.is_one_host() => format!("{place} on {host}"),
            _ => place.to_string(),
        }
    }
}

/// The end-entity certificate of a credential.
pub(super) fn leaf(held: &Held) -> Option<&Certificate> {
    match held {
        Held::Credential(credential) => credential.chain.first(),
        _ => None,
    }
}

/// The certificates of a trust bundle.
pub(super) fn trusted(held: &Held) -> &[Certificate] {
    match held {
        Held::Trust(bundle) => bundle.pool.certificates(),
        _ => &[],
    }
}

/// Where an entry's certificate lies.
pub(super) fn place_of(host: &str, entry: &Entry) -> Place {
    match &entry.holder {
        Holder::Kubeconfig { path, user } => Place::KubeconfigUser {
            host: host.to_owned(),
            path: path.clone(),
            user: user.clone(),
        },
        holder => file(host, holder.path()),
    }
}

/// A file of a host.
pub(super) fn file(host: &str, path: &Path) -> Place {
    Place::File {
        host: host.to_owned(),
        path: path.to_owned(),
    }
}

/// Subject and the beginning of the fingerprint: enough to tell two certificates of one name apart.
pub(super) fn named(certificate: &Certificate) -> String {
    let fingerprint = hex::encode(certificate.fingerprint_sha256());
    let short = fingerprint.get(..8).unwrap_or(&fingerprint);
    format!("{} (sha256:{short}…)", certificate.subject())
}

/// A time without fractions.
pub(super) fn moment(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    whole.to_string()
}
