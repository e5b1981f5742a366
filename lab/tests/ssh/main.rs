//! Hosts over a real sshd, as an account that may `sudo`, from a machine that is none of them: what is
//! refused, what is put there and how often, how a worker joins, and what is left when the connection,
//! the program on a host or a host itself ends in the middle of a renewal.
//!
//! `KUBEPKI_INTERRUPTIONS=30` interrupts that often, on three control planes and two workers;
//! `KUBEPKI_LAB_USE=NAME` takes a lab that is up (`cargo xtask lab --name NAME up 1 2`).

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

mod chance;
mod interruption;
mod joining;
mod reach;
mod sound;

use anyhow::{Context, Result};
use kubepki_lab::{Cluster, UsedLab};

/// How often a renewal is interrupted when nobody says otherwise.
const INTERRUPTIONS: usize = 2;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_is_worked_on_over_ssh_and_survives_every_interruption() -> Result<()> {
    let asked = std::env::var("KUBEPKI_INTERRUPTIONS").ok();
    let interruptions = match &asked {
        Some(number) => number.parse().context("KUBEPKI_INTERRUPTIONS")?,
        None => INTERRUPTIONS,
    };
    let (control_planes, workers) = if asked.is_some() { (3, 2) } else { (1, 2) };
    let lab = UsedLab::up(control_planes, workers)?;
    let cluster: &Cluster = &lab;
    let access = cluster.ssh_access()?;
    for host in cluster.hosts()? {
        cluster.wait_until_ready(host.name())?;
    }
    reach::what_is_not_known_or_not_allowed_is_refused(cluster, &access)?;
    reach::the_program_is_brought_once(cluster, &access)?;
    reach::every_host_is_seen(cluster, &access)?;
    joining::a_worker_joins_with_what_is_printed(cluster)?;
    joining::a_worker_comes_back_without_an_api(cluster)?;
    let lines = interruption::an_uninterrupted_renewal(cluster, &access)?;
    interruption::interrupted_renewals(cluster, &access, lines, interruptions)
}
