//! Endpoints that were named or that the cluster exposes: what they serve, by its dates and names.

use super::draft::{Draft, Ledger};
use super::endpoint_reports;
use super::scene::{Scene, named};
use crate::connections::Place;
use crate::findings::code;
use crate::model::Severity;
use crate::model::live::ServedFact;
use kubepki_x509::{Certificate, ValidityState};

/// Findings about endpoints that are no component's, and that the API server does not call.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for fact in endpoint_reports::asked(scene.evidence) {
        let leaf = fact
            .outcome
            .as_ref()
            .ok()
            .and_then(|chain| chain.chain.first());
        if let Some(leaf) = leaf {
            one(scene, fact, leaf, ledger);
        }
    }
}

fn one(scene: &Scene<'_>, fact: &ServedFact, leaf: &Certificate, ledger: &mut Ledger) {
    let place = Place::Endpoint {
        host: fact.host.clone(),
        port: fact.port,
    };
    let draft = |code, severity, message: String| {
        Draft::new(code, severity, &place, message)
            .facts(
                fact.exposed_by
                    .as_ref()
                    .map(|by| format!("it is exposed by {by}")),
            )
            .facts(
                fact.server_name
                    .as_ref()
                    .map(|name| format!("it was asked for {name}")),
            )
            .fact(format!("it serves {}", named(leaf)))
            .mend("renew the certificate that it serves")
    };
    let validity = leaf.validity();
    let left = validity.remaining(scene.now());
    let thresholds = &scene.options.thresholds;
    match validity.state(scene.now()) {
        ValidityState::Expired => ledger.add(draft(
            code::EXPIRED,
            Severity::Critical,
            format!(
                "serves a certificate that expired at {}",
                validity.not_after
            ),
        )),
        ValidityState::NotYetValid => ledger.add(draft(
            code::NOT_YET_VALID,
            Severity::Critical,
            format!(
                "serves a certificate that is not valid before {}",
                validity.not_before
            ),
        )),
        ValidityState::Valid if left < thresholds.warn => ledger.add(draft(
            code::EXPIRES_SOON,
            if left < thresholds.critical {
                Severity::Critical
            } else {
                Severity::Warning
            },
            format!(
                "serves a certificate that expires at {}",
                validity.not_after
            ),
        )),
        ValidityState::Valid => {}
    }
    if let Some(name) = endpoint_reports::name_missing(fact, leaf) {
        ledger.add(draft(
            code::SERVED_CERTIFICATE,
            Severity::Warning,
            format!("serves {}, which is not for {name}", leaf.subject()),
        ));
    }
}
