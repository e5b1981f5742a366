//! `status` over many hosts: how wall time and the operator's memory grow with hosts and with how many
//! are asked at once.
//!
//! A host is a folder with a control plane's files, and an agent of its own: another process of the
//! program, spoken to over two pipes as it would be over SSH. No network takes part. In the second
//! table each agent is a quarter of a second late, as a host is that is far away; the wait stands in a
//! script that takes the place of `sudo`.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kubepki_lab::Tool;

use super::Bench;
use super::table::Spread;
use super::trees::{Keys, Tree};

const HOSTS: [usize; 4] = [50, 100, 250, 500];
const PARALLEL: [usize; 3] = [1, 8, 32];
const ROUNDS: u32 = 3;
/// How late a host is that is far away.
const DELAY: &str = "0.25";

/// Prints a row for every number of hosts and of connections.
pub fn run(bench: &Bench) -> Result<()> {
    let tree = Tree::make(bench, "ecdsa", Keys::Ecdsa)?;
    let fleet = Fleet::make(bench, &tree)?;
    println!("Agents on this machine, nothing waits:\n");
    fleet.table(bench, &HOSTS, false)?;
    println!("\nAgents that are a quarter of a second late:\n");
    fleet.table(bench, &HOSTS, true)
}

/// Many hosts in folders.
struct Fleet {
    folder: PathBuf,
    /// A folder to look for programs in first: what makes hosts late.
    far: PathBuf,
}

/// What one run took.
struct Seen {
    wall: f64,
    /// The operator's high-water mark, KiB.
    peak: u64,
    /// What the operator read, bytes.
    read: u64,
}

impl Fleet {
    /// Every file of the copies is the original's: only names are made.
    fn make(bench: &Bench, tree: &Tree) -> Result<Self> {
        tree.copy("host")?;
        let folder = bench.folder.join("fleet");
        fs_err::create_dir_all(&folder)?;
        for number in 1..=HOSTS.into_iter().max().unwrap_or(0) {
            Tool::new("cp")
                .arg("-al")
                .args([&tree.path("host"), &folder.join(name(number))])
                .run()?;
        }
        let far = bench.folder.join("far");
        fs_err::create_dir_all(&far)?;
        let script = far.join("sudo");
        fs_err::write(
            &script,
            format!(
                "#!/bin/sh\nsleep {DELAY}\nwhile :; do case $1 in -*) shift ;; *) break ;; esac; done\nexec \"$@\"\n"
            ),
        )?;
        fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder, far })
    }

    fn table(&self, bench: &Bench, numbers: &[usize], is_far: bool) -> Result<()> {
        println!(
            "| hosts | at once | wall time, median | per host | operator's peak memory | read per host |"
        );
        println!("|---|---|---|---|---|---|");
        for hosts in numbers {
            let document = self.document(*hosts, is_far)?;
            for parallel in PARALLEL {
                let mut runs = Vec::new();
                // One after another takes minutes and varies little.
                let rounds = match parallel {
                    1 => 1,
                    _ => bench.rounds.unwrap_or(ROUNDS),
                };
                for _ in 0..rounds {
                    runs.push(self.status(&bench.program, &document, parallel)?);
                }
                let wall = Spread::of(runs.iter().map(|run| run.wall)).median;
                let peak = runs.iter().map(|run| run.peak).max().unwrap_or(0);
                let read = runs.iter().map(|run| run.read).max().unwrap_or(0);
                println!(
                    "| {hosts} | {parallel} | {wall:.2} s | {:.1} ms | {:.1} MiB | {} KiB |",
                    wall * 1e3 / *hosts as f64,
                    peak as f64 / 1024.0,
                    read / 1024 / u64::try_from(*hosts)?
                );
            }
        }
        Ok(())
    }

    fn document(&self, hosts: usize, is_far: bool) -> Result<PathBuf> {
        let mut text =
            String::from("apiVersion: kubepki.dev/v1alpha1\nkind: Cluster\nname: bench\nhosts:\n");
        let becomes = if is_far { ", become: sudo" } else { "" };
        for number in 1..=hosts {
            let name = name(number);
            writeln!(text, "- {{name: {name}, root: {name}{becomes}}}")?;
        }
        let path = self.folder.join(format!("cluster-{hosts}.yaml"));
        fs_err::write(&path, text)?;
        Ok(path)
    }

    fn status(&self, program: &Path, document: &Path, parallel: usize) -> Result<Seen> {
        let path = std::env::var("PATH").unwrap_or_default();
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args([
                "status",
                "-o",
                "json",
                "--max-parallel",
                &parallel.to_string(),
                "--cluster",
            ])
            .arg(document)
            .env("PATH", format!("{}:{path}", self.far.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut output = child.stdout.take().context("no output")?;
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let (mut peak, mut read) = (0, 0);
        let seen = std::thread::scope(|scope| -> Result<serde_json::Value> {
            let reader = scope.spawn(move || serde_json::from_reader(&mut output));
            // Its own marks, not those of its children; gone with it.
            while child.try_wait()?.is_none() {
                peak = peak.max(number(&proc.join("status"), "VmHWM:").unwrap_or(0));
                read = read.max(number(&proc.join("io"), "rchar:").unwrap_or(0));
                std::thread::sleep(Duration::from_millis(2));
            }
            let read = reader.join().map_err(|_| anyhow::anyhow!("no JSON"))?;
            Ok(read?)
        })?;
        let wall = begin.elapsed().as_secs_f64();
        // Whoever saw less would only seem faster.
        let hosts = seen.get("hosts").and_then(serde_json::Value::as_array);
        let complete = hosts.into_iter().flatten().filter(|host| {
            let certificates = host.pointer("/status/certificates");
            certificates
                .and_then(serde_json::Value::as_array)
                .is_some_and(|all| all.len() >= 10)
        });
        if complete.count() != hosts.map_or(0, Vec::len) || hosts.is_none_or(Vec::is_empty) {
            bail!("not every host was seen");
        }
        Ok(Seen { wall, peak, read })
    }
}

fn name(number: usize) -> String {
    format!("node-{number:03}")
}

/// The number behind a word of a file in /proc.
fn number(file: &Path, word: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}
