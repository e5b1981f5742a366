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
use crate::commands::{backup, plan_view, wiring};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_core::plan::{ClusterPlan, Step};
use kubepki_core::rotation::Phase;
use kubepki_core::rotation::back::{BackError, HostRuns, HowFar, back};
use kubepki_engine::apply::backup::Unlock;
use kubepki_engine::discover::host_name;
use kubepki_engine::ports::Clock;
use kubepki_fleet::campaign::{PAUSED, Patience};
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
    let saving = backup::protected_alike(context, &args.backup, args.identity.as_deref())?;
    let reach = Reach::new(hosts);
    let sessions = reach.kept();
    let undertaking = Undertaking {
        identity: match wiring::unlock(args.identity.as_deref())? {
            Unlock::Identities(identity) => Some(identity),
            Unlock::Nothing | Unlock::Passphrase(_) => None,
        },
        ..Undertaking::new(hosts, &sessions, &args.means.ca_dir, &saving)
    };
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
    let opens_archives = undertaking.identity.is_some();
    let plan = plan(&world, how_far, opens_archives)?;
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

fn plan(world: &World, how_far: HowFar, opens_archives: bool) -> Result<ClusterPlan, CliError> {
    let hosts: Vec<HostRuns<'_>> = world
        .looked
        .iter()
        .filter_map(|looked| {
            let look = &looked.seen.as_ref().ok()?.look;
            Some(HostRuns {
                name: &looked.host,
                inventory: &look.inventory,
                runs: &look.rotation_runs,
                taken_back: &look.taken_back,
                opens_archives,
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
                "whoever has the identity goes back with it: `kubepki rotate back --identity FILE`",
            ),
            _ => shown,
        }
    })
}

fn halts(plan: &ClusterPlan) -> bool {
    let mut steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| matches!(step, Step::Halt { .. }))
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
            // The newest run that is left tells how far it still is.
            let newest = world.rotation_runs().max_by_key(|(_, run)| run.started_at);
            let is_there = match (self.to, newest) {
                (Some(to), Some((_, run))) => run.mark.phase < to,
                _ => true,
            };
            if is_there || self.how_far == HowFar::Everything {
                break;
            }
            let opens_archives = self.looker.undertaking.identity.is_some();
            plan = self::plan(&world, self.how_far, opens_archives)?;
        }
        self.told(&world)
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
