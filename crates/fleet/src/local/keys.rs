//! Private keys handed from host to host: sealed here for another session, or opened here because they
//! were sealed for this one.
//!
//! Only keys of authorities, of their successors, and those that sign service-account tokens ever leave
//! a host, and only for a file of that kind; see [`Bounds`](super::Bounds).

use super::{LocalSession, Outside};
use crate::session::{KeyOrder, SealedKey, SessionError};
use kubepki_core::plan::{FileEdit, Plan};
use kubepki_engine::apply::backup::Unlock;
use kubepki_engine::execute::BroughtKey;
use kubepki_engine::ports::FILE_LIMIT;
use kubepki_engine::transit::{TransitError, TransitIdentity, seal};
use std::path::Path;

impl<O: Outside> LocalSession<O> {
    /// For whom keys are sealed that are meant for this session.
    pub(super) fn own_recipient(&mut self) -> String {
        self.identity
            .get_or_insert_with(TransitIdentity::new)
            .recipient()
    }

    /// What opens this host's encrypted backups, if it was sealed for this session.
    pub(super) fn unlock(&self, sealed: Option<&str>) -> Result<Unlock, SessionError> {
        let Some(sealed) = sealed else {
            return Ok(Unlock::Nothing);
        };
        let own = self.identity.as_ref().ok_or(TransitError::Open);
        let opened = own.and_then(|own| own.open_identity(sealed));
        opened
            .map(Unlock::Identities)
            .map_err(|error| refused(Path::new("the identity"), &error))
    }

    pub(super) fn seal_for_others(
        &mut self,
        orders: &[KeyOrder],
    ) -> Result<Vec<SealedKey>, SessionError> {
        self.current()?;
        let host = self.outside.ports().host;
        let mut sealed = Vec::with_capacity(orders.len());
        for order in orders {
            self.bounds.check_key_order(host, order)?;
            let contents = host
                .read(&order.path, FILE_LIMIT)
                .map_err(|error| SessionError::from(&error))?;
            let key =
                seal(&contents, &order.recipient).map_err(|error| refused(&order.path, &error))?;
            sealed.push(SealedKey {
                destination: order.destination.clone(),
                armored: key.armored,
                public_key_sha256: key.public_key_sha256,
            });
        }
        Ok(sealed)
    }

    /// The keys that a plan brings, opened. One that no edit of the plan wants stays sealed.
    pub(super) fn opened(
        &self,
        plan: &Plan,
        sealed: &[SealedKey],
    ) -> Result<Vec<BroughtKey>, SessionError> {
        let mut keys = Vec::new();
        for edit in &plan.file_edits {
            let FileEdit::BringKey {
                path,
                public_key_sha256,
                ..
            } = edit
            else {
                continue;
            };
            // The engine tells that there is none.
            let Some(key) = sealed.iter().find(|key| key.destination == *path) else {
                continue;
            };
            let expected = public_key_sha256.as_ref().unwrap_or(&key.public_key_sha256);
            let identity = self
                .identity
                .as_ref()
                .ok_or_else(|| refused(path, &TransitError::Open))?;
            keys.push(BroughtKey {
                destination: path.clone(),
                key: identity
                    .open(&key.armored, expected)
                    .map_err(|error| refused(path, &error))?,
            });
        }
        Ok(keys)
    }
}

fn refused(path: &Path, error: &TransitError) -> SessionError {
    SessionError::new(error.code(), format_args!("{}: {error}", path.display()))
        .hint("run it again: the key is sealed anew for a new session")
}
