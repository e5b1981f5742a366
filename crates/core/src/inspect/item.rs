//! Items: what inspect finds, each with where it lies, what is wrong with it, and how it belongs to
//! the others.

use super::json_web_token::JsonWebToken;
use super::location::Location;
use super::secrets::SecretProblem;
use crate::model::{Finding, Severity};
use kubepki_x509::{Certificate, CertificationRequest, Name, PublicKey};

/// One thing found.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it lies.
    pub location: Location,
    /// The thing itself.
    pub object: Object,
    /// What is remarkable or wrong about it.
    pub findings: Vec<Finding>,
    /// How it belongs to other items.
    pub relations: Relations,
}

impl Item {
    /// An item of which nothing more is known yet.
    pub fn new(location: Location, object: Object) -> Self {
        Self {
            location,
            object,
            findings: Vec::new(),
            relations: Relations::default(),
        }
    }

    /// The certificate, when it is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.object {
            Object::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// The public key that it holds, certifies or belongs to.
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.object {
            Object::Certificate(certificate) => Some(certificate.public_key()),
            Object::CertificationRequest(request) => Some(request.public_key()),
            Object::PrivateKey(key) => key.public_key.as_ref(),
            Object::PublicKey(key) => Some(key),
            Object::Kubeconfig(_) | Object::Token(_) | Object::TlsServer(_) => None,
        }
    }

    /// The gravest finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// The kinds of things.
#[derive(Clone, Debug)]
pub enum Object {
    /// An X.509 certificate (RFC 5280).
    Certificate(Certificate),
    /// A certification request (RFC 2986).
    CertificationRequest(Box<CertificationRequest>),
    /// A private key, known by its public half.
    PrivateKey(PrivateKeyObject),
    /// A public key.
    PublicKey(PublicKey),
    /// A kubeconfig; its certificates and keys are items of their own.
    Kubeconfig(Box<KubeconfigObject>),
    /// A JSON Web Token.
    Token(Box<JsonWebToken>),
    /// What a TLS server said in its handshake; its certificates are items of their own.
    TlsServer(Box<TlsServerObject>),
}

impl Object {
    /// The `kind` by which programs know it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "Certificate",
            Self::CertificationRequest(_) => "CertificationRequest",
            Self::PrivateKey(_) => "PrivateKey",
            Self::PublicKey(_) => "PublicKey",
            Self::Kubeconfig(_) => "Kubeconfig",
            Self::Token(_) => "Token",
            Self::TlsServer(_) => "TlsServer",
        }
    }
}

/// A private key as far as it may be known.
#[derive(Clone, Debug)]
pub struct PrivateKeyObject {
    /// Its public half; nothing when it is encrypted or of an unknown form.
    pub public_key: Option<PublicKey>,
    /// How it is encoded.
    pub encoding: Option<String>,
    /// Why the public half is not known.
    pub problem: Option<SecretProblem>,
}

/// A kubeconfig, without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigObject {
    /// `current-context`.
    pub current_context: Option<String>,
    /// Contexts: name, cluster, user.
    pub contexts: Vec<(String, String, String)>,
    /// Clusters.
    pub clusters: Vec<KubeconfigCluster>,
    /// Users.
    pub users: Vec<KubeconfigUser>,
}

/// A cluster of a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigCluster {
    /// Its name in the file.
    pub name: String,
    /// The API server's URL.
    pub server: Option<String>,
    /// `certificate-authority`: a path.
    pub certificate_authority: Option<String>,
    /// Whether `certificate-authority-data` is there.
    pub has_certificate_authority_data: bool,
    /// `insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
}

/// A user of a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigUser {
    /// Its name in the file.
    pub name: String,
    /// How the user proves who they are, e.g. `client-certificate-data`, `token`, `exec`.
    pub credentials: Vec<String>,
    /// `client-certificate`: a path.
    pub client_certificate: Option<String>,
    /// `client-key`: a path.
    pub client_key: Option<String>,
}

/// A TLS handshake, as the server led it.
#[derive(Clone, Debug)]
pub struct TlsServerObject {
    /// The name that was asked for (SNI), when it was not the host.
    pub server_name: Option<String>,
    /// e.g. `TLSv1.3`.
    pub protocol: String,
    /// How many certificates were served.
    pub chain_length: usize,
    /// Whether a client certificate was asked for.
    pub asks_client_certificate: bool,
    /// Names of the CAs whose client certificates it accepts.
    pub acceptable_client_authorities: Vec<Name>,
}

/// How an item belongs to others of those given.
#[derive(Clone, Debug, Default)]
pub struct Relations {
    /// Who signed it: certificates and tokens.
    pub signed_by: Option<Signer>,
    /// Whether the key beside it matches; nothing when there is no key beside it.
    pub key_matches: Option<bool>,
    /// The key that matches, or the one beside it that does not. For a private key: the certificate,
    /// request or public key that it fits.
    pub counterpart: Option<Location>,
}

/// Who signed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The certificate's own key.
    Itself,
    /// The key of an item that was given; the signature was verified.
    Given {
        /// Where that item lies.
        location: Location,
        /// The certificate's subject, or what kind of key it is.
        name: String,
    },
}
