//! Subject alternative names: added, removed, set, and kept where nobody asked.

use crate::kept::assert_same_content;
use crate::renew_options::renew;
use crate::support::{Issue, Tree};
use kubepki_x509::oid;

const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";

fn names(tree: &Tree) -> Vec<String> {
    let certificate = tree.certificate(CRT);
    certificate
        .subject_alt_names()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn names_can_be_added_removed_and_set() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.certificate(CRT);
    let had = names(&tree);
    let new = renew(
        &tree,
        &[
            "--add-san",
            "DNS:api.example.org",
            "--add-san",
            "192.0.2.1",
            "--add-san",
            "URI:spiffe://a/b",
        ],
    );
    let more = ["DNS:api.example.org", "IP:192.0.2.1", "URI:spiffe://a/b"].map(str::to_owned);
    assert_eq!(names(&tree), [&had[..], &more].concat());
    assert_same_content(&old, &new, &[oid::SUBJECT_ALT_NAME]);
    renew(
        &tree,
        &[
            "--remove-san",
            "IP:192.0.2.1",
            "--remove-san",
            "spiffe://a/b",
        ],
    );
    assert_eq!(names(&tree), [&had[..], &more[..1]].concat());
    renew(
        &tree,
        &["--set-san", "DNS:only.example.org", "--set-san", "IP:::1"],
    );
    assert_eq!(names(&tree), ["DNS:only.example.org", "IP:::1"]);
    let text = tree.x509(CRT, &["-ext", "subjectAltName"]);
    assert!(
        text.contains("DNS:only.example.org, IP Address:0:0:0:0:0:0:0:1"),
        "{text}"
    );
}

#[test]
fn names_of_odd_kinds_survive_an_edit_of_the_others() {
    let tree = Tree::kubeadm().expired(30).build();
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/ca"),
        extensions: "authorityKeyIdentifier=keyid\nsubjectAltName=critical,DNS:cp1,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@realm,RID:1.2.3.4,dirName:directory\n[directory]\nCN=a directory name",
        ..Issue::default()
    };
    tree.issue("/etc/kubernetes/pki/apiserver", &issue);
    let old = tree.certificate(CRT).subject_alt_names();
    let new = renew(&tree, &["--add-san", "DNS:more"]);
    assert_eq!(new.subject_alt_names()[..4], old[..]);
    assert_eq!(new.subject_alt_names().len(), 5);
    let text = tree.x509(CRT, &["-ext", "subjectAltName"]);
    assert!(text.contains("critical"), "{text}");
}

#[test]
fn names_are_edited_on_one_certificate_and_must_be_there() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let run = tree
        .kubepki(&["renew", "all", "--add-san", "DNS:a", "--yes"])
        .expect(1);
    assert!(run.stderr.contains("one certificate at a time"), "{run}");
    let run = tree
        .kubepki(&["renew", "apiserver", "--remove-san", "DNS:nobody", "--yes"])
        .expect(1);
    assert!(run.stderr.contains("cannot remove DNS:nobody"), "{run}");
    assert!(run.stderr.contains("DNS:kubernetes.default.svc"), "{run}");
    let run = tree
        .kubepki(&["renew", "apiserver", "--add-san", "DNS:two words", "--yes"])
        .expect(2);
    assert!(run.stderr.contains("two words"), "{run}");
    tree.assert_unchanged(&before);
}
