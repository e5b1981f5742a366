//! A host in memory, a wire that answers as it is told, and a graph.

use crate::pki::Made;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::connections::{
    AskedName, Connection, ConnectionKind, Graph, Party, Place, Slot, SlotId, Use,
};
use kubepki_core::formats::flags::Flags;
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::layouts::reload::Reload;
use kubepki_core::model::live::LiveObservation;
use kubepki_core::model::{Component, ComponentKind, Inventory, RunsAs};
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_engine::examine::{ExamineOptions, ExaminePorts, examine};
use kubepki_engine::ports::*;
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

pub const HOST: &str = "cp1";

type ServedAnswer = Box<dyn Fn(&Endpoint) -> Result<ServedTls, ProbeError> + Send + Sync>;
type AttemptAnswer = Box<dyn Fn(&Attempt<'_>) -> Attempted + Send + Sync>;

pub struct Scene {
    pub files: BTreeMap<PathBuf, String>,
    pub is_live: bool,
    pub inventory: Inventory,
    pub graph: Graph,
    pub options: ExamineOptions,
    pub served: ServedAnswer,
    pub attempted: AttemptAnswer,
    /// What the wire was asked, in the order in which it was.
    pub asked: Mutex<Vec<String>>,
    pub now: Mutex<Timestamp>,
    /// How long each question takes.
    pub takes: SignedDuration,
}

pub fn beginning() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub fn unreachable(endpoint: &Endpoint) -> ProbeError {
    ProbeError {
        endpoint: format!("{}:{}", endpoint.host, endpoint.port),
        unreachable: true,
        detail: "refuses connections".to_owned(),
    }
}

pub fn accepted(status: u16) -> Attempted {
    Attempted::Accepted(Some(Reply {
        status,
        date: None,
        body: String::new(),
    }))
}

impl Scene {
    /// Nothing on the host, and a wire on which everything is served nothing and accepted.
    pub fn new() -> Self {
        let mut scene = Self {
            files: BTreeMap::new(),
            is_live: true,
            inventory: discover(&Nothing, &DiscoverOptions::default(), beginning()).unwrap(),
            graph: Graph::default(),
            options: ExamineOptions::default(),
            served: Box::new(|_| {
                Ok(ServedTls {
                    chain: Vec::new(),
                    protocol: "TLSv1.3".to_owned(),
                    asks_client_certificate: false,
                    acceptable_client_authorities: Vec::new(),
                })
            }),
            attempted: Box::new(|_| accepted(200)),
            asked: Mutex::default(),
            now: Mutex::new(beginning()),
            takes: SignedDuration::ZERO,
        };
        scene.inventory.live = true;
        scene
    }

    pub fn component(&mut self, argv: &[&str]) {
        let flags = Flags::from_argv(argv);
        self.inventory.components.push(Component {
            kind: ComponentKind::from_executable(argv[0]).unwrap(),
            runs_as: RunsAs::Process,
            flags,
            mounts: PathMap::of_host(),
            processes: Vec::new(),
            is_marked: false,
        });
    }

    pub fn file(&mut self, path: &str, contents: impl Into<String>) -> Place {
        self.files.insert(path.into(), contents.into());
        file(path)
    }

    /// A pair of files: `BASE.crt` and `BASE.key`.
    pub fn pair(&mut self, base: &str, made: &Made) -> (Place, Place) {
        let certificate = self.file(&format!("{base}.crt"), made.pem());
        (
            certificate,
            self.file(&format!("{base}.key"), made.key_pem()),
        )
    }

    pub fn slot(&mut self, purpose: Use, place: Place, key_place: Option<Place>) -> SlotId {
        self.graph.slots.push(Slot {
            party: party("client", Some(HOST)),
            flag: None,
            place,
            key_place,
            purpose,
            reload: Reload::Restart,
            authority: None,
            renewable_as: None,
        });
        SlotId(self.graph.slots.len() - 1)
    }

    /// A connection from this host to `address` that asks for `names`.
    pub fn connection(
        &mut self,
        id: &str,
        kind: ConnectionKind,
        address: Option<(&str, u16)>,
        names: &[&str],
    ) -> &mut Connection {
        self.graph.connections.push(Connection {
            id: id.to_owned(),
            kind,
            serves: "tests".to_owned(),
            client: party("client", Some(HOST)),
            server: party("server", Some("elsewhere")),
            client_presents: None,
            client_trusts: None,
            server_presents: None,
            server_trusts: None,
            names: names
                .iter()
                .map(|name| AskedName {
                    name: name.parse().unwrap(),
                    asked_by: file("/etc/kubernetes/admin.conf"),
                })
                .collect(),
            identity: None,
            client_names: Vec::new(),
            address: address.map(|(host, port)| (host.to_owned(), port)),
        });
        self.graph.connections.last_mut().unwrap()
    }

    pub fn examine(&self) -> LiveObservation {
        let ports = ExaminePorts {
            host: self,
            tls: self,
            clock: self,
        };
        examine(&ports, &self.inventory, &self.graph, &self.options, self)
    }

    /// What the wire was asked, and forgets it.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn note(&self, question: String) {
        self.asked.lock().unwrap().push(question);
        let mut now = self.now.lock().unwrap();
        *now += self.takes;
    }
}

pub fn party(name: &str, host: Option<&str>) -> Party {
    Party {
        name: name.to_owned(),
        host: host.map(ToOwned::to_owned),
        component: None,
    }
}

pub fn file(path: &str) -> Place {
    Place::File {
        host: HOST.to_owned(),
        path: path.into(),
    }
}

fn at(endpoint: &Endpoint) -> String {
    let name = match &endpoint.server_name {
        Some(name) => format!(" as {name}"),
        None => String::new(),
    };
    format!("{}:{}{name}", endpoint.host, endpoint.port)
}

impl TlsProbe for Scene {
    fn served(&self, endpoint: &Endpoint, _: Duration) -> Result<ServedTls, ProbeError> {
        self.note(format!("served {}", at(endpoint)));
        (self.served)(endpoint)
    }

    fn attempt(&self, attempt: &Attempt<'_>) -> Attempted {
        let by = match attempt.identity {
            Some(identity) => identity.chain[0].subject().to_string(),
            None => "nobody".to_owned(),
        };
        let trusting = match attempt.expectation {
            None => "anybody".to_owned(),
            Some(expectation) => {
                let names: Vec<_> = expectation.names.iter().map(ToString::to_string).collect();
                let roots = expectation.roots.certificates().iter();
                let roots: Vec<_> = roots.map(|root| root.subject().to_string()).collect();
                format!("{} named {}", roots.join(", "), names.join("+"))
            }
        };
        let page = attempt.question.map_or("-", |question| question.path);
        self.note(format!(
            "{page} {} by {by} trusting {trusting}",
            at(attempt.endpoint)
        ));
        (self.attempted)(attempt)
    }

    fn https_get(
        &self,
        _: &Endpoint,
        _: &str,
        _: &Trust,
        _: Option<&ClientIdentity>,
        _: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        panic!("nothing is asked so")
    }

    fn http_get(&self, _: &Endpoint, _: &str, _: Duration) -> Result<HttpAnswer, ProbeError> {
        panic!("nothing is asked so")
    }
}

impl Clock for Scene {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, _: Duration) {
        panic!("nobody waits")
    }
}

impl Progress for Scene {
    fn say(&self, text: &str) {
        assert!(text.starts_with("asking "), "{text}");
    }
}

fn missing<T>(operation: &'static str, path: &Path) -> Result<T, HostError> {
    Err(HostError {
        operation,
        path: path.to_owned(),
        kind: HostErrorKind::NotFound,
        detail: "no such file".to_owned(),
    })
}

/// A host without anything.
struct Nothing;

macro_rules! host_without_folders {
    () => {
        fn hostname(&self) -> Result<String, HostError> {
            Ok(HOST.to_owned())
        }

        fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
            missing("stat", path)
        }

        fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
            missing("stat", path)
        }

        fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
            missing("read", path)
        }

        fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
            missing("resolve", path)
        }

        fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
            missing("list", directory)
        }

        fn processes(&self) -> Result<Vec<Process>, HostError> {
            Ok(Vec::new())
        }

        fn lock_holder(&self, _: &Path) -> Result<Option<String>, HostError> {
            Ok(None)
        }
    };
}

impl HostRead for Nothing {
    host_without_folders!();

    fn is_live(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, _: u64) -> Result<Sealed, HostError> {
        missing("read", path)
    }
}

impl HostRead for Scene {
    host_without_folders!();

    fn is_live(&self) -> bool {
        self.is_live
    }

    fn read(&self, path: &Path, _: u64) -> Result<Sealed, HostError> {
        match self.files.get(path) {
            Some(contents) => Ok(Sealed::new(contents.clone().into_bytes())),
            None => missing("read", path),
        }
    }
}
