//! Authorities and certificates for the tests, made anew for every run.

use jiff::{SignedDuration, Timestamp};
use kubepki_keys::{Issuer, KeyEncoding, KeyType, PrivateKey, random_serial};
use kubepki_sealed::danger;
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Extension, GeneralName, Name, Validity,
    profile,
};
use std::sync::{Arc, OnceLock};

pub const CLIENT: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ClientAuth];
pub const SERVER: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth];
pub const BOTH: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];

/// The time that the tests live in.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(days * 24)
}

/// A CA with its key.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<Issuer>,
    key: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: Certificate,
    pub key: String,
}

impl Pair {
    pub fn pem(&self) -> String {
        self.certificate.to_pem()
    }
}

/// What a certificate should be.
#[derive(Clone)]
pub struct Wish<'a> {
    pub common_name: &'a str,
    pub organizations: &'a [&'a str],
    pub usages: &'a [ExtendedKeyUsage],
    pub names: &'a [&'a str],
    /// Days from now.
    pub from: i64,
    pub until: i64,
}

impl<'a> Wish<'a> {
    pub fn new(common_name: &'a str, usages: &'a [ExtendedKeyUsage], names: &'a [&'a str]) -> Self {
        Self {
            common_name,
            organizations: &[],
            usages,
            names,
            from: -100,
            until: 265,
        }
    }

    pub fn of(mut self, organizations: &'a [&'a str]) -> Self {
        self.organizations = organizations;
        self
    }

    pub fn lasting(mut self, from: i64, until: i64) -> Self {
        (self.from, self.until) = (from, until);
        self
    }
}

pub fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::EcdsaP256).unwrap()
}

pub fn key_pem(key: &PrivateKey) -> String {
    let sealed = key.to_pem(KeyEncoding::Pkcs8).unwrap();
    String::from_utf8(danger::open(&sealed).to_vec()).unwrap()
}

fn validity(from: i64, until: i64) -> Validity {
    Validity {
        not_before: now() + days(from),
        not_after: now() + days(until),
    }
}

impl Authority {
    pub fn new(common_name: &str) -> Self {
        Self::lasting(common_name, -100, 3550)
    }

    pub fn lasting(common_name: &str, from: i64, until: i64) -> Self {
        Self::with_key(common_name, key(), from, until)
    }

    pub fn with_key(common_name: &str, key: PrivateKey, from: i64, until: i64) -> Self {
        let template = CertificateTemplate {
            serial_number: random_serial(),
            validity: validity(from, until),
            subject: Name::common(common_name, &[]),
            public_key: key.public_key().clone(),
            extensions: profile::ca(common_name, key.public_key(), None, None),
        };
        let pem = key_pem(&key);
        let certificate = Issuer::self_signed(&template, &key).unwrap();
        Self {
            issuer: Arc::new(Issuer::new(certificate, key).unwrap()),
            key: pem,
        }
    }

    /// The same key and name with other dates.
    pub fn again(&self, from: i64, until: i64) -> Self {
        let key = PrivateKey::from_pem(&kubepki_sealed::Sealed::new(self.key.clone().into_bytes()));
        let name = self.certificate().subject().common_name().unwrap();
        Self::with_key(&name, key.unwrap(), from, until)
    }

    pub fn certificate(&self) -> &Certificate {
        self.issuer.certificate()
    }

    pub fn pem(&self) -> String {
        self.certificate().to_pem()
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn issue(&self, wish: &Wish<'_>) -> Pair {
        let key = key();
        let subject = Name::common(wish.common_name, wish.organizations);
        let names: Vec<GeneralName> = wish
            .names
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let extensions = profile::leaf(&subject, wish.usages, &names, self.certificate());
        self.issue_with(wish, subject, key, extensions)
    }

    fn issue_with(
        &self,
        wish: &Wish<'_>,
        subject: Name,
        key: PrivateKey,
        extensions: Vec<Extension>,
    ) -> Pair {
        let certificate = self
            .issuer
            .issue(&CertificateTemplate {
                serial_number: random_serial(),
                validity: validity(wish.from, wish.until),
                subject,
                public_key: key.public_key().clone(),
                extensions,
            })
            .unwrap();
        Pair {
            certificate,
            key: key_pem(&key),
        }
    }
}

/// A certificate signed by itself, as the kubelet makes one.
pub fn self_signed(common_name: &str, until: i64) -> Pair {
    let authority = Authority::lasting(&format!("{common_name}-ca@1"), -100, until);
    let host = common_name.split('@').next().unwrap();
    let names = [format!("DNS:{host}")];
    let names = [names[0].as_str()];
    let wish = Wish::new(common_name, SERVER, &names).lasting(-100, until);
    let pair = authority.issue(&wish);
    Pair {
        certificate: pair.certificate,
        key: format!("{}{}", authority.pem(), pair.key),
    }
}

/// The authorities that all tests share: they are never changed.
pub struct Authorities {
    pub cluster: Authority,
    pub etcd: Authority,
    pub front_proxy: Authority,
    pub foreign: Authority,
    pub service_account: (String, String),
}

pub fn authorities() -> &'static Authorities {
    static ALL: OnceLock<Authorities> = OnceLock::new();
    ALL.get_or_init(|| {
        let service_account = key();
        Authorities {
            cluster: Authority::new("kubernetes"),
            etcd: Authority::new("etcd-ca"),
            front_proxy: Authority::new("front-proxy-ca"),
            foreign: Authority::new("kubernetes"),
            service_account: (
                key_pem(&service_account),
                service_account.public_key().to_pem(),
            ),
        }
    })
}
