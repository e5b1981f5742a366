//! Many keys at once: making RSA keys is nearly all of the time that a founding takes.

use super::error::FoundingError;
use kubepki_keys::{KeyError, KeyType, PrivateKey};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A key for each type, none for none, in order, on as many threads as there are processors.
/// Each type comes with the name of what the key is for.
pub fn generate(
    wanted: &[(&str, Option<KeyType>)],
) -> Result<Vec<Option<PrivateKey>>, FoundingError> {
    let slots: Vec<Mutex<Option<Result<PrivateKey, KeyError>>>> =
        wanted.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(wanted.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some((_, key_type)), Some(slot)) = (wanted.get(index), slots.get(index))
                    else {
                        return;
                    };
                    if let Some(key_type) = key_type {
                        let made = PrivateKey::generate(*key_type);
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
                    }
                }
            });
        }
    });
    let results = slots.into_iter().zip(wanted).map(|(slot, (name, _))| {
        let made = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        made.transpose().map_err(|source| FoundingError::Key {
            name: (*name).to_owned(),
            source,
        })
    });
    results.collect()
}
