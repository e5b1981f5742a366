//! What could not be seen. A gap is data: renewing may go on beside one, retiring trust may not.

use serde::{Deserialize, Serialize};

/// Something that should have been looked at and could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The path, endpoint or object.
    pub object: String,
    /// Why it could not be seen, with the system's words.
    pub reason: String,
}

impl Gap {
    /// A gap about `object`.
    pub fn new(object: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            reason: reason.into(),
        }
    }
}
