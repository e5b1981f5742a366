//! Who signed what and which key fits what, among everything that is given.

use super::support::{CA_EXTENSIONS, Issue, Workplace, codes};
use serde_json::{Value, json};
use std::fs;

fn by_path<'a>(items: &'a [Value], path: &str) -> &'a Value {
    items
        .iter()
        .find(|item| item["location"]["path"] == path)
        .unwrap()
}

#[test]
fn the_signer_is_found_by_signature_among_equal_names() {
    let here = Workplace::new();
    for ca in ["one", "two", "three"] {
        here.ca(ca, "/CN=kubernetes");
    }
    here.server("leaf", "two");
    let items = here.items(&["one.crt", "two.crt", "three.crt", "leaf.crt"]);
    let signer = &by_path(&items, "leaf.crt")["signedBy"];
    assert_eq!(signer["location"], json!({"path": "two.crt", "index": 1}));
    assert_eq!(codes(by_path(&items, "leaf.crt")), [""; 0]);
}

#[test]
fn a_ca_of_the_right_name_that_did_not_sign_is_told() {
    let here = Workplace::new();
    here.ca("real", "/CN=kubernetes");
    here.ca("pki/ca", "/CN=kubernetes");
    here.server("leaf", "real");
    fs::rename(here.path("leaf.crt"), here.path("pki/leaf.crt")).unwrap();
    let (value, outcome) = here.json(&["pki/leaf.crt", "pki/ca.crt"]);
    let leaf = &value["items"][0];
    assert_eq!(leaf["signedBy"], Value::Null);
    assert_eq!(codes(leaf), ["not-signed-by-ca"]);
    assert_eq!(outcome.code, 3);
    // in another folder the same name may well be another cluster's
    fs::rename(here.path("pki/leaf.crt"), here.path("leaf.crt")).unwrap();
    let items = here.items(&["leaf.crt", "pki/ca.crt"]);
    assert_eq!(codes(&items[0]), [""; 0]);
}

#[test]
fn a_chain_over_an_intermediate() {
    let here = Workplace::new();
    here.ca("root", "/CN=root");
    here.issue(
        "middle",
        &Issue {
            subject: "/CN=middle",
            by: Some("root"),
            extensions: CA_EXTENSIONS,
            ..Issue::default()
        },
    );
    here.server("leaf", "middle");
    here.write(
        "chain.pem",
        here.text("leaf.crt") + &here.text("middle.crt") + &here.text("root.crt"),
    );
    let items = here.items(&["chain.pem"]);
    let signers: Vec<_> = items
        .iter()
        .map(|item| item["signedBy"]["name"].clone())
        .collect();
    assert_eq!(signers, [json!("CN=middle"), json!("CN=root"), Value::Null]);
    assert_eq!(items[2]["signedBy"]["itself"], true);
}

#[test]
fn the_key_beside_a_file_is_looked_at_without_being_named() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    let (value, outcome) = here.json(&["web.crt"]);
    assert_eq!(
        value["items"].as_array().unwrap().len(),
        1,
        "the key itself is not shown"
    );
    assert_eq!(value["items"][0]["keyMatches"], true);
    assert_eq!(outcome.code, 0);

    here.key("web", "ec:P-256");
    let (value, outcome) = here.json(&["web.crt"]);
    assert_eq!(value["items"][0]["keyMatches"], false);
    assert_eq!(value["items"][0]["keyLocation"]["path"], "web.key");
    assert_eq!(codes(&value["items"][0]), ["key-mismatch"]);
    assert_eq!(outcome.code, 4);

    fs::remove_file(here.path("web.key")).unwrap();
    assert_eq!(here.items(&["web.crt"])[0]["keyMatches"], Value::Null);
}

#[test]
fn a_wrong_key_beside_it_counts_even_when_the_right_one_lies_elsewhere() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("pki/web", "ca");
    fs::create_dir(here.path("safe")).unwrap();
    fs::rename(here.path("pki/web.key"), here.path("safe/web.key")).unwrap();
    let items = here.items(&["pki", "safe"]);
    assert_eq!(
        by_path(&items, "pki/web.crt")["keyLocation"]["path"],
        "safe/web.key"
    );
    here.key("pki/web", "ec:P-256");
    let items = here.items(&["pki", "safe"]);
    assert_eq!(codes(by_path(&items, "pki/web.crt")), ["key-mismatch"]);
}

#[test]
fn only_the_first_of_a_chain_must_fit_the_key() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    here.write(
        "bundle.pem",
        here.text("web.crt") + &here.text("ca.crt") + &here.text("web.key"),
    );
    let items = here.items(&["bundle.pem"]);
    assert_eq!(items[0]["keyMatches"], true);
    assert_eq!(items[1]["keyMatches"], Value::Null);
    // a CA bundle whose key belongs to the new certificate
    here.ca("new", "/CN=ca");
    here.write("both.crt", here.text("ca.crt") + &here.text("new.crt"));
    here.write("both.key", here.text("new.key"));
    let (value, outcome) = here.json(&["both.crt", "both.key"]);
    assert_eq!(value["items"][1]["keyMatches"], true);
    assert_eq!(outcome.code, 0, "{value:#}");
}

#[test]
fn more_files_than_one_portion_find_the_ca_of_an_earlier_one() {
    let here = Workplace::new();
    here.ca("many/0-ca", "/CN=ca");
    here.server("leaf", "many/0-ca");
    let text = here.text("leaf.crt");
    for number in 0..5000 {
        here.write(&format!("many/{number:04}.crt"), &text);
    }
    here.write("many/4999.key", here.text("leaf.key"));
    let (value, outcome) = here.json(&["many"]);
    let items = value["items"].as_array().unwrap();
    let leafs: Vec<_> = items
        .iter()
        .filter(|item| item["subject"] == "CN=kube-apiserver")
        .collect();
    assert_eq!(leafs.len(), 5000);
    assert!(
        leafs
            .iter()
            .all(|leaf| leaf["signedBy"]["location"]["path"] == "many/0-ca.crt")
    );
    assert_eq!(leafs[4999]["keyMatches"], true);
    let paths: Vec<_> = items
        .iter()
        .map(|item| item["location"]["path"].as_str().unwrap())
        .collect();
    assert!(paths.is_sorted(), "the order is that of the names");
    assert_eq!(outcome.code, 0);
}
