//! Every kind of certificate, for every key type of CA and leaf, before two strict judges:
//! `openssl verify -x509_strict -purpose`, and rustls in a mutual TLS handshake in memory.
//!
//! Each judge must also refuse what is not fit for the purpose, or its acceptance says nothing.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod openssl;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use kubepki_keys::{Issuer, KeyEncoding, KeyType, PrivateKey, random_serial};
use kubepki_sealed::danger;
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Extension, Name, PublicKey, Validity,
    profile,
};
use openssl::OpenSsl;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};

/// The leaf profiles of kubeadm's table, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Server,
    Client,
    Peer,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Server, Self::Client, Self::Peer];

    fn serves(self) -> bool {
        self != Self::Client
    }

    fn connects(self) -> bool {
        self != Self::Server
    }

    fn purposes(self) -> Vec<ExtendedKeyUsage> {
        match self {
            Self::Server => vec![ExtendedKeyUsage::ServerAuth],
            Self::Client => vec![ExtendedKeyUsage::ClientAuth],
            Self::Peer => vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
        }
    }

    fn subject(self) -> Name {
        match self {
            Self::Server => Name::common("kube-apiserver", &[]),
            Self::Client => Name::common("kubernetes-admin", &["kubeadm:cluster-admins"]),
            Self::Peer => Name::common("node-1", &[]),
        }
    }

    fn template(self, key: &PublicKey, issuer: &Certificate) -> CertificateTemplate {
        let names: Vec<_> = if self.serves() {
            [
                "DNS:kubernetes.default.svc",
                "DNS:node-1",
                "IP:10.96.0.1",
                "IP:fd00::1",
            ]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect()
        } else {
            Vec::new()
        };
        let subject = self.subject();
        let extensions = profile::leaf(&subject, &self.purposes(), &names, issuer);
        template(subject, key, extensions)
    }
}

fn template(subject: Name, key: &PublicKey, extensions: Vec<Extension>) -> CertificateTemplate {
    let now = Timestamp::now();
    CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: now - 5.minutes(),
            not_after: now + 48.hours(),
        },
        subject,
        public_key: key.clone(),
        extensions,
    }
}

fn root_ca(key_type: KeyType) -> Issuer {
    let key = PrivateKey::generate(key_type).unwrap();
    let extensions = profile::ca("kubernetes", key.public_key(), None, None);
    let subject = Name::common("kubernetes", &[]);
    let template = template(subject, key.public_key(), extensions);
    let certificate = Issuer::self_signed(&template, &key).unwrap();
    Issuer::new(certificate, key).unwrap()
}

fn every_root() -> Vec<(KeyType, Issuer)> {
    KeyType::ALL
        .into_iter()
        .map(|key_type| (key_type, root_ca(key_type)))
        .collect()
}

fn every_key() -> Vec<PrivateKey> {
    KeyType::ALL
        .into_iter()
        .map(|key_type| PrivateKey::generate(key_type).unwrap())
        .collect()
}

/// What one side of a handshake presents.
#[derive(Clone, Copy)]
struct Presented<'a> {
    chain: &'a [&'a Certificate],
    key: &'a PrivateKey,
}

impl Presented<'_> {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain
            .iter()
            .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
            .collect()
    }

    /// In the traditional encoding, as kubeadm's files have it.
    fn key(&self) -> PrivateKeyDer<'static> {
        let der = self.key.to_der(self.key.encoding()).unwrap();
        let der = danger::open(&der).to_vec();
        match self.key.encoding() {
            KeyEncoding::Pkcs1 => PrivateKeyDer::Pkcs1(der.into()),
            KeyEncoding::Sec1 => PrivateKeyDer::Sec1(der.into()),
            KeyEncoding::Pkcs8 => PrivateKeyDer::Pkcs8(der.into()),
        }
    }
}

/// A mutual TLS handshake in memory; says what the first side to refuse says.
fn handshake(
    root: &Certificate,
    server: Presented<'_>,
    client: Presented<'_>,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.der().to_vec()))?;
    let roots = Arc::new(roots);
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let server_config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(server.chain(), server.key())?;
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])?
        .with_root_certificates(roots)
        .with_client_auth_cert(client.chain(), client.key())?;
    let (server_chain, client_chain) = (server.chain(), client.chain());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut server = Connection::from(ServerConnection::new(Arc::new(server_config))?);
    let mut client = Connection::from(ClientConnection::new(Arc::new(client_config), name)?);

    while client.is_handshaking() || server.is_handshaking() {
        let sent = carry(&mut client, &mut server)? + carry(&mut server, &mut client)?;
        assert_ne!(sent, 0, "the handshake came to a halt");
    }
    // what TLS 1.3 sends after the client has finished: the server's verdict on its certificate
    carry(&mut client, &mut server)?;
    carry(&mut server, &mut client)?;
    assert_eq!(client.peer_certificates(), Some(&server_chain[..]));
    assert_eq!(server.peer_certificates(), Some(&client_chain[..]));
    Ok(())
}

fn carry(from: &mut Connection, to: &mut Connection) -> Result<usize, rustls::Error> {
    let mut octets = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut octets).unwrap();
    }
    let mut rest = octets.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(octets.len())
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn openssl_accepts_every_certificate_for_its_purpose_only() {
    let openssl = OpenSsl::new();
    let keys = every_key();
    for (ca_type, issuer) in every_root() {
        openssl.write("ca.pem", issuer.certificate().to_pem());
        openssl.run("verify -x509_strict -check_ss_sig -CAfile ca.pem ca.pem");
        let purposes = openssl.text("x509 -in ca.pem -noout -purpose");
        for line in ["SSL client CA : Yes", "SSL server CA : Yes"] {
            assert!(purposes.contains(line), "{ca_type}: {purposes}");
        }

        for key in &keys {
            for kind in Kind::ALL {
                let template = kind.template(key.public_key(), issuer.certificate());
                let leaf = issuer.issue(&template).unwrap();
                openssl.write("leaf.pem", leaf.to_pem());
                let verify = |options: &str| {
                    let command = format!("verify -x509_strict -CAfile ca.pem {options} leaf.pem");
                    openssl.output(&command).status.success()
                };
                let context = format!("{kind:?} {key:?} under {ca_type}");
                assert_eq!(verify("-purpose sslserver"), kind.serves(), "{context}");
                assert_eq!(verify("-purpose sslclient"), kind.connects(), "{context}");
                if kind.serves() {
                    assert!(verify("-verify_hostname node-1"), "{context}");
                    assert!(verify("-verify_ip 10.96.0.1"), "{context}");
                    assert!(verify("-verify_ip fd00::1"), "{context}");
                    assert!(!verify("-verify_hostname node-2"), "{context}");
                }
            }
        }
    }
}

#[test]
fn rustls_accepts_every_certificate_in_mutual_handshakes() {
    let keys = every_key();
    for (ca_type, issuer) in every_root() {
        for key in &keys {
            let [server, client, peer] = Kind::ALL.map(|kind| {
                let template = kind.template(key.public_key(), issuer.certificate());
                issuer.issue(&template).unwrap()
            });
            for version in VERSIONS {
                let shake = |server: &Certificate, client: &Certificate, name| {
                    let server = &[server][..];
                    let client = &[client][..];
                    handshake(
                        issuer.certificate(),
                        Presented { chain: server, key },
                        Presented { chain: client, key },
                        name,
                        version,
                    )
                };
                let context = format!("{key:?} under {ca_type}, {version:?}");
                assert_eq!(shake(&server, &client, "10.96.0.1"), Ok(()), "{context}");
                assert_eq!(shake(&peer, &peer, "node-1"), Ok(()), "{context}");
                assert_eq!(shake(&server, &peer, "fd00::1"), Ok(()), "{context}");

                shake(&client, &client, "node-1").expect_err(&context);
                shake(&server, &server, "node-1").expect_err(&context);
                shake(&server, &client, "node-2").expect_err(&context);
            }
        }
    }
}

#[test]
fn both_accept_what_an_intermediate_ca_issues() {
    let openssl = OpenSsl::new();
    let client_key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    for (ca_type, root) in every_root() {
        let key = PrivateKey::generate(ca_type).unwrap();
        let extensions = profile::ca("sub", key.public_key(), Some(0), Some(root.certificate()));
        let subject = Name::common("sub", &[]);
        let sub = template(subject, key.public_key(), extensions);
        let sub = Issuer::new(root.issue(&sub).unwrap(), key).unwrap();
        let key = &client_key;
        let template = Kind::Peer.template(key.public_key(), sub.certificate());
        let leaf = sub.issue(&template).unwrap();

        openssl.write("root.pem", root.certificate().to_pem());
        openssl.write("sub.pem", sub.certificate().to_pem());
        openssl.write("leaf.pem", leaf.to_pem());
        for purpose in ["sslserver", "sslclient"] {
            openssl.run(&format!(
                "verify -x509_strict -purpose {purpose} -CAfile root.pem -untrusted sub.pem \
                 leaf.pem"
            ));
        }
        let chain = &[&leaf, sub.certificate()][..];
        let presented = Presented { chain, key };
        for version in VERSIONS {
            let outcome = handshake(root.certificate(), presented, presented, "node-1", version);
            assert_eq!(outcome, Ok(()), "{ca_type}");
            let alone = Presented {
                chain: &[&leaf],
                key,
            };
            handshake(root.certificate(), alone, presented, "node-1", version).unwrap_err();
        }
    }
}

#[test]
fn rustls_refuses_a_certificate_of_another_ca_with_the_same_name() {
    let (one, other) = (root_ca(KeyType::EcdsaP256), root_ca(KeyType::EcdsaP256));
    let key = &PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let [mine, foreign] = [&one, &other].map(|issuer| {
        let template = Kind::Peer.template(key.public_key(), issuer.certificate());
        issuer.issue(&template).unwrap()
    });
    let mine = Presented {
        chain: &[&mine],
        key,
    };
    let foreign = Presented {
        chain: &[&foreign],
        key,
    };
    for version in VERSIONS {
        let shake =
            |server, client| handshake(one.certificate(), server, client, "node-1", version);
        assert_eq!(shake(mine, mine), Ok(()));
        shake(mine, foreign).unwrap_err();
        shake(foreign, mine).unwrap_err();
    }
}
