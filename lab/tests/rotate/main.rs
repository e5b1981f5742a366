//! A cluster of three control planes and two workers gets new roots of trust while five clients never
//! stop asking: no request may fail, and in the end nobody knows the old roots any more.
//!
//! `KUBEPKI_LAB_USE=NAME` takes a lab that is up (`cargo xtask lab --name NAME up 3 2`),
//! `KUBEPKI_ROTATE=ROOT,…` rotates these roots one after the other, `KUBEPKI_ROTATE_CONTROL=yes` first
//! makes a control run: as many plain restarts of API servers and etcd members, by their manifests, as
//! a rotation of everything makes.

#![expect(
    clippy::print_stdout,
    reason = "what was seen is shown when the test fails"
)]

mod afterwards;
mod control;
mod roots;

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use kubepki_lab::{ClosedLoop, Cluster, Host, Output, Record, SshAccess, UsedLab};

use crate::roots::Before;

/// What is rotated when nobody says otherwise.
const ROTATED: &str = "all";

/// A rotation of etcd's CA changes the leader twice, and each time every writer may lose the request that
/// is under way; of nine such changes of a plain control run one lost two.
const LOST_TO_ELECTIONS: usize = 4;

/// The cluster, and the operator's way to it.
pub struct Field<'cluster> {
    /// The lab.
    pub cluster: &'cluster Cluster,
    /// How the operator reaches the hosts.
    pub access: SshAccess,
    /// Every host, control planes first.
    pub hosts: Vec<Host>,
    /// `cp1` and on.
    pub control_planes: Vec<Host>,
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_gets_new_roots_and_no_request_fails() -> Result<()> {
    let lab = UsedLab::up(3, 2)?;
    let cluster: &Cluster = &lab;
    let hosts = cluster.hosts()?;
    let mut control_planes = hosts.clone();
    control_planes.retain(|host| host.name().starts_with("cp"));
    let field = Field {
        cluster,
        access: cluster.ssh_access()?,
        hosts,
        control_planes,
    };
    for host in &field.hosts {
        cluster.wait_until_ready(host.name())?;
    }
    cluster.start_workload()?;
    if std::env::var_os("KUBEPKI_ROTATE_CONTROL").is_some() {
        control::restarts(&field)?;
    }
    let asked = std::env::var("KUBEPKI_ROTATE").unwrap_or_else(|_| ROTATED.to_owned());
    for root in asked.split(',').filter(|root| !root.is_empty()) {
        rotate(&field, root)?;
    }
    Ok(())
}

fn rotate(field: &Field<'_>, root: &str) -> Result<()> {
    let before = Before::of(field)?;
    let clients = ClosedLoop::start(field.cluster)?;
    let start = Instant::now();
    let rotated = in_two_parts(field, root);
    println!(
        "--- {root} rotated in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    let records = clients.finish(field.cluster)?;
    let failed = told(&records);
    rotated?;
    let lost: usize = records.iter().map(Record::lost_to_elections).sum();
    ensure!(failed == lost, "{} requests failed", failed - lost);
    ensure!(
        lost <= LOST_TO_ELECTIONS,
        "{lost} requests were lost to changes of etcd's leader"
    );
    afterwards::the_old_is_known_nowhere(field, &before, root)?;
    afterwards::kubeadm_is_content(field)?;
    afterwards::everything_works(field)
}

/// In between the owner of pods that have no controller replaces them: they hold old tokens.
fn in_two_parts(field: &Field<'_>, root: &str) -> Result<()> {
    operate(field, &["run", root, "--pause-after", "settle"])?;
    field.cluster.restart_pods()?;
    operate(field, &["run"])
}

fn operate(field: &Field<'_>, words: &[&str]) -> Result<()> {
    let words = [&["rotate"], words, &["--yes", "--acknowledge", "all"]].concat();
    let done = field.access.kubepki(&words)?;
    println!("{}{}", done.stdout, done.stderr);
    succeeded(&done)
}

/// Prints what the clients saw; how many requests failed, watches aside.
pub fn told(records: &[Record]) -> usize {
    let mut failed = 0;
    for record in records {
        println!(
            "  {:5} {} answered ({} after a new connection), {} refused, {} watches broken",
            record.client,
            record.good,
            record.again,
            record.refused().count(),
            record.broken_watches()
        );
        for (at, why) in record.failed.iter().take(12) {
            println!("        {at:.1} {why}");
        }
        failed += record.refused().count();
    }
    failed
}

/// Fails with what a program said.
pub fn succeeded(output: &Output) -> Result<()> {
    if !output.success() {
        bail!(
            "exit status {}:\n{}{}",
            output.status,
            output.stdout,
            output.stderr
        );
    }
    Ok(())
}
