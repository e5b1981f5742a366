//! Clients of a cluster that never stop asking while something is done to it: three at the load
//! balancer, one in a pod with its ServiceAccount's token, and one of etcd.
//!
//! The program is the example `closed_loop_client` of this package. What it writes down is read when
//! all is over; a request that failed is told with its time and the server's words.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cluster::Cluster;
use crate::host::Host;
use crate::image::{self, ImageFile};
use crate::wait;

/// Where the pod is.
pub const LOOP_NAMESPACE: &str = "closed-loop";

const IMAGE: &str = "lab.kubepki.dev/closed-loop-client:1";
const POD_FOLDER: &str = "/root/closed-loop";

/// What the program needs beside itself, from a host's own files.
const LIBRARIES: [&str; 4] = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/x86_64-linux-gnu/libm.so.6",
    "/lib/x86_64-linux-gnu/libgcc_s.so.1",
    "/lib64/ld-linux-x86-64.so.2",
];

/// What one client saw.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// `get`, `write`, `watch`, `etcd`, `pod`.
    pub client: String,
    /// How many requests were answered as they should be.
    pub good: usize,
    /// How many of them after a dead connection had been replaced.
    pub again: usize,
    /// The others: when (seconds since 1970), and what was said.
    pub failed: Vec<(f64, String)>,
    /// Where more than a second passed from one good answer to the next: when it began, and its length.
    pub gaps: Vec<(f64, f64)>,
}

impl Record {
    /// Requests that failed, without watches that were cut.
    pub fn refused(&self) -> impl Iterator<Item = &(f64, String)> {
        self.failed
            .iter()
            .filter(|(_, why)| !why.starts_with("broken"))
    }

    /// Requests that were under way when etcd got another leader: an API server passes etcd's words on,
    /// and no order of restarts spares a cluster that moment.
    pub fn lost_to_elections(&self) -> usize {
        const WORDS: [&str; 3] = [
            "raft proposal dropped",
            "etcdserver: leader changed",
            "etcdserver: request timed out",
        ];
        self.refused()
            .filter(|(_, why)| WORDS.iter().any(|words| why.contains(words)))
            .count()
    }

    /// Requests that a member of etcd was at when it was stopped: with TLS it cannot wait for them
    /// (etcd-io/etcd issue 8916). Where API servers ask members of other hosts, nobody can be stopped first.
    pub fn lost_to_members(&self) -> usize {
        self.refused()
            .filter(|(_, why)| why.contains("transport: missing content-type field"))
            .count()
    }

    /// The longest time without a good answer, and all of them together, in seconds.
    pub fn longest_and_all_gaps(&self) -> (f64, f64) {
        let lengths = || self.gaps.iter().map(|(_, length)| *length);
        (lengths().fold(0.0, f64::max), lengths().sum())
    }

    /// Watches that ended before their time.
    pub fn broken_watches(&self) -> usize {
        self.failed.len() - self.refused().count()
    }
}

/// By which files the clients come to a cluster, and where the one in a pod is.
pub struct Doors {
    /// An administrator's kubeconfig with its certificates in it, as this machine sees it.
    pub kubeconfig: PathBuf,
    /// A client of etcd: its CA, certificate and key.
    pub etcd: [PathBuf; 3],
    /// Hosts with a member of etcd.
    pub members: Vec<Host>,
    /// The host whose kubelet runs the pod.
    pub pod_host: Host,
}

impl Doors {
    /// As kubeadm leaves them; etcd is stacked.
    pub fn of_kubeadm(cluster: &Cluster) -> Result<Self> {
        let first = cluster.host("cp1")?;
        let etcd = first.path("/etc/kubernetes/pki/etcd");
        let mut members = cluster.hosts()?;
        let pod_host = members.last().cloned().context("the lab has no host")?;
        members.retain(|host| host.name().starts_with("cp"));
        Ok(Doors {
            kubeconfig: first.path("/etc/kubernetes/admin.conf"),
            etcd: ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"]
                .map(|file| etcd.join(file)),
            members,
            pod_host,
        })
    }
}

/// Clients at work. Dropping it ends them.
pub struct ClosedLoop {
    folder: PathBuf,
    pod_folder: PathBuf,
    children: Vec<Child>,
}

impl ClosedLoop {
    /// Starts all five on a cluster of kubeadm's, and returns when each had its first good answer.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        Self::through(cluster, &Doors::of_kubeadm(cluster)?)
    }

    /// Starts all five, and returns when each had its first good answer.
    pub fn through(cluster: &Cluster, doors: &Doors) -> Result<Self> {
        let program = crate::build_example("closed_loop_client")?;
        let folder = cluster.folder().join("closed-loop");
        let _ = std::fs::remove_dir_all(&folder);
        fs_err::create_dir_all(&folder)?;
        let pod_folder = doors.pod_host.path(POD_FOLDER);
        let _ = std::fs::remove_dir_all(&pod_folder);
        fs_err::create_dir_all(&pod_folder)?;
        let mut clients = ClosedLoop {
            folder,
            pod_folder,
            children: Vec::new(),
        };
        start_pod(cluster, doors.pod_host.name(), &program)?;
        for job in ["get", "write", "watch"] {
            clients.begin(&program, job, &cluster.endpoint()?, |command| {
                command.arg("--kubeconfig").arg(&doors.kubeconfig);
            })?;
        }
        let members: Vec<String> = doors
            .members
            .iter()
            .map(|host| format!("{}:2379", host.address()))
            .collect();
        clients.begin(&program, "etcd", &members.join(","), |command| {
            for (flag, file) in ["--ca", "--certificate", "--key"].iter().zip(&doors.etcd) {
                command.arg(flag).arg(file);
            }
        })?;
        wait::until(
            "every client's first answers",
            Duration::from_secs(60),
            || {
                let records = clients.records()?;
                Ok(records.len() == 5 && records.iter().all(|record| record.good > 0))
            },
        )?;
        Ok(clients)
    }

    fn begin(
        &mut self,
        program: &Path,
        job: &str,
        servers: &str,
        credentials: impl FnOnce(&mut Command),
    ) -> Result<()> {
        let mut command = Command::new(program);
        command
            .args(["--do", job, "--server", servers, "--namespace"])
            .arg(LOOP_NAMESPACE)
            .arg("--journal")
            .arg(self.folder.join(job))
            .arg("--stop")
            .arg(self.folder.join("stop"))
            .stdin(Stdio::null());
        credentials(&mut command);
        self.children.push(command.spawn()?);
        Ok(())
    }

    /// What each has seen so far.
    pub fn records(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let jobs = ["get", "write", "watch", "etcd"];
        let files = jobs.map(|job| (job, self.folder.join(job)));
        for (client, file) in files
            .into_iter()
            .chain([("pod", self.pod_folder.join("log"))])
        {
            let Ok(text) = std::fs::read_to_string(file) else {
                continue;
            };
            records.push(read(client, &text)?);
        }
        Ok(records)
    }

    /// Ends them, and tells what each saw.
    pub fn finish(mut self, cluster: &Cluster) -> Result<Vec<Record>> {
        fs_err::write(self.folder.join("stop"), "")?;
        fs_err::write(self.pod_folder.join("stop"), "")?;
        for mut child in self.children.drain(..) {
            if !child.wait()?.success() {
                bail!("a client ended with an error");
            }
        }
        let records = self.records()?;
        cluster.kubectl(["delete", "namespace", LOOP_NAMESPACE, "--wait=false"])?;
        Ok(records)
    }
}

impl Drop for ClosedLoop {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(client: &str, text: &str) -> Result<Record> {
    let mut record = Record {
        client: client.to_owned(),
        ..Record::default()
    };
    // the last line may be half written
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut last: Option<f64> = None;
    for line in whole.lines() {
        let mut words = line.splitn(4, ' ');
        let (at, _, outcome) = (words.next(), words.next(), words.next());
        let at: f64 = at.context("a line without time")?.parse()?;
        let outcome = outcome.context("an odd line of a client")?;
        if !["ok", "again"].contains(&outcome) {
            let why = words.next().unwrap_or_default().to_owned();
            record.failed.push((at, why));
            continue;
        }
        record.good += 1;
        record.again += usize::from(outcome == "again");
        // a watch is one request of many seconds
        let since = last.map_or(0.0, |last| at - last);
        if since > 1.0 && client != "watch" {
            record.gaps.push((at - since, since));
        }
        last = Some(at);
    }
    Ok(record)
}

/// A Deployment of one, replaced before the old one ends, on the network of its host (the lab routes no
/// Service): it reads its CA certificates when it starts, and never again.
fn start_pod(cluster: &Cluster, host_name: &str, program: &Path) -> Result<()> {
    let host = cluster.host(host_name)?;
    let archive = host.folder().join("closed-loop.tar");
    let mut files = vec![ImageFile {
        target: "/closed_loop_client",
        source: program.to_owned(),
    }];
    files.extend(LIBRARIES.map(|target| ImageFile {
        target,
        source: host.path(target),
    }));
    image::write(&archive, IMAGE, &files)?;
    host.copy(&archive, "/root/closed-loop.tar")?;
    host.shell(
        "ctr --namespace k8s.io images import /root/closed-loop.tar; rm /root/closed-loop.tar",
    )
    .context("cannot import the client's image")?;
    fs_err::remove_file(archive)?;
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    let arguments = [
        "--do".to_owned(),
        "get".to_owned(),
        "--server".to_owned(),
        cluster.endpoint()?,
        "--namespace".to_owned(),
        LOOP_NAMESPACE.to_owned(),
        "--ca".to_owned(),
        format!("{account}/ca.crt"),
        "--token".to_owned(),
        format!("{account}/token"),
        "--trust-at-start".to_owned(),
        "yes".to_owned(),
        "--journal".to_owned(),
        "/journal/log".to_owned(),
        "--stop".to_owned(),
        "/journal/stop".to_owned(),
    ];
    let labels = json!({ "app": "closed-loop" });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": LOOP_NAMESPACE } },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": "closed-loop" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
            "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": LOOP_NAMESPACE }],
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "closed-loop", "namespace": LOOP_NAMESPACE },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "hostNetwork": true,
                        "nodeSelector": { "kubernetes.io/hostname": host_name },
                        "tolerations": [{ "operator": "Exists" }],
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "client",
                            "image": IMAGE,
                            "imagePullPolicy": "Never",
                            "args": arguments,
                            "volumeMounts": [{ "name": "journal", "mountPath": "/journal" }],
                        }],
                        "volumes": [{ "name": "journal", "hostPath": { "path": POD_FOLDER } }],
                    },
                },
            },
        },
    ] });
    wait::until(
        "the end of earlier clients",
        Duration::from_secs(60),
        || {
            let phase = [
                "get",
                "namespace",
                LOOP_NAMESPACE,
                "-o",
                "jsonpath={.status.phase}",
            ];
            Ok(cluster.kubectl(phase)?.stdout != "Terminating")
        },
    )?;
    let first = cluster.host("cp1")?;
    let file = "/root/closed-loop.json";
    fs_err::write(first.path(file), list.to_string())?;
    let applied = cluster.kubectl(["apply", "-f", file])?;
    if !applied.success() {
        bail!("cannot make the client's pod: {}", applied.stderr);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_without_its_last_half_line() {
        let text = "1.0 get ok\n2.0 get again\n3.5 get failed HTTP 401 Unauthorized\n\
                    4.0 watch failed broken: ended early\n5.0 ge";
        let record = read("get", text).unwrap();
        assert_eq!((record.good, record.again), (2, 1));
        assert_eq!(record.refused().count(), 1);
        assert_eq!(record.broken_watches(), 1);
        assert_eq!(record.failed[0], (3.5, "HTTP 401 Unauthorized".to_owned()));
    }

    #[test]
    fn a_gap_is_the_time_between_good_answers() {
        let text = "1.0 get ok\n1.5 get ok\n2.0 get failed cannot connect\n9.5 get ok\n\
                    10.0 get ok\n12.5 get again\n";
        let record = read("get", text).unwrap();
        assert_eq!(record.gaps, [(1.5, 8.0), (10.0, 2.5)]);
        assert_eq!(record.longest_and_all_gaps(), (8.0, 10.5));
    }
}
