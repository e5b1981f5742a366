//! Certificates for the tests.

use jiff::{SignedDuration, Timestamp};
use kubepki_keys::{Issuer, KeyEncoding, KeyType, PrivateKey, random_serial};
use kubepki_sealed::danger;
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Name, PublicKey, Validity, profile,
};

pub const SERVER: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth];
pub const CLIENT: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ClientAuth];
pub const BOTH: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];

/// A certificate with its key.
pub struct Made {
    pub certificate: Certificate,
    pub key: PrivateKey,
}

impl Made {
    pub fn pem(&self) -> String {
        self.certificate.to_pem()
    }

    pub fn key_pem(&self) -> String {
        let pem = self.key.to_pem(KeyEncoding::Pkcs8).unwrap();
        String::from_utf8(danger::open(&pem).to_vec()).unwrap()
    }
}

fn template(subject: Name, public_key: &PublicKey) -> CertificateTemplate {
    let now = Timestamp::now();
    CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: now - SignedDuration::from_hours(1),
            not_after: now + SignedDuration::from_hours(24),
        },
        subject,
        public_key: public_key.clone(),
        extensions: Vec::new(),
    }
}

pub fn authority(name: &str) -> Made {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let template = CertificateTemplate {
        extensions: profile::ca(name, key.public_key(), None, None),
        ..template(Name::common(name, &[]), key.public_key())
    };
    let certificate = Issuer::self_signed(&template, &key).unwrap();
    Made { certificate, key }
}

/// `subject` is a common name, with `@ORGANIZATION` behind it where there is one.
pub fn leaf(
    authority: &Made,
    subject: &str,
    purposes: &[ExtendedKeyUsage],
    names: &[&str],
) -> Made {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let (name, organizations) = match subject.split_once('@') {
        Some((name, organization)) => (name, vec![organization]),
        None => (subject, Vec::new()),
    };
    let subject = Name::common(name, &organizations);
    let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    let issuer_key = PrivateKey::from_pem(&authority.key.to_pem(KeyEncoding::Pkcs8).unwrap());
    let issuer = Issuer::new(authority.certificate.clone(), issuer_key.unwrap()).unwrap();
    let template = CertificateTemplate {
        extensions: profile::leaf(&subject, purposes, &names, issuer.certificate()),
        ..template(subject, key.public_key())
    };
    let certificate = issuer.issue(&template).unwrap();
    Made { certificate, key }
}
