//! What an API server's refusal means: who may not, what is not there, which list is too old.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses>

use std::error::Error as StdError;

use ::kube::Error;
use ::kube::client::AuthError;
use kubepki_engine::ports::{ClusterError, ClusterErrorKind};
use serde::Deserialize;

use super::failure;

/// A refusal is a few hundred bytes; what is longer was not written by an API server.
pub(super) const LARGEST_REFUSAL: usize = 64 * 1024;

/// The parts of a `Status` that are looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "continue")]
    next: String,
}

/// An answer that is no success.
pub(super) fn answered(server: &str, status: u16, body: &[u8]) -> ClusterError {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let (kind, detail) = match status {
        401 => (
            ClusterErrorKind::Unauthorized,
            "the server does not accept the credentials".to_owned(),
        ),
        403 if refusal.message.contains(failure::ANONYMOUS) => (
            ClusterErrorKind::Unauthorized,
            "the server took the request for an anonymous one".to_owned(),
        ),
        403 => (ClusterErrorKind::Forbidden, refusal.message),
        404 => (ClusterErrorKind::NotFound, refusal.message),
        409 => (ClusterErrorKind::Conflict, refusal.message),
        410 => {
            let next = Some(refusal.metadata.next).filter(|next| !next.is_empty());
            (ClusterErrorKind::Expired { next }, refusal.message)
        }
        // a proxy that does not reach the server
        502..=504 => (ClusterErrorKind::Unreachable, refusal.message),
        _ => (ClusterErrorKind::Other, refusal.message),
    };
    let detail = match detail.is_empty() {
        true => format!("HTTP {status}"),
        false => format!("HTTP {status}: {detail}"),
    };
    ClusterError {
        server: server.to_owned(),
        kind,
        detail,
    }
}

/// No answer at all.
pub(super) fn failed(server: &str, error: &Error) -> ClusterError {
    if let Some(detail) = command_failure(error) {
        return ClusterError {
            server: server.to_owned(),
            kind: ClusterErrorKind::Unauthorized,
            detail,
        };
    }
    let described = failure::describe(server, error);
    let kind = match described.unauthorized {
        true => ClusterErrorKind::Unauthorized,
        false => ClusterErrorKind::Unreachable,
    };
    ClusterError {
        server: described.server,
        kind,
        detail: described.detail,
    }
}

/// What went wrong with the kubeconfig's command for credentials. What it printed is withheld: the
/// `kube` crate's own words quote it, and it may be a token.
fn command_failure(error: &Error) -> Option<String> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<AuthError>() {
            return match found {
                AuthError::AuthExecRun { cmd, out } => {
                    let complaint = String::from_utf8_lossy(&out.stderr);
                    let last = complaint.trim().lines().last().unwrap_or_default();
                    let last: String = last.chars().take(LONGEST_COMPLAINT).collect();
                    let status = out.status;
                    Some(format!(
                        "the kubeconfig's command failed, {cmd}: {status}: {last}"
                    ))
                }
                AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
                    Some("what the kubeconfig's command printed is no ExecCredential".to_owned())
                }
                AuthError::AuthExecStart(reason) => {
                    Some(format!("the kubeconfig's command cannot be run: {reason}"))
                }
                _ => None,
            };
        }
        next = error.source();
    }
    None
}

/// One line of a terminal or two.
const LONGEST_COMPLAINT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_old_says_where_to_go_on() {
        let body =
            br#"{"kind":"Status","metadata":{"continue":"eyJ"},"message":"too old","code":410}"#;
        let error = answered("s", 410, body);
        let next = Some("eyJ".to_owned());
        assert_eq!(error.kind, ClusterErrorKind::Expired { next });
        assert_eq!(error.to_string(), "s: HTTP 410: too old");
        let kind = answered("s", 410, b"").kind;
        assert_eq!(kind, ClusterErrorKind::Expired { next: None });
    }

    #[test]
    fn missing_rights_are_told_from_missing_credentials() {
        let body = br#"{"message":"User \"x\" cannot list resource"}"#;
        assert_eq!(answered("s", 403, body).kind, ClusterErrorKind::Forbidden);
        let body = br#"{"message":"User \"system:anonymous\" cannot list resource"}"#;
        assert_eq!(
            answered("s", 403, body).kind,
            ClusterErrorKind::Unauthorized
        );
        assert_eq!(
            answered("s", 401, b"no").kind,
            ClusterErrorKind::Unauthorized
        );
        assert_eq!(
            answered("s", 404, b"404 page not found").to_string(),
            "s: HTTP 404"
        );
        assert_eq!(answered("s", 503, b"").kind, ClusterErrorKind::Unreachable);
    }
}
