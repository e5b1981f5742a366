//! `status --api` and `doctor --api` against a real etcd and kube-apiserver that run on the files of a
//! host in a folder.

use crate::components::{Running, free_port, program};
use crate::files::attention;
use crate::output::assert_valid;
use crate::support::{Issue, Output, Tree, base64};
use serde_json::{Value, json};
use std::process::Command;

const PKI: &str = "/etc/kubernetes/pki";

struct Cluster {
    tree: Tree,
    port: u16,
    running: Vec<Running>,
}

impl Cluster {
    fn start() -> Self {
        let tree = Tree::kubeadm().valid(300).build();
        let [client, peer, port] = [(); 3].map(|()| free_port());
        let mut cluster = Self {
            tree,
            port,
            running: Vec::new(),
        };
        cluster.run(
            "etcd",
            &format!(
                "data-dir=etcd-files listen-client-urls=http://127.0.0.1:{client} \
                 advertise-client-urls=http://127.0.0.1:{client} \
                 listen-peer-urls=http://127.0.0.1:{peer} \
                 initial-advertise-peer-urls=http://127.0.0.1:{peer} \
                 initial-cluster=default=http://127.0.0.1:{peer}"
            ),
        );
        let pki = cluster.tree.path(PKI).display().to_string();
        cluster.run(
            "kube-apiserver",
            &format!(
                "bind-address=127.0.0.1 secure-port={port} advertise-address=127.0.0.1 \
                 endpoint-reconciler-type=none service-cluster-ip-range=10.96.0.0/24 \
                 authorization-mode=RBAC cert-dir=made etcd-servers=http://127.0.0.1:{client} \
                 client-ca-file={pki}/ca.crt tls-cert-file={pki}/apiserver.crt \
                 tls-private-key-file={pki}/apiserver.key \
                 proxy-client-cert-file={pki}/front-proxy-client.crt \
                 proxy-client-key-file={pki}/front-proxy-client.key \
                 requestheader-client-ca-file={pki}/front-proxy-ca.crt \
                 requestheader-allowed-names=front-proxy-client \
                 requestheader-username-headers=X-Remote-User \
                 requestheader-group-headers=X-Remote-Group \
                 requestheader-extra-headers-prefix=X-Remote-Extra- \
                 service-account-key-file={pki}/sa.pub \
                 service-account-signing-key-file={pki}/sa.key \
                 service-account-issuer=https://kubernetes.default.svc"
            ),
        );
        let mut apiserver = cluster.running.pop().unwrap();
        apiserver.until("/readyz", || {
            cluster.kubectl(&["get", "--raw", "/readyz"]).is_some()
        });
        cluster.running.push(apiserver);
        cluster
    }

    fn run(&mut self, name: &'static str, flags: &str) {
        let flags: Vec<String> = flags
            .split_whitespace()
            .map(|flag| format!("--{flag}"))
            .collect();
        let running = Running::start(name, &self.tree.scratch(), &flags);
        self.running.push(running);
    }

    fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Standard output of kubectl when it succeeds.
    fn kubectl(&self, words: &[&str]) -> Option<String> {
        let output = Command::new(program("kubectl"))
            .arg("--kubeconfig")
            .arg(self.tree.path("/etc/kubernetes/admin.conf"))
            .args(["--server", &self.server(), "--tls-server-name=10.77.0.1"])
            .args(words)
            .env("HOME", self.tree.scratch())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    #[track_caller]
    fn create(&self, object: Value) {
        let path = self.tree.scratch().join("object.json");
        std::fs::write(&path, object.to_string()).unwrap();
        let made = self.kubectl(&["create", "-f", path.to_str().unwrap()]);
        assert!(made.is_some(), "{object:#}");
    }

    fn bundle(&self, namespace: &str, ca: &str) {
        self.create(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
            "data": {"ca.crt": self.tree.text(ca)},
        }));
    }

    fn tls(&self, name: &str, certificate: &str, key: &str) {
        self.create(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": "shop"},
            "data": {
                "tls.crt": base64(self.tree.read(certificate)),
                "tls.key": base64(self.tree.read(key)),
            },
        }));
    }

    fn kubepki(&self, verb: &str, more: &[&str]) -> Output {
        let admin = self.tree.path("/etc/kubernetes/admin.conf");
        let server = self.server();
        let words = [
            verb,
            "--api",
            "--kubeconfig",
            admin.to_str().unwrap(),
            "--server",
            &server,
        ];
        self.tree.kubepki(&[&words[..], more].concat())
    }
}

fn self_signed(tree: &Tree, base: &str, subject: &str, days: i64) {
    let issue = Issue {
        subject,
        from_days: -10,
        until_days: days,
        extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign",
        ..Issue::default()
    };
    tree.issue(base, &issue);
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn what_lives_in_the_api_is_shown_and_judged() {
    let cluster = Cluster::start();
    let tree = &cluster.tree;
    cluster.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    for namespace in [
        "default",
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "shop",
    ] {
        cluster.bundle(namespace, "/etc/kubernetes/pki/ca.crt");
    }
    let sound = cluster.kubepki("doctor", &["-o", "json"]).expect(0);
    assert_eq!(attention(&sound), [], "{sound}");
    assert_valid("diagnosis.json", &sound.json());
    // Judged as of another day, the clocks agree all the same.
    let later = format!("--now={}", tree.day(200));
    let later = cluster.kubepki("doctor", &["-o", "json", &later]).expect(0);
    assert_eq!(attention(&later), [], "{later}");

    // Four things are wrong now.
    self_signed(tree, "/made/web", "/CN=web", 20);
    self_signed(tree, "/made/other", "/CN=other", 300);
    cluster.tls("web", "/made/web.crt", "/made/web.key");
    cluster.tls("mixed", "/made/other.crt", "/made/web.key");
    cluster
        .kubectl(&["delete", "configmap", "kube-root-ca.crt", "-n", "shop"])
        .unwrap();
    cluster.bundle("shop", "/made/other.crt");
    cluster.create(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "stringData": {
            "token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
        },
    }));

    let status = cluster.kubepki("status", &["-o", "json"]).expect(3);
    assert!(
        !status.stdout.contains("0123456789abcdef"),
        "a secret is shown"
    );
    assert!(!status.stdout.contains("PRIVATE KEY"), "a key is shown");
    let status = status.json();
    assert_valid("status.json", &status);
    let of_cluster = &status["cluster"];
    assert_eq!(of_cluster["counts"]["Namespace"], 5, "{of_cluster:#}");
    let certificates = of_cluster["certificates"].as_array().unwrap();
    let objects: Vec<&str> = certificates
        .iter()
        .map(|row| row["object"].as_str().unwrap())
        .collect();
    assert_eq!(
        objects,
        [
            "Secret shop/web data[tls.crt]",
            "Secret shop/mixed data[tls.crt]"
        ],
        "what ends first comes first"
    );
    assert_eq!(certificates[0]["findings"][0]["code"], "secret-expires");
    assert_eq!(certificates[1]["keyMatches"], false);
    let human = cluster.kubepki("status", &[]).expect(3).stdout;
    for part in [
        "IN THE API",
        "BUNDLE",
        "and 3 like it",
        "BOOTSTRAP TOKEN",
        "abcdef",
    ] {
        assert!(human.contains(part), "{part}: {human}");
    }

    let doctor = cluster.kubepki("doctor", &["-o", "json"]).expect(4);
    assert_valid("diagnosis.json", &doctor.json());
    let mut found: Vec<(String, String)> = attention(&doctor)
        .into_iter()
        .map(|(code, _, object)| (code, object))
        .collect();
    found.sort();
    let expected = [
        (
            "bootstrap-token-unlimited",
            "Secret kube-system/bootstrap-token-abcdef",
        ),
        (
            "root-ca-stale",
            "ConfigMap shop/kube-root-ca.crt data[ca.crt]",
        ),
        ("secret-expires", "Secret shop/web data[tls.crt]"),
        ("secret-key-mismatch", "Secret shop/mixed data[tls.crt]"),
    ]
    .map(|(code, object)| (code.to_owned(), object.to_owned()));
    assert_eq!(found, expected, "{doctor}");
}
