//! `cargo xtask docs`: pages that are written from the code, so that they cannot say anything else:
//! one for each finding. A test of the program proves that they are current.

use anyhow::{Result, bail};
use kubepki_lab::repository;

use crate::packages::cargo;

/// Where the pages of findings lie.
const FINDINGS: &str = "docs/findings";

/// Writes the pages anew; those of findings that are gone go with them.
pub fn run() -> Result<()> {
    let folder = repository().join(FINDINGS);
    // apart first: a program that does not build must not take the pages away
    let made = repository().join("target/docs-findings");
    if made.exists() {
        fs_err::remove_dir_all(&made)?;
    }
    let status = cargo()
        .args(["run", "--quiet", "--package", "kubepki"])
        .args(["--", "explain", "--dir"])
        .arg(&made)
        .run_here()?;
    if status != 0 {
        bail!("kubepki explain ended with status {status}");
    }
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::rename(&made, &folder)?;
    Ok(())
}
