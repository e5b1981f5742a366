//! `cargo xtask dist`: the program for release, static, so that it runs on any Linux of its architecture
//! and can be put on hosts over SSH.

use anyhow::{Context, Result, bail};
use kubepki_lab::{Tool, hexadecimal, repository};
use sha2::{Digest, Sha256};

use crate::packages::cargo;

/// Build the static program for release
#[derive(clap::Args)]
pub struct Arguments {
    /// Whose program
    #[arg(long, default_value = "kubepki")]
    package: String,

    /// For which target; rustc's standard library and a C compiler for it must be installed
    #[arg(long, default_value = TARGET)]
    target: String,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds, checks that it is static and runs, and prints path, size and digest.
pub fn run(arguments: &Arguments) -> Result<()> {
    // apart from target/: other flags would build everything there again
    let folder = repository().join("target/dist");
    let status = cargo()
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            &arguments.package,
        ])
        // named, so that the flags are not for build scripts and macros
        .args(["--target", &arguments.target, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .run_here()?;
    if status != 0 {
        bail!("the build ended with status {status}");
    }
    let built = folder
        .join(&arguments.target)
        .join("release")
        .join(&arguments.package);
    // named as the program looks for those of other architectures: as `uname -m` says
    let architecture = arguments.target.split('-').next().unwrap_or_default();
    let program = folder.join(format!("{}-{architecture}", arguments.package));
    fs_err::copy(built, &program)?;
    let bytes = fs_err::read(&program)?;
    if asks_for_a_loader(&bytes)? {
        bail!("{} is not static", program.display());
    }
    if architecture == std::env::consts::ARCH {
        Tool::new(&program)
            .arg("--help")
            .run()
            .context("the program does not run")?;
    }
    println!("path    {}", program.display());
    println!("size    {} bytes", bytes.len());
    println!("sha256  {}", hexadecimal(&Sha256::digest(&bytes)));
    println!("static  yes");
    Ok(())
}

/// Whether an ELF-64 program has a PT_INTERP header (elf(5)): a dynamic one names its loader there,
/// a static one has none, position-independent or not.
fn asks_for_a_loader(program: &[u8]) -> Result<bool> {
    const PT_INTERP: u32 = 3;
    let word = |at: usize, length: usize| -> Result<u64> {
        let bytes = program
            .get(at..at + length)
            .context("the program is cut off")?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !program.starts_with(b"\x7fELF\x02\x01") {
        bail!("the program is not ELF-64, little-endian");
    }
    let start = usize::try_from(word(32, 8)?)?;
    let size = usize::try_from(word(54, 2)?)?;
    let count = usize::try_from(word(56, 2)?)?;
    for index in 0..count {
        if word(start + index * size, 4)? == u64::from(PT_INTERP) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_asks_for_a_loader() {
        let own = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        assert!(asks_for_a_loader(&own).unwrap());
        asks_for_a_loader(b"#!/bin/sh\n").unwrap_err();
        asks_for_a_loader(own.get(..60).unwrap()).unwrap_err();
    }
}
