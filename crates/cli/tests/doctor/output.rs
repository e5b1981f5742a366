//! The forms of a diagnosis: for programs by its schema, for people by snapshots.

use crate::forge::{CA, ETCD_CA, PKI};
use crate::support::{Output, Tree};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const NOW: &str = "2026-06-01T00:00:00Z";

/// Holds a value against a shipped schema.
#[track_caller]
pub fn assert_valid(schema: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/schema")
        .join(schema);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
    let mut crippled = value.clone();
    crippled.as_object_mut().unwrap().remove("kind");
    assert!(!validator.is_valid(&crippled), "the schema takes anything");
}

fn doctor(tree: &Tree, words: &[&str]) -> Output {
    tree.kubepki(&[&["doctor", "--now", NOW], words].concat())
}

/// A host on which several things are wrong.
fn broken() -> Tree {
    let tree = Tree::kubeadm().at(NOW).valid(300).build();
    tree.copy(format!("{ETCD_CA}.crt"), format!("{CA}.crt"));
    tree.set_mode(format!("{PKI}/sa.key"), 0o644);
    tree.write("/etc/kubernetes/manifests/broken.yaml", "a: [");
    tree
}

/// Fingerprints differ from run to run, in length they do not.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (index, part) in text.split("sha256:").enumerate() {
        if index == 0 {
            shown.push_str(part);
            continue;
        }
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        shown.push_str("sha256:");
        shown.push_str(&"0".repeat(digits));
        shown.push_str(&part[digits..]);
    }
    shown
}

fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown(text)));
}

#[test]
fn json_is_what_the_schema_says_and_yaml_says_the_same() {
    let tree = broken();
    let words = ["-o", "json", "--ignore", "key-readable-by-others"];
    let diagnosis = doctor(&tree, &words).expect(4).json();
    assert_valid("diagnosis.json", &diagnosis);
    assert_eq!(diagnosis["apiVersion"], "kubepki.dev/v1alpha1");
    assert_eq!(diagnosis["kind"], "Diagnosis");
    assert_eq!(diagnosis["evaluatedAt"], NOW);
    assert_eq!(diagnosis["ignored"].as_array().unwrap().len(), 1);
    let finding = &diagnosis["findings"][0];
    assert_eq!(finding["object"], "/etc/kubernetes/pki/ca.crt");
    let failing: Vec<&Value> = diagnosis["connections"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|connection| connection["onDisk"]["state"] == "failed")
        .map(|connection| &connection["id"])
        .collect();
    let blamed = finding["connections"].as_array().unwrap();
    assert!(!failing.is_empty());
    for id in failing {
        assert!(
            blamed.contains(id),
            "{id} fails and nothing is blamed for it"
        );
    }
    let yaml = doctor(&tree, &["-o", "yaml", "--ignore", "key-readable-by-others"]);
    let yaml: Value = serde_saphyr::from_str(&yaml.expect(4).stdout).unwrap();
    assert_eq!(yaml, diagnosis);
    let catalogue = tree.kubepki(&["explain", "-o", "json"]).expect(0).json();
    assert_valid("finding-catalogue.json", &catalogue);
    let risks = "apiVersion: kubepki.dev/v1alpha1\nkind: AcceptedRisks\nrisks:\n\
                 - {code: weak-key, object: /x, reason: x, until: 2027-01-31}\n";
    assert_valid(
        "accepted-risks.json",
        &serde_saphyr::from_str(risks).unwrap(),
    );
}

#[test]
fn a_sound_host() {
    let tree = Tree::kubeadm().at(NOW).valid(300).build();
    assert_snapshot("doctor_sound", &doctor(&tree, &[]).expect(0).stdout);
    let wide = doctor(&tree, &["-o", "wide"]).expect(0).stdout;
    assert_snapshot("doctor_sound_wide", &wide);
}

#[test]
fn a_broken_host() {
    let tree = broken();
    let text = doctor(&tree, &[]).expect(4).stdout;
    assert_snapshot("doctor_broken", &text);
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn colour_says_nothing_that_words_do_not() {
    let tree = broken();
    let coloured = doctor(&tree, &["--color", "always"]).expect(4).stdout;
    assert!(coloured.contains("\u{1b}["));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, doctor(&tree, &[]).expect(4).stdout);
}
