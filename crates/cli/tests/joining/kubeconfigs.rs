//! `kubepki kubeconfig list` and `update`: copies of admin.conf in people's homes.

use crate::place::{Place, mode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

const ADMIN: &str = "root/etc/kubernetes/admin.conf";
const JANE: &str = "root/home/jane/.kube/config";
const OPS: &str = "root/srv/ops/.kube/prod.conf";

fn standings(place: &Place) -> BTreeMap<String, String> {
    let list = place.object(&["kubeconfig", "list"]);
    let items = list["items"].as_array().unwrap().iter();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    items
        .map(|item| (text(item, "path"), text(item, "standing")))
        .filter(|(path, _)| !path.starts_with("/etc/kubernetes"))
        .collect()
}

fn expected(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    let rows = rows.iter();
    rows.map(|(path, standing)| ((*path).to_owned(), (*standing).to_owned()))
        .collect()
}

/// Copies in two homes, one of which only passwd(5) knows, and three files that are no copies.
fn prepared() -> Place {
    let place = Place::founded();
    place.write(
        "root/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nops:x:1001:1001:Ops:/srv/ops:/bin/sh\nno:x:9:9::/:/bin/false\n",
    );
    let admin = place.read(ADMIN);
    // what people do to their copies: names, comments, another user beside
    let jane = admin
        .replace(
            "users:\n",
            "users:\n- name: other\n  user: {token: abc} # mine\n",
        )
        .replace("kubernetes-admin", "me");
    place.write(JANE, format!("# jane's\n{jane}"));
    place.write(OPS, &admin);
    let permissions = PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(place.path(OPS), permissions).unwrap();
    // the certificate alone is public
    let stolen: String = admin
        .lines()
        .filter(|line| !line.contains("client-key-data"))
        .map(|line| format!("{line}\n"))
        .collect();
    place.write("root/home/eve/.kube/config", stolen);
    // the same names, another cluster's authority
    let elsewhere = Place::founded();
    place.write("root/home/bob/.kube/config", elsewhere.read(ADMIN));
    place.write("root/home/bob/.kube/notes.txt", "no kubeconfig");
    place
}

#[test]
fn copies_are_told_followed_and_brought_up_to_date() {
    let place = prepared();
    let before = expected(&[
        ("/home/bob/.kube/config", "own"),
        ("/home/eve/.kube/config", "current-copy"),
        ("/home/jane/.kube/config", "current-copy"),
        ("/srv/ops/.kube/prod.conf", "current-copy"),
    ]);
    assert_eq!(standings(&place), before);
    assert_eq!(place.rooted(&["kubeconfig", "update"]).out, "");

    let renewed = place.rooted(&["renew", "admin.conf", "--force"]);
    let told = format!("{}{}", renewed.out, renewed.err);
    let notice =
        "/home/jane/.kube/config, /srv/ops/.kube/prod.conf: a copy of /etc/kubernetes/admin.conf";
    assert!(told.contains(notice), "{told}");
    assert!(!told.contains("/home/bob"), "{told}");
    let stale = expected(&[
        ("/home/bob/.kube/config", "own"),
        ("/home/eve/.kube/config", "own"),
        ("/home/jane/.kube/config", "stale-copy"),
        ("/srv/ops/.kube/prod.conf", "stale-copy"),
    ]);
    assert_eq!(standings(&place), stale);

    let (jane, eve, ops) = (
        place.read(JANE),
        place.read("root/home/eve/.kube/config"),
        place.read(OPS),
    );
    let update = place.object(&["kubeconfig", "update"]);
    assert_eq!(update["items"].as_array().unwrap().len(), 2);
    assert_eq!(standings(&place)["/home/jane/.kube/config"], "current-copy");
    assert_eq!(place.read("root/home/eve/.kube/config"), eve);
    // the very certificate and key, and every other byte as it was
    let data = |text: &str, field: &str| {
        let line = text.lines().find(|line| line.contains(field)).unwrap();
        line.split(": ").nth(1).unwrap().to_owned()
    };
    let (admin, updated) = (place.read(ADMIN), place.read(JANE));
    let mut wanted = jane.clone();
    for field in ["client-certificate-data", "client-key-data"] {
        assert_ne!(data(&jane, field), data(&admin, field));
        wanted = wanted.replace(&data(&jane, field), &data(&admin, field));
    }
    assert_eq!(updated, wanted);
    assert_eq!(mode(&place.path(OPS)), 0o640);

    place.rooted(&["undo"]);
    assert_eq!(place.read(JANE), jane);
    assert_eq!(place.read(OPS), ops);
    assert_eq!(standings(&place), stale);
}

#[test]
fn only_the_copies_that_are_named_are_updated() {
    let place = prepared();
    place.rooted(&["renew", "admin.conf", "--force"]);
    let (jane, ops) = (place.read(JANE), place.read(OPS));
    place.rooted(&["kubeconfig", "update", "/srv/ops/.kube/prod.conf"]);
    assert_eq!(place.read(JANE), jane);
    assert_ne!(place.read(OPS), ops);
    let refused = place.run(&[
        "--root",
        "root",
        "-y",
        "kubeconfig",
        "update",
        "/home/eve/.kube/config",
    ]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("/home/jane/.kube/config"),
        "{}",
        refused.err
    );
    // nobody to ask, and nobody said yes
    let unasked = place.run(&["--root", "root", "kubeconfig", "update"]);
    assert_ne!(unasked.code, 0);
    assert_eq!(place.read(JANE), jane);
}

#[test]
fn making_one_still_needs_a_user() {
    let place = Place::founded();
    let said = place.run(&["--root", "root", "kubeconfig"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("--user"), "{}", said.err);
    place.rooted(&["kubeconfig", "--user", "jane", "--out", "/etc/jane.conf"]);
}
