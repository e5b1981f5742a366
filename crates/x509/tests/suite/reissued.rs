//! Re-issue of arbitrary certificates keeps what it must keep.

use jiff::Timestamp;
use kubepki_x509::{
    AuthorityKeyIdentifier, Certificate, CertificateTemplate, Extension, GeneralName, Name,
    ObjectIdentifier, SerialNumber, Validity, oid, profile, reissue,
};
use proptest::prelude::*;

use crate::{
    keys::{Key, this_century},
    openssl::Openssl,
};

/// One element with a short or long definite length.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = match contents.len() {
        short @ 0..=0x7f => vec![short as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [vec![tag], length, contents.to_vec()].concat()
}

/// Names with repeated and multi-valued RDNs, unsorted sets and every string type.
fn any_name() -> impl Strategy<Value = Name> {
    let tags = prop::sample::select(vec![0x0c, 0x13, 0x14, 0x16, 0x1a, 0x1c, 0x1e, 0x04]);
    let types = prop::sample::select(vec![
        oid::COMMON_NAME,
        oid::ORGANIZATION_NAME,
        oid::ORGANIZATIONAL_UNIT_NAME,
        oid::DOMAIN_COMPONENT,
        "1.2.3.4.5".parse().unwrap(),
    ]);
    let attribute = (types, tags, "[ -~]{0,16}").prop_map(|(oid, tag, text)| {
        element(0x30, &[oid.der(), element(tag, text.as_bytes())].concat())
    });
    let rdn = prop::collection::vec(attribute, 1..4).prop_map(|set| element(0x31, &set.concat()));
    prop::collection::vec(rdn, 0..6)
        .prop_map(|rdns| Name::from_der(&element(0x30, &rdns.concat())).unwrap())
}

/// Names of every kind, up to a hundred.
fn any_names() -> impl Strategy<Value = Vec<GeneralName>> {
    let name = prop_oneof![
        "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}".prop_map(GeneralName::DnsName),
        any::<std::net::IpAddr>().prop_map(GeneralName::IpAddress),
        "[a-z]{1,8}://[a-z/]{1,30}".prop_map(GeneralName::UniformResourceIdentifier),
        "[a-z]{1,8}@[a-z]{1,8}".prop_map(GeneralName::Rfc822Name),
        "[a-z]{0,20}".prop_map(|text| GeneralName::OtherName {
            oid: "1.3.6.1.4.1.311.20.2.3".parse().unwrap(),
            value_der: element(0x0c, text.as_bytes()),
        }),
        any_name().prop_map(GeneralName::DirectoryName),
    ];
    prop::collection::vec(name, 1..=100)
}

fn unknown_extensions() -> impl Strategy<Value = Vec<Extension>> {
    let extension = (
        any::<u32>(),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let extension = extension.prop_map(|(arc, critical, value)| Extension {
        oid: format!("1.3.6.1.4.1.99999.{arc}").parse().unwrap(),
        critical,
        value,
    });
    prop::collection::vec(extension, 0..6)
}

prop_compose! {
    fn any_certificate()(
        subject in any_name(),
        names in prop::option::of((any_names(), any::<bool>())),
        unknown in unknown_extensions(),
        has_subject_identifier in any::<bool>(),
        has_authority_identifier in any::<bool>(),
        order in any::<prop::sample::Index>(),
        serial in prop::collection::vec(any::<u8>(), 1..30),
        not_after in 0i64..253_000_000_000,
    ) -> Certificate {
        let key = Key::generate();
        let mut extensions = profile::requested(&subject, &[], &[]);
        extensions.extend(unknown);
        extensions.extend(names.map(|(names, critical)| Extension::subject_alt_name(&names, critical)));
        if has_subject_identifier {
            let identifier = key.public_key().truncated_sha256_key_identifier();
            extensions.push(Extension::subject_key_identifier(&identifier));
        }
        if has_authority_identifier {
            extensions.push(Extension::authority_key_identifier(b"old authority"));
        }
        let turn = order.index(extensions.len());
        extensions.rotate_left(turn);
        let template = CertificateTemplate {
            serial_number: SerialNumber::from_octets(&serial),
            validity: Validity {
                not_before: Timestamp::UNIX_EPOCH,
                not_after: Timestamp::from_second(not_after).unwrap(),
            },
            subject,
            public_key: key.public_key(),
            extensions,
        };
        key.issue(&template, &Name::common("old authority", &[]))
    }
}

struct Authority {
    key: Key,
    certificate: Certificate,
}

fn authority(common_name: &str) -> Authority {
    let key = Key::generate();
    let extensions = profile::ca(common_name, &key.public_key(), None, None);
    let certificate = key.self_signed(Name::common(common_name, &[]), extensions);
    Authority { key, certificate }
}

fn without(extensions: &[Extension], changed: &[ObjectIdentifier]) -> Vec<Extension> {
    extensions
        .iter()
        .filter(|found| !changed.contains(&found.oid))
        .cloned()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_must_stay_stays(
        old in any_certificate(),
        new_names in prop::option::of(any_names()),
        same_authority in any::<bool>(),
        start in -2_000_000_000i64..4_000_000_000,
        length in 1i64..6_000_000_000,
    ) {
        let authority = authority(if same_authority { "old authority" } else { "new authority" });
        let key = Key::generate();
        let validity = Validity {
            not_before: Timestamp::from_second(start).unwrap(),
            not_after: Timestamp::from_second(start + length).unwrap(),
        };
        let serial = SerialNumber::from_unsigned(&[0xfe; 8]);
        let template = reissue::template(
            &old, &authority.certificate, validity, key.public_key(), serial.clone(),
            new_names.as_deref(),
        ).unwrap();
        let new = authority.key.issue(&template, authority.certificate.subject());

        prop_assert_eq!(new.subject().der(), old.subject().der());
        prop_assert_eq!(new.validity(), validity);
        prop_assert_eq!(new.serial_number(), &serial);
        prop_assert_eq!(new.public_key(), &key.public_key());
        prop_assert_eq!(new.verify_issued_by(&authority.certificate), Ok(()));

        let changed = [
            oid::SUBJECT_KEY_IDENTIFIER, oid::AUTHORITY_KEY_IDENTIFIER, oid::SUBJECT_ALT_NAME,
        ];
        prop_assert_eq!(
            without(new.extensions(), &changed), without(old.extensions(), &changed)
        );
        // Order and criticality: the old sequence is a prefix of the new one, which may have had
        // an authority and names added at its end.
        let shape = |certificate: &Certificate| {
            let found = certificate.extensions().iter();
            found.map(|extension| (extension.oid, extension.critical)).collect::<Vec<_>>()
        };
        let (old_shape, new_shape) = (shape(&old), shape(&new));
        prop_assert!(new_shape.starts_with(&old_shape));

        let names = new_names.unwrap_or_else(|| old.subject_alt_names());
        prop_assert_eq!(new.subject_alt_names(), names);
        prop_assert_eq!(
            new.subject_key_identifier(),
            old.subject_key_identifier()
                .map(|_| key.public_key().truncated_sha256_key_identifier().to_vec())
        );
        let had_authority = old.authority_key_identifier().is_some();
        let expected = authority.certificate.subject_key_identifier()
            .filter(|_| had_authority || !same_authority)
            .map(|identifier| AuthorityKeyIdentifier::from_key_identifier(&identifier));
        prop_assert_eq!(new.authority_key_identifier(), expected);
    }

    #[test]
    fn the_same_again_changes_no_extension(
        old in any_certificate(),
    ) {
        let authority = authority("old authority");
        let template = reissue::template(
            &old, &authority.certificate, old.validity(), old.public_key().clone(),
            old.serial_number().clone(), None,
        ).unwrap();
        let changed = [oid::AUTHORITY_KEY_IDENTIFIER];
        prop_assert_eq!(
            without(&template.extensions, &changed), without(old.extensions(), &changed)
        );
    }
}

#[test]
fn openssl_agrees_on_a_reissued_certificate_with_everything() {
    let openssl = Openssl::new();
    openssl.write(
        "config",
        "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n0.O=system:masters\n1.O=second\n\
         CN=everything\n\
         [extensions]\nbasicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n\
         extendedKeyUsage=critical,serverAuth\n\
         subjectAltName=DNS:a,IP:192.0.2.1,URI:spiffe://a/b,otherName:1.2.3;UTF8:x\n\
         1.3.6.1.4.1.99999.1=critical,DER:0500\n",
    );
    openssl.run(
        "req -x509 -config config -extensions extensions -newkey rsa:2048 -nodes -keyout key \
         -out old -days 1",
    );
    let old = openssl.certificate("old");
    let authority = authority("kubernetes");
    let validity = Validity {
        not_after: "2080-02-29T00:00:00Z".parse().unwrap(),
        ..this_century()
    };
    let template = reissue::template(
        &old,
        &authority.certificate,
        validity,
        Key::generate().public_key(),
        SerialNumber::from_unsigned(&[0x77; 8]),
        None,
    );
    let new = authority
        .key
        .issue(&template.unwrap(), authority.certificate.subject());
    openssl.write("new", new.to_pem());
    openssl.write("ca", authority.certificate.to_pem());
    // The unknown critical extension is refused unless told otherwise, which proves it is there.
    assert!(
        !openssl
            .output(&["verify", "-CAfile", "ca", "new"])
            .status
            .success()
    );
    openssl.run("verify -x509_strict -ignore_critical -CAfile ca new");
    let names = "x509 -noout -ext subjectAltName,extendedKeyUsage,basicConstraints -in";
    assert_eq!(
        openssl.run(&format!("{names} new")),
        openssl.run(&format!("{names} old"))
    );
    let subject = "x509 -noout -subject -nameopt RFC2253,show_type -in";
    assert_eq!(
        openssl.run(&format!("{subject} new")),
        openssl.run(&format!("{subject} old"))
    );
    assert_eq!(
        openssl.run("x509 -noout -enddate -in new"),
        "notAfter=Feb 29 00:00:00 2080 GMT\n"
    );
}

#[test]
fn a_self_issued_certificate_stays_its_own_issuer() {
    let openssl = Openssl::new();
    openssl.run("req -x509 -newkey rsa:2048 -nodes -keyout key -out old -subj /CN=kubernetes");
    let old = openssl.certificate("old");
    assert!(
        old.authority_key_identifier().is_some(),
        "OpenSSL writes one for itself"
    );
    let key = Key::generate();
    let serial = SerialNumber::from_unsigned(&[5]);
    let template =
        reissue::template(&old, &old, this_century(), key.public_key(), serial, None).unwrap();
    let new = key.issue(&template, old.subject());
    assert!(new.is_self_signed() && new.is_ca());
    let identifier = Some(key.public_key().sha1_key_identifier().to_vec());
    assert_eq!(new.subject_key_identifier(), identifier);
    assert_eq!(
        new.authority_key_identifier().unwrap().key_identifier,
        identifier
    );
    openssl.write("new", new.to_pem());
    openssl.run("verify -x509_strict -CAfile new new");
}

#[test]
fn names_can_be_taken_away_only_from_a_subject() {
    let authority = authority("ca");
    let names = ["DNS:a".parse().unwrap()];
    let again = |subject: Name| {
        let extensions = profile::leaf(&subject, &[], &names, &authority.certificate);
        let old = Key::generate().self_signed(subject, extensions);
        let key = Key::generate().public_key();
        let serial = SerialNumber::from_unsigned(&[1]);
        reissue::template(
            &old,
            &authority.certificate,
            this_century(),
            key,
            serial,
            Some(&[]),
        )
    };
    let template = again(Name::common("x", &[])).unwrap();
    assert!(
        template
            .extensions
            .iter()
            .all(|found| found.oid != oid::SUBJECT_ALT_NAME)
    );
    assert_eq!(again(Name::common("", &[])).unwrap_err().code(), "no-names");
}
