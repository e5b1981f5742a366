//! What is found in which value.

use kubepki_core::model::cluster::{
    BundlePurpose, ClusterObservation, Encoding, KnownKeys, RequestState,
};
use kubepki_engine::cluster::ScanOptions;
use serde_json::{Value, json};

use crate::api::{Api, config_map, secret};
use crate::support::{authority, client, many_of_one_key};

const SECRETS: &str = "/api/v1/secrets";
const CONFIG_MAPS: &str = "/api/v1/configmaps";

fn of_secret(values: &[(&str, &[u8])]) -> ClusterObservation {
    let secret = secret("a", "x", "Opaque", values);
    Api::new().with(SECRETS, [secret]).scanned()
}

fn places(seen: &ClusterObservation) -> (Vec<&str>, Vec<&str>) {
    (
        seen.certificates
            .iter()
            .map(|entry| entry.object.field.as_deref().unwrap())
            .collect(),
        seen.bundles
            .iter()
            .map(|bundle| bundle.object.field.as_deref().unwrap())
            .collect(),
    )
}

#[test]
fn a_key_beside_it_makes_a_ca_certificate_somebodys_own() {
    let (ca, other) = (authority("ca"), authority("other"));
    let (leaf, key) = client(&ca, "web");
    // Istio's way of naming, an intermediate with its root, and a server with its trust
    let seen = of_secret(&[
        ("ca-cert.pem", ca.pem().as_bytes()),
        ("ca-key.pem", ca.key.as_bytes()),
        ("root-cert.pem", other.pem().as_bytes()),
        (
            "tls.crt",
            format!("{}{}", leaf.to_pem(), ca.pem()).as_bytes(),
        ),
        ("tls.key", key.as_bytes()),
    ]);
    let (own, trusted) = places(&seen);
    assert_eq!(own, ["data[ca-cert.pem]", "data[tls.crt]"]);
    assert_eq!(trusted, ["data[root-cert.pem]"]);
    assert!(seen.certificates[0].is_ca && !seen.certificates[1].is_ca);
    assert!(
        seen.certificates
            .iter()
            .all(|found| found.key_matches == Some(true))
    );

    // without the key it is trusted, whatever is called
    let (own, trusted) = (ca.pem(), other.pem());
    let seen = of_secret(&[("anything", own.as_bytes()), ("ca.crt", trusted.as_bytes())]);
    assert_eq!(
        places(&seen),
        (vec![], vec!["data[anything]", "data[ca.crt]"])
    );
}

#[test]
fn certificates_are_found_in_every_format_and_under_any_name() {
    let ca = authority("ca");
    let (leaf, key) = client(&ca, "web");
    let combined = format!("{key}# comment\n{}", leaf.to_pem());
    let seen = of_secret(&[
        ("blob", leaf.der()),
        ("haproxy", combined.as_bytes()),
        ("password", b"hunter2"),
        ("random", &[0x30, 0x82, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("empty", b""),
    ]);
    let found: Vec<_> = seen
        .certificates
        .iter()
        .map(|entry| {
            (
                entry.object.field.as_deref().unwrap(),
                entry.encoding,
                entry.key_matches,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("data[blob]", Encoding::Der, Some(true)),
            ("data[haproxy]", Encoding::Pem, Some(true)),
        ]
    );
    assert!(seen.bundles.is_empty() && seen.gaps.is_empty());
    assert_eq!(seen.counts["Secret"], 1);
}

#[test]
fn damaged_values_are_problems_and_hostile_ones_are_no_trouble() {
    let ca = authority("ca");
    let broken = ca.pem().replace("MII", "AAA");
    let mut half = ca.pem();
    half.push_str(&broken);
    let script = format!("#!/bin/sh\necho '{broken}'\n");
    let seen = of_secret(&[
        ("tls.crt", broken.as_bytes()),
        ("ca.crt", half.as_bytes()),
        ("run.sh", script.as_bytes()),
    ]);
    let (own, trusted) = places(&seen);
    assert_eq!(
        (own, trusted),
        (vec!["data[tls.crt]"], vec!["data[ca.crt]"])
    );
    assert!(seen.certificates[0].problem.is_some());
    assert_eq!(
        seen.bundles[0].certificates,
        std::slice::from_ref(&ca.certificate)
    );
    assert!(
        seen.bundles[0]
            .problem
            .as_deref()
            .unwrap()
            .contains("certificate 2")
    );

    let many = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(20_000);
    let seen = of_secret(&[("ca.crt", many.as_bytes())]);
    assert!(seen.bundles[0].problem.is_some());
    for odd in [
        json!({"metadata": 5}),
        json!({"data": {"a": ["x"]}}),
        json!([1]),
    ] {
        let seen = Api::new().with(SECRETS, [odd.clone()]).scanned();
        assert_eq!(seen.gaps.len(), 1, "{odd}");
        assert_eq!(seen.gaps[0].object, "Secret number 1 of the list");
    }
    for odd in [
        json!({}),
        json!({"data": null}),
        json!({"data": {"tls.crt": "%%%"}}),
    ] {
        let seen = Api::new().with(SECRETS, [odd.clone()]).scanned();
        assert!(
            seen.gaps.is_empty() && seen.certificates.is_empty(),
            "{odd}"
        );
    }
}

#[test]
fn nothing_secret_stays_in_what_was_seen() {
    let ca = authority("ca");
    let (leaf, key) = client(&ca, "web");
    let token = secret(
        "kube-system",
        "bootstrap-token-abcdef",
        "bootstrap.kubernetes.io/token",
        &[
            ("token-id", b"abcdef"),
            ("token-secret", b"0123456789abcdef"),
        ],
    );
    let tls = secret(
        "a",
        "web",
        "kubernetes.io/tls",
        &[
            ("tls.crt", leaf.to_pem().as_bytes()),
            ("tls.key", key.as_bytes()),
        ],
    );
    let seen = Api::new().with(SECRETS, [token, tls]).scanned();
    let shown = format!("{seen:?}");
    assert!(
        !shown.contains("0123456789abcdef") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    assert_eq!(seen.bootstrap_tokens[0].id, "abcdef");
    assert_eq!(seen.bootstrap_tokens[0].expiration, None);
    assert_eq!(seen.certificates[0].key_matches, Some(true));
}

#[test]
fn equal_bundles_are_one_and_foreign_ones_have_a_budget() {
    let (ca, mozilla) = (authority("ca"), authority("foreign"));
    let known = KnownKeys {
        authorities: vec![ca.certificate.clone()],
        service_account_keys: Vec::new(),
    };
    let maps = (0..500).map(|number| {
        config_map(
            &format!("ns-{number}"),
            "kube-root-ca.crt",
            &[("ca.crt", &ca.pem())],
        )
    });
    let other = config_map("a", "bundle", &[("ca.pem", &mozilla.pem())]);
    let api = Api::new().with(CONFIG_MAPS, maps.chain([other]));
    let seen = api.scanned_with(&known, &ScanOptions::default()).unwrap();
    assert_eq!(seen.bundles.len(), 501);
    let first = seen.bundles[0].certificates[0].der().as_ptr();
    let roots = seen
        .bundles
        .iter()
        .filter(|found| found.purpose == BundlePurpose::KubeRootCa);
    for bundle in roots {
        assert_eq!(
            bundle.certificates[0].der().as_ptr(),
            first,
            "one copy for all"
        );
    }
    assert_eq!(seen.bundles[500].certificates, [mozilla.certificate]);
}

#[test]
fn foreign_ca_certificates_are_kept_only_within_a_budget() {
    let (ca, foreign) = (authority("ca"), many_of_one_key(6000));
    let known = KnownKeys {
        authorities: vec![ca.certificate.clone()],
        service_account_keys: Vec::new(),
    };
    let maps: Vec<_> = foreign
        .chunks(100)
        .map(|some| config_map("a", "bundle", &[("ca.pem", &some.concat())]))
        .chain([config_map("a", "own", &[("ca.pem", &ca.pem())])])
        .collect();
    let api = Api::new().with(CONFIG_MAPS, maps);
    let seen = api.scanned_with(&known, &ScanOptions::default()).unwrap();
    let kept = seen.bundles.iter().flat_map(|bundle| &bundle.certificates);
    let kept: usize = kept.map(|certificate| certificate.der().len()).sum();
    assert!((1_500_000..2_200_000).contains(&kept), "{kept}");
    assert_eq!(
        seen.bundles[60].certificates,
        [ca.certificate],
        "the cluster's own always are"
    );
    assert!(
        seen.gaps[0].reason.contains("were not kept"),
        "{:?}",
        seen.gaps
    );
}

#[test]
fn the_ca_beside_a_client_of_etcd_is_told_from_others() {
    let (etcd, cluster) = (authority("etcd-ca"), authority("kubernetes"));
    let (leaf, key) = client(&etcd, "prometheus");
    let known = KnownKeys {
        authorities: vec![cluster.certificate.clone(), etcd.certificate.clone()],
        service_account_keys: Vec::new(),
    };
    let certs = secret(
        "monitoring",
        "certs",
        "Opaque",
        &[
            ("ca.pem", etcd.pem().as_bytes()),
            ("client.pem", leaf.to_pem().as_bytes()),
            ("client-key.pem", key.as_bytes()),
        ],
    );
    let copy = secret("a", "copy", "Opaque", &[("ca.pem", etcd.pem().as_bytes())]);
    let api = Api::new().with(SECRETS, [certs, copy]);
    let seen = api.scanned_with(&known, &ScanOptions::default()).unwrap();
    let purposes: Vec<_> = seen.bundles.iter().map(|bundle| bundle.purpose).collect();
    assert_eq!(purposes, [BundlePurpose::EtcdClient, BundlePurpose::Other]);
    assert_eq!(seen.certificates[0].signed_by, Some(1));
    assert_eq!(seen.certificates[0].chain, [leaf]);
}

#[test]
fn requests_of_every_state_are_read() {
    let condition = |kind: &str| json!([{"type": kind, "status": "True"}]);
    let request = |name: &str, status: Value| {
        json!({"metadata": {"name": name, "creationTimestamp": "2026-05-01T00:00:00Z"},
            "spec": {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:cp1",
                "request": "LS0t"}, "status": status})
    };
    // base64 in base64, as PEM in JSON is
    let issued = secret("", "", "", &[("x", authority("ca").pem().as_bytes())]);
    let list = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let seen = Api::new()
        .with(
            list,
            [
                request("pending", json!({})),
                request("approved", json!({"conditions": condition("Approved")})),
                request("denied", json!({"conditions": condition("Denied")})),
                request("failed", json!({"conditions": condition("Failed")})),
                request("issued", json!({"conditions": [{"type": "Approved"}], "certificate": issued["data"]["x"]})),
            ],
        )
        .scanned();
    let states: Vec<_> = seen.requests.iter().map(|request| request.state).collect();
    assert_eq!(
        states,
        [
            RequestState::Pending,
            RequestState::Approved,
            RequestState::Denied,
            RequestState::Failed,
            RequestState::Issued,
        ]
    );
    assert!(seen.requests[4].issued.is_some());
    assert_eq!(seen.requests[0].username, "system:node:cp1");
}

#[test]
fn exposed_hosts_are_only_read_when_wanted() {
    let ingress = json!({"metadata": {"namespace": "shop", "name": "web"},
        "spec": {"tls": [{"hosts": ["a.example.com", "*.b.example.com"], "secretName": "web"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}});
    let gateway = json!({"metadata": {"namespace": "shop", "name": "edge"},
        "spec": {"listeners": [{"name": "plain", "port": 80, "protocol": "HTTP"},
            {"name": "tls", "port": 8443, "protocol": "HTTPS", "hostname": "c.example.com",
             "tls": {"certificateRefs": [{"kind": "Secret", "name": "c"}]}}]}});
    let service = |kind: &str| {
        json!({"metadata": {"namespace": "shop", "name": kind.to_lowercase()},
        "spec": {"type": kind, "ports": [{"port": 80}, {"port": 443}]},
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}})
    };
    let api = Api::new()
        .with("/apis/networking.k8s.io/v1/ingresses", [ingress])
        .with("/apis/gateway.networking.k8s.io/v1/gateways", [gateway])
        .with(
            "/api/v1/services",
            [service("LoadBalancer"), service("ClusterIP")],
        );
    assert!(api.scanned().exposed.is_empty());
    let options = ScanOptions {
        exposed: true,
        ..ScanOptions::default()
    };
    let seen = api.scanned_with(&KnownKeys::default(), &options).unwrap();
    let hosts: Vec<_> = seen
        .exposed
        .iter()
        .map(|found| (found.host.as_deref(), found.addresses.join(","), found.port))
        .collect();
    assert_eq!(
        hosts,
        [
            (Some("a.example.com"), "192.0.2.7".to_owned(), 443),
            (Some("*.b.example.com"), "192.0.2.7".to_owned(), 443),
            (Some("c.example.com"), "c.example.com".to_owned(), 8443),
            (None, "lb.example.com".to_owned(), 443),
        ]
    );
    let secrets: Vec<_> = seen
        .exposed
        .iter()
        .flat_map(|found| &found.secret)
        .collect();
    assert_eq!(secrets[2].to_string(), "Secret shop/c");
}
