//! One swap with everything down, of one control plane and one worker.
//!
//! `KUBEPKI_ROTATE_OFFLINE=all` makes more of it (some minutes): the operator is killed while nothing runs,
//! and whoever comes next ends it; a swap is taken back; and the roots are swapped after they have expired
//! and nothing answers any more. `KUBEPKI_LAB_USE` may name a lab of another shape.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use kubepki_lab::{UsedLab, until};

use crate::afterwards;
use crate::field::{Field, succeeded};
use crate::roots::Before;

const PKI: &str = "/etc/kubernetes/pki";

/// Longer ago than any backup is kept.
const LONG_AGO: i64 = 400;

/// Of a control plane, what a rotation changes and what it adds.
const SUMS: &str = "cd /etc/kubernetes; find pki *.conf -type f | sort | xargs sha256sum";

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_gets_new_roots_in_one_swap_with_everything_down() -> Result<()> {
    let mut lab = UsedLab::up(1, 1)?;
    // tokens in etcd are signed by a key that its files would not have
    lab.is_spent();
    let field = Field::new(&lab)?;
    let before = Before::of(&field)?;
    if std::env::var_os("KUBEPKI_ROTATE_OFFLINE").is_none() {
        let old = old_keys(&field)?;
        until_tokens(&field, &["run", "all", "--offline"])?;
        field.rotate(&["run", "--old-key", "destroy"])?;
        is_over(&field, &before)?;
        return are_destroyed(&field, &old);
    }
    killed_while_all_is_down(&field)?;
    ended(&field, &["run"])?;
    is_over(&field, &before)?;
    taken_back(&field)?;
    expired(&field)
}

/// Kills the operator when the last control plane has stopped its etcd.
fn killed_while_all_is_down(field: &Field<'_>) -> Result<()> {
    let access = field.access.clone();
    let operator = std::thread::spawn(move || {
        let all = ["rotate", "run", "all", "--offline", "--yes"];
        access.kubepki(&[&all[..], &["--acknowledge", "all"]].concat())
    });
    let is_down = || {
        let mut manifests = field
            .control_planes
            .iter()
            .map(|host| host.path("/etc/kubernetes/manifests/etcd.yaml"));
        manifests.all(|manifest| !manifest.exists())
    };
    let start = Instant::now();
    while !is_down() {
        if operator.is_finished() || start.elapsed() > Duration::from_secs(180) {
            bail!("nothing was stopped: {:?}", operator.join());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    field.access.kill_kubepki()?;
    let said = operator.join().map_err(|_| anyhow!("it panicked"))??;
    ensure!(!said.success(), "it ended before it was killed");
    for host in &field.control_planes {
        // the agent ends with what it is at
        until("the agent to end", Duration::from_secs(60), || {
            Ok(!host.exec(["pgrep", "-x", "kubepki"])?.success())
        })?;
        ensure!(
            !host.path("/etc/kubernetes/manifests/etcd.yaml").exists(),
            "{} was started again by itself",
            host.name()
        );
    }
    Ok(())
}

/// The private keys of all roots on the first control plane, as they are now.
fn old_keys(field: &Field<'_>) -> Result<Vec<Vec<u8>>> {
    let first = field.first()?;
    let names = ["ca", "etcd/ca", "front-proxy-ca", "sa"].into_iter();
    let read = names.map(|name| fs_err::read(first.path(format!("{PKI}/{name}.key"))));
    Ok(read.collect::<std::io::Result<_>>()?)
}

/// Nothing below kubepki's folder or Kubernetes' holds one of them, and nobody comes back to them.
fn are_destroyed(field: &Field<'_>, old: &[Vec<u8>]) -> Result<()> {
    let first = field.first()?;
    for folder in ["/var/lib/kubepki", "/etc/kubernetes"] {
        let found = first.shell(&format!("find {folder} -type f -size -20M"))?;
        for path in found.lines() {
            let bytes = fs_err::read(first.path(path))?;
            let holds = |key: &Vec<u8>| bytes.windows(key.len()).any(|part| part == *key);
            ensure!(!old.iter().any(holds), "{path} holds an old key");
        }
    }
    let back = field.rotated(&["back"])?;
    ensure!(
        !back.success() && back.stderr.contains("was destroyed"),
        "{}{}",
        back.stdout,
        back.stderr
    );
    Ok(())
}

/// To the end; in between the owner of pods that have no controller replaces them.
fn ended(field: &Field<'_>, words: &[&str]) -> Result<()> {
    until_tokens(field, words)?;
    field.rotate(&["run"])
}

/// As far as old tokens are good for nothing any more.
fn until_tokens(field: &Field<'_>, words: &[&str]) -> Result<()> {
    field.rotate(&[words, &["--pause-after", "issue-from-new"]].concat())?;
    field.cluster.restart_pods()
}

fn is_over(field: &Field<'_>, before: &Before) -> Result<()> {
    for host in &field.control_planes {
        let halted = host.shell("cat /var/lib/kubepki/halted.jsonl 2>/dev/null || true")?;
        ensure!(halted.is_empty(), "halted on {}: {halted}", host.name());
    }
    afterwards::the_old_is_known_nowhere(field, before, "all")?;
    afterwards::kubeadm_is_content(field)?;
    afterwards::everything_works(field)
}

/// The very bytes of before are back, and everything works with them.
fn taken_back(field: &Field<'_>) -> Result<()> {
    let first = field.first()?;
    let before = first.shell(SUMS)?;
    field.rotate(&["run", "all", "--offline", "--pause-after", "issue-from-new"])?;
    ensure!(first.shell(SUMS)? != before, "nothing was swapped");
    field.rotate(&["back", "--to", "start"])?;
    field.cluster.restart_pods()?;
    ensure!(first.shell(SUMS)? == before, "other bytes are back");
    afterwards::everything_works(field)
}

/// Everything has expired, the authorities too, and nothing that has ended starts again.
fn expired(field: &Field<'_>) -> Result<()> {
    let before = Before::of(field)?;
    field.cluster.age_files_with_authorities(LONG_AGO)?;
    for host in &field.hosts {
        host.cut_power()?;
        host.power_on()?;
    }
    ensure!(
        !field.cluster.kubectl(["get", "nodes"])?.success(),
        "the API still answers"
    );
    ended(field, &["run", "all", "--offline"])?;
    afterwards::the_old_is_known_nowhere(field, &before, "all")?;
    afterwards::kubeadm_is_content(field)?;
    // what kubelets make for themselves is no root's, and renewed for itself
    succeeded(&field.access.kubepki(&["renew", "all", "--yes"])?)?;
    afterwards::everything_works(field)
}
