//! Every format that inspect reads, made by OpenSSL, read by the real binary, asserted by value.

use super::support::{Issue, Workplace, codes, kinds};
use serde_json::json;

#[test]
fn a_certificate_shows_all_that_is_in_it() {
    let here = Workplace::new();
    here.ca("ca", "/CN=kubernetes");
    here.issue(
        "apiserver",
        &Issue {
            subject: "/O=system:masters/O=second/CN=kube-apiserver",
            by: Some("ca"),
            serial: "0A1B2C",
            key: "rsa:2048",
            extensions: &format!(
                "{}\n1.2.3.4=ASN1:UTF8String:anything",
                super::support::SERVER_EXTENSIONS
            ),
            ..Issue::default()
        },
    );
    let items = here.items(&["apiserver.crt", "ca.crt"]);
    let certificate = &items[0];
    let fingerprint = here.openssl("x509 -in apiserver.crt -noout -fingerprint -sha256");
    let fingerprint = String::from_utf8(fingerprint).unwrap();
    let expected_fingerprint = fingerprint
        .split_once('=')
        .unwrap()
        .1
        .trim()
        .replace(':', "")
        .to_lowercase();
    let wanted = json!({
        "kind": "Certificate",
        "location": {"path": "apiserver.crt", "index": 1},
        "subject": "O=system:masters, O=second, CN=kube-apiserver",
        "subjectRdns": [
            [{"type": "O", "oid": "2.5.4.10", "value": "system:masters"}],
            [{"type": "O", "oid": "2.5.4.10", "value": "second"}],
            [{"type": "CN", "oid": "2.5.4.3", "value": "kube-apiserver"}],
        ],
        "issuer": "CN=kubernetes",
        "serialNumber": "0A1B2C",
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2027-01-01T00:00:00Z",
        "residualTime": 214 * 86_400,
        "state": "Valid",
        "subjectAltNames": [
            {"type": "DNS", "value": "kubernetes"},
            {"type": "DNS", "value": "kubernetes.default"},
            {"type": "IP", "value": "10.96.0.1"},
            {"type": "URI", "value": "spiffe://cluster/x"},
            {"type": "email", "value": "a@example.org"},
        ],
        "keyUsage": ["digitalSignature", "keyEncipherment"],
        "extendedKeyUsage": ["serverAuth"],
        "signatureAlgorithm": "ecdsa-with-SHA256",
        "version": 3,
        "fingerprintSha256": expected_fingerprint,
        "signedBy": {
            "itself": false, "name": "CN=kubernetes", "location": {"path": "ca.crt", "index": 1},
        },
        "keyMatches": true,
        "keyLocation": {"path": "apiserver.key", "index": 1},
        "findings": [],
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&certificate[field], value, "{field}");
    }
    assert_eq!(certificate["publicKey"]["algorithm"], "RSA-2048");
    assert_eq!(certificate["publicKey"]["bits"], 2048);
    assert_eq!(
        certificate["authorityKeyIdentifier"],
        items[1]["subjectKeyIdentifier"]
    );
    let value = format!("0c08{}", hex("anything"));
    let unknown = json!({"oid": "1.2.3.4", "critical": false, "value": value});
    assert!(
        certificate["extensions"]
            .as_array()
            .unwrap()
            .contains(&unknown)
    );
    assert_eq!(items[1]["basicConstraints"], json!({"ca": true}));
    assert_eq!(items[1]["signedBy"], json!({"itself": true}));
}

#[test]
fn pem_in_any_mixture() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    here.openssl("ecparam -name prime256v1 -out parameters.pem");
    let text = format!(
        "Certificate:\n    Data: as openssl x509 -text puts it\n{}\nsubject=/CN=ca\n{}{}{}",
        here.text("web.crt"),
        here.text("ca.crt"),
        here.text("parameters.pem"),
        here.text("web.key"),
    );
    here.write("mixed.pem", &text);
    here.write("crlf.pem", text.replace('\n', "\r\n"));
    for file in ["mixed.pem", "crlf.pem"] {
        let items = here.items(&[file]);
        assert_eq!(
            kinds(&items),
            ["Certificate", "Certificate", "PrivateKey"],
            "{file}"
        );
        assert_eq!(items[0]["subject"], "CN=kube-apiserver");
        assert_eq!(
            items[0]["signedBy"]["location"],
            json!({"path": file, "index": 2})
        );
        assert_eq!(items[0]["keyMatches"], true);
        assert_eq!(items[2]["belongsTo"], json!({"path": file, "index": 1}));
        assert_eq!(codes(&items[0]), [""; 0]);
    }
}

#[test]
fn blocks_without_a_newline_between_them_are_read_and_flagged() {
    let here = Workplace::new();
    here.ca("one", "/CN=one");
    here.ca("two", "/CN=two");
    here.write(
        "glued.pem",
        here.text("one.crt").trim_end().to_owned() + &here.text("two.crt"),
    );
    let (value, outcome) = here.json(&["glued.pem"]);
    let items = value["items"].as_array().unwrap();
    assert_eq!(
        [&items[0]["subject"], &items[1]["subject"]],
        ["CN=one", "CN=two"]
    );
    assert!(
        codes(&items[1]).contains(&"pem-not-on-its-own-lines"),
        "{items:#?}"
    );
    assert_eq!(outcome.code, 3);
}

#[test]
fn trusted_certificates_and_old_labels() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.openssl("x509 -in ca.crt -trustout -addtrust serverAuth -setalias mine -out trusted.pem");
    assert!(
        here.text("trusted.pem")
            .contains("BEGIN TRUSTED CERTIFICATE")
    );
    here.write(
        "x509.pem",
        here.text("ca.crt")
            .replace(" CERTIFICATE", " X509 CERTIFICATE"),
    );
    here.write(
        "new.pem",
        here.text("ca.csr")
            .replace("CERTIFICATE REQ", "NEW CERTIFICATE REQ"),
    );
    let plain = here.items(&["ca.crt"]);
    for file in ["trusted.pem", "x509.pem"] {
        let items = here.items(&[file]);
        assert_eq!(
            items[0]["fingerprintSha256"], plain[0]["fingerprintSha256"],
            "{file}"
        );
    }
    assert_eq!(kinds(&here.items(&["new.pem"])), ["CertificationRequest"]);
}

#[test]
fn der_of_every_kind() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.key("rsa", "rsa:2048");
    here.openssl("x509 -in ca.crt -outform DER -out ca.der");
    here.openssl("req -in ca.csr -outform DER -out request.der");
    here.openssl("pkcs8 -topk8 -nocrypt -in rsa.key -outform DER -out pkcs8.der");
    here.openssl("rsa -in rsa.key -traditional -outform DER -out pkcs1.der");
    here.openssl("ec -in ca.key -outform DER -out sec1.der");
    here.openssl("pkey -in rsa.key -pubout -outform DER -out spki.der");
    here.openssl("rsa -in rsa.key -RSAPublicKey_out -outform DER -out rsa-public.der");
    here.openssl("crl2pkcs7 -nocrl -certfile ca.crt -outform DER -out pkcs7.der");
    let cases = [
        ("ca.der", "Certificate", None),
        ("request.der", "CertificationRequest", None),
        ("pkcs8.der", "PrivateKey", Some("PKCS#8")),
        ("pkcs1.der", "PrivateKey", Some("PKCS#1")),
        ("sec1.der", "PrivateKey", Some("SEC1")),
        ("spki.der", "PublicKey", None),
        ("rsa-public.der", "PublicKey", None),
        ("pkcs7.der", "Certificate", None),
    ];
    for (file, kind, encoding) in cases {
        let items = here.items(&[file]);
        assert_eq!(kinds(&items), [kind], "{file}");
        assert_eq!(items[0]["encoding"].as_str(), encoding, "{file}");
    }
    let public = |file: &str| here.items(&[file])[0]["publicKey"]["fingerprintSha256"].clone();
    for file in ["pkcs1.der", "spki.der", "rsa-public.der"] {
        assert_eq!(public(file), public("pkcs8.der"), "{file}");
    }
}

#[test]
fn keys_show_type_size_and_public_fingerprint_only() {
    let here = Workplace::new();
    let kinds_of_keys = [
        ("rsa:1024", "RSA-1024"),
        ("rsa:2048", "RSA-2048"),
        ("ec:P-256", "ECDSA-P256"),
        ("ec:P-384", "ECDSA-P384"),
        ("ec:P-521", "ECDSA-P521"),
        ("ed25519", "Ed25519"),
    ];
    for (kind, shown) in kinds_of_keys {
        here.key("some", kind);
        here.openssl("pkey -in some.key -pubout -out some.pub");
        let spki = here.openssl("pkey -in some.key -pubout -outform DER");
        here.write("spki.der", spki);
        let hash = String::from_utf8(here.openssl("dgst -sha256 -r spki.der")).unwrap();
        let items = here.items(&["some.key", "some.pub"]);
        for item in &items {
            assert_eq!(item["publicKey"]["algorithm"], shown);
            let fingerprint = item["publicKey"]["fingerprintSha256"].as_str().unwrap();
            assert!(hash.starts_with(fingerprint), "{kind}");
        }
        assert_eq!(
            items[0]["belongsTo"],
            json!({"path": "some.pub", "index": 1})
        );
        assert_eq!(items[1]["keyMatches"], true);
        let secret = here.text("some.key").lines().nth(1).unwrap().to_owned();
        let outcome = here.inspect(&["-o", "wide", "some.key"]);
        assert!(!outcome.stdout.contains(&secret));
    }
}

#[test]
fn encrypted_keys_are_keys_of_which_nothing_is_known() {
    let here = Workplace::new();
    here.key("plain", "rsa:2048");
    here.openssl("pkcs8 -topk8 -in plain.key -passout pass:x -out pkcs8.pem");
    here.openssl("rsa -in plain.key -traditional -aes256 -passout pass:x -out old.pem");
    here.openssl("pkcs8 -topk8 -in plain.key -passout pass:x -outform DER -out pkcs8.der");
    for file in ["pkcs8.pem", "old.pem", "pkcs8.der"] {
        let (value, outcome) = here.json(&[file]);
        let item = &value["items"][0];
        assert_eq!(item["kind"], "PrivateKey", "{file}");
        assert_eq!(item["encrypted"], true, "{file}");
        assert_eq!(item["publicKey"], json!(null), "{file}");
        assert_eq!(codes(item), ["encrypted"], "{file}");
        assert_eq!(outcome.code, 0, "{file}");
    }
}

#[test]
fn pkcs7_bundles() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    here.openssl("crl2pkcs7 -nocrl -certfile web.crt -certfile ca.crt -out both.p7b");
    let items = here.items(&["both.p7b"]);
    assert_eq!(kinds(&items), ["Certificate", "Certificate"]);
    assert_eq!(
        items[0]["signedBy"]["location"],
        json!({"path": "both.p7b", "index": 2})
    );
}

#[test]
fn requests_with_what_they_ask_for() {
    let here = Workplace::new();
    here.key("web", "ec:P-256");
    here.openssl_with(&[
        "req",
        "-new",
        "-key",
        "web.key",
        "-subj",
        "/O=system:nodes/CN=system:node:cp-1",
        "-addext",
        "subjectAltName=DNS:cp-1,IP:::1",
        "-addext",
        "extendedKeyUsage=serverAuth",
        "-out",
        "web.csr",
    ]);
    let item = &here.items(&["web.csr"])[0];
    assert_eq!(item["subject"], "O=system:nodes, CN=system:node:cp-1");
    assert_eq!(item["signatureValid"], true);
    assert_eq!(item["extendedKeyUsage"], json!(["serverAuth"]));
    assert_eq!(
        item["subjectAltNames"],
        json!([{"type": "DNS", "value": "cp-1"}, {"type": "IP", "value": "::1"}])
    );
    assert_eq!(item["keyMatches"], true);

    let mut der = here.openssl("req -in web.csr -outform DER");
    *der.last_mut().unwrap() ^= 1;
    here.write("forged.csr", der);
    let (value, outcome) = here.json(&["forged.csr"]);
    assert_eq!(codes(&value["items"][0]), ["request-signature-invalid"]);
    assert_eq!(outcome.code, 4);
}

#[test]
fn bare_base64_as_a_clipboard_gives_it() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.openssl("x509 -in ca.crt -outform DER -out ca.der");
    here.write("of-pem.txt", here.base64("ca.crt"));
    here.write("of-der.txt", here.base64("ca.der") + "\n");
    for file in ["of-pem.txt", "of-der.txt"] {
        assert_eq!(here.items(&[file])[0]["subject"], "CN=ca", "{file}");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
