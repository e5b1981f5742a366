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

#[test]
fn a_journal_that_nobody_can_read_stops_that_host_alone() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let w1 = cluster.tree("w1");
    w1.write(
        "/var/lib/kubepki/journal/20260101T000000Z-aaaaaaaa.jsonl",
        "not a journal\n",
    );
    let refused = cluster.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(refused.stderr.contains("w1"), "{refused}");
    assert!(refused.stderr.contains("journal"), "{refused}");
    cluster
        .kubepki(&["renew", "all", "--yes", "--hosts", "!w1"])
        .expect(0);
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
    cluster.tree("w2").kubepki(&["backup", "create"]).expect(0);
    let w2 = cluster.tree("w2");
    w2.replace("/etc/kubernetes/kubelet.conf", "10.77.0.1", "10.77.0.2");
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    let refused = cluster.kubepki(&["apply", "plan.json", "--yes"]).expect(1);
    assert!(
        refused.stderr.contains("w2: /etc/kubernetes/kubelet.conf"),
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
