//! What the checker follows: cells that hold something, links that need two of them to fit, and the
//! processes that read the cells. A cell is a slot of the graph, or stands for something that no file
//! shows: what pods hold in memory, tokens that are out.

use super::content::{Choices, ContentId};
use crate::connections::{Place, Use};
use crate::layouts::Reload;
use crate::model::ComponentKind;
use crate::rotation::Root;
use std::collections::HashMap;

pub(super) type CellId = usize;
pub(super) type LinkId = usize;
pub(super) type ProcessId = usize;

/// Who holds what a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A component of a host: it reads again as its cell says, or when it is restarted.
    Process(ProcessId),
    /// Containers of workloads: they read when they start.
    Pods,
    /// Somebody who reads every time: kubectl, etcdctl, a joining node.
    Momentary,
}

/// What a cell is besides a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing.
    Plain,
    /// A controller manager's `root-ca-file`: published to every namespace.
    RootCa,
    /// What is published, and what pods have of it in memory.
    Published,
    /// An API server's `requestheader-client-ca-file`: merged into what aggregated servers believe.
    FrontProxies,
    /// What aggregated servers believe.
    Merged,
    /// The key by which a process signs tokens.
    TokenSigner,
    /// The certificate by which a controller manager signs others.
    CertificateSigner,
    /// Tokens in the hands of pods.
    Tokens,
    /// Tokens in Secrets, in whoever's hands.
    TokenSecrets,
}

/// One thing that is held.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Who holds it, in words.
    pub(super) holder: String,
    pub(super) host: Option<String>,
    pub(super) component: Option<ComponentKind>,
    pub(super) flag: Option<String>,
    pub(super) place: Option<Place>,
    /// What `kubepki renew` calls it.
    pub(super) entry: Option<String>,
    pub(super) purpose: Use,
    pub(super) owner: Owner,
    pub(super) part: Part,
    pub(super) reload: Reload,
    /// What lay there in the beginning.
    pub(super) start: ContentId,
    /// What lies there: on disk, in the API. Several only where others write it.
    pub(super) disk: Choices,
    /// What its holder goes by.
    pub(super) loaded: Choices,
    /// The moment of the last change of what lies there.
    pub(super) written: u64,
}

/// How one direction of a link stood in the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It held.
    Held,
    /// It failed.
    Failed,
    /// It cannot be told.
    Unknown,
    /// Nobody asks.
    Nothing,
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) serves: String,
    pub(super) client: Option<ProcessId>,
    pub(super) server: Option<ProcessId>,
    pub(super) client_presents: Option<CellId>,
    pub(super) client_trusts: Option<CellId>,
    pub(super) server_presents: Option<CellId>,
    pub(super) server_trusts: Option<CellId>,
    /// Whether the server judges its client with every request, not only when the connection is made.
    pub(super) per_request: bool,
    /// Whether it is a component's own port, which nobody but monitoring asks.
    pub(super) is_minor: bool,
    pub(super) server_start: Start,
    pub(super) client_start: Start,
    /// What the client presented on connections that may be kept since.
    pub(super) kept: Choices,
}

impl Link {
    pub(super) fn cells(&self) -> impl Iterator<Item = CellId> {
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

/// A component of a host.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) cells: Vec<CellId>,
    pub(super) links: Vec<LinkId>,
    /// Whether it is halted: nobody can call it, and it calls nobody.
    pub(super) is_halted: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) cells: Vec<Cell>,
    pub(super) links: Vec<Link>,
    pub(super) processes: Vec<Process>,
    process_ids: HashMap<(String, ComponentKind), ProcessId>,
    by_place: HashMap<Place, Vec<CellId>>,
    by_entry: HashMap<(String, String), Vec<CellId>>,
    by_part: Vec<(Part, CellId)>,
    links_of: Vec<Vec<LinkId>>,
}

impl Model {
    pub(super) fn process(&mut self, host: &str, component: ComponentKind) -> ProcessId {
        let key = (host.to_owned(), component);
        let processes = &mut self.processes;
        *self.process_ids.entry(key).or_insert_with(|| {
            processes.push(Process {
                cells: Vec::new(),
                links: Vec::new(),
                is_halted: false,
            });
            processes.len() - 1
        })
    }

    pub(super) fn known_process(&self, host: &str, component: ComponentKind) -> Option<ProcessId> {
        let key = (host.to_owned(), component);
        self.process_ids.get(&key).copied()
    }

    pub(super) fn add_cell(&mut self, cell: Cell) -> CellId {
        let id = self.cells.len();
        if let Some(place) = &cell.place {
            self.by_place.entry(place.clone()).or_default().push(id);
        }
        if let (Some(host), Some(entry)) = (&cell.host, &cell.entry) {
            let key = (host.clone(), entry.clone());
            self.by_entry.entry(key).or_default().push(id);
        }
        if let Owner::Process(process) = cell.owner
            && let Some(process) = self.processes.get_mut(process)
        {
            process.cells.push(id);
        }
        if cell.part != Part::Plain {
            self.by_part.push((cell.part, id));
        }
        self.cells.push(cell);
        self.links_of.push(Vec::new());
        id
    }

    pub(super) fn add_link(&mut self, link: Link) {
        let id = self.links.len();
        for cell in link.cells() {
            if let Some(links) = self.links_of.get_mut(cell) {
                links.push(id);
            }
        }
        for process in [link.client, link.server].into_iter().flatten() {
            if let Some(process) = self.processes.get_mut(process) {
                process.links.push(id);
            }
        }
        self.links.push(link);
    }

    pub(super) fn cell(&self, id: CellId) -> Option<&Cell> {
        self.cells.get(id)
    }

    pub(super) fn at(&self, place: &Place) -> Vec<CellId> {
        self.by_place.get(place).cloned().unwrap_or_default()
    }

    /// The cells of a certificate, by what `kubepki renew` calls it on its host.
    pub(super) fn entries(&self, host: &str, entry: &str) -> Vec<CellId> {
        let key = (host.to_owned(), entry.to_owned());
        self.by_entry.get(&key).cloned().unwrap_or_default()
    }

    pub(super) fn parts(&self, part: Part) -> Vec<CellId> {
        let all = self.by_part.iter();
        all.filter(|(other, _)| *other == part)
            .map(|(_, id)| *id)
            .collect()
    }

    pub(super) fn links_of(&self, cell: CellId) -> &[LinkId] {
        self.links_of.get(cell).map_or(&[], Vec::as_slice)
    }

    /// Cells of these flags on these hosts (all, when empty).
    pub(super) fn by_flag(
        &self,
        flags: &[(ComponentKind, &str)],
        purpose: Use,
        hosts: &[String],
    ) -> Vec<CellId> {
        let cells = self.cells.iter().enumerate();
        cells
            .filter(|(_, cell)| cell.purpose == purpose)
            .filter(|(_, cell)| {
                flags.iter().any(|(component, flag)| {
                    cell.component == Some(*component) && cell.flag.as_deref() == Some(*flag)
                })
            })
            .filter(|(_, cell)| {
                hosts.is_empty() || cell.host.as_ref().is_some_and(|host| hosts.contains(host))
            })
            .map(|(id, _)| id)
            .collect()
    }
}

/// Flags by which a server believes clients of this root, where they are asked for with a probe.
pub(super) const fn client_trust(root: Root) -> &'static [(ComponentKind, &'static str)] {
    use ComponentKind::{Etcd, KubeApiserver, Kubelet};
    match root {
        Root::KubernetesCa => &[
            (KubeApiserver, "client-ca-file"),
            (Kubelet, "client-ca-file"),
        ],
        Root::EtcdCa => &[(Etcd, "trusted-ca-file"), (Etcd, "peer-trusted-ca-file")],
        Root::FrontProxyCa => &[(KubeApiserver, "requestheader-client-ca-file")],
        Root::ServiceAccountKey => &[],
    }
}

/// Flags of what a server presents, where it can be asked for.
pub(super) const SERVED: &[(ComponentKind, &str)] = &[
    (ComponentKind::KubeApiserver, "tls-cert-file"),
    (
        ComponentKind::KubeApiserver,
        crate::formats::sni_key_pair::SNI_FLAG,
    ),
    (ComponentKind::Kubelet, "tls-cert-file"),
    (ComponentKind::Etcd, "cert-file"),
    (ComponentKind::Etcd, "peer-cert-file"),
];
