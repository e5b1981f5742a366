//! From layouts to lists of what to make, where no authority is there yet. With authorities that are
//! there, which takes keys, it is tested through the program.

use super::support::{kubeadm, layout, request};
use jiff::Timestamp;
use kubepki_core::founding::{
    Founding, FoundingRefusal, FoundingRequest, Ground, Making, Source, found,
};
use std::path::{Path, PathBuf};

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn list(request: &FoundingRequest) -> Founding {
    found(&kubeadm(), &Ground::default(), request, now()).unwrap()
}

fn refusal(request: &FoundingRequest, existing: &[&str]) -> FoundingRefusal {
    let ground = Ground {
        existing: existing.iter().map(PathBuf::from).collect(),
        ..Ground::default()
    };
    found(&kubeadm(), &ground, request, now()).unwrap_err()
}

fn only(names: &[&str]) -> FoundingRequest {
    FoundingRequest {
        only: names.iter().map(|name| (*name).to_owned()).collect(),
        ..request()
    }
}

fn names(founding: &Founding) -> Vec<&str> {
    founding
        .makings
        .iter()
        .map(|making| making.name.as_str())
        .collect()
}

fn making<'a>(founding: &'a Founding, name: &str) -> &'a Making {
    founding
        .makings
        .iter()
        .find(|making| making.name == name)
        .unwrap()
}

#[test]
fn everything_is_made_on_empty_ground_authorities_first() {
    let founding = list(&request());
    assert_eq!(names(&founding)[..3], ["ca", "etcd-ca", "front-proxy-ca"]);
    assert_eq!(founding.makings.len(), 15);
    assert_eq!(founding.paths().len(), 3 * 2 + 7 * 2 + 5 + 2);
    assert_eq!(making(&founding, "ca").source, Source::Itself);
    assert_eq!(
        making(&founding, "etcd-peer").source,
        Source::Authority("etcd-ca".to_owned())
    );
    assert!(founding.notices.is_empty(), "{:?}", founding.notices);
}

#[test]
fn dates_and_keys_are_those_asked_for() {
    let founding = list(&request());
    let (ca, leaf) = (making(&founding, "ca"), making(&founding, "apiserver"));
    assert_eq!(ca.not_after, "2036-11-19T10:00:00Z".parse().unwrap());
    assert_eq!(leaf.not_after, "2027-11-22T10:00:00Z".parse().unwrap());
    assert_eq!(leaf.not_before, "2026-11-22T09:55:00Z".parse().unwrap());
    assert_eq!(
        (ca.key_type.as_str(), leaf.key_type.as_str()),
        ("rsa:4096", "rsa:2048")
    );
    let keys = &founding.service_account_keys;
    assert_eq!(keys[0].key_type.as_deref(), Some("ecdsa:p256"));
}

#[test]
fn what_a_layout_declares_is_stronger_than_what_is_asked_for() {
    let declared = layout(
        "authorities: [{name: ca, subject: {commonName: ca}, certificate: ca.crt, key: ca.key, \
         validity: 2y, keyType: ed25519}]\n\
         certificates: [{name: a, signer: ca, subject: {commonName: a}, usages: [clientAuth], \
         certificate: a.crt, key: a.key, validity: 7d, keyType: ecdsa:p384}]",
    );
    let declared = declared.checked(&super::support::folders()).unwrap();
    let founding = found(&declared, &Ground::default(), &request(), now()).unwrap();
    let (ca, leaf) = (making(&founding, "ca"), making(&founding, "a"));
    assert_eq!(ca.not_after, "2028-11-21T10:00:00Z".parse().unwrap());
    assert_eq!(leaf.not_after, "2026-11-29T10:00:00Z".parse().unwrap());
    assert_eq!(
        (ca.key_type.as_str(), leaf.key_type.as_str()),
        ("ed25519", "ecdsa:p384")
    );
    assert_eq!(founding.notices[0].code, "ed25519");
}

#[test]
fn nothing_outlives_its_authority_and_that_is_said_once() {
    let founding = list(&FoundingRequest {
        end: "20y".parse().unwrap(),
        ..request()
    });
    let ca = making(&founding, "ca").not_after;
    assert!(founding.makings.iter().all(|making| making.not_after <= ca));
    let clamped: Vec<&str> = founding
        .notices
        .iter()
        .filter(|notice| notice.code == "clamped-to-ca")
        .map(|notice| notice.object.as_str())
        .collect();
    assert_eq!(clamped, ["ca", "etcd-ca", "front-proxy-ca"]);
}

#[test]
fn a_selection_is_made_with_the_authorities_that_it_names() {
    let founding = list(&only(&["etcd-ca", "etcd-server", "sa"]));
    assert_eq!(names(&founding), ["etcd-ca", "etcd-server"]);
    assert_eq!(founding.service_account_keys.len(), 1);
    assert_eq!(names(&list(&only(&["authorities"]))).len(), 3);

    let error = refusal(&only(&["kubeconfigs"]), &[]);
    assert_eq!(error.code(), "ca-missing");
    assert!(
        error.to_string().contains("admin.conf needs authority ca"),
        "{error}"
    );
    let error = refusal(&only(&["apisever"]), &[]);
    assert_eq!(error.code(), "unknown-certificate");
    assert!(error.to_string().contains("apiserver"), "{error}");
}

#[test]
fn everything_in_the_way_is_listed() {
    let error = refusal(
        &request(),
        &["/pki/apiserver.crt", "/conf/admin.conf", "/pki/sa.pub"],
    );
    let FoundingRefusal::Exists { paths } = &error else {
        panic!("{error}");
    };
    let expected = ["/pki/apiserver.crt", "/conf/admin.conf", "/pki/sa.pub"];
    assert_eq!(paths, &expected.map(PathBuf::from));
    assert!(
        error
            .to_string()
            .starts_with("3 files that exist would be overwritten")
    );
    assert_eq!(
        refusal(&request(), &["/pki/ca.key"]).code(),
        "ca-key-without-certificate"
    );
}

#[test]
fn an_existing_service_account_key_is_kept_and_completed() {
    let ground = |paths: &[&str]| Ground {
        existing: paths.iter().map(PathBuf::from).collect(),
        ..Ground::default()
    };
    let both = ground(&["/pki/sa.key", "/pki/sa.pub"]);
    let founding = found(&kubeadm(), &both, &request(), now()).unwrap();
    assert!(founding.service_account_keys.is_empty());
    assert_eq!(
        founding.kept,
        ["/pki/sa.key", "/pki/sa.pub"].map(PathBuf::from)
    );

    let half = ground(&["/pki/sa.key"]);
    let founding = found(&kubeadm(), &half, &request(), now()).unwrap();
    assert_eq!(founding.service_account_keys[0].key_type, None);
    assert!(founding.paths().contains(&PathBuf::from("/pki/sa.pub")));
    assert!(!founding.paths().contains(&PathBuf::from("/pki/sa.key")));
}

#[test]
fn with_external_authorities_there_are_only_requests() {
    let requests = FoundingRequest {
        external: true,
        csr_dir: Some(PathBuf::from("/requests")),
        ..request()
    };
    let founding = list(&requests);
    assert!(founding.has_requests());
    assert_eq!(founding.makings.len(), 12);
    let paths = making(&founding, "admin.conf").paths();
    assert_eq!(
        paths,
        [
            Path::new("/requests/admin.conf.key"),
            Path::new("/requests/admin.conf.csr")
        ]
    );
    assert_eq!(
        refusal(&requests, &["/requests/admin.conf.key"]).code(),
        "already-exists"
    );

    let error = refusal(
        &FoundingRequest {
            csr_dir: None,
            ..requests.clone()
        },
        &[],
    );
    assert_eq!(error.code(), "external-ca");
    assert!(error.hint().unwrap().contains("--csr-dir"));

    // A kubeconfig cannot be installed while nobody knows whom it is to trust.
    let error = refusal(
        &FoundingRequest {
            csr_dir: None,
            install: Some(PathBuf::from("/requests")),
            ..requests
        },
        &[],
    );
    assert_eq!(error.code(), "nothing-to-trust");
}

#[test]
fn empty_and_past_validity_are_not_passed_over() {
    let error = refusal(
        &FoundingRequest {
            end: "2026-11-22T09:00:00Z".parse().unwrap(),
            ..request()
        },
        &[],
    );
    assert_eq!(error.code(), "empty-validity");
    let founding = list(&FoundingRequest {
        start: "-2y".parse().unwrap(),
        end: "2026-11-21".parse().unwrap(),
        ..request()
    });
    let past = founding
        .notices
        .iter()
        .find(|notice| notice.code == "ends-in-the-past")
        .unwrap();
    assert!(
        past.message.contains("and 11 more like it"),
        "{}",
        past.message
    );
}
