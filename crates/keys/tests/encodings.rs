//! Every encoding of every key type, written and read by this crate and by OpenSSL.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod openssl;

use kubepki_keys::{KeyEncoding, KeyError, KeyType, PrivateKey, RsaSize, public_half};
use kubepki_sealed::{Sealed, danger};
use openssl::OpenSsl;

fn encodings_of(key_type: KeyType) -> Vec<KeyEncoding> {
    match key_type {
        KeyType::Rsa(_) => vec![KeyEncoding::Pkcs1, KeyEncoding::Pkcs8],
        KeyType::EcdsaP256 | KeyType::EcdsaP384 => vec![KeyEncoding::Sec1, KeyEncoding::Pkcs8],
        KeyType::Ed25519 => vec![KeyEncoding::Pkcs8],
    }
}

fn text(sealed: &Sealed) -> String {
    String::from_utf8(danger::open(sealed).to_vec()).unwrap()
}

#[test]
fn openssl_reads_what_is_written_and_it_is_read_back() {
    let openssl = OpenSsl::new();
    for key_type in KeyType::ALL {
        let key = PrivateKey::generate(key_type).unwrap();
        assert_eq!(key.key_type(), Some(key_type));
        assert_eq!(key.encoding(), key_type.traditional_encoding());
        for encoding in encodings_of(key_type) {
            let pem = key.to_pem(encoding).unwrap();
            let begin = format!("-----BEGIN {}-----\n", encoding.label());
            assert!(text(&pem).starts_with(&begin), "{key_type} {encoding}");
            openssl.write_key("key.pem", &pem);

            openssl.run("pkey -in key.pem -check -noout");
            openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
            assert_eq!(openssl.read("public.der"), key.public_key().spki_der());

            let again = PrivateKey::from_pem(&pem).unwrap();
            assert_eq!(again.encoding(), encoding);
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(text(&again.to_pem(encoding).unwrap()), text(&pem));
            // and across the encodings without loss
            let there = PrivateKey::from_pem(&again.to_pem(KeyEncoding::Pkcs8).unwrap()).unwrap();
            assert_eq!(text(&there.to_pem(encoding).unwrap()), text(&pem));
        }
    }
}

#[test]
fn what_is_written_is_what_openssl_writes() {
    let openssl = OpenSsl::new();
    for key_type in KeyType::ALL {
        let key = PrivateKey::generate(key_type).unwrap();
        let pkcs8 = key.to_pem(KeyEncoding::Pkcs8).unwrap();
        openssl.write_key("pkcs8.pem", &pkcs8);
        assert_eq!(
            openssl.text("pkey -in pkcs8.pem"),
            text(&pkcs8),
            "{key_type}"
        );
        if key_type != KeyType::Ed25519 {
            let traditional = key.to_pem(key_type.traditional_encoding()).unwrap();
            let theirs = openssl.text("pkey -in pkcs8.pem -traditional");
            assert_eq!(theirs, text(&traditional), "{key_type}");
        }
    }
}

#[test]
fn what_openssl_makes_is_read() {
    let openssl = OpenSsl::new();
    for (arguments, key_type) in [
        (
            "rsa -pkeyopt rsa_keygen_bits:2048",
            KeyType::Rsa(RsaSize::Bits2048),
        ),
        (
            "rsa -pkeyopt rsa_keygen_bits:3072",
            KeyType::Rsa(RsaSize::Bits3072),
        ),
        ("EC -pkeyopt ec_paramgen_curve:P-256", KeyType::EcdsaP256),
        ("EC -pkeyopt ec_paramgen_curve:P-384", KeyType::EcdsaP384),
        ("ed25519", KeyType::Ed25519),
    ] {
        openssl.run(&format!("genpkey -out key.pem -algorithm {arguments}"));
        let key = PrivateKey::from_pem(&openssl.read_key("key.pem")).unwrap();
        assert_eq!(key.key_type(), Some(key_type));
        assert_eq!(key.encoding(), KeyEncoding::Pkcs8);

        openssl.run("pkey -in key.pem -outform DER -out key.der");
        let from_der = PrivateKey::from_der(&openssl.read_key("key.der")).unwrap();
        assert_eq!(from_der.public_key(), key.public_key());
        let half = public_half(&openssl.read_key("key.der")).unwrap();
        assert_eq!(&half.public_key, key.public_key());

        if key_type == KeyType::Ed25519 {
            continue; // has no other encoding
        }
        openssl.run("pkey -in key.pem -traditional -out traditional.pem");
        let traditional = PrivateKey::from_pem(&openssl.read_key("traditional.pem")).unwrap();
        assert_eq!(traditional.encoding(), key_type.traditional_encoding());
        assert_eq!(traditional.public_key(), key.public_key());
    }
}

#[test]
fn an_encoding_that_does_not_exist_for_the_key_is_refused_by_name() {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let error = key.to_pem(KeyEncoding::Pkcs1).err().unwrap();
    assert_eq!(error.code(), "private-key-encoding-mismatch");
    assert_eq!(
        error.to_string(),
        "ECDSA-P256 private key cannot be written as PKCS#1"
    );
    let key = PrivateKey::generate(KeyType::Ed25519).unwrap();
    assert!(matches!(
        key.to_pem(KeyEncoding::Sec1),
        Err(KeyError::EncodingMismatch { .. })
    ));
}

#[test]
fn debug_and_errors_never_show_key_material() {
    for key_type in [
        KeyType::Rsa(RsaSize::Bits2048),
        KeyType::EcdsaP256,
        KeyType::Ed25519,
    ] {
        let key = PrivateKey::generate(key_type).unwrap();
        let shown = format!("{key:?} {key:#?}");
        let der = key.to_der(key.encoding()).unwrap();
        let der = danger::open(&der);
        for window in der.windows(8) {
            assert!(!shown.contains(&hex::encode(window)), "{shown}");
            assert!(!shown.contains(&format!("{window:?}")), "{shown}");
        }
        assert!(shown.contains(&hex::encode(key.public_key().sha256())));

        // a key damaged anywhere gives an error that shows none of it either
        for position in (0..der.len()).step_by(7) {
            let mut damaged = der.to_vec();
            damaged[position] ^= 0x55;
            if let Err(error) = PrivateKey::from_der(&Sealed::new(damaged)) {
                let shown = format!("{error} {error:?}");
                for window in der.windows(8) {
                    assert!(!shown.contains(&hex::encode(window)), "{shown}");
                }
            }
        }
    }
}

#[test]
fn keys_are_made_in_threads() {
    let keys: Vec<PrivateKey> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| PrivateKey::generate(KeyType::EcdsaP384).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(keys.len(), 4);
}
