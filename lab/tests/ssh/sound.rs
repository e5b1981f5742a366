//! What "nothing is left of it" means, on each host and of the cluster.

use anyhow::{Result, bail, ensure};
use kubepki_lab::{Cluster, Host, SshAccess, together};

use crate::reach::ok;

/// Every run has its last line: none is open.
const OPEN: &str = "for journal in /var/lib/kubepki/journal/*.jsonl; do [ -e $journal ] || continue; \
    tail -n 1 $journal | grep -q '\"event\":\"finished\"' || echo $journal; done";

/// What is staged beside its target, or one folder above; what is parked.
const STAGED: &str = "find /etc/kubernetes /var/lib/kubelet /etc/systemd/system -xdev \
    \\( -name '.*kubepki*' -o -name '*.kubepki-*' -o -name '.kubepki*' \\) -not -path '*/pods/*'; \
    find /var/lib/kubepki/agent -name '.*' -type f; \
    ls -A /var/lib/kubepki | grep -v -x -e lock -e journal -e backups -e agent || true";

/// Keys and certificates that do not belong together.
const APART: &str = "cd /etc/kubernetes/pki; for crt in *.crt etcd/*.crt; do key=${crt%.crt}.key; \
    [ -e $key ] || continue; \
    [ \"$(openssl x509 -in $crt -noout -pubkey)\" = \"$(openssl pkey -in $key -pubout)\" ] || echo $crt; done; \
    pem=/var/lib/kubelet/pki/kubelet-client-current.pem; \
    [ \"$(openssl x509 -in $pem -noout -pubkey)\" = \"$(openssl pkey -in $pem -pubout)\" ] || echo $pem";

/// Fails with the first thing that is left, or not well.
pub fn sound(cluster: &Cluster, access: &SshAccess) -> Result<()> {
    let hosts = cluster.hosts()?;
    together(&hosts, nothing_is_left)?;
    for host in &hosts {
        cluster.wait_until_ready(host.name())?;
    }
    let status = access.kubepki(&["status"])?;
    ok(&status)?;
    let said = format!("{}{}", status.stdout, status.stderr);
    ensure!(!said.contains("interrupted"), "{said}");
    let doctor = access.kubepki(&["doctor"])?;
    ok(&doctor)
}

fn nothing_is_left(host: &Host) -> Result<()> {
    for (what, script) in [("open", OPEN), ("left", STAGED), ("do not match", APART)] {
        let found = host.shell(script)?;
        if !found.is_empty() {
            bail!("{what}: {found}");
        }
    }
    let is_control_plane = host.name().starts_with("cp");
    let manifests = host.shell("ls -A /etc/kubernetes/manifests 2>/dev/null || true")?;
    ensure!(
        manifests.lines().count() == if is_control_plane { 4 } else { 0 },
        "manifests: {manifests}"
    );
    Ok(())
}
