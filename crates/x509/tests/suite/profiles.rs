//! Certificates with kubeadm's extensions, judged by `openssl verify -x509_strict`.

use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, GeneralName, Name, SerialNumber, oid,
    profile,
};

use crate::{
    keys::{Key, this_century},
    openssl::Openssl,
};

struct Authority {
    key: Key,
    certificate: Certificate,
}

fn root(common_name: &str) -> Authority {
    let key = Key::generate();
    let name = Name::common(common_name, &[]);
    let extensions = profile::ca(common_name, &key.public_key(), None, None);
    let certificate = key.self_signed(name, extensions);
    Authority { key, certificate }
}

impl Authority {
    fn issue(&self, subject: Name, purposes: &[ExtendedKeyUsage], names: &[&str]) -> Certificate {
        let names: Vec<GeneralName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let template = CertificateTemplate {
            serial_number: SerialNumber::from_unsigned(&[0xab; 8]),
            validity: this_century(),
            extensions: profile::leaf(&subject, purposes, &names, &self.certificate),
            subject,
            public_key: Key::generate().public_key(),
        };
        self.key.issue(&template, self.certificate.subject())
    }
}

#[test]
fn every_kind_of_leaf_is_strictly_valid() {
    use ExtendedKeyUsage::{ClientAuth, ServerAuth};
    let ca = root("kubernetes");
    let openssl = Openssl::new();
    openssl.write("ca", ca.certificate.to_pem());
    for (subject, purposes, names, purpose) in [
        (
            Name::common("kube-apiserver", &[]),
            &[ServerAuth][..],
            &["kubernetes", "10.96.0.1", "fd00::1", "spiffe://a/b"][..],
            "sslserver",
        ),
        (
            Name::common("kubernetes-admin", &["system:masters"]),
            &[ClientAuth],
            &[],
            "sslclient",
        ),
        (
            Name::common("etcd-0", &[]),
            &[ServerAuth, ClientAuth],
            &["etcd-0"],
            "sslserver",
        ),
        (
            Name::common("many", &["z", "a", "groß"]),
            &[ClientAuth],
            &[],
            "sslclient",
        ),
        (
            Name::common("", &[]),
            &[ServerAuth],
            &["only.names"],
            "sslserver",
        ),
    ] {
        let leaf = ca.issue(subject.clone(), purposes, names);
        openssl.write("leaf", leaf.to_pem());
        openssl.run(&format!(
            "verify -x509_strict -purpose {purpose} -CAfile ca leaf"
        ));
        assert_eq!(leaf.verify_issued_by(&ca.certificate), Ok(()));
        assert_eq!(leaf.subject(), &subject);
    }
}

#[test]
fn an_intermediate_is_strictly_valid_too() {
    let root = root("root");
    let key = Key::generate();
    let subject = Name::common("kubernetes", &[]);
    let extensions = profile::ca(
        "kubernetes",
        &key.public_key(),
        Some(0),
        Some(&root.certificate),
    );
    let template = CertificateTemplate {
        serial_number: SerialNumber::from_unsigned(&[7]),
        validity: this_century(),
        subject,
        public_key: key.public_key(),
        extensions,
    };
    let certificate = root.key.issue(&template, root.certificate.subject());
    let intermediate = Authority { key, certificate };
    let leaf = intermediate.issue(Name::common("x", &[]), &[ExtendedKeyUsage::ClientAuth], &[]);
    let openssl = Openssl::new();
    openssl.write("root", root.certificate.to_pem());
    openssl.write("intermediate", intermediate.certificate.to_pem());
    openssl.write("leaf", leaf.to_pem());
    openssl.run("verify -x509_strict -CAfile root -untrusted intermediate leaf");
}

#[test]
fn the_order_is_that_of_go() {
    let ca = root("kubernetes");
    let found: Vec<_> = ca
        .certificate
        .extensions()
        .iter()
        .map(|found| found.oid)
        .collect();
    assert_eq!(
        found,
        [
            oid::KEY_USAGE,
            oid::BASIC_CONSTRAINTS,
            oid::SUBJECT_KEY_IDENTIFIER,
            oid::SUBJECT_ALT_NAME
        ]
    );
    let leaf = ca.issue(
        Name::common("x", &[]),
        &[ExtendedKeyUsage::ServerAuth],
        &["x"],
    );
    let found: Vec<_> = leaf.extensions().iter().map(|found| found.oid).collect();
    assert_eq!(
        found,
        [
            oid::KEY_USAGE,
            oid::EXTENDED_KEY_USAGE,
            oid::BASIC_CONSTRAINTS,
            oid::AUTHORITY_KEY_IDENTIFIER,
            oid::SUBJECT_ALT_NAME
        ]
    );
}
