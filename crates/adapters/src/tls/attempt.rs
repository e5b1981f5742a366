//! One connection as its own client opens it, and who refused whom.
//!
//! In TLS 1.2 a server has judged the client when the handshake is over; in TLS 1.3 the client's
//! certificate is its last word, and the server's judgement comes after it: as an alert, or as an
//! answer (RFC 8446 §4.4.2.4). Where no question is asked the client says goodbye and listens to
//! whether an alert or a goodbye comes back, which disturbs nobody.

use std::io::{self, Write};
use std::sync::Arc;

use kubepki_engine::ports::{Attempt, Attempted, Reply};
use rustls::{AlertDescription, ProtocolVersion, StreamOwned};

use super::body::Body;
use super::connect::authority;
use super::explain::{alert_about_client_certificate, connection_failure, tls_error};
use super::http::{self, HttpError};
use super::identity::certified_key;
use super::observer::{ClientRecorder, ServerRecorder};
use super::path_judge::PathJudge;
use super::probe::{Handshake, RustlsProbe, asked_name, handshake_failure, sent_certificate};

pub(super) fn attempt(probe: &RustlsProbe, attempt: &Attempt<'_>) -> Attempted {
    match open(probe, attempt) {
        Ok(attempted) | Err(attempted) => attempted,
    }
}

fn open(probe: &RustlsProbe, attempt: &Attempt<'_>) -> Result<Attempted, Attempted> {
    let request = attempt
        .question
        .map(|question| {
            let host = authority(asked_name(attempt.endpoint), attempt.endpoint.port);
            http::request_with(&host, question.path, question.headers)
        })
        .transpose()
        .map_err(no_answer)?;
    let answer = attempt
        .identity
        .map(|identity| certified_key(identity, &probe.provider))
        .transpose()
        .map_err(no_answer)?;
    let judge = attempt
        .expectation
        .map(|expectation| Arc::new(PathJudge::new(expectation, &probe.provider)));
    let server = Arc::new(match &judge {
        Some(judge) => ServerRecorder::judged_by(Arc::clone(judge) as _),
        None => ServerRecorder::accepting_anything(&probe.provider),
    });
    let client = Arc::new(ClientRecorder::answering(answer));
    let mut handshake = probe
        .open(attempt.endpoint, &server, &client, attempt.timeout)
        .map_err(|error| Attempted::Unanswered {
            unreachable: error.unreachable,
            timed_out: false,
            detail: error.detail,
        })?;
    if let Some(refusal) = judge.as_ref().and_then(|judge| judge.refusal()) {
        return Ok(Attempted::ServerRefused(refusal.clone()));
    }
    if let Err(error) = &handshake.outcome {
        let detail = handshake_failure(error, &client, &handshake.stream);
        return Ok(ended(error, &client, detail));
    }
    let Some(request) = request else {
        return Ok(listened(handshake, &client));
    };
    let lines = attempt.question.map_or(&[][..], |question| question.lines);
    let mut body = Body::lines(lines);
    match http::ask(&mut handshake.stream, &request, &mut body) {
        Ok(answer) => {
            handshake.close();
            Ok(Attempted::Accepted(Some(Reply {
                status: answer.status,
                date: answer.date,
                body: body.into_text(),
            })))
        }
        Err(HttpError::Malformed(detail)) => Err(no_answer(detail)),
        Err(HttpError::Connection(error)) => Ok(broken_off(handshake, &client, error)),
    }
}

/// What the server says after a handshake without a question.
fn listened(mut handshake: Handshake, client: &ClientRecorder) -> Attempted {
    let judged = handshake.stream.conn.protocol_version() != Some(ProtocolVersion::TLSv1_3);
    if client.requested().is_none() || judged {
        handshake.close();
        return Attempted::Accepted(None);
    }
    let StreamOwned { conn, sock } = &mut handshake.stream;
    conn.send_close_notify();
    // A server that has refused may have closed already; its alert is still to be read.
    let _ = conn.complete_io(sock);
    let _ = sock.flush();
    loop {
        match conn.read_tls(sock) {
            Ok(0) => return Attempted::Accepted(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return broken_off(handshake, client, error),
        }
        match conn.process_new_packets() {
            Ok(state) if state.peer_has_closed() || state.plaintext_bytes_to_read() > 0 => {
                return Attempted::Accepted(None);
            }
            Ok(_) => {}
            Err(error) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, error);
                return broken_off(handshake, client, error);
            }
        }
    }
}

/// A connection that ended after its handshake and before an answer.
fn broken_off(mut handshake: Handshake, client: &ClientRecorder, error: io::Error) -> Attempted {
    if error.kind() == io::ErrorKind::TimedOut {
        let deadline = handshake.stream.sock.deadline();
        return Attempted::Unanswered {
            unreachable: false,
            timed_out: true,
            detail: deadline.missed("did not answer after the TLS handshake"),
        };
    }
    let error = match tls_error(&error) {
        Some(_) => error,
        None => handshake.last_words().unwrap_or(error),
    };
    let detail = connection_failure(&error, sent_certificate(client));
    ended(&error, client, detail)
}

/// Whose fault it is that there is no connection.
fn ended(error: &io::Error, client: &ClientRecorder, detail: String) -> Attempted {
    if error.kind() == io::ErrorKind::TimedOut {
        return Attempted::Unanswered {
            unreachable: false,
            timed_out: true,
            detail,
        };
    }
    match (tls_error(error), sent_certificate(client)) {
        (Some(rustls::Error::AlertReceived(alert)), Some(sent)) => {
            // OpenSSL before TLS 1.3 says so to a client without a certificate.
            let for_want = !sent && *alert == AlertDescription::HandshakeFailure;
            if for_want || alert_about_client_certificate(*alert) {
                Attempted::ClientRefused(detail)
            } else {
                no_answer(detail)
            }
        }
        (None, Some(true)) => Attempted::Closed(detail),
        _ => no_answer(detail),
    }
}

fn no_answer(detail: String) -> Attempted {
    Attempted::Unanswered {
        unreachable: false,
        timed_out: false,
        detail,
    }
}
