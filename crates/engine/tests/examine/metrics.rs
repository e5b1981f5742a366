//! Metrics, and the clocks of those who answer.

use crate::pki::{CLIENT, authority, leaf};
use crate::scene::{HOST, Scene, accepted, beginning, unreachable};
use jiff::SignedDuration;
use kubepki_core::connections::ConnectionKind;
use kubepki_core::model::live::{ClockFact, MetricFact};
use kubepki_core::model::{ComponentKind, Entry, Holder, KeyState, Role};
use kubepki_engine::ports::{Attempt, Attempted, Reply};

fn subject(attempt: &Attempt<'_>) -> String {
    attempt.identity.unwrap().chain[0].subject().to_string()
}

fn page(body: &str) -> Attempted {
    Attempted::Accepted(Some(Reply {
        status: 200,
        date: None,
        body: body.to_owned(),
    }))
}

/// A control plane with its administrator's files and the API server's client of kubelets.
fn control_plane() -> Scene {
    let mut scene = Scene::new();
    let ca = authority("kubernetes");
    scene.pair(
        "/pki/kubelet-client",
        &leaf(&ca, "kubelet-client", CLIENT, &[]),
    );
    scene.pair("/pki/admin", &leaf(&ca, "admin", CLIENT, &[]));
    scene.component(&[
        "kube-apiserver",
        "--kubelet-client-certificate=/pki/kubelet-client.crt",
        "--kubelet-client-key=/pki/kubelet-client.key",
    ]);
    scene.component(&["kubelet"]);
    scene.inventory.entries = vec![Entry {
        name: "admin.conf".to_owned(),
        also_known_as: Vec::new(),
        role: Role::Admin,
        holder: Holder::Files {
            certificate: "/pki/admin.crt".into(),
            key: Some("/pki/admin.key".into()),
        },
        used_by: Vec::new(),
        chain: Vec::new(),
        key: KeyState::NotExpected,
        kubeconfig: None,
        embedded_copy: None,
        expected_authority: None,
        problem: None,
        required: true,
    }];
    scene
}

#[test]
fn metrics_are_asked_for_by_whom_they_are_told() {
    let mut scene = control_plane();
    scene.attempted = Box::new(|attempt| {
        assert_eq!(attempt.question.unwrap().path, "/metrics");
        assert!(attempt.expectation.is_none());
        match (attempt.endpoint.port, subject(attempt).as_str()) {
            (6443, "CN=admin") => accepted(401),
            (6443, _) => page("apiserver_client_certificate_expiration_seconds_count 5\n"),
            _ => page("kubelet_certificate_manager_client_ttl_seconds 3.5e6\nother 1\n"),
        }
    });
    let live = scene.examine();
    let fact = |component, name: &str, value| MetricFact {
        component,
        name: name.to_owned(),
        labels: String::new(),
        value,
    };
    assert_eq!(
        live.metrics,
        [
            fact(
                ComponentKind::KubeApiserver,
                "apiserver_client_certificate_expiration_seconds_count",
                5.0
            ),
            fact(
                ComponentKind::Kubelet,
                "kubelet_certificate_manager_client_ttl_seconds",
                3.5e6
            ),
        ]
    );
    let mut asked = scene.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/metrics 127.0.0.1:10250 by CN=kubelet-client trusting anybody",
            "/metrics 127.0.0.1:6443 by CN=admin trusting anybody",
            "/metrics 127.0.0.1:6443 by CN=kubelet-client trusting anybody",
            "served 127.0.0.1:10250",
            "served 127.0.0.1:6443",
        ]
    );
}

#[test]
fn who_does_not_answer_is_not_asked_for_metrics() {
    let mut scene = control_plane();
    scene.served = Box::new(|endpoint| Err(unreachable(endpoint)));
    assert!(scene.examine().metrics.is_empty());
    assert_eq!(scene.asked().len(), 2);
}

#[test]
fn clocks_are_compared_once_for_each_address() {
    let mut scene = Scene::new();
    for (id, host) in [("a", "10.0.0.1"), ("b", "10.0.0.1"), ("c", "10.0.0.2")] {
        let kind = ConnectionKind::EtcdPeer;
        let connection = scene.connection(id, kind, Some((host, 2380)), &[]);
        assert_eq!(connection.client.host.as_deref(), Some(HOST));
    }
    scene.attempted = Box::new(|attempt| {
        let ahead = match attempt.endpoint.host.as_str() {
            "10.0.0.1" => 90,
            _ => -3600,
        };
        Attempted::Accepted(Some(Reply {
            status: 200,
            date: Some(beginning() + SignedDuration::from_secs(ahead)),
            body: String::new(),
        }))
    });
    let fact = |server: &str, ahead_seconds| ClockFact {
        server: server.to_owned(),
        ahead_seconds,
    };
    assert_eq!(
        scene.examine().clocks,
        [fact("10.0.0.1:2380", 90), fact("10.0.0.2:2380", -3600)]
    );
}
