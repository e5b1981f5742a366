//! What can be named: files, folders, globs, standard input, links; and what cannot be read.

use super::support::{NOW, Workplace, kinds};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

fn paths(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["location"]["path"].as_str().unwrap())
        .collect()
}

fn tree() -> Workplace {
    let here = Workplace::new();
    here.ca("pki/ca", "/CN=ca");
    here.server("pki/etcd/server", "pki/ca");
    here.write("pki/README.md", "nothing of interest");
    here.write("pki/empty.txt", "");
    here.write("pki/.hidden.crt", "not even a certificate");
    here.write("pki/blob.bin", [0, 1, 2, 255]);
    here
}

#[test]
fn a_folder_is_read_in_order_and_without_fuss_about_other_files() {
    let here = tree();
    let (value, outcome) = here.json(&["pki"]);
    let expected = [
        "pki/ca.crt",
        "pki/ca.csr",
        "pki/ca.key",
        "pki/etcd/server.crt",
        "pki/etcd/server.csr",
        "pki/etcd/server.key",
    ];
    assert_eq!(paths(value["items"].as_array().unwrap()), expected);
    assert_eq!(value["errors"], json!([]));
    assert_eq!(outcome.code, 0);
    let outcome = here.inspect(&["pki", "-v"]);
    assert!(
        outcome.stderr.contains("passed over pki/README.md"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        here.items(&["pki/"]).len(),
        6,
        "a trailing slash changes nothing"
    );
}

#[test]
fn a_file_in_a_folder_that_should_hold_something_must() {
    let here = tree();
    here.write(
        "pki/broken.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    here.write("pki/none.pem", "");
    let (value, outcome) = here.json(&["pki"]);
    let errors = value["errors"].as_array().unwrap();
    let locations: Vec<_> = errors.iter().map(|error| &error["location"]).collect();
    assert_eq!(locations, ["pki/broken.crt", "pki/none.pem"]);
    assert_eq!(
        value["items"].as_array().unwrap().len(),
        6,
        "the others are shown"
    );
    assert_eq!(outcome.code, 1);
}

#[test]
fn globs_that_the_shell_left_alone() {
    let here = tree();
    assert_eq!(paths(&here.items(&["pki/*.crt"])), ["pki/ca.crt"]);
    assert_eq!(
        paths(&here.items(&["pki/**/*.crt"])),
        ["pki/ca.crt", "pki/etcd/server.crt"]
    );
    assert_eq!(
        paths(&here.items(&["p?i/[a-c]a.[ck]*"])),
        ["pki/ca.crt", "pki/ca.csr", "pki/ca.key"]
    );
    let absolute = here.path("pki/*.key").display().to_string();
    assert_eq!(here.items(&[&absolute]).len(), 1);
    let (value, outcome) = here.json(&["pki/*.nothing"]);
    assert_eq!(value["errors"][0]["code"], "not-found");
    assert_eq!(outcome.code, 1);
}

#[test]
fn standard_input() {
    let here = tree();
    let outcome = here.kubepki(
        &["inspect", "-", "-o", "json", "--now", NOW],
        &here.read("pki/ca.crt"),
    );
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        value["items"][0]["location"],
        json!({"path": "-", "index": 1})
    );
    let outcome = here.kubepki(&["inspect", "-", "-o", "json"], b"");
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(value["errors"][0]["code"], "empty");
    assert_eq!(outcome.code, 1);
}

#[test]
fn links_are_followed_and_shown() {
    let here = tree();
    symlink("ca.crt", here.path("pki/current.pem")).unwrap();
    symlink("etcd", here.path("pki/linked-folder")).unwrap();
    symlink("gone", here.path("pki/dangling.pem")).unwrap();
    let item = &here.items(&["pki/current.pem"])[0];
    assert_eq!(
        item["location"],
        json!({"path": "pki/current.pem", "linkTarget": "ca.crt", "index": 1})
    );
    let (value, outcome) = here.json(&["pki"]);
    assert_eq!(
        value["items"].as_array().unwrap().len(),
        7,
        "linked folders are not entered"
    );
    let error = &value["errors"][0];
    assert!(
        error["message"].as_str().unwrap().contains("dangling.pem"),
        "{error:#}"
    );
    assert_eq!(outcome.code, 1);
    // named itself, a linked folder is read
    assert_eq!(here.items(&["pki/linked-folder"]).len(), 3);
}

#[test]
fn what_cannot_be_read_is_told_while_the_rest_is_shown() {
    let here = tree();
    here.write("junk", [0x30, 0x82, 0xff, 0xff, 7, 7, 7]);
    here.write("text", "hello");
    // reading it fails with EIO whoever asks, root included
    symlink("/proc/self/mem", here.path("unreadable.crt")).unwrap();
    let words = [
        "junk",
        "text",
        "unreadable.crt",
        "missing",
        "pki/empty.txt",
        "pki/ca.crt",
    ];
    let (value, outcome) = here.json(&words);
    let codes: Vec<_> = value["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            [
                error["code"].as_str().unwrap(),
                error["location"].as_str().unwrap(),
            ]
        })
        .collect();
    assert_eq!(
        codes,
        [
            ["not-found", "missing"],
            ["unknown-format", "junk"],
            ["unknown-format", "text"],
            ["host-failed", "unreadable.crt"],
            ["empty", "pki/empty.txt"],
        ]
    );
    assert_eq!(kinds(value["items"].as_array().unwrap()), ["Certificate"]);
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.stderr.lines().count(), 5, "one object a line");
    for line in outcome.stderr.lines() {
        super::support::assert_valid("error.json", &serde_json::from_str(line).unwrap());
    }
    let outcome = here.inspect(&words);
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        5,
        "{}",
        outcome.stderr
    );
    assert!(outcome.stdout.contains("CN=ca"));
}

#[test]
fn nothing_at_all_is_an_error() {
    let here = Workplace::new();
    here.write("folder/README", "text");
    let (value, outcome) = here.json(&["folder"]);
    assert_eq!(value["errors"][0]["code"], "nothing-found");
    assert_eq!(outcome.code, 1);
}

#[test]
fn ten_megabytes_of_pem() {
    let here = tree();
    let one = here.text("pki/ca.crt");
    let count = 10 * 1024 * 1024 / one.len();
    here.write("large.pem", one.repeat(count));
    let (value, outcome) = here.json(&["large.pem"]);
    let items = value["items"].as_array().unwrap();
    assert_eq!(items.len(), count);
    assert_eq!(items[count - 1]["location"]["index"], count);
    assert_eq!(outcome.code, 0);
}

#[test]
fn another_root_holds_the_host() {
    let here = tree();
    here.write("disk/etc/kubernetes/pki/ca.crt", here.text("pki/ca.crt"));
    symlink("/etc/kubernetes/pki/ca.crt", here.path("disk/etc/link.crt")).unwrap();
    let items = here.items(&["--root", "disk", "/etc/kubernetes"]);
    assert_eq!(paths(&items), ["/etc/kubernetes/pki/ca.crt"]);
    let items = here.items(&["--root", "disk", "etc/link.crt"]);
    assert_eq!(
        items[0]["location"]["linkTarget"],
        "/etc/kubernetes/pki/ca.crt"
    );
    assert_eq!(here.items(&["--root", "disk", "/etc/**/*.crt"]).len(), 2);
    let outcome = here.inspect(&["--root", "nowhere", "/etc"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.starts_with("error: cannot use as root"),
        "{}",
        outcome.stderr
    );
}
