//! A real cluster is broken in every way of these tables, one after the other, and the doctor has to
//! name the one guilty object each time, nothing beside it, and nobody on the healthy cluster that it
//! becomes again.
//!
//! Most breakages change files for a second or two, between two polls of the processes that read them.
//! `KUBEPKI_LAB_USE=NAME` takes a lab that is up (`cargo xtask lab --name NAME up 1 1`), and
//! `KUBEPKI_BREAK=WORD` only the breakages with that word in their names, for work on one of them.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

mod authorities;
mod breakage;
mod certificates;
mod cluster_objects;
mod diagnosis;
mod extensions;
mod files;
mod kubeconfigs;
mod kubelets;
mod running;
mod suite;

use anyhow::Result;
use kubepki_lab::{Cluster, UsedLab};

use crate::suite::Suite;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn the_doctor_names_the_one_guilty_object() -> Result<()> {
    let lab = UsedLab::up(1, 1)?;
    let cluster: &Cluster = &lab;
    for name in ["cp1", "w1"] {
        let host = cluster.host(name)?;
        host.install_kubepki()?;
        fs_err::write(host.path("/root/break.sh"), include_str!("break.sh"))?;
        cluster.wait_until_ready(name)?;
    }
    // for a worker that is to have it
    let key = cluster.host("cp1")?.path("/etc/kubernetes/pki/ca.key");
    cluster.host("w1")?.copy(&key, "/root/ca.key")?;

    let mut suite = Suite::new(cluster)?;
    suite.is_healthy("as kubeadm made it")?;
    let server = extensions::registered(cluster)?;
    suite.is_healthy("with an aggregated API and webhooks")?;
    let tables = [
        certificates::BREAKAGES,
        authorities::BREAKAGES,
        kubeconfigs::BREAKAGES,
        kubelets::BREAKAGES,
        files::BREAKAGES,
        cluster_objects::BREAKAGES,
        extensions::BREAKAGES,
        running::BREAKAGES,
    ];
    for breakage in tables.concat() {
        suite.run(&breakage)?;
    }
    suite.close()?;
    extensions::stopped(cluster, server)
}
