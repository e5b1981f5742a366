//! A host laid out by hand, some of its files named by no flag and by no table: found by the layout that
//! its user declares, on this host and through an agent that is told it.

use crate::maker::{BOTH, Leaf, Maker};
use crate::support::{Output, Tree};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Where this user keeps certificates; CA keys lie in a safe, beside nothing.
const PKI: &str = "/opt/k8s/tls";
const SAFE: &str = "/opt/safe/signer.pem";

const LAYOUT: &str = r#"
apiVersion: kubepki.dev/v1alpha1
kind: Layout
authorities:
- {name: house, subject: {commonName: house-ca}, certificate: /opt/k8s/tls/authority.pem, key: /opt/safe/signer.pem, role: ca}
certificates:
- name: api
  signer: house
  subject: {commonName: kube-apiserver}
  names: [kubernetes, 10.68.0.1]
  usages: [serverAuth]
  certificate: /opt/k8s/tls/api.pem
  key: /opt/k8s/tls/private/api.pem
- name: metrics
  signer: house
  subject: {commonName: metrics, organizations: [watchers]}
  names: [metrics.internal]
  usages: [serverAuth, clientAuth]
  certificate: /opt/monitoring/metrics.pem
  key: /opt/monitoring/metrics-secret.pem
kubeconfigs:
- {name: operator, signer: house, subject: {commonName: operator, organizations: ["system:masters"]}, file: /opt/ops/operator.yaml, server: "https://127.0.0.1:6443"}
"#;

fn host() -> Tree {
    let maker = Maker::on(Tree::empty(), 30);
    maker.authority(
        "ca",
        "/CN=house-ca",
        &format!("{PKI}/authority.pem"),
        Some(SAFE),
    );
    let leaf = |certificate: &str, key: &str, subject: &str, names: &str| {
        maker.leaf(&Leaf {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            by: "ca",
            subject,
            usages: BOTH,
            names,
        });
    };
    leaf(
        &format!("{PKI}/api.pem"),
        &format!("{PKI}/private/api.pem"),
        "/CN=kube-apiserver",
        "DNS:kubernetes,IP:10.68.0.1",
    );
    leaf(
        "/opt/monitoring/metrics.pem",
        "/opt/monitoring/metrics-secret.pem",
        "/O=watchers/CN=metrics",
        "DNS:metrics.internal",
    );
    leaf(
        "/made/operator.pem",
        "/made/operator-key.pem",
        "/O=system:masters/CN=operator",
        "",
    );
    maker.embedding(
        "/opt/ops/operator.yaml",
        &format!("{PKI}/authority.pem"),
        "/made/operator.pem",
        "/made/operator-key.pem",
    );
    maker.unit(
        "kube-apiserver",
        &[
            &format!("--client-ca-file={PKI}/authority.pem"),
            &format!("--tls-cert-file={PKI}/api.pem"),
            &format!("--tls-private-key-file={PKI}/private/api.pem"),
        ],
    );
    let tree = maker.made();
    std::fs::write(tree.scratch().join("layout.yaml"), LAYOUT).unwrap();
    tree
}

/// What is listed with its role, by name.
fn listed(status: &serde_json::Value) -> BTreeMap<String, String> {
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = status["certificates"].as_array().unwrap().iter();
    rows.map(|row| (word(&row["name"]), word(&row["role"])))
        .collect()
}

fn expected(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter()
        .map(|(name, role)| ((*name).to_owned(), (*role).to_owned()))
        .collect()
}

/// The binary on hosts of a document, each behind an agent.
fn with_document(tree: &Tree, words: &[&str]) -> Output {
    let text = format!(
        "apiVersion: kubepki.dev/v1alpha1\nkind: Cluster\nlayout: layout.yaml\nhosts:\n- {{name: cp1, root: {}}}\n",
        tree.root().display()
    );
    std::fs::write(tree.scratch().join("kubepki.yaml"), text).unwrap();
    let output = Command::new("setsid")
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_kubepki"))
        .args(words)
        .current_dir(tree.scratch())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Output {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

const ALL: &[(&str, &str)] = &[
    ("apiserver", "apiserver-serving"),
    ("metrics", "other"),
    ("operator", "admin"),
];

#[test]
fn what_no_flag_names_is_found_and_renewed_by_the_users_layout() {
    let tree = host();
    let bare = tree.status();
    assert_eq!(
        listed(&bare),
        expected(&[("apiserver", "apiserver-serving")])
    );
    // The key lies beside nothing: without the layout nobody could sign.
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(
        run.stderr.contains("signer") || run.stderr.contains("key"),
        "{run}"
    );

    let status = tree
        .kubepki(&["--layout", "layout.yaml", "status", "-o", "json"])
        .json();
    assert_eq!(listed(&status), expected(ALL));
    assert_eq!(status["layout"]["name"], "declared");
    let evidence = status["layout"]["evidence"].as_str().unwrap();
    assert!(evidence.contains("by-hand"), "{evidence}");

    let renew = ["renew", "all", "--layout", "layout.yaml", "--yes"];
    tree.kubepki(&renew).expect(0);
    for (certificate, key) in [
        (format!("{PKI}/api.pem"), format!("{PKI}/private/api.pem")),
        (
            "/opt/monitoring/metrics.pem".to_owned(),
            "/opt/monitoring/metrics-secret.pem".to_owned(),
        ),
    ] {
        tree.assert_pair(&certificate, &key);
        tree.assert_signed(&certificate, &format!("{PKI}/authority.pem"));
    }
    let before = tree.snapshot();
    tree.kubepki(&renew).expect(0);
    tree.assert_unchanged(&before);
}

#[test]
fn what_is_lost_is_made_after_the_layout_where_it_is_asked_for() {
    let tree = host();
    tree.remove("/opt/monitoring/metrics.pem");
    tree.remove("/opt/monitoring/metrics-secret.pem");
    let layout = ["--layout", "layout.yaml"];
    let status = tree.kubepki(&[&layout[..], &["status", "-o", "json"]].concat());
    // The signer's key is here, so what is declared and absent is missed.
    assert!(
        status.json()["certificates"]
            .to_string()
            .contains("metrics")
    );
    let renew = [&layout[..], &["renew", "metrics", "--yes"]].concat();
    let run = tree.kubepki(&renew).expect(1);
    assert!(run.stderr.contains("there is no certificate"), "{run}");
    let run = tree
        .kubepki(&[&renew[..], &["--profiles", "layout"]].concat())
        .expect(0);
    assert!(
        run.stderr.contains("made-from-layout") || run.stdout.contains("the layout says"),
        "{run}"
    );
    let made = tree.x509(
        "/opt/monitoring/metrics.pem",
        &["-subject", "-ext", "subjectAltName,extendedKeyUsage"],
    );
    for part in [
        "watchers",
        "metrics",
        "DNS:metrics.internal",
        "Client Authentication",
    ] {
        assert!(made.contains(part), "{part} in {made}");
    }
}

#[test]
fn an_agent_is_told_the_layout_and_looks_at_nothing_else() {
    let tree = host();
    let status = with_document(&tree, &["status", "-o", "json"]);
    let object = status.json();
    let host = &object["hosts"][0];
    assert_eq!(listed(&host["status"]), expected(ALL), "{object:#}");
    with_document(&tree, &["renew", "all", "--yes"]).expect(0);
    tree.assert_signed(
        "/opt/monitoring/metrics.pem",
        &format!("{PKI}/authority.pem"),
    );
    // A verb that every host runs for itself is told it as well.
    let run = with_document(&tree, &["backup", "create"]).expect(0);
    assert!(!run.stderr.contains("not-a-layout"), "{run}");

    // Files that are called otherwise are not looked at, and a link counts by what is behind it.
    tree.write("/etc/shadow", "root:*:1::::::\n");
    tree.symlink("/opt/k8s/tls/link.pem", "/etc/shadow");
    for path in ["/etc/shadow", "/opt/k8s/tls/link.pem", "/opt/../etc/x.pem"] {
        let text = LAYOUT.replace("/opt/monitoring/metrics.pem", path);
        std::fs::write(tree.scratch().join("layout.yaml"), text).unwrap();
        let run = with_document(&tree, &["status", "-o", "json"]);
        assert!(run.stdout.contains("layout-path-refused"), "{path}: {run}");
    }
}
