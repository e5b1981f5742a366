//! CAs that have expired, do not match their key, or hold more than one certificate.

use crate::kept::assert_kept;
use crate::support::{Issue, LEAFS, Tree};
use std::fs;

const CA: &str = "/etc/kubernetes/pki/ca.crt";
const CA_KEY: &str = "/etc/kubernetes/pki/ca.key";
const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";
const KUBECONFIGS: [&str; 4] = ["admin", "controller-manager", "kubelet", "scheduler"];

fn expired() -> Tree {
    Tree::kubeadm().valid(90).authorities_end(-3).build()
}

#[track_caller]
fn assert_trusts_the_new_authority(tree: &Tree) {
    for name in KUBECONFIGS {
        let path = format!("/etc/kubernetes/{name}.conf");
        let data = tree.kubeconfig_value(&path, "certificate-authority-data");
        assert_eq!(String::from_utf8(data).unwrap(), tree.text(CA), "{path}");
    }
}

#[test]
fn an_expired_authority_is_refused_and_the_choice_explained() {
    let tree = expired();
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    for word in ["ca itself expired at", "--renew-expired-ca", "compromised"] {
        assert!(run.stderr.contains(word), "{word}: {run}");
    }
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(run.stderr.contains("etcd-ca itself expired at"), "{run}");
    assert!(run.stderr.contains("nothing was renewed"), "{run}");
    tree.assert_unchanged(&before);
}

#[test]
fn an_expired_authority_is_renewed_with_its_own_key() {
    let tree = expired();
    let old = tree.certificate(CA);
    let key = tree.text(CA_KEY);
    let old_leafs: Vec<_> = LEAFS
        .iter()
        .map(|leaf| tree.text(format!("{}.crt", leaf.base)))
        .collect();
    let run = tree
        .kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(0);
    assert!(run.stdout.contains("copies of it on other hosts"), "{run}");
    let new = tree.certificate(CA);
    assert_kept(&old, &new);
    assert_eq!(old.public_key(), new.public_key());
    assert_eq!(old.subject_key_identifier(), new.subject_key_identifier());
    assert_eq!(key, tree.text(CA_KEY));
    tree.assert_sound();
    assert_trusts_the_new_authority(&tree);
    // Whoever kept an old leaf is believed under the new certificate of the authority.
    for (leaf, old) in LEAFS.iter().zip(old_leafs) {
        let path = tree.scratch().join("old.crt");
        fs::write(&path, old).unwrap();
        tree.assert_signed(path.to_str().unwrap(), &format!("{}.crt", leaf.authority));
    }
    tree.kubepki(&["status"]).expect(0);
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(0);
    tree.assert_unchanged(&before);
}

#[test]
fn only_the_authority_that_is_needed_is_renewed() {
    let tree = expired();
    let (etcd, proxy) = (
        tree.text("/etc/kubernetes/pki/etcd/ca.crt"),
        tree.text("/etc/kubernetes/pki/front-proxy-ca.crt"),
    );
    let admin = tree.kubeconfig_certificate("/etc/kubernetes/admin.conf");
    tree.kubepki(&["renew", "apiserver", "--renew-expired-ca", "--yes"])
        .expect(0);
    tree.assert_signed(CRT, CA);
    assert_eq!(etcd, tree.text("/etc/kubernetes/pki/etcd/ca.crt"));
    assert_eq!(proxy, tree.text("/etc/kubernetes/pki/front-proxy-ca.crt"));
    // Kubeconfigs that were not renewed trust it all the same.
    assert_trusts_the_new_authority(&tree);
    assert_eq!(
        admin,
        tree.kubeconfig_certificate("/etc/kubernetes/admin.conf")
    );
}

#[test]
fn a_bootstrap_kubeconfig_with_a_token_trusts_the_new_authority_too() {
    let tree = expired();
    let path = "/etc/kubernetes/bootstrap-kubelet.conf";
    let data = crate::support::base64(tree.read(CA));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://10.77.0.1:6443\n  name: k\ncontexts:\n- context: {{cluster: k, user: t}}\n  name: c\nusers:\n- name: t\n  user: {{token: abcdef.0123456789abcdef}}\n"
    );
    tree.write_with_mode(path, &text, 0o600);
    tree.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(0);
    let new = crate::support::base64(tree.read(CA));
    assert_eq!(tree.text(path), text.replace(&data, &new));
}

#[test]
fn every_file_that_holds_the_authority_gets_the_new_one() {
    let tree = expired();
    // Without the key beside it, and with another CA before it.
    let copy = "/etc/etcd/trusted.pem";
    let bundle = [
        tree.read("/etc/kubernetes/pki/front-proxy-ca.crt"),
        tree.read("/etc/kubernetes/pki/etcd/ca.crt"),
    ]
    .concat();
    tree.write(copy, bundle);
    let manifest = "/etc/kubernetes/manifests/etcd.yaml";
    let flag = "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt";
    tree.replace(
        manifest,
        &format!("- {flag}"),
        &format!("- --trusted-ca-file={copy}"),
    );
    tree.replace(
        manifest,
        "mountPath: /etc/kubernetes/pki/etcd\n",
        "mountPath: /etc/kubernetes/pki/etcd\n    - mountPath: /etc/etcd\n      name: etcd-trust\n",
    );
    // The list of mounts above grew by one entry; its volume follows.
    tree.replace(manifest, "    name: etcd-certs\n  - hostPath", "    name: etcd-certs\n  - hostPath:\n      path: /etc/etcd\n    name: etcd-trust\n  - hostPath");
    let text = tree.text(manifest);
    tree.write(
        manifest,
        text.replace(
            "    - mountPath: /etc/kubernetes/pki/etcd\n    - mountPath: /etc/etcd\n      name: etcd-trust\n      name: etcd-certs\n",
            "    - mountPath: /etc/kubernetes/pki/etcd\n      name: etcd-certs\n    - mountPath: /etc/etcd\n      name: etcd-trust\n",
        ),
    );
    tree.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(0);
    let copied = tree.certificates(copy);
    assert_eq!(copied.len(), 2);
    assert_eq!(
        copied[0],
        tree.certificate("/etc/kubernetes/pki/front-proxy-ca.crt")
    );
    assert_eq!(
        copied[1],
        tree.certificate("/etc/kubernetes/pki/etcd/ca.crt")
    );
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn an_authority_with_another_key_beside_it_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.copy("/etc/kubernetes/pki/etcd/ca.key", CA_KEY);
    let row = tree.row("ca");
    assert_eq!(row["keyMatches"], false, "{row:#}");
    assert!(
        row["findings"].to_string().contains("key-mismatch"),
        "{row:#}"
    );
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    for word in ["/etc/kubernetes/pki/ca.key does not match", CA] {
        assert!(run.stderr.contains(word), "{word}: {run}");
    }
    tree.assert_unchanged(&before);
}

#[test]
fn an_encrypted_key_of_an_authority_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    for words in [
        &[
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-passout",
            "pass:secret",
        ][..],
        &["ec", "-aes256", "-passout", "pass:secret"][..],
    ] {
        let plain = tree.text(CA_KEY);
        let path = tree.path(CA_KEY);
        let encrypted = tree.openssl(&[words, &["-in", path.to_str().unwrap()]].concat());
        tree.write(CA_KEY, encrypted);
        let row = tree.row("ca");
        assert!(
            row["findings"].to_string().contains("key-unusable"),
            "{row:#}"
        );
        let before = tree.snapshot();
        let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
        assert!(run.stderr.contains("encrypted"), "{run}");
        assert!(run.stderr.contains(CA_KEY), "{run}");
        tree.assert_unchanged(&before);
        tree.write(CA_KEY, plain);
    }
}

#[test]
fn a_leaf_that_another_authority_signed_is_found_and_mended() {
    let tree = Tree::kubeadm().valid(300).build();
    // It names its issuer `kubernetes`, but that one's key did not sign it.
    tree.issue(
        "/elsewhere/imposter",
        &Tree::kubeadm().authority("/CN=kubernetes"),
    );
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/elsewhere/imposter"),
        until_days: 364,
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..Issue::default()
    };
    tree.issue("/etc/kubernetes/pki/apiserver", &issue);
    let row = tree.row("apiserver");
    assert_eq!(row["signedByCa"], false, "{row:#}");
    let findings = row["findings"].to_string();
    assert!(findings.contains("not-signed-by-ca"), "{row:#}");
    assert!(findings.contains("another key signed it"), "{row:#}");
    tree.kubepki(&["status"]).expect(4);
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(
        run.stdout
            .contains("none of the authorities on this host signed"),
        "{run}"
    );
    tree.assert_signed(CRT, CA);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn a_leaf_signed_by_a_wrong_authority_of_the_host_is_found() {
    let tree = Tree::kubeadm().expired(30).build();
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/etcd/ca"),
        until_days: 364,
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..Issue::default()
    };
    tree.issue("/etc/kubernetes/pki/apiserver", &issue);
    let row = tree.row("apiserver");
    let findings = row["findings"].to_string();
    assert!(findings.contains("signed-by-other-ca"), "{row:#}");
    assert!(
        findings.contains("signed by etcd-ca, expected ca"),
        "{row:#}"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_signed(CRT, CA);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn the_certificate_that_matches_the_key_issues_wherever_it_stands_in_the_bundle() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.issue(
        "/elsewhere/next",
        &Tree::kubeadm().authority("/CN=kubernetes"),
    );
    let bundle = [tree.read("/elsewhere/next.crt"), tree.read(CA)].concat();
    let ours = tree.certificate(CA);
    tree.write(CA, bundle);
    let row = tree.row("ca");
    assert_eq!(row["bundleSize"], 2, "{row:#}");
    assert_eq!(row["keyMatches"], true, "{row:#}");
    assert_eq!(
        row["fingerprintSha256"],
        tree.status()["certificateAuthorities"][0]["fingerprintSha256"]
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.certificate(CRT).verify_issued_by(&ours).unwrap();
    tree.assert_sound();
    assert_trusts_the_new_authority(&tree);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn the_expired_one_of_a_bundle_is_renewed_where_it_stands() {
    let tree = expired();
    tree.issue("/elsewhere/next", &Tree::kubeadm().authority("/CN=next"));
    let next = tree.certificate("/elsewhere/next.crt");
    let bundle = format!(
        "# next\n{}# ours\n{}",
        tree.text("/elsewhere/next.crt"),
        tree.text(CA)
    );
    tree.write(CA, &bundle);
    tree.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(0);
    let new = tree.certificates(CA);
    assert_eq!(new[0], next);
    tree.certificate(CRT).verify_issued_by(&new[1]).unwrap();
    let text = tree.text(CA);
    assert!(
        text.starts_with("# next\n") && text.contains("\n# ours\n"),
        "{text}"
    );
    tree.assert_sound();
}

#[test]
fn an_expired_authority_without_its_key_stays_expired_and_the_others_do_not() {
    let tree = expired();
    tree.remove(CA_KEY);
    let proxy_key = "/etc/kubernetes/pki/front-proxy-ca.key";
    tree.copy("/etc/kubernetes/pki/sa.key", proxy_key);
    let old = tree.text(CA);
    let run = tree
        .kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])
        .expect(1);
    for words in [
        "ca: it has expired and stays so: its key is not on this host",
        "front-proxy-ca: it has expired and stays so: its key is another certificate's",
        "apiserver, apiserver-kubelet-client",
    ] {
        assert!(run.stdout.contains(words), "{words}: {run}");
    }
    assert_eq!(tree.text(CA), old);
    let etcd = "/etc/kubernetes/pki/etcd";
    tree.assert_signed(&format!("{etcd}/server.crt"), &format!("{etcd}/ca.crt"));
    tree.assert_pair(&format!("{etcd}/server.crt"), &format!("{etcd}/server.key"));
}
