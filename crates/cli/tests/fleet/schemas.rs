//! What verbs over many hosts write is held against the schemas that the program ships.

use crate::cluster::{Cluster, EXPIRED};
use serde_json::Value;

fn assert_valid(cluster: &Cluster, value: &Value) {
    let kind = value["kind"].as_str().unwrap();
    let schema = cluster.kubepki(&["schema", kind]).expect(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{kind}: {errors:#?}\n{value:#}");
    // A schema that takes anything proves nothing: without a required field it must refuse.
    let mut crippled = value.clone();
    crippled.as_object_mut().unwrap().remove("hosts");
    assert!(
        !validator.is_valid(&crippled),
        "{kind}: the schema takes anything"
    );
}

#[test]
fn what_is_written_is_what_the_schemas_say() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let object = |words: &[&str]| cluster.kubepki(words).json();
    cluster.write_document(|name, root| match name {
        "w2" => "{name: w2, command: ['false']}".to_owned(),
        _ => format!("{{name: {name}, root: {root}}}"),
    });
    assert_valid(&cluster, &object(&["status", "-o", "json"]));
    assert_valid(&cluster, &object(&["backup", "list", "-o", "json"]));
    let failed = object(&["undo", "--yes", "-o", "json"]);
    assert_eq!(failed["failed"], 5);
    assert_valid(&cluster, &failed);
    let renewed = object(&["renew", "all", "--yes", "-o", "json", "--hosts", "!w2"]);
    assert_eq!(renewed["done"], true, "{renewed:#}");
    assert_valid(&cluster, &renewed);
    let mut words = vec!["backup", "list", "-o", "yaml", "--hosts", "cp1"];
    let text = cluster.kubepki(&words).expect(0).stdout;
    assert!(text.starts_with("apiVersion: "), "{text}");
    words[3] = "json";
    assert_valid(&cluster, &object(&words));
}
