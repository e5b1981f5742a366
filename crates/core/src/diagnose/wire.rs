//! The three judgements of every connection: by the files, by what is loaded, and as the wire tells.

use super::report::{ConnectionReport, State, Where};
use super::scene::Scene;
use crate::connections::{Connection, Failure, FailureReason, Judgement, Side, Verdict};
use crate::model::live::{AttemptFact, AttemptOutcome};

/// The report of a connection.
pub(super) fn report(
    scene: &Scene<'_>,
    connection: &Connection,
    disk: &Verdict,
    loaded: &Verdict,
) -> ConnectionReport {
    ConnectionReport {
        id: connection.id.clone(),
        kind: connection.kind,
        serves: connection.serves.clone(),
        on_disk: judged(scene, disk),
        loaded: judged(scene, loaded),
        on_wire: on_wire(scene, connection),
    }
}

/// Both directions as one state: what fails before what is unknown before what holds.
fn judged(scene: &Scene<'_>, verdict: &Verdict) -> Where {
    let states = [&verdict.server, &verdict.client].map(|judgement| match judgement {
        Judgement::Verified => (State::Verified, None),
        Judgement::Failed(failure) => (State::Failed, Some(told(scene, failure))),
        Judgement::Unknown(reason) => (State::Unknown, Some(reason.clone())),
        Judgement::NotApplicable => (State::NotApplicable, None),
    });
    let of = |state: State| {
        let reasons: Vec<String> = states
            .iter()
            .filter(|(other, _)| *other == state)
            .filter_map(|(_, reason)| reason.clone())
            .collect();
        Where {
            state,
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        }
    };
    [State::Failed, State::Unknown, State::Verified]
        .into_iter()
        .find(|state| states.iter().any(|(other, _)| other == state))
        .map_or_else(|| of(State::NotApplicable), of)
}

fn told(scene: &Scene<'_>, failure: &Failure) -> String {
    let place = |id: Option<_>| {
        id.and_then(|id| scene.graph.slot(id))
            .map_or_else(String::new, |slot| {
                format!("{}: ", scene.on_host(&slot.place))
            })
    };
    let presented = place(failure.presented);
    let trusted = place(failure.trusted_by);
    match &failure.reason {
        FailureReason::Path(error) => format!("{presented}{error}"),
        FailureReason::KeyDiffers => format!("{presented}its private key is another's"),
        FailureReason::KeyUnusable(reason)
        | FailureReason::Missing(reason)
        | FailureReason::Unusable(reason) => {
            format!("{presented}{reason}")
        }
        FailureReason::TrustMissing(reason) | FailureReason::TrustUnusable(reason) => {
            format!("{trusted}{reason}")
        }
        FailureReason::Identity { expected, found } => {
            format!("{presented}is {found}, expected {expected}")
        }
    }
}

/// What came of a connection that was tried; of several attempts the worst.
fn on_wire(scene: &Scene<'_>, connection: &Connection) -> Where {
    let unknown = |reason: &str| Where {
        state: State::Unknown,
        reason: Some(reason.to_owned()),
    };
    let attempts = attempts(scene, connection);
    if attempts.is_empty() {
        let asked = scene.evidence.hosts.iter().any(|host| host.live.is_some());
        return unknown(if asked {
            "it cannot be tried from here"
        } else {
            "the running processes were not asked"
        });
    }
    if let Some((_, reason)) = refused(&attempts) {
        return Where {
            state: State::Failed,
            reason: Some(reason),
        };
    }
    let accepted = attempts
        .iter()
        .any(|attempt| matches!(attempt.outcome, AttemptOutcome::Accepted { .. }));
    if accepted {
        return Where {
            state: State::Verified,
            reason: None,
        };
    }
    let reason = attempts.iter().find_map(|attempt| match &attempt.outcome {
        AttemptOutcome::Unanswered(unanswered) => {
            Some(format!("{}: {}", attempt.address, unanswered.detail))
        }
        _ => None,
    });
    unknown(&reason.unwrap_or_default())
}

/// Every attempt of a connection, from whatever host.
pub(super) fn attempts<'a>(scene: &Scene<'a>, connection: &Connection) -> Vec<&'a AttemptFact> {
    scene
        .evidence
        .hosts
        .iter()
        .filter_map(|host| host.live.as_ref())
        .flat_map(|live| &live.attempts)
        .filter(|attempt| attempt.connection == connection.id)
        .collect()
}

/// Who was refused, and why.
pub(super) fn refused(attempts: &[&AttemptFact]) -> Option<(Side, String)> {
    attempts.iter().find_map(|attempt| match &attempt.outcome {
        AttemptOutcome::ServerRefused { reason } => {
            Some((Side::Server, format!("{}: {reason}", attempt.address)))
        }
        AttemptOutcome::ClientRefused { reason } => {
            Some((Side::Client, format!("{}: {reason}", attempt.address)))
        }
        _ => None,
    })
}
