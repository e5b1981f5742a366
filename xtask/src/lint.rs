//! `cargo xtask lint`: format, clippy, the rooms, and the shape of files.

use std::path::Path;

use anyhow::{Result, bail};
use kubepki_lab::{Tool, repository};

use crate::packages::cargo;
use crate::rooms;

/// A file longer than this has more than one subject.
const LONGEST_FILE: usize = 500;

/// Runs every check, and fails if any did.
pub fn run() -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        println!("==> {name}");
        if let Err(error) = check() {
            println!("{error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("fine");
    Ok(())
}

/// A check and what it is called.
pub type Check = (&'static str, fn() -> Result<()>);

/// Every check, the quick ones first.
pub const CHECKS: [Check; 4] = [
    ("format", format),
    ("rooms", walls),
    ("files", files),
    ("clippy", clippy),
];

fn format() -> Result<()> {
    succeed(cargo().words("fmt --all --check"))
}

fn clippy() -> Result<()> {
    succeed(cargo().words("clippy --workspace --all-targets --quiet -- -D warnings"))
}

fn walls() -> Result<()> {
    let metadata = cargo()
        .words("metadata --format-version 1 --no-deps")
        .run()?;
    none(rooms::violations(&metadata)?)
}

fn files() -> Result<()> {
    // tracked, or new and not ignored
    let listed = Tool::new("git")
        .words("ls-files --cached --others --exclude-standard -- *.rs")
        .folder(repository())
        .run()?;
    let mut violations = Vec::new();
    for file in listed.lines() {
        // listed but gone: removed and not committed
        if let Ok(text) = fs_err::read_to_string(repository().join(file)) {
            violations.extend(shape_of(Path::new(file), &text));
        }
    }
    none(violations)
}

fn shape_of(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    if !text.starts_with("//!") {
        Some(format!(
            "{} does not say in a `//!` prologue what it is",
            file.display()
        ))
    } else if lines > LONGEST_FILE {
        Some(format!(
            "{} has {lines} lines, at most {LONGEST_FILE} are fine",
            file.display()
        ))
    } else {
        None
    }
}

fn none(violations: Vec<String>) -> Result<()> {
    if !violations.is_empty() {
        bail!("{}", violations.join("\n"));
    }
    Ok(())
}

fn succeed(tool: Tool) -> Result<()> {
    let shown = tool.to_string();
    let status = tool.run_here()?;
    if status != 0 {
        bail!("`{shown}` ended with status {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_with_its_prologue_and_is_not_too_long() {
        let shape = |text: &str| shape_of(Path::new("a.rs"), text);
        assert_eq!(shape("//! What it is.\n"), None);
        assert!(shape("use std::fs;\n").unwrap().contains("prologue"));
        assert_eq!(shape(&"//! line\n".repeat(500)), None);
        assert!(
            shape(&"//! line\n".repeat(501))
                .unwrap()
                .contains("501 lines")
        );
    }
}
