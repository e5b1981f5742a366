//! `status` over many hosts.

use crate::cluster::{Cluster, EXPIRED, VALID};
use serde_json::Value;

#[test]
fn one_table_shows_every_certificate_of_every_host() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let status = cluster.kubepki(&["status"]).expect(4);
    let rows: Vec<&str> = status
        .stdout
        .lines()
        .filter(|line| line.contains(" ago") || line.contains("expired"))
        .collect();
    for host in ["cp1", "cp2", "cp3", "w1", "w2"] {
        let of_host = rows.iter().filter(|line| line.starts_with(host)).count();
        let expected = if host.starts_with("cp") { 12 } else { 2 };
        assert!(of_host >= expected, "{host}: {of_host}\n{status}");
    }
    // The CA is the same on all hosts: one row, with its key where it is.
    let ca: Vec<&str> = status
        .stdout
        .lines()
        .filter(|line| line.starts_with("ca "))
        .collect();
    assert_eq!(ca.len(), 1, "{status}");
    assert!(
        ca[0].contains("on 3 hosts") && ca[0].contains("cp1, cp2, cp3, w1, w2"),
        "{status}"
    );
    assert!(status.stderr.contains("kubepki.yaml"), "{status}");
    assert!(
        status.stderr.contains("40 certificates on 5 hosts"),
        "{status}"
    );
}

#[test]
fn json_holds_the_status_of_each_host() {
    let cluster = Cluster::three_and_two(VALID);
    let status = cluster.kubepki(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(status["kind"], "ClusterStatus");
    assert_eq!(status["clusterName"], "test");
    let hosts = status["hosts"].as_array().unwrap();
    let names: Vec<&str> = hosts
        .iter()
        .map(|host| host["host"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cp1", "cp2", "cp3", "w1", "w2"]);
    for host in hosts {
        // What one host says of itself is the same object as without a document.
        let tree = cluster.tree(host["host"].as_str().unwrap());
        let alone: Value = tree.kubepki(&["status", "-o", "json"]).json();
        assert_eq!(
            host["status"]["certificates"].as_array().unwrap().len(),
            alone["certificates"].as_array().unwrap().len()
        );
        assert_eq!(host["status"]["kind"], "Status");
    }
    assert_eq!(
        (status["seen"].as_u64(), status["notSeen"].as_u64()),
        (Some(5), Some(0))
    );
}

#[test]
fn hosts_are_selected_by_name_and_by_role() {
    let cluster = Cluster::three_and_two(VALID);
    let names = |words: &[&str]| -> Vec<String> {
        let status = cluster.kubepki(words).expect(0).json();
        let hosts = status["hosts"].as_array().unwrap().clone();
        hosts
            .iter()
            .map(|host| host["host"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&["status", "-o", "json", "--hosts", "cp2,w*"]),
        ["cp2", "w1", "w2"]
    );
    assert_eq!(
        names(&["status", "-o", "json", "--role", "worker"]),
        ["w1", "w2"]
    );
    assert_eq!(
        names(&["--role", "control-plane", "status", "-o", "json"]).len(),
        3
    );
    let nobody = cluster
        .kubepki(&["status", "--hosts", "w*", "--role", "etcd"])
        .expect(1);
    assert!(
        nobody.stderr.contains("none of the 2 selected hosts"),
        "{nobody}"
    );
}

#[test]
fn a_host_that_cannot_be_reached_is_told_and_the_others_are_shown() {
    let cluster = Cluster::three_and_two(VALID);
    cluster.write_document(|name, root| match name {
        "w2" => "{name: w2, command: [sh, -c, 'echo no route to host >&2; exit 1']}".to_owned(),
        _ => format!("{{name: {name}, root: {root}}}"),
    });
    let status = cluster.kubepki(&["status"]).expect(1);
    assert!(status.stdout.contains("not seen w2"), "{status}");
    assert!(
        status.stdout.lines().any(|line| line.starts_with("w1 ")),
        "{status}"
    );
    let status = cluster.kubepki(&["status", "-o", "json"]).expect(1).json();
    let last = &status["hosts"][4];
    assert_eq!(last["host"], "w2");
    assert!(
        last["error"]["code"].is_string() && last.get("status").is_none(),
        "{last:#}"
    );
    assert_eq!(status["notSeen"], 1);
}
