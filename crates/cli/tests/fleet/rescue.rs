//! `rescue` over many hosts and on one, from outside.

use crate::cluster::{Cluster, EXPIRED, VALID};
use crate::support::Output;
use serde_json::Value;

fn assert_valid(result: &Value) {
    let schema = include_str!("../../../../docs/schema/rescue-result.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(result)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{result:#}");
}

fn assert_sound(cluster: &Cluster) {
    for (name, tree) in &cluster.hosts {
        if name.starts_with("cp") {
            tree.assert_sound();
        } else {
            let link = "/var/lib/kubelet/pki/kubelet-client-current.pem";
            tree.assert_pair(link, link);
            tree.assert_signed(link, "/etc/kubernetes/pki/ca.crt");
        }
    }
}

#[test]
fn everything_expired_is_said_in_mending_order_and_mended() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let shown = cluster.kubepki(&["rescue", "--yes"]).expect(0);
    assert_sound(&cluster);
    let place = |text: &str| {
        let found = shown.stdout.find(text);
        found.unwrap_or_else(|| panic!("{text}\n{shown}"))
    };
    assert!(place("BROKEN") < place("Plan "), "{shown}");
    assert!(
        place("etcd has no quorum: 0 of 3") < place("API servers"),
        "{shown}"
    );
    assert!(place("API servers") < place("workers"), "{shown}");
    assert!(place("1. files") < place("NOW ENDS"), "{shown}");
    assert!(shown.stderr.contains("kubepki undo"), "{shown}");
    let again = cluster.kubepki(&["rescue", "--yes"]).expect(0);
    assert!(again.stderr.contains("nothing was changed"), "{again}");
}

#[test]
fn programs_are_told_what_was_found_what_was_done_and_what_is_left() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let result = cluster
        .kubepki(&["rescue", "--yes", "-o", "json"])
        .expect(0)
        .json();
    assert_valid(&result);
    assert_eq!(result["kind"], "RescueResult");
    assert_eq!(result["done"], true);
    assert_eq!(result["left"], serde_json::json!([]));
    assert_eq!(result["outcome"]["hosts"].as_array().unwrap().len(), 5);
    assert!(!result.to_string().contains("PRIVATE KEY"));
    let nothing = cluster
        .kubepki(&["rescue", "--yes", "-o", "json"])
        .expect(0)
        .json();
    assert_valid(&nothing);
    assert_eq!(nothing["carriedOut"], false);
}

#[test]
fn what_is_well_is_not_touched() {
    let cluster = Cluster::three_and_two(VALID);
    let before: Vec<_> = cluster
        .hosts
        .iter()
        .map(|(_, tree)| tree.snapshot())
        .collect();
    let shown = cluster.kubepki(&["rescue", "--yes"]).expect(0);
    assert!(shown.stderr.contains("nothing is broken"), "{shown}");
    for ((_, tree), before) in cluster.hosts.iter().zip(&before) {
        tree.assert_unchanged(before);
    }
}

#[test]
fn a_host_that_cannot_be_reached_is_left_and_told() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before = cluster.tree("w2").snapshot();
    cluster.write_document(|name, root| match name {
        "w2" => "{name: w2, command: ['false']}".to_owned(),
        _ => format!("{{name: {name}, root: {root}}}"),
    });
    let shown: Output = cluster.kubepki(&["rescue", "--yes"]).expect(1);
    assert!(shown.stdout.contains("w2 cannot be looked at"), "{shown}");
    assert!(shown.stderr.contains("w2: not looked at"), "{shown}");
    cluster.tree("w2").assert_unchanged(&before);
    cluster.tree("cp3").assert_sound();
}

#[test]
fn a_plan_can_be_written_reviewed_and_applied() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before = cluster.tree("cp2").snapshot();
    let shown = cluster
        .kubepki(&["rescue", "--plan-out", "rescue.json"])
        .expect(0);
    assert!(shown.stderr.contains("kubepki apply"), "{shown}");
    cluster.tree("cp2").assert_unchanged(&before);
    cluster
        .kubepki(&["apply", "rescue.json", "--yes"])
        .expect(0);
    assert_sound(&cluster);
}

#[test]
fn one_host_alone_is_rescued_like_a_cluster() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let root = cluster.tree("cp1").root();
    let root = root.to_str().unwrap();
    let shown = cluster
        .kubepki(&["rescue", "--root", root, "--yes"])
        .expect(0);
    assert!(shown.stdout.contains("of 1 host"), "{shown}");
    cluster.tree("cp1").assert_sound();
    // Another folder's worker finds no CA key there, and is told so.
    let worker = cluster.tree("w1").root();
    let left = cluster
        .kubepki(&["rescue", "--root", worker.to_str().unwrap(), "--yes"])
        .expect(1);
    assert!(
        left.stderr
            .contains("the key of its CA is on none of the hosts"),
        "{left}"
    );
}

#[test]
fn nobody_is_asked_where_nobody_can_answer() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let before = cluster.tree("cp1").snapshot();
    let refused = cluster.kubepki(&["rescue"]).expect(2);
    assert!(refused.stderr.contains("--yes"), "{refused}");
    cluster.tree("cp1").assert_unchanged(&before);
}
