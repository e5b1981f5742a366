//! What came of a rescue: whether every node is Ready, and if not, what is not and why.

use super::api::ApiTrouble;
use super::show;
use crate::commands::fleet::carry::{not_done, state_of};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{BAD, GOOD, WARN, printable};
use kubepki_core::model::cluster::Node;
use kubepki_core::plan::{ClusterPlan, Notice};
use kubepki_core::rescue::{Rescue, Situation, Standing};
use kubepki_fleet::campaign::CampaignOutcome;
use serde::Serialize;
use std::io::Write;

/// Everything that there is to tell.
pub struct Account<'a> {
    /// What was found and planned.
    pub rescued: &'a Rescue,
    /// What came of the plan, when it was carried out.
    pub outcome: Option<&'a CampaignOutcome>,
    /// What was found when looking again.
    pub again: Option<&'a Rescue>,
    /// Nodes at the end, when an API server could be asked.
    pub nodes: Option<&'a [Node]>,
    /// What in the API is to be seen to, when it could be asked.
    pub in_the_api: Option<Vec<ApiTrouble>>,
}

impl<'a> Account<'a> {
    /// Nothing was planned.
    pub fn nothing_to_do(rescued: &'a Rescue) -> Self {
        Self {
            rescued,
            outcome: None,
            again: None,
            nodes: None,
            in_the_api: None,
        }
    }

    fn is_done(&self) -> bool {
        self.outcome.is_none_or(CampaignOutcome::is_done)
    }

    fn left(&self) -> &[Notice] {
        let last = self.again.unwrap_or(self.rescued);
        &last.left
    }

    /// Steps that a plan made now would still have.
    fn remaining(&self) -> Option<&ClusterPlan> {
        let again = self.again?;
        (!again.plan.is_empty()).then_some(&again.plan)
    }

    fn not_ready(&self) -> Vec<&str> {
        let nodes = self.nodes.unwrap_or_default().iter();
        nodes
            .filter(|node| node.ready != Some(true))
            .map(|node| node.name.as_str())
            .collect()
    }
}

/// What `-o json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RescueResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    situation: &'a Situation,
    plan: &'a ClusterPlan,
    carried_out: bool,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a CampaignOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    situation_after: Option<&'a Situation>,
    nodes_not_ready: Option<Vec<&'a str>>,
    left: &'a [Notice],
    in_the_api: Option<&'a [ApiTrouble]>,
    how_to_go_on: Vec<String>,
}

/// Tells, and ends with the exit code or the error that goes with it.
pub fn tell(context: &Context, account: &Account<'_>) -> Result<ExitCode, CliError> {
    match context.structured() {
        Some(structured) => context.emit(
            structured,
            &RescueResult {
                api_version: API_VERSION,
                kind: "RescueResult",
                situation: &account.rescued.situation,
                plan: &account.rescued.plan,
                carried_out: account.outcome.is_some(),
                done: account.is_done(),
                outcome: account.outcome,
                situation_after: account.again.map(|again| &again.situation),
                nodes_not_ready: account.nodes.map(|_| account.not_ready()),
                left: account.left(),
                in_the_api: account.in_the_api.as_deref(),
                how_to_go_on: account
                    .outcome
                    .map(CampaignOutcome::how_to_go_on)
                    .unwrap_or_default(),
            },
        )?,
        None => people(context, account)?,
    }
    ending(context, account)
}

fn people(context: &Context, account: &Account<'_>) -> Result<(), CliError> {
    if let Some(outcome) = account.outcome {
        hosts(context, outcome)?;
    }
    if let Some(again) = account.again {
        if again.situation.worst() > Standing::Works {
            show::situation(context, &again.situation)?;
        }
        show::left(context, &again.left)?;
    }
    let mut stdout = context.stdout();
    // A new CA is missed in hundreds of objects; one of each kind says it.
    let mut told: Vec<(&ApiTrouble, usize)> = Vec::new();
    for trouble in account.in_the_api.iter().flatten() {
        let known = told
            .iter_mut()
            .find(|(known, _)| known.code == trouble.code && !context.is_wide());
        match known {
            Some((_, more)) => *more += 1,
            None => told.push((trouble, 0)),
        }
    }
    for (trouble, more) in told {
        let more = match more {
            0 => String::new(),
            more => format!(" (and {more} more: `kubepki doctor --api`)"),
        };
        writeln!(
            stdout,
            "{WARN}in the API{WARN:#} {}{more}: {}; {}",
            printable(&trouble.object),
            printable(&trouble.message),
            printable(&trouble.remedy)
        )?;
    }
    if let Some(nodes) = account.nodes {
        let not_ready = account.not_ready();
        if not_ready.is_empty() {
            writeln!(stdout, "{GOOD}all {} nodes are Ready{GOOD:#}", nodes.len())?;
        } else {
            writeln!(
                stdout,
                "{BAD}{} of {} nodes are not Ready{BAD:#}: {}",
                not_ready.len(),
                nodes.len(),
                not_ready.join(", ")
            )?;
        }
    }
    Ok(stdout.flush()?)
}

fn hosts(context: &Context, outcome: &CampaignOutcome) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    writeln!(stdout)?;
    for host in &outcome.hosts {
        let (style, word) = state_of(host);
        let files: usize = host.runs.iter().map(|run| run.written.len()).sum();
        writeln!(
            stdout,
            "{style}{word:11}{style:#} {}: {} of {} steps, {files} files",
            printable(&host.host),
            host.steps_done,
            host.steps
        )?;
        for failed in host.runs.iter().flat_map(|run| &run.failed) {
            writeln!(stdout, "            {}", printable(failed))?;
        }
        if let Some(error) = &host.error {
            writeln!(stdout, "            {}", printable(&error.to_string()))?;
        }
    }
    writeln!(stdout)?;
    Ok(stdout.flush()?)
}

fn ending(context: &Context, account: &Account<'_>) -> Result<ExitCode, CliError> {
    let Some(outcome) = account.outcome else {
        if account.left().is_empty() {
            let fine = account.rescued.situation.worst() <= Standing::Unknown;
            context.note(if fine {
                "nothing is broken that this program mends: nothing was changed"
            } else {
                "nothing here is mended by new certificates: nothing was changed; `kubepki doctor` says more"
            });
            return Ok(if fine {
                ExitCode::Fine
            } else {
                ExitCode::Warnings
            });
        }
        return Err(not_all(account));
    };
    if !outcome.is_done() {
        return Err(not_done(outcome));
    }
    context.note("the old files are in /var/lib/kubepki/backups of each host; `kubepki undo` brings them back");
    if !account.left().is_empty()
        || account.remaining().is_some()
        || !account.not_ready().is_empty()
    {
        return Err(not_all(account));
    }
    Ok(ExitCode::Fine)
}

fn not_all(account: &Account<'_>) -> CliError {
    let mut error = CliError::new(
        "not-all-mended",
        "what this program mends is done, and something is left",
    );
    for notice in account.left() {
        error = error.detail(
            "left",
            format_args!("{}: {}", notice.object, notice.message),
        );
    }
    let not_ready = account.not_ready();
    if !not_ready.is_empty() {
        error = error.detail("not Ready", not_ready.join(", "));
    }
    if let Some(plan) = account.remaining() {
        error = error.detail(
            "still to do",
            format_args!("on {}: run it again", plan.hosts().join(", ")),
        );
    }
    error.hint("`kubepki doctor` names the object and the remedy of each")
}
