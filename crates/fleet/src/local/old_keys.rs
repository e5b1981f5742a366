//! Old private keys of roots in this host's backups: destroyed, or sealed for somebody.
//!
//! A request names where a root's own key lies, as discovery finds it, and never an archive or a key: what is
//! old is whatever lay there and is in use nowhere on this host.

use super::{LocalSession, Outside};
use crate::session::SessionError;
use kubepki_core::model::{Inventory, ServiceAccountKeyContents};
use kubepki_core::rotation::{OldKey, successor};
use kubepki_engine::apply::backup::Protection;
use kubepki_engine::apply::{self};
use kubepki_engine::ports::{HostLock, Progress};
use kubepki_engine::rotation::old_keys::{self, OldKeyError, OldKeys};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl<O: Outside> LocalSession<O> {
    pub(super) fn retire_old_keys(
        &mut self,
        keys: &[PathBuf],
        how: &OldKey,
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        let seal = match how {
            OldKey::Keep => return Ok(Vec::new()),
            OldKey::Destroy => None,
            OldKey::Seal { recipients } => {
                let protection = Protection::Recipients(recipients.clone());
                let checked = protection.check();
                checked.map_err(|error| SessionError::new(error.code(), &error))?;
                Some(protection)
            }
        };
        let inventory = self.current()?;
        let in_use = in_use(&inventory);
        for path in keys {
            known(&inventory, path)?;
        }
        let ports = self.outside.ports();
        let now = ports.clock.now();
        let holder = apply::holder_name(std::process::id(), "rotate", now);
        let _lock: Box<dyn HostLock> =
            apply::lock(ports.host, &holder).map_err(|error| SessionError::from(&error))?;
        let order = OldKeys {
            paths: keys,
            in_use: &in_use,
            seal: seal.as_ref(),
        };
        old_keys::retire(ports.host, &order, now, progress).map_err(refused)
    }
}

fn refused(error: OldKeyError) -> SessionError {
    SessionError::new(error.code(), &error)
        .hint("type the same again: what is done already is not done twice")
}

/// A root's own private key, which can be read: what is in use has to be known before anything that is not
/// can be told.
fn known(inventory: &Inventory, path: &Path) -> Result<(), SessionError> {
    let of_authorities = inventory.authorities.iter().filter(|authority| {
        authority.key_path.as_deref() == Some(path)
            && !successor::is_of_a_rotation(&authority.certificate_path)
    });
    let of_service_accounts = inventory
        .service_account_keys
        .iter()
        .filter(|key| key.path == path && !successor::is_of_a_rotation(path))
        .filter_map(|key| match &key.contents {
            ServiceAccountKeyContents::Private(state) => Some(state),
            _ => None,
        });
    let mut states = of_authorities.map(|it| &it.key).chain(of_service_accounts);
    match states.any(|state| state.public_key().is_some()) {
        true => Ok(()),
        false => Err(SessionError::new(
            "plan-outside-discovery",
            format_args!(
                "{} is not the private key of an authority or of service accounts that this host signs with, and that can be read",
                path.display()
            ),
        )),
    }
}

/// SHA-256 of the public half of every key that signs anything here. What is put away under a name of a
/// rotation's is not in use by lying there.
fn in_use(inventory: &Inventory) -> BTreeSet<String> {
    let of_authorities = inventory
        .authorities
        .iter()
        .filter(|it| !successor::is_of_a_rotation(&it.certificate_path))
        .filter_map(|authority| authority.key.public_key());
    let of_service_accounts = inventory
        .service_account_keys
        .iter()
        .filter(|key| !successor::is_of_a_rotation(&key.path))
        .filter_map(|key| match &key.contents {
            ServiceAccountKeyContents::Private(state) => state.public_key(),
            _ => None,
        });
    of_authorities
        .chain(of_service_accounts)
        .map(|key| hex::encode(key.sha256()))
        .collect()
}
