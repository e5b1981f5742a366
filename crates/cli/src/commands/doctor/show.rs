//! A diagnosis for people: what it comes to, what is wrong with what mends it, every connection that
//! matters, and what was not seen.

use super::{connections, endpoints};
use crate::commands::cluster::API;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{
    self, BAD, DIM, GOOD, HEADING, NAME, WARN, display_width, printable, severity,
};
use anstyle::Style;
use jiff::Timestamp;
use kubepki_core::diagnose::{ConnectionReport, Diagnosis, DiagnosisFinding, State, Where};
use kubepki_core::model::{Gap, Severity};
use std::io::{self, Write};

/// Lines are not longer, on a wider terminal and in a pipe neither.
const WIDTH: usize = 80;

/// Writes a diagnosis.
pub fn show(context: &Context, diagnosis: &Diagnosis) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    let out: &mut dyn Write = &mut stdout;
    let width = output::terminal_width().map_or(WIDTH, |width| width.clamp(40, WIDTH));
    let pen = Pen { width };
    heading(out, diagnosis)?;
    pen.headline(out, diagnosis)?;
    for finding in &diagnosis.findings {
        writeln!(out)?;
        pen.finding(out, finding, context.is_wide())?;
    }
    connections::table(out, diagnosis, context.is_wide())?;
    endpoints::table(out, diagnosis)?;
    if !diagnosis.ignored.is_empty() {
        writeln!(out)?;
        pen.ignored(out, diagnosis, context.is_wide())?;
    }
    if !diagnosis.gaps.is_empty() {
        writeln!(out)?;
        for gap in &diagnosis.gaps {
            pen.gap(out, gap)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn heading(out: &mut dyn Write, diagnosis: &Diagnosis) -> io::Result<()> {
    let mut names = printable(&diagnosis.hosts.join(", "));
    if let Some(server) = &diagnosis.api_server {
        names = format!("{names} and {}", printable(server));
    }
    writeln!(
        out,
        "{HEADING}{names}{HEADING:#} {DIM}at {}{DIM:#}\n",
        minute(diagnosis.evaluated_at)
    )
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Writes wrapped text.
struct Pen {
    width: usize,
}

impl Pen {
    /// One sentence for all of it.
    fn headline(&self, out: &mut dyn Write, diagnosis: &Diagnosis) -> io::Result<()> {
        let (style, verdict, rest) = headline(diagnosis);
        let lines = wrap(&printable(&format!("{verdict}{rest}")), self.width);
        for (index, line) in lines.iter().enumerate() {
            match line.strip_prefix(verdict.as_str()).filter(|_| index == 0) {
                Some(after) => writeln!(out, "{style}{verdict}{style:#}{after}")?,
                None => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }

    fn finding(
        &self,
        out: &mut dyn Write,
        finding: &DiagnosisFinding,
        is_wide: bool,
    ) -> io::Result<()> {
        let style = severity::style(finding.severity);
        let word = severity::word(finding.severity);
        let object = printable(&finding.object);
        writeln!(
            out,
            "{style}{word}{style:#}  {NAME}{object}{NAME:#}  {DIM}{}{DIM:#}",
            finding.code
        )?;
        self.paragraph(out, "  ", "  ", &finding.message)?;
        let most = if is_wide { usize::MAX } else { MOST_EVIDENCE };
        for fact in finding.evidence.iter().take(most) {
            self.paragraph(out, "  - ", "    ", fact)?;
        }
        if finding.evidence.len() > most {
            let more = finding.evidence.len() - most;
            writeln!(out, "  {DIM}- {more} more with -o wide{DIM:#}")?;
        }
        if !finding.connections.is_empty() {
            self.breaks(out, &finding.connections, is_wide)?;
        }
        if !finding.remedy.is_empty() {
            self.labelled(out, "mend", &finding.remedy)?;
        }
        Ok(())
    }

    fn breaks(&self, out: &mut dyn Write, ids: &[String], is_wide: bool) -> io::Result<()> {
        let most = if is_wide {
            usize::MAX
        } else {
            MOST_CONNECTIONS
        };
        let mut text = ids
            .iter()
            .take(most)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if ids.len() > most {
            text = format!("{text} and {} more", ids.len() - most);
        }
        self.labelled(out, "fails", &text)
    }

    fn labelled(&self, out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
        let lines = wrap(&printable(text), self.width.saturating_sub(LABEL + 2));
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(out, "  {DIM}{label:LABEL$}{DIM:#}{line}")?;
        }
        Ok(())
    }

    fn ignored(&self, out: &mut dyn Write, diagnosis: &Diagnosis, is_wide: bool) -> io::Result<()> {
        if !is_wide {
            let number = diagnosis.ignored.len();
            return writeln!(
                out,
                "{DIM}{} accepted: -o wide shows them{DIM:#}",
                if number == 1 {
                    "1 finding is".to_owned()
                } else {
                    format!("{number} findings are")
                }
            );
        }
        for ignored in &diagnosis.ignored {
            let text = format!(
                "{} {}: {} ({})",
                ignored.finding.code,
                ignored.finding.object,
                ignored.finding.message,
                ignored.accepted_by
            );
            self.paragraph(out, "accepted ", "  ", &text)?;
        }
        Ok(())
    }

    fn gap(&self, out: &mut dyn Write, gap: &Gap) -> io::Result<()> {
        let text = format!("not seen {}: {}", gap.object, gap.reason);
        let lines = wrap(&printable(&text), self.width);
        for (index, line) in lines.iter().enumerate() {
            match line.strip_prefix("not seen").filter(|_| index == 0) {
                Some(after) => writeln!(out, "{WARN}not seen{WARN:#}{after}")?,
                None => writeln!(out, "  {line}")?,
            }
        }
        Ok(())
    }

    fn paragraph(
        &self,
        out: &mut dyn Write,
        first: &str,
        others: &str,
        text: &str,
    ) -> io::Result<()> {
        let lines = wrap(&printable(text), self.width.saturating_sub(others.len()));
        for (index, line) in lines.iter().enumerate() {
            writeln!(out, "{}{line}", if index == 0 { first } else { others })?;
        }
        Ok(())
    }
}

/// Facts that a finding shows without `-o wide`.
const MOST_EVIDENCE: usize = 4;
/// Connections that a finding names without `-o wide`.
const MOST_CONNECTIONS: usize = 3;
/// Width of the column of labels.
const LABEL: usize = 7;

/// The verdict with its style, and what follows it.
fn headline(diagnosis: &Diagnosis) -> (Style, String, String) {
    let of = |severity| {
        let findings = diagnosis.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .collect::<Vec<_>>()
    };
    let (critical, warnings) = (of(Severity::Critical), of(Severity::Warning));
    let all = diagnosis.connections.len();
    let failing = diagnosis
        .connections
        .iter()
        .filter(|connection| connections::fails(connection))
        .count();
    let fail = match failing {
        0 => String::new(),
        1 => format!("1 of {} fails", counted(all, "connection")),
        many => format!("{many} of {} fail", counted(all, "connection")),
    };
    let look = counted(warnings.len(), "thing");
    let is_silent = diagnosis.gaps.iter().any(|gap| gap.object == API);
    match (critical.as_slice(), warnings.is_empty()) {
        ([], true) if failing == 0 && is_silent => (
            WARN,
            "the API did not answer".to_owned(),
            format!("; what could be seen is verified: {}", verified(diagnosis)),
        ),
        ([], true) if failing == 0 => (
            GOOD,
            "everything verified".to_owned(),
            format!(": {}", verified(diagnosis)),
        ),
        // --only and --ignore leave out the findings, not what follows from them
        ([], true) => (
            WARN,
            "nothing else is wrong".to_owned(),
            format!("; {fail}"),
        ),
        ([], false) if failing == 0 => (
            WARN,
            format!("nothing is broken, {look} to look at"),
            format!("; {}", verified(diagnosis)),
        ),
        ([], false) => (WARN, format!("{look} to look at"), format!("; {fail}")),
        (found, is_all) => {
            let noun = if found.iter().all(|finding| finding.object.starts_with('/')) {
                "file"
            } else {
                "thing"
            };
            let (verb, what) = match found {
                [one] => ("is", format!(": {}", one.object)),
                _ => ("are", String::new()),
            };
            let mut rest = what;
            if failing > 0 {
                rest.push_str(&format!("; {fail}"));
            }
            if !is_all {
                rest.push_str(&format!("; {look} more to look at"));
            }
            (
                BAD,
                format!("{} {verb} wrong", counted(found.len(), noun)),
                rest,
            )
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// `17 connections on disk, 17 as loaded, 12 on the wire`.
fn verified(diagnosis: &Diagnosis) -> String {
    let count = |place: fn(&ConnectionReport) -> &Where| {
        let connections = diagnosis.connections.iter();
        connections
            .filter(|connection| place(connection).state == State::Verified)
            .count()
    };
    let disk = count(|connection| &connection.on_disk);
    let loaded = count(|connection| &connection.loaded);
    let wire = count(|connection| &connection.on_wire);
    let all = diagnosis.connections.len();
    let mut words = if disk == all {
        format!("{} on disk", counted(all, "connection"))
    } else {
        format!("{disk} of {} on disk", counted(all, "connection"))
    };
    if loaded > 0 {
        words.push_str(&format!(", {loaded} as loaded"));
    }
    if wire > 0 {
        words.push_str(&format!(", {wire} on the wire"));
    }
    let asked = diagnosis.endpoints.len();
    if asked == 0 {
        return words;
    }
    let good = diagnosis
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.on_wire.state == State::Verified)
        .count();
    let endpoints = format!("{good} of {}", counted(asked, "endpoint"));
    match all {
        0 => endpoints,
        _ => format!("{words}, {endpoints}"),
    }
}

/// Lines of at most `width` columns; a word that is longer stands alone.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = display_width(&line) + 1 + display_width(word);
        if !line.is_empty() && longer > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_are_filled_and_long_words_stand_alone() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(
            wrap("a /a/very/long/path b", 6),
            ["a", "/a/very/long/path", "b"]
        );
        assert!(wrap("", 5).is_empty());
    }
}
