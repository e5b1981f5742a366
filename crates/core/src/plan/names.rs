//! Subject alternative names of a renewed certificate: kept, added, removed, or set.

use kubepki_x509::{GeneralName, general_names_der, general_names_from_der};

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

/// A name as plans spell it: as on the command line, or, where it has no such spelling (otherName,
/// directoryName), `DER:` and hexadecimal digits.
pub fn spelled(name: &GeneralName) -> String {
    let text = name.to_string();
    if text.parse().as_ref() == Ok(name) {
        text
    } else {
        format!("DER:{}", hex::encode(name.der()))
    }
}

/// Reads what [`spelled`] writes.
pub fn read(text: &str) -> Option<GeneralName> {
    let Some(digits) = text.strip_prefix("DER:") else {
        return text.parse().ok();
    };
    let der = hex::decode(digits).ok()?;
    let tag = *der.first()?;
    let whole = general_names_der(&[GeneralName::Unparsed { tag, der }]);
    general_names_from_der(&whole).ok()?.pop()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_name_survives_a_plan() {
        let other = GeneralName::OtherName {
            oid: "1.3.6.1.4.1.311.20.2.3".parse().unwrap(),
            value_der: vec![0x0c, 0x01, b'u'],
        };
        let directory = GeneralName::DirectoryName(kubepki_x509::Name::common("a", &["b"]));
        let texts = [
            "DNS:a.example.org",
            "IP:::1",
            "URI:spiffe://a/b",
            "email:a@b",
            "RID:1.2.3",
        ];
        let names = texts.map(|text| text.parse().unwrap());
        for name in names.into_iter().chain([other, directory]) {
            assert_eq!(read(&spelled(&name)), Some(name));
        }
        assert_eq!(read("DER:zz"), None);
        assert_eq!(read("DER:"), None);
    }
}
