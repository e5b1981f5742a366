//! The form of files is kept: encodings, line ends, text around PEM blocks, bundles, links.

use crate::kept::assert_kept;
use crate::support::{Issue, KeyKind, Tree};
use std::path::Path;

const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";
const KEY: &str = "/etc/kubernetes/pki/apiserver.key";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

fn renew(tree: &Tree) {
    tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    tree.assert_pair(CRT, KEY);
    tree.assert_signed(CRT, CA);
}

/// The lines of a file with every PEM block shortened to its label.
fn outline(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line.contains("-----BEGIN") {
            inside = true;
        }
        if !inside || line.contains("-----BEGIN") {
            lines.push(line.to_owned());
        }
        if line.contains("-----END") {
            inside = false;
        }
    }
    lines
}

#[test]
fn every_encoding_of_a_key_is_kept() {
    for (kind, label) in [
        (KeyKind::Rsa(2048), "RSA PRIVATE KEY"),
        (KeyKind::RsaPkcs8(2048), "PRIVATE KEY"),
        (KeyKind::EcP256, "EC PRIVATE KEY"),
        (KeyKind::EcPkcs8, "PRIVATE KEY"),
        (KeyKind::Ed25519, "PRIVATE KEY"),
    ] {
        let tree = Tree::kubeadm().expired(30).build();
        tree.remove(KEY);
        let issue = Issue {
            subject: "/CN=kube-apiserver",
            by: Some("/etc/kubernetes/pki/ca"),
            key: kind,
            extensions: "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
            ..Issue::default()
        };
        tree.issue_into(CRT, KEY, &issue);
        let old = tree.text(KEY);
        renew(&tree);
        let new = tree.text(KEY);
        assert_ne!(old, new);
        assert!(
            new.starts_with(&format!("-----BEGIN {label}-----\n")),
            "{kind:?}: {new}"
        );
        assert!(
            new.ends_with(&format!("-----END {label}-----\n")),
            "{kind:?}"
        );
    }
}

#[test]
fn an_ec_key_with_its_parameters_is_replaced_whole() {
    let tree = Tree::kubeadm().expired(30).build();
    let with = tree.openssl(&["ecparam", "-name", "prime256v1", "-genkey"]);
    assert!(with.contains("EC PARAMETERS"));
    tree.write(KEY, &with);
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/ca"),
        extensions: "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..Issue::default()
    };
    tree.issue_into(CRT, KEY, &issue);
    tree.kubepki(&["renew", "apiserver", "--key-type", "rsa:2048", "--yes"])
        .expect(0);
    tree.assert_pair(CRT, KEY);
    // The parameters of a curve before an RSA key would be read as the key's own by some.
    assert!(!tree.text(KEY).contains("EC PARAMETERS"));
}

#[test]
fn windows_line_ends_stay() {
    let tree = Tree::kubeadm().expired(30).build();
    for path in [CRT, KEY] {
        let text = tree.text(path).replace('\n', "\r\n");
        tree.write(path, text);
    }
    renew(&tree);
    for path in [CRT, KEY] {
        let text = tree.text(path);
        assert_eq!(
            text.matches('\n').count(),
            text.matches("\r\n").count(),
            "{path}"
        );
        assert!(text.ends_with("-----\r\n"), "{path}");
    }
}

#[test]
fn text_around_blocks_stays() {
    let tree = Tree::kubeadm().expired(30).build();
    let certificate = tree.text(CRT);
    let text = format!(
        "# made by hand\nBag Attributes\n    friendlyName: api\n{certificate}\n# the end, without a line end"
    );
    tree.write(CRT, &text);
    renew(&tree);
    let new = tree.text(CRT);
    assert_eq!(outline(&new), outline(&text));
    assert_ne!(new, text);
}

#[test]
fn a_missing_line_end_stays_missing() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.write(CRT, tree.text(CRT).trim_end());
    renew(&tree);
    assert!(tree.text(CRT).ends_with("-----END CERTIFICATE-----"));
}

#[test]
fn certificate_and_key_in_one_file_stay_in_one_file() {
    for key_first in [false, true] {
        let tree = Tree::kubeadm().expired(30).build();
        let mut parts = [tree.text(CRT), "# between\n".to_owned(), tree.text(KEY)];
        if key_first {
            parts.reverse();
        }
        let both = "/etc/kubernetes/pki/both.pem";
        tree.write_with_mode(both, parts.concat(), 0o600);
        tree.remove(CRT);
        tree.remove(KEY);
        let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
        tree.replace(manifest, CRT, both);
        tree.replace(manifest, KEY, both);
        let old = tree.text(both);
        tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
        tree.assert_pair(both, both);
        tree.assert_signed(both, CA);
        assert_eq!(outline(&tree.text(both)), outline(&old));
        assert!(!tree.exists(CRT) && !tree.exists(KEY));
    }
}

#[test]
fn intermediates_stay_behind_the_leaf() {
    let tree = Tree::kubeadm().expired(30).build();
    // The cluster's CA is an intermediate: its own certificate travels behind the leaf.
    let ca = tree.text(CA);
    let bundle = format!("{}\n# our CA\n{ca}", tree.text(CRT));
    tree.write(CRT, &bundle);
    let old = tree.certificates(CRT);
    renew(&tree);
    let new = tree.certificates(CRT);
    assert_eq!(new.len(), 2);
    assert_kept(&old[0], &new[0]);
    assert_eq!(old[1], new[1]);
    assert_eq!(outline(&tree.text(CRT)), outline(&bundle));
}

#[test]
fn a_link_stays_a_link_and_its_target_is_replaced() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename(CRT, "/srv/certificates/apiserver.crt");
    tree.symlink(CRT, "/srv/certificates/apiserver.crt");
    tree.rename(KEY, "/etc/kubernetes/pki/real/apiserver.key");
    tree.symlink(KEY, "real/apiserver.key");
    let before = tree.snapshot();
    renew(&tree);
    assert_eq!(
        tree.link_target(CRT),
        Path::new("/srv/certificates/apiserver.crt")
    );
    assert_eq!(tree.link_target(KEY), Path::new("real/apiserver.key"));
    let changed = tree.changed(&before);
    let expected = [
        "/etc/kubernetes/pki/real/apiserver.key",
        "/srv/certificates/apiserver.crt",
    ];
    assert_eq!(changed, expected.map(Path::new));
}

#[test]
fn a_folder_that_is_a_link_is_one_folder() {
    // kubespray: everything in /etc/kubernetes/ssl, and /etc/kubernetes/pki links there.
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    tree.symlink("/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        let manifest = format!("/etc/kubernetes/manifests/{name}.yaml");
        tree.replace(&manifest, "/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    }
    let status = tree.status();
    assert_eq!(
        status["certificates"].as_array().unwrap().len(),
        12,
        "{status:#}"
    );
    assert_eq!(
        status["certificateAuthorities"].as_array().unwrap().len(),
        3,
        "{status:#}"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_pair(
        "/etc/kubernetes/ssl/apiserver.crt",
        "/etc/kubernetes/ssl/apiserver.key",
    );
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn odd_contents_of_certificates_are_kept() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove(KEY);
    let issue = Issue {
        subject: "/O=one/O=two/OU=ünit/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/ca"),
        extensions: "subjectKeyIdentifier=hash\n\
            keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,1.3.6.1.4.1.311.20.2.2\n\
            authorityKeyIdentifier=keyid,issuer\nbasicConstraints=critical,CA:FALSE\n\
            subjectAltName=critical,DNS:cp1,URI:spiffe://cluster/ns/api,email:admin@example.org,IP:::1,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@realm,RID:1.2.3.4,dirName:directory\n\
            1.2.3.4.5=critical,DER:0403010203\nnsComment=by hand\n\
            crlDistributionPoints=URI:http://example.org/crl\n\
            [directory]\nCN=a directory name\n",
        ..Issue::default()
    };
    tree.issue_into(CRT, KEY, &issue);
    let old = tree.certificate(CRT);
    tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    tree.assert_pair(CRT, KEY);
    assert_kept(&old, &tree.certificate(CRT));
    let (old, new) = (old, tree.x509(CRT, &["-text"]));
    for word in [
        "O = one, O = two",
        "spiffe://cluster/ns/api",
        "admin@example.org",
        "by hand",
    ] {
        assert!(new.contains(word), "{word} not in {new}");
    }
    assert_eq!(old.subject_alt_names().len(), 7);
    let names = tree.x509(CRT, &["-ext", "subjectAltName"]);
    assert!(names.contains("critical"), "{names}");
}
