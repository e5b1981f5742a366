//! The catalogue of findings: its pages are current, its commands can be typed, and no check says a
//! code that is not in it.

use crate::support::Tree;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn catalogue() -> Vec<Value> {
    let tree = Tree::empty();
    let output = tree.kubepki(&["explain", "-o", "json"]).expect(0);
    output.json()["findings"].as_array().unwrap().clone()
}

fn codes() -> BTreeSet<String> {
    let code = |kind: &Value| kind["code"].as_str().unwrap().to_owned();
    catalogue().iter().map(code).collect()
}

/// File names and contents of a folder.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_pages_are_current() {
    let tree = Tree::empty();
    let folder = tree.scratch().join("pages");
    tree.kubepki(&["explain", "--dir", folder.to_str().unwrap()])
        .expect(0);
    let (written, kept) = (files(&folder), files(&repository("docs/findings")));
    let names = |files: &[(String, String)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&written), names(&kept), "run `cargo xtask docs`");
    for (written, kept) in written.iter().zip(&kept) {
        assert_eq!(written, kept, "run `cargo xtask docs`");
    }
}

#[test]
fn a_page_is_shown_on_the_terminal() {
    let tree = Tree::empty();
    let page = tree
        .kubepki(&["explain", "expired-in-memory"])
        .expect(0)
        .stdout;
    assert!(page.starts_with("expired-in-memory\n"), "{page}");
    assert!(page.contains("kubepki renew NAME --force"), "{page}");
    assert!(!page.contains("##") && !page.contains("```"), "{page}");
    let same = tree.kubepki(&["doctor", "--explain", "expired-in-memory"]);
    assert_eq!(same.expect(0).stdout, page);
    let refused = tree.kubepki(&["explain", "expird"]).expect(2);
    assert!(
        refused.stderr.contains("did you mean expired?"),
        "{refused}"
    );
    let list = tree.kubepki(&["explain"]).expect(0).stdout;
    assert_eq!(list.lines().count(), codes().len() + 1, "{list}");
}

/// Codes that checks write as text: the first argument of what makes a finding.
fn said(folder: &Path, makers: &[&str], found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            said(&path, makers, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for maker in makers {
            for after in code.split(maker).skip(1) {
                let after = after.trim_start();
                if let Some(quoted) = after.strip_prefix('"') {
                    found.insert(quoted.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
}

#[test]
fn no_check_says_a_code_that_has_no_page() {
    let core = repository("crates/core/src");
    let mut found = BTreeSet::new();
    said(&core.join("assess"), &["Finding::new("], &mut found);
    said(
        &core.join("inspect"),
        &["Finding::new(", ".critical(", ".warning(", ".info("],
        &mut found,
    );
    said(
        &core.join("diagnose"),
        &["Draft::new(", "Draft::about(", "Finding::new(", "code: "],
        &mut found,
    );
    assert!(found.len() > 25, "{found:?}");
    let codes = codes();
    let strangers: Vec<&String> = found.difference(&codes).collect();
    assert!(strangers.is_empty(), "without a page: {strangers:?}");
}
