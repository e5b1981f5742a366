//! Servers that the API server calls, beyond what their connections tell: those that are not verified,
//! and those of which the API itself says that TLS fails.

use super::draft::{Draft, Ledger};
use super::scene::Scene;
use super::trust::backend_code;
use crate::connections::Place;
use crate::findings;
use crate::findings::code;
use crate::model::cluster::{ApiBackend, BackendKind};
use crate::model::live::ServedFact;
use crate::model::{ObjectReference, Severity};
use kubepki_x509::path::{CertificatePool, PathError, PathQuery, Purpose, ServerName, validate};

/// Findings about backends.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    let Some(cluster) = scene.evidence.cluster else {
        return;
    };
    for backend in &cluster.backends {
        unverified(backend, ledger);
        served(scene, backend, ledger);
        unavailable(backend, ledger);
    }
}

fn unverified(backend: &ApiBackend, ledger: &mut Ledger) {
    if backend.unverified && backend.kind == BackendKind::ApiService {
        let place = Place::Api(backend.object.clone().whole());
        ledger.add(
            Draft::new(
                code::UNVERIFIED,
                Severity::Warning,
                &place,
                "insecureSkipTLSVerify is set: anybody who answers is believed",
            )
            .mend(format!(
                "give the CA of {} in spec.caBundle, and remove insecureSkipTLSVerify",
                backend.server_name
            )),
        );
    }
}

/// What a backend was seen to serve, by its own bundle and name.
fn served(scene: &Scene<'_>, backend: &ApiBackend, ledger: &mut Ledger) {
    let place = Place::Api(backend.object.clone());
    let (Some(bundle), false) = (
        &backend.ca_bundle,
        ledger.blames(&place, Severity::Critical),
    ) else {
        return;
    };
    let Ok(name) = backend.server_name.parse::<ServerName>() else {
        return;
    };
    let fact = scene
        .evidence
        .hosts
        .iter()
        .filter_map(|host| host.live.as_ref())
        .flat_map(|live| &live.served)
        .find(|fact| is_of(fact, backend));
    let Some(chain) = fact.and_then(|fact| fact.outcome.as_ref().ok()) else {
        return;
    };
    let Some((leaf, intermediates)) = chain.chain.split_first() else {
        return;
    };
    let roots = CertificatePool::new(bundle.iter().cloned());
    let verdict = validate(&PathQuery {
        certificate: leaf,
        intermediates,
        roots: &roots,
        now: scene.now(),
        purpose: Purpose::ServerAuth,
        server_name: Some(&name),
        signatures: &scene.signatures,
    });
    let Err(error) = verdict else { return };
    let draft = match &error {
        PathError::UnknownAuthority { .. } => {
            let code = backend_code(backend.kind);
            let severity = severity(backend, code);
            Draft::new(
                code,
                severity,
                &place,
                format!(
                    "does not hold the CA of what {} presents ({})",
                    backend.server_name,
                    leaf.issuer()
                ),
            )
            .mend(format!("put the CA {} into {place}", leaf.issuer()))
        }
        _ => Draft::new(
            code::BACKEND_CERTIFICATE,
            severity(backend, code::BACKEND_CERTIFICATE),
            &server(backend),
            format!(
                "{} presents a certificate that is refused",
                backend.server_name
            ),
        )
        .mend(format!("give {} a new certificate", backend.server_name)),
    };
    ledger.add(draft.fact(error.to_string()));
}

/// The Service that answers, by its name; of a URL the object that names it.
fn server(backend: &ApiBackend) -> Place {
    service(&backend.server_name).unwrap_or_else(|| Place::Api(backend.object.clone().whole()))
}

/// The Service of `NAME.NAMESPACE.svc`.
pub(super) fn service(server_name: &str) -> Option<Place> {
    let (name, namespace) = server_name.strip_suffix(".svc")?.split_once('.')?;
    let object = ObjectReference::namespaced("Service", namespace, name);
    Some(Place::Api(object))
}

fn is_of(fact: &ServedFact, backend: &ApiBackend) -> bool {
    let other_name = |name: &String| *name != backend.server_name;
    if fact.server_name.as_ref().is_some_and(other_name) {
        return false;
    }
    let by_object = fact.exposed_by.as_deref().is_some_and(|by| {
        by == backend.object.to_string() || by == backend.object.clone().whole().to_string()
    });
    let by_address = fact.component.is_none()
        && fact.server_name.as_deref() == Some(backend.server_name.as_str())
        && backend
            .addresses
            .iter()
            .any(|(host, port)| *host == fact.host && *port == fact.port);
    by_object || by_address
}

/// Without it requests pass: then it is less grave.
fn severity(backend: &ApiBackend, code: &str) -> Severity {
    let by_code = findings::find(code).map_or(Severity::Critical, |kind| kind.severity);
    let ignored = matches!(
        backend.kind,
        BackendKind::ValidatingWebhook | BackendKind::MutatingWebhook
    ) && !backend.blocks;
    if ignored {
        by_code.min(Severity::Warning)
    } else {
        by_code
    }
}

/// What the API server says of an aggregated one itself.
fn unavailable(backend: &ApiBackend, ledger: &mut Ledger) {
    let Some(Err(message)) = &backend.available else {
        return;
    };
    let speaks_of_tls = ["x509", "certificate", "tls:"]
        .iter()
        .any(|word| message.contains(word));
    if !speaks_of_tls {
        return;
    }
    let fact = format!("the API server says: {message}");
    let place = Place::Api(backend.object.clone());
    let server = server(backend);
    if ledger.append(&place, &fact, None) || ledger.append(&server, &fact, None) {
        return;
    }
    let (code, at) = if message.contains("unknown authority") {
        (backend_code(backend.kind), place)
    } else {
        (code::BACKEND_CERTIFICATE, server)
    };
    ledger.add(
        Draft::new(
            code,
            Severity::Critical,
            &at,
            format!("is not available: {} is not accepted", backend.server_name),
        )
        .fact(fact)
        .mend(format!(
            "put the CA of {} into spec.caBundle, or give it a new certificate",
            backend.server_name
        )),
    );
}
