//! A Deployment, so that the rotation has something to restart that rolls out.

use std::time::Duration;

use anyhow::{Result, bail};
use kubepki_lab::{Cluster, until};

const NAME: &str = "rolling";

/// Not where the workload's pods without a controller are: those are counted.
const NAMESPACE: &str = "lab-b";

/// Makes it, if it is not there, and waits until it is complete.
pub fn start(cluster: &Cluster) -> Result<()> {
    let image = ["--image=lab.kubepki.dev/shell:1", "--replicas=2"];
    let command = ["--", "/usr/bin/sleep", "infinity"];
    let create = ["create", "deployment", NAME, "-n", NAMESPACE];
    let created = cluster.kubectl(create.into_iter().chain(image).chain(command))?;
    if !created.success() && !created.stderr.contains("already exists") {
        bail!("cannot create the Deployment: {}", created.stderr);
    }
    is_complete(cluster)
}

/// Waits until all of its pods are of its last template and ready.
pub fn is_complete(cluster: &Cluster) -> Result<()> {
    until("the Deployment", Duration::from_secs(120), || {
        let status = ["rollout", "status", "--watch=false", "deployment", NAME];
        let found = cluster.kubectl(status.into_iter().chain(["-n", NAMESPACE]))?;
        Ok(found.success() && found.stdout.contains("successfully rolled out"))
    })
}
