//! What "it is over" means: the old roots are nowhere, who holds a certificate of theirs is refused,
//! kubeadm finds its cluster as it likes it, and everything works.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubepki_lab::{Host, copies_below, holds_copy, pem_body, together, until};

use crate::field::{Field, succeeded};
use crate::roots::Before;

/// Where a copy may lie on a host; kubepki's own folder holds the saved files and is no copy in use.
const FOLDERS: [&str; 5] = [
    "/etc/kubernetes",
    "/etc/cni",
    "/var/lib/kubelet/pki",
    "/root",
    "/home",
];

/// Files of every host, and every value in etcd.
pub fn the_old_is_known_nowhere(field: &Field<'_>, before: &Before, root: &str) -> Result<()> {
    let old = before.of_root(root);
    for host in &field.hosts {
        for folder in FOLDERS {
            let mut found = BTreeSet::new();
            copies_below(&host.path(folder), &old, &mut found)?;
            ensure!(
                found.is_empty(),
                "{}: an old root lies in {found:?}",
                host.name()
            );
        }
    }
    let first = field.control_planes.first().context("no control plane")?;
    for (key, value) in first.etcd_values()? {
        ensure!(
            !holds_copy(&value, &old),
            "an old root lies in etcd at {key}"
        );
    }
    the_old_administrator_is_refused(field, root)
}

fn the_old_administrator_is_refused(field: &Field<'_>, root: &str) -> Result<()> {
    if !["all", "kubernetes-ca"].contains(&root) {
        return Ok(());
    }
    let first = field.control_planes.first().context("no control plane")?;
    let kubeconfig = fs_err::read_to_string(first.folder().join("before/admin.conf"))?;
    for (name, key) in [
        ("crt", "client-certificate-data"),
        ("key", "client-key-data"),
    ] {
        let value = kubeconfig
            .lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
            .context("an odd admin.conf")?;
        fs_err::write(
            first.path(format!("/root/old.{name}")),
            STANDARD.decode(value)?,
        )?;
    }
    for host in &field.hosts {
        let ports: &[u16] = match host.name().starts_with("cp") {
            true => &[6443, 10250],
            false => &[10250],
        };
        for port in ports {
            let status = first.shell(&format!(
                "curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' \
                 --cert /root/old.crt --key /root/old.key https://{}:{port}/pods || true",
                host.address()
            ))?;
            ensure!(
                status == "401",
                "{} answers {status} to the old administrator at port {port}",
                host.name()
            );
        }
    }
    first.shell("rm -f /root/old.crt /root/old.key").map(drop)
}

/// Its own commands find what they expect, and would change nothing.
pub fn kubeadm_is_content(field: &Field<'_>) -> Result<()> {
    together(&field.control_planes, |host: &Host| {
        let check = host.exec(["kubeadm", "certs", "check-expiration"])?;
        succeeded(&check)?;
        for file in ["ca.crt", "etcd/ca.crt", "front-proxy-ca.crt"] {
            let text = fs_err::read_to_string(host.path(format!("/etc/kubernetes/pki/{file}")))?;
            ensure!(
                text.matches("BEGIN CERTIFICATE").count() == 1,
                "{file} of {} holds more than one",
                host.name()
            );
            let key = file.replace(".crt", ".key");
            let apart = host.shell(&format!(
                "cd /etc/kubernetes/pki; [ \"$(openssl x509 -in {file} -noout -pubkey)\" = \
                 \"$(openssl pkey -in {key} -pubout)\" ] || echo apart"
            ))?;
            ensure!(
                apart.is_empty(),
                "{file} and its key differ on {}",
                host.name()
            );
        }
        let left = host.shell(
            "find /etc/kubernetes -name '*-next*' -o -name '*-signer*' -o -name '*-previous*' -o -name '.*kubepki*'; \
             grep -l -e ca-signer -e ca-next /etc/kubernetes/manifests/* || true",
        )?;
        ensure!(left.is_empty(), "left on {}: {left}", host.name());
        Ok(())
    })?;
    let mut known = BTreeSet::new();
    for host in &field.hosts {
        let text = fs_err::read_to_string(host.path("/etc/kubernetes/pki/ca.crt"))?;
        known.insert(pem_body(&text));
    }
    ensure!(known.len() == 1, "hosts have {} different CAs", known.len());
    Ok(())
}

/// An upgrade would find the cluster as it left it.
pub fn kubeadm_would_upgrade(field: &Field<'_>) -> Result<()> {
    let first = field.first()?;
    let version = first.shell("kubeadm version -o short")?;
    let version = version.trim();
    succeeded(&first.exec(["kubeadm", "upgrade", "diff", version])?)?;
    let plan = ["kubeadm", "upgrade", "plan", version];
    // labs have no CoreDNS
    let flags = ["--ignore-preflight-errors=all"];
    succeeded(&first.exec(plan.iter().chain(&flags))?)
}

/// Nodes, logs and commands, a new object, and a doctor that has nothing to say.
pub fn everything_works(field: &Field<'_>) -> Result<()> {
    for host in &field.hosts {
        field.cluster.wait_until_ready(host.name())?;
    }
    field.logs_and_commands()?;
    // API servers look at their files once a minute
    let mut said = None;
    let silent = until("a silent doctor", Duration::from_secs(75), || {
        let doctor = field.access.kubepki(&["doctor"])?;
        let is_silent = doctor.success();
        said = Some(doctor);
        Ok(is_silent)
    });
    match said {
        Some(doctor) => succeeded(&doctor),
        None => silent,
    }
}
