//! Certification requests: OpenSSL's read by us, ours verified by OpenSSL.

use kubepki_x509::{
    CertificationRequest, CertificationRequestInfo, ExtendedKeyUsage, GeneralName, Name,
    RequestError, profile,
};

use crate::{keys::Key, openssl::Openssl};

#[test]
fn a_request_by_openssl_is_read() {
    let openssl = Openssl::new();
    openssl.run(
        "req -new -newkey rsa:2048 -nodes -keyout key -out csr -subj /O=system:nodes/CN=system:node:a \
         -addext subjectAltName=DNS:a,IP:192.0.2.1 -addext extendedKeyUsage=serverAuth",
    );
    let request = CertificationRequest::from_pem(&openssl.read("csr")).unwrap();
    assert_eq!(
        request.subject().to_string(),
        "O=system:nodes, CN=system:node:a"
    );
    assert_eq!(request.public_key().algorithm().to_string(), "RSA-2048");
    assert_eq!(request.verify_self_signature(), Ok(()));
    let names: Vec<_> = request
        .subject_alt_names()
        .iter()
        .map(GeneralName::to_string)
        .collect();
    assert_eq!(names, ["DNS:a", "IP:192.0.2.1"]);
    assert_eq!(
        request.extended_key_usage(),
        Some(vec![ExtendedKeyUsage::ServerAuth])
    );
    assert_eq!(request.requested_extensions().len(), 2);
    assert_eq!(request.to_pem().as_bytes(), openssl.read("csr"));

    let mut broken = request.der().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let broken = CertificationRequest::from_der(&broken).unwrap();
    assert!(broken.verify_self_signature().is_err());
}

#[test]
fn our_requests_are_verified_by_openssl() {
    let key = Key::generate();
    let subject = Name::common("kube-apiserver", &[]);
    let names = [
        "DNS:kubernetes".parse().unwrap(),
        "IP:10.96.0.1".parse().unwrap(),
    ];
    for extensions in [
        Vec::new(),
        profile::requested(&subject, &[ExtendedKeyUsage::ServerAuth], &names),
    ] {
        let info = CertificationRequestInfo {
            subject: subject.clone(),
            public_key: key.public_key(),
            extensions,
        };
        let request = key.request(&info);
        assert_eq!(request.requested_extensions(), info.extensions);
        let openssl = Openssl::new();
        openssl.write("csr", request.to_pem());
        let printed = openssl.run("req -in csr -noout -verify -text");
        assert!(printed.contains("CN = kube-apiserver"), "{printed}");
        assert_eq!(
            printed.contains("DNS:kubernetes, IP Address:10.96.0.1"),
            !info.extensions.is_empty(),
            "{printed}"
        );
    }
}

#[test]
fn a_file_without_a_request_says_so() {
    let certificate = Key::generate().self_signed(Name::common("x", &[]), Vec::new());
    let error = CertificationRequest::from_pem(certificate.to_pem().as_bytes()).unwrap_err();
    assert_eq!(error, RequestError::None);
    let error = CertificationRequest::from_der(certificate.der()).unwrap_err();
    assert_eq!(error.code(), "request-malformed");
}
