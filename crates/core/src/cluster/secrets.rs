//! Secrets: TLS, Opaque, ServiceAccount tokens, bootstrap tokens, `kubeadm-certs`.
//!
//! <https://kubernetes.io/docs/concepts/configuration/secret/#secret-types>

use super::collector::{Collector, unread};
use super::contents::{decode, may_hold_certificates};
use super::object::{Metadata, Text, Texts, unreadable};
use super::placing::Value;
use crate::inspect::JsonWebToken;
use crate::model::cluster::{BootstrapToken, BundlePurpose, Encoding, TokenSecret};
use jiff::Timestamp;
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;

/// Types of Secrets that never hold a certificate of the cluster's; the server leaves them out.
/// A release of Helm may have a MiB, and a cluster some thousands of them.
pub const SECRET_FIELD_SELECTOR: &str = "type!=kubernetes.io/dockerconfigjson,\
    type!=kubernetes.io/dockercfg,type!=helm.sh/release.v1";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Secret<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Texts<'a>>,
}

/// A password is no file.
const LONGEST_PASSWORD: usize = 1024;

impl Collector<'_> {
    /// A Secret.
    pub fn secret(&mut self, json: &[u8]) {
        self.counted("Secret");
        let secret: Secret<'_> = match serde_json::from_slice(json) {
            Ok(secret) => secret,
            Err(error) => return self.unreadable("Secret", unreadable(&error)),
        };
        match secret.kind.as_deref().unwrap_or_default() {
            "bootstrap.kubernetes.io/token" => self.bootstrap_token(&secret),
            "kubernetes.io/service-account-token" => self.token_secret(&secret),
            _ if secret.is("kube-system", "kubeadm-certs") => self.uploaded(&secret),
            _ => self.values_of(&secret),
        }
    }

    fn values_of(&mut self, secret: &Secret<'_>) {
        let mut values = Vec::new();
        for (key, encoded) in secret.data.iter().flatten() {
            if !may_hold_certificates(encoded) {
                continue;
            }
            // the server has checked that it is base64
            let Some(contents) = decode(encoded) else {
                continue;
            };
            let mut found = self.read_value(&contents, || secret.passwords());
            // a text that quotes a piece of PEM is no certificate that went bad
            let begins = danger::open(&contents).trim_ascii_start();
            if !begins.starts_with(b"-----BEGIN") && begins.first() != Some(&0x30) {
                found.retain(|found| {
                    !found.certificates.is_empty() || found.encoding != Encoding::Pem
                });
            }
            values.push(Value {
                key: key.to_string(),
                found,
            });
        }
        if values.is_empty() {
            return;
        }
        let object = secret.metadata.reference("Secret");
        let name = (
            object.namespace.clone().unwrap_or_default(),
            object.name.clone(),
        );
        let managed_by = self.managed.get(&name).cloned().or_else(|| {
            let annotations = secret.metadata.annotations.as_ref()?;
            let certificate = annotations.certificate_name.as_ref()?;
            Some(format!(
                "cert-manager Certificate {}/{}",
                name.0, &**certificate
            ))
        });
        self.place(&object, values, managed_by.as_deref());
    }

    /// <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format>
    fn bootstrap_token(&mut self, secret: &Secret<'_>) {
        let is_set = |key| secret.text(key).as_deref() == Some("true");
        let name = &*secret.metadata.name;
        let id = secret
            .text("token-id")
            .unwrap_or_else(|| name.trim_start_matches("bootstrap-token-").to_owned());
        self.observation.bootstrap_tokens.push(BootstrapToken {
            object: secret.metadata.reference("Secret"),
            id,
            expiration: secret
                .text("expiration")
                .and_then(|text| text.parse::<Timestamp>().ok()),
            authenticates: is_set("usage-bootstrap-authentication"),
            signs: is_set("usage-bootstrap-signing"),
        });
    }

    /// <https://kubernetes.io/docs/concepts/configuration/secret/#service-account-token-secrets>
    fn token_secret(&mut self, secret: &Secret<'_>) {
        let object = secret.metadata.reference("Secret");
        if let Some(pem) = secret.value("ca.crt").and_then(decode) {
            let place = object.clone().at("data[ca.crt]");
            self.pem_bundle(place, BundlePurpose::TokenSecretCa, danger::open(&pem));
        }
        let token = secret.value("token").and_then(decode);
        let token = token.filter(|token| !token.is_empty());
        let read = token.as_ref().and_then(|token| {
            let text = std::str::from_utf8(danger::open(token)).ok()?;
            JsonWebToken::parse(text)
        });
        let keys = self.known.service_account_keys.iter().enumerate();
        let verified_by = keys
            .filter(|(_, key)| read.as_ref().is_some_and(|token| token.is_signed_by(key)))
            .map(|(index, _)| index)
            .collect();
        let annotations = secret.metadata.annotations.as_ref();
        let account = annotations.and_then(|found| found.service_account.as_ref());
        self.observation.token_secrets.push(TokenSecret {
            object,
            service_account: account.map(|name| name.0.to_string()).unwrap_or_default(),
            verified_by,
            key_id: read.and_then(|token| token.key_id),
            has_token: token.is_some(),
        });
    }

    /// What `kubeadm init phase upload-certs` leaves: encrypted, and ended by the token that owns it.
    fn uploaded(&mut self, secret: &Secret<'_>) {
        let owners = secret.metadata.owner_references.iter().flatten();
        let owner = owners
            .filter(|owner| &*owner.kind == "Secret")
            .map(|owner| owner.name.to_string())
            .next();
        let problem = "encrypted with a certificate key, as kubeadm uploads it".to_owned();
        let object = secret.metadata.reference("Secret");
        let index = self.observation.certificates.len();
        let entry = unread(object, Encoding::Der, problem);
        self.observation.certificates.push(entry);
        self.uploaded = Some((index, owner));
    }

    /// Tokens may have come after the Secret that they own.
    pub(super) fn end_uploaded(&mut self) {
        let Some((index, Some(owner))) = self.uploaded.take() else {
            return;
        };
        let mut tokens = self.observation.bootstrap_tokens.iter();
        let token = tokens.find(|token| token.object.name == owner);
        let ends = token.and_then(|token| token.expiration);
        if let (Some(ends), Some(entry)) = (ends, self.observation.certificates.get_mut(index)) {
            entry.not_after = ends;
        }
    }
}

impl Secret<'_> {
    fn is(&self, namespace: &str, name: &str) -> bool {
        self.metadata.namespace.as_deref() == Some(namespace) && &*self.metadata.name == name
    }

    fn value(&self, key: &str) -> Option<&str> {
        let mut data = self.data.iter().flatten();
        data.find(|(found, _)| &***found == key)
            .map(|(_, value)| &**value)
    }

    fn text(&self, key: &str) -> Option<String> {
        let decoded = decode(self.value(key)?)?;
        String::from_utf8(danger::open(&decoded).to_vec()).ok()
    }

    /// Passwords that may fit a keystore of this Secret: what lies beside it under such a name,
    /// none, and Java's own default.
    fn passwords(&self) -> Vec<Sealed> {
        let beside = self.data.iter().flatten().filter(|(key, value)| {
            let name = key.to_ascii_lowercase();
            (name.contains("password") || name.contains("passphrase") || name.contains("storepass"))
                && value.len() <= LONGEST_PASSWORD
        });
        let beside = beside.filter_map(|(_, value)| {
            let decoded = decode(value)?;
            // whoever wrote it with `echo` wrote a line end too
            let text = danger::open(&decoded).trim_ascii_end().to_vec();
            Some(Sealed::new(text))
        });
        let usual = [&b""[..], b"changeit"].map(|password| Sealed::new(password.to_vec()));
        beside.take(MOST_PASSWORDS).chain(usual).collect()
    }
}

/// Each one costs as much work as the keystore's author wanted.
const MOST_PASSWORDS: usize = 4;
