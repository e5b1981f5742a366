//! How long planning a rotation of all roots takes, and proving that no connection fails in any state
//! that the plan passes through, for 5 to 5,000 nodes. There is nothing to be beside: nobody else
//! proves it.

use anyhow::Result;

use super::Bench;
use crate::packages::cargo;

/// A program of the core, since it looks at no host.
pub fn run(_bench: &Bench) -> Result<()> {
    let told = cargo()
        .words("run --quiet --release --package kubepki-core --example rotation_proof")
        .run()?;
    println!("{told}");
    Ok(())
}
