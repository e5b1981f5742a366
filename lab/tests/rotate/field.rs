//! The cluster that is rotated, and the operator's way to it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kubepki_lab::{Cluster, Host, Output, SshAccess, WORKLOAD_NAMESPACE, until};
use serde_json::Value;

/// A cluster with a workload.
pub struct Field<'cluster> {
    /// The lab.
    pub cluster: &'cluster Cluster,
    /// How the operator reaches the hosts.
    pub access: SshAccess,
    /// Every host, control planes first.
    pub hosts: Vec<Host>,
    /// `cp1` and on.
    pub control_planes: Vec<Host>,
}

impl<'cluster> Field<'cluster> {
    /// Waits until every node is Ready, and puts a workload on the cluster.
    pub fn new(cluster: &'cluster Cluster) -> Result<Self> {
        let hosts = cluster.hosts()?;
        let mut control_planes = hosts.clone();
        control_planes.retain(|host| host.name().starts_with("cp"));
        let field = Field {
            cluster,
            access: cluster.ssh_access()?,
            hosts,
            control_planes,
        };
        for host in &field.hosts {
            cluster.wait_until_ready(host.name())?;
        }
        cluster.start_workload()?;
        Ok(field)
    }

    /// The first control plane.
    pub fn first(&self) -> Result<&Host> {
        self.control_planes.first().context("no control plane")
    }

    /// `kubepki rotate` with these words, which has to end well.
    pub fn rotate(&self, words: &[&str]) -> Result<()> {
        succeeded(&self.rotated(words)?)
    }

    /// `kubepki rotate` with these words, however it ends. What it said is printed.
    pub fn rotated(&self, words: &[&str]) -> Result<Output> {
        let more: &[&str] = match words.first() {
            Some(&"back") => &["--yes"],
            _ => &["--yes", "--acknowledge", "all"],
        };
        let output = self.access.kubepki(&[&["rotate"], words, more].concat())?;
        println!(
            "    kubepki rotate {} ended with {}\n{}{}",
            words.join(" "),
            output.status,
            output.stdout,
            output.stderr
        );
        Ok(output)
    }

    /// Where the rotation stands, as a document.
    pub fn status(&self) -> Result<Value> {
        let status = self.access.kubepki(&["rotate", "status", "-o", "json"])?;
        serde_json::from_str(&status.stdout)
            .with_context(|| format!("no JSON: {}{}", status.stdout, status.stderr))
    }

    /// The phase that comes next; none when nothing is being rotated.
    pub fn next_phase(&self) -> Result<Option<String>> {
        Ok(self.status()?["next"].as_str().map(str::to_owned))
    }

    /// Logs and a command of the pod of every host.
    pub fn logs_and_commands(&self) -> Result<()> {
        for host in &self.hosts {
            let name = host.name();
            until("logs and commands", Duration::from_secs(30), || {
                let logs = ["logs", "-n", WORKLOAD_NAMESPACE, name];
                let echo = ["exec", "-n", WORKLOAD_NAMESPACE, name, "--"];
                let words = ["/usr/bin/dash", "-c", "echo heard"];
                let logs = self.cluster.kubectl(logs)?;
                let answer = self.cluster.kubectl(echo.iter().chain(&words))?;
                Ok(logs.success() && answer.stdout.trim() == "heard")
            })
            .with_context(|| format!("of {name}"))?;
        }
        Ok(())
    }
}

/// Fails with what a program said.
pub fn succeeded(output: &Output) -> Result<()> {
    if !output.success() {
        bail!(
            "exit status {}:\n{}{}",
            output.status,
            output.stdout,
            output.stderr
        );
    }
    Ok(())
}
