//! Verbs that every host runs for itself.

use crate::cluster::{Cluster, EXPIRED, VALID};

#[test]
fn backups_are_made_and_listed_on_every_host() {
    let cluster = Cluster::three_and_two(VALID);
    let made = cluster.kubepki(&["backup", "create"]).expect(0);
    for (host, tree) in &cluster.hosts {
        assert_eq!(
            tree.list("/var/lib/kubepki/backups").len(),
            1,
            "{host}\n{made}"
        );
        assert!(made.stdout.lines().any(|line| line == *host), "{made}");
    }
    let list = cluster
        .kubepki(&["-o", "json", "backup", "list", "--hosts", "cp*"])
        .expect(0)
        .json();
    assert_eq!(list["kind"], "HostResults");
    let hosts = list["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 3);
    for host in hosts {
        assert_eq!(host["exitCode"], 0);
        assert!(host["result"]["kind"].is_string(), "{host:#}");
    }
    // The document is also followed by what compares and forgets.
    cluster.kubepki(&["backup", "diff"]).expect(0);
}

#[test]
fn an_undo_is_asked_about_once_and_done_everywhere() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    for (_, tree) in cluster.hosts.iter().take(3) {
        tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    }
    let refused = cluster.kubepki(&["undo", "--hosts", "cp*"]).expect(2);
    assert!(
        refused
            .stderr
            .contains("Undo the last run on cp1, cp2, cp3?"),
        "{refused}"
    );
    let undone = cluster
        .kubepki(&["undo", "--hosts", "cp*", "--yes"])
        .expect(0);
    for ((host, tree), before) in cluster.hosts.iter().zip(&before) {
        let changed: Vec<_> = tree
            .changed(before)
            .into_iter()
            .filter(|path| !path.starts_with("/var/lib/kubepki"))
            .collect();
        assert_eq!(
            changed,
            Vec::<std::path::PathBuf>::new(),
            "{host}\n{undone}"
        );
    }
}

#[test]
fn the_worst_exit_code_is_everybodys_and_errors_are_told_per_host() {
    let cluster = Cluster::three_and_two(VALID);
    cluster.tree("cp1").kubepki(&["backup", "create"]).expect(0);
    // There is nothing to undo anywhere.
    let undone = cluster
        .kubepki(&["undo", "--yes", "--hosts", "cp1,w1", "-o", "json"])
        .expect(1)
        .json();
    let hosts = undone["hosts"].as_array().unwrap();
    for host in hosts {
        assert_eq!(host["exitCode"], 1, "{host:#}");
        assert_eq!(host["error"]["kind"], "Error", "{host:#}");
    }
    assert_eq!(undone["failed"], 2);
}

#[test]
fn what_is_about_files_follows_the_document_only_when_hosts_are_named() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let ca = "/etc/kubernetes/pki/ca.crt";
    let everywhere = cluster.kubepki(&["ca-hash", ca, "--hosts", "*"]).expect(0);
    let hashes: Vec<&str> = everywhere
        .stdout
        .lines()
        .filter(|line| line.contains("sha256:"))
        .collect();
    assert_eq!(hashes.len(), 5, "{everywhere}");
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{everywhere}");
    let here = cluster.tree("cp1").path(ca);
    let one = cluster
        .kubepki(&["ca-hash", here.to_str().unwrap()])
        .expect(0);
    assert_eq!(one.stdout.trim(), hashes[0].trim());
    let inspected = cluster
        .kubepki(&[
            "inspect",
            "/etc/kubernetes/pki/apiserver.crt",
            "--hosts",
            "cp1,cp2",
            "-o",
            "json",
        ])
        .expect(4)
        .json();
    assert_eq!(inspected["hosts"].as_array().unwrap().len(), 2);
}
