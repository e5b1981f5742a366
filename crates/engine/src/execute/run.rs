//! A run: everything that happens between the user's yes and the verdict, in one order.
//!
//! ```text
//! lock ─► basis ─► mint ─► back up ─► stage ─► swap ─► components, one at a time ─► verify
//! ```
//!
//! Up to the swap nothing in use has changed, and any error leaves nothing behind. After it the run
//! is finished by whoever comes next: see [`settle`](super::settle).

use super::basis;
use super::before::manifests_before;
use super::edit::leaves_no_mark;
use super::error::ExecuteError;
use super::mint::{Minted, mint};
use super::prepare::Brought;
use super::render::render;
use super::since::files_since;
use crate::apply::backup::{self, Protection, Unlock};
use crate::apply::{BatchState, Change, Record, RunId, Runner, Start, Transaction};
use crate::discover::{DiscoverOptions, discover};
use crate::ports::{Ports, Progress};
use crate::take_up::{
    How, Manifests, Setting, TakeUpError, TakenUp, halted, in_order, start_parked, take_up_around,
};
use crate::verify::{Circumstances, Verdict, node_is_ready, verify};
use jiff::Timestamp;
use kubepki_core::model::{Component, ComponentKind, Entry, Inventory, Role};
use kubepki_core::plan::{ComponentAction, Plan};
use kubepki_x509::Certificate;
use std::path::PathBuf;

/// How a run is to be carried out.
pub struct Execution<'a> {
    /// The outside.
    pub ports: Ports<'a>,
    /// Where kubeadm's certificates are, for discovery after the change.
    pub options: DiscoverOptions,
    /// The backup's encryption; `None` makes no backup.
    pub backup: Option<Protection>,
    /// Opens the archive of a restoration.
    pub unlock: Unlock,
    /// This program's process id.
    pub process: u32,
    /// Randomness for the run's name.
    pub chance: [u8; 4],
    /// Who is told what happens.
    pub progress: &'a dyn Progress,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The run.
    pub id: RunId,
    /// The archive with the old files.
    pub backup: Option<PathBuf>,
    /// Paths that were written.
    pub written: Vec<PathBuf>,
    /// What was issued, brought or installed: each chain by the name of its issuance. Empty for a
    /// run that was carried on.
    pub issued: Vec<(String, Vec<Certificate>)>,
    /// What each component did.
    pub taken_up: Vec<TakenUp>,
    /// Components that were left alone, and why.
    pub left_alone: Vec<String>,
    /// Whether the host now uses what was written.
    pub verdict: Verdict,
}

/// Carries out `plan`, which was made from `before`.
///
/// # Errors
/// Before the swap: nothing has changed. After it (an [`ExecuteError::TakeUp`]): the files are in
/// place, the journal is open, and the next run resumes.
pub fn execute(
    execution: &Execution<'_>,
    before: &Inventory,
    plan: &Plan,
) -> Result<Outcome, ExecuteError> {
    execute_brought(execution, before, plan, Brought::default())
}

/// Carries out `plan`, which was made from `before`, with what other hosts signed or hand over for
/// it. Each such certificate is checked before anything is changed; from then on the run is like any
/// other: what it brings is staged beside its target, so carrying on an interrupted one needs nothing
/// from outside.
///
/// # Errors
/// As [`execute`].
pub fn execute_brought(
    execution: &Execution<'_>,
    before: &Inventory,
    plan: &Plan,
    brought: Brought,
) -> Result<Outcome, ExecuteError> {
    let ports = &execution.ports;
    let host = ports.host;
    let now = ports.clock.now();
    let runner = runner(execution, plan, now);
    let value = serde_json::to_value(plan).map_err(|error| ExecuteError::Plan {
        name: plan.id.clone(),
        reason: error.to_string(),
    })?;
    let node_was_ready = node_is_ready(ports, before);
    let mut transaction = Transaction::begin(
        host,
        Start {
            id: RunId::new(now, execution.chance),
            verb: plan.verb.clone(),
            plan: value,
            runner,
        },
    )?;
    basis::check(host, plan)?;
    let Making { changes, issued } = make(execution, before, plan, brought)?;
    let written: Vec<PathBuf> = changes.iter().map(|it| it.path().to_owned()).collect();
    // A folder that has to exist is not saved with all that is in it.
    let files: Vec<PathBuf> = changes
        .iter()
        .filter(|change| !matches!(change, Change::Directory { .. }))
        .map(|change| change.path().to_owned())
        .collect();
    // What writes nothing leaves nothing to bring back, and `undo` is to find the run that did.
    let protection = execution.backup.as_ref().filter(|_| !changes.is_empty());
    if let Some(protection) = protection {
        execution.progress.say("saving the files as they are");
        let id = transaction.record().id.clone();
        let paths = backup_paths(plan, before, &files);
        let request = backup::Request {
            id: &id,
            verb: &plan.verb,
            time: now,
            paths: &paths,
            protection,
        };
        let archive = backup::create(host, &request, &backup::default_path(&id, protection))?;
        transaction.record_backup(&archive.path)?;
    }
    if !changes.is_empty() {
        execution.progress.say("putting the new files in place");
    }
    let lie_there_since = if changes.is_empty() {
        files_since(host, plan)
    } else {
        None
    };
    // An empty change is committed too: from here on the run is carried on, not taken back.
    transaction.stage(changes)?;
    transaction.commit()?;
    let course = Course {
        execution,
        before: Some(before),
        plan,
        files_changed_at: lie_there_since.unwrap_or_else(|| ports.clock.now()),
        node_was_ready,
    };
    let mut outcome = course.finish(transaction, written)?;
    outcome.issued = issued;
    Ok(outcome)
}

/// A run whose files are in place.
pub(super) struct Course<'a> {
    pub(super) execution: &'a Execution<'a>,
    pub(super) before: Option<&'a Inventory>,
    pub(super) plan: &'a Plan,
    pub(super) files_changed_at: Timestamp,
    pub(super) node_was_ready: Option<bool>,
}

impl Course<'_> {
    /// Components, one at a time, then the verdict. A step that the journal has as done is left out.
    pub(super) fn finish(
        &self,
        mut transaction: Transaction<'_>,
        written: Vec<PathBuf>,
    ) -> Result<Outcome, ExecuteError> {
        let ports = &self.execution.ports;
        let look = || discover(ports.host, &self.execution.options, ports.clock.now());
        let inventory = look()?;
        let mut taken_up = Vec::new();
        let mut left_alone = Vec::new();
        let written_now = written_by(transaction.record());
        if ports.host.is_live() {
            self.reload_units(&written_now)?;
            let manifests = manifests_before(self.execution, self.plan);
            let setting = self.setting(&inventory, &written_now, manifests.as_ref());
            let parked: Vec<ComponentKind> = parks(self.plan);
            for action in in_order(ports, &self.plan.components, &setting) {
                let step = format!("take-up {}", action.component);
                if transaction.is_done(&step) {
                    continue;
                }
                if let Some(reason) = self.useless(&inventory, &action) {
                    left_alone.push(reason);
                    continue;
                }
                let seen;
                let component = match component(&inventory, &action) {
                    // What was stopped for another is back by now, and seen again.
                    None if parked.contains(&action.component) => {
                        seen = look()?;
                        component(&seen, &action)
                    }
                    found => found,
                };
                let Some(component) = component else {
                    left_alone.push(format!("{} is no longer on this host", action.component));
                    continue;
                };
                transaction.step_intent(&step)?;
                let done = take_up_around(ports, component, &action, &setting, || {
                    look().map(|inventory| inventory.components)
                })?;
                self.execution.progress.say(&describe(&done));
                transaction.step_done(&step)?;
                taken_up.push(done);
            }
        }
        let after = look()?;
        let progress = self.execution.progress;
        let verdict = if let Some(reason) = self.nothing_to_expect(&after) {
            progress.say(&format!("not verified: {reason}"));
            Verdict::default()
        } else {
            progress.say("verifying what the host serves and accepts");
            verify(
                ports,
                self.before,
                &after,
                self.plan,
                &Circumstances {
                    files_changed_at: self.files_changed_at,
                    node_was_ready: self.node_was_ready,
                    progress,
                },
            )
        };
        let id = transaction.record().id.clone();
        let backup = transaction.record().backup.clone();
        let words = if verdict.is_ok() {
            "ok"
        } else {
            "not verified"
        };
        transaction.finish(words, ports.clock.now())?;
        Ok(Outcome {
            id,
            backup,
            written,
            issued: Vec::new(),
            taken_up,
            left_alone,
            verdict,
        })
    }

    /// systemd reads what a unit is started with when it is told to.
    fn reload_units(&self, written: &[PathBuf]) -> Result<(), ExecuteError> {
        let is_unit = |path: &PathBuf| {
            let folder = path.parent().unwrap_or(path);
            [path, folder].iter().any(|it| {
                let name = it.to_string_lossy();
                name.ends_with(".service") || name.ends_with(".service.d")
            })
        };
        let units = self.plan.components.iter();
        let first = units
            .map(|action| action.component)
            .next()
            .filter(|_| written.iter().any(is_unit));
        match first {
            None => Ok(()),
            Some(component) => self
                .execution
                .ports
                .services
                .reload_units()
                .map_err(|source| {
                    ExecuteError::TakeUp(TakeUpError::Service {
                        component,
                        source,
                        log: Vec::new(),
                    })
                }),
        }
    }

    fn setting<'s>(
        &'s self,
        inventory: &'s Inventory,
        written: &'s [PathBuf],
        as_before: Option<&'s Manifests>,
    ) -> Setting<'s> {
        let admin_kubeconfig = inventory
            .entries
            .iter()
            .find(|entry| entry.role == Role::Admin && entry.certificate().is_some())
            .map(|entry| entry.holder.path().to_owned());
        Setting {
            plan_id: &self.plan.id,
            files_changed_at: self.files_changed_at,
            admin_kubeconfig,
            static_pod_folders: &self.plan.static_pod_folders,
            components: &inventory.components,
            written,
            leaves_no_mark: leaves_no_mark(self.plan),
            as_before,
            progress: self.execution.progress,
        }
    }

    /// Starts what the plan's components had others stopped for; what an interruption left so.
    pub(super) fn start_parked(&self) -> Result<(), ExecuteError> {
        let ports = &self.execution.ports;
        let parked = parks(self.plan);
        if parked.is_empty() || !ports.host.is_live() {
            return Ok(());
        }
        let inventory = discover(ports.host, &self.execution.options, ports.clock.now())?;
        let manifests = manifests_before(self.execution, self.plan);
        let setting = self.setting(&inventory, &[], manifests.as_ref());
        start_parked(ports, &parked, &setting)?;
        Ok(())
    }

    /// Why the host cannot be expected to serve and accept what is on its disk now, if so.
    fn nothing_to_expect(&self, after: &Inventory) -> Option<&'static str> {
        // Nothing is asked of what is down on purpose.
        if halted(self.execution.ports.host).is_ok_and(|halted| !halted.is_empty()) {
            return Some("components of this host are halted");
        }
        let now = self.execution.ports.clock.now();
        let ended = |entry: &Entry| {
            entry
                .certificate()
                .is_some_and(|certificate| certificate.validity().not_after < now)
        };
        if self.plan.restoration.is_some() && after.entries.iter().any(ended) {
            return Some("certificates that have expired are back");
        }
        let touched = self.plan.touched_files();
        let mut changed = after
            .entries
            .iter()
            .filter(|entry| touched.iter().any(|path| path == entry.holder.path()));
        if self.plan.components.is_empty() && changed.clone().next().is_none() {
            return Some("nothing in use was changed");
        }
        if self.plan.components.is_empty() && changed.any(|entry| !entry.used_by.is_empty()) {
            return Some("nothing was restarted, what runs goes on with what it has loaded");
        }
        None
    }

    /// A component whose restored certificates have expired would only stop working: what it has
    /// loaded is better than what it would load.
    fn useless(&self, inventory: &Inventory, action: &ComponentAction) -> Option<String> {
        self.plan.restoration.as_ref()?;
        let now = self.execution.ports.clock.now();
        let expired = inventory.entries.iter().find(|entry| {
            entry
                .used_by
                .iter()
                .any(|used_by| used_by.component == action.component)
                && entry
                    .certificate()
                    .is_some_and(|certificate| certificate.validity().not_after < now)
        })?;
        Some(format!(
            "{} was not restarted: {} has expired, and it may still be running with a valid one",
            action.component, expired.name
        ))
    }
}

/// Components that are stopped while another takes up new files.
fn parks(plan: &Plan) -> Vec<ComponentKind> {
    let parked = plan.components.iter().flat_map(|action| &action.parks);
    parked.copied().collect()
}

/// The files that a run has changed, links resolved.
pub(super) fn written_by(record: &Record) -> Vec<PathBuf> {
    let committed = record
        .batches
        .iter()
        .filter(|(batch, state)| *state == BatchState::Committed && batch.reverts.is_none());
    let steps = committed.flat_map(|(batch, _)| &batch.steps);
    steps.map(|step| step.target.clone()).collect()
}

/// What a plan comes to, before anything of it is written.
struct Making {
    changes: Vec<Change>,
    issued: Vec<(String, Vec<Certificate>)>,
}

fn make(
    execution: &Execution<'_>,
    before: &Inventory,
    plan: &Plan,
    mut brought: Brought,
) -> Result<Making, ExecuteError> {
    let host = execution.ports.host;
    if let Some(restoration) = &plan.restoration {
        let archive = backup::read(host, &restoration.archive, &execution.unlock)?;
        let selection = backup::Selection::Paths(restoration.paths.clone());
        let mut changes = backup::restore_changes(&archive, &selection)?;
        // A file goes only when no link points to it any more.
        changes.sort_by_key(|change| matches!(change, Change::Remove { .. }));
        return Ok(Making {
            changes,
            issued: Vec::new(),
        });
    }
    if !plan.issuances.is_empty() {
        execution.progress.say("making keys and certificates");
    }
    let now = execution.ports.clock.now();
    let keys = std::mem::take(&mut brought.keys);
    let minted: Vec<Minted> = mint(host, before, plan, brought, now)?;
    let changes = render(host, plan, &minted, &keys)?;
    let names = plan.issuances.iter().map(|issuance| issuance.name.clone());
    let issued = names
        .zip(minted)
        .filter(|(_, made)| !made.chain.is_empty())
        .map(|(name, made)| (name, made.chain))
        .collect();
    Ok(Making { changes, issued })
}

/// Every file that the plan may touch, the manifests, and the kubelet's certificate store.
fn backup_paths(plan: &Plan, before: &Inventory, written: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = plan.touched_files();
    // Files that only the host knows, as those of a unit.
    paths.extend(written.iter().cloned());
    paths.extend(before.static_pod_folders.iter().cloned());
    for entry in &before.entries {
        paths.push(entry.holder.path().to_owned());
        paths.extend(entry.holder.key_path().map(ToOwned::to_owned));
    }
    for authority in &before.authorities {
        paths.push(authority.certificate_path.clone());
    }
    paths.sort();
    paths.dedup();
    paths
}

pub(super) fn runner(execution: &Execution<'_>, plan: &Plan, now: Timestamp) -> Runner {
    Runner {
        now,
        process: execution.process,
        static_pod_folders: plan.static_pod_folders.clone(),
    }
}

fn component<'a>(inventory: &'a Inventory, action: &ComponentAction) -> Option<&'a Component> {
    inventory
        .components
        .iter()
        .find(|component| component.kind == action.component)
}

fn describe(done: &TakenUp) -> String {
    let how = match &done.how {
        How::Reloaded => "took the new files by itself".to_owned(),
        How::Restarted { new_pid, .. } => format!("restarted, process {new_pid}"),
        How::AlreadyRestarted { pid } => format!("had restarted already, process {pid}"),
        How::NotRunning => "does not run here".to_owned(),
    };
    format!("{}: {how} ({:.1} s)", done.component, done.seconds)
}
