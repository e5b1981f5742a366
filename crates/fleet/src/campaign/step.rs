//! One step on one host: requests are made there, signed where the CA's key is, and the plan is
//! carried out with what came back.

use super::certificates::{Issued, pem};
use super::outcome::RunDone;
use super::reconnect::Found;
use super::run::{Campaign, Ledger};
use super::{HostProgress, is_lost};
use crate::session::{
    CarryReport, CarryRequest, HostSession, IssuedCertificate, LookRequest, PreparedRequest,
    SessionError, SigningOrder,
};
use kubepki_core::plan::{Gate, Issuance, Origin, Plan, Signer, Stage, Step};
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// A plan is begun on a host so often when its connection is lost before anything was changed.
const TRIES: u32 = 3;

/// For looks that ask nothing of what runs.
const LOOK_SECONDS: u32 = 5;

impl Campaign<'_> {
    /// Does one step.
    pub(super) fn step(
        &self,
        stage: &Stage,
        step: &Step,
        ledger: &Ledger,
    ) -> Result<(), SessionError> {
        match step {
            Step::Carry { host, plan } => self.carry(stage, host, plan, ledger),
            Step::Halt { host, components } => {
                self.idempotent(host, |session, progress| session.halt(components, progress))
            }
            Step::ChangeApi { host, changes } => {
                // Each is said as it is done.
                self.idempotent(host, |session, progress| {
                    session.change_api(changes, progress).map(drop)
                })
            }
            Step::Etcd { host, act } => {
                let done =
                    self.idempotent(host, |session, progress| session.etcd(act, progress))?;
                self.progress.host(host, &done);
                Ok(())
            }
            Step::RetireKeys { host, keys, how } => {
                // Each is said as it is done.
                self.idempotent(host, |session, progress| {
                    session.retire_keys(keys, how, progress).map(drop)
                })
            }
            Step::Start { host, components } => self.idempotent(host, |session, progress| {
                session.start(components, progress)
            }),
        }
    }

    fn carry(
        &self,
        stage: &Stage,
        host: &str,
        plan: &Plan,
        ledger: &Ledger,
    ) -> Result<(), SessionError> {
        let progress = HostProgress {
            campaign: self.progress,
            host,
        };
        let mut tries = 1;
        loop {
            let mut session = match self.sessions.kept(host) {
                Some(session) => session,
                None => self.sessions.connect(host)?,
            };
            let carried =
                self.sealed_keys(session.as_mut(), plan, ledger)
                    .and_then(|sealed_keys| {
                        let request = CarryRequest {
                            plan: plan.clone(),
                            brought: self.brought(session.as_mut(), host, plan, ledger)?,
                            sealed_keys,
                            sealed_identity: self.sealed_identity(session.as_mut(), plan)?,
                            pki_folder: self.options.pki_folder.clone(),
                            backup: self.options.backup,
                            backup_recipients: self.options.backup_recipients.clone(),
                        };
                        session.carry(&request, &progress)
                    });
            let error = match carried {
                Ok(report) => {
                    self.sessions.give_back(host, session);
                    return reported(stage, host, &report, ledger);
                }
                Err(error) if is_lost(&error) => error,
                Err(error) => {
                    self.sessions.give_back(host, session);
                    return Err(error);
                }
            };
            drop(session);
            progress
                .campaign
                .host(host, &format!("the connection was lost: {error}"));
            match self.find_again(host, plan, &error)? {
                Found::Finished(report) => return reported(stage, host, &report, ledger),
                Found::Over => {
                    ledger.ran(host, RunDone::unreported(&stage.name, plan.touched_files()));
                    return Ok(());
                }
                Found::NotBegun if tries < TRIES => {
                    tries += 1;
                    progress
                        .campaign
                        .host(host, "it had changed nothing: once more");
                }
                Found::NotBegun => return Err(error),
            }
        }
    }

    /// What may be done twice is done once more: over a new connection when the old one was lost, and
    /// after the API server or the member of etcd that was asked is well again when it did not answer.
    fn idempotent<T>(
        &self,
        host: &str,
        mut act: impl FnMut(&mut dyn HostSession, &HostProgress<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let progress = HostProgress {
            campaign: self.progress,
            host,
        };
        let mut tries = 1;
        loop {
            let result = self.sessions.with(host, |session| act(session, &progress));
            match result {
                Err(error) if is_lost(&error) && tries < TRIES => {
                    tries += 1;
                    progress
                        .campaign
                        .host(host, &format!("the connection was lost: {error}"));
                    self.answers_again(host, &error)?;
                }
                Err(error) if tries < TRIES => {
                    tries += 1;
                    let Some(gate) = asked(host, &error) else {
                        return Err(error);
                    };
                    self.progress.host(
                        host,
                        &format!("{}; once more when it is well", error.message),
                    );
                    if self.pass(&gate).is_err() {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }

    /// Every certificate that comes from outside: signed on other hosts, or handed over.
    fn brought(
        &self,
        session: &mut dyn HostSession,
        host: &str,
        plan: &Plan,
        ledger: &Ledger,
    ) -> Result<Vec<IssuedCertificate>, SessionError> {
        let mut brought = Vec::new();
        for issuance in &plan.issuances {
            if let Signer::Given {
                host: from,
                name,
                fingerprint_sha256,
            } = &issuance.signer
            {
                brought.push(IssuedCertificate {
                    name: issuance.name.clone(),
                    chain_pem: self.given(
                        from,
                        name,
                        fingerprint_sha256.as_deref(),
                        &ledger.issued,
                    )?,
                });
            }
        }
        let elsewhere = |it: &Issuance| matches!(it.signer, Signer::Elsewhere { .. });
        if plan.issuances.iter().any(elsewhere) {
            let requests = session.prepare(plan)?;
            for (signer, orders) in self.orders(host, plan, &requests)? {
                // One at a time: a CA's host is not to be overrun by the hosts of a batch.
                let turn = ledger.signing_at(&signer);
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                let signed = self
                    .sessions
                    .with(&signer, |session| session.sign(&orders))
                    .map_err(|error| at(&signer, error))?;
                brought.extend(signed);
            }
        }
        complete(plan, &brought)?;
        Ok(brought)
    }

    /// What the holders of CA keys are to sign, by host.
    fn orders(
        &self,
        host: &str,
        plan: &Plan,
        requests: &[PreparedRequest],
    ) -> Result<BTreeMap<String, Vec<SigningOrder>>, SessionError> {
        let mut orders: BTreeMap<String, Vec<SigningOrder>> = BTreeMap::new();
        for issuance in &plan.issuances {
            let Signer::Elsewhere { host: signer, .. } = &issuance.signer else {
                continue;
            };
            let request = requests.iter().find(|it| it.name == issuance.name);
            let request = request
                .ok_or_else(|| protocol(format!("no request came back for {}", issuance.name)))?;
            let old_certificate_pem = match &issuance.origin {
                Origin::Certificate {
                    fingerprint_sha256, ..
                } => {
                    let known = self.certificates.pem(fingerprint_sha256);
                    Some(known.map(ToOwned::to_owned).ok_or_else(|| {
                        unknown(format!(
                            "the certificate {} that is to be renewed was not seen (SHA-256 {fingerprint_sha256})",
                            issuance.name
                        ))
                    })?)
                }
                Origin::Template { .. } | Origin::Profile { .. } | Origin::Client { .. } => None,
            };
            orders
                .entry(signer.clone())
                .or_default()
                .push(SigningOrder {
                    host: host.to_owned(),
                    issuance: issuance.clone(),
                    old_certificate_pem,
                    request_pem: request.request_pem.clone(),
                });
        }
        Ok(orders)
    }

    /// A certificate that is handed over: one that was seen, one that an earlier step issued, or what
    /// its host has now under that name.
    fn given(
        &self,
        host: &str,
        name: &str,
        fingerprint: Option<&str>,
        issued: &Issued,
    ) -> Result<String, SessionError> {
        if let Some(fingerprint) = fingerprint {
            let known = self.certificates.pem(fingerprint);
            return known.map(ToOwned::to_owned).ok_or_else(|| {
                unknown(format!(
                    "the certificate {name} of {host} was not seen (SHA-256 {fingerprint})"
                ))
            });
        }
        if let Some(chain) = issued.chain(host, name) {
            return Ok(chain);
        }
        let request = LookRequest {
            pki_folder: self.options.pki_folder.clone(),
            examine: false,
            timeout_seconds: LOOK_SECONDS,
        };
        let progress = HostProgress {
            campaign: self.progress,
            host,
        };
        let inventory = self
            .sessions
            .with(host, |session| session.look(&request, &progress))
            .map_err(|error| at(host, error))?
            .inventory;
        let authority = inventory.authority(name).and_then(|it| it.issuing());
        let entry = inventory.entry(name).and_then(|it| it.certificate());
        authority
            .or(entry)
            .map(pem)
            .ok_or_else(|| unknown(format!("{host} has no certificate {name} to hand over")))
    }
}

/// Who was asked and has to be well before this is asked again; `None` where that mends nothing.
fn asked(host: &str, error: &SessionError) -> Option<Gate> {
    let hosts = vec![host.to_owned()];
    match error.code.as_str() {
        "api-unreachable" | "api-failed" => Some(Gate::ApiServersReady { hosts }),
        "etcd-failed" | "etcd-not-running" => Some(Gate::EtcdHealthy { hosts }),
        _ => None,
    }
}

/// Enters what a host reported; a host that does not use what was written has failed.
fn reported(
    stage: &Stage,
    host: &str,
    report: &CarryReport,
    ledger: &Ledger,
) -> Result<(), SessionError> {
    for issued in &report.issued {
        ledger.issued.add(host, &issued.name, &issued.chain_pem);
    }
    ledger.ran(host, RunDone::reported(&stage.name, report));
    if report.verified {
        return Ok(());
    }
    Err(SessionError {
        code: "not-verified".to_owned(),
        message: "the files are in place, but the host does not use all of them yet".to_owned(),
        hint: Some(
            "`kubepki undo` brings the old files back; `kubepki status` shows how things stand"
                .to_owned(),
        ),
        details: report
            .failed
            .iter()
            .map(|failed| ("failed".to_owned(), failed.clone()))
            .collect(),
    })
}

/// Whether there is a certificate for everything that the host cannot make by itself.
fn complete(plan: &Plan, brought: &[IssuedCertificate]) -> Result<(), SessionError> {
    let missing = plan.issuances.iter().find(|issuance| {
        matches!(
            issuance.signer,
            Signer::Elsewhere { .. } | Signer::Given { .. }
        ) && !brought.iter().any(|it| it.name == issuance.name)
    });
    match missing {
        None => Ok(()),
        Some(issuance) => Err(protocol(format!(
            "no certificate came back for {}",
            issuance.name
        ))),
    }
}

/// An error of another host than the one that is worked on.
pub(super) fn at(host: &str, error: SessionError) -> SessionError {
    SessionError {
        // The other host's connection says nothing of this one's.
        code: match is_lost(&error) {
            true => "signer-lost".to_owned(),
            false => error.code,
        },
        message: format!("{host}: {}", error.message),
        ..error
    }
}

pub(super) fn protocol(message: String) -> SessionError {
    SessionError {
        code: "agent-protocol".to_owned(),
        message,
        hint: None,
        details: Vec::new(),
    }
}

fn unknown(message: String) -> SessionError {
    SessionError {
        code: "certificate-unknown".to_owned(),
        message,
        hint: Some("look at the hosts again and make a new plan".to_owned()),
        details: Vec::new(),
    }
}
