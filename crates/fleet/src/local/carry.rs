//! A plan carried out on this host, requests signed for others, an interrupted run settled.

use super::failure::unsettled;
use super::{LocalSession, Outside};
use crate::session::{
    CarryReport, CarryRequest, IssuedCertificate, PreparedRequest, SessionError, SigningOrder,
};
use kubepki_core::plan::Plan;
use kubepki_engine::apply::backup::{Protection, Unlock};
use kubepki_engine::apply::{self, ApplyError};
use kubepki_engine::execute::{self, Brought, Execution, Order, Outcome, Settled};
use kubepki_engine::ports::Progress;
use kubepki_engine::take_up::{How, TakenUp};
use kubepki_x509::{Certificate, pem};
use std::path::Path;

impl<O: Outside> LocalSession<O> {
    pub(super) fn carry_out(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError> {
        let plan = &request.plan;
        unedited(plan)?;
        let protection = protection(request)?;
        let inventory = self.discover(&request.pki_folder)?;
        self.bounds.check(self.outside.ports().host, plan)?;
        let unlock = self.unlock(request.sealed_identity.as_deref())?;
        let brought = Brought {
            certificates: certificates(&request.brought)?,
            keys: self.opened(plan, &request.sealed_keys)?,
            // Used up by this run: were it to fail, new keys are made for new requests.
            prepared: self.prepared.remove(&plan.id),
        };
        let execution = Execution {
            unlock,
            ..self.execution(protection, progress)
        };
        let outcome = execute::execute_brought(&execution, &inventory, plan, brought)
            .map_err(|error| SessionError::from(&error))?;
        Ok(report(outcome))
    }

    pub(super) fn prepare_for(
        &mut self,
        plan: &Plan,
    ) -> Result<Vec<PreparedRequest>, SessionError> {
        unedited(plan)?;
        self.current()?;
        self.bounds.check(self.outside.ports().host, plan)?;
        let host = self.outside.ports().host;
        let prepared = execute::prepare(host, plan).map_err(|error| SessionError::from(&error))?;
        let requests = prepared.requests().into_iter();
        let requests = requests
            .map(|(name, request)| PreparedRequest {
                name,
                request_pem: request.to_pem(),
            })
            .collect();
        self.prepared.insert(plan.id.clone(), prepared);
        Ok(requests)
    }

    pub(super) fn sign_orders(
        &mut self,
        orders: &[SigningOrder],
    ) -> Result<Vec<IssuedCertificate>, SessionError> {
        self.current()?;
        for order in orders {
            self.bounds.check_order(order)?;
        }
        let orders: Vec<Order> = orders
            .iter()
            .map(|order| Order {
                host: order.host.clone(),
                issuance: order.issuance.clone(),
                old_certificate_pem: order.old_certificate_pem.clone(),
                request_pem: order.request_pem.clone(),
            })
            .collect();
        let signed = execute::sign(self.outside.ports().host, &orders)
            .map_err(|error| SessionError::from(&error))?;
        Ok(issued(signed))
    }

    pub(super) fn settle_interrupted(
        &mut self,
        pki_folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<CarryReport>, SessionError> {
        self.options = self.options_for(pki_folder)?;
        let host = self.outside.ports().host;
        // A run that goes on is none that was interrupted; whoever waits for its end has to be told.
        if let Ok(Some(holder)) = apply::running(host) {
            return Err(SessionError::from(&ApplyError::Locked { holder }));
        }
        let found = apply::interrupted(host).map_err(|error| SessionError::from(&error))?;
        let Some(found) = found else {
            return Ok(None);
        };
        let execution = self.execution(None, progress);
        let settled = execute::resume(&execution, &found).map_err(|error| unsettled(&error))?;
        Ok(Some(match settled {
            Settled::Finished(outcome) => report(*outcome),
            Settled::RolledBack | Settled::Closed => CarryReport {
                run: found.record.id.to_string(),
                backup: found.record.backup,
                written: Vec::new(),
                issued: Vec::new(),
                components: Vec::new(),
                left_alone: vec!["taken back: it had changed nothing in use".to_owned()],
                verified: true,
                failed: Vec::new(),
            },
        }))
    }

    fn execution<'a>(
        &'a self,
        backup: Option<Protection>,
        progress: &'a dyn Progress,
    ) -> Execution<'a> {
        Execution {
            ports: self.outside.ports(),
            options: self.options.clone(),
            backup,
            unlock: Unlock::Nothing,
            process: std::process::id(),
            chance: self.outside.chance(),
            progress,
        }
    }
}

fn issued(chains: Vec<(String, Vec<Certificate>)>) -> Vec<IssuedCertificate> {
    let chains = chains.into_iter();
    chains
        .map(|(name, chain)| IssuedCertificate {
            name,
            chain_pem: chain.iter().map(Certificate::to_pem).collect(),
        })
        .collect()
}

fn certificates(
    brought: &[IssuedCertificate],
) -> Result<Vec<(String, Vec<Certificate>)>, SessionError> {
    let brought = brought.iter();
    brought
        .map(|of| {
            let chain = pem::certificates(of.chain_pem.as_bytes()).map_err(|error| {
                SessionError::new(
                    "format",
                    format_args!("what was brought for {}: {error}", of.name),
                )
            })?;
            Ok((of.name.clone(), chain))
        })
        .collect()
}

/// The id is what keys and journals know a plan by.
fn unedited(plan: &Plan) -> Result<(), SessionError> {
    let content = plan.clone().with_id();
    if content.id == plan.id {
        return Ok(());
    }
    Err(SessionError::new(
        "plan-edited",
        format_args!(
            "the plan's content was changed after it was made (id {}, content {})",
            plan.id, content.id
        ),
    )
    .hint("make a new plan"))
}

/// A recipient that is none is told before anything is changed or made.
fn protection(request: &CarryRequest) -> Result<Option<Protection>, SessionError> {
    if !request.backup {
        return Ok(None);
    }
    if request.backup_recipients.is_empty() {
        return Ok(Some(Protection::Plain));
    }
    let protection = Protection::Recipients(request.backup_recipients.clone());
    protection
        .check()
        .map_err(|error| SessionError::from(&error))?;
    Ok(Some(protection))
}

fn report(outcome: Outcome) -> CarryReport {
    let verified = outcome.verdict.is_ok();
    let failed = outcome
        .verdict
        .failed()
        .map(|check| {
            format!(
                "{}: expected {}, found {}",
                check.what, check.expected, check.found
            )
        })
        .collect();
    CarryReport {
        run: outcome.id.to_string(),
        backup: outcome.backup,
        written: outcome.written,
        issued: issued(outcome.issued),
        components: outcome.taken_up.iter().map(in_words).collect(),
        left_alone: outcome.left_alone,
        verified,
        failed,
    }
}

fn in_words(done: &TakenUp) -> String {
    let how = match &done.how {
        How::Reloaded => "took the new files by itself".to_owned(),
        How::Restarted { new_pid, .. } => format!("restarted, process {new_pid}"),
        How::AlreadyRestarted { pid } => format!("had restarted already, process {pid}"),
        How::NotRunning => "does not run here".to_owned(),
    };
    let mut text = format!("{}: {how} ({:.1} s)", done.component, done.seconds);
    for note in &done.notes {
        text.push_str("; ");
        text.push_str(note);
    }
    text
}
