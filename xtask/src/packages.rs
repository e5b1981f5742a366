//! cargo, and the cargo programs that may have to be installed first.

use std::path::PathBuf;

use anyhow::Result;
use kubepki_lab::{Cache, Tool, find_in_path, repository};

/// The cargo that runs this, in the repository.
pub fn cargo() -> Tool {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Tool::new(cargo).folder(repository())
}

/// cargo-nextest: installed already, else built into the cache (some minutes). `None` where it can't
/// be had: `cargo test` then has to do.
pub fn nextest(cache: &Cache) -> Result<Option<PathBuf>> {
    if let Some(installed) = find_in_path("cargo-nextest") {
        return Ok(Some(installed));
    }
    let root = cache.path("cargo");
    let program = root.join("bin/cargo-nextest");
    if !program.is_file() {
        println!("==> installing cargo-nextest");
        let status = cargo()
            .words("install --locked --quiet cargo-nextest --root")
            .arg(&root)
            .run_here()?;
        if status != 0 {
            println!("cargo-nextest cannot be installed; `cargo test` runs the tests instead");
            return Ok(None);
        }
    }
    Ok(Some(program))
}
