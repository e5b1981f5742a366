//! What was found at each endpoint that was named or that the cluster exposes, good or bad: whoever
//! asks for an endpoint is told of it, and not only of its faults.

use super::evidence::Evidence;
use super::report::{EndpointReport, State, Where};
use crate::model::Gap;
use crate::model::live::ServedFact;
use jiff::Timestamp;
use kubepki_x509::path::ServerName;
use kubepki_x509::{Certificate, ValidityState};

/// One report for each endpoint and name asked, in the order in which they were asked.
pub(super) fn reports(evidence: &Evidence<'_>, now: Timestamp) -> Vec<EndpointReport> {
    asked(evidence).map(|fact| report(fact, now)).collect()
}

/// Endpoints that gave no answer: not seen is not good.
pub(super) fn gaps(evidence: &Evidence<'_>) -> impl Iterator<Item = Gap> {
    asked(evidence).filter_map(|fact| {
        let unanswered = fact.outcome.as_ref().err()?;
        Some(Gap::new(address(fact), unanswered.detail.clone()))
    })
}

/// What was asked of servers that are no component's, and none that the API server calls: those have
/// connections of their own.
pub(super) fn asked<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a ServedFact> + use<'a> {
    let backends = evidence.cluster.map(|cluster| cluster.backends.as_slice());
    let is_called = move |fact: &ServedFact| {
        let mut backends = backends.into_iter().flatten();
        fact.exposed_by.as_deref().is_some_and(|by| {
            backends.any(|backend| {
                by == backend.object.to_string() || by == backend.object.clone().whole().to_string()
            })
        })
    };
    let hosts = evidence.hosts.iter();
    hosts
        .filter_map(|host| host.live.as_ref())
        .flat_map(|live| &live.served)
        .filter(move |fact| fact.component.is_none() && !is_called(fact))
}

fn report(fact: &ServedFact, now: Timestamp) -> EndpointReport {
    let chain = fact.outcome.as_ref().map(|served| served.chain.as_slice());
    let leaf = chain.ok().and_then(<[Certificate]>::first);
    let state = match (&fact.outcome, leaf) {
        (Ok(_), Some(leaf)) => judge(fact, leaf, now),
        (Ok(_), None) => unknown("it presents no certificate"),
        (Err(unanswered), _) => unknown(&unanswered.detail),
    };
    EndpointReport {
        address: address(fact),
        server_name: fact.server_name.clone(),
        exposed_by: fact.exposed_by.clone(),
        subject: leaf.map(|leaf| leaf.subject().to_string()),
        issuer: leaf.map(|leaf| leaf.issuer().to_string()),
        subject_alt_names: leaf
            .map(Certificate::subject_alt_names)
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        fingerprint_sha256: leaf.map(|leaf| hex::encode(leaf.fingerprint_sha256())),
        expiration_date: leaf.map(|leaf| leaf.validity().not_after),
        on_wire: state,
    }
}

fn judge(fact: &ServedFact, leaf: &Certificate, now: Timestamp) -> Where {
    let failed = |reason: String| Where {
        state: State::Failed,
        reason: Some(reason),
    };
    let validity = leaf.validity();
    match validity.state(now) {
        ValidityState::Expired => return failed(format!("expired at {}", validity.not_after)),
        ValidityState::NotYetValid => {
            return failed(format!("not valid before {}", validity.not_before));
        }
        ValidityState::Valid => {}
    }
    match name_missing(fact, leaf) {
        Some(asked) => failed(format!("not for {asked}")),
        None => Where {
            state: State::Verified,
            reason: None,
        },
    }
}

/// The name asked for, when the certificate is not for it. The address of what the cluster exposes is
/// no name: by which one its clients ask is not known.
pub(super) fn name_missing(fact: &ServedFact, leaf: &Certificate) -> Option<ServerName> {
    let host = Some(fact.host.as_str()).filter(|_| fact.exposed_by.is_none());
    let asked: ServerName = fact.server_name.as_deref().or(host)?.parse().ok()?;
    (!asked.matches(&leaf.subject_alt_names())).then_some(asked)
}

fn unknown(reason: &str) -> Where {
    Where {
        state: State::Unknown,
        reason: Some(reason.to_owned()),
    }
}

fn address(fact: &ServedFact) -> String {
    if fact.host.contains(':') {
        format!("[{}]:{}", fact.host, fact.port)
    } else {
        format!("{}:{}", fact.host, fact.port)
    }
}
