//! Private keys that travel in a campaign: from the host that has them to the one whose plan wants them,
//! sealed for that host's session. Nobody in between can open them, this program included.

use super::run::{Campaign, Ledger};
use super::step::{at, protocol};
use crate::session::{HostSession, KeyOrder, SealedKey, SessionError};
use kubepki_core::plan::{FileEdit, OPERATOR, Plan};
use kubepki_engine::transit::seal_identity;
use std::collections::BTreeMap;
use std::sync::PoisonError;

impl Campaign<'_> {
    /// Every key that the plan brings, sealed for `session`, which is to carry the plan out.
    pub(super) fn sealed_keys(
        &self,
        session: &mut dyn HostSession,
        plan: &Plan,
        ledger: &Ledger,
    ) -> Result<Vec<SealedKey>, SessionError> {
        let mut wanted: BTreeMap<&str, Vec<(&FileEdit, KeyOrder)>> = BTreeMap::new();
        for edit in &plan.file_edits {
            let FileEdit::BringKey {
                path, host, from, ..
            } = edit
            else {
                continue;
            };
            let order = KeyOrder {
                path: from.clone(),
                destination: path.clone(),
                recipient: String::new(),
            };
            wanted.entry(host).or_default().push((edit, order));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let recipient = session.recipient()?;
        let mut sealed = Vec::new();
        for (holder, mut wanted) in wanted {
            for (_, order) in &mut wanted {
                order.recipient.clone_from(&recipient);
            }
            let orders: Vec<KeyOrder> = wanted.iter().map(|(_, order)| order.clone()).collect();
            // One at a time, as with signing: a holder is not to be overrun by the hosts of a batch.
            let turn = ledger.signing_at(holder);
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let keys = match holder {
                OPERATOR => orders
                    .iter()
                    .map(|order| self.operator_seals(order))
                    .collect(),
                _ => self
                    .sessions
                    .with(holder, |session| session.seal_keys(&orders)),
            };
            let keys = keys.map_err(|error| at(holder, error))?;
            for (edit, order) in &wanted {
                let key = keys.iter().find(|key| key.destination == order.destination);
                let key = key.ok_or_else(|| {
                    protocol(format!(
                        "no key came back for {}",
                        order.destination.display()
                    ))
                })?;
                check(holder, edit, key)?;
                sealed.push(key.clone());
            }
        }
        Ok(sealed)
    }

    /// What opens the archive that the plan restores from, sealed for `session`.
    pub(super) fn sealed_identity(
        &self,
        session: &mut dyn HostSession,
        plan: &Plan,
    ) -> Result<Option<String>, SessionError> {
        let archive = plan.restoration.as_ref().map(|it| &it.archive);
        let is_encrypted = archive.is_some_and(|it| it.extension().is_some_and(|it| it == "age"));
        let (Some(identity), true) = (self.identity, is_encrypted) else {
            return Ok(None);
        };
        let sealed = seal_identity(identity, &session.recipient()?);
        sealed
            .map(Some)
            .map_err(|error| SessionError::new(error.code(), format_args!("the identity: {error}")))
    }

    /// A key that lies where this program runs.
    fn operator_seals(&self, order: &KeyOrder) -> Result<SealedKey, SessionError> {
        match self.operator {
            Some(seals) => seals(order),
            None => Err(SessionError::new(
                "not-supported",
                format_args!(
                    "{} lies where this program runs, which brings no keys of its own",
                    order.path.display()
                ),
            )),
        }
    }
}

/// The public half is announced, and the plan may know it.
fn check(holder: &str, edit: &FileEdit, key: &SealedKey) -> Result<(), SessionError> {
    match edit {
        FileEdit::BringKey {
            from,
            public_key_sha256: Some(expected),
            ..
        } if *expected != key.public_key_sha256 => Err(SessionError::new(
            "other-key",
            format_args!(
                "{holder}: {} holds the key sha256:{}, the plan says sha256:{expected}",
                from.display(),
                key.public_key_sha256
            ),
        )
        .hint("look at the hosts again and make a new plan")),
        _ => Ok(()),
    }
}
