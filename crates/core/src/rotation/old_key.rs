//! What becomes of a root's old private key when nobody needs it any more: the copies of it that the
//! backups of hosts hold, by which a rotation is taken back. Types only; holds no secret.

use serde::{Deserialize, Serialize};

/// What becomes of old private keys in backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum OldKey {
    /// They stay as they are.
    #[default]
    Keep,
    /// Archives that hold one are encrypted (age) for these recipients, the clear ones destroyed.
    Seal {
        /// X25519 recipients, `age1…`.
        recipients: Vec<String>,
    },
    /// Archives lose them; what else they hold stays.
    Destroy,
}
