//! Whether every endpoint of the host serves the certificate that is on its disk.

use super::check_all::Circumstances;
use super::verdict::{Check, Subject};
use crate::ports::{Endpoint, Ports};
use crate::take_up::health::{FILE_LIMIT, authority_of};
use crate::take_up::wait;
use kubepki_core::model::{Component, ComponentKind, Inventory, Role};
use kubepki_core::plan::Plan;
use kubepki_core::plan::endpoints::{self, ServingEndpoint};
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, pem};
use std::path::Path;
use std::time::Duration;

/// A reload takes up to 60 s, and a timer may be late.
const RELOAD_BOUND: Duration = Duration::from_secs(75);

/// What was restarted a moment ago may still open its ports.
const LEAST_BOUND: Duration = Duration::from_secs(15);

/// One handshake.
const TIMEOUT: Duration = Duration::from_secs(5);

pub fn checks(
    ports: &Ports<'_>,
    before: Option<&Inventory>,
    after: &Inventory,
    plan: &Plan,
    circumstances: &Circumstances<'_>,
) -> Vec<Check> {
    let mut checks: Vec<Option<Check>> = Vec::new();
    let mut questions = Vec::new();
    let is_asked = |component: &&Component| {
        let mut actions = plan.components.iter();
        !plan.only_takes_up() || actions.any(|action| action.component == component.kind)
    };
    for component in after.components.iter().filter(is_asked) {
        for endpoint in endpoints::serving(component) {
            match question(ports, before, after, plan, component, &endpoint) {
                Ok(question) => {
                    questions.push((checks.len(), question));
                    checks.push(None);
                }
                Err(check) => checks.push(Some(check)),
            }
        }
    }
    let passed = ports
        .clock
        .now()
        .duration_since(circumstances.files_changed_at);
    let passed = Duration::try_from(passed).unwrap_or_default();
    let bound = RELOAD_BOUND.saturating_sub(passed).max(LEAST_BOUND);
    // All together, so that the time that a reload may take is waited for once.
    let outcome = wait::until(
        ports.clock,
        circumstances.progress,
        "comparing what is served with what is on disk",
        bound,
        |_| {
            let mut last = Ok(());
            for (place, question) in &questions {
                let Some(slot) = checks.get_mut(*place) else {
                    continue;
                };
                if slot.as_ref().is_some_and(|check| check.ok) {
                    continue;
                }
                let check = question.ask(ports);
                if !check.ok {
                    last = Err(format!("{}: {}", check.what, check.found));
                }
                *slot = Some(check);
            }
            last
        },
    );
    // In time or not, every question has its last answer.
    drop(outcome);
    checks.into_iter().flatten().collect()
}

/// An endpoint, and what it should serve.
struct Question {
    endpoint: Endpoint,
    expected: Certificate,
    subject: Subject,
}

impl Question {
    fn ask(&self, ports: &Ports<'_>) -> Check {
        let subject = self.subject.clone();
        match ports.tls.served(&self.endpoint, TIMEOUT) {
            Ok(served) => match served.chain.first() {
                Some(found) if *found == self.expected => {
                    Check::passed("served", subject, shown(found))
                }
                Some(found) => Check::failed("served-other", subject, shown(found)),
                None => Check::failed("served-nothing", subject, "no certificate"),
            },
            Err(error) if error.unreachable => Check::failed("unreachable", subject, error.detail),
            Err(error) => Check::failed("no-handshake", subject, error.detail),
        }
    }
}

/// The question to put to an endpoint, or why there is none.
fn question(
    ports: &Ports<'_>,
    before: Option<&Inventory>,
    after: &Inventory,
    plan: &Plan,
    component: &Component,
    endpoint: &ServingEndpoint,
) -> Result<Question, Check> {
    let at = authority_of(&endpoint.host, endpoint.port);
    let what = format!("{} at {at}", component.kind);
    let (expected, path) = match on_disk(ports, after, component, endpoint) {
        OnDisk::Certificate(certificate, path) => (certificate, path),
        OnDisk::Unreadable(path, reason) => {
            let subject = Subject::new(what, format!("the certificate in {path}"));
            return Err(Check::failed("certificate-unreadable", subject, reason));
        }
        OnDisk::Nowhere => {
            let subject = Subject::new(what, "its certificate on disk");
            let why = "not compared: its certificate is not on this host's disk";
            return Err(Check::not_asked("not-on-disk", subject, why));
        }
    };
    let subject = Subject::new(what, format!("{} in {path}", shown(&expected)));
    let planned = plan
        .components
        .iter()
        .any(|action| action.component == component.kind);
    if !planned && component.processes.is_empty() && !ran_before(before, component.kind) {
        let why = "not compared: it does not run, and did not before";
        return Err(Check::not_asked("not-running", subject, why));
    }
    Ok(Question {
        endpoint: Endpoint {
            host: endpoint.host.clone(),
            port: endpoint.port,
            server_name: None,
        },
        expected,
        subject,
    })
}

enum OnDisk {
    Certificate(Certificate, String),
    Unreadable(String, String),
    /// In memory only, or inside its image.
    Nowhere,
}

fn on_disk(
    ports: &Ports<'_>,
    after: &Inventory,
    component: &Component,
    endpoint: &ServingEndpoint,
) -> OnDisk {
    if let Some(path) = &endpoint.certificate {
        let shown = path.display().to_string();
        return match first_certificate(ports, path) {
            Ok(certificate) => OnDisk::Certificate(certificate, shown),
            Err(reason) => OnDisk::Unreadable(shown, reason),
        };
    }
    if component.kind != ComponentKind::Kubelet {
        return OnDisk::Nowhere;
    }
    // Without flags the kubelet keeps its serving certificate in its own store. Where it asks the
    // cluster for one (serverTLSBootstrap) there may be none yet.
    let entry = after
        .entries
        .iter()
        .find(|entry| entry.role == Role::KubeletServing);
    match entry.and_then(|entry| Some((entry, entry.certificate()?))) {
        Some((entry, certificate)) => {
            OnDisk::Certificate(certificate.clone(), entry.holder.to_string())
        }
        None => OnDisk::Nowhere,
    }
}

fn first_certificate(ports: &Ports<'_>, path: &Path) -> Result<Certificate, String> {
    let contents = ports
        .host
        .read(path, FILE_LIMIT)
        .map_err(|error| error.detail)?;
    pem::certificates(danger::open(&contents))
        .map_err(|error| error.to_string())?
        .into_iter()
        .next()
        .ok_or_else(|| "it holds no certificate".to_owned())
}

fn ran_before(before: Option<&Inventory>, kind: ComponentKind) -> bool {
    before.is_none_or(|before| {
        before
            .component(kind)
            .is_some_and(|component| !component.processes.is_empty())
    })
}

fn shown(certificate: &Certificate) -> String {
    let fingerprint = hex::encode(certificate.fingerprint_sha256());
    format!(
        "sha256:{} (expires {})",
        fingerprint.get(..16).unwrap_or(&fingerprint),
        certificate.validity().not_after
    )
}
