//! A worker that was torn down joins with the words that `kubepki join-config` prints, and one that has
//! lost its credentials comes back by what it writes while no API server runs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kubepki_lab::{Cluster, Host, together, until};

use crate::reach::ok;

const WORKER: &str = "w2";

/// What labs lack, as when they are formed: kubeadm's preflight checks ask for crictl.
const OF_LABS: &str = "--skip-phases=preflight --ignore-preflight-errors=all";
const RUNTIME: &str = "--cri-socket unix:///run/containerd/containerd.sock";

/// As its documentation says, on the host and in the cluster.
const TORN_DOWN: &str = "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock \
    >/root/reset.log 2>&1; test ! -e /etc/kubernetes/kubelet.conf";

/// Everything by which the kubelet is known, or knows anybody.
const CREDENTIALS_LOST: &str = "systemctl stop kubelet; rm -rf /var/lib/kubelet/pki; \
    rm -f /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt";

const CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

const PARKED: &str = "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; \
    pkill -KILL --full '^kube-apiserver ' || true";

/// With a label that differs each time: a kubelet may not start a pod again that was there minutes before.
const BACK: &str = r#"cd /etc/kubernetes; sed -e '/^    lab.kubepki.dev\/turn: /d' \
    -e "s|^  labels:|  labels:\n    lab.kubepki.dev/turn: t$(date +%s%N)|" \
    /root/kube-apiserver.yaml >.kube-apiserver.yaml; \
    grep -q lab.kubepki.dev/turn .kube-apiserver.yaml; chmod 0600 .kube-apiserver.yaml; \
    mv .kube-apiserver.yaml manifests/kube-apiserver.yaml; rm /root/kube-apiserver.yaml"#;

/// By the line, with a new token, and by the document.
pub fn a_worker_joins_with_what_is_printed(cluster: &Cluster) -> Result<()> {
    let first = cluster.host("cp1")?;
    first.install_kubepki()?;
    let worker = cluster.host(WORKER)?;
    let start = Instant::now();

    let line = printed(&first, &["--create-token", "--ttl", "1h"])?;
    ensure!(
        line.starts_with("kubeadm join ") && line.lines().count() == 1,
        "printed more than a line, or another one"
    );
    joins(
        cluster,
        &worker,
        &format!("{} {OF_LABS} {RUNTIME}", line.trim()),
    )?;
    println!(
        "--- joined by the line after {:.1} s",
        start.elapsed().as_secs_f64()
    );

    let document = printed(&first, &["--configuration", "--node-name", WORKER])?;
    fs_err::write(worker.path("/root/join.yaml"), document)?;
    let by_document = format!("kubeadm join --config /root/join.yaml {OF_LABS}");
    joins(cluster, &worker, &by_document)?;
    println!(
        "--- joined by the document after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// No API server runs when the files are made and put where their README says; as soon as one does, the
/// node is back and has a certificate of its own.
pub fn a_worker_comes_back_without_an_api(cluster: &Cluster) -> Result<()> {
    let first = cluster.host("cp1")?;
    let worker = cluster.host(WORKER)?;
    let (control_planes, _): (Vec<Host>, Vec<Host>) = cluster
        .hosts()?
        .into_iter()
        .partition(|host| host.name().starts_with("cp"));
    let start = Instant::now();
    let lease = renewed(cluster)?;
    together(&control_planes, |host| host.shell(PARKED))?;
    worker.shell(CREDENTIALS_LOST)?;

    let nobody = first.kubepki(&["join-config"])?;
    ensure!(
        nobody.status == 1 && nobody.stderr.contains("discovery hash  sha256:"),
        "no API server runs, and yet: {nobody:?}"
    );
    first.shell("rm -rf /root/node")?;
    ok(&first.kubepki(&["join-config", "--node", WORKER, "--out", "/root/node"])?)?;
    worker.shell("mkdir -p -m 0700 /root/node")?;
    for name in ["kubelet.conf", "ca.crt", "client.crt", "README"] {
        worker.copy(&first.path(format!("/root/node/{name}")), "/root/node")?;
    }
    // the commands stand apart from the words
    worker.shell(
        "cd /root/node; sed -n 's/^  //p' README >commands; test -s commands; sh -eu commands",
    )?;

    together(&control_planes, |host| host.shell(BACK))?;
    let patience = Duration::from_secs(120);
    until("the node's lease to be renewed", patience, || {
        Ok(renewed(cluster).is_ok_and(|now| now != lease))
    })?;
    cluster.wait_until_ready(WORKER)?;
    let given = worker.shell("openssl x509 -in /root/node/client.crt -noout -serial")?;
    until("a certificate of the node's own", patience, || {
        let own = worker.exec(["openssl", "x509", "-in", CLIENT, "-noout", "-serial"])?;
        Ok(own.success() && own.stdout.trim() != given.trim())
    })?;
    is_known_by_its_certificate(&worker)?;
    println!(
        "--- back without an API after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn printed(host: &Host, arguments: &[&str]) -> Result<String> {
    let output = host.kubepki(&[&["join-config"], arguments].concat())?;
    ok(&output)?;
    Ok(output.stdout)
}

/// The worker is torn down, and is another Node of the same name afterwards.
fn joins(cluster: &Cluster, worker: &Host, command: &str) -> Result<()> {
    let before = uid(cluster)?;
    worker.shell(TORN_DOWN)?;
    ok(&cluster.kubectl(["delete", "node", WORKER])?)?;
    worker
        .shell(&format!("{command} >/root/join.log 2>&1"))
        .with_context(|| worker.shell("cat /root/join.log").unwrap_or_default())?;
    cluster.wait_until_ready(WORKER)?;
    ensure!(uid(cluster)? != before, "it is the Node that it was");
    is_known_by_its_certificate(worker)
}

fn is_known_by_its_certificate(worker: &Host) -> Result<()> {
    let subject = worker.shell(&format!(
        "openssl verify -CAfile /etc/kubernetes/pki/ca.crt {CLIENT} >/dev/null; \
         openssl x509 -in {CLIENT} -noout -subject -nameopt multiline"
    ))?;
    ensure!(
        subject.contains(&format!("system:node:{WORKER}")),
        "{subject}"
    );
    Ok(())
}

fn uid(cluster: &Cluster) -> Result<String> {
    asked(cluster, &["get", "node", WORKER], "{.metadata.uid}")
}

fn renewed(cluster: &Cluster) -> Result<String> {
    let lease = ["get", "lease", WORKER, "-n", "kube-node-lease"];
    asked(cluster, &lease, "{.spec.renewTime}")
}

fn asked(cluster: &Cluster, arguments: &[&str], field: &str) -> Result<String> {
    let path = format!("jsonpath={field}");
    let output = cluster.kubectl(arguments.iter().copied().chain(["-o", &path]))?;
    ok(&output)?;
    Ok(output.stdout)
}
