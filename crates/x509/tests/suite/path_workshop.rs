//! Makes certificates of every shape for the tests of path validation: valid by default, wrong in
//! the one way that a test is about.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan};
use kubepki_x509::{
    BasicConstraints, Certificate, CertificateTemplate, ExtendedKeyUsage, Extension, GeneralName,
    KeyUsage, Name, ObjectIdentifier, SerialNumber, SignatureAlgorithm, Validity,
    general_names_der, oid,
};

use crate::keys::Key;

/// A certificate and its key.
#[derive(Clone)]
pub struct Made {
    pub certificate: Certificate,
    pub key: Arc<Key>,
}

/// What a certificate is to say.
#[derive(Clone)]
pub struct Profile {
    pub subject: Name,
    pub serial_number: SerialNumber,
    pub validity: Validity,
    pub extensions: Vec<Extension>,
    pub key: Arc<Key>,
    /// Whether the issuer's subject key identifier becomes the authority key identifier.
    pub identifies_issuer: bool,
    pub version_1: bool,
    pub algorithm: SignatureAlgorithm,
    /// Whether the signature is spoilt.
    pub tampered: bool,
}

/// The real time: the programs that are asked know no other.
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs the time that other programs have"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn common(name: &str) -> Name {
    Name::common(name, &[])
}

pub fn names(names: &[&str]) -> Vec<GeneralName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

impl Profile {
    fn new(subject: Name) -> Self {
        Self {
            subject,
            serial_number: SerialNumber::from_unsigned(&[0x42]),
            validity: Validity {
                not_before: now() - 24.hours(),
                not_after: now() + 240.hours(),
            },
            extensions: Vec::new(),
            key: Arc::new(Key::generate()),
            identifies_issuer: true,
            version_1: false,
            algorithm: SignatureAlgorithm::EcdsaSha256,
            tampered: false,
        }
    }

    /// A CA.
    pub fn authority(name: &str) -> Self {
        let mut made = Self::new(common(name));
        let identifier = made.key.public_key().sha1_key_identifier();
        made.extensions = vec![
            Extension::key_usage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
            Extension::basic_constraints(BasicConstraints {
                ca: true,
                path_len_constraint: None,
            }),
            Extension::subject_key_identifier(&identifier),
        ];
        made
    }

    /// The certificate of `server.test` and 127.0.0.1, for servers and clients.
    pub fn leaf(name: &str) -> Self {
        let mut made = Self::new(common(name));
        made.extensions = vec![
            Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
            Extension::extended_key_usage(&[
                ExtendedKeyUsage::ServerAuth,
                ExtendedKeyUsage::ClientAuth,
            ]),
        ];
        made.names(&["DNS:server.test", "IP:127.0.0.1"])
    }

    pub fn key(mut self, key: &Arc<Key>) -> Self {
        self.key = Arc::clone(key);
        let identifier = self.key.public_key().sha1_key_identifier();
        if self.has(oid::SUBJECT_KEY_IDENTIFIER) {
            return self.with(Extension::subject_key_identifier(&identifier));
        }
        self
    }

    fn has(&self, oid: ObjectIdentifier) -> bool {
        self.extensions.iter().any(|found| found.oid == oid)
    }

    pub fn subject(mut self, subject: Name) -> Self {
        self.subject = subject;
        self
    }

    /// In place of the extension of the same kind.
    pub fn with(mut self, extension: Extension) -> Self {
        self = self.without(extension.oid);
        self.extensions.push(extension);
        self
    }

    pub fn without(mut self, oid: ObjectIdentifier) -> Self {
        self.extensions.retain(|found| found.oid != oid);
        self
    }

    pub fn raw(self, oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Self {
        let value = value.to_vec();
        self.with(Extension {
            oid,
            critical,
            value,
        })
    }

    pub fn names(self, names: &[&str]) -> Self {
        self.with(Extension::subject_alt_name(&self::names(names), false))
    }

    pub fn usages(self, usages: &[ExtendedKeyUsage]) -> Self {
        self.with(Extension::extended_key_usage(usages))
    }

    pub fn basic(self, ca: bool, path_len_constraint: Option<u32>) -> Self {
        self.with(Extension::basic_constraints(BasicConstraints {
            ca,
            path_len_constraint,
        }))
    }

    /// From and until, in hours from now.
    pub fn dates(mut self, from: i64, until: i64) -> Self {
        let at = |hours| now() + SignedDuration::from_hours(hours);
        self.validity = Validity {
            not_before: at(from),
            not_after: at(until),
        };
        self
    }

    pub fn constraints(self, critical: bool, permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Self {
        let subtrees = |number: u8, bases: &[Vec<u8>]| match bases {
            [] => Vec::new(),
            bases => {
                let bases = bases.iter().map(|base| tlv(0x30, base));
                tlv(0xa0 | number, &bases.collect::<Vec<_>>().concat())
            }
        };
        let value = [subtrees(0, permitted), subtrees(1, excluded)].concat();
        self.raw(oid::NAME_CONSTRAINTS, critical, &tlv(0x30, &value))
    }

    pub fn self_signed(self) -> Made {
        let (name, key) = (self.subject.clone(), Arc::clone(&self.key));
        self.signed(&name, &key, None)
    }

    pub fn by(self, issuer: &Made) -> Made {
        let identifier = issuer.certificate.subject_key_identifier();
        let name = issuer.certificate.subject().clone();
        let key = Arc::clone(&issuer.key);
        self.signed(&name, &key, identifier)
    }

    pub fn signed(mut self, issuer: &Name, signer: &Key, identifier: Option<Vec<u8>>) -> Made {
        let missing = !self.has(oid::AUTHORITY_KEY_IDENTIFIER);
        if let Some(identifier) = identifier.filter(|_| self.identifies_issuer && missing) {
            self = self.with(Extension::authority_key_identifier(&identifier));
        }
        let template = CertificateTemplate {
            serial_number: self.serial_number,
            validity: self.validity,
            subject: self.subject,
            public_key: self.key.public_key(),
            extensions: if self.version_1 {
                Vec::new()
            } else {
                self.extensions
            },
        };
        let mut tbs = template.tbs_der(issuer, self.algorithm).unwrap();
        if self.version_1 {
            tbs = without_version(&tbs);
        }
        let message = if self.tampered { &[][..] } else { &tbs };
        let signature = signer.sign(message);
        Made {
            certificate: CertificateTemplate::assemble(&tbs, self.algorithm, &signature).unwrap(),
            key: self.key,
        }
    }
}

/// One element of DER; short ones are enough for tests, and long ones.
pub fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, contents.to_vec()].concat()
}

/// `DNS:…`, `email:…`, `URI:…` or an address range of hexadecimal digits as a constraint.
pub fn base(text: &str) -> Vec<u8> {
    let (kind, value) = text.split_once(':').unwrap();
    match kind {
        "DNS" => tlv(0x82, value.as_bytes()),
        "email" => tlv(0x81, value.as_bytes()),
        "URI" => tlv(0x86, value.as_bytes()),
        "IP" => tlv(0x87, &hex::decode(value).unwrap()),
        "dirName" => tlv(0xa4, common(value).der()),
        _ => unreachable!("{text}"),
    }
}

/// A subjectAltName of elements already encoded.
pub fn alternative_names(critical: bool, elements: &[Vec<u8>]) -> Extension {
    Extension {
        oid: oid::SUBJECT_ALT_NAME,
        critical,
        value: tlv(0x30, &elements.concat()),
    }
}

/// A directory name as a subjectAltName.
pub fn directory_name(critical: bool) -> Extension {
    let name = GeneralName::DirectoryName(common("directory"));
    Extension {
        oid: oid::SUBJECT_ALT_NAME,
        critical,
        value: general_names_der(&[name]),
    }
}

/// Cuts `[0] EXPLICIT INTEGER 2` off.
fn without_version(tbs: &[u8]) -> Vec<u8> {
    let version = [0xa0, 3, 2, 1, 2];
    let at = tbs.windows(5).position(|five| five == version).unwrap();
    tlv(0x30, &tbs[at + 5..])
}
