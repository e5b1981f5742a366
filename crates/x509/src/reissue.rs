//! The same certificate again: new validity, key and serial number, everything else kept.
//!
//! Guarantees: the subject is the old one byte for byte; every extension stays where it is, as
//! critical as it is, with the value it has, whether it is understood or not. Only these change:
//!
//! - subjectKeyIdentifier, if there is one and the key changes: made from the new key by the
//!   method that made the old one (SHA-1 where the method is not recognized);
//! - authorityKeyIdentifier: becomes the issuer's actual subject key identifier. It is dropped if
//!   the issuer has none, and added only if the issuer is not the one of before;
//! - subjectAltName, if and only if new names are given.
//!
//! Not here: whether the issuer may issue (CA bit, name constraints, its own end), and versions:
//! a version 1 certificate comes back as version 3, without extensions as before.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    Certificate, CertificateTemplate, EncodeError, Extension, GeneralName, Name, PublicKey,
    SerialNumber, Validity, oid,
};

/// Template for `old` again, to be signed by `issuer`. If `issuer` is the self-issued `old`
/// itself, the new certificate is its own issuer, as in [`self_issued`].
pub fn template(
    old: &Certificate,
    issuer: &Certificate,
    validity: Validity,
    public_key: PublicKey,
    serial_number: SerialNumber,
    names: Option<&[GeneralName]>,
) -> Result<CertificateTemplate, EncodeError> {
    if old == issuer && old.is_self_issued() {
        return self_issued(old, validity, public_key, serial_number, names);
    }
    let authority = Authority {
        key_identifier: issuer.subject_key_identifier(),
        is_new: issuer.subject() != old.issuer(),
    };
    reissued(old, authority, validity, public_key, serial_number, names)
}

/// Template for the self-issued `old` again, to be signed with its new key.
pub fn self_issued(
    old: &Certificate,
    validity: Validity,
    public_key: PublicKey,
    serial_number: SerialNumber,
    names: Option<&[GeneralName]>,
) -> Result<CertificateTemplate, EncodeError> {
    let key_identifier = old
        .subject_key_identifier()
        .map(|found| key_identifier(old, found, &public_key));
    let authority = Authority {
        key_identifier,
        is_new: false,
    };
    reissued(old, authority, validity, public_key, serial_number, names)
}

/// Who will issue, as far as the extensions must say.
struct Authority {
    key_identifier: Option<Vec<u8>>,
    is_new: bool,
}

fn reissued(
    old: &Certificate,
    authority: Authority,
    validity: Validity,
    public_key: PublicKey,
    serial_number: SerialNumber,
    names: Option<&[GeneralName]>,
) -> Result<CertificateTemplate, EncodeError> {
    let subject = old.subject().clone();
    let mut extensions = old.extensions().to_vec();
    if let Some(found) = old.subject_key_identifier() {
        let identifier = key_identifier(old, found, &public_key);
        replace(
            &mut extensions,
            Extension::subject_key_identifier(&identifier),
        );
    }
    let had_authority = old.extension(&oid::AUTHORITY_KEY_IDENTIFIER).is_some();
    match authority.key_identifier {
        Some(identifier) if had_authority || authority.is_new => {
            replace(
                &mut extensions,
                Extension::authority_key_identifier(&identifier),
            );
        }
        Some(_) => {}
        None => remove(&mut extensions, oid::AUTHORITY_KEY_IDENTIFIER),
    }
    rename(&mut extensions, &subject, names)?;
    Ok(CertificateTemplate {
        serial_number,
        validity,
        subject,
        public_key,
        extensions,
    })
}

/// The extensions that a request for the successor of `old` asks for: all of them but the key
/// identifiers, which are the issuer's business. `names` as in [`template`].
pub fn requested(
    old: &Certificate,
    names: Option<&[GeneralName]>,
) -> Result<Vec<Extension>, EncodeError> {
    let mut extensions = old.extensions().to_vec();
    remove(&mut extensions, oid::SUBJECT_KEY_IDENTIFIER);
    remove(&mut extensions, oid::AUTHORITY_KEY_IDENTIFIER);
    rename(&mut extensions, old.subject(), names)?;
    Ok(extensions)
}

fn rename(
    extensions: &mut Vec<Extension>,
    subject: &Name,
    names: Option<&[GeneralName]>,
) -> Result<(), EncodeError> {
    match names {
        None => {}
        Some([]) => no_names(extensions, subject)?,
        Some(names) => {
            replace(
                extensions,
                Extension::subject_alt_name(names, subject.is_empty()),
            );
        }
    }
    Ok(())
}

/// Puts `new` in the place of the extension of the same name, which keeps its criticality, or at
/// the end if there is none.
fn replace(extensions: &mut Vec<Extension>, new: Extension) {
    match extensions
        .iter_mut()
        .find(|extension| extension.oid == new.oid)
    {
        Some(extension) => extension.value = new.value,
        None => extensions.push(new),
    }
}

fn remove(extensions: &mut Vec<Extension>, oid: crate::ObjectIdentifier) {
    extensions.retain(|extension| extension.oid != oid);
}

fn no_names(extensions: &mut Vec<Extension>, subject: &Name) -> Result<(), EncodeError> {
    // RFC 5280 §4.1.2.6: without a subject, the alternative names are all there is.
    if subject.is_empty() {
        return Err(EncodeError::NoNames);
    }
    remove(extensions, oid::SUBJECT_ALT_NAME);
    Ok(())
}

/// Identifier of `new`, made the way that `found` was made from the old key.
fn key_identifier(old: &Certificate, found: Vec<u8>, new: &PublicKey) -> Vec<u8> {
    if new == old.public_key() {
        return found;
    }
    let methods: [fn(&PublicKey) -> Vec<u8>; 5] = [
        |key| key.sha1_key_identifier().to_vec(),
        |key| key.truncated_sha256_key_identifier().to_vec(),
        |key| Sha256::digest(key.subject_public_key()).to_vec(),
        |key| Sha1::digest(key.spki_der()).to_vec(),
        // RFC 7093 §2, method 4.
        |key| key.sha256().to_vec(),
    ];
    let recognized = methods
        .into_iter()
        .find(|method| method(old.public_key()) == found);
    recognized.map_or_else(|| new.sha1_key_identifier().to_vec(), |method| method(new))
}
