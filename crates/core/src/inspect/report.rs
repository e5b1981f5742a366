//! Items as programs read them (`-o json`): `docs/schema/inspection.json` describes this form.
//!
//! Times are absolute and RFC 3339, octets are lower-case hexadecimal, names are given both as one
//! text and RDN by RDN. What is not there is left out.

use super::item::{Item, KubeconfigObject, Object, PrivateKeyObject, Signer, TlsServerObject};
use super::json_web_token::JsonWebToken;
use super::location::Location;
use crate::model::Finding;
use jiff::Timestamp;
use kubepki_x509::{
    Certificate, CertificationRequest, Extension, GeneralName, KeyAlgorithm, Name, PublicKey,
    ValidityState,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One item, as of a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemReport {
    kind: &'static str,
    location: Location,
    #[serde(flatten)]
    fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<SignerReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_matches: Option<bool>,
    /// The private key that matches, or the one beside it that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_location: Option<Location>,
    /// What a private key belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    belongs_to: Option<Location>,
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignerReport {
    itself: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

impl ItemReport {
    /// Reports an item that was related and judged.
    pub fn new(item: &Item, now: Timestamp) -> Self {
        let mut fields = Fields(Map::new());
        match &item.object {
            Object::Certificate(certificate) => fields.certificate(certificate, now),
            Object::CertificationRequest(request) => fields.request(request),
            Object::PrivateKey(key) => fields.private_key(key),
            Object::PublicKey(key) => fields.set("publicKey", public_key(key)),
            Object::Kubeconfig(kubeconfig) => fields.kubeconfig(kubeconfig),
            Object::Token(token) => fields.token(token),
            Object::TlsServer(server) => fields.tls_server(server),
        }
        let signed_by = item
            .relations
            .signed_by
            .as_ref()
            .map(|signer| match signer {
                Signer::Itself => SignerReport {
                    itself: true,
                    name: None,
                    location: None,
                },
                Signer::Given { location, name } => SignerReport {
                    itself: false,
                    name: Some(name.clone()),
                    location: Some(location.clone()),
                },
            });
        let is_key = matches!(item.object, Object::PrivateKey(_));
        let counterpart = item.relations.counterpart.clone();
        let (belongs_to, key_location) = if is_key {
            (counterpart, None)
        } else {
            (None, counterpart)
        };
        Self {
            kind: item.object.kind(),
            location: item.location.clone(),
            fields: fields.0,
            signed_by,
            key_matches: item.relations.key_matches.filter(|_| !is_key),
            key_location,
            belongs_to,
            findings: item.findings.clone(),
        }
    }
}

/// The hash that pins a CA when joining a cluster: SHA-256 of the SubjectPublicKeyInfo, as
/// `kubeadm join --discovery-token-ca-cert-hash` spells it.
pub fn ca_hash(certificate: &Certificate) -> String {
    format!("sha256:{}", hex::encode(certificate.public_key().sha256()))
}

struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn name(&mut self, field: &str, name: &Name) {
        self.set(field, name.to_string());
        self.set(&format!("{field}Rdns"), rdns(name));
    }

    fn certificate(&mut self, certificate: &Certificate, now: Timestamp) {
        let validity = certificate.validity();
        self.name("subject", certificate.subject());
        self.name("issuer", certificate.issuer());
        self.set("serialNumber", certificate.serial_number().to_string());
        self.set("notBefore", validity.not_before.to_string());
        self.set("notAfter", validity.not_after.to_string());
        self.set("residualTime", validity.remaining(now).as_secs());
        self.set(
            "state",
            match validity.state(now) {
                ValidityState::NotYetValid => "NotYetValid",
                ValidityState::Valid => "Valid",
                ValidityState::Expired => "Expired",
            },
        );
        self.set(
            "subjectAltNames",
            alt_names(&certificate.subject_alt_names()),
        );
        self.set_some(
            "keyUsage",
            certificate.key_usage().map(|usage| json!(usage.names())),
        );
        self.set_some(
            "extendedKeyUsage",
            certificate.extended_key_usage().map(texts),
        );
        self.set_some(
            "basicConstraints",
            certificate.basic_constraints().map(|constraints| {
                let mut value = json!({"ca": constraints.ca});
                if let (Some(length), Some(object)) =
                    (constraints.path_len_constraint, value.as_object_mut())
                {
                    object.insert("pathLenConstraint".into(), length.into());
                }
                value
            }),
        );
        self.set_some(
            "subjectKeyIdentifier",
            certificate.subject_key_identifier().map(hex::encode),
        );
        if let Some(identifier) = certificate.authority_key_identifier() {
            self.set_some(
                "authorityKeyIdentifier",
                identifier.key_identifier.map(hex::encode),
            );
            if !identifier.issuer.is_empty() {
                self.set("authorityCertIssuer", alt_names(&identifier.issuer));
            }
            let serial = identifier.serial.map(|serial| serial.to_string());
            self.set_some("authorityCertSerialNumber", serial);
        }
        self.set("publicKey", public_key(certificate.public_key()));
        self.set(
            "signatureAlgorithm",
            certificate.signature_algorithm().to_string(),
        );
        self.set("version", certificate.version());
        self.set("extensions", extensions(certificate.extensions()));
        self.set(
            "fingerprintSha256",
            hex::encode(certificate.fingerprint_sha256()),
        );
    }

    fn request(&mut self, request: &CertificationRequest) {
        self.name("subject", request.subject());
        self.set("subjectAltNames", alt_names(&request.subject_alt_names()));
        self.set_some(
            "keyUsage",
            request.key_usage().map(|usage| json!(usage.names())),
        );
        self.set_some("extendedKeyUsage", request.extended_key_usage().map(texts));
        self.set("publicKey", public_key(request.public_key()));
        self.set(
            "signatureAlgorithm",
            request.signature_algorithm().to_string(),
        );
        self.set("signatureValid", request.verify_self_signature().is_ok());
        self.set("extensions", extensions(request.requested_extensions()));
    }

    fn private_key(&mut self, key: &PrivateKeyObject) {
        self.set("encrypted", key.problem.is_some());
        self.set_some("encoding", key.encoding.clone());
        self.set_some("publicKey", key.public_key.as_ref().map(public_key));
    }

    fn kubeconfig(&mut self, kubeconfig: &KubeconfigObject) {
        self.set_some("currentContext", kubeconfig.current_context.clone());
        let contexts = kubeconfig.contexts.iter();
        self.set(
            "contexts",
            contexts
                .map(
                    |(name, cluster, user)| json!({"name": name, "cluster": cluster, "user": user}),
                )
                .collect::<Vec<_>>(),
        );
        let clusters = kubeconfig.clusters.iter().map(|cluster| {
            let mut fields = Self(Map::new());
            fields.set("name", cluster.name.clone());
            fields.set_some("server", cluster.server.clone());
            fields.set_some(
                "certificateAuthority",
                cluster.certificate_authority.clone(),
            );
            fields.set(
                "certificateAuthorityData",
                cluster.has_certificate_authority_data,
            );
            fields.set("insecureSkipTlsVerify", cluster.insecure_skip_tls_verify);
            Value::Object(fields.0)
        });
        self.set("clusters", clusters.collect::<Vec<_>>());
        let users = kubeconfig.users.iter().map(|user| {
            let mut fields = Self(Map::new());
            fields.set("name", user.name.clone());
            fields.set("credentials", user.credentials.clone());
            fields.set_some("clientCertificate", user.client_certificate.clone());
            fields.set_some("clientKey", user.client_key.clone());
            Value::Object(fields.0)
        });
        self.set("users", users.collect::<Vec<_>>());
    }

    fn token(&mut self, token: &JsonWebToken) {
        self.set("subject", token.subject());
        self.set_some("issuer", token.text("iss"));
        self.set("audiences", token.audiences());
        let times = [
            ("issuedAt", "iat"),
            ("notBefore", "nbf"),
            ("notAfter", "exp"),
        ];
        for (field, claim) in times {
            self.set_some(field, token.time(claim).map(|time| time.to_string()));
        }
        self.set("signatureAlgorithm", token.algorithm.clone());
        self.set_some("keyId", token.key_id.clone());
        self.set("claims", token.claims.clone());
    }

    fn tls_server(&mut self, server: &TlsServerObject) {
        self.set_some("serverName", server.server_name.clone());
        self.set("protocol", server.protocol.clone());
        self.set("chainLength", server.chain_length);
        self.set("asksClientCertificate", server.asks_client_certificate);
        self.set(
            "acceptableClientAuthorities",
            texts(server.acceptable_client_authorities.clone()),
        );
    }
}

fn public_key(key: &PublicKey) -> Value {
    let mut value = json!({
        "algorithm": key.algorithm().to_string(),
        "fingerprintSha256": hex::encode(key.sha256()),
    });
    if let (KeyAlgorithm::Rsa { bits }, Some(object)) = (key.algorithm(), value.as_object_mut()) {
        object.insert("bits".into(), bits.into());
    }
    value
}

fn rdns(name: &Name) -> Value {
    let rdns = name.rdns().into_iter().map(|rdn| {
        let attributes = rdn.into_iter().map(|attribute| {
            let oid = attribute.oid.to_string();
            let kind = attribute
                .short_name()
                .map_or_else(|| oid.clone(), str::to_owned);
            json!({"type": kind, "oid": oid, "value": attribute.value})
        });
        Value::Array(attributes.collect())
    });
    Value::Array(rdns.collect())
}

/// `{type, value}` each; the text form `TYPE:value` splits at its first colon.
fn alt_names(names: &[GeneralName]) -> Value {
    let names = names.iter().map(|name| match name {
        GeneralName::OtherName { oid, value_der } => {
            json!({"type": "otherName", "value": oid.to_string(), "der": hex::encode(value_der)})
        }
        other => {
            let text = other.to_string();
            let (kind, value) = text.split_once(':').unwrap_or(("", &text));
            json!({"type": kind, "value": value})
        }
    });
    Value::Array(names.collect())
}

fn extensions(extensions: &[Extension]) -> Value {
    let extensions = extensions.iter().map(|extension| {
        let mut fields = Fields(Map::new());
        fields.set("oid", extension.oid.to_string());
        fields.set_some("name", extension.name());
        fields.set("critical", extension.critical);
        fields.set("value", hex::encode(&extension.value));
        Value::Object(fields.0)
    });
    Value::Array(extensions.collect())
}

fn texts<T: ToString>(values: Vec<T>) -> Value {
    values.iter().map(T::to_string).collect()
}
