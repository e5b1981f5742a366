//! Throw-away ECDSA keys that sign what the tests put together.

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use kubepki_x509::{
    Certificate, CertificateTemplate, CertificationRequest, CertificationRequestInfo, Extension,
    Name, PublicKey, SerialNumber, SignatureAlgorithm, Validity,
};

pub struct Key(EcdsaKeyPair);

impl Key {
    pub fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn public_key(&self) -> PublicKey {
        let spki = self.0.public_key().as_der().unwrap();
        PublicKey::from_spki_der(spki.as_ref()).unwrap()
    }

    /// The private key for a TLS peer of the tests.
    pub fn pkcs8(&self) -> Vec<u8> {
        self.0.to_pkcs8v1().unwrap().as_ref().to_vec()
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    pub fn issue(&self, template: &CertificateTemplate, issuer: &Name) -> Certificate {
        let tbs = template
            .tbs_der(issuer, SignatureAlgorithm::EcdsaSha256)
            .unwrap();
        let signature = self.sign(&tbs);
        CertificateTemplate::assemble(&tbs, SignatureAlgorithm::EcdsaSha256, &signature).unwrap()
    }

    pub fn self_signed(&self, name: Name, extensions: Vec<Extension>) -> Certificate {
        let template = CertificateTemplate {
            serial_number: SerialNumber::from_unsigned(&[0x42]),
            validity: this_century(),
            subject: name.clone(),
            public_key: self.public_key(),
            extensions,
        };
        self.issue(&template, &name)
    }

    pub fn request(&self, info: &CertificationRequestInfo) -> CertificationRequest {
        let der = info.info_der();
        let signature = self.sign(&der);
        CertificationRequestInfo::assemble(&der, SignatureAlgorithm::EcdsaSha256, &signature)
            .unwrap()
    }
}

pub fn this_century() -> Validity {
    Validity {
        not_before: "2001-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2089-12-31T23:59:59Z".parse().unwrap(),
    }
}
