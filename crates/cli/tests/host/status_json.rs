//! `status -o json`: its fields, its exit codes, and what kubeadm's own output would hold.

use crate::support::{LEAFS, Tree};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Checks a value against one of the shipped schemas.
#[track_caller]
fn assert_valid(schema: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/schema")
        .join(schema);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

fn rows<'a>(status: &'a Value, list: &str) -> &'a Vec<Value> {
    status[list].as_array().unwrap()
}

fn names(status: &Value, list: &str) -> Vec<String> {
    rows(status, list)
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_row_of_kubeadm_is_there_under_kubeadms_names() {
    let tree = Tree::kubeadm().expired(30).super_admin().build();
    let status = tree.status();
    assert_valid("status.json", &status);
    assert_eq!(status["apiVersion"], "kubepki.dev/v1alpha1");
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["host"], "cp1");
    let mut expected: Vec<String> = LEAFS.iter().map(|leaf| leaf.name.to_owned()).collect();
    let more = [
        "admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "super-admin.conf",
    ];
    expected.extend(more.map(str::to_owned));
    expected.extend(["kubelet-client", "kubelet-server"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(&status, "certificates"), expected);
    assert_eq!(
        names(&status, "certificateAuthorities"),
        ["ca", "etcd-ca", "front-proxy-ca"]
    );
    for (row, authority) in rows(&status, "certificates").iter().filter_map(|row| {
        let leaf = LEAFS.iter().find(|leaf| row["name"] == leaf.name)?;
        Some((row, leaf.authority))
    }) {
        let authority = authority
            .rsplit("pki/")
            .next()
            .unwrap()
            .replace("etcd/ca", "etcd-ca");
        assert_eq!(row["caName"], authority.as_str(), "{row:#}");
        assert_eq!(row["externallyManaged"], false);
        assert_eq!(row.get("missing"), None, "kubeadm leaves out what is false");
        let left = row["residualTime"].as_i64().unwrap();
        let days = left / 86_400;
        assert!(
            (-31..=-30).contains(&days),
            "kubeadm counts on below zero: {left}"
        );
        assert_eq!(row["expirationDate"], tree.day(-30).to_string());
    }
}

#[test]
fn a_row_says_what_openssl_says() {
    let tree = Tree::kubeadm().valid(90).build();
    let row = tree.row("apiserver");
    let path = "/etc/kubernetes/pki/apiserver.crt";
    let value = |words: &[&str]| {
        let text = tree.x509(path, words);
        text.trim().rsplit('=').next().unwrap().to_owned()
    };
    assert_eq!(row["path"], path);
    assert_eq!(row["role"], "apiserver-serving");
    assert_eq!(row["serialNumber"], value(&["-serial"]));
    let fingerprint = value(&["-fingerprint", "-sha256"])
        .replace(':', "")
        .to_lowercase();
    assert_eq!(row["fingerprintSha256"], fingerprint);
    assert_eq!(row["subject"], "CN=kube-apiserver");
    assert_eq!(row["issuer"], "CN=kubernetes");
    assert_eq!(row["notBefore"], tree.day(90 - 365).to_string());
    assert_eq!(row["keyType"], "ECDSA-P256");
    assert_eq!(row["signedByCa"], true);
    assert_eq!(row["keyMatches"], true);
    assert_eq!(row["renewable"], true);
    assert_eq!(row["findings"], json!([]));
    assert_eq!(
        row["usedBy"],
        json!([{"component": "kube-apiserver", "flag": "tls-cert-file"}])
    );
    let names = row["subjectAltNames"].as_array().unwrap();
    assert!(
        names.contains(&json!("DNS:kubernetes.default.svc")),
        "{row:#}"
    );
    assert!(names.contains(&json!("IP:10.96.0.1")), "{row:#}");
}

#[test]
fn kubelets_kubeconfigs_and_keys_have_rows_too() {
    let tree = Tree::kubeadm().valid(90).build();
    let row = tree.row("kubelet-client");
    let link = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    assert_eq!(row["path"], link);
    assert_eq!(row["linkTarget"], tree.link_target(link).to_str().unwrap());
    assert_eq!(row["subject"], "O=system:nodes, CN=system:node:cp1");
    let row = tree.row("controller-manager.conf");
    let flags: Vec<&str> = row["usedBy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|used_by| used_by["flag"].as_str().unwrap())
        .collect();
    let expected = [
        "kubeconfig",
        "authentication-kubeconfig",
        "authorization-kubeconfig",
    ];
    assert_eq!(flags, expected);
    let status = tree.status();
    let keys = rows(&status, "serviceAccountKeys");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["half"], "private");
    assert_eq!(keys[1]["half"], "public");
    assert_eq!(keys[0]["fingerprintsSha256"], keys[1]["fingerprintsSha256"]);
    assert_valid("status.json", &status);
}

#[test]
fn the_exit_code_follows_what_was_found() {
    let tree = Tree::kubeadm().valid(20).build();
    tree.kubepki(&["status"]).expect(3);
    tree.kubepki(&["status", "--warn", "10d"]).expect(0);
    tree.kubepki(&["status", "--critical", "25d"]).expect(4);
    tree.kubepki(&["status", "--warn", "9y"]).expect(3);
    let soon = tree.day(15).to_string();
    tree.kubepki(&["status", "--now", &soon]).expect(4);
    let before = tree.day(-400).to_string();
    let run = tree
        .kubepki(&["status", "--now", &before, "-o", "json"])
        .expect(4);
    assert!(run.stdout.contains("not-yet-valid"), "{run}");
    tree.kubepki(&["status", "--warn", "soon"]).expect(2);
}

#[test]
fn yaml_says_the_same() {
    let tree = Tree::kubeadm().valid(90).build();
    let now = tree.now.to_string();
    let run = tree
        .kubepki(&["status", "-o", "yaml", "--now", &now])
        .expect(0);
    let json = tree
        .kubepki(&["status", "-o", "json", "--now", &now])
        .json();
    let yaml: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn a_host_that_is_no_node_is_an_error() {
    let tree = Tree::empty();
    let run = tree.kubepki(&["status"]).expect(1);
    assert!(
        run.stderr
            .contains("no certificate of a Kubernetes cluster was found"),
        "{run}"
    );
    assert!(run.stderr.contains("--root"), "{run}");
    let run = tree.kubepki(&["status", "-o", "json"]).expect(1);
    assert!(run.stderr.contains("\"code\":\"nothing-found\""), "{run}");
    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(status["certificates"], json!([]));
}

#[test]
fn a_disk_without_a_host_name_can_be_read() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.remove("/etc/hostname");
    let run = tree.kubepki(&["status", "-o", "json"]).expect(0);
    assert_eq!(rows(&run.json(), "certificates").len(), 12);
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    // Nothing says what its node is called.
    tree.remove("/var/lib/kubelet/pki");
    tree.replace(
        "/etc/kubernetes/kubelet.conf",
        "system:node:cp1",
        "default-auth",
    );
    let run = tree
        .kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(1);
    assert!(
        run.stderr.contains("there is no certificate to renew"),
        "{run}"
    );
}
