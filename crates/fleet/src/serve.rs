//! The agent's side: requests are read from one stream, carried out on a session with this host, and
//! answered on another.
//!
//! Whoever asked may go away in the middle of a run. The run goes on to its end all the same: nobody
//! waits for the reader of progress, and what cannot be said is dropped. After that the end of the
//! requests ends the agent.

use crate::frames::{FrameError, encode, read_frame, write_greeting};
use crate::protocol::{Message, PROTOCOL, Request, Response};
use crate::session::{HostSession, SessionError};
use kubepki_engine::ports::Progress;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Serves until the requests end.
///
/// # Errors
/// When something that is no request arrives; it is answered first.
pub fn serve(
    session: &mut dyn HostSession,
    requests: &mut dyn Read,
    answers: impl Write + Send,
) -> Result<(), FrameError> {
    let (line, spoken) = channel();
    std::thread::scope(|scope| {
        // A thread of its own: a connection that hangs must not hold up a run on the host.
        scope.spawn(move || speak(answers, &spoken));
        let line = Line(line);
        line.message(&Message::Hello {
            hello: session.hello().clone(),
        });
        loop {
            let request = match read_frame::<Request>(requests) {
                Ok(request) => request,
                Err(FrameError::Closed) => return Ok(()),
                Err(error) if error.is_lost() => return Err(error),
                Err(error) => {
                    line.outcome(failed(
                        SessionError::new("agent-protocol", &error)
                            .hint("both ends must be the same version of kubepki"),
                    ));
                    return Err(error);
                }
            };
            let response = respond(session, request, &line);
            line.outcome(response);
        }
    })
}

fn speak(mut answers: impl Write, spoken: &Receiver<Vec<u8>>) {
    let mut is_heard = write_greeting(&mut answers, PROTOCOL).is_ok();
    // Goes on to the end, so that whoever speaks is never held up.
    for frame in spoken {
        is_heard = is_heard && answers.write_all(&frame).is_ok() && answers.flush().is_ok();
    }
}

/// Where answers and progress are said.
struct Line(Sender<Vec<u8>>);

impl Line {
    fn message(&self, message: &Message) {
        let frame = encode(message).or_else(|error| {
            encode(&Message::Outcome {
                response: failed(SessionError::new("agent-protocol", &error)),
            })
        });
        if let Ok(frame) = frame {
            // The speaker outlives every line; were it gone, there would be nobody to tell.
            self.0.send(frame).unwrap_or(());
        }
    }

    fn outcome(&self, response: Response) {
        self.message(&Message::Outcome { response });
    }
}

impl Progress for Line {
    fn say(&self, text: &str) {
        self.message(&Message::Progress {
            text: text.to_owned(),
        });
    }
}

fn failed(error: SessionError) -> Response {
    Response::Failed { error }
}

fn respond(session: &mut dyn HostSession, request: Request, progress: &dyn Progress) -> Response {
    let Request::Batch { requests } = request else {
        return respond_to_one(session, request, progress);
    };
    let mut responses = Vec::with_capacity(requests.len());
    for request in requests {
        let changes = request.changes();
        let response = respond_to_one(session, request, progress);
        let is_over = changes && matches!(response, Response::Failed { .. });
        responses.push(response);
        if is_over {
            break;
        }
    }
    Response::Batch { responses }
}

fn respond_to_one(
    session: &mut dyn HostSession,
    request: Request,
    progress: &dyn Progress,
) -> Response {
    let outcome = match request {
        Request::Look { request } => {
            session
                .look(&request, progress)
                .map(|look| Response::Looked {
                    look: Box::new(look),
                })
        }
        Request::Declare { layout } => session.declare(&layout).map(|()| Response::Done),
        Request::Prepare { plan } => session
            .prepare(&plan)
            .map(|requests| Response::Prepared { requests }),
        Request::Sign { orders } => session
            .sign(&orders)
            .map(|certificates| Response::Signed { certificates }),
        Request::Carry { request } => {
            session
                .carry(&request, progress)
                .map(|report| Response::Carried {
                    report: Box::new(report),
                })
        }
        Request::Settle { pki_folder } => {
            session
                .settle(&pki_folder, progress)
                .map(|report| Response::Settled {
                    report: report.map(Box::new),
                })
        }
        Request::Halt { components } => {
            session.halt(&components, progress).map(|()| Response::Done)
        }
        Request::Start { components } => session
            .start(&components, progress)
            .map(|()| Response::Done),
        Request::Ask { question } => session
            .ask(&question)
            .map(|answer| Response::Answered { answer }),
        Request::Recipient => session
            .recipient()
            .map(|recipient| Response::Recipient { recipient }),
        Request::SealKeys { orders } => session
            .seal_keys(&orders)
            .map(|keys| Response::Sealed { keys }),
        Request::ChangeApi { changes } => session
            .change_api(&changes, progress)
            .map(|words| Response::Worded { words }),
        Request::Etcd { act } => session
            .etcd(&act, progress)
            .map(|words| Response::Worded { words: vec![words] }),
        Request::RetireKeys { keys, how } => session
            .retire_keys(&keys, &how, progress)
            .map(|words| Response::Worded { words }),
        Request::Batch { .. } => Err(SessionError::new(
            "agent-protocol",
            "a batch holds a batch, expected single requests",
        )),
    };
    outcome.unwrap_or_else(failed)
}
