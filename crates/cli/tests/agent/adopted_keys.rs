//! The key of a CA that somebody else made is taken from wherever it was put, and nothing else is taken with
//! it: neither another key nor another file, nor to another place.

use crate::client::Agent;
use crate::shared_keys::{carry, plan};
use crate::support::Tree;
use kubepki_core::plan::FileEdit;
use kubepki_engine::transit::public_sha256;
use kubepki_fleet::session::SessionError;
use kubepki_sealed::Sealed;

const PUT: &str = "/root/handed-over/new.key";
const NEXT: &str = "/etc/kubernetes/pki/ca-next.key";
const NEXT_CERTIFICATE: &str = "/etc/kubernetes/pki/ca-next.crt";

fn code(result: Result<(), SessionError>) -> String {
    result.unwrap_err().code
}

/// A host on which somebody put the key of another CA.
fn host() -> Tree {
    let tree = Tree::kubeadm().build();
    tree.write_with_mode(PUT, tree.read("/etc/kubernetes/pki/etcd/ca.key"), 0o600);
    tree
}

fn adopt(tree: &Tree, from: &str, to: &str) -> FileEdit {
    FileEdit::AdoptKey {
        from: from.into(),
        to: to.into(),
        public_key_sha256: public_sha256(&Sealed::new(
            tree.read("/etc/kubernetes/pki/etcd/ca.key"),
        ))
        .unwrap(),
    }
}

fn certificate(tree: &Tree, of: &str) -> FileEdit {
    FileEdit::Bundle {
        path: NEXT_CERTIFICATE.into(),
        pem: String::from_utf8(tree.read(of)).unwrap(),
        like: None,
    }
}

#[test]
fn a_key_that_was_put_anywhere_becomes_the_successors() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    agent.look();
    let edits = vec![
        adopt(&tree, PUT, NEXT),
        certificate(&tree, "/etc/kubernetes/pki/etcd/ca.crt"),
    ];
    carry(&mut agent, &plan(&tree, "cp1", edits), Vec::new()).unwrap();
    assert_eq!(tree.read(NEXT), tree.read(PUT), "it stays where it was");
    tree.assert_pair(NEXT_CERTIFICATE, NEXT);
}

#[test]
fn nothing_else_is_taken() {
    let tree = host();
    let before = tree.snapshot();
    let mut agent = Agent::on(&tree);
    agent.look();
    let etcd = "/etc/kubernetes/pki/etcd/ca.crt";
    let mut refused = |edits: Vec<FileEdit>| {
        let error = carry(&mut agent, &plan(&tree, "cp1", edits), Vec::new());
        let error = error.unwrap_err();
        assert!(!error.message.contains("PRIVATE KEY"), "{error}");
        error.code
    };
    let outside = "plan-outside-discovery";
    // Without the certificate that it belongs to, with another one's, to another place.
    assert_eq!(refused(vec![adopt(&tree, PUT, NEXT)]), outside);
    let other = certificate(&tree, "/etc/kubernetes/pki/front-proxy-ca.crt");
    assert_eq!(refused(vec![adopt(&tree, PUT, NEXT), other]), outside);
    for place in [
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/etcd/ca-next.key",
        "/root/ca-next.key",
        "/etc/kubernetes/pki/strange-next.key",
    ] {
        let edits = vec![adopt(&tree, PUT, place), certificate(&tree, etcd)];
        assert_eq!(refused(edits), outside, "{place}");
    }
    // What is no file, or spelled in a strange way.
    for from in [
        "/root",
        "/root/nothing.key",
        "/root/../root/handed-over/new.key",
    ] {
        let edits = vec![adopt(&tree, from, NEXT), certificate(&tree, etcd)];
        assert_eq!(refused(edits), outside, "{from}");
    }
    // Another key, and no key at all: read, and not taken.
    for from in ["/etc/kubernetes/pki/sa.key", "/etc/hostname"] {
        let edits = vec![adopt(&tree, from, NEXT), certificate(&tree, etcd)];
        assert_ne!(refused(edits), outside, "{from}");
    }
    tree.assert_unchanged(&before);
}

#[test]
fn a_request_and_its_key_are_made_beside_the_old_one_and_nowhere_else() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    agent.look();
    let ask = |key: &str, request: &str| FileEdit::MakeRequest {
        key: key.into(),
        request: request.into(),
        key_type: "ecdsa:p256".to_owned(),
        like_pem: String::from_utf8(tree.read("/etc/kubernetes/pki/ca.crt")).unwrap(),
        common_name: "kubernetes@20261122T114500Z".to_owned(),
    };
    let request = "/etc/kubernetes/pki/ca-next.csr";
    for (key, request) in [
        ("/etc/kubernetes/pki/ca.key", request),
        (NEXT, "/etc/kubernetes/pki/apiserver.crt"),
        (NEXT, "/root/ca-next.csr"),
    ] {
        let refused = carry(
            &mut agent,
            &plan(&tree, "cp1", vec![ask(key, request)]),
            Vec::new(),
        );
        assert_eq!(code(refused), "plan-outside-discovery", "{key} {request}");
    }
    carry(
        &mut agent,
        &plan(&tree, "cp1", vec![ask(NEXT, request)]),
        Vec::new(),
    )
    .unwrap();
    let found = agent.look().inventory.successor_requests;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].subject.contains("kubernetes@20261122T114500Z"));
    assert_eq!(found[0].key_path, std::path::Path::new(NEXT));
    let words = crate::support::openssl(
        &tree.scratch(),
        &[
            "req",
            "-in",
            tree.path(request).to_str().unwrap(),
            "-noout",
            "-text",
            "-verify",
        ],
    );
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(words.contains("CA:TRUE"), "{words}");
    assert!(words.contains("Certificate Sign"), "{words}");
    // Taken back, nothing of it is left.
    drop(agent);
    tree.kubepki(&["undo", "--yes"]).expect(0);
    assert!(!tree.exists(NEXT) && !tree.exists(request));
}
