//! Hosts made by kubeadm itself: what `status` says of them is what kubeadm says, before a renewal
//! and after it, and each goes on from what the other has made.

use crate::support::Tree;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

const CONFIGURATION: &str = "\
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.77.0.11, bindPort: 6443}
nodeRegistration: {name: cp1, criSocket: /run/containerd/containerd.sock}
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.20.2
controlPlaneEndpoint: 10.77.0.1:6443
";

/// Runs the real kubeadm with the host as its root folder.
fn kubeadm(tree: &Tree, words: &str) -> String {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS")
        .expect("KUBEBUILDER_ASSETS names the folder of kubeadm");
    let program = PathBuf::from(folder).join("kubeadm");
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = if is_root {
        Command::new(program)
    } else {
        // kubeadm changes its root folder: in a user namespace everybody may.
        let mut command = Command::new("unshare");
        command.arg("--map-root-user").arg(program);
        command
    };
    let output = command
        .args(words.split_whitespace())
        .args(["--config", "/kubeadm.yaml", "--rootfs"])
        .arg(tree.root())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubeadm {words}: {stdout}{stderr}");
    stdout
}

/// A host as `kubeadm init` leaves it before the kubelet has started.
fn host() -> Tree {
    let tree = Tree::kubeadm().before_kubeadm();
    tree.write("/kubeadm.yaml", CONFIGURATION);
    std::fs::create_dir_all(tree.path("/etc/kubernetes")).unwrap();
    for phase in [
        "certs all",
        "kubeconfig all",
        "control-plane all",
        "etcd local",
    ] {
        kubeadm(&tree, &format!("init phase {phase}"));
    }
    tree
}

/// What kubeadm or `status` say of one certificate: its end, to the minute, its CA, and whether that
/// one's key is kept elsewhere.
#[derive(Debug, PartialEq)]
struct Row {
    ends: Option<Timestamp>,
    authority: Option<String>,
    is_external: bool,
}

fn minute(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second() / 60 * 60).unwrap()
}

/// The two tables of `kubeadm certs check-expiration`.
fn according_to_kubeadm(tree: &Tree) -> BTreeMap<String, Row> {
    let text = kubeadm(tree, "certs check-expiration");
    let mut rows = BTreeMap::new();
    let mut columns: Vec<(usize, String)> = Vec::new();
    for line in text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        if line.starts_with("CERTIFICATE") {
            let titles = ["CERTIFICATE AUTHORITY", "EXPIRES", "EXTERNALLY MANAGED"];
            let at = titles
                .iter()
                .map(|title| line.rfind(title).map(|at| (at, (*title).to_owned())));
            columns = at.flatten().collect();
            continue;
        }
        if let Some(name) = line.strip_prefix("!MISSING! ") {
            rows.insert(
                name.trim().to_owned(),
                Row {
                    ends: None,
                    authority: None,
                    is_external: false,
                },
            );
            continue;
        }
        let value = |title: &str| {
            let (at, _) = columns.iter().find(|(_, found)| found == title).unwrap();
            let rest = line.get(*at..).unwrap_or_default();
            rest.split("  ").next().unwrap().trim().to_owned()
        };
        let ends = BrokenDownTime::parse(
            "%b %d, %Y %H:%M UTC %z",
            format!("{} +0000", value("EXPIRES")),
        )
        .unwrap_or_else(|error| panic!("{error}: {line}"));
        let is_authority = columns
            .iter()
            .any(|(at, title)| *at == 0 && title == "CERTIFICATE AUTHORITY");
        let authority = Some(value("CERTIFICATE AUTHORITY"))
            .filter(|authority| !authority.is_empty() && !is_authority);
        rows.insert(
            line.split_whitespace().next().unwrap().to_owned(),
            Row {
                ends: Some(ends.to_timestamp().unwrap()),
                authority,
                is_external: value("EXTERNALLY MANAGED") == "yes",
            },
        );
    }
    rows
}

/// The same of `kubepki status -o json`.
fn according_to_status(tree: &Tree) -> BTreeMap<String, Row> {
    let status = tree.status();
    let mut rows = BTreeMap::new();
    for list in ["certificates", "certificateAuthorities"] {
        for row in status[list].as_array().unwrap() {
            let ends = row["expirationDate"]
                .as_str()
                .map(|time| time.parse().unwrap());
            let name = row["name"].as_str().unwrap().to_owned();
            // kubeadm v1.20 leaves this column empty for kubeconfigs.
            let authority = row["caName"].as_str().filter(|_| !name.ends_with(".conf"));
            assert_eq!(
                row.get("missing") == Some(&Value::Bool(true)),
                ends.is_none(),
                "{row:#}"
            );
            let row = Row {
                ends: ends.map(minute),
                authority: authority.map(str::to_owned).filter(|_| ends.is_some()),
                is_external: row["externallyManaged"] == true,
            };
            rows.insert(name, row);
        }
    }
    rows
}

#[track_caller]
fn assert_agreement(tree: &Tree) {
    let kubeadm = according_to_kubeadm(tree);
    let mut status = according_to_status(tree);
    assert!(kubeadm.len() >= 13, "{kubeadm:#?}");
    // kubeadm does not look at the kubelet.
    assert!(status.remove("kubelet-client").is_some(), "{status:#?}");
    assert_eq!(kubeadm, status);
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn status_agrees_with_kubeadm_before_and_after_a_renewal() {
    let tree = host();
    assert_agreement(&tree);
    let before = according_to_status(&tree);
    let run = tree
        .kubepki(&["renew", "all", "--validity", "400d", "--force", "--yes"])
        .expect(0);
    assert!(run.stderr.contains("11 certificates"), "{run}");
    tree.assert_sound();
    assert_agreement(&tree);
    let after = according_to_status(&tree);
    for (name, row) in &before {
        let same = after[name].ends == row.ends;
        assert_eq!(same, name.ends_with("ca"), "{name}");
    }
    // kubeadm's kubelet.conf holds a certificate that nobody would rotate.
    assert!(
        tree.text("/etc/kubernetes/kubelet.conf")
            .contains("kubelet-client-current.pem")
    );
    tree.kubepki(&["status"]).expect(0);
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn status_agrees_with_kubeadm_about_what_is_elsewhere_or_missing() {
    let tree = host();
    // The only key of a CA that kubeadm v1.20 can do without here.
    tree.remove("/etc/kubernetes/pki/front-proxy-ca.key");
    tree.remove("/etc/kubernetes/pki/etcd/healthcheck-client.crt");
    tree.remove("/etc/kubernetes/admin.conf");
    assert_agreement(&tree);
    let rows = according_to_status(&tree);
    assert!(rows["front-proxy-client"].is_external && !rows["apiserver"].is_external);
    assert!(rows["admin.conf"].ends.is_none());
    tree.kubepki(&["status"]).expect(0);
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn kubeadm_goes_on_from_what_was_renewed_and_the_other_way_round() {
    let tree = host();
    tree.kubepki(&["renew", "all", "--key-type", "ecdsa:p256", "--yes"])
        .expect(0);
    let renewed = kubeadm(&tree, "certs renew all");
    assert_eq!(renewed.matches(" renewed\n").count(), 10, "{renewed}");
    tree.assert_sound();
    tree.kubepki(&["status"]).expect(0);
    assert_agreement(&tree);
    tree.kubepki(&["renew", "all", "--force", "--yes"])
        .expect(0);
    tree.assert_sound();
    assert_agreement(&tree);
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn a_host_made_by_kubeadm_looks_like_this() {
    let tree = host();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "<date and time>  ");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // An hour later no certificate is about to change from one day to the next.
    let later = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    let shown = tree
        .kubepki(&["status", "-o", "wide", "--now", &later])
        .expect(0)
        .stdout;
    settings.bind(|| insta::assert_snapshot!("status_kubeadm", shown));
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn kubeadms_requests_and_those_of_a_renewal_ask_for_the_same_names() {
    let tree = host();
    tree.kubepki(&["renew", "all", "--csr-dir", "/root/requests", "--yes"])
        .expect(0);
    kubeadm(
        &tree,
        "certs generate-csr --cert-dir /root/kubeadms --kubeconfig-dir /root/kubeadms",
    );
    for (ours, theirs) in [
        ("apiserver", "apiserver"),
        ("etcd-server", "etcd/server"),
        ("etcd-peer", "etcd/peer"),
        ("front-proxy-client", "front-proxy-client"),
        ("admin.conf", "admin.conf"),
    ] {
        let show = |path: String| {
            let path = tree.path(path);
            let words = [
                "req",
                "-noout",
                "-subject",
                "-text",
                "-in",
                path.to_str().unwrap(),
            ];
            let text = tree.openssl(&words);
            let names = text.lines().find(|line| line.contains("DNS:")).map(|line| {
                let mut names: Vec<&str> = line.trim().split(", ").collect();
                names.sort_unstable();
                names.join(", ")
            });
            let subject = text.lines().find(|line| line.contains("subject="));
            (subject.unwrap().to_owned(), names)
        };
        let ours = show(format!("/root/requests/{ours}.csr"));
        assert_eq!(ours, show(format!("/root/kubeadms/{theirs}.csr")));
    }
}
