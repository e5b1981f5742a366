//! Layouts as they are declared.

use super::support::{folders, kubeadm, layout};
use kubepki_core::founding::{
    ClusterParameters, DeclaredLayout, Destination, LayoutError, declared_by_kubeadm,
};
use std::path::Path;

const ROOT: &str =
    "authorities: [{name: ca, subject: {commonName: ca}, certificate: ca.crt, key: ca.key}]\n";

fn refusal(text: &str) -> LayoutError {
    layout(text).checked(&folders()).unwrap_err()
}

#[test]
fn kubeadms_layout_is_the_same_after_being_written_and_read() {
    let cluster = ClusterParameters::new("cp1", [10, 0, 0, 5].into(), 34);
    let declared = declared_by_kubeadm(&cluster);
    let text = serde_json::to_string(&declared).unwrap();
    assert_eq!(DeclaredLayout::from_yaml(&text).unwrap(), declared);
}

#[test]
fn relative_paths_begin_in_their_folders_and_absolute_ones_stay() {
    let declared = layout(&format!(
        "{ROOT}kubeconfigs:\n\
         - {{name: a, signer: ca, subject: {{commonName: u}}, file: a.conf, server: 'https://a'}}\n\
         - {{name: b, signer: ca, subject: {{commonName: u}}, file: /b.conf, server: 'https://a'}}\n"
    ))
    .checked(&folders())
    .unwrap();
    assert_eq!(
        declared.authorities[0].certificate,
        Path::new("/pki/ca.crt")
    );
    let files: Vec<&Path> = declared
        .leafs
        .iter()
        .flat_map(|leaf| leaf.destination.paths())
        .collect();
    assert_eq!(files, [Path::new("/conf/a.conf"), Path::new("/b.conf")]);
    let Destination::Kubeconfig {
        cluster,
        user,
        trusts,
        ..
    } = &declared.leafs[0].destination
    else {
        panic!("a kubeconfig goes into a kubeconfig");
    };
    assert_eq!(
        (cluster.as_str(), user.as_str(), trusts.as_str()),
        ("kubernetes", "u", "ca")
    );
}

#[test]
fn authorities_come_after_those_that_sign_them() {
    let declared = layout(
        "authorities:\n\
         - {name: leaf-ca, signer: policy-ca, subject: {commonName: l}, certificate: l.crt, key: l.key}\n\
         - {name: policy-ca, signer: root, subject: {commonName: p}, certificate: p.crt, key: p.key}\n\
         - {name: root, subject: {commonName: r}, certificate: r.crt, key: r.key}\n",
    )
    .checked(&folders())
    .unwrap();
    let order: Vec<&str> = declared
        .authorities
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(order, ["root", "policy-ca", "leaf-ca"]);
}

#[test]
fn what_does_not_hold_together_is_refused_by_name() {
    let leaf = |more: &str| {
        format!(
            "{ROOT}certificates: [{{name: a, subject: {{commonName: a}}, certificate: a.crt, \
             key: a.key, {more}}}]"
        )
    };
    let cases = [
        (
            "authorities:\n\
             - {name: a, signer: b, subject: {commonName: a}, certificate: a.crt, key: a.key}\n\
             - {name: b, signer: a, subject: {commonName: b}, certificate: b.crt, key: b.key}\n"
                .to_owned(),
            "layout-signer-cycle",
            "authority `a` would be signed by itself through `b`",
        ),
        (
            leaf("signer: other-ca, usages: []"),
            "layout-unknown-signer",
            "`a` is signed by `other-ca`, which is no authority of this layout; there are: ca",
        ),
        (
            leaf("signer: ca, usages: [client]"),
            "layout-usage",
            "`a`: `client` is no extended key usage",
        ),
        (
            leaf("signer: ca, usages: [], names: ['a b']"),
            "layout-subject-alt-name",
            "`a`: ",
        ),
        (
            leaf("signer: ca, usages: [], validity: soon"),
            "layout-validity",
            "`a`: cannot read `soon`",
        ),
        (
            format!(
                "{ROOT}certificates: [{{name: b, subject: {{commonName: a}}, signer: ca, usages: [], \
                 certificate: b.crt, key: ca.key}}]"
            ),
            "layout-same-path",
            "`ca` and `b` would both be written into /pki/ca.key",
        ),
        (
            format!("{ROOT}serviceAccountKeys: [{{name: ca, private: a, public: b}}]"),
            "layout-duplicate-name",
            "`ca` is declared twice",
        ),
        (
            format!(
                "{ROOT}serviceAccountKeys: [{{name: sa, private: a, public: b, keyType: ed25519}}]"
            ),
            "layout-service-account-key-type",
            "RSA and ECDSA keys only, found ed25519",
        ),
        (
            "authorities: [{name: a, subject: {commonName: ''}, certificate: a, key: b}]"
                .to_owned(),
            "layout-no-common-name",
            "`a` has an empty common name",
        ),
    ];
    for (text, code, words) in cases {
        let error = refusal(&text);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn one_file_for_both_certificate_and_key_is_fine() {
    let text = format!(
        "{ROOT}certificates: [{{name: b, subject: {{commonName: a}}, signer: ca, usages: [], \
         certificate: b.pem, key: b.pem}}]"
    );
    let declared = layout(&text).checked(&folders()).unwrap();
    assert_eq!(
        declared.leafs[0].destination.paths(),
        [Path::new("/pki/b.pem")]
    );
}

#[test]
fn kubeadms_layout_holds_together() {
    let declared = kubeadm();
    assert_eq!(declared.authorities.len(), 3);
    assert_eq!(declared.leafs.len(), 12);
    assert_eq!(declared.service_account_keys.len(), 1);
}
