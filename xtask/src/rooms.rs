//! The walls between the rooms: which workspace crate may depend on which. Edges for tests only
//! (`dev-dependencies`) are free, since they don't reach the product.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The product's rooms, from the inside out, with all that each may enter.
const ROOMS: [(&str, &[&str]); 10] = [
    ("kubepki-sealed", &[]),
    ("kubepki-x509", &["kubepki-sealed"]),
    ("kubepki-keys", &["kubepki-x509", "kubepki-sealed"]),
    ("kubepki-core", &["kubepki-x509", "kubepki-sealed"]),
    (
        "kubepki-engine",
        &[
            "kubepki-core",
            "kubepki-keys",
            "kubepki-x509",
            "kubepki-sealed",
        ],
    ),
    (
        "kubepki-fleet",
        &[
            "kubepki-engine",
            "kubepki-core",
            "kubepki-x509",
            "kubepki-sealed",
        ],
    ),
    (
        "kubepki-adapters",
        &[
            "kubepki-engine",
            "kubepki-core",
            "kubepki-x509",
            "kubepki-sealed",
        ],
    ),
    (
        "kubepki",
        &[
            "kubepki-adapters",
            "kubepki-fleet",
            "kubepki-engine",
            "kubepki-core",
            "kubepki-keys",
            "kubepki-x509",
            "kubepki-sealed",
        ],
    ),
    // developer commands share no code with the product
    ("kubepki-lab", &[]),
    ("xtask", &["kubepki-lab"]),
];

/// What stands against the table in the answer of `cargo metadata --no-deps`.
pub fn violations(metadata: &str) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    if packages.is_empty() {
        bail!("cargo metadata names no packages");
    }
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let members: Vec<String> = packages.iter().map(name).collect();
    let mut violations = Vec::new();
    for package in packages {
        let from = name(package);
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == from) else {
            violations.push(format!("{from} is no room: add it to xtask/src/rooms.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = name(dependency);
            let for_tests = dependency["kind"] == "dev";
            if members.contains(&to) && !for_tests && !allowed.contains(&to.as_str()) {
                violations.push(format!("{from} may not depend on {to}"));
            }
        }
    }
    Ok(violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(from: &str, to: &str, kind: &str) -> String {
        format!(
            r#"{{"packages":[
                {{"name":"{from}","dependencies":[{{"name":"{to}","kind":{kind}}},{{"name":"serde","kind":null}}]}},
                {{"name":"{to}","dependencies":[]}}]}}"#
        )
    }

    #[test]
    fn an_edge_against_the_table_is_named() {
        let found = violations(&metadata("kubepki-core", "kubepki-keys", "null")).unwrap();
        assert_eq!(found, ["kubepki-core may not depend on kubepki-keys"]);
        let found = violations(&metadata("kubepki-x509", "kubepki-core", "\"build\"")).unwrap();
        assert_eq!(found, ["kubepki-x509 may not depend on kubepki-core"]);
    }

    #[test]
    fn edges_of_the_table_and_of_tests_are_fine() {
        assert!(
            violations(&metadata("kubepki", "kubepki-keys", "null"))
                .unwrap()
                .is_empty()
        );
        assert!(
            violations(&metadata("kubepki-x509", "kubepki-keys", "\"dev\""))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_crate_without_a_room_is_named() {
        let found = violations(&metadata("kubepki-new", "kubepki-core", "null")).unwrap();
        assert_eq!(
            found,
            ["kubepki-new is no room: add it to xtask/src/rooms.rs"]
        );
    }

    #[test]
    fn no_room_can_be_entered_from_further_in() {
        for (index, (_, allowed)) in ROOMS.iter().enumerate() {
            for entered in *allowed {
                let of_entered = ROOMS.iter().position(|(room, _)| room == entered);
                assert!(
                    of_entered.is_some_and(|position| position < index),
                    "{entered}"
                );
            }
        }
    }
}
