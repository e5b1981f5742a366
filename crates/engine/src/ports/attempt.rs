//! An attempt: one connection as its own client would open it, with that client's certificate, what
//! it trusts and the names it asks for, and who refused whom.
//!
//! Only a question is sent, never a token and nothing that changes anything. What is accepted is
//! decided by path validation as Go does it (RFC 5280 §6, `kubepki_x509::path`), since that is what
//! the cluster's own clients are written in.

use super::tls::{ClientIdentity, Endpoint};
use jiff::Timestamp;
use kubepki_x509::path::{CertificatePool, PathError, ServerName};
use std::time::Duration;

/// What a client demands of the server before it goes on.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What it trusts.
    pub roots: CertificatePool,
    /// Names that the server's certificate has to hold, every one; none when none is asked for.
    pub names: Vec<ServerName>,
    /// When.
    pub now: Timestamp,
}

/// A connection to try.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Where.
    pub endpoint: &'a Endpoint,
    /// What is presented when the server asks for a certificate.
    pub identity: Option<&'a ClientIdentity>,
    /// What is demanded of the server; `None` for a client that believes anybody.
    pub expectation: Option<&'a Expectation>,
    /// What is asked once both sides are content; `None` for the handshake alone.
    pub question: Option<Question<'a>>,
    /// For everything together.
    pub timeout: Duration,
}

/// `GET` of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// e.g. `/version`.
    pub path: &'a str,
    /// Of the body only lines that begin with one of these are kept (a `/metrics` page may be many
    /// megabytes); empty for the body as it is. Either way at most 64 KiB.
    pub lines: &'a [&'a str],
    /// Further header fields, as a front proxy sends.
    pub headers: &'a [(&'a str, &'a str)],
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// Both sides went on. The answer, where something was asked: whatever its status.
    Accepted(Option<Reply>),
    /// The client does not accept what the server presents, and went no further.
    ServerRefused(ServerRefusal),
    /// The server said in TLS that it does not accept the client; reads on after its name.
    ClientRefused(String),
    /// The server closed the connection without a word after the client had presented its
    /// certificate: perhaps to refuse it. Reads on after its name.
    Closed(String),
    /// There was no answer to learn from.
    Unanswered {
        /// Nothing accepted the connection, before any TLS.
        unreachable: bool,
        /// Time ran out.
        timed_out: bool,
        /// What happened; reads on after the endpoint's name.
        detail: String,
    },
}

/// An HTTP answer to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The server's clock (`Date`, whole seconds), where it tells.
    pub date: Option<Timestamp>,
    /// Body, or the lines that were wanted of it.
    pub body: String,
}

/// Why a client does not accept a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerRefusal {
    /// There is no valid certification path, or the certificate is another server's.
    #[error("{0}")]
    Path(Box<PathError>),
    /// The handshake is not signed with the certificate's key.
    #[error("the server does not prove that it holds the key of its certificate: {0}")]
    KeyNotProven(String),
    /// The chain cannot be read.
    #[error("{0}")]
    Unreadable(String),
}
