//! `kubepki join-config --node`: a node's credentials without the API.

use crate::place::{Place, mode};
use serde_json::Value;

#[test]
fn a_nodes_credentials_are_written_for_its_eyes_only() {
    let place = Place::founded();
    let words = ["join-config", "--node", "w3", "--out", "/srv/w3"];
    let object = place.object(&words);
    assert_eq!(object["subject"], "O=system:nodes, CN=system:node:w3");
    assert_eq!(object["server"], "https://10.0.0.1:6443");
    let file = |name: &str| place.path("root/srv/w3").join(name);
    for (name, wanted) in [
        ("", 0o700),
        ("kubelet.conf", 0o600),
        ("client.key", 0o600),
        ("client.crt", 0o644),
        ("ca.crt", 0o644),
        ("README", 0o644),
    ] {
        assert_eq!(mode(&file(name)), wanted, "{name}");
    }
    assert_eq!(
        std::fs::read(file("ca.crt")).unwrap(),
        std::fs::read(place.path("root/etc/kubernetes/pki/ca.crt")).unwrap()
    );
    let inspected = place.run(&[
        "-o",
        "json",
        "inspect",
        file("kubelet.conf").to_str().unwrap(),
        file("client.crt").to_str().unwrap(),
        file("client.key").to_str().unwrap(),
        place
            .path("root/etc/kubernetes/pki/ca.crt")
            .to_str()
            .unwrap(),
    ]);
    let inspected: Value = serde_json::from_str(&inspected.out).unwrap();
    let text = inspected.to_string();
    assert!(
        text.contains("clientAuth") || text.contains("client auth"),
        "{text}"
    );
    let key = std::fs::read_to_string(file("client.key")).unwrap();
    let body = key.lines().nth(1).unwrap();
    assert!(!object.to_string().contains(body));
    assert!(
        !std::fs::read_to_string(file("README"))
            .unwrap()
            .contains(body)
    );

    let again = place.run(&[&["--root", "root"], &words[..]].concat());
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is not empty"), "{}", again.err);
}

#[test]
fn a_name_that_no_node_can_have_is_refused_before_anything_is_made() {
    let place = Place::founded();
    for name in ["W3", "a/b", "w_3", "system:node:w3"] {
        let words = [
            "--root",
            "root",
            "join-config",
            "--node",
            name,
            "--out",
            "/srv/x",
        ];
        let said = place.run(&words);
        assert_eq!(said.code, 2, "{name}");
        assert!(!place.path("root/srv/x").exists());
    }
    let said = place.run(&["--root", "root", "join-config", "--node", "w3"]);
    assert_eq!(said.code, 2, "needs --out");
}

#[test]
fn when_nobody_answers_the_hashes_are_told_all_the_same() {
    let place = Place::founded();
    // nothing listens at port 1 of loopback
    let admin = place.read("root/etc/kubernetes/admin.conf");
    place.write(
        "down.conf",
        admin.replace("https://10.0.0.1:6443", "https://127.0.0.1:1"),
    );
    let folder = place.path("root/etc/kubernetes/pki");
    let words = ["join-config", "--kubeconfig", "down.conf", "--ca-dir"];
    let said = place.run(&[&words[..], &[folder.to_str().unwrap()]].concat());
    assert_eq!(said.code, 1);
    let hash = place
        .run(&["ca-hash", folder.join("ca.crt").to_str().unwrap()])
        .out;
    assert!(said.err.contains(hash.trim()), "{}", said.err);
    assert!(said.err.contains("--node NAME --out DIR"), "{}", said.err);
}
