//! `doctor` over many hosts: one judgement of all of them.

use crate::cluster::{Cluster, VALID};
use serde_json::Value;

fn findings(diagnosis: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = diagnosis["findings"].as_array().unwrap();
    all.iter()
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| {
            (
                text(&finding["code"]),
                text(&finding["host"]),
                text(&finding["object"]),
            )
        })
        .collect()
}

#[test]
fn a_sound_cluster_is_sound_and_hosts_are_connected_to_each_other() {
    let cluster = Cluster::three_and_two(VALID);
    let run = cluster.kubepki(&["doctor", "-o", "json"]);
    let diagnosis = run.json();
    assert_eq!(findings(&diagnosis), [], "{run}");
    assert_eq!(run.code, 0, "{run}");
    let ids: Vec<&str> = diagnosis["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["id"].as_str().unwrap())
        .collect();
    for id in [
        "kube-apiserver@cp1->kubelet@w2",
        "kube-apiserver@cp3->kubelet@cp1",
        "etcd@cp2->etcd@cp3",
        "kube-apiserver@cp2->etcd@cp2",
    ] {
        assert!(ids.contains(&id), "no {id} in {ids:#?}");
    }
    assert_eq!(
        diagnosis["hosts"],
        serde_json::json!(["cp1", "cp2", "cp3", "w1", "w2"])
    );
}

#[test]
fn the_one_file_that_is_wrong_is_named_with_its_host() {
    let cluster = Cluster::three_and_two(VALID);
    // The same path is right everywhere else.
    let (cp1, cp2) = (cluster.tree("cp1"), cluster.tree("cp2"));
    for ending in ["crt", "key"] {
        let path = format!("/etc/kubernetes/pki/etcd/peer.{ending}");
        cp2.write(&path, cp1.read(&path));
    }
    let run = cluster.kubepki(&["doctor", "-o", "json"]).expect(4);
    let found = findings(&run.json());
    assert!(!found.is_empty(), "{run}");
    for (code, host, object) in &found {
        assert!(
            object.starts_with("/etc/kubernetes/pki/etcd/peer.") && host == "cp2",
            "{code} {host} {object}\n{run}"
        );
    }
}

#[test]
fn a_node_with_another_ca_is_told_from_the_others() {
    let cluster = Cluster::three_and_two(VALID);
    let w2 = cluster.tree("w2");
    // Another CA of the same name: only the key differs.
    w2.remove("/etc/kubernetes/pki/ca.crt");
    w2.issue(
        "/etc/kubernetes/pki/ca",
        &crate::support::Tree::kubeadm().authority("/CN=kubernetes"),
    );
    w2.remove("/etc/kubernetes/pki/ca.key");
    let run = cluster.kubepki(&["doctor", "-o", "json"]).expect(4);
    let found = findings(&run.json());
    assert!(
        found
            .iter()
            .any(|(_, host, object)| host == "w2" && object == "/etc/kubernetes/pki/ca.crt"),
        "{run}"
    );
    assert!(
        found.iter().all(|(_, host, _)| host == "w2"),
        "{found:#?}\n{run}"
    );
}

#[test]
fn a_host_that_was_not_seen_is_a_gap() {
    let cluster = Cluster::three_and_two(VALID);
    cluster.write_document(|name, root| match name {
        "cp3" => "{name: cp3, command: ['false']}".to_owned(),
        _ => format!("{{name: {name}, root: {root}}}"),
    });
    let run = cluster.kubepki(&["doctor", "-o", "json"]).expect(1);
    let diagnosis = run.json();
    let gaps = diagnosis["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["object"] == "cp3"), "{run}");
    assert_eq!(diagnosis["hosts"].as_array().unwrap().len(), 4);
}
