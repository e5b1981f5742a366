//! `cargo xtask bench`: the release program beside what people use instead, on the same files in the
//! same run, and a table of how they compare.
//!
//! Programs take turns (A B A B …), after one turn each that is not counted, so that whatever else
//! the machine does falls on both. What is told is medians and ratios of this run, never a promise:
//! `docs/benchmarks.md` says how to read them. Nothing here is a test, and no test times anything.

mod certificates;
mod cluster_scan;
mod doctor;
mod fleet;
mod fleet_renew;
mod inspect;
mod machine;
mod measure;
mod others;
mod renew;
mod rotation_proof;
mod status;
mod table;
mod trees;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use kubepki_lab::{Cache, is_root, programs};

use crate::packages::cargo;
use measure::Turns;

/// Run benchmarks
#[derive(clap::Args)]
pub struct Arguments {
    /// Which; all if none is named
    names: Vec<String>,
    /// Tell which there are, and run none
    #[arg(long)]
    list: bool,
    /// How many turns each program gets, instead of each benchmark's own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Wait for quiet moments, and count only rounds in which other programs were not busy
    #[arg(long)]
    undisturbed: bool,
    /// Measure this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// What every benchmark is given.
struct Bench {
    /// kubepki.
    program: PathBuf,
    kubeadm: PathBuf,
    cache: Cache,
    /// Emptied before and after: trees and copies.
    folder: PathBuf,
    rounds: Option<u32>,
    undisturbed: bool,
}

impl Bench {
    fn turns(&self, usual: u32) -> Turns {
        Turns {
            rounds: self.rounds.unwrap_or(usual),
            undisturbed: self.undisturbed,
        }
    }
}

/// One benchmark.
struct Benchmark {
    name: &'static str,
    measures: &'static str,
    run: fn(&Bench) -> Result<()>,
}

const BENCHMARKS: [Benchmark; 9] = [
    Benchmark {
        name: "renew-rsa",
        measures: "`renew all` keeping RSA-2048, beside `kubeadm certs renew all`",
        run: renew::rsa,
    },
    Benchmark {
        name: "renew-ecdsa",
        measures: "`renew all` to and with ECDSA P-256, beside `kubeadm certs renew all`",
        run: renew::ecdsa,
    },
    Benchmark {
        name: "status",
        measures: "`status`, beside `kubeadm certs check-expiration`",
        run: status::run,
    },
    Benchmark {
        name: "inspect",
        measures: "`inspect` of up to 100,000 files, beside a loop of `openssl x509`",
        run: inspect::run,
    },
    Benchmark {
        name: "doctor",
        measures: "`doctor` of one control plane, beside `kubeadm certs check-expiration` and a loop of `openssl verify` and `s_client`",
        run: doctor::run,
    },
    Benchmark {
        name: "cluster-scan",
        measures: "`status --api` of 20,000 Secrets, beside `kubectl get secrets -A -o json | jq`",
        run: cluster_scan::run,
    },
    Benchmark {
        name: "fleet",
        measures: "`status` of 50 to 500 hosts, each an agent process, so many at once",
        run: fleet::run,
    },
    Benchmark {
        name: "fleet-renew",
        measures: "`renew all` of a cluster of five hosts over SSH, beside `kubeadm certs renew all` and restarts on each by SSH",
        run: fleet_renew::run,
    },
    Benchmark {
        name: "rotation-proof",
        measures: "planning a rotation of all roots and proving the plan, for 5 to 5,000 nodes",
        run: rotation_proof::run,
    },
];

/// Runs the named benchmarks, or all.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for benchmark in &BENCHMARKS {
            println!("{:<16}{}", benchmark.name, benchmark.measures);
        }
        return Ok(());
    }
    let known = |name: &String| BENCHMARKS.iter().any(|benchmark| benchmark.name == name);
    if let Some(unknown) = arguments.names.iter().find(|name| !known(name)) {
        bail!("no benchmark is named {unknown}: see `cargo xtask bench --list`");
    }
    if !is_root() {
        bail!("kubeadm reads below another root only as root (it calls chroot)");
    }
    let cache = Cache::open()?;
    // two at once would measure each other
    let _alone = cache.lock("bench")?;
    let bin = programs(&cache)?;
    let folder = cache.path("bench");
    let bench = Bench {
        program: match &arguments.program {
            Some(file) => fs_err::canonicalize(file)?,
            None => build()?,
        },
        kubeadm: bin.join("kubeadm"),
        folder: folder.clone(),
        rounds: arguments.rounds,
        undisturbed: arguments.undisturbed,
        cache,
    };
    println!("{}", machine::describe(&bench)?);
    let outcome = run_all(&bench, &arguments.names);
    trees::empty(&folder)?;
    fs_err::remove_dir(&folder)?;
    outcome
}

fn run_all(bench: &Bench, names: &[String]) -> Result<()> {
    for benchmark in &BENCHMARKS {
        if !names.is_empty() && !names.iter().any(|name| name == benchmark.name) {
            continue;
        }
        trees::empty(&bench.folder)?;
        println!("## {}\n\n{}.\n", benchmark.name, benchmark.measures);
        (benchmark.run)(bench).with_context(|| format!("the benchmark {}", benchmark.name))?;
    }
    Ok(())
}

/// Builds the program as it is released, and answers where it is.
fn build() -> Result<PathBuf> {
    eprintln!("building kubepki for release");
    let messages = cargo()
        .words("build --quiet --release --package kubepki --bin kubepki --message-format json")
        .run()?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.context("cargo built no program in the package kubepki")
}
