//! What an address costs that does not answer, and how many are asked at once.

use crate::scene::{Scene, accepted, unreachable};
use jiff::SignedDuration;
use kubepki_core::connections::ConnectionKind;
use kubepki_core::model::live::{AttemptOutcome, Unanswered};
use kubepki_engine::examine::NamedEndpoint;
use kubepki_engine::ports::{Attempted, ServedTls};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[test]
fn an_unreachable_address_is_asked_once() {
    let mut scene = Scene::new();
    scene.component(&[
        "kube-apiserver",
        "--tls-sni-cert-key=/b.crt,/b.key:b.example",
    ]);
    for id in ["a->kube-apiserver", "b->kube-apiserver"] {
        let kind = ConnectionKind::KubeconfigToApiserver;
        scene.connection(id, kind, Some(("127.0.0.1", 6443)), &[]);
    }
    scene.served = Box::new(|endpoint| Err(unreachable(endpoint)));
    let live = scene.examine();
    assert_eq!(scene.asked(), ["served 127.0.0.1:6443"]);
    let expected = Unanswered {
        unreachable: true,
        detail: "refuses connections".to_owned(),
    };
    assert_eq!(live.served.len(), 2);
    for fact in live.served {
        assert_eq!(fact.outcome.unwrap_err(), expected);
    }
    assert_eq!(live.attempts.len(), 2);
    for fact in live.attempts {
        assert_eq!(fact.outcome, AttemptOutcome::Unanswered(expected.clone()));
    }
}

#[test]
fn an_address_that_hangs_is_waited_for_once() {
    let mut scene = Scene::new();
    for id in ["a", "b", "c"] {
        let kind = ConnectionKind::EtcdPeer;
        scene.connection(id, kind, Some(("10.0.0.2", 2380)), &[]);
    }
    scene.connection("d", ConnectionKind::EtcdPeer, Some(("10.0.0.3", 2380)), &[]);
    scene.attempted = Box::new(|attempt| match attempt.endpoint.host.as_str() {
        "10.0.0.3" => accepted(200),
        _ => Attempted::Unanswered {
            unreachable: false,
            timed_out: true,
            detail: "did not answer".to_owned(),
        },
    });
    let live = scene.examine();
    assert_eq!(scene.asked().len(), 2);
    let outcomes: Vec<_> = live.attempts.iter().map(|fact| &fact.outcome).collect();
    let silent = AttemptOutcome::Unanswered(Unanswered {
        unreachable: false,
        detail: "did not answer".to_owned(),
    });
    let accepted = AttemptOutcome::Accepted { status: Some(200) };
    assert_eq!(outcomes, [&silent, &silent, &silent, &accepted]);
}

#[test]
fn all_together_takes_no_longer_than_twenty_questions() {
    let mut scene = Scene::new();
    scene.options.parallel = 1;
    scene.takes = SignedDuration::from_secs(3);
    scene.options.endpoints = (1..=30)
        .map(|port| NamedEndpoint::new("192.0.2.1", port))
        .collect();
    let live = scene.examine();
    assert_eq!(scene.asked().len(), 20);
    assert_eq!(live.served.len(), 30);
    let last = live.served[29].outcome.as_ref().unwrap_err();
    assert!(
        !last.unreachable && last.detail.starts_with("not asked"),
        "{last:?}"
    );
}

/// Counts who is inside at the same time. Nobody leaves before as many are inside as are allowed, so
/// the bound is reached as well as kept.
#[test]
fn as_many_addresses_as_allowed_are_asked_at_once_and_no_more() {
    const WIDTH: usize = 5;
    const ENDPOINTS: u16 = 60;
    let mut scene = Scene::new();
    scene.options.parallel = WIDTH;
    scene.options.endpoints = (1..=ENDPOINTS)
        .map(|port| NamedEndpoint::new("192.0.2.1", port))
        .collect();
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let entered = Arc::new((Mutex::new(0usize), Condvar::new()));
    let (inside_too, most_too) = (Arc::clone(&inside), Arc::clone(&most));
    scene.served = Box::new(move |_| {
        let now = inside_too.fetch_add(1, Ordering::SeqCst) + 1;
        most_too.fetch_max(now, Ordering::SeqCst);
        let (count, all) = &*entered;
        let mut guard = count.lock().unwrap();
        *guard += 1;
        all.notify_all();
        let limit = Duration::from_secs(60);
        let (guard, waited) = all
            .wait_timeout_while(guard, limit, |count| *count < WIDTH)
            .unwrap();
        drop(guard);
        assert!(!waited.timed_out(), "fewer than {WIDTH} are asked at once");
        // Whoever should not be here has time to come in.
        for _ in 0..100 {
            std::thread::yield_now();
        }
        inside_too.fetch_sub(1, Ordering::SeqCst);
        Ok(ServedTls {
            chain: Vec::new(),
            protocol: "TLSv1.3".to_owned(),
            asks_client_certificate: false,
            acceptable_client_authorities: Vec::new(),
        })
    });
    let live = scene.examine();
    assert_eq!(most.load(Ordering::SeqCst), WIDTH);
    assert_eq!(inside.load(Ordering::SeqCst), 0);
    let ports: Vec<u16> = live.served.iter().map(|fact| fact.port).collect();
    assert_eq!(ports, (1..=ENDPOINTS).collect::<Vec<_>>());
}
