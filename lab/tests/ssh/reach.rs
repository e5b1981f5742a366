//! Who is let in, by whom, and what is put on the hosts.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use kubepki_lab::{Cluster, Output, SshAccess};
use serde_json::Value;

/// Where the program lies on hosts.
const AGENTS: &str = "/var/lib/kubepki/agent";

/// Accounts with the lab's key that may not become root.
const MAY_NOT: &str = "for user in locked asked; do id $user >/dev/null 2>&1 || useradd --create-home $user; \
    mkdir -p /home/$user/.ssh; cp /root/.ssh/authorized_keys /home/$user/.ssh/; \
    chown -R $user /home/$user/.ssh; done; usermod --shell /usr/sbin/nologin locked; \
    echo 'asked ALL=(ALL) ALL' >/etc/sudoers.d/asked";

/// Every refusal has its code, and nothing is put on a host before it is known and lets root in.
pub fn what_is_not_known_or_not_allowed_is_refused(
    cluster: &Cluster,
    access: &SshAccess,
) -> Result<()> {
    let host = cluster.host("w1")?;
    host.shell(MAY_NOT)?;
    host.shell(&format!("rm -rf {AGENTS}"))?;
    let ssh = access.command();
    let known = access.known_hosts();
    let another = known.with_file_name("another_known_hosts");
    let key = host.shell(
        "rm -f /root/another*; ssh-keygen -q -t ed25519 -N '' -f /root/another; \
         cut -d' ' -f 1,2 /root/another.pub",
    )?;
    fs_err::write(&another, format!("{} {key}", host.address()))?;
    for (option, code) in [
        (
            "-o UserKnownHostsFile=/dev/null".to_owned(),
            "host-key-unknown",
        ),
        (
            format!("-o UserKnownHostsFile={}", another.display()),
            "host-key-changed",
        ),
        ("-l stranger".to_owned(), "login-refused"),
        ("-l locked".to_owned(), "login-refused"),
        ("-l asked".to_owned(), "no-root"),
        ("-p 1".to_owned(), "host-unreachable"),
        (
            "-o HostName=no-such-host.invalid".to_owned(),
            "host-unreachable",
        ),
        ("-o NoSuchOption=1".to_owned(), "ssh-unusable"),
    ] {
        // what says it first is what ssh takes
        let ssh = ssh.replacen("ssh ", &format!("ssh {option} "), 1);
        let output = access.kubepki(&[
            "--hosts",
            "w1",
            "--ssh-command",
            &ssh,
            "status",
            "-o",
            "json",
        ])?;
        let found = error_of(&output, "w1").context(option.clone())?;
        ensure!(
            found["code"] == code,
            "{option}: expected {code}, found {found}"
        );
        ensure!(
            found["message"]
                .as_str()
                .is_some_and(|said| said.contains("w1")),
            "{found}"
        );
    }
    ensure!(
        !host.path(AGENTS).exists(),
        "something was put on w1 although nobody was let in"
    );
    Ok(())
}

/// The first look brings it to each host, the second finds it there; whoever is no root does not see
/// it.
pub fn the_program_is_brought_once(cluster: &Cluster, access: &SshAccess) -> Result<()> {
    for host in cluster.hosts()? {
        host.shell(&format!("rm -rf {AGENTS}"))?;
    }
    ok(&access.kubepki(&["status"])?)?;
    let first = programs(cluster)?;
    ensure!(
        first.len() == cluster.hosts()?.len(),
        "one on each host: {first:?}"
    );
    ok(&access.kubepki(&["status"])?)?;
    ensure!(first == programs(cluster)?, "brought again");
    let seen = access.run("w1", &format!("ls {AGENTS}"))?;
    ensure!(!seen.success(), "not root, and sees {}", seen.stdout);

    // damaged, and so brought again
    let host = cluster.host("w1")?;
    host.shell(&format!("for file in {AGENTS}/*; do echo >>$file; done"))?;
    ok(&access.kubepki(&["status"])?)?;
    let again = programs(cluster)?;
    ensure!(again.difference(&first).count() == 1, "{first:?} {again:?}");
    Ok(())
}

/// Status and doctor of all hosts, and nothing wrong with any.
pub fn every_host_is_seen(cluster: &Cluster, access: &SshAccess) -> Result<()> {
    let status = access.kubepki(&["status", "-o", "json"])?;
    ok(&status)?;
    let object: Value = serde_json::from_str(&status.stdout)?;
    let hosts = object["hosts"].as_array().context("no hosts")?;
    let names: Vec<&str> = hosts
        .iter()
        .filter_map(|host| host["host"].as_str())
        .collect();
    for host in cluster.hosts()? {
        ensure!(names.contains(&host.name()), "{names:?}");
    }
    ensure!(object["notSeen"] == 0, "{object}");
    let doctor = access.kubepki(&["doctor"])?;
    ok(&doctor)?;
    ensure!(
        doctor.stdout.contains("everything verified"),
        "{}",
        doctor.stdout
    );
    Ok(())
}

/// The host, name and inode of every program on the hosts.
fn programs(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for host in cluster.hosts()? {
        let listed = host.shell(&format!(
            "cd {AGENTS}; stat --format '%n %i %a %U' .k* k* 2>/dev/null || true"
        ))?;
        for line in listed.lines() {
            found.insert(format!("{} {line}", host.name()));
        }
    }
    Ok(found)
}

fn error_of(output: &Output, host: &str) -> Result<Value> {
    let object: Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("{}{}", output.stdout, output.stderr))?;
    let hosts = object["hosts"].as_array().context("no hosts")?;
    let found = hosts.iter().find(|found| found["host"] == host);
    let error = found.and_then(|found| found.get("error"));
    error
        .cloned()
        .with_context(|| format!("no error of {host}: {object}"))
}

/// It ended with 0.
pub fn ok(output: &Output) -> Result<()> {
    if !output.success() {
        bail!(
            "ended with {}:\n{}{}",
            output.status,
            output.stdout,
            output.stderr
        );
    }
    Ok(())
}
