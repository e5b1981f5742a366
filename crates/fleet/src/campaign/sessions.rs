//! Sessions that are kept: a host is connected to once, as long as not too many are held open.
//!
//! A session that was idle may have died meanwhile without a word (a host that was restarted); what
//! only reads is then asked once more over a new one.

use super::{Connect, is_lost};
use crate::session::{HostSession, SessionError};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Idle sessions and whoever makes new ones.
pub struct Sessions<'a> {
    connector: &'a dyn Connect,
    idle: Mutex<VecDeque<(String, Box<dyn HostSession>)>>,
    keep: usize,
}

impl<'a> Sessions<'a> {
    /// Sessions of this connector, of which so many are kept while nobody uses them.
    pub fn new(connector: &'a dyn Connect, keep: usize) -> Self {
        Self {
            connector,
            idle: Mutex::new(VecDeque::new()),
            keep,
        }
    }

    /// A new session.
    pub fn connect(&self, host: &str) -> Result<Box<dyn HostSession>, SessionError> {
        self.connector.connect(host)
    }

    /// A session that was kept, when there is one.
    pub(super) fn kept(&self, host: &str) -> Option<Box<dyn HostSession>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let index = idle.iter().position(|(name, _)| name == host)?;
        idle.remove(index).map(|(_, session)| session)
    }

    /// Keeps a session for later; the one that was idle longest is closed for it.
    pub fn give_back(&self, host: &str, session: Box<dyn HostSession>) {
        let closed = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push_back((host.to_owned(), session));
            (idle.len() > self.keep).then(|| idle.pop_front()).flatten()
        };
        // Closing may wait for a process: not under the lock.
        drop(closed);
    }

    /// Does what only reads, or what may be done twice: over a kept session, and over a new one when
    /// that turns out to be lost.
    pub fn with<R>(
        &self,
        host: &str,
        mut ask: impl FnMut(&mut dyn HostSession) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        if let Some(mut session) = self.kept(host) {
            match ask(session.as_mut()) {
                Err(error) if is_lost(&error) => {}
                result => {
                    self.give_back(host, session);
                    return result;
                }
            }
        }
        let mut session = self.connect(host)?;
        let result = ask(session.as_mut());
        if !result.as_ref().is_err_and(is_lost) {
            self.give_back(host, session);
        }
        result
    }
}
