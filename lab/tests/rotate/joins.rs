//! Phase by phase, with what happens in between on a cluster that lives: logs and commands are asked for,
//! nodes join with what is printed at that moment, and somebody runs `kubeadm certs renew all`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use kubepki_lab::{ClosedLoop, Host, WORKLOAD_NAMESPACE, until};

use crate::afterwards;
use crate::field::{Field, succeeded};
use crate::roots::Before;
use crate::toll::Toll;

/// It leaves the cluster and joins again, as another Node of that name.
const WORKER: &str = "w1";

/// The phases that follow the first one.
const PHASES: [&str; 4] = ["trust-both", "issue-from-new", "settle", "retire-old"];

/// What labs lack, as when they are formed: kubeadm's preflight checks ask for crictl.
const OF_LABS: &str = "--skip-phases=preflight --ignore-preflight-errors=all \
    --cri-socket unix:///run/containerd/containerd.sock";

/// As kubeadm's documentation says; what this program kept of the node that it was goes as well.
const TORN_DOWN: &str = "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock \
    >/root/reset.log 2>&1; test ! -e /etc/kubernetes/kubelet.conf; rm -rf /var/lib/kubepki";

const PIN: &str = "--discovery-token-ca-cert-hash";

/// A rotation of this root, stopped between its phases.
pub fn in_every_phase(field: &Field<'_>, root: &str) -> Result<()> {
    let worker = field.cluster.host(WORKER)?;
    field.first()?.install_kubepki()?;
    let before = Before::of(field)?;
    let clients = ClosedLoop::start(field.cluster)?;
    let done = between_phases(field, root, &worker);
    let toll = Toll::told(&clients.finish(field.cluster)?);
    done?;
    toll.is_bearable()?;
    afterwards::the_old_is_known_nowhere(field, &before, root)?;
    afterwards::kubeadm_is_content(field)?;
    afterwards::kubeadm_would_upgrade(field)?;
    afterwards::everything_works(field)
}

fn between_phases(field: &Field<'_>, root: &str, worker: &Host) -> Result<()> {
    leaves(field, worker)?;
    nobody_names(field, worker.name())?;
    field.rotate(&["start", root])?;
    joins(field, worker, &printed(field)?)?;
    a_node_that_nobody_named_is_noticed(field, worker.name())?;
    // it names every host again
    field.cluster.ssh_access()?;
    works(field)?;
    for phase in PHASES {
        println!("--- {phase}");
        if phase == "issue-from-new" {
            stops_in_the_middle(field)?;
            kubeadm_renews(field, "cp1")?;
        }
        if phase == "retire-old" {
            // their owner replaces pods that hold old tokens
            field.cluster.restart_pods()?;
        }
        is_done(field, phase)?;
        works(field)?;
        let words = printed(field)?;
        let pins = words.iter().filter(|word| *word == PIN).count();
        println!("    {pins} hashes are printed after {phase}");
        for kept in 0..pins {
            leaves(field, worker)?;
            joins(field, worker, &pinned_by_one(&words, kept))?;
        }
        if phase == "trust-both" {
            kubeadm_renews(field, "cp2")?;
            let next = field.next_phase()?;
            ensure!(
                next.as_deref() == Some("trust-both"),
                "kubeconfigs trust the old one alone again, and {next:?} is next"
            );
            is_done(field, phase)?;
        }
        works(field)?;
    }
    // what joined last is brought along, too
    ensure!(field.next_phase()?.is_none(), "something is left to do");
    Ok(())
}

/// `next`, until a later phase is the next one: what joined meanwhile may need an earlier one again.
fn is_done(field: &Field<'_>, phase: &str) -> Result<()> {
    const AT_MOST: usize = 4;
    let number = |name: &str| PHASES.iter().position(|it| *it == name);
    for _ in 0..AT_MOST {
        field.rotate(&["next"])?;
        match field.next_phase()? {
            Some(next) if number(&next) <= number(phase) => {}
            _ => return Ok(()),
        }
    }
    Err(anyhow!("{phase} is not over after {AT_MOST} times"))
}

/// Somebody else asks the one who rotates to pause.
fn stops_in_the_middle(field: &Field<'_>) -> Result<()> {
    std::thread::scope(|scope| {
        let work = scope.spawn(|| field.rotated(&["next"]));
        let asked = until(
            "a rotation that can be asked",
            Duration::from_secs(120),
            || {
                let asked = field.access.kubepki(&["rotate", "pause"])?;
                Ok(asked.success() || work.is_finished())
            },
        );
        let paused = work
            .join()
            .map_err(|_| anyhow!("the rotation panicked"))??;
        asked?;
        succeeded(&paused)
    })
}

/// As an administrator does who knows nothing of a rotation, with the restarts that kubeadm asks for left
/// to whoever comes next.
fn kubeadm_renews(field: &Field<'_>, host: &str) -> Result<()> {
    let host = field.cluster.host(host)?;
    host.shell("kubeadm certs renew all >/root/renew.log 2>&1")?;
    let status = field.access.kubepki(&["rotate", "status"])?;
    println!(
        "    after kubeadm certs renew all on {}:\n{}{}",
        host.name(),
        status.stdout,
        status.stderr
    );
    let next = field.next_phase()?;
    ensure!(next.is_some(), "no rotation is under way any more");
    Ok(())
}

/// Every node, and what runs there.
fn works(field: &Field<'_>) -> Result<()> {
    for host in &field.hosts {
        field.cluster.wait_until_ready(host.name())?;
    }
    field.cluster.start_workload()?;
    field.logs_and_commands()
}

/// The node is torn down, and no Node any more.
fn leaves(field: &Field<'_>, worker: &Host) -> Result<()> {
    let name = worker.name();
    worker.shell(TORN_DOWN)?;
    succeeded(&field.cluster.kubectl(["delete", "node", name])?)?;
    let pod = ["delete", "pod", name, "-n", WORKLOAD_NAMESPACE];
    let force = ["--force", "--grace-period=0", "--ignore-not-found"];
    succeeded(&field.cluster.kubectl(pod.iter().chain(&force))?)
}

/// The words of the line that is printed on a control plane.
fn printed(field: &Field<'_>) -> Result<Vec<String>> {
    let line = ["join-config", "--create-token", "--ttl", "1h"];
    let output = field.first()?.kubepki(&line)?;
    succeeded(&output)?;
    Ok(output
        .stdout
        .split_whitespace()
        .map(str::to_owned)
        .collect())
}

/// The line with one of its hashes.
fn pinned_by_one(words: &[String], kept: usize) -> Vec<String> {
    let mut left = Vec::new();
    let mut pins = 0;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word != PIN {
            left.push(word.clone());
            continue;
        }
        let hash = words.next();
        if pins == kept {
            left.push(word.clone());
            left.extend(hash.cloned());
        }
        pins += 1;
    }
    left
}

fn joins(field: &Field<'_>, worker: &Host, words: &[String]) -> Result<()> {
    let start = Instant::now();
    let line = words.join(" ");
    worker
        .shell(&format!("{line} {OF_LABS} >/root/join.log 2>&1"))
        .with_context(|| worker.shell("cat /root/join.log").unwrap_or_default())?;
    field.cluster.wait_until_ready(worker.name())?;
    println!(
        "    {} joined after {:.1} s",
        worker.name(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The cluster document loses a host.
fn nobody_names(field: &Field<'_>, host: &str) -> Result<()> {
    let file = field.access.cluster_document();
    let text = fs_err::read_to_string(&file)?;
    let entry = format!("- name: {host}\n  ssh: {host}\n");
    ensure!(text.contains(&entry), "an odd document: {text}");
    fs_err::write(file, text.replace(&entry, ""))?;
    Ok(())
}

fn a_node_that_nobody_named_is_noticed(field: &Field<'_>, host: &str) -> Result<()> {
    let refused = field.rotated(&["next"])?;
    let words = format!("Node {host}");
    ensure!(
        !refused.success() && refused.stderr.contains(&words),
        "{host} is in no cluster document, and yet: {refused:?}"
    );
    let status = field.access.kubepki(&["rotate", "status"])?;
    let said = status.stdout.clone() + &status.stderr;
    ensure!(
        !status.success() && said.contains(&words),
        "{host} is in no cluster document, and status says: {status:?}"
    );
    Ok(())
}
