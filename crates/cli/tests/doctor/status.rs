//! What `status` says beyond the host's files: an API that does not answer, and a run that was
//! interrupted.

use crate::output::assert_valid;
use crate::support::Tree;
use crate::support::points::{kill, points};

#[test]
fn an_api_that_does_not_answer_is_a_gap_and_everything_else_is_done() {
    let tree = Tree::kubeadm().valid(300).build();
    let admin = tree.path("/etc/kubernetes/admin.conf");
    // nobody listens on the discard port
    let ask = |verb| {
        let words = [
            verb,
            "-o",
            "json",
            "--api",
            "--kubeconfig",
            admin.to_str().unwrap(),
            "--server",
            "https://127.0.0.1:9",
        ];
        tree.kubepki(&words).expect(1)
    };
    let status = ask("status").json();
    assert_valid("status.json", &status);
    assert_eq!(status["certificates"].as_array().unwrap().len(), 12);
    let diagnosis = ask("doctor").json();
    assert_valid("diagnosis.json", &diagnosis);
    assert!(diagnosis["connections"].as_array().unwrap().len() > 10);
    for gaps in [&status["gaps"], &diagnosis["gaps"]] {
        assert_eq!(gaps[0]["object"], "Kubernetes API", "{gaps:#}");
        let reason = gaps[0]["reason"].as_str().unwrap();
        assert!(reason.contains("does not answer"), "{reason}");
        assert!(reason.contains("admin.conf"), "{reason}");
    }
    let words = ["doctor", "--api", "--kubeconfig", admin.to_str().unwrap()];
    let words = [&words[..], &["--server", "127.0.0.1:9"]].concat();
    let human = tree.kubepki(&words).expect(1).stdout;
    assert!(
        human.contains("the API did not answer; what could"),
        "{human}"
    );
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_an_error() {
    let tree = Tree::kubeadm().valid(300).build();
    let output = tree
        .kubepki(&["status", "--api", "--kubeconfig", "nowhere.conf"])
        .expect(1);
    assert!(output.stderr.contains("nowhere.conf"), "{output}");
    assert!(output.stdout.is_empty(), "{output}");
    let named = [("KUBECONFIG", "/nowhere/config")];
    let output = tree.kubepki_with(&["doctor", "--api"], &named).expect(1);
    assert!(output.stderr.contains("/nowhere/config"), "{output}");
    assert!(output.stderr.contains("KUBECONFIG names it"), "{output}");
}

#[test]
fn a_run_that_was_interrupted_is_in_the_json() {
    let host = Tree::kubeadm().expired(30).build();
    let tree = host.copied();
    let renew = ["renew", "all", "--yes"];
    let is_rename = |effect: &str| effect.starts_with("rename /etc/kubernetes/pki");
    let point = points(&host, &renew)
        .into_iter()
        .rfind(|point| point.mode == "before" && is_rename(&point.effect))
        .unwrap();
    assert!(tree.status().get("interruptedRun").is_none());
    kill(&tree, &renew, &point);
    let status = tree.kubepki(&["status", "-o", "json"]).json();
    assert_valid("status.json", &status);
    let run = &status["interruptedRun"];
    assert_eq!(run["verb"], "renew", "{run:#}");
    assert_eq!(run["stage"], "changing-files", "{run:#}");
    tree.kubepki(&renew).expect(0);
    assert!(tree.status().get("interruptedRun").is_none());
}
