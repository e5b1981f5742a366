//! `cargo xtask test`: everything that CI asks, tier by tier, with honest counts.
//!
//! A test that needs real parts is `#[ignore]`d with the reason, so that a plain run is quick. Those
//! of the package `kubepki-lab` are the lab tier. Those of other packages with the word `real` in
//! their path (`real_etcd_refuses_…`, `kube_real::…`) are the integration tier, and find etcd and
//! kube-apiserver in `KUBEBUILDER_ASSETS`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use kubepki_lab::{Cache, Lab, programs, repository};

use crate::lint;
use crate::packages;
use crate::summary::{Closing, Counts};

/// Install what is missing, then run every tier of tests and count them
#[derive(clap::Args)]
pub struct Arguments {
    /// Run this tier only
    #[arg(long, value_enum, default_value_t = Tier::All)]
    tier: Tier,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Tier {
    /// Checks, unit tests, documentation tests: no root, no network
    Fast,
    /// With a real etcd and kube-apiserver
    Integration,
    /// On hosts with systemd, containerd and kubelet (root)
    Lab,
    /// Every tier, in order
    All,
}

/// Runs the tiers in order, prints the sum, and fails if anything did.
pub fn run(arguments: &Arguments) -> Result<()> {
    let wants = |tier| arguments.tier == tier || arguments.tier == Tier::All;
    let cache = Cache::open()?;
    let mut report = Report::default();
    let runner = Runner {
        nextest: packages::nextest(&cache)?,
    };
    if wants(Tier::Fast) {
        for (name, check) in lint::CHECKS {
            report.check(name, check);
        }
        report.tests("fast", || runner.run(&Run::fast()));
        report.tests("documentation", || runner.run(&Run::documentation()));
    }
    if wants(Tier::Integration) {
        report.tests("integration", || {
            let assets = programs(&cache)?;
            runner.run(&Run::integration(assets))
        });
    }
    if wants(Tier::Lab) {
        report.tests("lab", || {
            kubepki_lab::prepare(&cache)?;
            let counts = runner.run(&Run::lab(cache.bin(), kubepki_lab::build_kubepki()?));
            // a test that was ended leaves its lab
            Lab::clear()?;
            counts
        });
    }
    report.close()
}

/// One start of the test runner.
struct Run {
    nextest: Vec<&'static str>,
    plain: Vec<&'static str>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Run {
    fn fast() -> Self {
        Run {
            nextest: vec![
                "run",
                CONFIGURATION,
                "--workspace",
                "--no-fail-fast",
                "--profile=fast",
            ],
            plain: vec!["test", "--workspace", "--all-targets", "--no-fail-fast"],
            environment: Vec::new(),
        }
    }

    /// nextest runs none of these.
    fn documentation() -> Self {
        Run {
            nextest: Vec::new(),
            plain: vec!["test", "--workspace", "--doc", "--no-fail-fast"],
            environment: Vec::new(),
        }
    }

    fn integration(assets: PathBuf) -> Self {
        let start = ["--workspace", "--exclude", "kubepki-lab", "--no-fail-fast"];
        let ignored = [
            "--run-ignored=only",
            "--no-tests=pass",
            "--profile=integration",
            REAL,
        ];
        Run {
            nextest: [&["run", CONFIGURATION], &start[..], &ignored].concat(),
            plain: [
                &["test"],
                &start[..],
                &["--all-targets", "--", "--ignored", "real"],
            ]
            .concat(),
            environment: vec![(ASSETS, assets)],
        }
    }

    /// Two at once where nextest runs them, else one after the other.
    fn lab(assets: PathBuf, kubepki: PathBuf) -> Self {
        let start = ["--package", "kubepki-lab", "--no-fail-fast"];
        let ignored = ["--run-ignored=only", "--profile=lab"];
        let plain = ["--all-targets", "--", "--ignored", "--test-threads=1"];
        Run {
            nextest: [&["run", CONFIGURATION], &start[..], &ignored].concat(),
            plain: [&["test"], &start[..], &plain].concat(),
            environment: vec![
                (ASSETS, assets),
                ("KUBEPKI_BIN", kubepki),
                ("KUBEPKI_LAB_SHARE", "1".into()),
            ],
        }
    }
}

/// Limits of time, by tier.
const CONFIGURATION: &str = "--config-file=xtask/nextest.toml";

/// The word that tells a test with real parts from one that only another test starts.
const REAL: &str = "--filterset=test(/(^|_|::)real(_|::|$)/)";

/// Where tests look for etcd, kube-apiserver, kubeadm and the others.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

struct Runner {
    nextest: Option<PathBuf>,
}

impl Runner {
    /// Runs tests on this terminal, and counts them from the runner's closing lines.
    fn run(&self, run: &Run) -> Result<Counts> {
        let (mut command, closing) = match &self.nextest {
            Some(program) if !run.nextest.is_empty() => {
                let mut command = Command::new(program);
                command.arg("nextest").args(&run.nextest);
                (command, Closing::Nextest)
            }
            _ => {
                let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
                command.args(&run.plain);
                (command, Closing::CargoTest)
            }
        };
        let (reader, writer) = std::io::pipe()?;
        command
            .current_dir(repository())
            .envs(run.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command.spawn().context("cannot start the test runner")?;
        // else it would hold the writing ends, and the reading would not end
        drop(command);
        let mut counts = Counts::default();
        for line in BufReader::new(reader).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(more) = closing.counts_in(&line) {
                counts += more;
            }
        }
        let status = child.wait()?;
        if !status.success() && counts.failed == 0 {
            bail!("the test runner ended with {status}");
        }
        Ok(counts)
    }
}

#[derive(Default)]
struct Report {
    lines: Vec<String>,
    total: Counts,
    /// How many were there but left out by the fast tier, which names all tests there are.
    left_to_later_tiers: Option<usize>,
}

impl Report {
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        self.step(name, || check().map(|()| None));
    }

    fn tests(&mut self, name: &str, run: impl FnOnce() -> Result<Counts>) {
        self.step(name, || run().map(Some));
    }

    /// Runs a step. One that fails without a count (a check, a build, an installation) counts as one
    /// failure, so that the sum never looks better than the run.
    fn step(&mut self, name: &str, step: impl FnOnce() -> Result<Option<Counts>>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = match step() {
            Ok(None) => "fine".to_owned(),
            Ok(Some(counts)) => {
                self.add(name, counts);
                counts.to_string()
            }
            Err(error) => {
                println!("{name}: {error:#}");
                self.total.failed += 1;
                "failed".to_owned()
            }
        };
        self.lines.push(format!(
            "{name:<14}{outcome} ({} s)",
            start.elapsed().as_secs()
        ));
    }

    /// What one tier leaves to a later one is not skipped, if that one runs it.
    fn add(&mut self, name: &str, counts: Counts) {
        match self.left_to_later_tiers {
            None if name == "fast" => self.left_to_later_tiers = Some(counts.skipped),
            Some(left) if name != "documentation" => {
                self.left_to_later_tiers = Some(left.saturating_sub(counts.ran()));
            }
            _ => self.total.skipped += counts.skipped,
        }
        self.total.passed += counts.passed;
        self.total.failed += counts.failed;
    }

    fn close(mut self) -> Result<()> {
        self.total.skipped += self.left_to_later_tiers.unwrap_or_default();
        println!("\n==> sum");
        for line in &self.lines {
            println!("{line}");
        }
        println!("\n{}", self.total);
        if self.total.failed > 0 {
            bail!("the tests failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: usize, failed: usize, skipped: usize) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn what_a_later_tier_runs_is_not_skipped() {
        let mut report = Report::default();
        report.tests("fast", || Ok(counts(10, 0, 5)));
        report.tests("documentation", || Ok(counts(1, 0, 1)));
        report.tests("integration", || Ok(counts(2, 1, 10)));
        report.tests("lab", || Ok(counts(1, 0, 3)));
        report.total.skipped += report.left_to_later_tiers.unwrap();
        assert_eq!(report.total, counts(14, 1, 2));
    }

    #[test]
    fn a_tier_alone_tells_what_it_left_out() {
        let mut report = Report::default();
        report.tests("fast", || Ok(counts(10, 0, 5)));
        assert_eq!(report.left_to_later_tiers, Some(5));
        let mut report = Report::default();
        report.tests("lab", || Ok(counts(2, 0, 3)));
        assert_eq!(report.total, counts(2, 0, 3));
    }

    #[test]
    fn a_step_that_fails_without_a_count_is_one_failure() {
        let mut report = Report::default();
        report.check("clippy", || bail!("warnings"));
        report.tests("fast", || bail!("does not compile"));
        assert_eq!(report.total, counts(0, 2, 0));
        report.close().unwrap_err();
    }
}
