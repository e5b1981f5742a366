//! The keys of new certificates: generated, or read where they lie.

use super::error::ExecuteError;
use crate::ports::{FILE_LIMIT, HostRead};
use kubepki_core::model::Holder;
use kubepki_core::plan::{Issuance, KeyChoice, Origin};
use kubepki_keys::{KeyType, PrivateKey};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A key that was made, or the one that is there.
pub(super) enum SubjectKey {
    New(PrivateKey),
    Kept(PrivateKey),
}

impl SubjectKey {
    pub(super) fn as_ref(&self) -> &PrivateKey {
        match self {
            Self::New(key) | Self::Kept(key) => key,
        }
    }

    pub(super) fn into_new(self) -> Option<PrivateKey> {
        match self {
            Self::New(key) => Some(key),
            Self::Kept(_) => None,
        }
    }
}

pub(super) fn subject_key(
    host: &dyn HostRead,
    issuance: &Issuance,
    new: Option<PrivateKey>,
) -> Result<SubjectKey, ExecuteError> {
    if let Some(key) = new {
        return Ok(SubjectKey::New(key));
    }
    let holder = match &issuance.origin {
        Origin::Certificate { holder, .. } => holder,
        Origin::Client { .. } | Origin::Profile { .. } | Origin::Template { .. } => {
            &issuance.destination
        }
    };
    let key = match holder {
        Holder::Kubeconfig { path, user } => {
            let contents = host.read(path, FILE_LIMIT)?;
            let pem = super::render::kubeconfig_key(path, &contents, user)?;
            PrivateKey::from_pem(&pem).map_err(key_error(issuance))?
        }
        other => {
            let path = other.key_path().unwrap_or_else(|| other.path());
            read_key(host, issuance, path)?
        }
    };
    // A key that is used anew moves when its certificate moves to another file.
    Ok(if holder == &issuance.destination {
        SubjectKey::Kept(key)
    } else {
        SubjectKey::New(key)
    })
}

/// Makes the new keys of those issuances that are `wanted`, on as many threads as there are
/// processors.
pub(super) fn generate_keys(
    issuances: &[Issuance],
    wanted: impl Fn(&Issuance) -> bool,
) -> Result<Vec<Option<PrivateKey>>, ExecuteError> {
    let mut types = Vec::with_capacity(issuances.len());
    for issuance in issuances {
        types.push(match &issuance.key {
            KeyChoice::Generate { key_type } if wanted(issuance) => Some(
                key_type
                    .parse::<KeyType>()
                    .map_err(|error| ExecuteError::Plan {
                        name: issuance.name.clone(),
                        reason: error.to_string(),
                    })?,
            ),
            _ => None,
        });
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<Result<PrivateKey, kubepki_keys::KeyError>>>> =
        types.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(types.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(wanted), Some(slot)) = (types.get(index), slots.get(index)) else {
                        return;
                    };
                    if let Some(key_type) = wanted
                        && let Ok(mut slot) = slot.lock()
                    {
                        *slot = Some(PrivateKey::generate(*key_type));
                    }
                }
            });
        }
    });
    slots
        .into_iter()
        .zip(issuances)
        .map(|(slot, issuance)| {
            slot.into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .transpose()
                .map_err(key_error(issuance))
        })
        .collect()
}

pub(super) fn read_key(
    host: &dyn HostRead,
    issuance: &Issuance,
    path: &Path,
) -> Result<PrivateKey, ExecuteError> {
    PrivateKey::from_pem(&host.read(path, FILE_LIMIT)?).map_err(key_error(issuance))
}

pub(super) fn key_error(
    issuance: &Issuance,
) -> impl Fn(kubepki_keys::KeyError) -> ExecuteError + '_ {
    |source| ExecuteError::Key {
        name: issuance.name.clone(),
        source,
    }
}
