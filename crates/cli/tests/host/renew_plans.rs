//! Plans as files: written, shown, carried out once and only where they were made for.

use crate::support::Tree;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Writes a plan and returns its path.
fn plan(tree: &Tree, words: &[&str]) -> PathBuf {
    let file = tree.scratch().join("plan.json");
    let _ = fs::remove_file(&file);
    let all = [&["renew"], words, &["--plan-out", file.to_str().unwrap()]].concat();
    tree.kubepki(&all).expect(0);
    file
}

#[track_caller]
fn refused(tree: &Tree, file: &std::path::Path, code: &str) -> String {
    let before = tree.snapshot();
    let run = tree
        .kubepki(&["apply", file.to_str().unwrap(), "--yes", "-o", "json"])
        .expect(1);
    let error: Value = serde_json::from_str(&run.stderr[run.stderr.find('{').unwrap()..])
        .unwrap_or_else(|error| panic!("{error}: {run}"));
    assert_eq!(error["code"], code, "{run}");
    tree.assert_unchanged(&before);
    let backups = tree.kubepki(&["backup", "list", "-o", "json"]).json();
    assert_eq!(
        backups["items"].as_array().unwrap().len(),
        0,
        "a backup was made"
    );
    run.stderr
}

#[test]
fn a_plan_is_written_and_nothing_is_done() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let file = plan(&tree, &["all"]);
    tree.assert_unchanged(&before);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("PRIVATE KEY"));
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["kind"], "Plan");
    assert_eq!(written["issuances"].as_array().unwrap().len(), 12);
    let again = tree.kubepki(&["renew", "all", "--plan-out", file.to_str().unwrap()]);
    assert_ne!(
        again.code, 0,
        "a plan that is there was overwritten: {again}"
    );
}

#[test]
fn a_plan_is_carried_out_once() {
    let tree = Tree::kubeadm().expired(30).build();
    let file = plan(&tree, &["all", "--validity", "100d"]);
    tree.kubepki(&["apply", file.to_str().unwrap(), "--yes"])
        .expect(0);
    tree.assert_sound();
    let planned: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let row = tree.row("apiserver");
    assert_eq!(planned["issuances"][1]["name"], "apiserver");
    assert_eq!(row["expirationDate"], planned["issuances"][1]["notAfter"]);
    let before = tree.snapshot();
    let again = tree
        .kubepki(&["apply", file.to_str().unwrap(), "--yes"])
        .expect(1);
    assert!(
        again.stderr.contains("changed after the plan was made"),
        "{again}"
    );
    tree.assert_unchanged(&before);
}

#[test]
fn what_has_changed_since_is_named() {
    for path in [
        "/etc/kubernetes/pki/apiserver.crt",
        "/etc/kubernetes/pki/apiserver.key",
        "/etc/kubernetes/pki/ca.crt",
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/admin.conf",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ] {
        let tree = Tree::kubeadm().expired(30).build();
        let file = plan(&tree, &["all"]);
        let mut contents = tree.read(path);
        contents.extend_from_slice(b"# more\n");
        fs::write(tree.real_path(path.as_ref()), contents).unwrap();
        let error = refused(&tree, &file, "world-changed");
        assert!(error.contains(path), "{path}: {error}");
        assert!(error.contains("make a new plan"), "{error}");
    }
}

#[test]
fn what_has_gone_or_appeared_since_is_a_change() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove("/var/lib/kubelet/pki/kubelet-client-current.pem");
    let kept = tree.read("/etc/kubernetes/pki/etcd/peer.key");
    tree.remove("/etc/kubernetes/pki/etcd/peer.key");
    let file = plan(&tree, &["all"]);
    tree.write("/etc/kubernetes/pki/etcd/peer.key", &kept);
    let error = refused(&tree, &file, "world-changed");
    assert!(error.contains("peer.key"), "{error}");
    assert!(error.contains("no file"), "{error}");
    tree.remove("/etc/kubernetes/pki/etcd/peer.key");
    tree.remove("/etc/kubernetes/pki/etcd/server.crt");
    let error = refused(&tree, &file, "world-changed");
    assert!(error.contains("server.crt"), "{error}");
}

#[test]
fn an_edited_plan_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    let file = plan(&tree, &["apiserver"]);
    let text = fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("\"rsa:2048\"", "\"ed25519\""),
        ("\"ecdsa:p256\"", "\"ed25519\""),
        ("pki/apiserver.crt", "pki/other.crt"),
    ] {
        let edited = text.replace(from, to);
        if edited == text {
            continue;
        }
        fs::write(&file, edited).unwrap();
        let error = refused(&tree, &file, "plan-file");
        assert!(error.contains("changed after it was made"), "{error}");
    }
    // Only the layout of the text is the editor's own.
    let value: Value = serde_json::from_str(&text).unwrap();
    fs::write(&file, serde_json::to_string(&value).unwrap()).unwrap();
    tree.kubepki(&["apply", file.to_str().unwrap(), "--yes"])
        .expect(0);
}

#[test]
fn what_is_no_plan_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    let file = tree.scratch().join("plan.json");
    for text in [
        "",
        "{}",
        "[1]",
        "{\"apiVersion\": \"kubepki.dev/v2\", \"kind\": \"Plan\"}",
    ] {
        fs::write(&file, text).unwrap();
        refused(&tree, &file, "plan-file");
    }
    refused(&tree, &tree.scratch().join("absent.json"), "not-found");
}

#[test]
fn a_plan_for_another_host_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    let file = plan(&tree, &["all"]);
    tree.write("/etc/hostname", "cp2\n");
    let error = refused(&tree, &file, "other-host");
    assert!(error.contains("for host cp1, this is cp2"), "{error}");
}

#[test]
fn an_empty_plan_does_nothing() {
    let tree = Tree::kubeadm().valid(90).build();
    let file = plan(&tree, &["all", "--only-expiring", "30d"]);
    let before = tree.snapshot();
    tree.kubepki(&["apply", file.to_str().unwrap(), "--yes"])
        .expect(0);
    tree.assert_unchanged(&before);
}

#[test]
fn results_for_programs_hold_the_plan_and_what_came_of_it() {
    let tree = Tree::kubeadm().expired(30).build();
    let run = tree
        .kubepki(&["renew", "apiserver", "--yes", "-o", "json"])
        .expect(0);
    let result = run.json();
    assert_eq!(result["kind"], "RunResult");
    assert_eq!(result["plan"]["issuances"][0]["name"], "apiserver");
    let written = result["written"].to_string();
    assert!(
        written.contains("apiserver.crt") && written.contains("apiserver.key"),
        "{written}"
    );
    assert!(tree.exists(result["backup"].as_str().unwrap()));
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let nothing = tree
        .kubepki(&["renew", "all", "--yes", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(nothing["kind"], "Plan");
    assert_eq!(nothing["issuances"].as_array().unwrap().len(), 0);
}
