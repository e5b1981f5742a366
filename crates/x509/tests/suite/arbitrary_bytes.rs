//! No bytes make a reader panic, neither random ones nor damaged certificates, and what is read
//! can be shown.

use std::sync::LazyLock;

use kubepki_x509::{
    AuthorityKeyIdentifier, BasicConstraints, Certificate, CertificationRequest,
    CertificationRequestInfo, ExtendedKeyUsage, Extension, GeneralName, KeyUsage, Name,
    ObjectIdentifier, PublicKey, SerialNumber, extended_key_usage_from_der, general_names_der,
    general_names_from_der, pkcs7, profile, subject_key_identifier_from_der,
};
use proptest::prelude::*;

use crate::keys::Key;

static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = Key::generate();
    let name = Name::common("kubernetes", &["one", "two"]);
    let mut extensions = profile::ca("kubernetes", &key.public_key(), Some(3), None);
    let names =
        ["DNS:a", "IP:::1", "URI:a:b", "email:a@b", "RID:1.2.3"].map(|name| name.parse().unwrap());
    extensions.push(Extension::subject_alt_name(&names, true));
    extensions.push(Extension::extended_key_usage(&[
        ExtendedKeyUsage::ServerAuth,
    ]));
    extensions.push(Extension::authority_key_identifier(&[1; 20]));
    key.self_signed(name, extensions).der().to_vec()
});

static REQUEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = Key::generate();
    let subject = Name::common("node", &[]);
    let extensions = profile::requested(&subject, &[], &["DNS:a".parse().unwrap()]);
    let info = CertificationRequestInfo {
        subject,
        public_key: key.public_key(),
        extensions,
    };
    key.request(&info).der().to_vec()
});

/// Reads `bytes` as everything there is, and shows what was read.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(bytes) {
        let shown = format!(
            "{certificate:?} {} {} {:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
            certificate.serial_number(),
            certificate.issuer(),
            certificate.validity(),
            certificate.signature_algorithm(),
            certificate.extensions(),
            certificate.subject_alt_names(),
            certificate.basic_constraints(),
            certificate.key_usage(),
            certificate.extended_key_usage(),
            certificate.subject_key_identifier(),
            certificate.authority_key_identifier(),
            certificate.is_self_signed(),
        );
        assert!(!shown.contains('\n'));
        assert_eq!(certificate.der(), bytes);
    }
    if let Ok(request) = CertificationRequest::from_der(bytes) {
        let _ = format!("{request:?} {:?}", request.subject_alt_names());
        let _ = request.verify_self_signature();
    }
    let _ = pkcs7::certificates(bytes);
    let _ = PublicKey::from_spki_der(bytes).map(|key| format!("{key:?}"));
    if let Ok(name) = Name::from_der(bytes) {
        assert_eq!(name.der(), bytes);
        assert!(!name.to_string().contains(['\n', '\u{1b}']));
    }
    if let Ok(names) = general_names_from_der(bytes) {
        let _: Vec<_> = names.iter().map(GeneralName::to_string).collect();
    }
    let _ = ObjectIdentifier::from_bytes(bytes).map(|oid| oid.to_string());
    let _ = SerialNumber::from_octets(bytes).to_string();
    let _ = BasicConstraints::from_der(bytes);
    let _ = KeyUsage::from_der(bytes);
    let _ = AuthorityKeyIdentifier::from_der(bytes);
    let _ = extended_key_usage_from_der(bytes);
    let _ = subject_key_identifier_from_der(bytes);
}

#[test]
fn every_truncation_is_refused_without_a_panic() {
    for der in [&*CERTIFICATE, &*REQUEST] {
        for length in 0..der.len() {
            let part = der.get(..length).unwrap();
            assert!(Certificate::from_der(part).is_err());
            read_as_everything(part);
        }
    }
}

#[test]
fn every_single_bit_may_flip() {
    for der in [&*CERTIFICATE, &*REQUEST] {
        for index in 0..der.len() {
            for bit in 0..8 {
                let mut damaged = der.clone();
                damaged[index] ^= 1 << bit;
                read_as_everything(&damaged);
            }
        }
    }
}

#[test]
fn deep_nesting_ends() {
    for head in [[0x30, 0x80], [0xa0, 0x80]] {
        read_as_everything(&head.repeat(500_000));
        read_as_everything(&[head.repeat(12), [0, 0].repeat(12)].concat());
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn damaged_certificates_are_survived(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        request in any::<bool>(),
    ) {
        let mut der = if request { REQUEST.clone() } else { CERTIFICATE.clone() };
        for (index, octet) in edits {
            let index = index.index(der.len());
            der[index] = octet;
        }
        read_as_everything(&der);
    }

    #[test]
    fn general_names_lose_nothing(
        elements in prop::collection::vec(
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)),
            0..8,
        ),
    ) {
        // Any tag with a low number, any contents, definite lengths.
        let elements = elements.into_iter().flat_map(|(tag, contents)| {
            let tag = if tag & 0x1f == 0x1f { 0x82 } else { tag };
            [vec![tag, contents.len() as u8], contents].concat()
        });
        let elements: Vec<u8> = elements.collect();
        prop_assume!(elements.len() < 128);
        let der = [vec![0x30, elements.len() as u8], elements].concat();
        let names = general_names_from_der(&der).unwrap();
        prop_assert_eq!(general_names_der(&names), der);
    }

    #[test]
    fn object_identifiers_round_trip(arcs in prop::collection::vec(any::<u32>(), 1..7)) {
        let arcs: Vec<_> = arcs.iter().map(u32::to_string).collect();
        let dotted = format!("2.{}", arcs.join("."));
        let oid: ObjectIdentifier = dotted.parse().unwrap();
        prop_assert_eq!(oid.to_string(), dotted);
        prop_assert_eq!(ObjectIdentifier::from_bytes(oid.as_bytes()), Ok(oid));
    }

    #[test]
    fn names_round_trip(
        attributes in prop::collection::vec((0..4usize, ".{0,12}"), 0..6),
    ) {
        use kubepki_x509::oid;
        let types = [
            oid::COMMON_NAME, oid::ORGANIZATION_NAME, oid::EMAIL_ADDRESS, oid::COUNTRY_NAME,
        ];
        let attributes: Vec<_> =
            attributes.iter().map(|(kind, value)| (types[*kind], value.as_str())).collect();
        let name = Name::from_attributes(&attributes);
        prop_assert_eq!(Name::from_der(name.der()), Ok(name.clone()));
        let read = name.rdns();
        let read = read.iter().flatten().map(|found| (found.oid, found.value.as_str()));
        prop_assert_eq!(read.collect::<Vec<_>>(), attributes);
    }
}
