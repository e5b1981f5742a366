//! How many certification paths are validated per second on one core, with and without remembered
//! signatures: `cargo run --release -p kubepki-x509 --example paths_per_second`.
//!
//! The certificates are like kubeadm's: a CA, a serving certificate with ten names, RSA-2048 or
//! ECDSA P-256. Each row is the median of five rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not a part of the crate: it needs a clock, keys and an output"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use jiff::Timestamp;
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Name, PublicKey, SerialNumber,
    SignatureAlgorithm, Validity,
    path::{
        CertificatePool, PathQuery, Purpose, ServerName, SignatureCheck, SignatureMemo, Uncached,
        validate,
    },
    profile,
};

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(400);

enum Key {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl Key {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn ecdsa() -> Self {
        Self::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn public_key(&self) -> PublicKey {
        let spki = match self {
            Self::Rsa(key) => key.public_key().as_der().unwrap(),
            Self::Ecdsa(key) => key.public_key().as_der().unwrap(),
        };
        PublicKey::from_spki_der(spki.as_ref()).unwrap()
    }

    fn issue(&self, template: &CertificateTemplate, issuer: &Name) -> Certificate {
        let random = SystemRandom::new();
        let algorithm = match self {
            Self::Rsa(_) => SignatureAlgorithm::RsaPkcs1Sha256,
            Self::Ecdsa(_) => SignatureAlgorithm::EcdsaSha256,
        };
        let tbs = template.tbs_der(issuer, algorithm).unwrap();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, &tbs, &mut signature)
                    .unwrap();
                signature
            }
            Self::Ecdsa(key) => key.sign(&random, &tbs).unwrap().as_ref().to_vec(),
        };
        CertificateTemplate::assemble(&tbs, algorithm, &signature).unwrap()
    }
}

struct Authority {
    key: Key,
    certificate: Certificate,
}

fn template(subject: Name, key: &Key) -> CertificateTemplate {
    CertificateTemplate {
        serial_number: SerialNumber::from_unsigned(&[7]),
        validity: Validity {
            not_before: "2020-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2040-01-01T00:00:00Z".parse().unwrap(),
        },
        subject,
        public_key: key.public_key(),
        extensions: Vec::new(),
    }
}

fn authority(name: &str, key: Key, above: Option<&Authority>) -> Authority {
    let mut template = template(Name::common(name, &[]), &key);
    let issuer = above.map(|above| &above.certificate);
    template.extensions = profile::ca(name, &template.public_key, None, issuer);
    let certificate = match above {
        Some(above) => above.key.issue(&template, above.certificate.subject()),
        None => key.issue(&template, &template.subject),
    };
    Authority { key, certificate }
}

fn leaf(by: &Authority, key: &Key) -> Certificate {
    let names = [
        "DNS:cp1",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        "DNS:api.example.org",
        "IP:10.96.0.1",
        "IP:192.0.2.10",
        "IP:192.0.2.20",
        "IP:2001:db8::10",
    ];
    let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    let mut template = template(Name::common("kube-apiserver", &[]), key);
    template.extensions = profile::leaf(
        &template.subject,
        &[ExtendedKeyUsage::ServerAuth],
        &names,
        &by.certificate,
    );
    by.key.issue(&template, by.certificate.subject())
}

/// Calls per second, the median of five rounds.
fn rate(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut calls = 0u32;
            while start.elapsed() < ROUND {
                for _ in 0..16 {
                    call();
                }
                calls += 16;
            }
            f64::from(calls) / start.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(2).copied().unwrap_or_default()
}

fn main() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let name: ServerName = "kubernetes.default.svc".parse().unwrap();
    println!("paths per second, one core, server authentication, one of 10 names asked for\n");
    println!(
        "{:<11} {:<43} {:>12} {:>12}",
        "keys", "path", "verified", "remembered"
    );
    for (keys, generate) in [
        ("ECDSA P-256", Key::ecdsa as fn() -> Key),
        ("RSA-2048", Key::rsa),
    ] {
        let root = authority("kubernetes", generate(), None);
        let intermediate = authority("intermediate", generate(), Some(&root));
        let other = authority("kubernetes", generate(), None);
        let key = generate();
        let (direct, below) = (leaf(&root, &key), leaf(&intermediate, &key));
        let only = |authority: &Authority| CertificatePool::new([authority.certificate.clone()]);
        let both = CertificatePool::new([other.certificate.clone(), root.certificate.clone()]);
        let middle = [intermediate.certificate.clone()];
        for (path, certificate, intermediates, roots, valid) in [
            ("leaf by a root", &direct, &[][..], only(&root), true),
            (
                "leaf by one of two roots (rotation)",
                &direct,
                &[],
                both,
                true,
            ),
            (
                "leaf, intermediate, root",
                &below,
                &middle,
                only(&root),
                true,
            ),
            (
                "refused: a root of the same name",
                &direct,
                &[],
                only(&other),
                false,
            ),
        ] {
            let memo = SignatureMemo::new();
            let measured = |signatures: &dyn SignatureCheck| {
                let query = PathQuery {
                    certificate,
                    intermediates,
                    roots: &roots,
                    now,
                    purpose: Purpose::ServerAuth,
                    server_name: Some(&name),
                    signatures,
                };
                assert_eq!(validate(&query).is_ok(), valid);
                rate(|| drop(black_box(validate(black_box(&query)))))
            };
            let (verified, remembered) = (measured(&Uncached), measured(&memo));
            println!("{keys:<11} {path:<43} {verified:>12.0} {remembered:>12.0}");
        }
    }
}
