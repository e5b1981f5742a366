//! PKCS#12 files as OpenSSL writes them, in every algorithm that it offers, and in BER.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod openssl;

use aws_lc_rs::{hmac, pbkdf2};
use kubepki_keys::pkcs12::{self, Contents, Pkcs12Error};
use kubepki_keys::{KeyEncoding, KeyError, public_half};
use kubepki_sealed::Sealed;
use openssl::OpenSsl;

/// A folder with a CA, a certificate `leaf.pem` under it and its key `leaf.key`.
fn with_certificates() -> OpenSsl {
    let openssl = OpenSsl::new();
    for (name, extra) in [("ca", ""), ("leaf", "-CA ca.pem -CAkey ca.key")] {
        openssl.run(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
             -keyout {name}.key -out {name}.pem {extra}"
        ));
    }
    openssl
}

fn export(openssl: &OpenSsl, password: &str, options: &str) -> Vec<u8> {
    openssl.write("password", password);
    openssl.run(&format!(
        "pkcs12 -export -inkey leaf.key -in leaf.pem -certfile ca.pem -name the-leaf \
         -passout file:password -out file.p12 {options}"
    ));
    openssl.read("file.p12")
}

fn open(file: &[u8], password: &str) -> Result<Contents, Pkcs12Error> {
    pkcs12::open(file, &Sealed::new(password.as_bytes().to_vec()))
}

#[track_caller]
fn assert_complete(openssl: &OpenSsl, file: &[u8], password: &str) {
    let contents = open(file, password).unwrap_or_else(|error| panic!("{error}"));
    let subjects: Vec<String> = contents
        .certificates
        .iter()
        .map(|bag| bag.certificate.as_ref().unwrap().subject().to_string())
        .collect();
    assert_eq!(subjects, ["CN=leaf", "CN=ca"]);
    let [key] = contents.keys.as_slice() else {
        panic!("{} keys", contents.keys.len());
    };
    let half = key.public_half.as_ref().unwrap();
    let expected = public_half(&openssl.read_key("leaf.key")).unwrap();
    assert_eq!(half.public_key, expected.public_key);
    assert_eq!(half.encoding, KeyEncoding::Pkcs8);
    assert_eq!(key.friendly_name.as_deref(), Some("the-leaf"));
    let leaf = contents.certificates.first().unwrap();
    assert_eq!(leaf.friendly_name.as_deref(), Some("the-leaf"));
    assert!(key.local_key_id.is_some());
    assert_eq!(leaf.local_key_id, key.local_key_id);
}

const ALGORITHMS: [&str; 14] = [
    "",
    "-legacy",
    "-legacy -descert",
    "-keypbe AES-128-CBC -certpbe AES-192-CBC",
    "-keypbe DES-EDE3-CBC -certpbe DES-EDE3-CBC",
    "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-2DES",
    "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-128",
    "-keypbe NONE -certpbe NONE",
    "-keypbe AES-256-CBC -certpbe NONE",
    "-macalg sha1",
    "-macalg sha384",
    "-macalg sha512 -iter 1",
    "-iter 100000",
    "-nomac",
];

#[test]
fn files_in_every_algorithm_are_opened() {
    let openssl = with_certificates();
    for options in ALGORITHMS {
        let file = export(&openssl, "secret", options);
        assert!(pkcs12::is_pkcs12(&file), "{options}");
        assert_complete(&openssl, &file, "secret");
    }
}

#[test]
fn a_wrong_password_is_named_as_such() {
    let openssl = with_certificates();
    for options in ALGORITHMS {
        let file = export(&openssl, "secret", options);
        for wrong in ["", "Secret", "secret\n", "sécret"] {
            let outcome = open(&file, wrong);
            assert_eq!(outcome.err(), Some(Pkcs12Error::WrongPassword), "{options}");
        }
    }
    assert_eq!(Pkcs12Error::WrongPassword.code(), "pkcs12-wrong-password");
}

#[test]
fn unusual_passwords_are_right_in_both_derivations() {
    let openssl = with_certificates();
    let long = "long ".repeat(40);
    for password in ["", " ", "pässwörd", "密码🔑", &long] {
        for options in ["", "-legacy", "-nomac", "-legacy -nomac"] {
            let file = export(&openssl, &format!("{password}\n"), options);
            assert_complete(&openssl, &file, password);
        }
    }
}

#[test]
fn keys_and_certificates_alone_are_opened() {
    let openssl = with_certificates();
    openssl.run("pkcs12 -export -nokeys -in ca.pem -passout pass:secret -out file.p12");
    let contents = open(&openssl.read("file.p12"), "secret").unwrap();
    assert_eq!((contents.certificates.len(), contents.keys.len()), (1, 0));
    openssl.run("pkcs12 -export -nocerts -inkey ca.key -passout pass:secret -out file.p12");
    let contents = open(&openssl.read("file.p12"), "secret").unwrap();
    assert_eq!((contents.certificates.len(), contents.keys.len()), (0, 1));
}

#[test]
fn a_key_that_cannot_be_read_does_not_hide_the_rest() {
    let openssl = OpenSsl::new();
    openssl.run("req -x509 -newkey ed448 -nodes -subj /CN=odd -keyout leaf.key -out leaf.pem");
    openssl.run("pkcs12 -export -inkey leaf.key -in leaf.pem -passout pass:x -out file.p12");
    let contents = open(&openssl.read("file.p12"), "x").unwrap();
    assert_eq!(contents.certificates.len(), 1);
    let key = contents.keys.first().unwrap();
    assert!(matches!(
        key.public_half,
        Err(KeyError::UnsupportedAlgorithm { .. })
    ));
}

#[test]
fn what_is_not_supported_is_named() {
    let openssl = with_certificates();
    let file = export(&openssl, "secret", "-legacy -certpbe PBE-SHA1-RC4-128");
    let error = open(&file, "secret").err().unwrap();
    assert_eq!(
        error.to_string(),
        "PKCS#12 encryption 1.2.840.113549.1.12.1.1 is not supported"
    );
    let file = export(&openssl, "secret", "-macalg sm3");
    let error = open(&file, "secret").err().unwrap();
    assert_eq!(error.code(), "pkcs12-algorithm-unsupported");
}

#[test]
fn indefinite_lengths_and_octet_strings_in_pieces_are_opened() {
    let openssl = with_certificates();
    for options in ["-nomac", "-nomac -keypbe NONE -certpbe NONE"] {
        let file = export(&openssl, "secret", options);
        let ber = to_ber(&file);
        assert!(ber.windows(2).any(|pair| pair == [0x30, 0x80]));
        openssl.write("ber.p12", &ber);
        openssl.run("pkcs12 -in ber.p12 -passin pass:secret -nodes -out contents.pem");
        assert_complete(&openssl, &ber, "secret");
    }
}

#[test]
fn the_integrity_check_of_rfc_9579_is_understood() {
    let openssl = with_certificates();
    let file = export(&openssl, "secret", "-nomac");
    let safe = elements(contents(&file));
    // [0] EXPLICIT OCTET STRING of the ContentInfo
    let covered = contents(contents(elements(contents(safe[1]))[1]));

    let mut key = [0; 32];
    let iterations = std::num::NonZeroU32::new(2048).unwrap();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        b"saltsalt",
        b"secret",
        &mut key,
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), covered);

    let hmac_with_sha256 = [
        0x30, 0x0c, 0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9, 0x05, 0,
    ];
    let pbkdf2 = [
        tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12]),
        tlv(
            0x30,
            &[
                tlv(0x04, b"saltsalt"),
                tlv(0x02, &[0x08, 0x00]),
                tlv(0x02, &[32]),
                hmac_with_sha256.to_vec(),
            ]
            .concat(),
        ),
    ];
    let parameters = [tlv(0x30, &pbkdf2.concat()), hmac_with_sha256.to_vec()];
    let pbmac1 = [
        tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 14]),
        tlv(0x30, &parameters.concat()),
    ];
    let digest_info = [tlv(0x30, &pbmac1.concat()), tlv(0x04, tag.as_ref())];
    let mac_data = [tlv(0x30, &digest_info.concat()), tlv(0x04, b"unused")];
    let whole = [safe[0], safe[1], &tlv(0x30, &mac_data.concat())].concat();
    let file = tlv(0x30, &whole);

    assert_complete(&openssl, &file, "secret");
    assert!(open(&file, "secret").unwrap().integrity_checked);
    assert_eq!(open(&file, "other").err(), Some(Pkcs12Error::WrongPassword));
}

#[test]
fn damaged_and_foreign_files_are_refused_without_a_panic() {
    let openssl = with_certificates();
    let file = export(&openssl, "secret", "-iter 1");
    for length in 0..file.len() {
        assert!(open(&file[..length], "secret").is_err());
    }
    for position in 0..file.len() {
        let mut damaged = file.clone();
        damaged[position] ^= 0x55;
        // damage outside what the check covers may go unnoticed; it must not panic
        let _ = open(&damaged, "secret");
    }
    openssl.run("x509 -in ca.pem -outform DER -out ca.der");
    let certificate = openssl.read("ca.der");
    assert!(!pkcs12::is_pkcs12(&certificate));
    assert_eq!(
        open(&certificate, "").err().unwrap().code(),
        "pkcs12-malformed"
    );

    // an iteration count of four thousand million is refused at once
    let outer = elements(contents(&file));
    let mac = elements(contents(outer[2]));
    let count = tlv(0x02, &[0x00, 0xff, 0xff, 0xff, 0xff]);
    let mac = tlv(0x30, &[mac[0], mac[1], &count].concat());
    let greedy = tlv(0x30, &[outer[0], outer[1], &mac].concat());
    let error = open(&greedy, "secret").err();
    assert_eq!(error, Some(Pkcs12Error::Iterations { found: u32::MAX }));
}

/// Length of identifier and length octets, and of the contents, of the first value.
fn header(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7f);
            let length = der[2..2 + octets]
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet));
            (2 + octets, length)
        }
    }
}

fn contents(der: &[u8]) -> &[u8] {
    let (start, length) = header(der);
    &der[start..start + length]
}

fn elements(mut contents: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while !contents.is_empty() {
        let (start, length) = header(contents);
        let (element, rest) = contents.split_at(start + length);
        elements.push(element);
        contents = rest;
    }
    elements
}

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let header = match length {
        0..=0x7f => vec![tag, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, contents.to_vec()].concat()
}

/// Rewrites DER the way NSS does: indefinite lengths, octet strings in pieces. Looks into octet
/// strings that hold a safe, and leaves certificates and keys alone.
fn to_ber(der: &[u8]) -> Vec<u8> {
    const END: [u8; 2] = [0, 0];
    let tag = der[0];
    let inside = contents(der);
    if tag & 0x20 != 0 {
        let parts: Vec<u8> = elements(inside).into_iter().flat_map(to_ber).collect();
        return [&[tag, 0x80], &parts[..], &END].concat();
    }
    match tag {
        // an octet string, or the implicitly tagged one of EncryptedContentInfo
        0x04 | 0x80 if inside.len() > 16 => {
            let inside = if holds_a_safe(inside) {
                to_ber(inside)
            } else {
                inside.to_vec()
            };
            let pieces: Vec<u8> = inside
                .chunks(100)
                .flat_map(|piece| tlv(0x04, piece))
                .collect();
            [&[tag | 0x20, 0x80], &pieces[..], &END].concat()
        }
        _ => der.to_vec(),
    }
}

/// A sequence of bags or contents: SEQUENCE { SEQUENCE { OBJECT IDENTIFIER …
fn holds_a_safe(octets: &[u8]) -> bool {
    if octets[0] != 0x30 {
        return false;
    }
    let (start, length) = header(octets);
    start + length == octets.len()
        && octets[start] == 0x30
        && contents(&octets[start..]).first() == Some(&0x06)
}
