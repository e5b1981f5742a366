//! Writing a [`CliError`]: for people with `error:` in front, for programs as an object.

use super::structured::{Structured, write_object};
use super::style::{BAD, DIM, HEADING};
use crate::error::CliError;
use std::io::{self, Write};

/// Writes an error, in the form that goes with the chosen output.
pub fn write_error(
    writer: &mut dyn Write,
    error: &CliError,
    structured: Option<Structured>,
) -> io::Result<()> {
    match structured {
        // one line each, so that several errors of one run can be read one by one
        Some(Structured::Json) => writeln!(writer, "{}", serde_json::to_string(&error.object())?),
        Some(Structured::Yaml) => {
            writeln!(writer, "---")?;
            write_object(writer, Structured::Yaml, &error.object())
        }
        None => write_human(writer, error),
    }
}

fn write_human(writer: &mut dyn Write, error: &CliError) -> io::Result<()> {
    let text = error.to_string();
    let (body, hint) = match text.split_once("\n\nhint: ") {
        Some((body, hint)) => (body, Some(hint)),
        None => (text.as_str(), None),
    };
    let mut lines = body.lines();
    writeln!(
        writer,
        "{BAD}error:{BAD:#} {}",
        lines.next().unwrap_or_default()
    )?;
    for line in lines {
        let label_end = line
            .get(2..)
            .and_then(|rest| rest.find("  "))
            .map_or(0, |position| position + 2);
        let (label, value) = line.split_at(label_end);
        writeln!(writer, "{DIM}{label}{DIM:#}{value}")?;
    }
    if let Some(hint) = hint {
        writeln!(writer, "\n{HEADING}hint:{HEADING:#} {hint}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> CliError {
        CliError::new("unreadable", "cannot read /etc/x: permission denied")
            .location("/etc/x")
            .hint("run as root")
    }

    fn written(structured: Option<Structured>) -> String {
        let mut bytes = Vec::new();
        write_error(&mut bytes, &error(), structured).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn people_read_a_sentence_and_a_hint() {
        assert_eq!(
            anstream::adapter::strip_str(&written(None)).to_string(),
            "error: cannot read /etc/x: permission denied\n  location  /etc/x\n\nhint: run as root\n"
        );
    }

    #[test]
    fn programs_read_one_object_a_line() {
        let text = written(Some(Structured::Json));
        assert_eq!(text.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["code"], "unreadable");
        assert!(written(Some(Structured::Yaml)).starts_with("---\napiVersion:"));
    }
}
