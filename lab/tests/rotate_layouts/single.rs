//! One control plane and one worker: no order of restarts spares its API a gap. The gap is told beforehand,
//! measured by clients that never stop asking, and told again in the end. Alone on its host the program
//! refuses what the worker would not survive.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kubepki_lab::{Cluster, Doors, Host, Record, SshAccess, UsedLab, holds_copy, pem_body, until};
use serde_json::Value;

use crate::field::{asked, known_to_no_file, operate, succeeded, watched};

const ROTATED: &str = "local,all";

const PKI: &str = "/etc/kubernetes/pki";

const FOLDERS: [&str; 5] = [
    "/etc/kubernetes",
    "/etc/cni",
    "/var/lib/kubelet/pki",
    "/root",
    "/home",
];

/// Requests may fail while nobody answers: these words are those of a server that is away, or that has lost
/// its etcd for the moment. A refusal has others.
const AWAY: [&str; 9] = [
    "cannot connect",
    "handshake failed",
    "cannot read",
    "cannot send",
    "connection was closed",
    "HTTP 500",
    "HTTP 503",
    "HTTP 429",
    "broken",
];

struct Field<'cluster> {
    cluster: &'cluster Cluster,
    access: SshAccess,
    first: Host,
    worker: Host,
}

/// Takes one control plane and one worker, and rotates what is asked for.
pub fn rotated() -> Result<()> {
    let lab = UsedLab::up(1, 1)?;
    let cluster: &Cluster = &lab;
    let field = Field {
        cluster,
        access: cluster.ssh_access()?,
        first: cluster.host("cp1")?,
        worker: cluster.host("w1")?,
    };
    field.first.install_kubepki()?;
    for node in ["cp1", "w1"] {
        cluster.wait_until_ready(node)?;
    }
    cluster.start_workload()?;
    for root in asked(ROTATED) {
        match root.as_str() {
            "local" => field.local()?,
            root => field.over_ssh(root)?,
        }
    }
    Ok(())
}

impl Field<'_> {
    /// Alone on its host: what the worker trusts is refused before anything is done, the front proxy's CA
    /// is nobody's but the control plane's.
    fn local(&self) -> Result<()> {
        for root in ["kubernetes-ca", "all"] {
            let refused = self
                .first
                .kubepki(&["--local", "rotate", "run", root, "--yes"])?;
            ensure!(!refused.success(), "{root} went on without the worker");
            ensure!(
                refused.stderr.contains("on 1 host alone") && refused.stderr.contains("Node w1"),
                "{}",
                refused.stderr
            );
        }
        let left = self.first.shell(&format!("ls {PKI}"))?;
        ensure!(!left.contains("next"), "{left}");
        let old = self.body("front-proxy-ca.crt")?;
        let records = watched(
            self.cluster,
            &self.doors()?,
            "front-proxy-ca --local",
            || {
                let words = ["--local", "rotate", "run", "front-proxy-ca", "--yes"];
                let done = self.first.kubepki(&words)?;
                println!("{}{}", done.stdout, done.stderr);
                succeeded(&done)
            },
        )?;
        let failed: usize = records.iter().map(|it| it.refused().count()).sum();
        ensure!(
            failed == 0,
            "nothing is restarted, and {failed} requests failed"
        );
        self.is_over(&[&old])
    }

    fn over_ssh(&self, root: &str) -> Result<()> {
        let files = ["ca.crt", "etcd/ca.crt", "front-proxy-ca.crt", "sa.pub"];
        let old = files
            .map(|file| Ok((file, self.body(file)?)))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let meant: &[&str] = match root {
            "kubernetes-ca" => &["ca.crt"],
            "etcd-ca" => &["etcd/ca.crt"],
            "front-proxy-ca" => &["front-proxy-ca.crt"],
            "service-account-key" => &["sa.pub"],
            _ => &files,
        };
        let bodies = old.iter().filter(|(file, _)| meant.contains(file));
        let bodies: Vec<&str> = bodies.map(|(_, body)| body.as_str()).collect();
        let plan = operate(
            &self.access,
            &["plan", root, "--acknowledge", "all", "-o", "json"],
        )?;
        let plan: Value = serde_json::from_str(&plan)?;
        let announced = plan["notices"].as_array().context("no notices")?.iter();
        let announced = announced
            .filter(|notice| notice["code"] == "single-control-plane")
            .filter_map(|notice| notice["message"].as_str())
            .next();
        println!("announced: {announced:?}");
        ensure!(
            announced.is_some() || root == "front-proxy-ca",
            "no gap is told"
        );
        let mut told = String::new();
        let records = watched(self.cluster, &self.doors()?, root, || {
            let yes = ["--yes", "--acknowledge", "all"];
            told += &operate(
                &self.access,
                &[&["run", root, "--pause-after", "settle"], &yes[..]].concat(),
            )?;
            self.cluster.restart_pods()?;
            told += &operate(&self.access, &[&["run"], &yes[..]].concat())?;
            Ok(())
        })?;
        self.first
            .shell("rm -f /root/workload-*.json /root/closed-loop.json /root/shell.tar")?;
        ensure!(
            root == "front-proxy-ca" || told.contains("nobody reached the API"),
            "the gap is not told in the end"
        );
        refused_by_nobody(&records)?;
        self.is_over(&bodies)?;
        self.joins()
    }

    fn body(&self, file: &str) -> Result<String> {
        let text = fs_err::read_to_string(self.first.path(format!("{PKI}/{file}")))?;
        Ok(pem_body(&text))
    }

    fn doors(&self) -> Result<Doors> {
        Doors::of_kubeadm(self.cluster)
    }

    fn is_over(&self, bodies: &[&str]) -> Result<()> {
        let hosts = [self.first.clone(), self.worker.clone()];
        known_to_no_file(&hosts, &FOLDERS, bodies)?;
        for (key, value) in self.first.etcd_values()? {
            ensure!(
                !holds_copy(&value, bodies),
                "an old root lies in etcd at {key}"
            );
        }
        succeeded(&self.first.exec(["kubeadm", "certs", "check-expiration"])?)?;
        succeeded(&self.access.kubepki(&["rotate", "status"])?)?;
        until("the doctor", Duration::from_secs(60), || {
            let said = self.access.kubepki(&["doctor"])?;
            if !said.success() {
                println!("{}{}", said.stdout, said.stderr);
            }
            Ok(said.success())
        })
    }

    /// The worker leaves, and joins as any other would.
    fn joins(&self) -> Result<()> {
        succeeded(&self.cluster.kubectl(["delete", "node", "w1"])?)?;
        self.worker.shell(
            "systemctl stop kubelet; rm -rf /etc/kubernetes/kubelet.conf \
             /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki /var/lib/kubelet/pki",
        )?;
        let join = self
            .first
            .shell("kubeadm token create --print-join-command 2>/dev/null")?;
        self.worker.shell(&format!(
            "{} --ignore-preflight-errors=all --skip-phases=preflight \
             --cri-socket unix:///run/containerd/containerd.sock >/root/join.log 2>&1",
            join.trim()
        ))?;
        self.cluster.wait_until_ready("w1")
    }
}

/// A server that is away is a gap; one that refuses is a rotation gone wrong.
fn refused_by_nobody(records: &[Record]) -> Result<()> {
    for record in records {
        let odd = record
            .failed
            .iter()
            .find(|(_, why)| !AWAY.iter().any(|words| why.contains(words)));
        ensure!(odd.is_none(), "{}: {odd:?}", record.client);
    }
    Ok(())
}
