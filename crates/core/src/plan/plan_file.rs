//! What plan files have in common: kind and version are told before anything else, and the id is the
//! digest of the content, so that an edited plan is noticed.

use super::document::{API_VERSION, PlanFileError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Reads a document of this kind.
pub(super) fn read<T: DeserializeOwned>(text: &str, kind: &str) -> Result<T, PlanFileError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| PlanFileError::Syntax(e.to_string()))?;
    let word = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or("nothing");
    if word("apiVersion") != API_VERSION || word("kind") != kind {
        return Err(PlanFileError::OtherKind {
            found: format!("{} {}", word("apiVersion"), word("kind")),
        });
    }
    serde_json::from_value(value).map_err(|e| PlanFileError::Syntax(e.to_string()))
}

/// The id of a content whose own id is empty: SHA-256, first 16 hexadecimal digits.
pub(super) fn id_of<T: Serialize>(content: &T) -> String {
    // Serialization of plain structs and strings cannot fail; an empty content still hashes.
    let json = serde_json::to_vec(content).unwrap_or_default();
    hex::encode(&Sha256::digest(&json)[..8])
}

/// Refuses a plan whose content is no longer the one that its id was made of.
pub(super) fn check_id(expected: String, found: String) -> Result<(), PlanFileError> {
    if found == expected {
        return Ok(());
    }
    Err(PlanFileError::Edited { expected, found })
}
