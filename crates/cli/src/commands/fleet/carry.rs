//! A cluster plan from the question to the account: what was interrupted is settled, the plan shown and
//! confirmed, carried out on all hosts, and told host by host.

use super::document::SelectedHosts;
use super::looking::{Looked, look_at_all, request};
use super::progress::Voices;
use super::session_error;
use crate::args::BackupChoice;
use crate::commands::{backup, plan_view};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, BAD, Cell, Column, DIM, GOOD, HEADING, NAME, Table, WARN, printable};
use kubepki_adapters::host::LocalHost;
use kubepki_core::plan::ClusterPlan;
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_engine::transit::seal;
use kubepki_fleet::campaign::{
    Campaign, CampaignOptions, CampaignOutcome, CampaignProgress, HostFacts, HostOutcome,
    HostState, KnownCertificates, Patience, Sessions, Settlement, settle,
};
use kubepki_fleet::local::RUNS;
use kubepki_fleet::session::{InterruptedRun, KeyOrder, SealedKey, SessionError};
use kubepki_sealed::Sealed;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// For one question where nothing that runs is asked.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What carrying out needs beside the plan.
pub struct Undertaking<'a> {
    /// The selected hosts.
    pub hosts: &'a SelectedHosts,
    /// How they are reached.
    pub sessions: &'a Sessions<'a>,
    /// `--ca-dir`.
    pub ca_dir: &'a Path,
    /// How old files are saved.
    pub backup: &'a BackupChoice,
    /// What opens encrypted backups of the hosts.
    pub identity: Option<Sealed>,
}

impl<'a> Undertaking<'a> {
    /// On these hosts.
    pub fn new(
        hosts: &'a SelectedHosts,
        sessions: &'a Sessions<'a>,
        ca_dir: &'a Path,
        backup: &'a BackupChoice,
    ) -> Self {
        Self {
            hosts,
            sessions,
            ca_dir,
            backup,
            identity: None,
        }
    }

    /// Looks at every selected host.
    pub fn look(&self, context: &Context) -> Result<Vec<Looked>, CliError> {
        let request = request(self.ca_dir, false, TIMEOUT);
        look_at_all(context, self.hosts, self.sessions, &request)
    }

    /// Looks at every host, after what was interrupted has been settled: a plan made of a half-changed
    /// host would be wrong. Those that the verb works on have to be seen; the others may sign.
    pub fn look_at_settled(
        &self,
        context: &Context,
        works_on: &dyn Fn(&Looked) -> bool,
    ) -> Result<Vec<Looked>, CliError> {
        let looked = self.look(context)?;
        all_seen(looked.iter().filter(|looked| works_on(looked)))?;
        changeable(looked.iter().filter(|looked| works_on(looked)))?;
        let runs = interrupted(looked.iter().filter(|looked| works_on(looked)));
        if runs.is_empty() {
            return Ok(looked);
        }
        self.settle(context, &runs)?;
        let looked = self.look(context)?;
        all_seen(looked.iter().filter(|looked| works_on(looked)))?;
        refuse_interrupted(looked.iter().filter(|looked| works_on(looked)))?;
        Ok(looked)
    }

    /// Finishes interrupted runs or takes them back, after saying so and asking; one that cannot be is
    /// an error.
    pub fn settle(
        &self,
        context: &Context,
        runs: &[(String, InterruptedRun)],
    ) -> Result<(), CliError> {
        for settlement in self.try_to_settle(context, runs)? {
            let report = settlement
                .result
                .map_err(|error| session_error(&settlement.host, &error))?;
            if let Some(report) = report.filter(|report| !report.verified) {
                return Err(CliError::new(
                    "not-verified",
                    format!(
                        "{}: the files of the interrupted run are in place, but the host does not use all of them yet",
                        settlement.host
                    ),
                )
                .detail("failed", report.failed.join("\n"))
                .hint(format!(
                    "`kubepki undo --hosts {}` brings the old files back",
                    settlement.host
                )));
            }
        }
        Ok(())
    }

    /// The same, and says what came of each.
    pub fn try_to_settle(
        &self,
        context: &Context,
        runs: &[(String, InterruptedRun)],
    ) -> Result<Vec<Settlement>, CliError> {
        for (host, run) in runs {
            let way = if run.goes_forward {
                "finished"
            } else {
                "taken back"
            };
            context.note(format_args!(
                "{NAME}{host}{NAME:#}: run {} (`{}`, begun {}) was interrupted while {}; it can be {way}",
                run.id, run.verb, run.started_at, run.stage
            ));
        }
        if !context.confirm("Settle what was interrupted first?")? {
            return Err(CliError::new(
                "interrupted-run",
                "interrupted runs must be settled before anything else is changed",
            )
            .hint(SETTLE));
        }
        let voices = Voices::new(context, runs.iter().map(|(host, _)| host.as_str()));
        Ok(settle(
            self.sessions,
            runs,
            self.ca_dir,
            self.hosts.max_parallel,
            &voices,
        ))
    }

    /// Shows a plan, asks, carries it out and tells.
    pub fn propose(
        &self,
        context: &Context,
        looked: &[Looked],
        plan: &ClusterPlan,
    ) -> Result<ExitCode, CliError> {
        if !self.backup.no_backup {
            // A recipient that is none is told before anything is made.
            backup::protection(&self.backup.backup_recipient)?;
        }
        plan_view::show_cluster(context, plan)?;
        if !context.confirm("Carry out this plan?")? {
            context.note("nothing was changed");
            return Ok(ExitCode::Fine);
        }
        let outcome = self.carry_out(context, looked, plan, Patience::default());
        tell(context, plan, &outcome)
    }

    /// Carries a plan out, as far as it goes, and says what happens.
    pub fn carry_out(
        &self,
        context: &Context,
        looked: &[Looked],
        plan: &ClusterPlan,
        patience: Patience,
    ) -> CampaignOutcome {
        let voices = Voices::new(context, plan.hosts());
        self.carry_out_told(looked, plan, patience, &voices)
    }

    /// The same, with somebody else who is told and asked.
    pub fn carry_out_told(
        &self,
        looked: &[Looked],
        plan: &ClusterPlan,
        patience: Patience,
        progress: &dyn CampaignProgress,
    ) -> CampaignOutcome {
        let seen = looked
            .iter()
            .filter_map(|looked| Some((looked.host.as_str(), looked.seen.as_ref().ok()?)));
        let facts: Vec<HostFacts> = seen
            .clone()
            .map(|(host, seen)| HostFacts::of(host, &seen.look.inventory))
            .collect();
        let certificates = KnownCertificates::of(plan, seen.map(|(_, seen)| &seen.look.inventory));
        let options = CampaignOptions {
            max_parallel: self.hosts.max_parallel,
            pki_folder: self.ca_dir.to_owned(),
            backup: !self.backup.no_backup,
            backup_recipients: self.backup.backup_recipient.clone(),
            patience,
        };
        Campaign {
            plan,
            hosts: &facts,
            certificates: &certificates,
            sessions: self.sessions,
            options: &options,
            operator: Some(seal_own_key),
            identity: self.identity.as_ref(),
            progress,
        }
        .carry_out()
    }
}

/// A key of this machine, sealed for the host that receives it: it leaves in no other form.
fn seal_own_key(order: &KeyOrder) -> Result<SealedKey, SessionError> {
    let contents = LocalHost::live()
        .read(&order.path, FILE_LIMIT)
        .map_err(|error| SessionError::from(&error))?;
    let sealed = seal(&contents, &order.recipient).map_err(|error| {
        SessionError::new(
            error.code(),
            format_args!("{}: {error}", order.path.display()),
        )
    })?;
    Ok(SealedKey {
        destination: order.destination.clone(),
        armored: sealed.armored,
        public_key_sha256: sealed.public_key_sha256,
    })
}

const SETTLE: &str = "`kubepki renew` finishes them or takes them back, `kubepki undo` undoes them";

/// The runs that were interrupted.
pub fn interrupted<'l>(
    looked: impl IntoIterator<Item = &'l Looked>,
) -> Vec<(String, InterruptedRun)> {
    let seen = looked.into_iter().filter_map(|looked| {
        let run = looked.seen.as_ref().ok()?.look.interrupted.clone()?;
        Some((looked.host.clone(), run))
    });
    seen.collect()
}

/// For what changes nothing.
pub fn refuse_interrupted<'l>(
    looked: impl IntoIterator<Item = &'l Looked>,
) -> Result<(), CliError> {
    let runs = interrupted(looked);
    if runs.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = runs
        .iter()
        .map(|(host, run)| format!("{host}: run {} while {}", run.id, run.stage))
        .collect();
    Err(CliError::new(
        "interrupted-run",
        format!("runs were interrupted on {} of the hosts", runs.len()),
    )
    .detail("interrupted", told.join("\n"))
    .hint(SETTLE))
}

/// Refuses when nothing can be changed on a host: another run goes on there, or what an earlier one
/// left cannot be read.
pub fn changeable<'l>(looked: impl IntoIterator<Item = &'l Looked>) -> Result<(), CliError> {
    for looked in looked {
        let Ok(seen) = &looked.seen else { continue };
        let mut gaps = seen.look.inventory.gaps.iter();
        if let Some(gap) = gaps.find(|gap| gap.object == RUNS) {
            return Err(CliError::new(
                "host-not-changeable",
                format!("{}: {}", looked.host, gap.reason),
            )
            .hint(without(None, &[&looked.host])));
        }
    }
    Ok(())
}

/// Refuses when a host was not seen: what is not known of it cannot be planned.
pub fn all_seen<'l>(looked: impl IntoIterator<Item = &'l Looked>) -> Result<(), CliError> {
    let mut hosts = 0_usize;
    let unseen: Vec<(&str, &SessionError)> = looked
        .into_iter()
        .inspect(|_| hosts += 1)
        .filter_map(|looked| Some((looked.host.as_str(), looked.seen.as_ref().err()?)))
        .collect();
    let [(first, error), rest @ ..] = unseen.as_slice() else {
        return Ok(());
    };
    if rest.is_empty() {
        return Err(session_error(first, error).hint(without(error.hint.as_deref(), &[first])));
    }
    let told: Vec<String> = unseen
        .iter()
        .map(|(host, error)| format!("{host}: {error}"))
        .collect();
    let names: Vec<&str> = unseen.iter().map(|(host, _)| *host).collect();
    Err(CliError::new(
        "hosts-not-seen",
        format!("{} of {hosts} hosts could not be looked at", unseen.len()),
    )
    .detail("not seen", told.join("\n"))
    .hint(without(None, &names)))
}

fn without(hint: Option<&str>, hosts: &[&str]) -> String {
    let names: Vec<String> = hosts.iter().map(|host| format!("!{host}")).collect();
    let leave_out = format!(
        "nothing was changed; leave them out with --hosts '{}'",
        names.join(",")
    );
    match hint {
        Some(hint) => format!("{hint}; {leave_out}"),
        None => leave_out,
    }
}

/// What `-o json` shows of a campaign.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterRunResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    plan: &'a ClusterPlan,
    done: bool,
    #[serde(flatten)]
    outcome: &'a CampaignOutcome,
    how_to_go_on: Vec<String>,
}

/// Tells what came of a campaign, host by host; what stopped it is the error that the verb ends with.
pub fn tell(
    context: &Context,
    plan: &ClusterPlan,
    outcome: &CampaignOutcome,
) -> Result<ExitCode, CliError> {
    match context.structured() {
        Some(structured) => context.emit(
            structured,
            &ClusterRunResult {
                api_version: API_VERSION,
                kind: "ClusterRunResult",
                plan,
                done: outcome.is_done(),
                outcome,
                how_to_go_on: outcome.how_to_go_on(),
            },
        )?,
        None => show(context, plan, outcome)?,
    }
    if outcome.is_done() {
        if outcome
            .hosts
            .iter()
            .any(|host| host.runs.iter().any(|run| run.backup.is_some()))
        {
            context.note(
                "\nthe old files are in /var/lib/kubepki/backups of each host; `kubepki undo` brings them back",
            );
        }
        return Ok(in_full(plan));
    }
    Err(with_hosts(not_done(outcome), outcome))
}

/// How many hosts came how far, and what the failed ones said, beside an error.
pub fn with_hosts(error: CliError, outcome: &CampaignOutcome) -> CliError {
    let count = |state| outcome.in_state(state).count();
    let mut error = error.detail(
        "hosts",
        format!(
            "{} done, {} partly, {} failed, {} not begun",
            count(HostState::Done),
            count(HostState::Partly),
            count(HostState::Failed),
            count(HostState::NotBegun)
        ),
    );
    for host in outcome.in_state(HostState::Failed) {
        for (label, value) in host.error.iter().flat_map(|error| &error.details) {
            error = error.detail("evidence", format_args!("{}: {label}: {value}", host.host));
        }
    }
    error
}

/// The error of a campaign that came to no end: where it stopped, and how to go on.
pub fn not_done(outcome: &CampaignOutcome) -> CliError {
    let (code, reason) = match &outcome.stopped {
        Some(stopped) => (
            stopped.code,
            format!("stopped in stage {}: {}", stopped.stage, stopped.reason),
        ),
        None => ("not-done", "not everything was done".to_owned()),
    };
    CliError::new(code, reason).hint(outcome.how_to_go_on().join("; "))
}

/// How far a host came, in a word.
pub fn state_of(host: &HostOutcome) -> (anstyle::Style, &'static str) {
    match host.state {
        HostState::Done => (GOOD, "done"),
        HostState::Partly => (WARN, "partly done"),
        HostState::Failed => (BAD, "FAILED"),
        HostState::NotBegun => (DIM, "not begun"),
    }
}

/// Not everything that was asked for could be planned: that is told by the exit code as well.
pub fn in_full(plan: &ClusterPlan) -> ExitCode {
    let mut left_out = plan.notices.iter().filter(|notice| notice.is_left_out());
    match left_out.next() {
        Some(_) => ExitCode::Failed,
        None => ExitCode::Fine,
    }
}

fn show(context: &Context, plan: &ClusterPlan, outcome: &CampaignOutcome) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    let rows: Vec<Vec<Cell>> = outcome.hosts.iter().map(row).collect();
    writeln!(stdout, "\n{HEADING}Plan {}{HEADING:#}", plan.id)?;
    let columns = vec![
        Column::fixed("HOST"),
        Column::fixed("STATE"),
        Column::fixed("STEPS"),
        Column::fixed("FILES"),
        Column::shrinking("RUNS", 20),
    ];
    Table::new(columns, output::terminal_width()).write(&mut stdout, &rows)?;
    for host in &outcome.hosts {
        for left in host.runs.iter().flat_map(|run| &run.left_alone) {
            writeln!(
                stdout,
                "{DIM}left{DIM:#} {}: {}",
                host.host,
                printable(left)
            )?;
        }
        for run in host.runs.iter().filter(|run| run.verified.is_none()) {
            writeln!(
                stdout,
                "{WARN}not told{WARN:#} {}: stage {} was over when the host answered again; `kubepki doctor` shows whether all is well",
                host.host, run.stage
            )?;
        }
    }
    Ok(stdout.flush()?)
}

fn row(host: &HostOutcome) -> Vec<Cell> {
    let (style, word) = state_of(host);
    let files: usize = host.runs.iter().map(|run| run.written.len()).sum();
    let runs: Vec<&str> = host
        .runs
        .iter()
        .map(|run| run.run.as_deref().unwrap_or("(not told)"))
        .collect();
    vec![
        Cell::styled(&host.host, NAME),
        Cell::styled(word, style),
        Cell::new(format!("{}/{}", host.steps_done, host.steps)),
        Cell::new(files.to_string()),
        Cell::styled(runs.join(", "), DIM),
    ]
}
