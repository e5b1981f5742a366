//! A cluster of three control planes and two workers gets new roots of trust while five clients never
//! stop asking: no request may fail, and in the end nobody knows the old roots any more.
//!
//! `KUBEPKI_LAB_USE=NAME` takes a lab that is up (`cargo xtask lab --name NAME up 3 2`),
//! `KUBEPKI_ROTATE=ROOT,…` rotates these roots one after the other, `all` at once. `KUBEPKI_ROTATE_CONTROL=yes` first
//! makes a control run: as many plain restarts of API servers and etcd members, by their manifests, as
//! a rotation of everything makes; the rotation may not cost clients more. `KUBEPKI_ROTATE_JOINS=yes`
//! goes phase by phase, with nodes that join and `kubeadm certs renew` in between, and
//! `KUBEPKI_ROTATE_BACK=PHASE,…` (or `all`) takes a rotation back that came so far.

#![expect(
    clippy::print_stdout,
    reason = "what was seen is shown when the test fails"
)]

mod afterwards;
mod back;
mod control;
mod field;
mod given;
mod joins;
mod offline;
mod roots;
mod toll;

use std::time::Instant;

use anyhow::Result;
use kubepki_lab::{ClosedLoop, Cluster, UsedLab};

use crate::field::Field;
use crate::roots::Before;
use crate::toll::Toll;

/// What is rotated when nobody says otherwise: that on which most depends. All four take twice the time.
const ROTATED: &str = "kubernetes-ca";

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_gets_new_roots_and_no_request_fails() -> Result<()> {
    let mut lab = UsedLab::up(3, 2)?;
    // tokens in etcd are signed by a key that its files would not have
    lab.is_spent();
    let cluster: &Cluster = &lab;
    let field = Field::new(cluster)?;
    let asked = std::env::var("KUBEPKI_ROTATE").unwrap_or_else(|_| ROTATED.to_owned());
    let mut roots = asked.split(',').filter(|root| !root.is_empty());
    if let Ok(phases) = std::env::var("KUBEPKI_ROTATE_BACK") {
        return roots.try_for_each(|root| back::from_every_phase(&field, root, &phases));
    }
    if std::env::var_os("KUBEPKI_ROTATE_JOINS").is_some() {
        return roots.try_for_each(|root| joins::in_every_phase(&field, root));
    }
    let control = match std::env::var_os("KUBEPKI_ROTATE_CONTROL") {
        Some(_) => Some(control::restarts(&field)?),
        None => None,
    };
    roots.try_for_each(|root| rotate(&field, root, control))
}

fn rotate(field: &Field<'_>, root: &str, control: Option<Toll>) -> Result<()> {
    let before = Before::of(field)?;
    let clients = ClosedLoop::start(field.cluster)?;
    let start = Instant::now();
    let rotated = in_two_parts(field, root);
    println!(
        "--- {root} rotated in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    let toll = Toll::told(&clients.finish(field.cluster)?);
    rotated?;
    toll.is_bearable()?;
    afterwards::the_old_is_known_nowhere(field, &before, root)?;
    afterwards::kubeadm_is_content(field)?;
    afterwards::everything_works(field)?;
    match control {
        Some(control) => toll.is_at_most(control),
        None => Ok(()),
    }
}

/// In between the owner of pods that have no controller replaces them: they hold old tokens.
fn in_two_parts(field: &Field<'_>, root: &str) -> Result<()> {
    field.rotate(&["run", root, "--pause-after", "settle"])?;
    field.cluster.restart_pods()?;
    field.rotate(&["run"])
}
