//! ServiceAccounts, their token Secrets, and the pods that mount them: what is listed to decide about
//! tokens. Of a token only its header's key id is kept.

use super::published::{TOKEN_SECRETS, each, unreadable};
use super::tokens::MADE_FOR;
use crate::ports::{ClusterError, ClusterRead};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kubepki_core::inspect::JsonWebToken;
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A ServiceAccount.
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// Names of the Secrets that it lists, in order.
    pub(super) secrets: Vec<String>,
}

/// A token Secret.
pub(super) struct TokenSecret {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// The ServiceAccount's name.
    pub(super) account: String,
    /// For which key it was made, where it was made here.
    pub(super) made_for: Option<String>,
    pub(super) has_token: bool,
    /// Whether the new key signed its token.
    pub(super) is_new: bool,
}

impl fmt::Display for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.namespace, self.name)
    }
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow)]
    metadata: SecretMetadata<'a>,
    #[serde(borrow, default)]
    data: Option<Token<'a>>,
}

#[derive(Deserialize)]
struct SecretMetadata<'a> {
    name: String,
    namespace: String,
    uid: String,
    #[serde(borrow, default)]
    annotations: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// Borrowed, so that no copy of a token is left behind: base64 has nothing to be escaped.
#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow, default)]
    token: Option<&'a str>,
}

/// Every token Secret, judged by the key (SHA-256 of its SubjectPublicKeyInfo, hexadecimal) that signs
/// the new ones: Kubernetes names it in each token's `kid` (`keyIDFromPublicKey`).
pub(super) fn token_secrets(
    cluster: &dyn ClusterRead,
    key_sha256: &str,
) -> Result<Vec<TokenSecret>, ClusterError> {
    let new = URL_SAFE_NO_PAD.encode(hex::decode(key_sha256).unwrap_or_default());
    let mut found = Vec::new();
    each(
        cluster,
        "/api/v1/secrets",
        Some(TOKEN_SECRETS),
        &mut |json| {
            let secret: Secret<'_> = serde_json::from_slice(json).map_err(unreadable)?;
            let annotation = |key: &str| {
                let value = secret.metadata.annotations.get(key);
                value.map(|value| value.clone().into_owned())
            };
            let account = annotation("kubernetes.io/service-account.name").unwrap_or_default();
            let made_for = annotation(MADE_FOR);
            let token = secret.data.and_then(|data| data.token);
            let token = token.and_then(|token| STANDARD.decode(token.as_bytes()).ok());
            let token = token.filter(|token| !token.is_empty()).map(Sealed::new);
            let key_id = token.as_ref().and_then(|token| {
                let text = std::str::from_utf8(danger::open(token)).ok()?;
                JsonWebToken::parse(text)?.key_id
            });
            found.push(TokenSecret {
                namespace: secret.metadata.namespace,
                name: secret.metadata.name,
                uid: secret.metadata.uid,
                account,
                made_for,
                has_token: token.is_some(),
                is_new: key_id.is_some_and(|id| id == new),
            });
            Ok(())
        },
    )?;
    Ok(found)
}

/// Every ServiceAccount.
pub(super) fn accounts(cluster: &dyn ClusterRead) -> Result<Vec<Account>, ClusterError> {
    #[derive(Deserialize)]
    struct Found {
        metadata: FoundMetadata,
        #[serde(default)]
        secrets: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct FoundMetadata {
        name: String,
        namespace: String,
        uid: String,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        name: String,
    }
    let mut accounts = Vec::new();
    each(cluster, "/api/v1/serviceaccounts", None, &mut |json| {
        let found: Found = serde_json::from_slice(json).map_err(unreadable)?;
        accounts.push(Account {
            namespace: found.metadata.namespace,
            name: found.metadata.name,
            uid: found.metadata.uid,
            secrets: found.secrets.into_iter().map(|it| it.name).collect(),
        });
        Ok(())
    })?;
    Ok(accounts)
}

/// Who uses a Secret: pods that have not ended.
#[derive(Default)]
pub(super) struct Users {
    /// Their names.
    pub(super) pods: Vec<String>,
    /// How many of them are being deleted, and go by themselves.
    pub(super) ending: usize,
}

/// Secrets that pods use which have not ended, by namespace and name.
pub(super) fn mounted(
    cluster: &dyn ClusterRead,
) -> Result<BTreeMap<(String, String), Users>, ClusterError> {
    let mut used: BTreeMap<(String, String), Users> = BTreeMap::new();
    each(cluster, "/api/v1/pods", None, &mut |json| {
        let pod: super::pods::Pod = serde_json::from_slice(json).map_err(unreadable)?;
        if pod.has_ended() {
            return Ok(());
        }
        for secret in pod.secrets() {
            let key = (pod.metadata.namespace.clone(), secret.to_owned());
            let users = used.entry(key).or_default();
            users.pods.push(format!("Pod {}", pod.metadata.name));
            users.ending += usize::from(pod.metadata.deletion_timestamp.is_some());
        }
        Ok(())
    })?;
    Ok(used)
}
