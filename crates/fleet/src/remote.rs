//! The client's side: a session with a host at the other end of two streams of bytes.
//!
//! The streams are whatever leads to `kubepki agent --stdio`: a child process, an SSH connection. A
//! connection that is lost ends the session; what was begun on the host goes on to its end there,
//! journaled, and the next session sees what became of it.

use crate::frames::{FrameError, read_frame, read_greeting, write_frame};
use crate::protocol::{Message, PROTOCOL, Request, Response};
use crate::session::{
    ApiAnswer, ApiQuestion, CarryReport, CarryRequest, Hello, HostSession, IssuedCertificate,
    KeyOrder, Look, LookRequest, PreparedRequest, SealedKey, SessionError, SigningOrder,
};
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::{EtcdAct, Plan};
use kubepki_core::rotation::{ApiChange, OldKey};
use kubepki_engine::ports::Progress;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Looks at why a connection was lost and may say it better: the exit status and last words of the
/// process that carried it.
pub type LastWords = Box<dyn FnMut(SessionError) -> SessionError + Send>;

/// A session with an agent.
pub struct RemoteSession<R, W> {
    answers: R,
    requests: W,
    hello: Hello,
    last_words: Option<LastWords>,
    /// Why nothing can be asked any more.
    over: Option<SessionError>,
}

impl<R: Read + Send, W: Write + Send> RemoteSession<R, W> {
    /// Waits for the agent's greeting.
    ///
    /// # Errors
    /// `agent-lost` when nothing or something else answers, `agent-version` when the agent speaks
    /// another version of the protocol.
    pub fn open(mut answers: R, requests: W) -> Result<Self, SessionError> {
        let protocol = read_greeting(&mut answers).map_err(|error| no_agent(&error))?;
        if protocol != PROTOCOL {
            return Err(other_version(protocol));
        }
        let hello = match read_frame(&mut answers) {
            Ok(Message::Hello { hello }) => hello,
            Ok(Message::Progress { .. } | Message::Outcome { .. }) => {
                return Err(out_of_turn("another message", "the agent's hello"));
            }
            Err(error) => return Err(no_agent(&error)),
        };
        if hello.protocol != PROTOCOL {
            return Err(other_version(hello.protocol));
        }
        Ok(Self {
            answers,
            requests,
            hello,
            last_words: None,
            over: None,
        })
    }

    /// Has `last_words` explain a connection that is lost later.
    pub fn explained_by(mut self, last_words: LastWords) -> Self {
        self.last_words = Some(last_words);
        self
    }

    /// Several requests in one round trip; one response for each that was begun.
    pub fn batch(
        &mut self,
        requests: Vec<Request>,
        progress: &dyn Progress,
    ) -> Result<Vec<Response>, SessionError> {
        let asked = requests.len();
        match self.call(&Request::Batch { requests }, progress)? {
            Response::Batch { responses } if responses.len() <= asked => Ok(responses),
            _ => Err(self.end(out_of_turn("another outcome", "that of a batch"))),
        }
    }

    /// Asks, tells progress, and waits for the outcome.
    pub fn call(
        &mut self,
        request: &Request,
        progress: &dyn Progress,
    ) -> Result<Response, SessionError> {
        if let Some(over) = &self.over {
            return Err(over.clone());
        }
        if let Err(error) = write_frame(&mut self.requests, request) {
            return Err(self.lost(request, &error));
        }
        loop {
            match read_frame(&mut self.answers) {
                Ok(Message::Progress { text }) => progress.say(&text),
                Ok(Message::Outcome { response }) => return Ok(response),
                Ok(Message::Hello { .. }) => {
                    return Err(self.end(out_of_turn("a second hello", "an outcome")));
                }
                Err(error) => return Err(self.lost(request, &error)),
            }
        }
    }

    fn lost(&mut self, request: &Request, error: &FrameError) -> SessionError {
        if !error.is_lost() {
            return self.end(SessionError::new(
                "agent-protocol",
                format_args!("while {}: {error}", request.doing()),
            ));
        }
        let lost = SessionError::new(
            "agent-lost",
            format_args!(
                "the connection to the agent was lost while {}: {error}",
                request.doing()
            ),
        );
        let lost = if request.changes() {
            lost.hint(
                "what was begun on the host goes on there or is taken up by the next run: run it again to carry on",
            )
        } else {
            lost.hint("nothing was being changed on the host; run it again")
        };
        let explained = match &mut self.last_words {
            Some(last_words) => last_words(lost),
            None => lost,
        };
        self.end(explained)
    }

    fn end(&mut self, error: SessionError) -> SessionError {
        self.over = Some(error.clone());
        error
    }

    /// Asks, and takes the outcome that belongs to the request.
    fn expect<T>(
        &mut self,
        request: &Request,
        progress: &dyn Progress,
        take: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, SessionError> {
        match self.call(request, progress)? {
            Response::Failed { error } => Err(error),
            response => match take(response) {
                Some(taken) => Ok(taken),
                None => Err(self.end(out_of_turn(
                    "the outcome of something else",
                    &request.doing(),
                ))),
            },
        }
    }
}

/// For requests that nobody is told anything about.
struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

impl<R: Read + Send, W: Write + Send> HostSession for RemoteSession<R, W> {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn look(
        &mut self,
        request: &LookRequest,
        progress: &dyn Progress,
    ) -> Result<Look, SessionError> {
        let request = Request::Look {
            request: request.clone(),
        };
        self.expect(&request, progress, |response| match response {
            Response::Looked { look } => Some(*look),
            _ => None,
        })
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Vec<PreparedRequest>, SessionError> {
        let request = Request::Prepare {
            plan: Box::new(plan.clone()),
        };
        self.expect(&request, &Silent, |response| match response {
            Response::Prepared { requests } => Some(requests),
            _ => None,
        })
    }

    fn sign(&mut self, orders: &[SigningOrder]) -> Result<Vec<IssuedCertificate>, SessionError> {
        let request = Request::Sign {
            orders: orders.to_vec(),
        };
        self.expect(&request, &Silent, |response| match response {
            Response::Signed { certificates } => Some(certificates),
            _ => None,
        })
    }

    fn declare(&mut self, layout: &DeclaredLayout) -> Result<(), SessionError> {
        let request = Request::Declare {
            layout: Box::new(layout.clone()),
        };
        self.expect(&request, &Silent, done)
    }

    fn carry(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError> {
        let request = Request::Carry {
            request: Box::new(request.clone()),
        };
        self.expect(&request, progress, |response| match response {
            Response::Carried { report } => Some(*report),
            _ => None,
        })
    }

    fn settle(
        &mut self,
        pki_folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<CarryReport>, SessionError> {
        let request = Request::Settle {
            pki_folder: pki_folder.to_owned(),
        };
        self.expect(&request, progress, |response| match response {
            Response::Settled { report } => Some(report.map(|report| *report)),
            _ => None,
        })
    }

    fn halt(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        let request = Request::Halt {
            components: components.to_vec(),
        };
        self.expect(&request, progress, done)
    }

    fn start(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        let request = Request::Start {
            components: components.to_vec(),
        };
        self.expect(&request, progress, done)
    }

    fn ask(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError> {
        let request = Request::Ask {
            question: question.clone(),
        };
        self.expect(&request, &Silent, |response| match response {
            Response::Answered { answer } => Some(answer),
            _ => None,
        })
    }

    fn recipient(&mut self) -> Result<String, SessionError> {
        self.expect(&Request::Recipient, &Silent, |response| match response {
            Response::Recipient { recipient } => Some(recipient),
            _ => None,
        })
    }

    fn seal_keys(&mut self, orders: &[KeyOrder]) -> Result<Vec<SealedKey>, SessionError> {
        let request = Request::SealKeys {
            orders: orders.to_vec(),
        };
        self.expect(&request, &Silent, |response| match response {
            Response::Sealed { keys } => Some(keys),
            _ => None,
        })
    }

    fn change_api(
        &mut self,
        changes: &[ApiChange],
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        let request = Request::ChangeApi {
            changes: changes.to_vec(),
        };
        self.expect(&request, progress, |response| match response {
            Response::Worded { words } => Some(words),
            _ => None,
        })
    }

    fn etcd(&mut self, act: &EtcdAct, progress: &dyn Progress) -> Result<String, SessionError> {
        let request = Request::Etcd { act: act.clone() };
        self.expect(&request, progress, |response| match response {
            Response::Worded { words } => Some(words.join("; ")),
            _ => None,
        })
    }

    fn retire_keys(
        &mut self,
        keys: &[PathBuf],
        how: &OldKey,
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        let request = Request::RetireKeys {
            keys: keys.to_vec(),
            how: how.clone(),
        };
        self.expect(&request, progress, |response| match response {
            Response::Worded { words } => Some(words),
            _ => None,
        })
    }

    fn ask_all(&mut self, questions: &[ApiQuestion]) -> Vec<Result<ApiAnswer, SessionError>> {
        let requests = questions
            .iter()
            .map(|question| Request::Ask {
                question: question.clone(),
            })
            .collect();
        match self.batch(requests, &Silent) {
            Ok(responses) if responses.len() == questions.len() => responses
                .into_iter()
                .map(|response| match response {
                    Response::Answered { answer } => Ok(answer),
                    Response::Failed { error } => Err(error),
                    _ => Err(out_of_turn("the outcome of something else", "an answer")),
                })
                .collect(),
            Ok(_) => {
                let error = self.end(out_of_turn("fewer answers", "one for each question"));
                questions.iter().map(|_| Err(error.clone())).collect()
            }
            Err(error) => questions.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

fn done(response: Response) -> Option<()> {
    matches!(response, Response::Done).then_some(())
}

fn no_agent(error: &FrameError) -> SessionError {
    if error.is_lost() || matches!(error, FrameError::NoGreeting(_)) {
        SessionError::new("agent-lost", error)
    } else {
        SessionError::new("agent-protocol", error)
    }
}

fn other_version(found: u32) -> SessionError {
    SessionError::new(
        "agent-version",
        format_args!("the agent speaks version {found} of the protocol, expected {PROTOCOL}"),
    )
    .hint("let kubepki bring its own agent, or install the same version on the host")
}

fn out_of_turn(found: &str, expected: &str) -> SessionError {
    SessionError::new(
        "agent-protocol",
        format_args!("the agent answered with {found}, expected {expected}"),
    )
}
