//! `kubepki rotate start`, `next`, `run` and `finish`: look, take the first unfinished phase, script
//! what is missing, prove it, make plans of hosts of it, ask, carry it out, look again. Nothing is
//! remembered from one turn to the next but what was asked for.

use super::account::{Account, PhaseDone};
use super::clocked::{Clocked, RoundTime};
use super::lease::{Lease, OUTLIVED, holder};
use super::look::{Looker, World};
use super::pause::flag_of_interrupts;
use super::{left, proof, ready, refusal, scope, show, standing};
use crate::args::RotateRunArgs;
use crate::commands::fleet::carry::{Undertaking, not_done, with_hosts};
use crate::commands::fleet::document::SelectedHosts;
use crate::commands::fleet::{Reach, Voices};
use crate::commands::{backup, plan_view};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::{HEADING, NAME};
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::ClusterPlan;
use kubepki_core::rotation::lower::lower;
use kubepki_core::rotation::plan::{for_old_keys, next_phase, script_for, whole};
use kubepki_core::rotation::{OldKey, Phase, Root, RotationRequest, Script};
use kubepki_engine::discover::host_name;
use kubepki_engine::ports::Clock;
use kubepki_fleet::campaign::{CampaignOutcome, HostState, PAUSED, Patience};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much of a rotation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The first phase of one that was not begun.
    Start,
    /// One phase.
    Next,
    /// All that are left.
    Run,
    /// The last phases of one that is that far.
    Finish,
}

/// A phase is looked at and done anew so often when something of it is still missing afterwards: a
/// node that joined, a file that somebody wrote.
const ROUNDS: usize = 3;

/// The longest that a process which was replaced goes on (30 s of grace), and some.
const AT_REST: Duration = Duration::from_secs(45);

/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// Does it.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &RotateRunArgs,
    extent: Extent,
) -> Result<ExitCode, CliError> {
    if !args.backup.no_backup {
        // A recipient that is none is told before anything is made.
        backup::protection(&args.backup.backup_recipient)?;
    }
    let reach = Reach::new(hosts);
    let sessions = reach.kept();
    let undertaking = Undertaking::new(hosts, &sessions, &args.means.ca_dir, &args.backup);
    let looker = Looker {
        context,
        undertaking: &undertaking,
        timeout: args.means.timeout,
    };
    let world = looker.look_at_settled()?;
    let roots = scope::roots(&world.picture, &args.wish.roots)?;
    let request = scope::request(hosts, &args.wish, &world, &roots)?;
    if request.offline && !args.wish.offline {
        context.note("this rotation was begun with a downtime (--offline), and goes on as such");
    }
    if let Some(file) = &args.wish.new_ca_csr {
        if extent != Extent::Start {
            return Err(CliError::usage("--new-ca-csr begins a rotation")
                .hint("`kubepki rotate start ROOT --new-ca-csr FILE`"));
        }
        // One that waits already is written again.
        if written_request(context, &world, &request, file)? {
            return Ok(ExitCode::Fine);
        }
    }
    // What was kept at the end of a rotation may be parted with later.
    let is_over = standing::at_rest(&world.picture, &roots);
    let only_old_keys = is_over && extent == Extent::Finish && request.old_key != OldKey::Keep;
    if !only_old_keys {
        fits(&world, &roots, extent)?;
    }
    if standing::phase(&world.picture, &roots) == Phase::Prepare && !only_old_keys {
        ready::to_begin(context, &undertaking, &world)?;
    }
    let paused = flag_of_interrupts();
    let going = Going {
        context,
        looker: &looker,
        args,
        extent,
        request: &request,
        only_old_keys,
        paused: &paused,
    };
    if !going.is_agreed(&world)? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    let lease = Lease {
        sessions: &sessions,
        servers: servers(&world),
        holder: holder(&host_name(&LocalHost::live()).unwrap_or_default()),
        patience: match world.was_halted {
            true => OUTLIVED,
            false => Duration::ZERO,
        },
    };
    std::thread::scope(|scope| {
        let held = lease.hold(context, scope, &paused)?;
        let ended = going.all(world);
        drop(held);
        ended
    })
}

/// Writes the request that waits for its certificate where the user wants it; false when none waits.
fn written_request(
    context: &Context,
    world: &World,
    request: &RotationRequest,
    file: &Path,
) -> Result<bool, CliError> {
    let pending = request.roots.iter().find_map(|root| {
        let root = world.picture.root(*root)?;
        root.request.as_ref()
    });
    let Some(pending) = pending else {
        return Ok(false);
    };
    std::fs::write(file, &pending.pem)?;
    context.note(format_args!(
        "\n{} holds the request for {}; its key stays on {}. Have it signed as a CA, then: \
         `kubepki rotate next --new-ca FILE`",
        file.display(),
        pending.subject,
        pending.host
    ));
    Ok(true)
}

/// Hosts with an API server, the one that answered first.
pub fn servers(world: &World) -> Vec<String> {
    let all = world.picture.hosts_with(ComponentKind::KubeApiserver);
    let others = all.filter(|host| world.asked.as_ref() != Some(&host.name));
    world
        .asked
        .iter()
        .cloned()
        .chain(others.map(|host| host.name.clone()))
        .collect()
}

/// Whether a rotation that stands so may go so far.
fn fits(world: &World, roots: &[Root], extent: Extent) -> Result<(), CliError> {
    let at_rest = standing::at_rest(&world.picture, roots);
    let phase = standing::phase(&world.picture, roots);
    match extent {
        Extent::Start if !at_rest => Err(CliError::new(
            "rotation-under-way",
            format!("a rotation is under way already: {phase} is next"),
        )
        .hint("`kubepki rotate next` goes on with it, `kubepki rotate status` shows it")),
        Extent::Finish if at_rest || phase < Phase::Settle => Err(CliError::new(
            "not-that-far",
            match at_rest {
                true => "nothing is being rotated".to_owned(),
                false => format!("{phase} is not done yet: nothing can be retired"),
            },
        )
        .hint("`kubepki rotate run` does all phases that are left")),
        _ => Ok(()),
    }
}

struct Going<'a> {
    context: &'a Context,
    looker: &'a Looker<'a>,
    args: &'a RotateRunArgs,
    extent: Extent,
    request: &'a RotationRequest,
    /// The rotation is over; only what backups hold of the old keys is still to go.
    only_old_keys: bool,
    paused: &'a AtomicBool,
}

impl Going<'_> {
    fn all(&self, mut world: World) -> Result<ExitCode, CliError> {
        let mut account = Account {
            roots: self.request.roots.clone(),
            ..Account::default()
        };
        let mut tries = 0;
        let mut last: Option<Phase> = None;
        while let Some(phase) = self.next_phase(&world, last) {
            // The phase to stop after may have had nothing to do.
            let is_beyond = self.args.pause_after.is_some_and(|last| phase > last);
            if is_beyond || self.args.until.is_some_and(|until| phase >= until) {
                self.context
                    .note(format_args!("\nstopped before {phase}, as was asked for"));
                break;
            }
            tries = if last == Some(phase) { tries + 1 } else { 0 };
            if tries >= ROUNDS {
                return Err(self.stuck(&world, phase));
            }
            let Some(done) = self.phase(&world, phase)? else {
                self.context.note("nothing was changed");
                break;
            };
            let outcome = done.outcome.clone();
            account.phases.push(done);
            last = Some(phase);
            if let Some(ended) = self.ended_early(&outcome, &mut account, &world)? {
                return Ok(ended);
            }
            let began = Instant::now();
            world = self.look_at_rest(phase)?;
            if let Some(done) = account.phases.last_mut() {
                let waited = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
                done.rounds.push(RoundTime {
                    round: format!("{phase}-looked-again"),
                    started_at: SystemClock.now(),
                    seconds: waited,
                    waiting_seconds: waited,
                    ..RoundTime::default()
                });
            }
            if let Some(file) = &self.args.wish.new_ca_csr {
                written_request(self.context, &world, self.request, file)?;
                break;
            }
            let is_over = self.is_over(&world, phase);
            let is_far_enough = self.args.pause_after.is_some_and(|last| phase >= last);
            if is_over && (is_far_enough || self.is_one_phase()) {
                break;
            }
            if self.is_paused() {
                account.paused = true;
                break;
            }
        }
        let mut left = left::to_the_user(&world.picture, self.request);
        account.old_keys = left::old_keys(&world.picture, self.request, world.rotation_runs());
        left.extend(left::kept(&account.old_keys));
        account.tell(self.context, &world.picture.roots, &left)?;
        self.how_to_go_on(&world);
        Ok(ExitCode::Fine)
    }

    fn is_one_phase(&self) -> bool {
        matches!(self.extent, Extent::Start | Extent::Next)
    }

    /// The phase that comes now; `None` when all is done. A rotation that ended leaves the world at
    /// rest, as one that was not begun does: `last` tells them apart.
    fn next_phase(&self, world: &World, last: Option<Phase>) -> Option<Phase> {
        let roots = &self.request.roots;
        match standing::at_rest(&world.picture, roots) {
            true if last.is_some() => None,
            true if self.only_old_keys => Some(Phase::RetireOld),
            true => Some(Phase::Prepare),
            // What has something left to do comes before what is only not proved yet.
            false => next_phase(&world.picture, self.request)
                .or_else(|| Some(standing::phase(&world.picture, roots))),
        }
    }

    fn is_over(&self, world: &World, phase: Phase) -> bool {
        self.next_phase(world, Some(phase))
            .is_none_or(|next| next != phase)
    }

    /// Looks until a phase is over, or nothing more comes of waiting: an API server that was restarted
    /// goes on for half a minute beside the new one, for the sake of kept connections.
    fn look_at_rest(&self, phase: Phase) -> Result<World, CliError> {
        let began = Instant::now();
        let mut is_said = false;
        loop {
            let world = self.looker.look_at_settled()?;
            let is_done = self.request.by_request || self.is_over(&world, phase);
            if is_done || began.elapsed() >= AT_REST || self.is_paused() {
                return Ok(world);
            }
            if !is_said {
                self.context
                    .note("  waiting until processes that were replaced have ended");
                is_said = true;
            }
            sleep(BETWEEN_LOOKS);
        }
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Shows everything that is going to happen and asks once; of one phase only that, when its turn
    /// comes.
    fn is_agreed(&self, world: &World) -> Result<bool, CliError> {
        if self.is_one_phase() {
            return Ok(true);
        }
        let script = match self.only_old_keys {
            true => for_old_keys(&world.picture, self.request),
            false => whole(&world.picture, self.request).map_err(|refused| refusal(&refused))?,
        };
        let (line, verdict) = proof::proved(world, &script)?;
        standing::gaps(self.context, &world.picture)?;
        show::write_script(self.context, &world.picture, self.request, &script)?;
        proof::show(self.context, &line, &verdict)?;
        self.context.confirm("Carry out this rotation?")
    }

    /// Does what is left of one phase; `None` when the user does not want it.
    fn phase(&self, world: &World, phase: Phase) -> Result<Option<PhaseDone>, CliError> {
        self.context.note(format_args!(
            "\n{HEADING}Phase {} of {}: {phase}{HEADING:#} {}",
            standing::number(phase),
            Phase::ALL.len(),
            standing::purpose(phase)
        ));
        let script = match self.only_old_keys {
            true => for_old_keys(&world.picture, self.request),
            false => script_for(&world.picture, self.request, phase)
                .map_err(|refused| refusal(&refused))?,
        };
        let (line, verdict) = proof::proved(world, &script)?;
        let plan = self.plan(world, &script)?;
        if plan.is_empty() {
            return Err(self.stuck(world, phase));
        }
        proof::show(self.context, &line, &verdict)?;
        if self.is_one_phase() {
            plan_view::show_cluster(self.context, &plan)?;
            if !self.context.confirm("Carry out this phase?")? {
                return Ok(None);
            }
        }
        // Nobody wants to be left between a halt and a start.
        let has_downtime = self.request.offline && phase == Phase::IssueFromNew;
        let paused = || self.is_paused() && !has_downtime;
        let clocked = Clocked::new(Voices::new(self.context, plan.hosts()), &paused);
        let outcome = self.looker.undertaking.carry_out_told(
            &world.looked,
            &plan,
            Patience::default(),
            &clocked,
        );
        Ok(Some(PhaseDone {
            phase,
            plan: plan.id.clone(),
            proof: line,
            rounds: clocked.rounds(&outcome, &world.picture),
            outcome,
        }))
    }

    fn plan(&self, world: &World, script: &Script) -> Result<ClusterPlan, CliError> {
        // Rounds tell their restarts apart by when they were planned.
        let now = if self.context.now_is_given() {
            self.context.now()
        } else {
            SystemClock.now()
        };
        lower(
            script,
            &world.picture,
            &world.hosts(),
            world.cluster.as_ref(),
            self.request,
            now,
        )
        .map_err(|error| {
            CliError::new(error.code(), &error).hint(
                "`kubepki rotate status` shows what lies where, `kubepki doctor` what is wrong",
            )
        })
    }

    /// A campaign that was paused ends well; one that failed ends with what is done, what is not, and
    /// how to go on; one that the world outran is planned anew.
    fn ended_early(
        &self,
        outcome: &CampaignOutcome,
        account: &mut Account,
        world: &World,
    ) -> Result<Option<ExitCode>, CliError> {
        let Some(stopped) = &outcome.stopped else {
            return Ok(None);
        };
        if stopped.code == PAUSED {
            account.paused = true;
            account.tell(self.context, &world.picture.roots, &[])?;
            self.context.note(
                "\npaused; `kubepki rotate run` goes on, `kubepki rotate back` takes this phase back",
            );
            return Ok(Some(ExitCode::Fine));
        }
        let outrun = outcome
            .in_state(HostState::Failed)
            .filter_map(|host| host.error.as_ref())
            .all(|error| error.code == "world-changed");
        if outrun && outcome.in_state(HostState::Failed).count() > 0 {
            self.context.note(
                "\nthe world has changed since the plan was made: looking again, planning anew",
            );
            return Ok(None);
        }
        if self.request.offline {
            self.looker.bring_up();
        }
        account.tell(self.context, &world.picture.roots, &[])?;
        Err(failed(outcome))
    }

    fn stuck(&self, world: &World, phase: Phase) -> CliError {
        let mut error = CliError::new(
            "phase-not-over",
            format!("{phase} is not over, and there is nothing left to do for it here"),
        );
        for line in left::unfinished(&world.picture, self.request, phase) {
            error = error.detail("still", line);
        }
        error.hint(
            "`kubepki rotate status -o wide` shows every place; once it is seen to, run this again",
        )
    }

    fn how_to_go_on(&self, world: &World) {
        if standing::at_rest(&world.picture, &self.request.roots) || self.request.by_request {
            return;
        }
        let phase = standing::phase(&world.picture, &self.request.roots);
        self.context.note(format_args!(
            "\n{NAME}{phase}{NAME:#} is next: `kubepki rotate next` does it, `kubepki rotate run` all that is left, \
             `kubepki rotate back` takes the last phase back"
        ));
    }
}

/// What is done, what is not, and how to go on.
pub fn failed(outcome: &CampaignOutcome) -> CliError {
    let mut error = with_hosts(not_done(outcome), outcome);
    for host in outcome.in_state(HostState::Failed) {
        if let Some(hint) = host.error.as_ref().and_then(|error| error.hint.as_ref()) {
            error = error.detail("hint", format_args!("{}: {hint}", host.host));
        }
    }
    // `undo` of single hosts, which is the hint otherwise, is no way back in a rotation.
    error.hint(
        "every host works with what lies there now; `kubepki rotate run` looks again and goes on, \
         `kubepki rotate back` takes the phase back",
    )
}
