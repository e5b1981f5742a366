//! `kubepki rotate back`: the runs of a rotation are taken back, the newest first, phase by phase. What
//! lay there comes back from the hosts' own backups, byte for byte.

use super::account::Account;
use super::clocked::Clocked;
use super::go::{failed, servers};
use super::lease::{Lease, OUTLIVED, holder};
use super::look::{Looker, World};
use super::pause::flag_of_interrupts;
use super::standing;
use crate::args::RotateBackArgs;
use crate::commands::fleet::carry::Undertaking;
use crate::commands::fleet::document::SelectedHosts;
use crate::commands::fleet::{Reach, Voices};
use crate::commands::{backup, plan_view};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_core::plan::{ClusterPlan, Step};
use kubepki_core::rotation::back::{BackError, HostRuns, HowFar, back};
use kubepki_core::rotation::successor::generation;
use kubepki_core::rotation::workload::restarts;
use kubepki_core::rotation::{FreshTrust, Phase, Restart, Root};
use kubepki_engine::discover::host_name;
use kubepki_engine::ports::{Clock, Progress};
use kubepki_fleet::campaign::{PAUSED, Patience};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Takes it back.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &RotateBackArgs,
) -> Result<ExitCode, CliError> {
    if !args.backup.no_backup {
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
    let how_far = match args.to {
        Some(Phase::Prepare) => HowFar::Everything,
        _ => HowFar::Phase,
    };
    let plan = plan(&world, how_far)?;
    plan_view::show_cluster(context, &plan)?;
    if !context.confirm("Take this back?")? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    let paused = flag_of_interrupts();
    let lease = Lease {
        sessions: &sessions,
        servers: servers(&world),
        holder: holder(&host_name(&LocalHost::live()).unwrap_or_default()),
        patience: match world.was_halted {
            true => OUTLIVED,
            false => Duration::ZERO,
        },
    };
    let going_back = GoingBack {
        context,
        looker: &looker,
        to: args.to,
        how_far,
        paused: &paused,
    };
    std::thread::scope(|scope| {
        let held = lease.hold(context, scope, &paused)?;
        let ended = going_back.all(world, plan);
        drop(held);
        ended
    })
}

fn plan(world: &World, how_far: HowFar) -> Result<ClusterPlan, CliError> {
    let hosts: Vec<HostRuns<'_>> = world
        .looked
        .iter()
        .filter_map(|looked| {
            let look = &looked.seen.as_ref().ok()?.look;
            Some(HostRuns {
                name: &looked.host,
                inventory: &look.inventory,
                runs: &look.rotation_runs,
            })
        })
        .collect();
    let picture = world.asked.is_some().then_some(&world.picture);
    back(&hosts, picture, how_far, SystemClock.now()).map_err(|error| {
        let shown = CliError::new(error.code(), &error);
        match error {
            BackError::Over | BackError::KeyDestroyed { .. } => shown.hint(
                "a new rotation replaces what is there now: `kubepki rotate plan`; single hosts go back with `kubepki undo`",
            ),
            BackError::NoBackup { .. } => {
                shown.hint("`kubepki rotate run` goes forward from here")
            }
            BackError::Sealed { .. } => shown.hint(
                "whoever has the identity goes back on that host: `kubepki undo RUN --identity FILE`",
            ),
            _ => shown,
        }
    })
}

/// What workloads must have read at their start after a swap was taken back; `None` where the plan is none,
/// or nothing that they read was swapped.
fn trusted_again(world: &World, plan: &ClusterPlan) -> Option<FreshTrust> {
    if !halts(plan) {
        return None;
    }
    let old = |root| {
        let root = world.picture.root(root).filter(|it| it.new.is_some())?;
        Some(root.old.first()?.fingerprint_sha256.clone())
    };
    let holds: Vec<String> = old(Root::KubernetesCa).into_iter().collect();
    let key_sha256 = old(Root::ServiceAccountKey);
    if holds.is_empty() && key_sha256.is_none() {
        return None;
    }
    Some(FreshTrust {
        holds,
        // Whoever started before this moment did so with the other key's token.
        tokens_since: key_sha256.is_some().then(|| SystemClock.now()),
        key_sha256,
    })
}

fn halts(plan: &ClusterPlan) -> bool {
    let mut steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| matches!(step, Step::Halt { .. }))
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _text: &str) {}
}

struct GoingBack<'a> {
    context: &'a Context,
    looker: &'a Looker<'a>,
    to: Option<Phase>,
    how_far: HowFar,
    paused: &'a AtomicBool,
}

impl GoingBack<'_> {
    fn all(&self, mut world: World, mut plan: ClusterPlan) -> Result<ExitCode, CliError> {
        loop {
            // Nobody wants to be left between a halt and a start.
            let has_downtime = halts(&plan);
            let paused = || self.paused.load(Ordering::Relaxed) && !has_downtime;
            let clocked = Clocked::new(Voices::new(self.context, plan.hosts()), &paused);
            let trusted_again = trusted_again(&world, &plan);
            let outcome = self.looker.undertaking.carry_out_told(
                &world.looked,
                &plan,
                Patience::default(),
                &clocked,
            );
            if let Some(stopped) = &outcome.stopped {
                if stopped.code == PAUSED {
                    self.context
                        .note("\npaused; `kubepki rotate back` goes on taking back");
                    return Ok(ExitCode::Fine);
                }
                if has_downtime {
                    self.looker.bring_up();
                }
                return Err(failed(&outcome));
            }
            world = self.looker.look_at_settled()?;
            if let (Some(wanted), Some(asked)) = (trusted_again, &world.asked) {
                self.restart_workloads(asked, wanted);
            }
            // The newest run that is left tells how far it still is.
            let newest = world.rotation_runs().max_by_key(|(_, run)| run.started_at);
            let is_there = match (self.to, newest) {
                (Some(to), Some((_, run))) => run.mark.phase < to,
                _ => true,
            };
            if is_there || self.how_far == HowFar::Everything {
                break;
            }
            plan = self::plan(&world, self.how_far)?;
        }
        self.told(&world)
    }

    /// Workloads that started with what was taken back trust it alone. What cannot be restarted is told, and
    /// keeps nothing else from going back.
    fn restart_workloads(&self, asked: &str, wanted: FreshTrust) {
        let mark = generation(SystemClock.now());
        let question = ApiQuestion::StaleWorkloads { wanted };
        let sessions = self.looker.undertaking.sessions;
        let done = sessions.with(asked, |session| {
            let ApiAnswer::StaleWorkloads { workloads } = session.ask(&question)? else {
                return Ok(Vec::new());
            };
            let changes = restarts(&workloads, &mark);
            let mut told = session.change_api(&changes, &Silent)?;
            let others = workloads.iter().filter(|it| it.restart != Restart::Rolling);
            told.extend(
                others.map(|it| format!("restart it yourself: {} ({})", it.object, it.reason)),
            );
            Ok(told)
        });
        match done {
            Ok(told) => told.iter().for_each(|line| self.context.note(line)),
            Err(error) => self.context.note(format_args!(
                "workloads that started since trust what was taken back, and were not restarted: {error}"
            )),
        }
    }

    fn told(&self, world: &World) -> Result<ExitCode, CliError> {
        let account = Account {
            roots: standing::under_way(&world.picture),
            ..Account::default()
        };
        account.tell(self.context, &world.picture.roots, &[])?;
        self.context.note(if account.roots.is_empty() {
            "\nno rotation is under way any more"
        } else {
            "\n`kubepki rotate next` goes forward again, `kubepki rotate back` further back"
        });
        Ok(ExitCode::Fine)
    }
}
