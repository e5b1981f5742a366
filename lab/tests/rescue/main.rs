//! One cluster of three control planes and two workers is brought down in every way of these tables,
//! one after the other, and `kubepki rescue`, run by an operator on another machine over SSH, has to
//! bring it back: every node Ready, logs and commands reach every pod, nothing in etcd lost.
//!
//! By default a handful of cases that have little in common; all of them with `KUBEPKI_LAB_FULL=1`.
//! `KUBEPKI_LAB_USE=NAME` takes a lab that is up (`cargo xtask lab --name NAME up 3 2`), and
//! `KUBEPKI_BREAK=WORD` only the cases with that word in their names. `KUBEPKI_RESCUE=no` breaks,
//! proves and mends from saved files, to try a case itself.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

mod authorities;
mod case;
mod expired;
mod field;
mod health;
mod misplaced;
mod suite;
mod symptoms;

use anyhow::Result;
use kubepki_lab::{Cluster, UsedLab};

use crate::field::Field;
use crate::suite::Suite;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_that_is_down_comes_back_with_everything_in_it() -> Result<()> {
    let lab = UsedLab::up(3, 2)?;
    let cluster: &Cluster = &lab;
    let field = Field::new(cluster)?;
    let mut suite = Suite::new(&field)?;
    let tables = [expired::CASES, misplaced::CASES, authorities::CASES];
    for case in tables.concat() {
        suite.run(&case)?;
    }
    suite.close()
}
