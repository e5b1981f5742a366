//! Subject alternative names of a renewed certificate: kept, added, removed, or set.

use kubepki_x509::GeneralName;

/// What the user wants of the names; empty lists keep them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameEdits {
    /// Added when not there yet.
    pub add: Vec<GeneralName>,
    /// Removed; must be there.
    pub remove: Vec<GeneralName>,
    /// Replace all.
    pub set: Vec<GeneralName>,
}

/// A name to be removed that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot remove {name} from {certificate}: it holds {found}")]
pub struct NoSuchName {
    /// The certificate's name.
    pub certificate: String,
    /// The name to remove.
    pub name: String,
    /// What is there.
    pub found: String,
}

impl NameEdits {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.set.is_empty()
    }

    /// The new list, or `None` when the old extension stays as it is.
    pub fn apply(
        &self,
        certificate: &str,
        current: &[GeneralName],
    ) -> Result<Option<Vec<GeneralName>>, NoSuchName> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut names = if self.set.is_empty() {
            current.to_vec()
        } else {
            self.set.clone()
        };
        for name in &self.remove {
            let before = names.len();
            names.retain(|there| there != name);
            if names.len() == before {
                return Err(NoSuchName {
                    certificate: certificate.to_owned(),
                    name: name.to_string(),
                    found: list(current),
                });
            }
        }
        for name in &self.add {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok((names != current).then_some(names))
    }
}

fn list(names: &[GeneralName]) -> String {
    if names.is_empty() {
        return "no names".to_owned();
    }
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
