//! Rotations are interrupted, again and again, at points that chance picks: the operator, the program
//! on a host, an API server or a member of etcd gets SIGKILL, or a host loses its power. Whoever types
//! the same once more ends well, and nothing is left of it; so does whoever goes back.
//!
//! `KUBEPKI_ROTATE_INTERRUPTIONS=40` interrupts that often (several times in each rotation, which takes
//! ten minutes then), `KUBEPKI_ROTATE_SEED=N` picks other points, `KUBEPKI_LAB_USE=NAME` takes a lab that
//! is up (`cargo xtask lab --name NAME up 3 1`). Run it by itself:
//! `cargo test -p kubepki-lab --test rotate_interrupted -- --ignored --nocapture`.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

#[path = "../ssh/chance.rs"]
mod chance;
mod leg;
mod operator;
mod point;
mod rolling;
mod sound;
mod strike;
mod tally;

use anyhow::{Context, Result};
use kubepki_lab::{Cluster, Host, SshAccess, UsedLab};

use crate::chance::Chance;
use crate::leg::{LEGS, Leg};
use crate::tally::Tally;

/// How often when nobody says otherwise.
const INTERRUPTIONS: usize = 5;

const SEED: u64 = 5;

/// The cluster, and the operator's way to it.
pub struct Field<'cluster> {
    /// The lab.
    pub cluster: &'cluster Cluster,
    /// How the operator reaches the hosts.
    pub access: SshAccess,
    /// Every host, control planes first.
    pub hosts: Vec<Host>,
}

#[test]
#[ignore = "needs root, the lab, and an hour for forty of them: run it by itself"]
fn a_rotation_that_is_interrupted_anywhere_ends_well() -> Result<()> {
    let interruptions: usize = asked("KUBEPKI_ROTATE_INTERRUPTIONS")?.unwrap_or(INTERRUPTIONS);
    let seed: u64 = asked("KUBEPKI_ROTATE_SEED")?.unwrap_or(SEED);
    let lab = UsedLab::up(3, 1)?;
    let cluster: &Cluster = &lab;
    let field = Field {
        cluster,
        access: cluster.ssh_access()?,
        hosts: cluster.hosts()?,
    };
    for host in &field.hosts {
        cluster.wait_until_ready(host.name())?;
    }
    cluster.start_workload()?;
    rolling::start(cluster)?;
    sound::sound(&field).context("the lab was not well before")?;
    let mut chance = Chance::seeded(seed);
    let mut tally = Tally::of(seed, interruptions);
    let mut legs = LEGS.iter().cycle();
    while !tally.is_full() {
        let way = legs.next().context("no way")?;
        let mut leg = Leg {
            field: &field,
            way,
            chance: &mut chance,
            tally: &mut tally,
        };
        let ended = leg.carry_out();
        tally.leg_ended(&ended);
        println!("{tally}");
        ended?;
    }
    Ok(())
}

fn asked<T: std::str::FromStr>(variable: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let value = std::env::var(variable).ok();
    value
        .map(|value| value.parse().with_context(|| variable.to_owned()))
        .transpose()
}
