//! The public half of a private key: all that looking at a host ever learns of one.
//!
//! Works for every key whose public half is stored with it or can be computed, including those
//! that are never signed with (RSA-1024, RSASSA-PSS, other curves). The private key is opened,
//! read and zeroized within the call.

use kubepki_sealed::{Sealed, danger};
use kubepki_x509::PublicKey;
use kubepki_x509::pem::{self, PemBlock};

use crate::decode::decode;
use crate::error::KeyError;
use crate::key_type::KeyEncoding;

/// What may be known of a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicHalf {
    /// The public key.
    pub public_key: PublicKey,
    /// How the private key is encoded, so that a new one can be written in the same manner.
    pub encoding: KeyEncoding,
}

/// The public half of the first private key in `contents`: PEM text, or DER.
pub fn public_half(contents: &Sealed) -> Result<PublicHalf, KeyError> {
    let bytes = danger::open(contents);
    if is_pem(bytes) {
        public_half_of_der(danger::open(&private_key_block(bytes)?))
    } else if bytes.first() == Some(&SEQUENCE) {
        public_half_of_der(bytes)
    } else {
        let found = match bytes.trim_ascii().is_empty() {
            true => "an empty file",
            false => "neither PEM text nor DER",
        };
        Err(KeyError::NoPrivateKey {
            found: vec![found.to_owned()],
        })
    }
}

/// The public half of the private key in one PEM block, for files that hold several.
pub fn public_half_of_block(block: &PemBlock) -> Result<PublicHalf, KeyError> {
    check_form(block)?;
    public_half_of_der(danger::open(&block.contents))
}

/// Whether a PEM block under `label` claims to hold a private key of whatever form.
pub fn is_private_key_label(label: &str) -> bool {
    label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY")
}

/// DER of the first private key in PEM text.
pub(crate) fn private_key_block(text: &[u8]) -> Result<Sealed, KeyError> {
    let file = pem::parse(text);
    let mut found = Vec::new();
    for block in file.blocks {
        if is_private_key_label(&block.label) {
            check_form(&block)?;
            return Ok(block.contents);
        }
        found.push(block.label);
    }
    found.extend(file.problems.iter().map(ToString::to_string));
    Err(KeyError::NoPrivateKey { found })
}

pub(crate) fn public_half_of_der(der: &[u8]) -> Result<PublicHalf, KeyError> {
    let decoded = decode(der)?;
    Ok(PublicHalf {
        public_key: decoded.public_key,
        encoding: decoded.encoding,
    })
}

/// Refuses encrypted keys and unknown forms by name, before their bytes fail to decode.
fn check_form(block: &PemBlock) -> Result<(), KeyError> {
    let encrypted_header = block.headers.iter().find(|(name, value)| {
        name.eq_ignore_ascii_case("Proc-Type") && value.to_ascii_uppercase().contains("ENCRYPTED")
    });
    if let Some((name, value)) = encrypted_header {
        return Err(KeyError::Encrypted {
            form: format!("{name}: {value}"),
        });
    }
    match block.label.as_str() {
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(()),
        "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted {
            form: block.label.clone(),
        }),
        _ => Err(KeyError::UnsupportedForm {
            label: block.label.clone(),
        }),
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes
        .windows(PEM_BEGIN.len())
        .any(|window| window == PEM_BEGIN)
}

/// With this tag begins the DER of every form of private key.
const SEQUENCE: u8 = 0x30;

const PEM_BEGIN: &[u8] = b"-----BEGIN";
