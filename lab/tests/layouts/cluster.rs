//! A host with a cluster made by a script, and what has to be true of every such cluster.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kubepki_lab::{Cache, Cluster, Host, Lab, Layers, prepare, until};
use serde_json::Value;

/// A lab with one host.
pub enum OneHost {
    Kept(Cluster),
    Made(Lab),
}

impl Deref for OneHost {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::Kept(cluster) => cluster,
            Self::Made(lab) => lab,
        }
    }
}

/// Boots a host, with every program of Kubernetes and etcd on it.
pub fn booted(name: &str) -> Result<(OneHost, Host, Layers)> {
    let cache = Cache::open()?;
    let layers = prepare(&cache)?;
    let lab = match std::env::var("KUBEPKI_LAB_USE") {
        Ok(named) => {
            let cluster = Cluster::named(&cache, &named)?;
            cluster.boot(&[name])?;
            OneHost::Kept(cluster)
        }
        Err(_) => OneHost::Made(Lab::boot(&[name])?),
    };
    let host = lab.host(name)?;
    host.install_kubepki()?;
    for program in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "etcd",
        "etcdctl",
    ] {
        let file = std::fs::canonicalize(cache.bin().join(program))?;
        host.copy(&file, format!("/usr/local/bin/{program}"))?;
    }
    // The image's kubelet waits for kubeadm.
    host.shell("systemctl stop kubelet")?;
    Ok((lab, host, layers))
}

/// A way of making a cluster: a script after [`PKI`], and what it is told.
pub struct Recipe<'a> {
    pub host: &'a Host,
    pub script: &'a str,
    pub variables: Vec<(&'a str, String)>,
    /// The administrator's kubeconfig.
    pub kubeconfig: String,
}

const PKI: &str = include_str!("pki.sh");

impl Recipe<'_> {
    /// Makes every certificate and file; dates are days from now.
    pub fn make(&self, from: i32, until: i32) -> Result<()> {
        let mut script = format!(
            "NODE={} IP={} FROM={from} UNTIL={until}\n",
            self.host.name(),
            self.host.address()
        );
        for (name, value) in &self.variables {
            script += &format!("{name}={value}\n");
        }
        script += PKI;
        script += self.script;
        std::fs::write(self.host.path("/root/make.sh"), script)?;
        self.host.shell("sh -eu /root/make.sh").map(drop)
    }

    /// Waits until the API lists this node as Ready.
    pub fn ready(&self) -> Result<()> {
        until("the node to be Ready", Duration::from_secs(90), || {
            let nodes = self.host.exec([
                "kubectl",
                "--kubeconfig",
                &self.kubeconfig,
                "get",
                "nodes",
                "--no-headers",
            ])?;
            Ok(nodes.success() && nodes.stdout.contains(" Ready "))
        })
    }

    /// Waits until the API answers.
    pub fn answered(&self) -> Result<()> {
        until("the API to answer", Duration::from_secs(60), || {
            let asked = ["kubectl", "--kubeconfig", &self.kubeconfig, "get", "--raw"];
            let answer = self.host.exec(asked.into_iter().chain(["/readyz"]))?;
            Ok(answer.success())
        })
    }
}

/// Everything that the status shows: what it is for, by path.
pub fn roles(host: &Host, exit: i32) -> Result<(Value, BTreeMap<String, String>)> {
    let shown = host.kubepki(&["status", "-o", "json"])?;
    ensure!(shown.status == exit, "{}\n{}", shown.stdout, shown.stderr);
    let status: Value = serde_json::from_str(&shown.stdout)?;
    let mut roles = BTreeMap::new();
    for row in status["certificates"].as_array().context("no list")? {
        let word = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        roles.insert(word("path"), word("role"));
    }
    Ok((status, roles))
}

/// Holds what the status found against the whole list of what there is.
pub fn found_all(host: &Host, layout: &str, expected: &[(String, &str)]) -> Result<()> {
    let (status, found) = roles(host, 0)?;
    ensure!(status["layout"]["name"] == layout, "{}", status["layout"]);
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(path, role)| (path.clone(), (*role).to_owned()))
        .collect();
    ensure!(
        found == expected,
        "expected {expected:#?}\nfound {found:#?}"
    );
    Ok(())
}

/// The doctor asks everything and finds nothing, once controllers have done what follows a start: a new
/// cluster-info is signed for its token some seconds later.
pub fn healthy(host: &Host, kubeconfig: &str) -> Result<()> {
    let mut said = String::new();
    let asked = until(
        "the doctor to find nothing",
        Duration::from_secs(60),
        || {
            let diagnosis = host.kubepki(&["doctor", "--api", "--kubeconfig", kubeconfig])?;
            said = format!("{}\n{}", diagnosis.stdout, diagnosis.stderr);
            Ok(diagnosis.success())
        },
    );
    asked.context(said)
}

/// Everything is expired, one command renews it, and it is what is served.
pub fn comes_back(recipe: &Recipe<'_>, certificates: usize, served: &[(&str, &str)]) -> Result<()> {
    let host = recipe.host;
    let (status, _) = roles(host, 4)?;
    let rows = status["certificates"].as_array().context("no list")?;
    let expired = |row: &&Value| row["residualTime"].as_i64().is_some_and(|left| left < 0);
    let count = rows.iter().filter(expired).count();
    ensure!(count == certificates, "{count} expired: {status:#}");

    let renewed = host.kubepki(&["renew", "all", "--yes", "-o", "json"])?;
    ensure!(renewed.success(), "{}\n{}", renewed.stdout, renewed.stderr);
    let result: Value = serde_json::from_str(&renewed.stdout)?;
    ensure!(result["verified"] == true, "{}", renewed.stdout);
    recipe.ready()?;
    for (address, file) in served {
        serves(host, address, file)?;
    }
    let again = host.kubepki(&["renew", "all", "--yes"])?;
    ensure!(
        again.success() && again.stderr.contains("nothing to renew"),
        "{}\n{}",
        again.stdout,
        again.stderr
    );
    healthy(host, &recipe.kubeconfig)
}

/// Whether an address serves the certificate of a file.
fn serves(host: &Host, address: &str, file: &str) -> Result<()> {
    let serial = |source: &str| host.shell(&format!("{source} | openssl x509 -noout -serial"));
    let live = serial(&format!(
        "openssl s_client -connect {address} </dev/null 2>/dev/null"
    ))?;
    let lies = serial(&format!("cat {file}"))?;
    if live != lies {
        bail!("{address} serves {live}, {file} holds {lies}");
    }
    Ok(())
}
