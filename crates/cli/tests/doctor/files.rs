//! Every file that is broken is named, and nothing else; a sound host is called sound.

use crate::breakages::{BREAKAGES, Breakage};
use crate::support::{Output, Tree};
use serde_json::Value;

/// Findings of a severity that asks for attention: code, severity, object.
pub fn attention(output: &Output) -> Vec<(String, String, String)> {
    let diagnosis = output.json();
    let findings = diagnosis["findings"].as_array().unwrap();
    let word = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    findings
        .iter()
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| {
            (
                word(finding, "code"),
                word(finding, "severity"),
                word(finding, "object"),
            )
        })
        .collect()
}

#[test]
fn a_sound_host_is_called_sound() {
    for tree in [
        Tree::kubeadm().valid(300).build(),
        Tree::kubeadm().valid(300).self_signed_kubelet().build(),
        Tree::kubeadm().valid(300).super_admin().build(),
    ] {
        let output = tree.kubepki(&["doctor", "-o", "json"]).expect(0);
        assert_eq!(attention(&output), [], "{output}");
        let diagnosis = output.json();
        let connections = diagnosis["connections"].as_array().unwrap();
        assert!(connections.len() >= 10, "{diagnosis:#}");
        for connection in connections {
            assert_eq!(connection["onDisk"]["state"], "verified", "{connection:#}");
            assert_eq!(connection["onWire"]["state"], "unknown", "{connection:#}");
        }
    }
}

fn judge(host: &Tree, breakage: &Breakage) -> Result<(), String> {
    let tree = host.copied();
    (breakage.apply)(&tree);
    let output = tree.kubepki(&["doctor", "-o", "json"]);
    let found = attention(&output);
    let is_named = breakage.guilty.iter().all(|guilty| {
        found
            .iter()
            .any(|(code, _, object)| object == guilty && breakage.codes.contains(&code.as_str()))
    });
    let is_alone = found.iter().all(|(code, _, object)| {
        breakage.guilty.contains(&object.as_str()) || breakage.besides.contains(&code.as_str())
    });
    if is_named && is_alone && output.code == breakage.exit {
        return Ok(());
    }
    Err(format!(
        "{}: expected {:?} {:?}, exit {}; found exit {} {found:#?}",
        breakage.name, breakage.guilty, breakage.codes, breakage.exit, output.code
    ))
}

#[test]
fn the_one_guilty_file_is_named() {
    let host = Tree::kubeadm().valid(300).build();
    let wrong: Vec<String> = BREAKAGES
        .iter()
        .filter_map(|breakage| judge(&host, breakage).err())
        .collect();
    assert!(BREAKAGES.len() >= 30);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_processes_could_tell_is_not_seen_and_no_finding() {
    let tree = Tree::kubeadm().valid(300).build();
    let diagnosis = tree.kubepki(&["doctor", "-o", "json"]).expect(0).json();
    let gaps = diagnosis["gaps"].as_array().unwrap();
    assert!(
        gaps.iter().any(|gap| gap["object"] == "processes"),
        "{gaps:#?}"
    );
    // neither a file that changed just now nor one that is older than any process is suspicious
    let now = tree.now.to_string();
    tree.kubepki(&["renew", "all", "--yes", "--force", "--now", &now])
        .expect(0);
    let output = tree.kubepki(&["doctor", "-o", "json"]).expect(0);
    assert_eq!(attention(&output), [], "{output}");
}
