//! The common name in a certificate's subject (RFC 5280, 4.1.2.6), read with `der` alone: this server
//! shares no code with the product that its clusters test.

use anyhow::{Context, Result};
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use der::{Decode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged, ValueOrd};

/// id-at-commonName.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

#[derive(Clone, Debug, Eq, PartialEq, Sequence, ValueOrd)]
struct Attribute {
    kind: ObjectIdentifier,
    value: Any,
}

type Name = Vec<SetOfVec<Attribute>>;

/// The first common name of the certificate's subject.
pub fn common_name(certificate: &[u8]) -> Result<String> {
    let name = subject(certificate).context("cannot read the certificate's subject")?;
    let attribute = name
        .iter()
        .flat_map(SetOfVec::iter)
        .find(|attribute| attribute.kind == COMMON_NAME)
        .context("the subject has no common name")?;
    Ok(String::from_utf8_lossy(attribute.value.value()).into_owned())
}

fn subject(certificate: &[u8]) -> der::Result<Name> {
    let certificate = Any::from_der(certificate)?;
    let to_be_signed: Any = SliceReader::new(certificate.value())?.decode()?;
    let mut fields = SliceReader::new(to_be_signed.value())?;
    let version = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(0),
    };
    let first: Any = fields.decode()?;
    // a version 1 certificate begins with the serial number
    let before = if first.tag() == version { 4 } else { 3 };
    for _ in 0..before {
        let _passed: Any = fields.decode()?;
    }
    fields.decode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_common_name_is_read_among_others() {
        let output = Command::new("openssl")
            .args(
                "req -x509 -newkey ed25519 -nodes -keyout /dev/null -outform der -subj".split(' '),
            )
            .arg("/O=system:masters/CN=front-proxy-client/OU=x")
            .output()
            .unwrap();
        assert_eq!(common_name(&output.stdout).unwrap(), "front-proxy-client");
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        common_name(b"").unwrap_err();
        common_name(&[0x30, 0x03, 0x02, 0x01, 0x01]).unwrap_err();
    }
}
