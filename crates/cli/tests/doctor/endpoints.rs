//! Endpoints that are named: what they serve is told, good or bad, and silence is a gap.

use crate::support::Tree;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const PKI: &str = "/etc/kubernetes/pki";

/// OpenSSL's server with a certificate of the tree, on a port that the kernel chose.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(tree: &Tree, base: &str) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
            .arg(tree.path(format!("{PKI}/{base}.crt")))
            .arg("-key")
            .arg(tree.path(format!("{PKI}/{base}.key")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned))
            .unwrap();
        Self {
            process,
            port: port.trim().parse().unwrap(),
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_good_endpoint_is_told_and_changes_nothing() {
    let tree = Tree::kubeadm().valid(300).build();
    let server = Server::start(&tree, "etcd/server");
    let words = ["doctor", "--endpoints", &server.address()];
    let told = tree.kubepki(&[&words[..], &["-o", "json"]].concat());
    let told = told.expect(0).json();
    let endpoint = &told["endpoints"][0];
    assert_eq!(endpoint["address"], server.address());
    assert_eq!(endpoint["onWire"]["state"], "verified", "{endpoint:#}");
    let certificate = tree.certificate(&format!("{PKI}/etcd/server.crt"));
    assert_eq!(endpoint["subject"], certificate.subject().to_string());
    assert_eq!(told["gaps"].as_array().map(Vec::len), Some(1), "{told:#}");
    // Files of another root: an endpoint that answers does not make their processes seen.
    let connections = told["connections"].as_array().unwrap();
    assert!(
        connections
            .iter()
            .all(|connection| connection["loaded"]["state"] != "verified"),
        "{connections:#?}"
    );
    let shown = tree.kubepki(&words).expect(0).stdout;
    assert!(shown.contains(", 1 of 1 endpoint"), "{shown}");
    assert!(shown.contains(&server.address()), "{shown}");
}

#[test]
fn what_an_endpoint_serves_wrongly_is_a_finding_about_the_endpoint() {
    let tree = Tree::kubeadm().valid(5).build();
    let server = Server::start(&tree, "etcd/server");
    let words = ["doctor", "-o", "json", "--endpoints", &server.address()];
    let told = tree.kubepki(&words).expect(4).json();
    let findings = told["findings"].as_array().unwrap();
    let about = findings
        .iter()
        .find(|finding| finding["object"] == server.address());
    assert_eq!(about.unwrap()["code"], "expires-soon", "{findings:#?}");
}

#[test]
fn a_certificate_that_is_not_for_the_address_is_told_in_both_places() {
    let tree = Tree::kubeadm().valid(300).build();
    let server = Server::start(&tree, "apiserver");
    let words = ["doctor", "-o", "json", "--endpoints", &server.address()];
    let told = tree.kubepki(&words).expect(3).json();
    assert_eq!(
        told["endpoints"][0]["onWire"]["state"], "failed",
        "{told:#}"
    );
    let findings = told["findings"].as_array().unwrap();
    let about = findings
        .iter()
        .find(|finding| finding["object"] == server.address());
    let message = about.unwrap()["message"].as_str().unwrap();
    assert!(message.ends_with("not for 127.0.0.1"), "{message}");
}

#[test]
fn an_endpoint_that_does_not_answer_is_a_gap() {
    let tree = Tree::kubeadm().valid(300).build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let words = ["doctor", "-o", "json", "--endpoints", &address];
    let told = tree.kubepki(&words).expect(0).json();
    assert_eq!(told["endpoints"][0]["onWire"]["state"], "unknown");
    let gaps = told["gaps"].to_string();
    assert!(gaps.contains(&address), "{gaps}");
}

#[test]
fn endpoints_can_be_looked_at_from_a_machine_that_is_no_node() {
    let tree = Tree::kubeadm().valid(300).build();
    let server = Server::start(&tree, "etcd/server");
    let elsewhere = Tree::empty();
    let words = ["doctor", "--endpoints", &server.address()];
    let now = format!("--now={}", tree.day(0));
    let shown = elsewhere.kubepki(&[&words[..], &[&now]].concat());
    let shown = shown.expect(0).stdout;
    assert!(shown.contains("1 of 1 endpoint"), "{shown}");
}
