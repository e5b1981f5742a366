//! Safes and bags of a PKCS#12 file (RFC 7292 §4.2).

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::ID_DATA;
use der::Encode;
use kubepki_x509::Certificate;
use zeroize::Zeroizing;

use super::decryption::decrypt;
use super::password::Password;
use super::structure::{CertBag, ContentInfo, EncryptedPrivateKeyInfo, SafeBag, sequence_of};
use super::{CertificateBag, Contents, KeyBag, Pkcs12Error, ber};
use crate::error::KeyError;
use crate::public_half::{PublicHalf, public_half_of_der};

/// Safes within safes; no program nests them at all.
const MAX_DEPTH: u8 = 4;

/// Adds everything in the authenticated safe to `contents`.
pub(super) fn read(
    authenticated_safe: &[u8],
    password: &Password,
    contents: &mut Contents,
) -> Result<(), Pkcs12Error> {
    let mut found = Found::default();
    let authenticated_safe = ber::to_der(authenticated_safe)?;
    for content in sequence_of(&authenticated_safe)? {
        let content: ContentInfo<'_> = content.decode_as().map_err(Pkcs12Error::malformed)?;
        let safe = if content.content_type == ID_DATA {
            Zeroizing::new(content.octets()?.to_vec())
        } else {
            let encrypted = content.encrypted()?;
            decrypt(&encrypted.algorithm, &encrypted.encrypted, password)?
        };
        found.safe_contents(&ber::to_der(&safe)?, password, 0)?;
    }
    contents.certificates = found.certificates;
    contents.keys = found.keys;
    contents.passed_over = found.passed_over;
    Ok(())
}

#[derive(Default)]
struct Found {
    certificates: Vec<CertificateBag>,
    keys: Vec<KeyBag>,
    passed_over: Vec<ObjectIdentifier>,
}

impl Found {
    fn safe_contents(
        &mut self,
        der: &[u8],
        password: &Password,
        depth: u8,
    ) -> Result<(), Pkcs12Error> {
        if depth > MAX_DEPTH {
            return Err(Pkcs12Error::malformed("safes nested too deeply"));
        }
        for bag in sequence_of(der)? {
            let bag: SafeBag<'_> = bag.decode_as().map_err(Pkcs12Error::malformed)?;
            self.bag(&bag, password, depth)?;
        }
        Ok(())
    }

    fn bag(
        &mut self,
        bag: &SafeBag<'_>,
        password: &Password,
        depth: u8,
    ) -> Result<(), Pkcs12Error> {
        match bag.id {
            CERT_BAG => {
                let value: CertBag<'_> = bag.value.decode_as().map_err(Pkcs12Error::malformed)?;
                if value.id != X509_CERTIFICATE {
                    self.passed_over.push(value.id);
                    return Ok(());
                }
                let attributes = bag.attributes();
                self.certificates.push(CertificateBag {
                    certificate: Certificate::from_der(value.value.as_bytes()),
                    friendly_name: attributes.friendly_name,
                    local_key_id: attributes.local_key_id,
                });
            }
            KEY_BAG => {
                let der = Zeroizing::new(bag.value.to_der().map_err(Pkcs12Error::malformed)?);
                self.key(bag, public_half_of_der(&der));
            }
            PKCS8_SHROUDED_KEY_BAG => {
                let public_half = shrouded_key(bag, password)?;
                self.key(bag, public_half);
            }
            SAFE_CONTENTS_BAG => {
                let der = Zeroizing::new(bag.value.to_der().map_err(Pkcs12Error::malformed)?);
                self.safe_contents(&der, password, depth + 1)?;
            }
            other => self.passed_over.push(other),
        }
        Ok(())
    }

    fn key(&mut self, bag: &SafeBag<'_>, public_half: Result<PublicHalf, KeyError>) {
        let attributes = bag.attributes();
        self.keys.push(KeyBag {
            public_half,
            friendly_name: attributes.friendly_name,
            local_key_id: attributes.local_key_id,
        });
    }
}

/// The outer error is the file's (wrong password), the inner one the key's own.
fn shrouded_key(
    bag: &SafeBag<'_>,
    password: &Password,
) -> Result<Result<PublicHalf, KeyError>, Pkcs12Error> {
    let key: EncryptedPrivateKeyInfo<'_> = bag.value.decode_as().map_err(Pkcs12Error::malformed)?;
    let der = decrypt(&key.algorithm, key.encrypted.as_bytes(), password)?;
    Ok(public_half_of_der(&ber::to_der(&der)?))
}

const fn bag_type(number: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(number)
}

const KEY_BAG: ObjectIdentifier = bag_type("1.2.840.113549.1.12.10.1.1");
const PKCS8_SHROUDED_KEY_BAG: ObjectIdentifier = bag_type("1.2.840.113549.1.12.10.1.2");
const CERT_BAG: ObjectIdentifier = bag_type("1.2.840.113549.1.12.10.1.3");
const SAFE_CONTENTS_BAG: ObjectIdentifier = bag_type("1.2.840.113549.1.12.10.1.6");
const X509_CERTIFICATE: ObjectIdentifier = bag_type("1.2.840.113549.1.9.22.1");
