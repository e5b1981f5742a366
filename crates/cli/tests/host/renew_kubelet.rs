//! The kubelet's certificates: the store and its link, what is broken there, and what a kubeconfig
//! embeds although it should not.

use crate::kept::assert_kept;
use crate::support::{FileState, NODE, Tree};
use kubepki_x509::Certificate;
use std::path::Path;

const STORE: &str = "/var/lib/kubelet/pki";
const LINK: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CONF: &str = "/etc/kubernetes/kubelet.conf";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// Asserts that the client store is as the kubelet keeps it.
#[track_caller]
fn assert_store(tree: &Tree) -> Certificate {
    let target = tree.link_target(LINK);
    let name = target.file_name().unwrap().to_str().unwrap();
    let stamp = name
        .strip_prefix("kubelet-client-")
        .and_then(|it| it.strip_suffix(".pem"));
    let stamp = stamp.unwrap_or_else(|| panic!("{name}"));
    jiff::civil::DateTime::strptime("%Y-%m-%d-%H-%M-%S", stamp).unwrap();
    assert_eq!(target.parent(), Some(Path::new(STORE)), "{target:?}");
    match &tree.snapshot()[&target] {
        FileState::File { mode, .. } => assert_eq!(*mode, 0o600),
        other => panic!("{other:?}"),
    }
    let labels: Vec<String> = tree
        .text(LINK)
        .lines()
        .filter(|line| line.starts_with("-----BEGIN"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        labels,
        [
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN EC PRIVATE KEY-----"
        ]
    );
    tree.assert_pair(LINK, LINK);
    tree.assert_signed(LINK, CA);
    let certificate = tree.certificate(LINK);
    let subject = format!("O=system:nodes, CN=system:node:{NODE}");
    assert_eq!(certificate.subject().to_string(), subject);
    let usages = tree.x509(LINK, &["-ext", "extendedKeyUsage"]);
    assert!(usages.contains("TLS Web Client Authentication"), "{usages}");
    certificate
}

/// Asserts that kubelet.conf names the store, twice, and embeds no key.
#[track_caller]
fn assert_points_at_store(tree: &Tree) {
    let text = tree.text(CONF);
    assert_eq!(text.matches(LINK).count(), 2, "{text}");
    assert!(!text.contains("client-key-data") && !text.contains("client-certificate-data"));
}

/// kubelet.conf with the certificate embedded, as kubeadm before 1.17 left it.
pub(crate) fn embed(tree: &Tree) -> String {
    let pair = tree.read(LINK);
    let text = String::from_utf8(pair).unwrap();
    let key_at = text.find("-----BEGIN EC PRIVATE KEY").unwrap();
    let (certificate, key) = text.split_at(key_at);
    let (certificate, key) = (
        crate::support::base64(certificate),
        crate::support::base64(key),
    );
    let conf = tree.text(CONF).replace(
        &format!("client-certificate: {LINK}"),
        &format!("client-certificate-data: {certificate}  # by kubeadm 1.16"),
    );
    let conf = conf.replace(
        &format!("client-key: {LINK}"),
        &format!("client-key-data: {key}"),
    );
    let conf = format!("# keep this line\n{conf}");
    tree.write_with_mode(CONF, &conf, 0o600);
    conf
}

#[test]
fn the_link_is_swapped_to_a_new_dated_file() {
    let tree = Tree::kubeadm().expired(30).build();
    let (old, old_target) = (tree.certificate(LINK), tree.link_target(LINK));
    let conf = tree.text(CONF);
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    let new = assert_store(&tree);
    assert_kept(&old, &new);
    assert_ne!(tree.link_target(LINK), old_target);
    assert!(tree.exists(old_target), "the old file is kept");
    assert_eq!(tree.text(CONF), conf);
}

#[test]
fn a_relative_link_is_understood() {
    let tree = Tree::kubeadm().expired(30).build();
    let target = tree.link_target(LINK);
    tree.symlink(LINK, target.file_name().unwrap());
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert_store(&tree);
}

#[test]
fn a_regular_file_in_place_of_the_link_is_repaired() {
    let tree = Tree::kubeadm().expired(30).build();
    let contents = tree.read(LINK);
    tree.remove(LINK);
    tree.write_with_mode(LINK, &contents, 0o600);
    let row = tree.row("kubelet-client");
    assert!(
        row["findings"].to_string().contains("not-a-symlink"),
        "{row:#}"
    );
    let old = tree.certificate(LINK);
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_kept(&old, &assert_store(&tree));
    tree.kubepki(&["status"]).expect(0);
    tree.kubepki(&["undo", "--yes"]).expect(0);
    assert_eq!(tree.read(LINK), contents);
    assert!(tree.path(LINK).symlink_metadata().unwrap().is_file());
}

#[test]
fn a_broken_link_is_repaired_after_the_older_file() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename(
        tree.link_target(LINK),
        format!("{STORE}/kubelet-client-2024-01-01-00-00-00.pem"),
    );
    tree.replace("/etc/hostname", "cp1", "renamed");
    let row = tree.row("kubelet-client");
    assert!(
        row["findings"].to_string().contains("does not exist"),
        "{row:#}"
    );
    let run = tree
        .kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert!(run.stdout.contains("after the subject in"), "{run}");
    assert_store(&tree);
}

#[test]
fn without_any_certificate_the_nodes_name_is_taken_from_its_kubeconfig() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove(tree.link_target(LINK));
    tree.remove(LINK);
    tree.replace("/etc/hostname", "cp1", "renamed");
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(
        run.stdout.contains("system:node:cp1, after the user in"),
        "{run}"
    );
    assert_store(&tree);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn at_last_the_nodes_name_is_the_hosts_and_that_is_asked() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove(STORE);
    tree.replace(CONF, "system:node:cp1", "default-auth");
    tree.replace("/etc/hostname", "cp1", "CP1");
    let asked = tree.kubepki(&["renew", "kubelet-client"]);
    assert_ne!(asked.code, 0, "{asked}");
    assert!(
        asked
            .stdout
            .contains("system:node:cp1, after the host's name"),
        "{asked}"
    );
    assert!(!tree.exists(STORE));
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert_store(&tree);
}

#[test]
fn a_flag_gives_the_nodes_name_before_the_host_does() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove(STORE);
    tree.replace(CONF, "system:node:cp1", "default-auth");
    tree.replace("/etc/hostname", "cp1", "other");
    tree.replace(
        "/var/lib/kubelet/kubeadm-flags.env",
        "--container-runtime=remote",
        "--hostname-override=cp1 --container-runtime=remote",
    );
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert_store(&tree);
}

#[test]
fn an_embedded_certificate_moves_to_the_store() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.certificate(LINK);
    let conf = embed(&tree);
    tree.remove(tree.link_target(LINK));
    tree.remove(LINK);
    let row = tree.row("kubelet-client");
    assert_eq!(row["path"], CONF, "{row:#}");
    assert!(
        row["findings"]
            .to_string()
            .contains("embedded-kubelet-certificate"),
        "{row:#}"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_kept(&old, &assert_store(&tree));
    assert_points_at_store(&tree);
    assert_other_lines_stay(&conf, &tree.text(CONF));
    let status = tree.kubepki(&["status", "-o", "json"]).expect(0);
    assert!(!status.stdout.contains("embedded-kubelet"), "{status}");
    tree.kubepki(&["undo", "--yes"]).expect(0);
    assert_eq!(tree.text(CONF), conf);
    assert!(!tree.exists(LINK), "the link was not there before");
}

#[test]
fn a_kubelet_that_does_not_rotate_keeps_what_its_kubeconfig_embeds() {
    let tree = Tree::kubeadm().expired(30).build();
    let conf = embed(&tree);
    tree.remove(tree.link_target(LINK));
    tree.remove(LINK);
    tree.replace(
        "/var/lib/kubelet/config.yaml",
        "rotateCertificates: true\n",
        "",
    );
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert!(!tree.exists(LINK), "nobody goes by a store");
    let text = tree.text(CONF);
    assert!(!text.contains(LINK) && text.contains("client-key-data"));
    assert_other_lines_stay(&conf, &text);
    let row = tree.row("kubelet-client");
    assert_eq!(row["path"], CONF, "{row:#}");
    assert_ne!(text, conf, "it is another one");
}

#[test]
fn an_embedded_copy_beside_a_store_is_pointed_at_it() {
    let tree = Tree::kubeadm().expired(30).build();
    let conf = embed(&tree);
    let row = tree.row("kubelet-client");
    assert_eq!(row["path"], LINK, "{row:#}");
    assert!(
        row["findings"]
            .to_string()
            .contains("embedded-kubelet-certificate"),
        "{row:#}"
    );
    tree.kubepki(&["renew", "kubelet-client", "--yes"])
        .expect(0);
    assert_store(&tree);
    assert_points_at_store(&tree);
    assert_other_lines_stay(&conf, &tree.text(CONF));
}

#[track_caller]
fn assert_other_lines_stay(old: &str, new: &str) {
    let others = |text: &str| -> Vec<String> {
        let lines = text.split_inclusive('\n').map(str::to_owned);
        lines.filter(|line| !line.contains("client-")).collect()
    };
    assert_eq!(others(old), others(new));
}

#[test]
fn a_kubeconfig_that_cannot_be_understood_stops_nothing_else() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.write(CONF, "current-context: [broken\n");
    let status = tree.kubepki(&["status", "-o", "json"]).expect(4);
    assert!(
        status.json()["gaps"].to_string().contains("kubelet.conf"),
        "{status}"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_store(&tree);
    assert_eq!(tree.text(CONF), "current-context: [broken\n");
}

#[test]
fn the_serving_store_is_renewed_like_the_clients() {
    let tree = Tree::kubeadm().expired(30).build();
    let link = format!("{STORE}/kubelet-server-current.pem");
    let old = tree.certificate(&link);
    tree.kubepki(&["renew", "kubelet-server", "--yes"])
        .expect(0);
    let new = tree.certificate(&link);
    assert_kept(&old, &new);
    assert_eq!(new.subject_alt_names(), old.subject_alt_names());
    let target = tree.link_target(&link);
    assert!(
        target
            .to_str()
            .unwrap()
            .starts_with("/var/lib/kubelet/pki/kubelet-server-2")
    );
    tree.assert_pair(&link, &link);
    tree.assert_signed(&link, CA);
}

#[test]
fn a_self_signed_serving_certificate_is_made_anew_with_its_authority_of_the_moment() {
    let tree = Tree::kubeadm().expired(30).self_signed_kubelet().build();
    let (crt, key) = (
        format!("{STORE}/kubelet.crt"),
        format!("{STORE}/kubelet.key"),
    );
    let row = tree.row("kubelet-server");
    assert_eq!(row["caName"], "self", "{row:#}");
    assert_eq!(row["renewable"], true, "{row:#}");
    let old = tree.certificates(&crt);
    tree.kubepki(&["renew", "kubelet-server", "--yes"])
        .expect(0);
    let new = tree.certificates(&crt);
    assert_eq!(new.len(), 2);
    for (old, new) in old.iter().zip(&new) {
        assert_kept(old, new);
        assert_ne!(old.public_key(), new.public_key());
    }
    tree.assert_pair(&crt, &key);
    let root = tree.scratch().join("root.crt");
    std::fs::write(&root, new[1].to_pem()).unwrap();
    tree.assert_signed(&crt, root.to_str().unwrap());
    let row = tree.row("kubelet-server");
    assert_eq!(row["findings"].as_array().unwrap().len(), 0, "{row:#}");
}

#[test]
fn one_self_signed_certificate_alone_is_made_anew() {
    let tree = Tree::kubeadm().expired(30).self_signed_kubelet().build();
    let (crt, key) = (
        format!("{STORE}/kubelet.crt"),
        format!("{STORE}/kubelet.key"),
    );
    tree.remove(&crt);
    let issue = crate::support::Issue {
        subject: "/CN=cp1@1600000000",
        extensions: "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nsubjectAltName=DNS:cp1",
        ..crate::support::Issue::default()
    };
    tree.issue_into(&crt, &key, &issue);
    let old = tree.certificate(&crt);
    tree.kubepki(&["renew", "kubelet-server", "--yes"])
        .expect(0);
    let new = tree.certificate(&crt);
    assert_kept(&old, &new);
    assert!(new.is_self_signed());
    tree.assert_pair(&crt, &key);
}

#[test]
fn a_worker_without_the_authoritys_key_says_so() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove("/etc/kubernetes/manifests");
    let ca = tree.read(CA);
    tree.remove("/etc/kubernetes/pki");
    tree.write(CA, ca);
    for name in ["admin", "controller-manager", "scheduler"] {
        tree.remove(format!("/etc/kubernetes/{name}.conf"));
    }
    let status = tree.status();
    let names: Vec<_> = status["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["kubelet-client", "kubelet-server"]);
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(run.stderr.contains("external CA"), "{run}");
    assert!(run.stderr.contains("--csr-dir"), "{run}");
    tree.assert_unchanged(&before);
}
