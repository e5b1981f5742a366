//! A whole cluster renewed: `kubepki renew all` over SSH, beside what kubeadm's page "Certificate
//! Management with kubeadm" says, done by SSH on one host after the other: `kubeadm certs renew all`, the
//! static pods taken away for 20 s and put back, the kubelet restarted; and waiting until the host is well
//! before the next, since otherwise etcd would lose its quorum.
//!
//! kubeadm leaves the kubelets' own certificates alone, so the two do not do the same: kubepki does more.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kubepki_lab::{Cluster, Host, Shape, SshAccess, Tool, until};

use super::Bench;

/// Three of etcd's, so that the order matters, and two workers.
const SHAPE: (u8, u8) = (3, 2);
const USUAL_ROUNDS: u32 = 3;

const CONTROL_PLANE: &str = "sudo sh -euc 'kubeadm certs renew all >/dev/null 2>&1; cd /etc/kubernetes; \
    mkdir aside; mv manifests/*.yaml aside/; sleep 20; mv aside/*.yaml manifests/; rmdir aside; \
    systemctl restart kubelet; \
    until curl --silent --insecure --fail https://127.0.0.1:6443/readyz >/dev/null; do sleep 0.2; done'";
const WORKER: &str = "sudo systemctl restart kubelet";

/// Renews a lab's cluster in turns, and tells how long each took.
pub fn run(bench: &Bench) -> Result<()> {
    let cluster = Cluster::named(&bench.cache, "bench")?;
    cluster.up(&Shape::new(SHAPE.0, SHAPE.1))?;
    let measured = turns(bench, &cluster);
    cluster.down()?;
    let (mut ours, mut theirs) = measured?;
    let (ours, theirs) = (median(&mut ours)?, median(&mut theirs)?);
    println!("| renewal of {} + {} hosts | wall |", SHAPE.0, SHAPE.1);
    println!("|---|---|");
    println!("| kubepki renew all | {ours:.1} s |");
    println!("| kubeadm certs renew all and restarts, host by host | {theirs:.1} s |");
    println!("| ratio | {:.2} |", theirs / ours);
    Ok(())
}

fn turns(bench: &Bench, cluster: &Cluster) -> Result<(Vec<f64>, Vec<f64>)> {
    let access = cluster.ssh_access()?;
    let hosts = cluster.hosts()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds.unwrap_or(USUAL_ROUNDS) {
        let kubepki = timed(cluster, &hosts, || with_kubepki(bench, &access))?;
        let kubeadm = timed(cluster, &hosts, || with_kubeadm(cluster, &access, &hosts))?;
        println!("round {round}: kubepki {kubepki:.1} s, kubeadm {kubeadm:.1} s");
        // the first brings the program to the hosts
        if round > 0 {
            ours.push(kubepki);
            theirs.push(kubeadm);
        }
    }
    Ok((ours, theirs))
}

/// How long the work takes; every node is Ready before and after.
fn timed(cluster: &Cluster, hosts: &[Host], work: impl FnOnce() -> Result<()>) -> Result<f64> {
    for host in hosts {
        cluster.wait_until_ready(host.name())?;
    }
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn with_kubepki(bench: &Bench, access: &SshAccess) -> Result<()> {
    Tool::new(&bench.program)
        .args(["renew", "all", "--force", "--yes", "--cluster"])
        .arg(access.cluster_document())
        .env("KUBEPKI_SSH_COMMAND", access.command())
        .run()?;
    Ok(())
}

fn with_kubeadm(cluster: &Cluster, access: &SshAccess, hosts: &[Host]) -> Result<()> {
    for host in hosts {
        let is_control_plane = host.name().starts_with("cp");
        let script = if is_control_plane {
            CONTROL_PLANE
        } else {
            WORKER
        };
        let output = access.run(host.name(), script)?;
        ensure!(output.success(), "{}: {}", host.name(), output.stderr);
        if is_control_plane {
            until("etcd to be healthy", Duration::from_secs(120), || {
                let etcd =
                    host.exec(["curl", "--silent", "--fail", "http://127.0.0.1:2381/health"])?;
                Ok(etcd.stdout.contains("true"))
            })?;
        }
        cluster.wait_until_ready(host.name())?;
    }
    Ok(())
}

fn median(seconds: &mut [f64]) -> Result<f64> {
    seconds.sort_by(f64::total_cmp);
    seconds
        .get(seconds.len() / 2)
        .copied()
        .context("no rounds were measured")
}
