//! The main job: a kubeadm control plane whose certificates have all expired comes back with one
//! command, a second one changes nothing, and the old bytes can be brought back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Host, Lab, Output, until};
use serde_json::Value;

/// What a renewal may write; the manifests are looked at apart.
const FOLDERS: [&str; 3] = [
    "/etc/kubernetes/pki",
    "/etc/kubernetes",
    "/var/lib/kubelet/pki",
];

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn an_expired_control_plane_is_renewed_and_can_be_restored() -> Result<()> {
    let lab = Lab::up(1, 0)?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    ready(&lab)?;
    status_agrees_with_kubeadm(&host)?;

    let authority = std::fs::read(host.path("/etc/kubernetes/pki/ca.crt"))?;
    host.age(30)?;
    assert_eq!(
        std::fs::read(host.path("/etc/kubernetes/pki/ca.crt"))?,
        authority
    );
    locked_out_as_kubernetes_says(&host)?;
    let refused = lab.kubectl(["get", "nodes", "--request-timeout=5s"])?;
    assert!(
        !refused.success(),
        "the API still answers: {}",
        refused.stdout
    );
    let aged = files(&host)?;
    let manifests = folder(&host, "/etc/kubernetes/manifests")?;
    let before = kubepki(&host, &["status", "-o", "json"])?;
    assert_eq!(before.status, 4, "{}", before.stderr);
    let count = certificates(&before)?;
    assert!(count >= 11, "{}", before.stdout);
    assert_eq!(expired(&before)?, count, "{}", before.stdout);

    let renewed = kubepki(&host, &["renew", "all", "--yes", "-o", "json"])?;
    assert!(renewed.success(), "{}\n{}", renewed.stdout, renewed.stderr);
    let result: Value = serde_json::from_str(&renewed.stdout)?;
    assert_eq!(result["verified"], true, "{}", renewed.stdout);
    let nodes = lab.kubectl(["get", "nodes", "--no-headers"])?;
    assert!(
        nodes.stdout.contains(" Ready "),
        "{} {}",
        nodes.stdout,
        nodes.stderr
    );
    let after = kubepki(&host, &["status", "-o", "json"])?;
    assert_eq!(after.status, 0, "{}", after.stdout);
    keys_match(&host)?;

    let fresh = files(&host)?;
    let again = kubepki(&host, &["renew", "all", "--yes"])?;
    assert!(again.success(), "{}", again.stderr);
    assert!(
        again.stderr.contains("nothing to renew"),
        "{}",
        again.stderr
    );
    assert_eq!(differing(&fresh, &files(&host)?), Vec::<PathBuf>::new());

    let restored = kubepki(&host, &["restore", "--yes"])?;
    assert!(
        restored.success(),
        "{}\n{}",
        restored.stdout,
        restored.stderr
    );
    assert_eq!(differing(&aged, &files(&host)?), Vec::<PathBuf>::new());
    let expired_again = kubepki(&host, &["status", "-o", "json"])?;
    assert_eq!(expired(&expired_again)?, count);
    assert_eq!(
        folder(&host, "/etc/kubernetes/manifests")?.len(),
        manifests.len(),
        "nothing but manifests may lie among the manifests"
    );

    // the restoration is a run like any other, and can be undone
    let undone = kubepki(&host, &["undo", "--yes"])?;
    assert!(undone.success(), "{}\n{}", undone.stdout, undone.stderr);
    assert_eq!(differing(&fresh, &files(&host)?), Vec::<PathBuf>::new());
    ready(&lab)
}

/// The lab's own promise: the kubelet cannot start, and kubeadm agrees that all of it has ended.
fn locked_out_as_kubernetes_says(host: &Host) -> Result<()> {
    let healthz = [
        "curl",
        "--silent",
        "--fail",
        "http://127.0.0.1:10248/healthz",
    ];
    assert!(!host.exec(healthz)?.success(), "the kubelet still works");
    let fatal = host.shell("journalctl --unit=kubelet --no-pager | grep -E ': F[0-9]{4} '")?;
    assert!(
        fatal.contains("unable to load bootstrap kubeconfig"),
        "{fatal}"
    );
    let expiration = host.shell("kubeadm certs check-expiration --config /root/kubeadm.yaml")?;
    assert!(expiration.contains("<invalid>"), "{expiration}");
    Ok(())
}

fn ready(lab: &Lab) -> Result<()> {
    until("cp1 to be Ready", Duration::from_secs(90), || {
        let nodes = lab.kubectl(["get", "nodes", "--no-headers"])?;
        Ok(nodes.success() && nodes.stdout.contains(" Ready "))
    })
}

fn kubepki(host: &Host, arguments: &[&str]) -> Result<Output> {
    let command = std::iter::once("kubepki").chain(arguments.iter().copied());
    host.exec(command)
}

fn certificates(status: &Output) -> Result<usize> {
    let status: Value = serde_json::from_str(&status.stdout)?;
    Ok(status["certificates"]
        .as_array()
        .context("no certificates")?
        .len())
}

fn expired(status: &Output) -> Result<usize> {
    let status: Value = serde_json::from_str(&status.stdout)?;
    let rows = status["certificates"]
        .as_array()
        .context("no certificates")?;
    let is_expired = |row: &&Value| {
        let findings = row["findings"].as_array();
        findings.is_some_and(|findings| findings.iter().any(|it| it["code"] == "expired"))
    };
    Ok(rows.iter().filter(is_expired).count())
}

/// What kubeadm's own table says of names, dates, authorities and external management.
fn status_agrees_with_kubeadm(host: &Host) -> Result<()> {
    let table = host.shell("kubeadm certs check-expiration --config /root/kubeadm.yaml")?;
    let status = kubepki(host, &["status", "-o", "json"])?;
    assert_eq!(status.status, 0, "{}", status.stdout);
    let status: Value = serde_json::from_str(&status.stdout)?;
    let mut compared = 0;
    for (list, heading) in [
        ("certificates", "CERTIFICATE  "),
        ("certificateAuthorities", "CERTIFICATE AUTHORITY  "),
    ] {
        let rows = table
            .lines()
            .skip_while(|line| !line.starts_with(heading))
            .skip(1)
            .take_while(|line| !line.trim().is_empty());
        for row in rows {
            let words: Vec<&str> = row.split_whitespace().collect();
            let name = words[0];
            // Jan 02, 2006 15:04 UTC
            let date = words[1..6].join(" ");
            let ours = status[list]
                .as_array()
                .context("no list")?
                .iter()
                .find(|entry| entry["name"] == name)
                .with_context(|| format!("kubeadm knows {name}, status does not"))?;
            let stated = ours["expirationDate"].as_str().context("no date")?;
            assert_eq!(kubeadm_date(stated), date, "{name}");
            let external = ours["externallyManaged"].as_bool().context("no answer")?;
            assert_eq!(
                words.last(),
                Some(if external { &"yes" } else { &"no" }),
                "{name}"
            );
            let authority = ours["caName"].as_str().unwrap_or_default();
            // kubeadm leaves the column empty for kubeconfigs
            if list == "certificates" && !name.ends_with(".conf") {
                assert!(words.contains(&authority), "{name}: {authority} in {row}");
            }
            let seconds = ours["residualTime"].as_i64().context("no residual time")?;
            let days = seconds / 86_400;
            let expected = if days >= 365 {
                format!("{}y", days / 365)
            } else {
                format!("{days}d")
            };
            assert!(
                words.contains(&expected.as_str()),
                "{name}: {expected} in {row}"
            );
            compared += 1;
        }
    }
    // 10 certificates and 3 authorities in v1.20
    assert_eq!(compared, 13, "{table}");
    Ok(())
}

/// `2026-11-22T10:04:05Z` as kubeadm prints it: `Nov 22, 2026 10:04 UTC`.
fn kubeadm_date(stated: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month: usize = stated[5..7].parse().unwrap_or(1);
    format!(
        "{} {}, {} {} UTC",
        MONTHS[month - 1],
        &stated[8..10],
        &stated[..4],
        &stated[11..16]
    )
}

/// OpenSSL's opinion of every pair of files.
fn keys_match(host: &Host) -> Result<()> {
    host.shell(
        "set -e; cd /etc/kubernetes/pki; for crt in *.crt etcd/*.crt; do key=${crt%.crt}.key; \
         [ -f $key ] || continue; \
         [ \"$(openssl x509 -in $crt -noout -pubkey)\" = \"$(openssl pkey -in $key -pubout)\" ] \
         || { echo $crt; exit 1; }; done; \
         openssl verify -x509_strict -CAfile ca.crt apiserver.crt apiserver-kubelet-client.crt; \
         openssl verify -x509_strict -CAfile etcd/ca.crt etcd/server.crt etcd/peer.crt apiserver-etcd-client.crt; \
         openssl verify -x509_strict -CAfile front-proxy-ca.crt front-proxy-client.crt",
    )?;
    Ok(())
}

/// Bytes, mode and link target of every file that a renewal may write.
fn files(host: &Host) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in FOLDERS {
        found.append(&mut folder(host, name)?);
    }
    found.append(&mut folder(host, "/etc/kubernetes/pki/etcd")?);
    Ok(found)
}

fn folder(host: &Host, folder: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(host.path(folder))? {
        let entry = entry?;
        let path = Path::new(folder).join(entry.file_name());
        let metadata = entry.path().symlink_metadata()?;
        let mut seen = format!("{:o} ", metadata.permissions().mode()).into_bytes();
        if metadata.is_symlink() {
            seen.extend(
                std::fs::read_link(entry.path())?
                    .into_os_string()
                    .into_encoded_bytes(),
            );
        } else if metadata.is_file() {
            seen.extend(std::fs::read(entry.path())?);
        } else {
            continue;
        }
        found.insert(path, seen);
    }
    Ok(found)
}

fn differing(
    expected: &BTreeMap<PathBuf, Vec<u8>>,
    found: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<PathBuf> {
    let paths = expected.keys().chain(found.keys());
    let mut differing: Vec<PathBuf> = paths
        .filter(|path| expected.get(*path) != found.get(*path))
        .cloned()
        .collect();
    differing.dedup();
    differing
}
