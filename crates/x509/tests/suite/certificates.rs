//! Certificates made by OpenSSL, and what `openssl x509` says about them, beside what we read.

use jiff::Timestamp;
use kubepki_x509::{
    BasicConstraints, Certificate, CertificateError, CertificateTemplate, ExtendedKeyUsage,
    Extension, GeneralName, IssuedByError, KeyAlgorithm, KeyUsage, Name, ObjectIdentifier,
    SerialNumber, SignatureAlgorithm, SignatureError, Validity, oid,
};

use crate::{
    keys::{Key, this_century},
    openssl::Openssl,
};

/// A root, an intermediate, and an apiserver-like leaf with one name of every kind.
const CONFIG: &str = "\
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[ca]
basicConstraints = critical,CA:TRUE,pathlen:1
keyUsage = critical,digitalSignature,keyEncipherment,keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth,1.2.3.4
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid,issuer:always
subjectAltName = critical,@names
1.3.6.1.4.1.99999.1 = critical,DER:04:02:ca:fe
[names]
DNS.1 = kubernetes.default.svc
IP.1 = 10.96.0.1
IP.2 = fd00::1
URI.1 = spiffe://cluster.local/ns/kube-system
email.1 = root@example.org
otherName.1 = 1.3.6.1.4.1.311.20.2.3;UTF8:admin@example.org
RID.1 = 1.2.3
dirName.1 = directory
[directory]
O = example
CN = directory
";

fn chain(openssl: &Openssl) -> (Certificate, Certificate) {
    openssl.write("config", CONFIG);
    openssl.run(
        "req -x509 -config config -extensions ca -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt \
         -subj /CN=kubernetes -set_serial 0 -days 3650",
    );
    openssl.run(
        "req -new -config config -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr \
         -subj /O=system:masters/O=second/CN=kube-apiserver",
    );
    openssl.run(
        "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -set_serial 0x00ffeeddccbbaa9988776655 \
         -days 365 -extfile config -extensions leaf -out leaf.crt",
    );
    (
        openssl.certificate("ca.crt"),
        openssl.certificate("leaf.crt"),
    )
}

#[test]
fn every_field_of_an_openssl_chain_is_read() {
    let openssl = Openssl::new();
    let (ca, leaf) = chain(&openssl);

    assert_eq!(
        (ca.version(), ca.is_ca(), ca.is_self_signed()),
        (3, true, true)
    );
    assert!(ca.serial_number().is_zero());
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: Some(1),
    };
    assert_eq!(ca.basic_constraints(), Some(constraints));
    assert_eq!(
        ca.key_usage().unwrap().names(),
        ["digitalSignature", "keyEncipherment", "keyCertSign"]
    );
    assert_eq!(
        ca.public_key().algorithm(),
        KeyAlgorithm::Rsa { bits: 2048 }
    );
    let identifier = ca.public_key().sha1_key_identifier().to_vec();
    assert_eq!(ca.subject_key_identifier(), Some(identifier.clone()));

    assert_eq!(leaf.verify_issued_by(&ca), Ok(()));
    assert!(!leaf.is_ca() && !leaf.is_self_issued());
    assert_eq!(
        leaf.subject().to_string(),
        "O=system:masters, O=second, CN=kube-apiserver"
    );
    assert_eq!(leaf.subject().organizations(), ["system:masters", "second"]);
    assert_eq!(leaf.serial_number().to_string(), "FFEEDDCCBBAA9988776655");
    assert_eq!(
        leaf.signature_algorithm().to_string(),
        "sha256WithRSAEncryption"
    );
    assert_eq!(
        leaf.key_usage(),
        Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT)
    );
    let purposes = leaf.extended_key_usage().unwrap();
    let purposes: Vec<_> = purposes.iter().map(ExtendedKeyUsage::to_string).collect();
    assert_eq!(purposes, ["serverAuth", "clientAuth", "1.2.3.4"]);
    let authority = leaf.authority_key_identifier().unwrap();
    assert_eq!(authority.key_identifier, Some(identifier));
    assert_eq!(
        authority.issuer,
        [GeneralName::DirectoryName(ca.issuer().clone())]
    );
    assert!(authority.serial.unwrap().is_zero());
    let names: Vec<_> = leaf
        .subject_alt_names()
        .iter()
        .map(GeneralName::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "DNS:kubernetes.default.svc",
            "IP:10.96.0.1",
            "IP:fd00::1",
            "URI:spiffe://cluster.local/ns/kube-system",
            "email:root@example.org",
            "otherName:1.3.6.1.4.1.311.20.2.3",
            "RID:1.2.3",
            "DirName:O=example, CN=directory",
        ]
    );
    let unknown = leaf.extensions().last().unwrap();
    assert_eq!(unknown.oid.to_string(), "1.3.6.1.4.1.99999.1");
    assert_eq!(
        (unknown.critical, unknown.value.as_slice()),
        (true, &[4, 2, 0xca, 0xfe][..])
    );

    let printed = openssl.run("x509 -in leaf.crt -noout -fingerprint -sha256 -serial -dates");
    let fingerprint = hex::encode_upper(leaf.fingerprint_sha256());
    assert!(printed.replace(':', "").contains(&fingerprint), "{printed}");
    assert!(
        printed.contains("serial=FFEEDDCCBBAA9988776655"),
        "{printed}"
    );
    assert_eq!(openssl.read("leaf.crt"), leaf.to_pem().as_bytes());
}

#[test]
fn a_wrong_issuer_is_told_from_a_wrong_signature() {
    let openssl = Openssl::new();
    let (ca, leaf) = chain(&openssl);
    openssl.run(
        "req -x509 -config config -extensions ca -newkey rsa:2048 -nodes -keyout other.key \
         -out other.crt -subj /CN=kubernetes",
    );
    let same_name = openssl.certificate("other.crt");
    let error = leaf.verify_issued_by(&same_name).unwrap_err();
    assert!(matches!(
        error,
        IssuedByError::Signature {
            error: SignatureError::Mismatch,
            ..
        }
    ));
    assert_eq!(error.code(), "signature-mismatch");
    let error = ca.verify_issued_by(&leaf).unwrap_err();
    assert!(matches!(error, IssuedByError::NamesDiffer { .. }));

    let elliptic = Key::generate().self_signed(ca.subject().clone(), Vec::new());
    let error = leaf.verify_issued_by(&elliptic).unwrap_err();
    assert_eq!(error.code(), "signature-key-mismatch");
    assert_eq!(
        error.to_string(),
        "the CA \"CN=kubernetes\" did not sign the certificate: \
         the signature is sha256WithRSAEncryption, but the key is ECDSA-P256"
    );
}

#[test]
fn every_kind_of_key_and_signature_is_verified() {
    let openssl = Openssl::new();
    openssl.write("config", CONFIG);
    let pss = "-sigopt rsa_padding_mode:pss";
    for (key, options, algorithm, signature) in [
        ("rsa:1024", "-sha1", "RSA-1024", "sha1WithRSAEncryption"),
        ("rsa:1024", "-sha256", "RSA-1024", "sha256WithRSAEncryption"),
        ("rsa:2048", "-sha384", "RSA-2048", "sha384WithRSAEncryption"),
        ("rsa:3072", "-sha512", "RSA-3072", "sha512WithRSAEncryption"),
        (
            "rsa:2048",
            &format!("-sha256 {pss}"),
            "RSA-2048",
            "rsassaPss (SHA-256)",
        ),
        (
            "rsa:2048",
            &format!("-sha384 {pss} -sigopt rsa_pss_saltlen:20"),
            "RSA-2048",
            "rsassaPss (SHA-384)",
        ),
        (
            "rsa:2048",
            &format!("-sha512 {pss} -sigopt rsa_pss_saltlen:digest"),
            "RSA-2048",
            "rsassaPss (SHA-512)",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256",
            "-sha256",
            "ECDSA-P256",
            "ecdsa-with-SHA256",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256",
            "-sha512",
            "ECDSA-P256",
            "ecdsa-with-SHA512",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256",
            "-sha1",
            "ECDSA-P256",
            "ecdsa-with-SHA1",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-384",
            "-sha384",
            "ECDSA-P384",
            "ecdsa-with-SHA384",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-384",
            "-sha256",
            "ECDSA-P384",
            "ecdsa-with-SHA256",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-521",
            "-sha512",
            "ECDSA-P521",
            "ecdsa-with-SHA512",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-521",
            "-sha256",
            "ECDSA-P521",
            "ecdsa-with-SHA256",
        ),
        ("ed25519", "", "Ed25519", "ED25519"),
    ] {
        openssl.run(&format!(
            "req -x509 -config config -extensions ca -subj /CN=ca -newkey {key} {options} -nodes \
             -keyout key -out certificate"
        ));
        let certificate = openssl.certificate("certificate");
        assert_eq!(certificate.public_key().algorithm().to_string(), algorithm);
        assert_eq!(certificate.signature_algorithm().to_string(), signature);
        assert_eq!(
            certificate.signature_algorithm().is_weak(),
            options == "-sha1"
        );
        assert_eq!(
            certificate.verify_issued_by(&certificate),
            Ok(()),
            "{key} {options}"
        );

        // The algorithm as we write it is the algorithm as OpenSSL wrote it.
        let written = certificate.signature_algorithm().der().unwrap();
        let found = certificate
            .der()
            .windows(written.len())
            .any(|window| window == written);
        assert!(found || signature.contains("Pss"), "{key} {options}");

        let mut broken = certificate.der().to_vec();
        *broken.last_mut().unwrap() ^= 1;
        let broken = Certificate::from_der(&broken).unwrap();
        assert!(
            broken.verify_issued_by(&certificate).is_err(),
            "{key} {options}"
        );
    }
}

#[test]
fn unverifiable_certificates_are_shown_all_the_same() {
    let openssl = Openssl::new();
    openssl.write("config", CONFIG);
    for (key, algorithm) in [
        ("ed448", "Ed448"),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", "ECDSA-secp256k1"),
        ("rsa:512 -sha1", "RSA-512"),
    ] {
        openssl.run(&format!(
            "req -x509 -config config -subj /CN=odd -newkey {key} -nodes -keyout key -out certificate"
        ));
        let certificate = openssl.certificate("certificate");
        assert_eq!(certificate.public_key().algorithm().to_string(), algorithm);
        let error = certificate.verify_issued_by(&certificate).unwrap_err();
        assert_eq!(error.code(), "signature-unsupported", "{key}: {error}");
    }
}

#[test]
fn times_are_those_that_openssl_wrote() {
    let openssl = Openssl::new();
    openssl.write("config", CONFIG);
    openssl.run("req -new -config config -newkey ed25519 -nodes -keyout key -out csr -subj /CN=a");
    openssl.write("index", "");
    let ca = "[ca]\ndefault_ca = d\n[d]\ndatabase = index\nnew_certs_dir = .\npolicy = p\n\
              default_md = default\nrand_serial = yes\nunique_subject = no\n[p]\nCN = supplied\n";
    openssl.write("ca.cnf", ca);
    for (start, end, not_before, not_after) in [
        (
            "500101000000Z",
            "491231235959Z",
            "1950-01-01T00:00:00Z",
            "2049-12-31T23:59:59Z",
        ),
        (
            "20200229120000Z",
            "20500101000000Z",
            "2020-02-29T12:00:00Z",
            "2050-01-01T00:00:00Z",
        ),
        (
            "20200229120000Z",
            "20890615010203Z",
            "2020-02-29T12:00:00Z",
            "2089-06-15T01:02:03Z",
        ),
        (
            "20200229120000Z",
            "99981231235959Z",
            "2020-02-29T12:00:00Z",
            "9998-12-31T23:59:59Z",
        ),
    ] {
        openssl.run(&format!(
            "ca -config ca.cnf -batch -notext -selfsign -keyfile key -in csr -out certificate \
             -startdate {start} -enddate {end}"
        ));
        let certificate = openssl.certificate("certificate");
        let validity = Validity {
            not_before: not_before.parse().unwrap(),
            not_after: not_after.parse().unwrap(),
        };
        assert_eq!(certificate.validity(), validity);
    }
}

#[test]
fn the_end_that_is_no_end_survives() {
    let key = Key::generate();
    let name = Name::common("forever", &[]);
    let template = CertificateTemplate {
        serial_number: SerialNumber::from_unsigned(&[1]),
        validity: Validity {
            not_after: Timestamp::MAX,
            ..this_century()
        },
        subject: name.clone(),
        public_key: key.public_key(),
        extensions: Vec::new(),
    };
    let certificate = key.issue(&template, &name);
    assert_eq!(certificate.validity().not_after, Timestamp::MAX);
    let openssl = Openssl::new();
    openssl.write("certificate", certificate.to_pem());
    let printed = openssl.run("x509 -in certificate -noout -enddate");
    assert_eq!(printed, "notAfter=Dec 31 23:59:59 9999 GMT\n");
}

#[test]
fn odd_serial_numbers_are_read_as_they_are() {
    let key = Key::generate();
    let long = [0x7f; 40];
    for octets in [&[0][..], &[0xff], &[0x80, 0, 0], &long, &[0, 0, 1]] {
        let name = Name::common("odd", &[]);
        let template = CertificateTemplate {
            serial_number: SerialNumber::from_octets(octets),
            validity: this_century(),
            subject: name.clone(),
            public_key: key.public_key(),
            extensions: Vec::new(),
        };
        let certificate = key.issue(&template, &name);
        assert_eq!(certificate.serial_number().octets(), octets);
        assert!(certificate.is_self_signed());
    }
}

#[test]
fn an_extension_named_by_a_uuid_is_no_obstacle() {
    let named: ObjectIdentifier = "2.25.329800735698586629295641978511506172918"
        .parse()
        .unwrap();
    let extension = Extension {
        oid: named,
        critical: false,
        value: vec![5, 0],
    };
    let certificate =
        Key::generate().self_signed(Name::common("uuid", &[]), vec![extension.clone()]);
    assert_eq!(certificate.extensions(), [extension]);
    let openssl = Openssl::new();
    openssl.write("certificate", certificate.to_pem());
    let printed = openssl.run("x509 -in certificate -noout -text");
    assert!(
        printed.contains("2.25.329800735698586629295641978511506172918"),
        "{printed}"
    );
}

#[test]
fn undecodable_extensions_hide_nothing_else() {
    let broken = |oid| Extension {
        oid,
        critical: true,
        value: vec![0xff, 0xff],
    };
    let extensions = vec![
        broken(oid::SUBJECT_ALT_NAME),
        broken(oid::BASIC_CONSTRAINTS),
        broken(oid::KEY_USAGE),
    ];
    let certificate = Key::generate().self_signed(Name::common("x", &[]), extensions.clone());
    assert_eq!(certificate.extensions(), extensions);
    assert!(certificate.subject_alt_names().is_empty());
    assert!(certificate.subject_alt_names_result().is_err());
    assert!(!certificate.is_ca() && certificate.key_usage().is_none());
}

#[test]
fn lengths_that_are_not_der_are_followed() {
    let key = Key::generate();
    let certificate = key.self_signed(Name::common("ber", &[]), Vec::new());
    let Some((_, contents)) = certificate.der().split_at_checked(4) else {
        panic!()
    };
    let indefinite = [&[0x30, 0x80], contents, &[0, 0]].concat();
    let long = [&[0x30, 0x84, 0, 0][..], &certificate.der()[2..4], contents].concat();
    for der in [indefinite, long] {
        let read = Certificate::from_der(&der).unwrap();
        assert_eq!(read.der(), der);
        assert_eq!(read.tbs_der(), certificate.tbs_der());
        assert!(read.is_self_signed());
    }
}

#[test]
fn what_follows_a_certificate_is_refused_or_returned() {
    let certificate = Key::generate().self_signed(Name::common("x", &[]), Vec::new());
    let der = [certificate.der(), b"rest"].concat();
    let error = Certificate::from_der(&der).unwrap_err();
    let CertificateError::Malformed(reason) = &error else {
        panic!("{error}")
    };
    assert!(
        reason.to_string().contains("4 unexpected bytes"),
        "{reason}"
    );
    assert_eq!(
        Certificate::from_der_prefix(&der),
        Ok((certificate, &b"rest"[..]))
    );
}

#[test]
fn an_algorithm_that_cannot_be_written_is_refused_with_its_name() {
    let key = Key::generate();
    let template = CertificateTemplate {
        serial_number: SerialNumber::from_unsigned(&[1]),
        validity: this_century(),
        subject: Name::common("x", &[]),
        public_key: key.public_key(),
        extensions: Vec::new(),
    };
    let error = template.tbs_der(&template.subject, SignatureAlgorithm::Other(oid::ED448));
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot sign with algorithm 1.3.101.113"
    );
}
