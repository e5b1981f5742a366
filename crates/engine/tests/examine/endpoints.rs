//! Endpoints as people and the cluster name them.

use kubepki_core::model::ObjectReference;
use kubepki_core::model::cluster::{ExposedHost, Node};
use kubepki_engine::examine::{ControlPlanePorts, NamedEndpoint};

#[test]
fn endpoints_are_read_as_people_write_them() {
    for (text, host, port) in [
        ("10.0.0.1:6443", "10.0.0.1", 6443),
        ("api.example:443", "api.example", 443),
        ("[fd00::1]:10250", "fd00::1", 10250),
        (" https://api.example ", "api.example", 443),
        ("https://api.example:6443/healthz", "api.example", 6443),
        ("https://[::1]/", "::1", 443),
    ] {
        assert_eq!(text.parse(), Ok(NamedEndpoint::new(host, port)), "{text}");
    }
    for text in [
        "",
        ":443",
        "api.example",
        "api.example:",
        "api.example:0",
        "api.example:70000",
        "fd00::1",
        "[fd00::1",
        "[fd00::1]443",
        "[fd00::1]",
        "http://api.example:80",
        "https://",
    ] {
        let error = text.parse::<NamedEndpoint>().unwrap_err();
        assert_eq!(error.given, text);
        assert_eq!(error.code(), "endpoint-invalid");
    }
    let endpoint: NamedEndpoint = "[fd00::1]:10250".parse().unwrap();
    assert_eq!(endpoint.to_string(), "[fd00::1]:10250");
}

#[test]
fn an_exposed_host_is_asked_at_its_addresses_by_its_name() {
    let exposed = |host: Option<&str>, addresses: &[&str]| ExposedHost {
        object: ObjectReference::namespaced("Ingress", "shop", "web"),
        host: host.map(ToOwned::to_owned),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        port: 443,
        secret: None,
    };
    let named = |host: &str, server_name: Option<&str>| NamedEndpoint {
        host: host.to_owned(),
        port: 443,
        server_name: server_name.map(ToOwned::to_owned),
        exposed_by: Some("Ingress shop/web".to_owned()),
    };
    let shop = Some("shop.example");
    for (given, expected) in [
        (
            exposed(shop, &["192.0.2.1", "2001:db8::1"]),
            vec![named("192.0.2.1", shop), named("2001:db8::1", shop)],
        ),
        (
            exposed(shop, &["shop.example"]),
            vec![named("shop.example", None)],
        ),
        (exposed(shop, &[]), vec![named("shop.example", None)]),
        (
            exposed(None, &["192.0.2.1"]),
            vec![named("192.0.2.1", None)],
        ),
        (exposed(None, &[]), Vec::new()),
    ] {
        assert_eq!(NamedEndpoint::of_exposed(&given), expected);
    }
}

#[test]
fn a_node_is_asked_for_what_it_runs() {
    let node = |control_plane, addresses: &[&str]| Node {
        name: "cp1".to_owned(),
        addresses: Vec::new(),
        ip_addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        kubelet_port: 10250,
        kubelet_version: None,
        ready: Some(true),
        control_plane,
    };
    let ports = ControlPlanePorts {
        apiserver: 6443,
        etcd: Some(2379),
    };
    let asked = |node: &Node| -> Vec<(String, Option<String>)> {
        let endpoints = NamedEndpoint::of_node(node, &ports).into_iter();
        endpoints
            .map(|endpoint| (endpoint.to_string(), endpoint.server_name))
            .collect()
    };
    let cp1 = Some("cp1".to_owned());
    assert_eq!(
        asked(&node(true, &["2001:db8::1", "192.0.2.1"])),
        [
            ("[2001:db8::1]:10250".to_owned(), cp1.clone()),
            ("[2001:db8::1]:6443".to_owned(), None),
            ("[2001:db8::1]:2379".to_owned(), None),
        ]
    );
    assert_eq!(
        asked(&node(false, &["192.0.2.1"])),
        [("192.0.2.1:10250".to_owned(), cp1)]
    );
    assert!(asked(&node(true, &[])).is_empty());
}
