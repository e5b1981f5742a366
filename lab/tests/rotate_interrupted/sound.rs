//! What "it ended well" means: nothing is left on any host, kubeadm finds its files under their names,
//! every node is Ready, and the doctor has nothing to say that would need looking at.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kubepki_lab::{Host, together, until};

use crate::Field;

/// Every run has its last line: none is open.
const OPEN: &str = "for journal in /var/lib/kubepki/journal/*.jsonl; do [ -e $journal ] || continue; \
    tail -n 1 $journal | grep -q '\"event\":\"finished\"' || echo $journal; done";

/// The successor's files, what is staged, what is parked, and who still names them.
const LEFT: &str = "find /etc/kubernetes /var/lib/kubelet /etc/systemd/system -xdev \
    \\( -name '*-next*' -o -name '*-signer*' -o -name '.*kubepki*' -o -name '*.kubepki-*' \\) \
    -not -path '*/pods/*'; \
    [ ! -d /etc/kubernetes/manifests ] || grep -l -e ca-signer -e -next /etc/kubernetes/manifests/* || true";

/// Keys and certificates that do not belong together; a CA's file with more than one certificate.
const APART: &str = "cd /etc/kubernetes/pki; for crt in *.crt etcd/*.crt; do [ -e $crt ] || continue; \
    [ $(grep -c BEGIN $crt) = 1 ] || echo $crt; key=${crt%.crt}.key; [ -e $key ] || continue; \
    [ \"$(openssl x509 -in $crt -noout -pubkey)\" = \"$(openssl pkey -in $key -pubout)\" ] || echo $crt; done; \
    [ ! -e sa.key ] || [ \"$(openssl pkey -in sa.key -pubout)\" = \"$(cat sa.pub)\" ] || echo sa.pub";

/// Names and contents of what kubeadm made.
const MADE: &str = "cd /etc/kubernetes; find pki *.conf -type f | sort | xargs sha256sum";

/// Fails with the first thing that is left, or not well.
pub fn sound(field: &Field<'_>) -> Result<()> {
    for host in &field.hosts {
        field.cluster.wait_until_ready(host.name())?;
    }
    together(&field.hosts, nothing_is_left)?;
    let kubeadm = |host: &Host| -> Result<()> {
        if host.name().starts_with("cp") {
            host.shell("kubeadm certs check-expiration >/dev/null")?;
        }
        Ok(())
    };
    together(&field.hosts, kubeadm)?;
    ensure!(!field.is_under_way()?, "a rotation is under way");
    let mut said = String::new();
    let doctor = until("the doctor", Duration::from_secs(90), || {
        let doctor = field.access.kubepki(&["doctor"])?;
        said = format!("{}{}", doctor.stdout, doctor.stderr);
        Ok(doctor.success())
    });
    ensure!(doctor.is_ok(), "{said}");
    Ok(())
}

fn nothing_is_left(host: &Host) -> Result<()> {
    for (what, script) in [("open", OPEN), ("left", LEFT), ("do not match", APART)] {
        let found = host.shell(script)?;
        if !found.is_empty() {
            bail!("{what}: {found}");
        }
    }
    let manifests = host.shell("ls -A /etc/kubernetes/manifests 2>/dev/null || true")?;
    let wanted = if host.name().starts_with("cp") { 4 } else { 0 };
    ensure!(
        manifests.lines().count() == wanted,
        "manifests: {manifests}"
    );
    Ok(())
}

impl Field<'_> {
    /// As `rotate status` tells it; waits until everything is seen.
    pub fn is_under_way(&self) -> Result<bool> {
        let mut status = -1;
        until("all to be seen", Duration::from_secs(180), || {
            status = self.access.kubepki(&["rotate", "status"])?.status;
            Ok([0, 3].contains(&status))
        })?;
        Ok(status == 3)
    }
}

/// What lies in `/etc/kubernetes` of every host.
#[derive(PartialEq, Eq)]
pub struct Roots {
    /// By host and file: the SHA-256 of the contents.
    files: BTreeMap<(String, String), String>,
}

impl Roots {
    /// Reads them.
    pub fn of(field: &Field<'_>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for host in &field.hosts {
            for line in host.shell(MADE)?.lines() {
                if let Some((digest, file)) = line.split_once("  ") {
                    let at = (host.name().to_owned(), file.to_owned());
                    files.insert(at, digest.to_owned());
                }
            }
        }
        Ok(Self { files })
    }

    /// Whether what is rotated under this name is another one on the first host.
    pub fn are_others_than(&self, before: &Self, root: &str) -> bool {
        let is_another = |file: &str| {
            let at = ("cp1".to_owned(), file.to_owned());
            self.files.get(&at) != before.files.get(&at)
        };
        [
            ("kubernetes-ca", "pki/ca.crt"),
            ("etcd-ca", "pki/etcd/ca.crt"),
            ("front-proxy-ca", "pki/front-proxy-ca.crt"),
            ("service-account-key", "pki/sa.pub"),
        ]
        .into_iter()
        .filter(|(name, _)| ["all", name].contains(&root))
        .all(|(_, file)| is_another(file))
    }

    /// Which files are others, or are there on one side only.
    pub fn differences(&self, before: &Self) -> String {
        let mut found = String::new();
        for (one, other, what) in [
            (self, before, "new or other"),
            (before, self, "gone or other"),
        ] {
            for (at, digest) in &one.files {
                if other.files.get(at) != Some(digest) {
                    found.push_str(&format!("{what}: {} {}\n", at.0, at.1));
                }
            }
        }
        found
    }
}
