//! Keys as they are found on hosts: old, odd, mislabelled, encrypted, damaged.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod openssl;

use kubepki_keys::{
    KeyEncoding, KeyError, KeyType, PrivateKey, is_private_key_label, public_half,
    public_half_of_block,
};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{KeyAlgorithm, pem};
use openssl::OpenSsl;

fn sealed(text: impl Into<Vec<u8>>) -> Sealed {
    Sealed::new(text.into())
}

fn text(sealed: &Sealed) -> String {
    String::from_utf8(danger::open(sealed).to_vec()).unwrap()
}

/// Writes what OpenSSL says the public key is, and compares.
#[track_caller]
fn assert_public_half(openssl: &OpenSsl, file: &str) -> KeyAlgorithm {
    openssl.run(&format!(
        "pkey -in {file} -pubout -outform DER -out public.der"
    ));
    let half = public_half(&openssl.read_key(file)).unwrap();
    assert_eq!(half.public_key.spki_der(), openssl.read("public.der"));
    half.public_key.algorithm()
}

#[test]
fn keys_that_are_too_weak_to_use_still_show_their_public_half() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:1024 -out key.pem");
    let algorithm = assert_public_half(&openssl, "key.pem");
    assert_eq!(algorithm, KeyAlgorithm::Rsa { bits: 1024 });

    let key = PrivateKey::from_pem(&openssl.read_key("key.pem")).unwrap();
    assert_eq!(key.key_type(), None);
    let error = key.sign(b"message").unwrap_err();
    assert_eq!(error.code(), "private-key-cannot-sign");
    assert_eq!(
        error.to_string(),
        "RSA-1024 private key cannot be used to sign: its size is outside 2048 to 8192 bits"
    );
}

#[test]
fn p521_is_read_written_and_signed_with_though_never_made() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key.pem");
    let algorithm = assert_public_half(&openssl, "key.pem");
    assert_eq!(algorithm, KeyAlgorithm::EcdsaP521);
    let key = PrivateKey::from_pem(&openssl.read_key("key.pem")).unwrap();
    assert_eq!(key.key_type(), None);
    let theirs = openssl.text("pkey -in key.pem -traditional");
    assert_eq!(text(&key.to_pem(KeyEncoding::Sec1).unwrap()), theirs);
    let (algorithm, signature) = key.sign(b"message").unwrap();
    key.public_key()
        .verify(algorithm, b"message", &signature)
        .unwrap();
}

#[test]
fn the_public_half_is_computed_where_it_is_not_stored() {
    let openssl = OpenSsl::new();
    for curve in ["P-256", "P-384", "P-521"] {
        openssl.run(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out full.pem"
        ));
        let full = public_half(&openssl.read_key("full.pem")).unwrap();
        for form in ["-no_public", "-conv_form compressed"] {
            openssl.run(&format!("ec -in full.pem {form} -out key.pem"));
            let half = public_half(&openssl.read_key("key.pem")).unwrap();
            assert_eq!(half.public_key, full.public_key, "{curve} {form}");
            assert_eq!(half.encoding, KeyEncoding::Sec1);
            openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem");
            let half = public_half(&openssl.read_key("pkcs8.pem")).unwrap();
            assert_eq!(half.public_key, full.public_key, "{curve} {form}");
        }
    }
}

#[test]
fn a_curve_that_is_not_known_is_taken_at_its_word_or_refused() {
    let openssl = OpenSsl::new();
    openssl.run("ecparam -name secp256k1 -genkey -noout -out key.pem");
    let algorithm = assert_public_half(&openssl, "key.pem");
    assert!(matches!(algorithm, KeyAlgorithm::Other(_)));
    let error = PrivateKey::from_pem(&openssl.read_key("key.pem")).unwrap_err();
    assert_eq!(error.code(), "private-key-cannot-sign");

    openssl.run("ec -in key.pem -no_public -out bare.pem");
    let error = public_half(&openssl.read_key("bare.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "elliptic curve 1.3.132.0.10 is not supported, and the key does not carry its public half"
    );
}

#[test]
fn explicit_curve_parameters_are_refused_by_name() {
    let openssl = OpenSsl::new();
    openssl.run("ecparam -name prime256v1 -genkey -noout -param_enc explicit -out traditional.pem");
    openssl.run("pkcs8 -topk8 -nocrypt -in traditional.pem -out pkcs8.pem");
    for file in ["traditional.pem", "pkcs8.pem"] {
        let error = public_half(&openssl.read_key(file)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "EC private key has no named curve (explicit curve parameters)"
        );
    }
}

#[test]
fn a_pss_key_shows_its_public_half_and_does_not_sign() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    assert_public_half(&openssl, "key.pem");
    let error = PrivateKey::from_pem(&openssl.read_key("key.pem")).unwrap_err();
    assert_eq!(error.code(), "private-key-cannot-sign");
}

#[test]
fn other_algorithms_and_forms_are_refused_by_name() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -algorithm ed448 -out key.pem");
    let error = public_half(&openssl.read_key("key.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "private key algorithm 1.3.101.113 is not supported"
    );
    for label in ["DSA PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let pem = format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        let error = public_half(&sealed(pem)).unwrap_err();
        assert_eq!(error.code(), "private-key-form-unsupported");
        assert!(error.to_string().contains(label), "{error}");
    }
}

#[test]
fn encrypted_keys_are_named_as_such_in_every_form() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    openssl.run("rsa -in key.pem -aes256 -passout pass:secret -traditional -out rfc1421.pem");
    openssl.run("pkcs8 -topk8 -in key.pem -passout pass:secret -out pkcs8.pem");
    openssl.run("pkcs8 -topk8 -in key.pem -passout pass:secret -outform DER -out pkcs8.der");
    for (file, form) in [
        ("rfc1421.pem", "Proc-Type: 4,ENCRYPTED"),
        ("pkcs8.pem", "ENCRYPTED PRIVATE KEY"),
        ("pkcs8.der", "EncryptedPrivateKeyInfo"),
    ] {
        let error = public_half(&openssl.read_key(file)).unwrap_err();
        assert!(
            matches!(&error, KeyError::Encrypted { form: found } if found == form),
            "{file}: {error:?}"
        );
        if file.ends_with(".pem") {
            let error = PrivateKey::from_pem(&openssl.read_key(file)).unwrap_err();
            assert_eq!(error.code(), "private-key-encrypted");
        }
    }
}

#[test]
fn the_first_key_is_found_among_other_blocks() {
    let openssl = OpenSsl::new();
    // OpenSSL writes EC PARAMETERS before the key here
    openssl.run("ecparam -name prime256v1 -genkey -out key.pem");
    openssl.run("req -x509 -key key.pem -subj /CN=test -out certificate.pem");
    let key = String::from_utf8(openssl.read("key.pem")).unwrap();
    let certificate = String::from_utf8(openssl.read("certificate.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN EC PARAMETERS-----"));
    let both = format!("{certificate}some text\n{key}");
    for contents in [key.clone(), both.clone(), both.replace('\n', "\r\n")] {
        let half = public_half(&sealed(contents.clone())).unwrap();
        assert_eq!(half.encoding, KeyEncoding::Sec1);
        assert_eq!(half.public_key.algorithm(), KeyAlgorithm::EcdsaP256);
        PrivateKey::from_pem(&sealed(contents)).unwrap();
    }
    let halves: Vec<_> = pem::parse(both.as_bytes())
        .blocks
        .iter()
        .filter(|block| is_private_key_label(&block.label))
        .map(|block| public_half_of_block(block).unwrap())
        .collect();
    assert_eq!(halves.len(), 1);

    let error = public_half(&sealed(certificate)).unwrap_err();
    assert_eq!(error.code(), "no-private-key");
    assert_eq!(
        error.to_string(),
        "no private key found (found CERTIFICATE)"
    );
}

#[test]
fn a_label_that_does_not_fit_is_seen_through() {
    // Go, and so every Kubernetes component, reads these
    for key_type in [KeyType::EcdsaP256, "rsa:2048".parse().unwrap()] {
        let key = PrivateKey::generate(key_type).unwrap();
        for encoding in [key_type.traditional_encoding(), KeyEncoding::Pkcs8] {
            let pem = text(&key.to_pem(encoding).unwrap());
            for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
                let mislabelled = pem.replace(encoding.label(), label);
                let half = public_half(&sealed(mislabelled)).unwrap();
                assert_eq!(half.encoding, encoding);
                assert_eq!(&half.public_key, key.public_key());
            }
        }
    }
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    let one = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let other = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    for encoding in [KeyEncoding::Sec1, KeyEncoding::Pkcs8] {
        let der = danger::open(&one.to_der(encoding).unwrap()).to_vec();
        let point = one.public_key().subject_public_key();
        let foreign = other.public_key().subject_public_key();
        let start = der
            .windows(point.len())
            .position(|part| part == point)
            .unwrap();
        let mut mixed = der.clone();
        mixed[start..start + point.len()].copy_from_slice(foreign);
        let error = PrivateKey::from_der(&sealed(mixed)).unwrap_err();
        assert_eq!(error.code(), "private-key-inconsistent");
    }

    // RSA with another modulus of the same length
    let one = PrivateKey::generate("rsa:2048".parse().unwrap()).unwrap();
    let mut der = danger::open(&one.to_der(KeyEncoding::Pkcs1).unwrap()).to_vec();
    der[60] ^= 1;
    let error = PrivateKey::from_der(&sealed(der)).unwrap_err();
    assert_eq!(error.code(), "private-key-malformed");
}

#[test]
fn scalars_with_lost_or_added_zeros_are_read() {
    let openssl = OpenSsl::new();
    // a scalar of 31 octets, as some libraries wrote it: SEC1 without a public half
    let short = [&[0x30, 0x30, 0x02, 0x01, 0x01, 0x04, 31][..], &[7; 31]].concat();
    let parameters = [0xa0, 0x0a, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let short = [&short[..], &parameters].concat();
    let mut long = vec![0x30, 0x32, 0x02, 0x01, 0x01, 0x04, 33, 0, 0];
    long.extend([7; 31]);
    long.extend(parameters);
    let short = PrivateKey::from_der(&sealed(short)).unwrap();
    let long = PrivateKey::from_der(&sealed(long)).unwrap();
    assert_eq!(short.public_key(), long.public_key());
    let pkcs8 = short.to_pem(KeyEncoding::Pkcs8).unwrap();
    openssl.write_key("key.pem", &pkcs8);
    openssl.run("pkey -in key.pem -check -noout");
}

#[test]
fn nonsense_is_refused_without_a_panic() {
    let key = PrivateKey::generate(KeyType::EcdsaP384).unwrap();
    let der = danger::open(&key.to_der(KeyEncoding::Pkcs8).unwrap()).to_vec();
    for length in 0..der.len() {
        assert!(public_half(&sealed(&der[..length])).is_err());
    }
    assert!(PrivateKey::from_der(&sealed([&der[..], b"x"].concat())).is_err());
    for contents in [
        &b""[..],
        b"-----BEGIN PRIVATE KEY-----",
        b"0",
        b"\x30\x80\x00\x00",
    ] {
        assert!(public_half(&sealed(contents)).is_err());
        assert!(PrivateKey::from_pem(&sealed(contents)).is_err());
    }
    let empty_scalar = [0x30, 0x05, 0x02, 0x01, 0x01, 0x04, 0x00];
    assert!(public_half(&sealed(empty_scalar)).is_err());
}

#[test]
fn a_file_that_holds_nothing_is_said_to_hold_nothing() {
    for (contents, expected) in [
        (&b""[..], "no private key found (found an empty file)"),
        (b" \n", "no private key found (found an empty file)"),
        (
            b"nothing\n",
            "no private key found (found neither PEM text nor DER)",
        ),
    ] {
        let error = public_half(&Sealed::from(contents.to_vec())).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.code(), "no-private-key");
    }
}
