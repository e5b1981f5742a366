//! Rotations where kubeadm's usual cluster of three is not: one that was made by hand, with programs under
//! systemd and etcd on hosts of its own; and one with a single control plane.
//!
//! Both take long and run when they are named: `KUBEPKI_ROTATE_LAYOUTS=by-hand,single`.
//! `KUBEPKI_LAB_USE=NAME` takes the lab of that name and leaves it up; what is rotated in it is said by
//! `KUBEPKI_ROTATE=ROOT,…`, where `back` is a rotation of everything that is taken back half way.

#![expect(
    clippy::print_stdout,
    reason = "what was seen is shown when the test fails"
)]

mod by_hand;
mod field;
mod single;

use anyhow::Result;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_made_by_hand_gets_new_roots() -> Result<()> {
    if !is_named("by-hand") {
        println!("skipped: KUBEPKI_ROTATE_LAYOUTS does not name by-hand");
        return Ok(());
    }
    by_hand::rotated()
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_single_control_plane_gets_new_roots() -> Result<()> {
    if !is_named("single") {
        println!("skipped: KUBEPKI_ROTATE_LAYOUTS does not name single");
        return Ok(());
    }
    single::rotated()
}

fn is_named(layout: &str) -> bool {
    std::env::var("KUBEPKI_ROTATE_LAYOUTS").is_ok_and(|named| {
        let mut named = named.split(',');
        named.any(|named| named == layout)
    })
}
