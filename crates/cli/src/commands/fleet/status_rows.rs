//! The rows and sentences of a cluster's status: certificates host by host, authorities once however
//! many hosts hold them, and what it comes to for every host.

use super::clocks::TOLERATED;
use super::document::SelectedHosts;
use super::looking::Seen;
use crate::commands::status::{authority_words, expires, left, minute, state, words};
use crate::commands::unfinished;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{
    BAD, Cell, Column, DIM, GOOD, HEADING, NAME, Table, WARN, printable, severity,
};
use jiff::Timestamp;
use kubepki_core::assess::{AuthorityRow, Status};
use kubepki_core::model::{Finding, Gap, Severity};
use kubepki_fleet::session::SessionError;
use std::io::Write;

/// `apiserver-kubelet-client`, and what most paths need no more than.
pub const NAMES: usize = 24;
/// `2026-11-22 08:00Z`.
pub const MINUTE: usize = 17;
/// `expired 365d`.
pub const LEFT: usize = 12;
/// `front-proxy-ca`.
pub const AUTHORITY_NAMES: usize = 14;

/// How many names a sentence lists.
const NAMED: usize = 6;

/// What is looked at, and when.
pub fn heading(out: &mut dyn Write, hosts: &SelectedHosts, at: Timestamp) -> Result<(), CliError> {
    let name = hosts
        .cluster
        .clone()
        .unwrap_or_else(|| hosts.document.display().to_string());
    writeln!(
        out,
        "{HEADING}{}{HEADING:#} {DIM}at {}{DIM:#}\n",
        printable(&name),
        minute(at)
    )?;
    Ok(())
}

/// A host's certificates.
pub fn certificates(host: &str, status: &Status, is_wide: bool) -> Vec<Vec<Cell>> {
    let rows = status.certificates.iter().map(|row| {
        let mut cells = vec![
            Cell::styled(host, HEADING),
            Cell::styled(&row.name, NAME),
            expires(row.expiration_date),
            left(row.expiration_date, status.evaluated_at, &row.findings),
            Cell::new(&row.ca_name),
            // A CA whose key is on another host is not an external one here.
            state(words(&row.findings), &row.findings),
        ];
        if is_wide {
            let path = match &row.link_target {
                Some(target) => format!("{} -> {target}", row.path),
                None => row.path.clone(),
            };
            cells.extend([
                Cell::new(row.key_type.clone().unwrap_or_default()),
                Cell::new(row.subject.clone().unwrap_or_default()),
                Cell::styled(path, DIM),
            ]);
        }
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    if rows.is_empty() {
        return vec![only(host, Cell::styled("no certificates found", WARN))];
    }
    rows
}

/// The row of a host that gave no answer.
pub fn not_reached(host: &str) -> Vec<Cell> {
    only(host, Cell::styled("not seen", BAD))
}

fn only(host: &str, state: Cell) -> Vec<Cell> {
    let nothing = || Cell::styled("-", DIM);
    vec![
        Cell::styled(host, HEADING),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        state,
    ]
}

/// Authorities of all hosts: one row for each certificate, however many hosts hold it.
#[derive(Default)]
pub struct Authorities {
    rows: Vec<SharedAuthority>,
}

struct SharedAuthority {
    row: AuthorityRow,
    words: String,
    hosts: Vec<String>,
    with_key: usize,
}

impl Authorities {
    /// Adds those of a host.
    pub fn add(&mut self, host: &str, status: &Status) {
        for row in &status.certificate_authorities {
            let words = authority_words(row);
            let known = self.rows.iter_mut().find(|known| {
                known.row.name == row.name
                    && known.row.fingerprint_sha256 == row.fingerprint_sha256
                    && known.words == words
            });
            let has_key = usize::from(!row.externally_managed);
            match known {
                Some(known) => {
                    known.hosts.push(host.to_owned());
                    known.with_key += has_key;
                }
                None => self.rows.push(SharedAuthority {
                    row: row.clone(),
                    words,
                    hosts: vec![host.to_owned()],
                    with_key: has_key,
                }),
            }
        }
    }

    /// Writes them, when there are any.
    pub fn write(
        &self,
        out: &mut dyn Write,
        width: Option<usize>,
        now: Timestamp,
    ) -> Result<(), CliError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let columns = vec![
            Column::shrinking("AUTHORITY", 20),
            Column::fixed("EXPIRES"),
            Column::fixed("LEFT"),
            Column::fixed("KEY"),
            Column::shrinking("HOSTS", 12),
            Column::fixed("STATE"),
        ];
        let rows = self.rows.iter().map(|shared| {
            let row = &shared.row;
            vec![
                Cell::styled(&row.name, NAME),
                expires(row.expiration_date),
                left(row.expiration_date, now, &row.findings),
                Cell::new(match shared.with_key {
                    0 => "nowhere here".to_owned(),
                    1 => "on 1 host".to_owned(),
                    many => format!("on {many} hosts"),
                }),
                Cell::new(names(&shared.hosts)),
                state(shared.words.clone(), &row.findings),
            ]
        });
        writeln!(out)?;
        Table::new(columns, width).write(out, &rows.collect::<Vec<_>>())?;
        Ok(())
    }
}

/// What it comes to, host by host.
#[derive(Default)]
pub struct Summary {
    rows: Vec<SummaryRow>,
}

struct SummaryRow {
    host: String,
    /// Certificates, expired ones, and those that soon will be; `None` of a host that was not seen.
    counts: Option<(usize, usize, usize)>,
    first_end: Option<Timestamp>,
    ending: usize,
    worst: Option<Severity>,
    is_interrupted: bool,
}

impl Summary {
    /// A host that was seen.
    pub fn seen(&mut self, host: &str, status: &Status, seen: &Seen) {
        let with = |code: &str| {
            let rows = status.certificates.iter();
            rows.filter(|row| row.findings.iter().any(|finding| finding.code == code))
                .count()
        };
        let ends = status
            .certificates
            .iter()
            .filter_map(|row| row.expiration_date);
        let ending = status.certificates.iter();
        let ending = ending.filter(|row| row.findings.iter().any(speaks_of_the_end));
        self.rows.push(SummaryRow {
            host: host.to_owned(),
            counts: Some((
                status.certificates.len(),
                with("expired"),
                with("expires-soon"),
            )),
            first_end: ends.min(),
            ending: ending.count(),
            worst: status.worst(),
            is_interrupted: seen.look.interrupted.is_some(),
        });
    }

    /// A host that was not.
    pub fn not_seen(&mut self, host: &str) {
        self.rows.push(SummaryRow {
            host: host.to_owned(),
            counts: None,
            first_end: None,
            ending: 0,
            worst: None,
            is_interrupted: false,
        });
    }

    /// Writes a row for each host.
    pub fn write(
        &self,
        out: &mut dyn Write,
        width: Option<usize>,
        now: Timestamp,
    ) -> Result<(), CliError> {
        let columns = vec![
            Column::fixed("HOST"),
            Column::fixed("CERTIFICATES"),
            Column::fixed("EXPIRED"),
            Column::fixed("SOON"),
            Column::fixed("FIRST END"),
            Column::fixed("STATE"),
        ];
        let rows = self.rows.iter().map(|row| {
            let Some((all, expired, soon)) = row.counts else {
                let cells = not_reached(&row.host);
                return cells;
            };
            let count = |number: usize, style| match number {
                0 => Cell::styled("0", DIM),
                number => Cell::styled(number.to_string(), style),
            };
            vec![
                Cell::styled(&row.host, HEADING),
                Cell::new(all.to_string()),
                count(expired, BAD),
                count(soon, WARN),
                match row.first_end {
                    Some(end) => left(Some(end), now, &[]),
                    None => Cell::styled("-", DIM),
                },
                match (row.is_interrupted, row.worst) {
                    (true, _) => Cell::styled("interrupted run", BAD),
                    (false, Some(worst)) => {
                        Cell::styled(severity::word(worst), severity::style(worst))
                    }
                    (false, None) => Cell::styled("ok", GOOD),
                },
            ]
        });
        writeln!(out)?;
        Table::new(columns, width).write(out, &rows.collect::<Vec<_>>())?;
        Ok(())
    }

    /// What to do about it.
    pub fn advise(&self, context: &Context) {
        let of = |which: fn(&SummaryRow) -> bool| -> Vec<String> {
            let rows = self.rows.iter().filter(|row| which(row));
            rows.map(|row| row.host.clone()).collect()
        };
        let interrupted = of(|row| row.is_interrupted);
        if !interrupted.is_empty() {
            context.note(format_args!(
                "\nruns were interrupted on {}: `kubepki renew` finishes them or takes them back, `kubepki undo` undoes them",
                names(&interrupted)
            ));
        }
        let certificates: usize = self.rows.iter().map(|row| row.ending).sum();
        if certificates > 0 {
            let hosts = self.rows.iter().filter(|row| row.ending > 0).count();
            context.note(format_args!(
                "\n{certificates} certificates on {hosts} hosts have expired or soon will: `kubepki renew all` renews them"
            ));
        }
    }
}

/// Sentences: each once, with everybody whom it is so of.
#[derive(Default)]
pub struct Remarks {
    said: Vec<(Severity, String, Vec<String>)>,
    gaps: Vec<(String, String, Vec<String>)>,
}

impl Remarks {
    /// Every finding that is more than its word in the table, and every gap.
    pub fn of_status(&mut self, host: &str, status: &Status) {
        let certificates = status.certificates.iter();
        let certificates = certificates.map(|row| (row.name.as_str(), &row.findings));
        let authorities = status.certificate_authorities.iter();
        let authorities = authorities.map(|row| (row.name.as_str(), &row.findings));
        let keys = status.service_account_keys.iter();
        let keys = keys.map(|row| (row.path.as_str(), &row.findings));
        for (name, findings) in certificates.chain(authorities).chain(keys) {
            for finding in findings
                .iter()
                .filter(|finding| !speaks_of_the_end(finding))
            {
                self.say(
                    finding.severity,
                    &finding.message,
                    format!("{host}: {name}"),
                );
            }
        }
        for gap in &status.gaps {
            self.gap(&gap.object, &gap.reason, host);
        }
    }

    /// What a look shows beside the files.
    pub fn of_look(&mut self, host: &str, seen: &Seen) {
        let ahead = seen.clock_ahead;
        if seen.look.inventory.live && ahead.abs() > TOLERATED {
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            let message = format!("its clock is {} s {side} this machine's", ahead.abs());
            self.say(Severity::Warning, &message, host.to_owned());
        }
        if let Some(run) = &seen.look.interrupted {
            let message = format!(
                "run {} (`{}`, begun {}) was interrupted while {}",
                run.id, run.verb, run.started_at, run.stage
            );
            self.say(Severity::Warning, &message, host.to_owned());
        }
    }

    /// What was stopped on a host and waits to be started.
    pub fn of_halted(&mut self, host: &str, seen: &Seen) {
        if let Some(message) = unfinished::halted_in_words(&seen.look.halted) {
            self.say(Severity::Warning, &message, host.to_owned());
        }
    }

    /// A host that gave no answer.
    pub fn not_seen(&mut self, host: &str, error: &SessionError) {
        let reason = match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        self.gap("", &reason, host);
    }

    /// Writes them, the API's gap first.
    pub fn write(&self, out: &mut dyn Write, api: Option<&Gap>) -> Result<(), CliError> {
        if !(self.said.is_empty() && self.gaps.is_empty() && api.is_none()) {
            writeln!(out)?;
        }
        if let Some(gap) = api {
            let (object, reason) = (printable(&gap.object), printable(&gap.reason));
            writeln!(out, "{WARN}not seen{WARN:#} {object}: {reason}")?;
        }
        for (severity, message, who) in &self.said {
            let style = severity::style(*severity);
            writeln!(
                out,
                "{style}{}{style:#} {}: {}",
                severity::word(*severity),
                printable(&names(who)),
                printable(message)
            )?;
        }
        for (object, reason, hosts) in &self.gaps {
            let mut where_ = names(hosts);
            if !object.is_empty() {
                where_ = format!("{where_}: {object}");
            }
            writeln!(
                out,
                "{WARN}not seen{WARN:#} {}: {}",
                printable(&where_),
                printable(reason)
            )?;
        }
        Ok(())
    }

    fn say(&mut self, severity: Severity, message: &str, who: String) {
        let known = self.said.iter_mut();
        match known
            .into_iter()
            .find(|(other, text, _)| *other == severity && text == message)
        {
            Some((_, _, all)) => all.push(who),
            None => self.said.push((severity, message.to_owned(), vec![who])),
        }
    }

    fn gap(&mut self, object: &str, reason: &str, host: &str) {
        let known = self.gaps.iter_mut();
        match known
            .into_iter()
            .find(|(other, text, _)| other == object && text == reason)
        {
            Some((_, _, hosts)) => hosts.push(host.to_owned()),
            None => {
                let hosts = vec![host.to_owned()];
                self.gaps
                    .push((object.to_owned(), reason.to_owned(), hosts));
            }
        }
    }
}

/// The date stands in the table already.
fn speaks_of_the_end(finding: &Finding) -> bool {
    matches!(finding.code.as_str(), "expired" | "expires-soon")
}

/// Some of many names.
pub fn names(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    match all.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
