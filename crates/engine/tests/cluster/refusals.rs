//! Servers that are old, strict or gone.

use kubepki_core::model::cluster::KnownKeys;
use kubepki_engine::cluster::ScanOptions;
use kubepki_engine::ports::ClusterErrorKind;
use serde_json::{Value, json};

use crate::api::{Api, config_map, secret};
use crate::support::authority;

const SECRETS: &str = "/api/v1/secrets";

fn namespaces(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| json!({"metadata": {"name": format!("ns-{number}")}}))
        .collect()
}

fn pages(size: u32) -> ScanOptions {
    ScanOptions {
        page_size: size,
        ..ScanOptions::default()
    }
}

#[test]
fn lists_are_read_page_by_page() {
    let api = Api::new().with("/api/v1/namespaces", namespaces(10));
    for size in [1, 3, 10, 500] {
        let seen = api
            .scanned_with(&KnownKeys::default(), &pages(size))
            .unwrap();
        assert_eq!((seen.namespaces.len(), seen.counts["Namespace"]), (10, 10));
        assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    }
}

#[test]
fn a_list_that_is_too_old_is_gone_on_with_or_a_gap() {
    let mut api = Api::new().with("/api/v1/namespaces", namespaces(10));
    api.expiring = vec!["/api/v1/namespaces"];
    api.goes_on = true;
    let seen = api.scanned_with(&KnownKeys::default(), &pages(4)).unwrap();
    assert_eq!(seen.namespaces.len(), 10);
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);

    api.goes_on = false;
    let seen = api.scanned_with(&KnownKeys::default(), &pages(4)).unwrap();
    assert_eq!(seen.namespaces.len(), 4);
    assert_eq!(
        seen.gaps[0].reason,
        "only 4 objects were seen: HTTP 410: too old"
    );
}

#[test]
fn older_versions_are_asked_for_and_what_may_be_missing_may_be_missing() {
    let ingress = "/apis/networking.k8s.io/v1/ingresses";
    let options = ScanOptions {
        exposed: true,
        ..ScanOptions::default()
    };
    let host =
        json!({"metadata": {"namespace": "a", "name": "b"}, "spec": {"tls": [{"hosts": ["x"]}]}});
    let api = Api::new()
        .without(ingress)
        .with("/apis/networking.k8s.io/v1beta1/ingresses", [host]);
    let seen = api.scanned_with(&KnownKeys::default(), &options).unwrap();
    assert_eq!(
        (seen.exposed.len(), seen.gaps.len()),
        (1, 0),
        "{:?}",
        seen.gaps
    );

    let api = Api::new().without(ingress);
    let seen = api.scanned_with(&KnownKeys::default(), &options).unwrap();
    assert_eq!(seen.gaps.len(), 1);
    assert_eq!(seen.gaps[0].object, "ingresses.networking.k8s.io");
}

#[test]
fn whoever_may_not_list_config_maps_still_reads_the_two_that_matter() {
    let info = config_map(
        "kube-public",
        "cluster-info",
        &[("jws-kubeconfig-abcdef", "x..y")],
    );
    let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    let api = Api::new()
        .refusing("/api/v1/configmaps", ClusterErrorKind::Forbidden)
        .with_object(path, info);
    let seen = api.scanned();
    assert_eq!(seen.cluster_info_tokens, ["abcdef"]);
    assert_eq!(seen.gaps.len(), 1);
    assert_eq!(
        (seen.gaps[0].object.as_str(), seen.gaps[0].reason.as_str()),
        ("configmaps", "HTTP 403: no")
    );
}

#[test]
fn some_namespaces_can_be_asked_for() {
    let ca = authority("ca");
    let one = secret("a", "x", "Opaque", &[("ca.crt", ca.pem().as_bytes())]);
    let api = Api::new()
        .with("/api/v1/namespaces/a/secrets", [one])
        .with("/api/v1/namespaces/a/configmaps", [])
        .with("/api/v1/namespaces/b/configmaps", [])
        .refusing("/api/v1/namespaces/b/secrets", ClusterErrorKind::Forbidden);
    for order in [["a", "b"], ["b", "a"]] {
        let options = ScanOptions {
            namespaces: Some(order.map(str::to_owned).into()),
            ..ScanOptions::default()
        };
        let seen = api.scanned_with(&KnownKeys::default(), &options).unwrap();
        assert_eq!(seen.bundles.len(), 1);
        assert_eq!(seen.gaps.len(), 1, "{:?}", seen.gaps);
    }
    let asked = api.asked.lock().unwrap();
    assert!(!asked.iter().any(|path| path == SECRETS), "{asked:?}");
}

#[test]
fn an_api_that_cannot_be_asked_is_an_error() {
    for kind in [
        ClusterErrorKind::Unreachable,
        ClusterErrorKind::Unauthorized,
    ] {
        for path in ["/version", "/api/v1/namespaces"] {
            let api = Api::new().refusing(path, kind.clone());
            let outcome = api.scanned_with(&KnownKeys::default(), &ScanOptions::default());
            assert_eq!(outcome.unwrap_err().kind, kind, "{path}");
        }
    }
    // what comes later is a gap
    let api = Api::new().refusing(SECRETS, ClusterErrorKind::Unreachable);
    assert_eq!(api.scanned().gaps[0].object, "secrets");
}

#[test]
fn backends_are_looked_up_once_for_each_service() {
    let webhook = |name: &str| {
        json!({"name": name, "clientConfig": {"service":
        {"namespace": "a", "name": "hook"}, "caBundle": ""}})
    };
    let configuration =
        json!({"metadata": {"name": "c"}, "webhooks": [webhook("x"), webhook("y")]});
    let list = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let service = "/api/v1/namespaces/a/services/hook";
    let api = Api::new()
        .with(list, [configuration])
        .with_object(service, json!({"spec": {"ports": [{"port": 443}]}}))
        .with_object(
            "/api/v1/namespaces/a/endpoints/hook",
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 9443}]}]}),
        );
    let seen = api.scanned();
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    for backend in &seen.backends {
        assert_eq!(backend.addresses, [("10.0.0.1".to_owned(), 9443)]);
        assert_eq!(backend.server_name, "hook.a.svc");
        assert!(backend.ca_bundle.is_none() && backend.blocks);
    }
    let asked = api.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|path| *path == service).count(), 1);
    drop(asked);

    let api = api.refusing(service, ClusterErrorKind::Forbidden);
    let seen = api.scanned();
    assert_eq!(seen.gaps.len(), 1);
    assert_eq!(seen.backends.len(), 2);
}
