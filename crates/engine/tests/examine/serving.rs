//! Which endpoints are asked for what they serve, and by which names.

use crate::pki::{SERVER, authority, leaf};
use crate::scene::Scene;
use kubepki_core::model::ComponentKind;
use kubepki_core::model::live::ServedFact;
use kubepki_engine::examine::NamedEndpoint;
use kubepki_engine::ports::{Endpoint, ProbeError, ServedTls};

/// Component, flag, address, SNI.
fn told(fact: &ServedFact) -> (Option<ComponentKind>, Option<&str>, String, Option<&str>) {
    (
        fact.component,
        fact.flag.as_deref(),
        format!("{}:{}", fact.host, fact.port),
        fact.server_name.as_deref(),
    )
}

#[test]
fn every_address_of_every_component_is_asked_and_every_named_one() {
    let mut scene = Scene::new();
    scene.component(&[
        "etcd",
        "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379,http://127.0.0.1:2399",
        "--listen-peer-urls=https://10.0.0.1:2380",
        "--cert-file=/e.crt",
        "--peer-cert-file=/p.crt",
    ]);
    scene.component(&["kube-apiserver", "--tls-cert-file=/a.crt"]);
    scene.component(&["kube-controller-manager", "--bind-address=127.0.0.1"]);
    scene.component(&["kube-scheduler", "--bind-address=::1"]);
    scene.component(&["kubelet"]);
    scene.options.endpoints = vec![
        NamedEndpoint::new("127.0.0.1", 6443),
        NamedEndpoint {
            server_name: Some("shop.example".to_owned()),
            exposed_by: Some("Ingress shop/web".to_owned()),
            ..NamedEndpoint::new("192.0.2.1", 443)
        },
        NamedEndpoint::new("lb.example", 443),
    ];
    let live = scene.examine();
    use ComponentKind::*;
    let at = |address: &str| address.to_owned();
    assert_eq!(
        live.served.iter().map(told).collect::<Vec<_>>(),
        [
            (Some(Etcd), Some("cert-file"), at("127.0.0.1:2379"), None),
            (Some(Etcd), Some("cert-file"), at("10.0.0.1:2379"), None),
            (
                Some(Etcd),
                Some("peer-cert-file"),
                at("10.0.0.1:2380"),
                None
            ),
            (
                Some(KubeApiserver),
                Some("tls-cert-file"),
                at("127.0.0.1:6443"),
                None
            ),
            (None, None, at("127.0.0.1:6443"), None),
            (
                Some(KubeControllerManager),
                Some("tls-cert-file"),
                at("127.0.0.1:10257"),
                None
            ),
            (
                Some(KubeScheduler),
                Some("tls-cert-file"),
                at("::1:10259"),
                None
            ),
            (
                Some(Kubelet),
                Some("tls-cert-file"),
                at("127.0.0.1:10250"),
                None
            ),
            (None, None, at("192.0.2.1:443"), Some("shop.example")),
            (None, None, at("lb.example:443"), Some("lb.example")),
        ]
    );
    assert_eq!(
        live.served[8].exposed_by.as_deref(),
        Some("Ingress shop/web")
    );
    let mut asked = scene.asked();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 9, "{asked:?}");
}

#[test]
fn certificates_that_are_chosen_by_name_are_asked_for_by_each_of_their_names() {
    let mut scene = Scene::new();
    let ca = authority("ca");
    let names = ["DNS:api.example", "IP:10.0.0.9", "DNS:*.api.example"];
    let own = leaf(&ca, "own", SERVER, &names);
    scene.file("/own.crt", own.pem());
    scene.component(&[
        "kube-apiserver",
        "--tls-cert-file=/a.crt",
        "--tls-sni-cert-key=/own.crt,/own.key",
        "--tls-sni-cert-key=/b.crt,/b.key:b.example,*.b.example",
        "--tls-sni-cert-key=/missing.crt,/missing.key",
    ]);
    scene.served = Box::new(move |endpoint| {
        Ok(ServedTls {
            chain: match endpoint.server_name.as_deref() {
                Some(name) if name.ends_with("api.example") => vec![own.certificate.clone()],
                _ => Vec::new(),
            },
            protocol: "TLSv1.2".to_owned(),
            asks_client_certificate: true,
            acceptable_client_authorities: Vec::new(),
        })
    });
    let live = scene.examine();
    let found: Vec<_> = live
        .served
        .iter()
        .map(|fact| {
            let chain = &fact.outcome.as_ref().unwrap().chain;
            (
                fact.flag.as_deref(),
                fact.server_name.as_deref(),
                chain.len(),
            )
        })
        .collect();
    let sni = Some("tls-sni-cert-key");
    assert_eq!(
        found,
        [
            (Some("tls-cert-file"), None, 0),
            (sni, Some("api.example"), 1),
            (sni, Some("kubepki.api.example"), 1),
            (sni, Some("b.example"), 0),
            (sni, Some("kubepki.b.example"), 0),
        ]
    );
}

#[test]
fn one_that_is_no_tls_server_is_not_asked_by_its_other_names() {
    let mut scene = Scene::new();
    scene.component(&[
        "kube-apiserver",
        "--tls-sni-cert-key=/b.crt,/b.key:b.example",
    ]);
    scene.served = Box::new(|endpoint: &Endpoint| {
        Err(ProbeError {
            endpoint: endpoint.host.clone(),
            unreachable: false,
            detail: "does not speak TLS".to_owned(),
        })
    });
    let live = scene.examine();
    assert_eq!(scene.asked(), ["served 127.0.0.1:6443"]);
    for fact in &live.served {
        assert_eq!(
            fact.outcome.as_ref().unwrap_err().detail,
            "does not speak TLS"
        );
    }
    assert_eq!(live.served.len(), 2);
}

#[test]
fn files_of_another_root_have_only_endpoints_that_were_named() {
    let mut scene = Scene::new();
    scene.component(&["kube-apiserver"]);
    scene.options.endpoints = vec![NamedEndpoint::new("192.0.2.1", 443)];
    scene.is_live = false;
    scene.examine();
    assert_eq!(scene.asked(), ["served 192.0.2.1:443"]);
    scene.is_live = true;
    scene.inventory.live = false;
    scene.examine();
    assert_eq!(scene.asked(), ["served 192.0.2.1:443"]);
}
