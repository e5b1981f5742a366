//! Kubeconfigs of people: which of a host are copies of kubeadm's, and which of those are out of date.
//!
//! kubeadm tells everybody to copy `admin.conf` to `~/.kube/config`, and renews only the original. A
//! copy is told by its certificate: the original's own, or one of the same subject from the same
//! authority and not newer. Its private key has to be in it: a certificate is public, so whoever has no
//! more than that must not be handed the new key.
//! <https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/create-cluster-kubeadm/>

use crate::model::{Entry, Holder, Inventory, KeyState, KubeconfigUse, KubeconfigUser, Role};
use crate::plan::{Issuance, Notice};
use std::path::{Path, PathBuf};

/// What a kubeconfig of a host is, beside kubeadm's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// kubeadm's, a component's or a network plugin's.
    Component,
    /// A copy that holds the very certificate of the original.
    CurrentCopy {
        /// The original.
        original: PathBuf,
    },
    /// A copy of an earlier original.
    StaleCopy(StaleCopy),
    /// Somebody's own.
    Own,
}

/// A copy of an earlier original: what it takes to bring it up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleCopy {
    /// The kubeconfig with the present certificate, and its user in it.
    pub original: KubeconfigUser,
    /// The copy, and the user in it whose certificate it is.
    pub copy: KubeconfigUser,
}

impl Standing {
    /// In words that do not change.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::CurrentCopy { .. } => "current-copy",
            Self::StaleCopy(_) => "stale-copy",
            Self::Own => "own",
        }
    }

    /// Whose copy it is.
    pub fn original(&self) -> Option<&Path> {
        match self {
            Self::CurrentCopy { original } => Some(original),
            Self::StaleCopy(copy) => Some(&copy.original.path),
            Self::Component | Self::Own => None,
        }
    }
}

/// What a kubeconfig of this host is.
pub fn standing(inventory: &Inventory, kubeconfig: &KubeconfigUse) -> Standing {
    if kubeconfig.role != Role::Other || !kubeconfig.used_by.is_empty() {
        return Standing::Component;
    }
    let Some(credential) = &kubeconfig.credential else {
        return Standing::Own;
    };
    let found = originals(inventory)
        .find_map(|(original, user)| copy_of(inventory, original, user, credential));
    found.unwrap_or(Standing::Own)
}

/// Every copy of an earlier original on this host.
pub fn stale_copies(inventory: &Inventory) -> Vec<StaleCopy> {
    let standings = inventory.kubeconfigs.iter();
    standings
        .filter_map(|kubeconfig| match standing(inventory, kubeconfig) {
            Standing::StaleCopy(copy) => Some(copy),
            _ => None,
        })
        .collect()
}

/// What a plan says of copies that it leaves as they are, because nobody but the original is renewed.
pub fn notices(inventory: &Inventory, issuances: &[Issuance]) -> Vec<Notice> {
    let renewed = |path: &Path| {
        issuances.iter().any(|issuance| {
            matches!(issuance.role, Role::Admin | Role::SuperAdmin)
                && issuance.destination.path() == path
        })
    };
    let mut notices = Vec::new();
    for kubeconfig in &inventory.kubeconfigs {
        let standing = standing(inventory, kubeconfig);
        let Some(original) = standing.original().filter(|path| renewed(path)) else {
            continue;
        };
        notices.push(Notice {
            code: "kubeconfig-copy".to_owned(),
            object: kubeconfig.path.display().to_string(),
            message: format!(
                "a copy of {}, which keeps its old certificate; `kubepki kubeconfig update` brings it \
                 up to date afterwards",
                original.display()
            ),
        });
    }
    notices
}

/// kubeadm's kubeconfigs of administrators that hold a certificate.
fn originals(inventory: &Inventory) -> impl Iterator<Item = (&Entry, &str)> {
    inventory
        .entries
        .iter()
        .filter_map(|entry| match (entry.role, &entry.holder) {
            (Role::Admin | Role::SuperAdmin, Holder::Kubeconfig { user, .. }) => {
                Some((entry, user.as_str()))
            }
            _ => None,
        })
}

fn copy_of(
    inventory: &Inventory,
    original: &Entry,
    original_user: &str,
    copy: &Entry,
) -> Option<Standing> {
    let (new, old) = (original.certificate()?, copy.certificate()?);
    let path = original.holder.path();
    if path == copy.holder.path() {
        return None;
    }
    if new.fingerprint_sha256() == old.fingerprint_sha256() {
        return Some(Standing::CurrentCopy {
            original: path.to_owned(),
        });
    }
    // one in files of its own is nobody's copy
    let Holder::Kubeconfig {
        path: copy_path,
        user: copy_user,
    } = &copy.holder
    else {
        return None;
    };
    let holds_its_key = match &copy.key {
        KeyState::Present { public_key, .. } => public_key == old.public_key(),
        _ => false,
    };
    let is_earlier =
        old.subject() == new.subject() && old.validity().not_before <= new.validity().not_before;
    // a subject is a claim: somebody of the cluster's authorities must have signed it
    let (authority, _) = inventory.issuer_of(old)?;
    let is_of_same_authority = inventory
        .issuer_of(new)
        .is_some_and(|(other, _)| other.name == authority.name);
    (holds_its_key && is_earlier && is_of_same_authority).then(|| {
        Standing::StaleCopy(StaleCopy {
            original: KubeconfigUser {
                path: path.to_owned(),
                user: original_user.to_owned(),
            },
            copy: KubeconfigUser {
                path: copy_path.clone(),
                user: copy_user.clone(),
            },
        })
    })
}
