//! Issuing: chains that OpenSSL accepts, and CAs and keys that are refused.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod openssl;

use jiff::{Timestamp, ToSpan};
use kubepki_keys::{
    IssueError, Issuer, KeyEncoding, KeyError, KeyType, PrivateKey, RsaSize, random_serial,
    sign_request,
};
use kubepki_sealed::Sealed;
use kubepki_x509::{
    Certificate, CertificateTemplate, CertificationRequestInfo, ExtendedKeyUsage, Extension,
    KeyUsage, Name, PublicKey, SignatureAlgorithm, Validity, oid, profile, reissue,
};
use openssl::OpenSsl;
use proptest::prelude::*;

const RSA: KeyType = KeyType::Rsa(RsaSize::Bits2048);

fn validity() -> Validity {
    let now = Timestamp::now();
    Validity {
        not_before: now - 5.minutes(),
        not_after: now + 48.hours(),
    }
}

fn template(subject: Name, key: &PublicKey, extensions: Vec<Extension>) -> CertificateTemplate {
    CertificateTemplate {
        serial_number: random_serial(),
        validity: validity(),
        subject,
        public_key: key.clone(),
        extensions,
    }
}

fn root(common_name: &str, key: &PrivateKey) -> CertificateTemplate {
    let extensions = profile::ca(common_name, key.public_key(), None, None);
    template(Name::common(common_name, &[]), key.public_key(), extensions)
}

fn ca(common_name: &str, key_type: KeyType) -> Issuer {
    let key = PrivateKey::generate(key_type).unwrap();
    let certificate = Issuer::self_signed(&root(common_name, &key), &key).unwrap();
    Issuer::new(certificate, key).unwrap()
}

fn client(issuer: &Certificate, key: &PublicKey) -> CertificateTemplate {
    let subject = Name::common("kubernetes-admin", &["system:masters"]);
    let extensions = profile::leaf(&subject, &[ExtendedKeyUsage::ClientAuth], &[], issuer);
    template(subject, key, extensions)
}

#[test]
fn every_key_type_issues_with_its_algorithm() {
    for (key_type, algorithm) in [
        (RSA, SignatureAlgorithm::RsaPkcs1Sha256),
        (KeyType::EcdsaP256, SignatureAlgorithm::EcdsaSha256),
        (KeyType::EcdsaP384, SignatureAlgorithm::EcdsaSha384),
        (KeyType::Ed25519, SignatureAlgorithm::Ed25519),
    ] {
        let issuer = ca("kubernetes", key_type);
        assert_eq!(issuer.certificate().signature_algorithm(), algorithm);
        assert!(issuer.certificate().is_self_signed());
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let leaf = issuer
            .issue(&client(issuer.certificate(), key.public_key()))
            .unwrap();
        assert_eq!(leaf.signature_algorithm(), algorithm);
        assert_eq!(leaf.verify_issued_by(issuer.certificate()), Ok(()));
        assert_eq!(leaf.public_key(), key.public_key());
    }
}

#[test]
fn the_issuer_name_is_the_cas_subject_octet_for_octet() {
    let openssl = OpenSsl::new();
    // a subject as nobody else would spell it: T61String and BMPString, a repeated attribute, and
    // two attributes in one RDN
    openssl.write(
        "ca.cnf",
        "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nstring_mask=MASK:0x804\n\
         utf8=yes\n[dn]\n0.O=first\n1.O=zwölf\n+OU=more\nCN=Zürich 東京\n\
         [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n\
         subjectKeyIdentifier=hash\n",
    );
    openssl
        .run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -config ca.cnf -days 3");
    let certificate = kubepki_x509::pem::certificates(&openssl.read("ca.pem")).unwrap();
    let key = PrivateKey::from_pem(&openssl.read_key("ca.key")).unwrap();
    let issuer = Issuer::new(certificate.into_iter().next().unwrap(), key).unwrap();
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let leaf = issuer
        .issue(&client(issuer.certificate(), key.public_key()))
        .unwrap();
    assert_eq!(leaf.issuer().der(), issuer.certificate().subject().der());
    openssl.write("leaf.pem", leaf.to_pem());
    openssl.run("verify -x509_strict -purpose sslclient -CAfile ca.pem leaf.pem");
}

#[test]
fn an_intermediate_ca_issues_too() {
    let openssl = OpenSsl::new();
    let root = ca("root", KeyType::EcdsaP384);
    let key = PrivateKey::generate(RSA).unwrap();
    let extensions = profile::ca("sub", key.public_key(), Some(0), Some(root.certificate()));
    let sub = template(Name::common("sub", &[]), key.public_key(), extensions);
    let sub = Issuer::new(root.issue(&sub).unwrap(), key).unwrap();
    let key = PrivateKey::generate(KeyType::Ed25519).unwrap();
    let leaf = sub
        .issue(&client(sub.certificate(), key.public_key()))
        .unwrap();
    openssl.write("root.pem", root.certificate().to_pem());
    openssl.write("sub.pem", sub.certificate().to_pem());
    openssl.write("leaf.pem", leaf.to_pem());
    openssl.run("verify -x509_strict -CAfile root.pem -untrusted sub.pem leaf.pem");
}

#[test]
fn a_ca_renewed_with_the_same_key_still_covers_what_it_issued() {
    let openssl = OpenSsl::new();
    let key = PrivateKey::generate(RSA).unwrap();
    let old = Issuer::self_signed(&root("kubernetes", &key), &key).unwrap();
    let pem = key.to_pem(KeyEncoding::Pkcs1).unwrap();
    let issuer = Issuer::new(old.clone(), PrivateKey::from_pem(&pem).unwrap()).unwrap();
    let leaf_key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let leaf = issuer.issue(&client(&old, leaf_key.public_key())).unwrap();

    let public_key = key.public_key().clone();
    let again = reissue::self_issued(&old, validity(), public_key, random_serial(), None).unwrap();
    let renewed = Issuer::self_signed(&again, &key).unwrap();
    assert_ne!(renewed.serial_number(), old.serial_number());
    openssl.write("ca.pem", renewed.to_pem());
    openssl.write("leaf.pem", leaf.to_pem());
    openssl.run("verify -x509_strict -CAfile ca.pem leaf.pem");
}

#[test]
fn a_key_of_another_certificate_is_refused_with_both_fingerprints() {
    let one = ca("kubernetes", KeyType::EcdsaP256);
    let other = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let expected = [
        hex::encode(one.certificate().public_key().sha256()),
        hex::encode(other.public_key().sha256()),
    ];
    let error = Issuer::new(one.certificate().clone(), other).unwrap_err();
    assert_eq!(error.code(), "key-does-not-match-certificate");
    for part in expected {
        assert!(error.to_string().contains(&part), "{error}");
    }
    assert!(error.to_string().contains("CN=kubernetes"), "{error}");

    let mine = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let foreign = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let error = Issuer::self_signed(&root("kubernetes", &mine), &foreign).unwrap_err();
    assert_eq!(error.code(), "key-does-not-match-certificate");
}

#[test]
fn a_certificate_that_may_not_issue_is_refused() {
    let self_signed = |extensions: Vec<Extension>| {
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let subject = Name::common("not-a-ca", &[]);
        let certificate =
            Issuer::self_signed(&template(subject, key.public_key(), extensions), &key).unwrap();
        Issuer::new(certificate, key)
    };
    let error = self_signed(Vec::new()).unwrap_err();
    assert_eq!(error.code(), "not-a-certificate-authority");
    assert!(error.to_string().contains("are absent"), "{error}");

    let constraints = |ca| {
        Extension::basic_constraints(kubepki_x509::BasicConstraints {
            ca,
            path_len_constraint: None,
        })
    };
    let error = self_signed(vec![constraints(false)]).unwrap_err();
    assert!(error.to_string().contains("say cA FALSE"), "{error}");

    let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
    let error = self_signed(vec![Extension::key_usage(usage), constraints(true)]).unwrap_err();
    assert_eq!(error.code(), "may-not-sign-certificates");
    assert!(
        error
            .to_string()
            .contains("digitalSignature, keyEncipherment"),
        "{error}"
    );

    // no key usage at all is no restriction (RFC 5280 §4.2.1.3)
    self_signed(vec![constraints(true)]).unwrap();

    let ca = ca("kubernetes", KeyType::EcdsaP256);
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let leaf = ca
        .issue(&client(ca.certificate(), key.public_key()))
        .unwrap();
    let error = Issuer::new(leaf, key).unwrap_err();
    assert_eq!(error.code(), "not-a-certificate-authority");
}

#[test]
fn a_ca_whose_key_is_too_weak_is_refused_by_name() {
    let openssl = OpenSsl::new();
    openssl
        .run("req -x509 -newkey rsa:1024 -nodes -keyout ca.key -out ca.pem -subj /CN=old -days 3");
    let certificate = kubepki_x509::pem::certificates(&openssl.read("ca.pem")).unwrap();
    let key = PrivateKey::from_pem(&openssl.read_key("ca.key")).unwrap();
    let error = Issuer::new(certificate.into_iter().next().unwrap(), key).unwrap_err();
    assert!(
        matches!(&error, IssueError::Key(KeyError::CannotSign { .. })),
        "{error:?}"
    );
}

#[test]
fn requests_are_signed_for_every_key_type_and_openssl_accepts_them() {
    let openssl = OpenSsl::new();
    for key_type in KeyType::ALL {
        let key = PrivateKey::generate(key_type).unwrap();
        let subject = Name::common("kube-apiserver", &[]);
        let names = [
            "DNS:kubernetes".parse().unwrap(),
            "IP:10.96.0.1".parse().unwrap(),
        ];
        let request = CertificationRequestInfo {
            extensions: profile::requested(&subject, &[ExtendedKeyUsage::ServerAuth], &names),
            subject,
            public_key: key.public_key().clone(),
        };
        let signed = sign_request(&request, &key).unwrap();
        openssl.write("request.pem", signed.to_pem());
        let text = openssl.text("req -in request.pem -verify -noout -text");
        assert!(
            text.contains("DNS:kubernetes, IP Address:10.96.0.1"),
            "{text}"
        );
        assert!(text.contains("TLS Web Server Authentication"), "{text}");

        let other = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let error = sign_request(&request, &other).unwrap_err();
        assert_eq!(error.code(), "key-does-not-match-certificate");
    }
}

#[test]
fn extensions_of_the_template_are_what_is_issued() {
    let issuer = ca("kubernetes", KeyType::EcdsaP256);
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let mut wanted = client(issuer.certificate(), key.public_key());
    wanted.extensions.push(Extension {
        oid: "1.3.6.1.4.1.99999.1".parse().unwrap(),
        critical: true,
        value: vec![0x04, 0x01, 0x07],
    });
    let issued = issuer.issue(&wanted).unwrap();
    assert_eq!(issued.extensions(), wanted.extensions);
    assert_eq!(issued.serial_number(), &wanted.serial_number);
    assert_eq!(issued.subject(), &wanted.subject);
    assert!(issued.extension(&oid::AUTHORITY_KEY_IDENTIFIER).is_some());
}

fn every_key() -> Vec<PrivateKey> {
    KeyType::ALL
        .into_iter()
        .map(|key_type| PrivateKey::generate(key_type).unwrap())
        .collect()
}

#[test]
fn whatever_is_signed_verifies_and_nothing_else_does() {
    let keys = every_key();
    let runner = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(runner, |(message: Vec<u8>, position: prop::sample::Index, bit in 0..8_u32)| {
        for key in &keys {
            let (algorithm, signature) = key.sign(&message).unwrap();
            let public = key.public_key();
            prop_assert!(public.verify(algorithm, &message, &signature).is_ok());

            let mut damaged = signature.clone();
            damaged[position.index(signature.len())] ^= 1 << bit;
            prop_assert!(public.verify(algorithm, &message, &damaged).is_err());
            let longer = [&message[..], b"x"].concat();
            prop_assert!(public.verify(algorithm, &longer, &signature).is_err());
            for other in &keys {
                if other.public_key() != public {
                    let outcome = other.public_key().verify(algorithm, &message, &signature);
                    prop_assert!(outcome.is_err());
                }
            }
        }
    });
}

#[test]
fn a_private_key_may_go_to_another_thread() {
    fn assert_send<T: Send + Sync>() {}
    assert_send::<PrivateKey>();
    assert_send::<Issuer>();
    assert_send::<Sealed>();
}
