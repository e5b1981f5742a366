//! A renewal of everything on all hosts is interrupted at a line of the hosts' journals that chance
//! picks; the next one has to end well and leave nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kubepki_lab::{Cluster, Host, Output, SshAccess, until};

use crate::chance::Chance;
use crate::reach::ok;
use crate::sound::sound;

const SEED: u64 = 4;

/// The longest that a renewal of all hosts takes.
const AT_MOST: Duration = Duration::from_secs(900);

const RENEW: [&str; 5] = ["renew", "all", "--force", "--yes", "-v"];

/// How it is interrupted.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Nothing comes through on port 22 any more, and nobody is told.
    ConnectionCut,
    /// The program on the host gets SIGKILL.
    AgentKilled,
    /// The host's processes end all at once; then it boots.
    HostCrashed,
}

const WAYS: [Way; 3] = [Way::ConnectionCut, Way::AgentKilled, Way::HostCrashed];

/// Renews everything, and answers how many lines that wrote into journals.
pub fn an_uninterrupted_renewal(cluster: &Cluster, access: &SshAccess) -> Result<usize> {
    let journals = Journals::before(cluster)?;
    let start = Instant::now();
    let renewed = access.kubepki(&RENEW)?;
    println!(
        "--- renew all on {} hosts: {:.1} s\n{}{}",
        cluster.hosts()?.len(),
        start.elapsed().as_secs_f64(),
        renewed.stdout,
        renewed.stderr
    );
    ok(&renewed)?;
    sound(cluster, access)?;
    Ok(journals.written()?.lines)
}

/// Interrupts it that often: each way in turn, at lines that chance picks. Every other time the caller
/// gives up instead of waiting for what comes of it.
pub fn interrupted_renewals(
    cluster: &Cluster,
    access: &SshAccess,
    lines: usize,
    interruptions: usize,
) -> Result<()> {
    let mut chance = Chance::seeded(SEED);
    let begun = Instant::now();
    let mut wrong = Vec::new();
    for number in 0..interruptions {
        let point = Point {
            way: *WAYS.get(number % WAYS.len()).context("no way")?,
            line: 1 + chance.below(lines.saturating_sub(1)),
            pause: Duration::from_millis(u64::try_from(chance.below(400))?),
            gives_up: number % 2 == 1,
        };
        println!(
            "=== {} of {interruptions}: {point:?} of {lines}",
            number + 1
        );
        let start = Instant::now();
        if let Err(error) = survived(cluster, access, &point) {
            println!("--- WRONG: {error:#}");
            wrong.push(format!("{point:?}: {error:#}"));
            // the next one is to begin with a cluster that is well
            println!("--- mended: {}", rerun(access)?.stdout);
            sound(cluster, access).context("another run did not mend it")?;
        }
        println!("--- sound after {:.1} s", start.elapsed().as_secs_f64());
    }
    println!(
        "{} of {interruptions} interruptions survived, in {:.0} s",
        interruptions - wrong.len(),
        begun.elapsed().as_secs_f64()
    );
    ensure!(wrong.is_empty(), "not survived:\n{}", wrong.join("\n"));
    Ok(())
}

/// Where and how it is interrupted.
#[derive(Clone, Copy, Debug)]
struct Point {
    way: Way,
    /// At the end of this line, counted over all hosts.
    line: usize,
    pause: Duration,
    /// Whether the caller gets SIGKILL too.
    gives_up: bool,
}

fn survived(cluster: &Cluster, access: &SshAccess, point: &Point) -> Result<()> {
    let (host, output) = interrupted(cluster, access, point)?;
    println!(
        "--- {:?} on {}, ended with {}:\n{}{}",
        point.way,
        host.name(),
        output.status,
        output.stdout,
        output.stderr
    );
    if !output.success() {
        let again = rerun(access)?;
        println!("--- run again:\n{}{}", again.stdout, again.stderr);
    }
    sound(cluster, access)
}

/// Answers the host that was at work, and what was said to the caller.
fn interrupted(cluster: &Cluster, access: &SshAccess, point: &Point) -> Result<(Host, Output)> {
    let journals = Journals::before(cluster)?;
    let there = access.clone();
    // notices a cut within seconds and not within a minute
    let ssh = format!(
        "{} -o ServerAliveInterval=1 -o ServerAliveCountMax=3",
        access.command()
    );
    let work = std::thread::spawn(move || {
        let mut arguments = vec!["--ssh-command", &ssh];
        arguments.extend(RENEW);
        there.kubepki(&arguments)
    });
    let start = Instant::now();
    let host = loop {
        let written = journals.written()?;
        if written.lines >= point.line {
            break written.last.context("no host has written")?;
        }
        if work.is_finished() || start.elapsed() > AT_MOST {
            let said = work.join().map_err(|_| anyhow!("the renewal panicked"))??;
            bail!(
                "only {} lines were written:\n{}{}",
                written.lines,
                said.stdout,
                said.stderr
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    std::thread::sleep(point.pause);
    strike(&host, point.way)?;
    if point.gives_up {
        access.kill_kubepki()?;
    }
    heal(cluster, &host, point.way)?;
    let output = work.join().map_err(|_| anyhow!("the renewal panicked"))??;
    Ok((host, output))
}

fn strike(host: &Host, way: Way) -> Result<()> {
    match way {
        Way::ConnectionCut => {
            host.shell(
                "iptables --insert INPUT --protocol tcp --dport 22 --jump DROP; \
                 iptables --insert OUTPUT --protocol tcp --sport 22 --jump DROP",
            )?;
        }
        Way::AgentKilled => {
            host.exec([
                "pkill",
                "-KILL",
                "--full",
                "^/var/lib/kubepki/agent/kubepki-",
            ])?;
        }
        Way::HostCrashed => host.crash()?,
    }
    Ok(())
}

/// What comes back by itself, or by an operator.
fn heal(cluster: &Cluster, host: &Host, way: Way) -> Result<()> {
    match way {
        Way::ConnectionCut => {
            // longer than it takes to be noticed
            std::thread::sleep(Duration::from_secs(8));
            host.shell(
                "iptables --delete INPUT --protocol tcp --dport 22 --jump DROP; \
                 iptables --delete OUTPUT --protocol tcp --sport 22 --jump DROP",
            )?;
        }
        Way::HostCrashed => {
            host.boot_again()?;
            until("sshd after the crash", Duration::from_secs(60), || {
                let sshd = host.exec(["systemctl", "is-active", "--quiet", "ssh"])?;
                Ok(sshd.success())
            })?;
            // one whose files are half changed may not come: that is what the next run is for
            if let Err(error) = cluster.wait_until_ready(host.name()) {
                println!("--- {error:#}");
            }
        }
        Way::AgentKilled => {}
    }
    Ok(())
}

/// The next run. What was begun on a host goes on there when its caller is gone, and holds the lock
/// meanwhile.
fn rerun(access: &SshAccess) -> Result<Output> {
    let start = Instant::now();
    loop {
        let output = access.kubepki(&RENEW)?;
        let said = format!("{}{}", output.stdout, output.stderr);
        if output.success() {
            return Ok(output);
        }
        if !said.contains("another run is going on") || start.elapsed() > AT_MOST {
            ok(&output)?;
        }
        println!("--- still at work:\n{said}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The journals that were there before.
struct Journals {
    hosts: Vec<Host>,
    known: BTreeSet<PathBuf>,
}

/// What was written since.
struct Written {
    lines: usize,
    /// Who wrote last.
    last: Option<Host>,
}

impl Journals {
    fn before(cluster: &Cluster) -> Result<Self> {
        let hosts = cluster.hosts()?;
        let known = hosts.iter().flat_map(journals).collect();
        Ok(Self { hosts, known })
    }

    fn written(&self) -> Result<Written> {
        let mut lines = 0;
        let mut last: Option<(SystemTime, &Host)> = None;
        for host in &self.hosts {
            for path in journals(host) {
                if self.known.contains(&path) {
                    continue;
                }
                let text = fs_err::read(&path)?;
                lines += text.iter().filter(|byte| **byte == b'\n').count();
                let at = fs_err::metadata(&path)?.modified()?;
                if last.is_none_or(|(before, _)| at > before) {
                    last = Some((at, host));
                }
            }
        }
        Ok(Written {
            lines,
            last: last.map(|(_, host)| host.clone()),
        })
    }
}

fn journals(host: &Host) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(host.path("/var/lib/kubepki/journal"));
    folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
