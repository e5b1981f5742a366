//! PKCS #7 files by OpenSSL: bundles without a signature, and signed messages.

use kubepki_x509::{Name, pem, pkcs7};

use crate::{keys::Key, openssl::Openssl};

#[test]
fn a_bundle_is_read_in_der_and_pem() {
    let first = Key::generate().self_signed(Name::common("first", &[]), Vec::new());
    let second = Key::generate().self_signed(Name::common("second", &[]), Vec::new());
    let openssl = Openssl::new();
    openssl.write("bundle", [first.to_pem(), second.to_pem()].concat());
    openssl.run("crl2pkcs7 -nocrl -certfile bundle -outform DER -out p7.der");
    openssl.run("crl2pkcs7 -nocrl -certfile bundle -out p7.pem");
    let mut expected = vec![first, second];
    let mut found = pkcs7::certificates(&openssl.read("p7.der")).unwrap();
    // A SET has no order that a writer must keep.
    expected.sort_by_key(|certificate| certificate.der().to_vec());
    found.sort_by_key(|certificate| certificate.der().to_vec());
    assert_eq!(found, expected);
    assert_eq!(
        pkcs7::certificates_from_pem(&openssl.read("p7.pem"))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_streamed_message_with_indefinite_lengths_is_read() {
    let openssl = Openssl::new();
    openssl.run("req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -subj /CN=signer");
    openssl.write("message", "text");
    openssl.run(
        "cms -sign -stream -nodetach -in message -signer certificate -inkey key -outform DER -out p7",
    );
    let der = openssl.read("p7");
    assert_eq!(
        der.get(..2),
        Some(&[0x30, 0x80][..]),
        "OpenSSL streams with indefinite lengths"
    );
    assert_eq!(
        pkcs7::certificates(&der).unwrap(),
        [openssl.certificate("certificate")]
    );
}

#[test]
fn other_things_are_refused() {
    let certificate = Key::generate().self_signed(Name::common("x", &[]), Vec::new());
    let error = pkcs7::certificates(certificate.der()).unwrap_err();
    assert_eq!(error.code(), "pkcs7-malformed");
    let error = pkcs7::certificates_from_pem(certificate.to_pem().as_bytes()).unwrap_err();
    assert_eq!(error.code(), "no-pkcs7");
    // `data` instead of `signedData`.
    let data = pem::encode(
        "PKCS7",
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
    );
    let error = pkcs7::certificates_from_pem(data.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("not signedData"), "{error}");
}
