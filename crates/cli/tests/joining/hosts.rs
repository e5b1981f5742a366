//! `kubepki hosts` and the flags that say which hosts are meant.

use crate::place::Place;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const INVENTORY: &str = "\
[kube_control_plane]
cp1 ansible_host=192.0.2.1 ansible_user=root
[etcd:children]
kube_control_plane
[kube_node]
w[1:2] ansible_host=192.0.2.9 ansible_port=2222
";

fn document(place: &Place) -> Value {
    let text = place.run(&["hosts", "list", "-o", "json"]).out;
    let list: Value = serde_json::from_str(&text).unwrap();
    place.assert_valid(&list);
    list
}

#[test]
fn an_inventory_becomes_a_document_that_is_not_overwritten() {
    let place = Place::new();
    place.write(
        "hosts.ini",
        INVENTORY.replace("192.0.2.9 ", "192.0.2.9 x=y "),
    );
    let discover = [
        "hosts",
        "discover",
        "--from",
        "ansible:hosts.ini",
        "--output-file",
        "kubepki.yaml",
    ];
    let first = place.run(&discover);
    // two names for one address are one host
    assert!(first.err.contains("2 hosts"), "{}", first.err);
    assert_eq!(first.code, 0);
    let written = place.read("kubepki.yaml");
    assert!(written.starts_with("# The hosts of a cluster"), "{written}");
    let again = place.run(&discover);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("--force"), "{}", again.err);
    assert_eq!(place.read("kubepki.yaml"), written);
    assert_eq!(place.run(&[&discover[..], &["--force"]].concat()).code, 0);

    let list = document(&place);
    assert_eq!(list["items"][0]["reachedBy"], "ssh root@192.0.2.1");
    assert_eq!(list["items"][1]["ssh"], "ssh://192.0.2.9:2222");

    let json = place.run(&[
        "-o",
        "json",
        "hosts",
        "discover",
        "--from",
        "ansible:hosts.ini",
    ]);
    place.assert_valid(&serde_json::from_str(&json.out).unwrap());
}

#[test]
fn nodes_of_a_file_become_a_document_without_any_api() {
    let place = Place::new();
    place.write(
        "nodes.json",
        r#"{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "w1"},
           "status": {"addresses": [{"type": "InternalIP", "address": "fd00::21"}]}}]}"#,
    );
    let said = place.run(&[
        "hosts",
        "discover",
        "--from",
        "nodes:nodes.json",
        "--user",
        "root",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.ends_with("- name: w1\n  ssh: root@fd00::21\n"),
        "{}",
        said.out
    );
}

const HEAD: &str = "apiVersion: kubepki.dev/v1alpha1\nkind: Cluster\n";

#[test]
fn what_is_wrong_in_a_document_is_told_with_line_and_field_and_the_schema_agrees() {
    let place = Place::new();
    for (hosts, expected) in [
        (
            "hosts: []\n",
            "line 3: hosts: expected a list of at least one host",
        ),
        (
            "hosts:\n- ssh: a\n",
            "line 4: hosts[0].name: missing: what the host is called here",
        ),
        (
            "hosts:\n- name: a\n  sssh: b\n",
            "line 5: hosts[0].sssh: no such field",
        ),
        (
            "hosts:\n- name: a\n  ssh: b\n  root: /c\n",
            "line 6: hosts[0].root: a host is reached in one way, found ssh and root",
        ),
        (
            "hosts:\n- name: a\n  ssh: -oProxyCommand=x\n",
            "line 5: hosts[0].ssh: a destination that begins with '-' would be an option of ssh",
        ),
        (
            "hosts:\n- name: a\n  ssh: 'a b'\n",
            "line 5: hosts[0].ssh: expected a destination",
        ),
        (
            "hosts:\n- name: -a\n",
            "line 4: hosts[0].name: expected letters",
        ),
        (
            "hosts:\n- name: a\n  become: doas\n",
            "line 5: hosts[0].become: expected sudo or root, found \"doas\"",
        ),
        (
            "hosts:\n- name: a\n  command: []\n",
            "line 5: hosts[0].command: expected a list of words",
        ),
        (
            "hosts:\n- name: a\n  local: maybe\n",
            "line 5: hosts[0].local: expected true or false",
        ),
        (
            "hosts:\n- name: a\nhostz: 1\n",
            "line 5: hostz: no such field",
        ),
        (
            "hosts:\n- name: a\n  ssh: ''\n",
            "line 5: hosts[0].ssh: is empty",
        ),
    ] {
        place.write("bad.yaml", format!("{HEAD}{hosts}"));
        let said = place.run(&["--cluster", "bad.yaml", "hosts", "list"]);
        assert_eq!(said.code, 1, "{hosts}");
        assert!(said.err.contains(expected), "{hosts}{}", said.err);
        let value: Value = serde_saphyr::from_str(&format!("{HEAD}{hosts}")).unwrap();
        assert!(!place.errors(&value).is_empty(), "the schema takes {hosts}");
    }
    // what no schema can say
    for (hosts, expected) in [
        (
            "hosts:\n- name: a\n- name: a\n  ssh: b\n",
            "line 5: hosts[1].name: there is another host a",
        ),
        (
            "hosts:\n- {name: a, ssh: x}\n- {name: b, ssh: x}\n",
            "line 5: hosts[1]: a and b are both ssh x",
        ),
    ] {
        place.write("bad.yaml", format!("{HEAD}{hosts}"));
        let said = place.run(&["--cluster", "bad.yaml", "hosts", "list"]);
        assert!(said.err.contains(expected), "{hosts}{}", said.err);
    }
    let good = json!({
        "apiVersion": "kubepki.dev/v1alpha1", "kind": "Cluster", "name": "blue",
        "hosts": [{"name": "a"}, {"name": "b", "ssh": "root@b", "become": "sudo", "labels": {"env": "x"}},
                  {"name": "c", "command": ["docker", "exec", "-i", "c"]}, {"name": "d", "root": "disk"},
                  {"name": "e", "local": true}],
    });
    place.assert_valid(&good);
    place.write("good.json", good.to_string());
    let said = place.run(&[
        "--cluster",
        "good.json",
        "hosts",
        "list",
        "--hosts",
        "env=x,c*",
    ]);
    let names: Vec<&str> = said
        .out
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["b", "c"], "{}{}", said.out, said.err);
}

#[test]
fn a_document_of_the_current_folder_is_used_and_told() {
    let place = Place::founded();
    place.write(
        "kubepki.yaml",
        format!("{HEAD}hosts:\n- {{name: cp1, root: root}}\n"),
    );
    let said = place.run(&["hosts", "list", "--check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err
            .contains("kubepki.yaml (--local for this host alone)"),
        "{}",
        said.err
    );
    assert!(said.out.contains("reached"), "{}", said.out);
    let quiet = place.run(&["-q", "hosts", "list"]);
    assert_eq!(quiet.err, "");

    let other = place.run(&["hosts", "list", "--hosts", "cp2"]);
    assert_eq!(other.code, 2);
    assert!(
        other.err.contains("no host is called cp2; there are cp1"),
        "{}",
        other.err
    );
    for (words, expected) in [
        (
            ["--local", "--hosts=cp1"],
            "--local is about one host, --hosts about many",
        ),
        (
            ["--root=root", "--cluster=kubepki.yaml"],
            "--root is about one host, --cluster about many",
        ),
        (
            ["--local", "--role=worker"],
            "--local is about one host, --role about many",
        ),
    ] {
        let said = place.run(&[&words[..], &["hosts", "list"]].concat());
        assert_eq!(said.code, 2, "{words:?}");
        assert!(said.err.contains(expected), "{}", said.err);
    }

    // it names commands to run: nobody else may have written it
    let path = place.path("kubepki.yaml");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    let refused = place.run(&["hosts", "list"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("somebody else can write it"),
        "{}",
        refused.err
    );
    assert_eq!(
        place
            .run(&["--cluster", "kubepki.yaml", "hosts", "list"])
            .code,
        0
    );
}

#[test]
fn without_a_document_many_hosts_cannot_be_meant() {
    let place = Place::new();
    let said = place.run(&["--hosts", "cp1", "hosts", "list"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("--hosts needs a document"),
        "{}",
        said.err
    );
    let said = place.run(&["hosts", "list"]);
    assert!(said.err.contains("kubepki hosts discover"), "{}", said.err);
}

#[test]
fn a_host_that_is_not_reached_is_told_beside_those_that_are() {
    let place = Place::founded();
    place.write(
        "c.yaml",
        format!(
            "{HEAD}hosts:\n- {{name: cp1, root: root}}\n\
             - {{name: gone, command: [sh, -c, 'echo no route to host >&2; exit 255']}}\n"
        ),
    );
    let said = place.run(&[
        "--cluster",
        "c.yaml",
        "-o",
        "json",
        "hosts",
        "list",
        "--check",
    ]);
    assert_eq!(said.code, 1);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    place.assert_valid(&list);
    assert_eq!(list["items"][0]["check"]["reachable"], true);
    assert_eq!(list["items"][0]["check"]["hostname"], "cp1");
    assert_eq!(list["items"][1]["check"]["reachable"], false);
    assert_eq!(list["items"][1]["check"]["code"], "host-unreachable");
}
