//! `status` beside `kubeadm certs check-expiration`, on one tree that neither changes.

use anyhow::Result;

use super::Bench;
use super::measure::{Contender, in_turns};
use super::table;
use super::trees::{CONFIGURATION, Keys, Tree};

const ROUNDS: u32 = 101;

/// As a table and as JSON.
pub fn run(bench: &Bench) -> Result<()> {
    let tree = Tree::make(bench, "rsa", Keys::Rsa)?;
    tree.copy("read")?;
    let root = tree.path("read").display().to_string();
    let contenders = [
        Contender::new(
            "kubeadm",
            &bench.kubeadm,
            &[
                "certs",
                "check-expiration",
                "--config",
                CONFIGURATION,
                "--rootfs",
                &root,
            ],
        ),
        Contender::new("kubepki", &bench.program, &["status", "--root", &root]),
        Contender::new(
            "kubepki -o json",
            &bench.program,
            &["status", "-o", "json", "--root", &root],
        ),
    ];
    let measured = in_turns(&contenders, bench.turns(ROUNDS))?;
    table::print(&contenders, &measured);
    Ok(())
}
