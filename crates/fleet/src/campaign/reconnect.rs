//! A host whose connection was lost in the middle of a run: is it there again, and what became of it?
//!
//! The run goes on or has ended on the host without us, or it was cut off there and its journal tells
//! where. All of that is seen by asking again; nothing is assumed.

use super::run::Campaign;
use super::{HostProgress, is_lost};
use crate::session::{CarryReport, HostSession, Look, LookRequest, SessionError};
use kubepki_core::model::Inventory;
use kubepki_core::plan::Plan;
use std::thread::sleep;
use std::time::Instant;

/// What became of a plan whose host was lost.
#[derive(Debug)]
pub(super) enum Found {
    /// It was interrupted and is finished now.
    Finished(Box<CarryReport>),
    /// It was finished there; how is not known.
    Over,
    /// It had changed nothing.
    NotBegun,
}

impl Campaign<'_> {
    /// Waits until a lost host answers and no run goes on there, settles what was interrupted, and
    /// tells what became of the plan. `lost` is the error that it was lost with.
    pub(super) fn find_again(
        &self,
        host: &str,
        plan: &Plan,
        lost: &SessionError,
    ) -> Result<Found, SessionError> {
        let started = Instant::now();
        loop {
            match self.settled(host, plan) {
                Ok(found) => return Ok(found),
                Err(error) if !may_pass(&error) => return Err(error),
                Err(error) if started.elapsed() >= self.options.patience.reconnect => {
                    return Err(gone(lost, &error));
                }
                Err(_) => sleep(self.options.patience.every),
            }
        }
    }

    /// Waits until a lost host answers.
    pub(super) fn answers_again(
        &self,
        host: &str,
        lost: &SessionError,
    ) -> Result<(), SessionError> {
        let started = Instant::now();
        loop {
            match self.sessions.connect(host) {
                Ok(session) => {
                    self.sessions.give_back(host, session);
                    return Ok(());
                }
                Err(error) if !may_pass(&error) => return Err(error),
                Err(error) if started.elapsed() >= self.options.patience.reconnect => {
                    return Err(gone(lost, &error));
                }
                Err(_) => sleep(self.options.patience.every),
            }
        }
    }

    fn settled(&self, host: &str, plan: &Plan) -> Result<Found, SessionError> {
        let progress = HostProgress {
            campaign: self.progress,
            host,
        };
        let mut session = self.sessions.connect(host)?;
        let before = self.glance(session.as_mut(), &progress)?;
        if let Some(run) = &before.interrupted {
            let way = if run.goes_forward {
                "finishing it"
            } else {
                "taking it back"
            };
            self.progress.host(
                host,
                &format!("run {} was interrupted while {}: {way}", run.id, run.stage),
            );
        }
        // Also where none was seen: a run that still goes on is told by its refusal.
        let report = session.settle(&self.options.pki_folder, &progress)?;
        let after = self.glance(session.as_mut(), &progress)?;
        self.sessions.give_back(host, session);
        let forward = before.interrupted.is_some_and(|run| run.goes_forward);
        Ok(match report {
            Some(report) if forward => Found::Finished(Box::new(report)),
            _ if plan.issuances.is_empty() || is_basis(&after.inventory, plan) => Found::NotBegun,
            Some(report) => Found::Finished(Box::new(report)),
            None => Found::Over,
        })
    }

    fn glance(
        &self,
        session: &mut dyn HostSession,
        progress: &HostProgress<'_>,
    ) -> Result<Look, SessionError> {
        let request = LookRequest {
            pki_folder: self.options.pki_folder.clone(),
            examine: false,
            timeout_seconds: 5,
        };
        session.look(&request, progress)
    }
}

/// Whether time may mend it: nobody answers, or a run goes on.
fn may_pass(error: &SessionError) -> bool {
    is_lost(error) || error.code == "locked"
}

/// Whether the host is still as the plan found it.
fn is_basis(inventory: &Inventory, plan: &Plan) -> bool {
    plan.basis.iter().all(|file| {
        let seen = inventory.files.get(&file.path);
        // What discovery does not read says nothing either way.
        seen.is_none_or(|seen| *seen == file.sha256)
    })
}

/// The loss, with what waiting found.
fn gone(lost: &SessionError, found: &SessionError) -> SessionError {
    SessionError {
        hint: Some(
            "once the host answers, run it again: what was begun there is finished or taken back"
                .to_owned(),
        ),
        details: vec![("waited for the host".to_owned(), found.message.clone())],
        ..lost.clone()
    }
}
