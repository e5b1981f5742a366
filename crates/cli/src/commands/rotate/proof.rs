//! A script held against every state that it passes through, before it is shown: what the checker says
//! of it, in a line for people and an object for programs. What does not hold is refused.

use super::look::World;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{DIM, GOOD, WARN, printable};
use kubepki_core::rotation::check::{Verdict, check};
use kubepki_core::rotation::{Action, Phase, Script};
use serde::Serialize;
use std::io::Write;

/// Of one kind this many are shown.
const MOST: usize = 8;

/// What was proved of a script.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofLine {
    /// Whether every connection holds in every state.
    pub holds: bool,
    /// Whether it has a downtime that was asked for: then what is proved is what comes before and after,
    /// and that it can be gone on with and taken back wherever it is cut short.
    pub downtime: bool,
    /// States that the script passes through.
    pub states: u64,
    /// Connections that were followed.
    pub connections: usize,
    /// Combinations of both ends that were judged.
    pub combinations: u64,
    /// Connections that fail already.
    pub broken_before: Vec<String>,
    /// What still belongs to the old generation at the end.
    pub left_behind: Vec<String>,
}

/// Proves a script, or refuses it with what would not hold.
pub fn proved(world: &World, script: &Script) -> Result<(ProofLine, Verdict), CliError> {
    let (graph, material) = world.connections();
    let verdict = check(&graph, &material, &world.picture, script);
    if !verdict.holds() {
        return Err(refused(&verdict));
    }
    let retires = script
        .rounds
        .last()
        .is_some_and(|round| round.phase == Phase::RetireOld);
    let line = ProofLine {
        holds: verdict.holds(),
        downtime: script
            .rounds
            .iter()
            .flat_map(|round| &round.turns)
            .flat_map(|turn| &turn.actions)
            .any(|action| matches!(action, Action::Halt { .. })),
        states: verdict.states,
        connections: verdict.connections,
        combinations: verdict.combinations,
        broken_before: verdict
            .broken_before
            .iter()
            .map(|broken| format!("{}: {}", broken.connection, broken.reason))
            .collect(),
        left_behind: verdict
            .left_behind
            .iter()
            // Before the last phase it is meant to be there.
            .filter(|_| retires)
            .map(|left| format!("{}: {}", left.place, left.found))
            .collect(),
    };
    Ok((line, verdict))
}

fn refused(verdict: &Verdict) -> CliError {
    let count = verdict.violations.len();
    let mut error = CliError::new(
        "not-proved",
        format!(
            "this would break {count} {} on the way: nothing was changed",
            if count == 1 {
                "connection"
            } else {
                "connections"
            }
        ),
    );
    for violation in verdict.violations.iter().take(MOST) {
        error = error.detail("breaks", violation);
    }
    if count > MOST {
        error = error.detail("and", format!("{} more", count - MOST));
    }
    error.hint(
        "`kubepki doctor` shows what is wrong already; `kubepki rotate status` what lies where",
    )
}

/// Writes the line, and what is to be known beside it.
pub fn show(context: &Context, line: &ProofLine, verdict: &Verdict) -> Result<(), CliError> {
    let mut stderr = context.stderr();
    if line.downtime {
        writeln!(
            stderr,
            "{GOOD}proved{GOOD:#}: {} connections hold before everything is stopped and after it is started, in each of {} states; cut short anywhere, it can be gone on with or taken back {DIM}({} combinations judged){DIM:#}",
            line.connections, line.states, line.combinations
        )?;
    } else {
        writeln!(
            stderr,
            "{GOOD}proved{GOOD:#}: {} connections hold in each of {} states {DIM}({} combinations judged){DIM:#}",
            line.connections, line.states, line.combinations
        )?;
    }
    for notice in &verdict.notices {
        writeln!(stderr, "{DIM}  {}{DIM:#}", printable(notice))?;
    }
    some(&mut stderr, "fails already", &line.broken_before)?;
    some(&mut stderr, "stays old", &line.left_behind)?;
    Ok(())
}

fn some(writer: &mut dyn Write, label: &str, lines: &[String]) -> Result<(), CliError> {
    for line in lines.iter().take(MOST) {
        writeln!(writer, "{WARN}{label}{WARN:#} {}", printable(line))?;
    }
    if lines.len() > MOST {
        writeln!(
            writer,
            "{WARN}{label}{WARN:#} and {} more",
            lines.len() - MOST
        )?;
    }
    Ok(())
}
