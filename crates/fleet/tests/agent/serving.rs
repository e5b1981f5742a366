//! Both ends together, over pipes: what is asked arrives, what is lost is told, and a run goes on.

use crate::canned::{self, Canned};
use kubepki_core::model::ComponentKind;
use kubepki_engine::ports::Progress;
use kubepki_fleet::frames::{encode, read_frame, read_greeting, write_frame, write_greeting};
use kubepki_fleet::protocol::{Message, PROTOCOL, Request, Response};
use kubepki_fleet::remote::RemoteSession;
use kubepki_fleet::serve::serve;
use kubepki_fleet::session::{ApiQuestion, HostSession, SessionError};
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Remote = RemoteSession<PipeReader, PipeWriter>;

/// The client's two ends of a connection to an agent that serves this host.
fn agent(host: &Canned) -> (PipeReader, PipeWriter, JoinHandle<Result<(), String>>) {
    let (answers, speaks) = pipe().unwrap();
    let (mut hears, requests) = pipe().unwrap();
    let mut host = host.clone();
    let agent = std::thread::spawn(move || {
        serve(&mut host, &mut hears, speaks).map_err(|error| error.to_string())
    });
    (answers, requests, agent)
}

fn open(host: &Canned) -> (Remote, JoinHandle<Result<(), String>>) {
    let (answers, requests, agent) = agent(host);
    (RemoteSession::open(answers, requests).unwrap(), agent)
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Asks everything that can be asked, and returns the outcomes in words.
fn ask_everything(host: &mut dyn HostSession, heard: &Heard) -> Vec<String> {
    let components = [ComponentKind::Etcd];
    let json = |value: serde_json::Result<String>| value.unwrap();
    let mut outcomes = vec![
        json(serde_json::to_string(
            &host.look(&canned::look_request(), heard),
        )),
        format!("{:?}", host.prepare(&canned::plan())),
        format!("{:?}", host.sign(&canned::orders())),
        format!("{:?}", host.carry(&canned::carry_request(), heard)),
        format!("{:?}", host.settle(Path::new("/pki"), heard)),
        format!("{:?}", host.halt(&components, heard)),
        format!("{:?}", host.start(&components, heard)),
    ];
    for question in [
        ApiQuestion::Ready,
        ApiQuestion::Nodes,
        ApiQuestion::EtcdHealth,
    ] {
        outcomes.push(format!("{:?}", host.ask(&question)));
    }
    let answers = host.ask_all(&[ApiQuestion::Ready, ApiQuestion::Nodes]);
    outcomes.extend(answers.iter().map(|answer| format!("{answer:?}")));
    outcomes
}

#[test]
fn a_far_host_is_asked_as_a_near_one() {
    for refuses in [false, true] {
        let host = || Canned {
            refuses,
            ..Canned::default()
        };
        let (mut near, heard_near) = (host(), Heard::default());
        let (mut far, heard_far) = (host(), Heard::default());
        let expected = ask_everything(&mut near, &heard_near);
        let asked = far.asked.clone();
        let (mut session, agent) = open(&far);
        assert_eq!(session.hello(), &canned::hello());
        let found = ask_everything(&mut session, &heard_far);
        assert_eq!(found, expected);
        assert_eq!(*asked.lock().unwrap(), *near.asked.lock().unwrap());
        assert_eq!(
            heard_far.0.into_inner().unwrap(),
            heard_near.0.into_inner().unwrap()
        );
        drop(session);
        agent.join().unwrap().unwrap();
        far.refuses = true;
    }
}

#[test]
fn several_questions_cost_one_round_trip() {
    let host = Canned::default();
    let (mut answers, mut requests, agent) = agent(&host);
    assert_eq!(read_greeting(&mut answers).unwrap(), PROTOCOL);
    let _: Message = read_frame(&mut answers).unwrap();
    let question = |question| Request::Ask { question };
    let batch = Request::Batch {
        requests: vec![question(ApiQuestion::Ready), question(ApiQuestion::Nodes)],
    };
    write_frame(&mut requests, &batch).unwrap();
    let answer: Message = read_frame(&mut answers).unwrap();
    let Message::Outcome {
        response: Response::Batch { responses },
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(responses.len(), 2);
    drop(requests);
    agent.join().unwrap().unwrap();
}

#[test]
fn a_batch_ends_at_the_first_change_that_fails_and_no_earlier() {
    let host = Canned {
        refuses: true,
        ..Canned::default()
    };
    let (mut session, _agent) = open(&host);
    let ask = Request::Ask {
        question: ApiQuestion::Ready,
    };
    let settle = Request::Settle {
        pki_folder: "/pki".into(),
    };
    let requests = vec![ask.clone(), settle, ask];
    let responses = session.batch(requests, &Heard::default()).unwrap();
    assert_eq!(responses.len(), 2);
    assert_eq!(host.asked.lock().unwrap().len(), 2);
    let nested = Request::Batch { requests: vec![] };
    let responses = session.batch(vec![nested], &Heard::default()).unwrap();
    assert!(
        matches!(&responses[..], [Response::Failed { error }] if error.code == "agent-protocol")
    );
}

#[test]
fn a_run_goes_on_to_its_end_when_the_connection_is_lost() {
    let (began, has_begun) = channel();
    let (went, is_gone) = channel::<()>();
    let is_gone = Mutex::new(is_gone);
    let ended = Arc::new(AtomicBool::new(false));
    let has_ended = ended.clone();
    let host = Canned {
        while_carrying: Some(Arc::new(move |progress| {
            began.send(()).unwrap();
            // Until the other end is gone.
            let _ = is_gone.lock().unwrap().recv();
            for step in 0..1000 {
                progress.say(&format!("step {step}"));
            }
            ended.store(true, Ordering::SeqCst);
        })),
        ..Canned::default()
    };
    let (mut answers, mut requests, agent) = agent(&host);
    read_greeting(&mut answers).unwrap();
    let carry = Request::Carry {
        request: Box::new(canned::carry_request()),
    };
    write_frame(&mut requests, &carry).unwrap();
    has_begun.recv().unwrap();
    drop((answers, requests));
    drop(went);
    agent.join().unwrap().unwrap();
    assert!(has_ended.load(Ordering::SeqCst));
    assert_eq!(host.asked.lock().unwrap().len(), 1);
}

#[test]
fn a_connection_that_hangs_does_not_hold_up_a_run() {
    let (ended, has_ended) = channel();
    let host = Canned {
        while_carrying: Some(Arc::new(move |progress| {
            // Much more than a pipe holds, and nobody reads.
            for _ in 0..200 {
                progress.say(&"x".repeat(10_000));
            }
            ended.send(()).unwrap();
        })),
        ..Canned::default()
    };
    let (answers, mut requests, agent) = agent(&host);
    let carry = Request::Carry {
        request: Box::new(canned::carry_request()),
    };
    write_frame(&mut requests, &carry).unwrap();
    has_ended.recv().unwrap();
    drop((answers, requests));
    agent.join().unwrap().unwrap();
}

#[test]
fn what_is_no_request_is_answered_and_ends_the_agent() {
    let (mut answers, mut requests, agent) = agent(&Canned::default());
    read_greeting(&mut answers).unwrap();
    let _: Message = read_frame(&mut answers).unwrap();
    requests
        .write_all(&encode(&serde_json::json!({"ask": "shell"})).unwrap())
        .unwrap();
    let answer: Message = read_frame(&mut answers).unwrap();
    assert!(
        matches!(&answer, Message::Outcome { response: Response::Failed { error } }
            if error.code == "agent-protocol"),
        "{answer:?}"
    );
    let error = agent.join().unwrap().unwrap_err();
    assert!(error.contains("JSON of something else"), "{error}");
}

/// An agent that says these frames and goes away.
fn says(protocol: u32, messages: &[Message]) -> Result<Remote, SessionError> {
    let (answers, mut speaks) = pipe().unwrap();
    let (_, requests) = pipe().unwrap();
    write_greeting(&mut speaks, protocol).unwrap();
    for message in messages {
        write_frame(&mut speaks, message).unwrap();
    }
    drop(speaks);
    RemoteSession::open(answers, requests)
}

fn hello() -> Message {
    Message::Hello {
        hello: canned::hello(),
    }
}

#[test]
fn another_version_is_told_as_such() {
    let error = says(PROTOCOL + 1, &[hello()]).err().unwrap();
    assert_eq!(error.code, "agent-version");
    assert!(error.message.contains("expected 1"), "{error}");
}

#[test]
fn an_agent_that_says_nothing_or_no_hello_is_refused() {
    assert_eq!(says(PROTOCOL, &[]).err().unwrap().code, "agent-lost");
    let progress = Message::Progress {
        text: "hm".to_owned(),
    };
    let error = says(PROTOCOL, &[progress]).err().unwrap();
    assert_eq!(error.code, "agent-protocol");
}

#[test]
fn a_lost_connection_is_told_with_what_was_going_on_and_ends_the_session() {
    let (answers, mut speaks) = pipe().unwrap();
    let (hears, requests) = pipe().unwrap();
    write_greeting(&mut speaks, PROTOCOL).unwrap();
    write_frame(&mut speaks, &hello()).unwrap();
    let session = RemoteSession::open(answers, requests).unwrap();
    let mut session = session.explained_by(Box::new(|lost| lost.detail("said", "killed")));
    drop(speaks);
    let error = session
        .carry(&canned::carry_request(), &Heard::default())
        .unwrap_err();
    assert_eq!(error.code, "agent-lost");
    let doing = format!("while carrying out plan {}", canned::plan().id);
    assert!(error.message.contains(&doing), "{error}");
    assert!(error.hint.as_deref().unwrap().contains("run it again"));
    assert_eq!(error.details, [("said".to_owned(), "killed".to_owned())]);
    drop(hears);
    assert_eq!(session.ask(&ApiQuestion::Ready).unwrap_err(), error);
    let all = session.ask_all(&[ApiQuestion::Ready, ApiQuestion::Nodes]);
    assert!(
        all.iter()
            .all(|answer| answer.as_ref().is_err_and(|found| *found == error))
    );
}

#[test]
fn an_outcome_of_something_else_ends_the_session() {
    let outcome = Message::Outcome {
        response: Response::Done,
    };
    let (answers, mut speaks) = pipe().unwrap();
    let (_hears, requests) = pipe().unwrap();
    write_greeting(&mut speaks, PROTOCOL).unwrap();
    write_frame(&mut speaks, &hello()).unwrap();
    write_frame(&mut speaks, &outcome).unwrap();
    let mut session = RemoteSession::open(answers, requests).unwrap();
    let error = session.prepare(&canned::plan()).unwrap_err();
    assert_eq!(error.code, "agent-protocol");
    let again = session.halt(&[], &Heard::default()).unwrap_err();
    assert_eq!(again, error);
}
