//! The situation for people: one line for each area, in mending order, and what is wrong below it.

use crate::context::Context;
use crate::error::CliError;
use crate::output::{BAD, DIM, GOOD, HEADING, NAME, WARN, printable};
use kubepki_core::plan::Notice;
use kubepki_core::rescue::{Area, Concern, Situation, Standing, Trouble};
use std::io::Write;

/// Of one kind of trouble this many are shown, unless everything is asked for.
const MOST: usize = 12;

/// Writes the situation.
pub fn situation(context: &Context, situation: &Situation) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    writeln!(
        stdout,
        "{HEADING}Situation{HEADING:#} {DIM}of {} at {}{DIM:#}\n",
        match situation.hosts.len() {
            1 => "1 host".to_owned(),
            count => format!("{count} hosts"),
        },
        situation.evaluated_at
    )?;
    for concern in &situation.concerns {
        area(&mut stdout, concern, context.is_wide())?;
    }
    writeln!(stdout)?;
    Ok(stdout.flush()?)
}

fn area(writer: &mut dyn Write, concern: &Concern, all: bool) -> Result<(), CliError> {
    let (style, word) = match concern.standing {
        Standing::Works => (GOOD, "ok"),
        Standing::Unknown => (DIM, "unknown"),
        Standing::Degraded => (WARN, "not well"),
        Standing::Broken => (BAD, "BROKEN"),
    };
    writeln!(
        writer,
        "{style}{word:9}{style:#} {HEADING}{}{HEADING:#}: {}",
        name(concern.area),
        printable(&concern.summary)
    )?;
    let groups = groups(&concern.troubles);
    let shown = if all { groups.len() } else { MOST };
    for (hosts, trouble) in groups.iter().take(shown) {
        let hosts = match hosts.is_empty() {
            true => String::new(),
            false => format!("{} ", hosts.join(", ")),
        };
        writeln!(
            writer,
            "          {NAME}{}{NAME:#}{}: {}",
            printable(&hosts),
            printable(&trouble.object),
            printable(&trouble.message)
        )?;
    }
    if let Some(more) = groups.len().checked_sub(shown).filter(|more| *more > 0) {
        writeln!(writer, "          {DIM}and {more} more (-o wide){DIM:#}")?;
    }
    Ok(())
}

/// What is the same on several hosts, once.
fn groups(troubles: &[Trouble]) -> Vec<(Vec<&str>, &Trouble)> {
    let mut groups: Vec<(Vec<&str>, &Trouble)> = Vec::new();
    for trouble in troubles {
        let known = groups.iter_mut().find(|(_, other)| {
            other.object == trouble.object
                && other.code == trouble.code
                && (other.message == trouble.message || is_of_time(&trouble.code))
        });
        let host = trouble.host.as_deref();
        match known {
            Some((hosts, _)) => hosts.extend(host),
            None => groups.push((host.into_iter().collect(), trouble)),
        }
    }
    groups
}

/// That it has ended says enough; to the second it differs from host to host.
fn is_of_time(code: &str) -> bool {
    ["expired", "expires-soon", "not-yet-valid"].contains(&code)
}

/// Writes what cannot be mended, to standard error.
pub fn left(context: &Context, left: &[Notice]) -> Result<(), CliError> {
    let mut stderr = context.stderr();
    for notice in left {
        writeln!(
            stderr,
            "{WARN}left{WARN:#} {}: {}",
            printable(&notice.object),
            printable(&notice.message)
        )?;
    }
    Ok(())
}

/// An area as people call it.
pub fn name(area: Area) -> &'static str {
    match area {
        Area::Hosts => "hosts",
        Area::Clocks => "clocks",
        Area::Authorities => "CAs",
        Area::Etcd => "etcd",
        Area::ApiServers => "API servers",
        Area::Controllers => "controllers",
        Area::ControlPlaneKubelets => "kubelets of control planes",
        Area::Workers => "workers",
        Area::ApiObjects => "in the API",
    }
}
