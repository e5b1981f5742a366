//! Endpoints as people and the cluster name them.

use kubepki_core::model::ObjectReference;
use kubepki_core::model::cluster::ExposedHost;
use kubepki_engine::examine::NamedEndpoint;

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
