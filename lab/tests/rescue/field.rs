//! The cluster that is broken and rescued: its hosts, the operator's way to them, and what runs on it.

use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Cluster, Host, Output, SshAccess, together, until};

/// What breakages are made of, shared with the doctor's.
const WORDS: &str = include_str!("../doctor/break.sh");

/// A cluster with a workload.
pub struct Field<'cluster> {
    /// The lab.
    pub cluster: &'cluster Cluster,
    /// The operator's way to the hosts.
    pub access: SshAccess,
    /// Every host, control planes first.
    pub hosts: Vec<Host>,
    /// `cp1` and on.
    pub control_planes: Vec<Host>,
}

impl<'cluster> Field<'cluster> {
    /// Puts a workload on the cluster, and takes every bootstrap token away: none may be needed.
    pub fn new(cluster: &'cluster Cluster) -> Result<Self> {
        let hosts = cluster.hosts()?;
        let mut control_planes = hosts.clone();
        control_planes.retain(|host| host.name().starts_with("cp"));
        for host in &hosts {
            fs_err::write(host.path("/root/break.sh"), WORDS)?;
        }
        let field = Field {
            cluster,
            access: cluster.ssh_access()?,
            hosts,
            control_planes,
        };
        field.ready()?;
        cluster.start_workload()?;
        let tokens = "type=bootstrap.kubernetes.io/token";
        let names = ["--field-selector", tokens, "-o", "name"];
        let secrets = ["get", "secrets", "-n", "kube-system"];
        let found = cluster.kubectl(secrets.into_iter().chain(names))?.stdout;
        // the token to fetch a control plane's certificates would end within two hours by itself
        for name in found.lines().chain(["secret/kubeadm-certs"]) {
            cluster.kubectl(["delete", "-n", "kube-system", "--ignore-not-found", name])?;
        }
        Ok(field)
    }

    /// The control plane of this number, from 1.
    pub fn control_plane(&self, number: usize) -> Result<&Host> {
        let found = self.control_planes.get(number.saturating_sub(1));
        found.with_context(|| format!("no control plane {number}"))
    }

    /// sh with the words of `break.sh`, on these hosts at once.
    pub fn shell(&self, hosts: &[Host], script: &str) -> Result<()> {
        let script = format!(". /root/break.sh\n{script}");
        together(hosts, |host| host.shell(&script)).map(drop)
    }

    /// Every process of Kubernetes ends at once, and is then started with what the files hold.
    pub fn reboot(&self, hosts: &[Host]) -> Result<()> {
        together(hosts, Host::cut_power)?;
        together(hosts, Host::power_on).map(drop)
    }

    /// Static pods of these hosts are started anew at once.
    pub fn restart(&self, hosts: &[Host], components: &[&str]) -> Result<()> {
        together(hosts, |host| host.restart_static_pods_now(components)).map(drop)
    }

    /// kubectl with a control plane's own admin.conf, to its own API server and no other.
    pub fn kubectl(&self, host: &Host, arguments: &[&str]) -> Result<Output> {
        let server = format!("https://{}:6443", host.address());
        let start = [
            "kubectl",
            "--kubeconfig",
            "/etc/kubernetes/admin.conf",
            "--request-timeout",
            "10s",
            "--server",
            &server,
        ];
        host.exec(start.iter().chain(arguments))
    }

    /// Every node is Ready, and each kubelet has said so just now: a node whose kubelet has died is
    /// called Ready for another 40 s.
    pub fn ready(&self) -> Result<()> {
        let first = self.control_plane(1)?;
        let now = first.shell("date --utc +%Y-%m-%dT%H:%M:%S")?;
        let mut missing = Vec::new();
        let leases = "jsonpath={range .items[*]}{.metadata.name} {.spec.renewTime}{\"\\n\"}{end}";
        until(
            "every node to be Ready by a kubelet that lives",
            Duration::from_secs(120),
            || {
                let nodes = self
                    .kubectl(first, &["get", "nodes", "--no-headers"])?
                    .stdout;
                let renewed = ["get", "leases", "-n", "kube-node-lease", "-o", leases];
                let renewed = self.kubectl(first, &renewed)?.stdout;
                missing = self
                    .hosts
                    .iter()
                    .map(Host::name)
                    .filter(|name| !is_ready(&nodes, name) || !renewed_since(&renewed, name, &now))
                    .map(str::to_owned)
                    .collect();
                Ok(missing.is_empty())
            },
        )
        .with_context(|| format!("not Ready: {}", missing.join(" ")))
    }
}

fn is_ready(nodes: &str, name: &str) -> bool {
    nodes.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(name) && words.next() == Some("Ready")
    })
}

/// Times of RFC 3339 in UTC are in the order of their letters.
fn renewed_since(leases: &str, name: &str, moment: &str) -> bool {
    leases.lines().any(|line| {
        line.split_once(' ')
            .is_some_and(|(node, renewed)| node == name && renewed > moment.trim())
    })
}
