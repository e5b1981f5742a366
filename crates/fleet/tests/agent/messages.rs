//! Every message survives the way, and none has words of another.

use crate::canned;
use kubepki_core::model::ComponentKind;
use kubepki_fleet::frames::{encode, read_frame};
use kubepki_fleet::protocol::{Message, Request, Response};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn requests() -> Vec<Request> {
    let components = vec![ComponentKind::Etcd, ComponentKind::Kubelet];
    let single = vec![
        Request::Look {
            request: canned::look_request(),
        },
        Request::Prepare {
            plan: Box::new(canned::plan()),
        },
        Request::Sign {
            orders: canned::orders(),
        },
        Request::Carry {
            request: Box::new(canned::carry_request()),
        },
        Request::Settle {
            pki_folder: "/etc/kubernetes/pki".into(),
        },
        Request::Halt {
            components: components.clone(),
        },
        Request::Start { components },
        Request::Ask {
            question: ApiQuestion::Ready,
        },
        Request::Ask {
            question: ApiQuestion::Nodes,
        },
        Request::Ask {
            question: ApiQuestion::EtcdHealth,
        },
    ];
    let batch = Request::Batch {
        requests: single.clone(),
    };
    [single, vec![batch]].concat()
}

fn responses() -> Vec<Response> {
    let single = vec![
        Response::Looked {
            look: Box::new(canned::look()),
        },
        Response::Prepared {
            requests: canned::requests(),
        },
        Response::Signed {
            certificates: canned::certificates(),
        },
        Response::Carried {
            report: Box::new(canned::report()),
        },
        Response::Settled { report: None },
        Response::Settled {
            report: Some(Box::new(canned::report())),
        },
        Response::Done,
        Response::Answered {
            answer: canned::nodes(),
        },
        Response::Answered {
            answer: ApiAnswer::Health {
                ok: false,
                found: "no".to_owned(),
            },
        },
        Response::Failed {
            error: canned::error(),
        },
    ];
    let batch = Response::Batch {
        responses: single.clone(),
    };
    [single, vec![batch]].concat()
}

fn there_and_back<T: Serialize + DeserializeOwned>(message: &T) -> T {
    let frame = encode(message).unwrap();
    let back: T = read_frame(&mut frame.as_slice()).unwrap();
    assert_eq!(encode(&back).unwrap(), frame);
    back
}

#[test]
fn every_request_survives_the_way() {
    for request in requests() {
        assert_eq!(there_and_back(&request), request);
    }
}

#[test]
fn every_message_survives_the_way() {
    let mut messages: Vec<Message> = responses()
        .into_iter()
        .map(|response| Message::Outcome { response })
        .collect();
    messages.push(Message::Hello {
        hello: canned::hello(),
    });
    messages.push(Message::Progress {
        text: "kube-apiserver: waiting — 3 s".to_owned(),
    });
    for message in &messages {
        there_and_back(message);
    }
}

#[test]
fn a_plan_keeps_its_id_on_the_way() {
    let Request::Carry { request } = there_and_back(&Request::Carry {
        request: Box::new(canned::carry_request()),
    }) else {
        panic!("another request");
    };
    assert_eq!(request.plan.clone().with_id().id, canned::plan().id);
    assert_eq!(request.plan, canned::plan());
}

#[test]
fn what_is_asked_for_beyond_the_protocol_is_refused() {
    for json in [
        r#"{"ask": "read", "path": "/etc/shadow"}"#,
        r#"{"ask": "settle", "pkiFolder": "/x", "force": true}"#,
        r#"{"ask": "halt", "components": ["sshd"]}"#,
    ] {
        let length = u32::try_from(json.len()).unwrap();
        let frame = [&length.to_be_bytes()[..], json.as_bytes()].concat();
        let refused = read_frame::<Request>(&mut frame.as_slice());
        assert!(refused.is_err(), "{json}");
    }
}

#[test]
fn requests_say_what_they_do_and_whether_they_change_the_host() {
    let words: Vec<(String, bool)> = requests()
        .iter()
        .map(|request| (request.doing(), request.changes()))
        .collect();
    let plan = format!("carrying out plan {}", canned::plan().id);
    let expected = [
        ("looking at the host", false),
        ("making keys and certification requests", false),
        ("signing certificates", false),
        (&plan, true),
        ("settling an interrupted run", true),
        ("stopping etcd, kubelet", true),
        ("starting etcd, kubelet", true),
        ("asking the cluster's API", false),
    ];
    for ((found, changes), (expected, expected_changes)) in words.iter().zip(expected) {
        assert_eq!((found.as_str(), *changes), (expected, expected_changes));
    }
    let (batch, changes) = words.last().unwrap();
    assert!(
        batch.starts_with("looking at the host, then making keys"),
        "{batch}"
    );
    assert!(
        batch.ends_with("then asking the cluster's API") && *changes,
        "{batch}"
    );
}
