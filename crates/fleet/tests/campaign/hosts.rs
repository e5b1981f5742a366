//! Hosts in memory, and what the operator is told.

use jiff::Timestamp;
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::cluster::Node;
use kubepki_core::model::{ComponentKind, Inventory, NodeName};
use kubepki_core::plan::{ClusterPlan, EtcdAct, Gate, Issuance, Plan, Signer, Stage};
use kubepki_core::rotation::{ApiChange, OldKey};
use kubepki_engine::ports::Progress;
use kubepki_engine::transit::TransitIdentity;
use kubepki_fleet::campaign::{
    Campaign, CampaignOptions, CampaignOutcome, CampaignProgress, Connect, HostFacts,
    KnownCertificates, Patience, Sessions,
};
use kubepki_fleet::session::{
    ApiAnswer, ApiQuestion, CarryReport, CarryRequest, Hello, HostSession, InterruptedRun,
    IssuedCertificate, Look, LookRequest, PreparedRequest, SessionError, SigningOrder,
};
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use crate::plans::{carry, cluster_plan, elsewhere, given, own, renewals, stage};

/// The basis of every plan here.
pub const FILE: &str = "/etc/kubernetes/pki/apiserver.crt";

pub fn epoch() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// What a host is.
#[derive(Clone, Default)]
pub struct State {
    /// Contents of [`FILE`].
    pub contents: String,
    /// A run that was cut off.
    pub interrupted: Option<InterruptedRun>,
    /// Errors for the next calls of this name, in order.
    pub errors: BTreeMap<&'static str, Vec<SessionError>>,
    /// A call of this name that loses its connection does its work all the same.
    pub works_when_lost: bool,
    /// Answers to questions, one after another; the last one stays.
    pub answers: Vec<ApiAnswer>,
    /// Checks that fail at the end of a run.
    pub failed: Vec<String>,
    /// Certificates and authorities for its inventory come from here.
    pub inventory: Option<Inventory>,
}

/// All hosts, and everything that was asked of them, in order.
#[derive(Default)]
pub struct World {
    pub hosts: Mutex<BTreeMap<String, State>>,
    pub log: Mutex<Vec<String>>,
    pub carried: Mutex<Vec<(String, CarryRequest)>>,
    pub orders: Mutex<Vec<(String, SigningOrder)>>,
    /// Work going on at this moment, and the most there was.
    pub busy: Mutex<(usize, usize)>,
    /// Opens what was sealed for any of them.
    pub transit: TransitIdentity,
}

impl World {
    pub fn of(names: &[&str]) -> Arc<Self> {
        let world = Self::default();
        for name in names {
            let state = State {
                contents: "old".to_owned(),
                ..State::default()
            };
            world
                .hosts
                .lock()
                .unwrap()
                .insert((*name).to_owned(), state);
        }
        Arc::new(world)
    }

    pub fn change(&self, host: &str, how: impl FnOnce(&mut State)) {
        how(self.hosts.lock().unwrap().get_mut(host).unwrap());
    }

    /// Has the next call of this name fail.
    pub fn fail(&self, host: &str, call: &'static str, code: &str) {
        self.change(host, |state| {
            let errors = state.errors.entry(call).or_default();
            errors.push(SessionError::new(code, format!("{call} refused")));
        });
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn logged(&self, prefix: &str) -> Vec<String> {
        let log = self.log();
        log.into_iter()
            .filter(|line| line.starts_with(prefix))
            .collect()
    }

    fn call(&self, host: &str, call: &'static str) -> Result<(), SessionError> {
        self.log.lock().unwrap().push(format!("{call} {host}"));
        let mut hosts = self.hosts.lock().unwrap();
        let errors = hosts.get_mut(host).unwrap().errors.get_mut(call);
        match errors.filter(|errors| !errors.is_empty()) {
            Some(errors) => Err(errors.remove(0)),
            None => Ok(()),
        }
    }
}

/// Connects to hosts of a world.
pub struct Wires(pub Arc<World>);

impl Connect for Wires {
    fn connect(&self, host: &str) -> Result<Box<dyn HostSession>, SessionError> {
        self.0.call(host, "connect")?;
        Ok(Box::new(Session {
            world: Arc::clone(&self.0),
            host: host.to_owned(),
            hello: Hello {
                protocol: 1,
                version: "test".to_owned(),
                host: host.to_owned(),
                clock: epoch(),
                uid: 0,
            },
        }))
    }
}

struct Session {
    world: Arc<World>,
    host: String,
    hello: Hello,
}

impl Session {
    fn state(&self) -> State {
        self.world.hosts.lock().unwrap()[&self.host].clone()
    }
}

impl HostSession for Session {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn declare(&mut self, _: &DeclaredLayout) -> Result<(), SessionError> {
        Ok(())
    }

    fn look(&mut self, _: &LookRequest, _: &dyn Progress) -> Result<Look, SessionError> {
        self.world.call(&self.host, "look")?;
        let state = self.state();
        let mut inventory = state.inventory.unwrap_or_else(|| inventory(&self.host));
        inventory
            .files
            .insert(PathBuf::from(FILE), Some(state.contents));
        Ok(Look {
            inventory,
            live: None,
            interrupted: state.interrupted,
            halted: Vec::new(),
            clock: epoch(),
            rotation_runs: Vec::new(),
            taken_back: Vec::new(),
        })
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Vec<PreparedRequest>, SessionError> {
        self.world.call(&self.host, "prepare")?;
        let elsewhere = plan.issuances.iter();
        let elsewhere = elsewhere.filter(|it| matches!(it.signer, Signer::Elsewhere { .. }));
        Ok(elsewhere
            .map(|it| PreparedRequest {
                name: it.name.clone(),
                request_pem: format!("request of {} for {}", self.host, it.name),
            })
            .collect())
    }

    fn sign(&mut self, orders: &[SigningOrder]) -> Result<Vec<IssuedCertificate>, SessionError> {
        self.world.call(&self.host, "sign")?;
        for order in orders {
            let mut all = self.world.orders.lock().unwrap();
            all.push((self.host.clone(), order.clone()));
        }
        Ok(orders
            .iter()
            .map(|order| IssuedCertificate {
                name: order.issuance.name.clone(),
                chain_pem: format!("signed by {}: {}", self.host, order.request_pem),
            })
            .collect())
    }

    fn recipient(&mut self) -> Result<String, SessionError> {
        self.world.call(&self.host, "recipient")?;
        Ok(self.world.transit.recipient())
    }

    fn carry(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError> {
        {
            let mut busy = self.world.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        progress.say("working");
        let called = self.world.call(&self.host, "carry");
        self.world.busy.lock().unwrap().0 -= 1;
        let works = called.is_ok() || self.state().works_when_lost;
        if works && !request.plan.issuances.is_empty() {
            self.world
                .change(&self.host, |state| "new".clone_into(&mut state.contents));
        }
        called?;
        let mut carried = self.world.carried.lock().unwrap();
        carried.push((self.host.clone(), request.clone()));
        Ok(report(
            &self.host,
            request.plan.issuances.iter(),
            self.state().failed,
        ))
    }

    fn settle(&mut self, _: &Path, _: &dyn Progress) -> Result<Option<CarryReport>, SessionError> {
        self.world.call(&self.host, "settle")?;
        let mut settled = None;
        self.world
            .change(&self.host, |state| settled = state.interrupted.take());
        Ok(settled.map(|run| {
            if run.goes_forward {
                self.world
                    .change(&self.host, |state| "new".clone_into(&mut state.contents));
            }
            report(&self.host, std::iter::empty(), Vec::new())
        }))
    }

    fn halt(&mut self, _: &[ComponentKind], _: &dyn Progress) -> Result<(), SessionError> {
        self.world.call(&self.host, "halt")
    }

    fn start(&mut self, kinds: &[ComponentKind], _: &dyn Progress) -> Result<(), SessionError> {
        for kind in kinds {
            let line = format!("starts {} {kind}", self.host);
            self.world.log.lock().unwrap().push(line);
        }
        self.world.call(&self.host, "start")
    }

    fn change_api(
        &mut self,
        _: &[ApiChange],
        _: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        self.world
            .call(&self.host, "change-api")
            .map(|()| Vec::new())
    }

    fn retire_keys(
        &mut self,
        keys: &[PathBuf],
        how: &OldKey,
        _: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        let line = format!("retires {} {} {how:?}", self.host, keys.len());
        self.world.log.lock().unwrap().push(line);
        self.world
            .call(&self.host, "retire-keys")
            .map(|()| Vec::new())
    }

    fn etcd(&mut self, _: &EtcdAct, _: &dyn Progress) -> Result<String, SessionError> {
        self.world.call(&self.host, "etcd").map(|()| String::new())
    }

    fn ask(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError> {
        self.world.call(
            &self.host,
            match question {
                ApiQuestion::Ready => "ask-ready",
                ApiQuestion::Nodes => "ask-nodes",
                ApiQuestion::EtcdHealth => "ask-etcd",
                ApiQuestion::Leaders => "ask-leaders",
                ApiQuestion::Proof { .. } => "ask-proof",
                ApiQuestion::Scan => "ask-scan",
                ApiQuestion::StaleWorkloads { .. } => "ask-workloads",
            },
        )?;
        let mut answer = None;
        self.world.change(&self.host, |state| {
            answer = if state.answers.len() > 1 {
                Some(state.answers.remove(0))
            } else {
                state.answers.first().cloned()
            };
        });
        Ok(answer.unwrap_or(ApiAnswer::Health {
            ok: true,
            found: String::new(),
        }))
    }
}

fn report<'a>(
    host: &str,
    issuances: impl Iterator<Item = &'a Issuance>,
    failed: Vec<String>,
) -> CarryReport {
    CarryReport {
        run: format!("run of {host}"),
        backup: Some(PathBuf::from("/var/lib/kubepki/backups/a.tar")),
        written: vec![PathBuf::from(FILE)],
        issued: issuances
            .map(|it| IssuedCertificate {
                name: it.name.clone(),
                chain_pem: format!("{} issued on {host}", it.name),
            })
            .collect(),
        components: Vec::new(),
        left_alone: Vec::new(),
        verified: failed.is_empty(),
        failed,
    }
}

/// An empty inventory of a host that runs.
pub fn inventory(host: &str) -> Inventory {
    let text = serde_json::json!({
        "host": host, "observed_at": "2026-01-01T00:00:00Z", "live": true, "components": [],
        "authorities": [], "entries": [], "embedded_trust": [], "kubeconfigs": [],
        "etcd_clients": [], "service_account_keys": [], "node_name": null,
        "static_pod_folders": [], "files": {}, "file_times": {}, "gaps": [],
    });
    let mut inventory: Inventory = serde_json::from_value(text).unwrap();
    inventory.node_name = Some(NodeName::new(host, "its name"));
    inventory
}

pub fn healthy(ok: bool) -> ApiAnswer {
    ApiAnswer::Health {
        ok,
        found: "no leader".to_owned(),
    }
}

pub fn nodes(list: &[(&str, bool)]) -> ApiAnswer {
    ApiAnswer::Nodes {
        nodes: list
            .iter()
            .map(|(name, ready)| Node {
                name: (*name).to_owned(),
                addresses: Vec::new(),
                ip_addresses: Vec::new(),
                kubelet_port: 10250,
                kubelet_version: None,
                ready: Some(*ready),
                control_plane: false,
            })
            .collect(),
    }
}

/// What the operator was told.
#[derive(Default)]
pub struct Told(pub Mutex<Vec<String>>);

impl CampaignProgress for Told {
    fn stage(&self, number: usize, of: usize, stage: &Stage) {
        let line = format!("stage {number}/{of} {}", stage.name);
        self.0.lock().unwrap().push(line);
    }

    fn host(&self, host: &str, text: &str) {
        self.0.lock().unwrap().push(format!("{host}: {text}"));
    }

    fn gate(&self, _: &Gate, open: bool, found: &str) {
        self.0.lock().unwrap().push(format!("gate {open} {found}"));
    }
}

/// No patience at all: whoever is not well at once never is.
pub const NONE: Patience = Patience {
    etcd: Duration::ZERO,
    api_servers: Duration::ZERO,
    nodes: Duration::ZERO,
    proof: Duration::ZERO,
    reconnect: Duration::ZERO,
    every: Duration::ZERO,
};

/// As long as it takes: only for what ends.
pub const LONG: Patience = Patience {
    etcd: Duration::from_secs(3600),
    api_servers: Duration::from_secs(3600),
    nodes: Duration::from_secs(3600),
    proof: Duration::from_secs(3600),
    reconnect: Duration::from_secs(3600),
    every: Duration::ZERO,
};

/// Carries a plan out on a world whose hosts all run.
pub fn run(world: &Arc<World>, plan: &ClusterPlan, patience: Patience) -> (CampaignOutcome, Told) {
    run_with(world, plan, patience, &KnownCertificates::default(), true)
}

pub fn run_with(
    world: &Arc<World>,
    plan: &ClusterPlan,
    patience: Patience,
    certificates: &KnownCertificates,
    live: bool,
) -> (CampaignOutcome, Told) {
    run_opening(world, plan, patience, certificates, live, None)
}

/// The same, with what opens encrypted backups.
pub fn run_opening(
    world: &Arc<World>,
    plan: &ClusterPlan,
    patience: Patience,
    certificates: &KnownCertificates,
    live: bool,
    identity: Option<&Sealed>,
) -> (CampaignOutcome, Told) {
    let wires = Wires(Arc::clone(world));
    let told = Told::default();
    let names: Vec<String> = world.hosts.lock().unwrap().keys().cloned().collect();
    let hosts: Vec<HostFacts> = names
        .into_iter()
        .map(|name| HostFacts {
            live,
            node: Some(name.clone()),
            serves_api: name.starts_with("cp"),
            name,
        })
        .collect();
    let options = CampaignOptions {
        max_parallel: 8,
        pki_folder: PathBuf::from("/etc/kubernetes/pki"),
        backup: true,
        backup_recipients: Vec::new(),
        patience,
    };
    let outcome = Campaign {
        plan,
        hosts: &hosts,
        certificates,
        sessions: &Sessions::new(&wires, 4),
        options: &options,
        operator: None,
        identity,
        progress: &told,
    }
    .carry_out();
    (outcome, told)
}
