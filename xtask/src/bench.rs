//! `cargo xtask bench`: runs the benchmark programs of a table. What they measure and how is in the
//! programs themselves.

use anyhow::{Result, bail};
use kubepki_lab::{Cache, programs};

use crate::packages::cargo;

/// Run benchmarks
#[derive(clap::Args)]
pub struct Arguments {
    /// Which; all if none is named
    names: Vec<String>,
    /// Tell which there are, and run none
    #[arg(long)]
    list: bool,
}

/// One benchmark.
struct Benchmark {
    name: &'static str,
    measures: &'static str,
    program: Program,
}

/// How a benchmark is started, always optimised.
#[expect(dead_code, reason = "the table below is still empty")]
enum Program {
    /// `cargo bench --package … --bench …`
    Bench {
        package: &'static str,
        bench: &'static str,
    },
    /// `cargo run --release --package … --example … -- …`; finds etcd, kubeadm and the others in
    /// `KUBEBUILDER_ASSETS`
    Example {
        package: &'static str,
        example: &'static str,
        arguments: &'static [&'static str],
    },
}

const BENCHMARKS: &[Benchmark] = &[];

/// Runs the named benchmarks, or all.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for benchmark in BENCHMARKS {
            println!("{:<16}{}", benchmark.name, benchmark.measures);
        }
        return Ok(());
    }
    let known = |name: &String| BENCHMARKS.iter().any(|benchmark| benchmark.name == name);
    if let Some(unknown) = arguments.names.iter().find(|name| !known(name)) {
        bail!("no benchmark is named {unknown}: see `cargo xtask bench --list`");
    }
    let wanted = |benchmark: &&Benchmark| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name == benchmark.name)
    };
    let mut failed = Vec::new();
    for benchmark in BENCHMARKS.iter().filter(wanted) {
        println!("==> {}: {}", benchmark.name, benchmark.measures);
        let assets = programs(&Cache::open()?)?;
        let tool = match &benchmark.program {
            Program::Bench { package, bench } => {
                cargo().args(["bench", "--package", package, "--bench", bench])
            }
            Program::Example {
                package,
                example,
                arguments,
            } => cargo()
                .args(["run", "--quiet", "--release", "--package", package])
                .args(["--example", example, "--"])
                .args(*arguments),
        };
        if tool.env("KUBEBUILDER_ASSETS", assets).run_here()? != 0 {
            failed.push(benchmark.name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
