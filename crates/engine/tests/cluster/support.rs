//! Certificates and keys for the tests, made as they are needed.

use jiff::{SignedDuration, Timestamp};
use kubepki_keys::{Issuer, KeyEncoding, KeyType, PrivateKey, random_serial};
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, CertificateTemplate, ExtendedKeyUsage, Name, Validity, profile};

/// Half-way through every certificate.
pub fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// A CA, or somebody whom it certifies.
pub struct Made {
    pub certificate: Certificate,
    pub issuer: Issuer,
    pub key: String,
}

impl Made {
    pub fn pem(&self) -> String {
        self.certificate.to_pem()
    }
}

fn template(subject: Name, key: &PrivateKey) -> CertificateTemplate {
    CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: now() - SignedDuration::from_hours(24),
            not_after: now() + SignedDuration::from_hours(24),
        },
        subject,
        public_key: key.public_key().clone(),
        extensions: Vec::new(),
    }
}

fn pem_of(key: &PrivateKey) -> String {
    let pem = key.to_pem(KeyEncoding::Pkcs8).unwrap();
    String::from_utf8(danger::open(&pem).to_vec()).unwrap()
}

pub fn authority(name: &str) -> Made {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let mut template = template(Name::common(name, &[]), &key);
    template.extensions = profile::ca(name, key.public_key(), None, None);
    let certificate = Issuer::self_signed(&template, &key).unwrap();
    Made {
        key: pem_of(&key),
        certificate: certificate.clone(),
        issuer: Issuer::new(certificate, key).unwrap(),
    }
}

/// A client's certificate and its key, PEM.
pub fn client(authority: &Made, name: &str) -> (Certificate, String) {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let subject = Name::common(name, &[]);
    let purposes = [ExtendedKeyUsage::ClientAuth];
    let mut template = template(subject.clone(), &key);
    template.extensions = profile::leaf(&subject, &purposes, &[], &authority.certificate);
    (authority.issuer.issue(&template).unwrap(), pem_of(&key))
}

/// PEM of many different CA certificates, quickly.
pub fn many_of_one_key(count: usize) -> Vec<String> {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let name = "foreign";
    let mut template = template(Name::common(name, &[]), &key);
    template.extensions = profile::ca(name, key.public_key(), None, None);
    let made = (0..count).map(|_| {
        template.serial_number = random_serial();
        Issuer::self_signed(&template, &key).unwrap().to_pem()
    });
    made.collect()
}
