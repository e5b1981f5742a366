//! `renew` and `apply` over many hosts.

use crate::cluster::{Cluster, EXPIRED, VALID};
use std::collections::BTreeMap;

/// Files of every host that hold certificates, by host.
fn assert_all_renewed(cluster: &Cluster) {
    for (name, tree) in &cluster.hosts {
        if name.starts_with("cp") {
            tree.assert_sound();
            continue;
        }
        for kind in ["client", "server"] {
            let link = format!("/var/lib/kubelet/pki/kubelet-{kind}-current.pem");
            tree.assert_pair(&link, &link);
            tree.assert_signed(&link, "/etc/kubernetes/pki/ca.crt");
        }
    }
}

#[test]
fn everything_on_every_host_is_renewed_and_no_key_leaves_its_host() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before = cluster.private_keys();
    let renewed = cluster.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_all_renewed(&cluster);
    let status = cluster.kubepki(&["status"]).expect(0);
    assert!(!status.stdout.contains("expired"), "{status}");
    // A worker's certificate is signed by the CA of a control plane, with a key that was made there.
    let after = cluster.private_keys();
    let shared = |keys: &BTreeMap<String, Vec<&'static str>>| -> Vec<Vec<&'static str>> {
        keys.values()
            .filter(|hosts| hosts.len() > 1)
            .cloned()
            .collect()
    };
    assert!(after.len() > before.len(), "{renewed}");
    assert_eq!(
        shared(&after),
        shared(&before),
        "a key is on another host too\n{renewed}"
    );
    assert!(
        after.values().filter(|hosts| hosts.contains(&"w1")).count() >= 4,
        "old and new keys of w1"
    );
    assert_eq!(
        crate::cluster::private_keys_below(cluster.folder.path()),
        Vec::<String>::new(),
        "a key lies with the operator"
    );
    // Nothing is left to do.
    let again = cluster.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(again.stderr.contains("nothing to renew"), "{again}");
}

#[test]
fn what_was_done_is_told_host_by_host_for_programs() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let result = cluster
        .kubepki(&["renew", "all", "--yes", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(result["kind"], "ClusterRunResult");
    assert_eq!(result["done"], true);
    let hosts = result["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 5);
    for host in hosts {
        assert_eq!(host["state"], "done", "{host:#}");
        assert!(host["runs"][0]["run"].is_string(), "{host:#}");
        assert_eq!(host["error"], serde_json::Value::Null);
    }
    assert!(!result.to_string().contains("PRIVATE KEY"));
}

#[test]
fn a_host_that_cannot_be_seen_stops_the_renewal_before_anything_is_changed() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    cluster.write_document(|name, root| match name {
        "w2" => "{name: w2, command: ['false']}".to_owned(),
        _ => format!("{{name: {name}, root: {root}}}"),
    });
    let refused = cluster.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(refused.stderr.contains("w2"), "{refused}");
    assert!(refused.stderr.contains("--hosts '!w2'"), "{refused}");
    for ((_, tree), before) in cluster.hosts.iter().zip(&before) {
        tree.assert_unchanged(before);
    }
    cluster
        .kubepki(&["renew", "all", "--yes", "--hosts", "!w2"])
        .expect(0);
    cluster.tree("w2").assert_unchanged(&before[4]);
    cluster.tree("cp3").assert_sound();
}

/// The journal of a renewal that was done, with its last line cut off: as if it were interrupted.
fn interrupted(tree: &crate::support::Tree) -> String {
    tree.kubepki(&["renew", "etcd-peer", "--yes"]).expect(0);
    let folder = "/var/lib/kubepki/journal";
    let journal = format!("{folder}/{}", tree.list(folder)[0]);
    let text = tree.text(&journal);
    let end = text.trim_end().rfind('\n').unwrap();
    tree.write(&journal, &text[..=end]);
    journal
}

#[test]
fn what_was_interrupted_is_settled_before_anything_is_planned() {
    let cluster = Cluster::three_and_two(EXPIRED);
    interrupted(cluster.tree("cp3"));
    let status = cluster.kubepki(&["status"]).expect(4);
    assert!(status.stdout.contains("interrupted run"), "{status}");
    let planned = cluster
        .kubepki(&["renew", "all", "--plan-out", "plan.json"])
        .expect(1);
    assert!(planned.stderr.contains("interrupted"), "{planned}");
    let renewed = cluster.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(renewed.stderr.contains("it can be finished"), "{renewed}");
    assert_all_renewed(&cluster);
    cluster.kubepki(&["status"]).expect(0);
}

#[test]
fn a_journal_of_a_newer_version_stops_the_renewal_of_its_host() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let cp3 = cluster.tree("cp3");
    let journal = interrupted(cp3);
    cp3.replace(&journal, "\"version\":1", "\"version\":7");
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    let refused = cluster.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(refused.stderr.contains("cp3: "), "{refused}");
    assert!(
        refused.stderr.contains("written by a newer kubepki"),
        "{refused}"
    );
    for ((_, tree), before) in cluster.hosts.iter().zip(&before) {
        tree.assert_unchanged(before);
    }
    cluster
        .kubepki(&["renew", "all", "--yes", "--hosts", "!cp3"])
        .expect(0);
    cluster.tree("w2").assert_signed(
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/etc/kubernetes/pki/ca.crt",
    );
}

#[test]
fn a_plan_is_saved_reviewed_and_carried_out_later() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    cluster
        .kubepki(&["renew", "all", "--plan-out", "plan.json"])
        .expect(0);
    for ((_, tree), before) in cluster.hosts.iter().zip(&before) {
        tree.assert_unchanged(before);
    }
    let plan = std::fs::read_to_string(cluster.path("plan.json")).unwrap();
    assert!(plan.contains("\"ClusterPlan\"") && !plan.contains("PRIVATE KEY"));
    cluster.kubepki(&["apply", "plan.json", "--yes"]).expect(0);
    assert_all_renewed(&cluster);
    let twice = cluster.kubepki(&["apply", "plan.json", "--yes"]).expect(1);
    assert!(twice.stderr.contains("make a new plan"), "{twice}");
}

#[test]
fn a_plan_that_no_longer_fits_one_host_is_carried_out_on_none() {
    let cluster = Cluster::three_and_two(EXPIRED);
    cluster
        .kubepki(&["renew", "all", "--plan-out", "plan.json"])
        .expect(0);
    let w2 = cluster.tree("w2");
    let file = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let link = w2.link_target(file);
    w2.write(&link, [w2.read(&link), b"\n".to_vec()].concat());
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    let refused = cluster.kubepki(&["apply", "plan.json", "--yes"]).expect(1);
    assert!(
        refused
            .stderr
            .contains("w2: /var/lib/kubelet/pki/kubelet-client"),
        "{refused}"
    );
    for ((_, tree), before) in cluster.hosts.iter().zip(&before) {
        tree.assert_unchanged(before);
    }
}

#[test]
fn nothing_is_renewed_without_a_yes() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let refused = cluster.kubepki(&["renew", "all"]).expect(2);
    assert!(refused.stdout.contains("Plan "), "{refused}");
    assert!(refused.stderr.contains("Carry out this plan?"), "{refused}");
    let sound = Cluster::three_and_two(VALID);
    let nothing = sound
        .kubepki(&["renew", "all", "--only-expiring", "30d", "--yes"])
        .expect(0);
    assert!(nothing.stderr.contains("nothing to renew"), "{nothing}");
}
