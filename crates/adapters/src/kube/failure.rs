//! What the `kube` crate reports, in words, and whether it means that credentials were refused.

use std::error::Error as StdError;
use std::io;

use ::kube::Error;
use ::kube::core::Status;
use jiff::Timestamp;
use kubepki_engine::ports::KubeApiError;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::tls::{alert_about_client_certificate, alert_name};

/// The name under which an API server handles a request without credentials.
pub(super) const ANONYMOUS: &str = "system:anonymous";

/// Whether a refusal shows that the server knows who asked: 403 for anyone but the anonymous user.
pub(super) fn names_the_user(answer: &Status) -> bool {
    answer.code == 403 && !answer.message.contains(ANONYMOUS)
}

pub(super) fn describe(server: &str, error: &Error) -> KubeApiError {
    let (unauthorized, detail) = match error {
        Error::Api(answer) => answered(answer),
        Error::InferKubeconfig(reason) => (false, chain(reason)),
        error => match tls_error(error) {
            Some(rustls::Error::AlertReceived(alert)) if alert_about_client_certificate(*alert) => {
                let name = alert_name(*alert);
                (
                    true,
                    format!("the server refused the client certificate (TLS alert {name})"),
                )
            }
            Some(rustls::Error::InvalidCertificate(reason)) => (
                false,
                format!(
                    "the server's certificate is not accepted: {}",
                    refusal(reason)
                ),
            ),
            Some(rustls::Error::InconsistentKeys(_)) => (
                false,
                "the kubeconfig's client certificate belongs to another key".to_owned(),
            ),
            _ => (false, chain(error)),
        },
    };
    KubeApiError {
        server: server.to_owned(),
        unauthorized,
        detail,
    }
}

fn answered(answer: &Status) -> (bool, String) {
    let Status { code, message, .. } = answer;
    match code {
        401 => (
            true,
            "HTTP 401: the server does not accept the credentials".to_owned(),
        ),
        403 if message.contains(ANONYMOUS) => (
            true,
            "HTTP 403: the server took the request for an anonymous one".to_owned(),
        ),
        _ => (false, format!("HTTP {code}: {message}")),
    }
}

fn refusal(reason: &CertificateError) -> String {
    let time = |time: &UnixTime| {
        i64::try_from(time.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .map_or_else(
                || format!("{} s after 1970", time.as_secs()),
                |time| time.to_string(),
            )
    };
    match reason {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!(
                "it, or the CA that issued it, expired at {}",
                time(not_after)
            )
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!(
                "it, or the CA that issued it, is not valid before {}",
                time(not_before)
            )
        }
        CertificateError::UnknownIssuer => {
            "it was not issued by a CA of the kubeconfig that is valid today".to_owned()
        }
        // The usual sight after a CA was made anew under its old name.
        CertificateError::BadSignature => {
            "it was signed by another key than the kubeconfig's CA of that name has".to_owned()
        }
        other => other.to_string(),
    }
}

/// The TLS error somewhere below. `io::Error` shows its inner error's source as its own and hides
/// the inner error itself, so each one on the way is opened.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(found) = tls_error(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The error and its causes on one line. Wrappers that repeat their cause's words are left out.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if let Some(last) = words.last_mut().filter(|last| last.ends_with(&text)) {
            last.truncate(last.len() - text.len());
            let wrapper = last.trim_end_matches([':', ' ']).to_owned();
            words.pop();
            if !wrapper.is_empty() {
                words.push(wrapper);
            }
        }
        words.push(text);
        next = error.source();
    }
    words.join(": ")
}
