//! The campaign itself: stages, batches and gates in their order, and the account of it.

use super::batches::batches;
use super::certificates::{Issued, KnownCertificates};
use super::outcome::{CampaignOutcome, HostOutcome, HostState, RunDone, Stopped};
use super::{CampaignProgress, Sessions};
use crate::parallel::{Limits, as_they_come};
use crate::session::{KeyOrder, SealedKey, SessionError};
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_core::plan::{ClusterPlan, Stage, Step};
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The code of a stop between two stages that somebody asked for.
pub const PAUSED: &str = "paused";

/// How a campaign is carried out.
#[derive(Clone, Debug)]
pub struct CampaignOptions {
    /// Hosts that work at the same time, where the pace allows more.
    pub max_parallel: usize,
    /// The folder with kubeadm's certificates.
    pub pki_folder: PathBuf,
    /// Whether old files are saved first.
    pub backup: bool,
    /// age recipients that backups are encrypted for.
    pub backup_recipients: Vec<String>,
    /// How long is waited for what.
    pub patience: Patience,
}

/// How long is waited for what, and how often is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// etcd is healthy.
    pub etcd: Duration,
    /// API servers are ready.
    pub api_servers: Duration,
    /// Nodes are Ready: a kubelet reports every ten seconds, and is believed dead after forty.
    pub nodes: Duration,
    /// Something is proved on the wire or in the API: longer than what is read again by itself takes.
    pub proof: Duration,
    /// A host whose connection was lost answers again: long enough for one that restarts.
    pub reconnect: Duration,
    /// Between two questions.
    pub every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            etcd: Duration::from_secs(180),
            api_servers: Duration::from_secs(300),
            nodes: Duration::from_secs(300),
            proof: Duration::from_secs(180),
            reconnect: Duration::from_secs(300),
            every: Duration::from_secs(1),
        }
    }
}

/// What the campaign needs to know of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Its name in the cluster document.
    pub name: String,
    /// Whether it runs (as against: a folder that stands for it).
    pub live: bool,
    /// The node that it is.
    pub node: Option<String>,
    /// Whether an API server is there.
    pub serves_api: bool,
}

impl HostFacts {
    /// Those of a host that was looked at.
    pub fn of(name: &str, inventory: &Inventory) -> Self {
        Self {
            name: name.to_owned(),
            live: inventory.live,
            node: inventory.node_name.as_ref().map(|node| node.name.clone()),
            serves_api: inventory.component(ComponentKind::KubeApiserver).is_some(),
        }
    }
}

/// A cluster plan and everything that carrying it out needs.
pub struct Campaign<'a> {
    /// The plan.
    pub plan: &'a ClusterPlan,
    /// The hosts that were looked at.
    pub hosts: &'a [HostFacts],
    /// The certificates that hosts hold already, as far as the plan names them.
    pub certificates: &'a KnownCertificates,
    /// How hosts are reached.
    pub sessions: &'a Sessions<'a>,
    /// How it is done.
    pub options: &'a CampaignOptions,
    /// Seals keys that lie where this program runs, for who is to receive them.
    pub operator: Option<SealsKeys>,
    /// An age identity file: opens encrypted backups of the hosts, sealed for each on its way.
    pub identity: Option<&'a Sealed>,
    /// Who is told.
    pub progress: &'a dyn CampaignProgress,
}

/// Seals the key of an order, read where this program runs.
pub type SealsKeys = fn(&KeyOrder) -> Result<SealedKey, SessionError>;

/// What accumulates while a campaign goes on.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) issued: Issued,
    runs: Mutex<BTreeMap<String, Vec<RunDone>>>,
    /// One at a time signs with the authorities of a host.
    signing: Mutex<BTreeMap<String, std::sync::Arc<Mutex<()>>>>,
}

impl Ledger {
    pub(super) fn ran(&self, host: &str, run: RunDone) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.entry(host.to_owned()).or_default().push(run);
    }

    pub(super) fn signing_at(&self, host: &str) -> std::sync::Arc<Mutex<()>> {
        let mut signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        std::sync::Arc::clone(signing.entry(host.to_owned()).or_default())
    }
}

impl Campaign<'_> {
    /// Carries the plan out, as far as it goes.
    pub fn carry_out(&self) -> CampaignOutcome {
        let ledger = Ledger::default();
        let mut account = Account::of(self.plan);
        let mut stopped = None;
        let of = self.plan.stages.len();
        for (index, stage) in self.plan.stages.iter().enumerate() {
            if index > 0 && !self.progress.goes_on() {
                stopped = Some(Stopped {
                    stage: stage.name.clone(),
                    code: PAUSED,
                    reason: "paused before it, as was asked for".to_owned(),
                });
                break;
            }
            self.progress.stage(index + 1, of, stage);
            if let Err(stop) = self.stage(stage, &ledger, &mut account) {
                stopped = Some(stop);
                break;
            }
        }
        let runs = ledger
            .runs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        CampaignOutcome {
            hosts: account.closed(runs),
            stopped,
        }
    }

    fn stage(&self, stage: &Stage, ledger: &Ledger, account: &mut Account) -> Result<(), Stopped> {
        let mut worked_on: Vec<&str> = Vec::new();
        let batches = batches(stage);
        let last = batches.len().saturating_sub(1);
        let closed = |found| Stopped {
            stage: stage.name.clone(),
            code: "gate-closed",
            reason: found,
        };
        if batches.is_empty() {
            return self.pass(&stage.gate).map_err(closed);
        }
        for (index, batch) in batches.iter().enumerate() {
            self.batch(stage, batch, ledger, account)?;
            worked_on.extend(batch.iter().map(|step| step.host()));
            let gate = if index == last {
                stage.gate.clone()
            } else {
                self.so_far(&stage.gate, &worked_on)
            };
            self.pass(&gate).map_err(closed)?;
        }
        Ok(())
    }

    fn batch(
        &self,
        stage: &Stage,
        batch: &[&Step],
        ledger: &Ledger,
        account: &mut Account,
    ) -> Result<(), Stopped> {
        let mut failed: Vec<String> = Vec::new();
        as_they_come(
            batch,
            Limits::until_failure(self.options.max_parallel),
            |step| self.step(stage, step, ledger),
            |index, result| {
                let host = batch.get(index).map_or("", |step| step.host());
                if let Err(error) = &result {
                    self.progress.host(host, &error.message);
                    failed.push(format!("{host}: {error}"));
                }
                account.enter(host, result);
                ControlFlow::Continue(())
            },
        );
        if failed.is_empty() {
            return Ok(());
        }
        Err(Stopped {
            stage: stage.name.clone(),
            code: "host-failed",
            reason: failed.join("; "),
        })
    }
}

/// How far every host is.
struct Account {
    hosts: Vec<HostOutcome>,
}

impl Account {
    fn of(plan: &ClusterPlan) -> Self {
        let steps = |name: &str| {
            let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
            steps.filter(|step| step.host() == name).count()
        };
        let hosts = plan.hosts().into_iter().map(|host| HostOutcome {
            host: host.to_owned(),
            state: HostState::NotBegun,
            steps: steps(host),
            steps_done: 0,
            runs: Vec::new(),
            error: None,
        });
        Self {
            hosts: hosts.collect(),
        }
    }

    fn enter(&mut self, host: &str, result: Result<(), SessionError>) {
        let Some(entry) = self.hosts.iter_mut().find(|entry| entry.host == host) else {
            return;
        };
        match result {
            Ok(()) => entry.steps_done += 1,
            Err(error) => entry.error = Some(error),
        }
    }

    fn closed(mut self, mut runs: BTreeMap<String, Vec<RunDone>>) -> Vec<HostOutcome> {
        for host in &mut self.hosts {
            host.runs = runs.remove(&host.host).unwrap_or_default();
            host.state = match (&host.error, host.steps_done) {
                (Some(_), _) => HostState::Failed,
                (None, done) if done == host.steps => HostState::Done,
                (None, 0) => HostState::NotBegun,
                (None, _) => HostState::Partly,
            };
        }
        self.hosts
    }
}
