//! Which parts of a layout are wanted: `--only`, by name or by kind.

use super::layout::{Declarations, Destination};
use super::refusal::FoundingRefusal;

/// Kinds that stand for all their names.
const AUTHORITIES: &str = "authorities";
const CERTIFICATES: &str = "certificates";
const KUBECONFIGS: &str = "kubeconfigs";
const SERVICE_ACCOUNT_KEYS: &str = "service-account-keys";

/// A selection whose every word means something.
pub(super) struct Selection<'a> {
    words: &'a [String],
}

impl<'a> Selection<'a> {
    /// No words select everything.
    pub(super) fn new(
        words: &'a [String],
        declared: &Declarations,
    ) -> Result<Self, FoundingRefusal> {
        let names: Vec<&str> = (declared.authorities.iter().map(|it| it.name.as_str()))
            .chain(declared.leafs.iter().map(|it| it.name.as_str()))
            .chain(
                declared
                    .service_account_keys
                    .iter()
                    .map(|it| it.name.as_str()),
            )
            .collect();
        let kinds = [AUTHORITIES, CERTIFICATES, KUBECONFIGS, SERVICE_ACCOUNT_KEYS];
        let unknown =
            |word: &&String| !names.contains(&word.as_str()) && !kinds.contains(&word.as_str());
        if let Some(word) = words.iter().find(unknown) {
            return Err(FoundingRefusal::UnknownName {
                name: word.clone(),
                known: [&kinds[..], &names[..]].concat().join(", "),
            });
        }
        Ok(Self { words })
    }

    pub(super) fn has_authority(&self, name: &str) -> bool {
        self.has(name, AUTHORITIES)
    }

    pub(super) fn has_leaf(&self, name: &str, destination: &Destination) -> bool {
        match destination {
            Destination::Files { .. } => self.has(name, CERTIFICATES),
            Destination::Kubeconfig { .. } => self.has(name, KUBECONFIGS),
        }
    }

    pub(super) fn has_service_account_key(&self, name: &str) -> bool {
        self.has(name, SERVICE_ACCOUNT_KEYS)
    }

    fn has(&self, name: &str, kind: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| word == name || word == kind)
    }
}
