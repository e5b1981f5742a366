//! Bootstrap tokens: made, and found among the Secrets of a cluster.
//!
//! A token is `ID.SECRET`, six and sixteen letters or digits; its Secret is `bootstrap-token-ID` in
//! `kube-system`.
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The group by which kubeadm lets a new node ask for its certificate, and have it approved.
pub const TOKEN_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A bootstrap token. Its secret half is sealed.
pub struct BootstrapToken {
    /// The public half.
    pub id: String,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    secret: Sealed,
}

/// Why no token could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there was too little randomness for a token")]
pub struct TokenError;

/// What a Secret is worth to a host that joins.
pub enum Usable {
    /// A token that authenticates and for which `cluster-info` is signed.
    Yes(BootstrapToken),
    /// Its id, and why it does not help.
    No {
        /// The public half.
        id: String,
        /// e.g. `expired 2 days ago`.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "type", default)]
    kind: &'a str,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    name: &'a str,
}

impl BootstrapToken {
    /// A new token of random bytes. Bytes from 252 on are passed over, so that each of the 36 letters
    /// is as likely as the others; a few more bytes than 22 are needed.
    ///
    /// # Errors
    /// When the bytes do not suffice.
    pub fn generate(chance: &Sealed, expires: Option<Timestamp>) -> Result<Self, TokenError> {
        let mut letters = danger::open(chance)
            .iter()
            .filter(|byte| **byte < 252)
            .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied());
        let id: Vec<u8> = letters.by_ref().take(ID_LENGTH).collect();
        let mut secret = Vec::with_capacity(SECRET_LENGTH);
        secret.extend(letters.take(SECRET_LENGTH));
        let secret = Sealed::new(secret);
        if secret.len() < SECRET_LENGTH {
            return Err(TokenError);
        }
        Ok(Self {
            id: String::from_utf8(id).map_err(|_| TokenError)?,
            expires,
            secret,
        })
    }

    /// The token of a Secret, as far as it is of use at this time. `None` when it is no token's Secret.
    pub fn of_secret(json: &[u8], now: Timestamp) -> Option<Usable> {
        let secret: Secret<'_> = serde_json::from_slice(json).ok()?;
        if secret.kind != "bootstrap.kubernetes.io/token" {
            return None;
        }
        let bytes = |key: &str| {
            let value = secret.data.get(key)?;
            Some(Zeroizing::new(STANDARD.decode(value).ok()?))
        };
        let text = |key: &str| {
            let bytes = bytes(key)?;
            std::str::from_utf8(&bytes).ok().map(str::to_owned)
        };
        let named = secret.metadata.name.strip_prefix("bootstrap-token-");
        let id = text("token-id").unwrap_or_else(|| named.unwrap_or_default().to_owned());
        let no = |reason: &str| {
            Some(Usable::No {
                id: id.clone(),
                reason: reason.to_owned(),
            })
        };
        let is_set = |key: &str| text(key).as_deref() == Some("true");
        // what does not hold together the API server passes over
        if named != Some(id.as_str()) || !is_of_letters(id.as_bytes(), ID_LENGTH) {
            return no("its Secret has another name");
        }
        let Some(value) = bytes("token-secret") else {
            return no("it has no secret");
        };
        if !is_of_letters(&value, SECRET_LENGTH) {
            return no("its secret is none of 16 letters and digits");
        }
        if !is_set("usage-bootstrap-authentication") {
            return no("it authenticates nobody");
        }
        if !is_set("usage-bootstrap-signing") {
            return no("cluster-info is not signed for it");
        }
        let groups = text("auth-extra-groups").unwrap_or_default();
        if !groups.split(',').any(|group| group.trim() == TOKEN_GROUP) {
            return no("it is not in the group of new nodes");
        }
        let expires = match text("expiration") {
            None => None,
            Some(time) => match time.parse::<Timestamp>() {
                Ok(time) if time <= now => return no(&format!("it expired at {time}")),
                Ok(time) => Some(time),
                Err(_) => return no("its expiration is no time"),
            },
        };
        Some(Usable::Yes(Self {
            id,
            expires,
            secret: Sealed::new(value.to_vec()),
        }))
    }

    /// The secret half, which also signs `cluster-info`.
    pub fn secret(&self) -> &Sealed {
        &self.secret
    }

    /// `ID.SECRET`, as kubeadm takes it.
    pub fn text(&self) -> Sealed {
        let mut text = Vec::with_capacity(ID_LENGTH + 1 + SECRET_LENGTH);
        text.extend_from_slice(self.id.as_bytes());
        text.push(b'.');
        text.extend_from_slice(danger::open(&self.secret));
        Sealed::new(text)
    }

    /// The name of its Secret in `kube-system`.
    pub fn secret_name(&self) -> String {
        format!("bootstrap-token-{}", self.id)
    }

    /// Its Secret, JSON, as kubeadm makes it.
    pub fn to_secret_json(&self) -> Sealed {
        let mut json = Vec::with_capacity(1024);
        json.extend_from_slice(
            format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"{}\",\
                 \"namespace\":\"kube-system\"}},\"type\":\"bootstrap.kubernetes.io/token\",\
                 \"stringData\":{{\"token-id\":\"{}\",\"usage-bootstrap-authentication\":\"true\",\
                 \"usage-bootstrap-signing\":\"true\",\"auth-extra-groups\":\"{TOKEN_GROUP}\",\
                 \"description\":\"made by kubepki for a node that joins\",",
                self.secret_name(),
                self.id
            )
            .as_bytes(),
        );
        if let Some(expires) = self.expires {
            json.extend_from_slice(format!("\"expiration\":\"{expires}\",").as_bytes());
        }
        json.extend_from_slice(b"\"token-secret\":\"");
        json.extend_from_slice(danger::open(&self.secret));
        json.extend_from_slice(b"\"}}");
        Sealed::new(json)
    }
}

fn is_of_letters(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(|letter| LETTERS.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-22T08:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn token() -> BootstrapToken {
        let chance: Vec<u8> = (0..40).collect();
        let expires = Some("2026-11-23T08:00:00Z".parse().unwrap());
        BootstrapToken::generate(&Sealed::new(chance), expires).unwrap()
    }

    #[test]
    fn a_token_is_six_and_sixteen_letters() {
        let token = token();
        assert_eq!(token.id, "abcdef");
        assert_eq!(danger::open(&token.text()), b"abcdef.ghijklmnopqrstuv");
        let chance = Sealed::new(vec![255; 100]);
        assert!(BootstrapToken::generate(&chance, None).is_err());
    }

    /// What a server makes of `stringData`, given back as `data`.
    fn stored(token: &BootstrapToken) -> Value {
        let mut secret: Value =
            serde_json::from_slice(danger::open(&token.to_secret_json())).unwrap();
        let texts = secret["stringData"].take();
        let data = texts.as_object().unwrap().iter();
        secret["data"] = data
            .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        secret
    }

    fn judged(secret: &Value) -> String {
        let json = serde_json::to_vec(secret).unwrap();
        match BootstrapToken::of_secret(&json, now()) {
            None => "no token".to_owned(),
            Some(Usable::Yes(token)) => {
                String::from_utf8(danger::open(&token.text()).to_vec()).unwrap()
            }
            Some(Usable::No { id, reason }) => format!("{id}: {reason}"),
        }
    }

    #[test]
    fn what_was_made_is_found_again() {
        let secret = stored(&token());
        assert_eq!(judged(&secret), "abcdef.ghijklmnopqrstuv");
        assert_eq!(secret["metadata"]["name"], "bootstrap-token-abcdef");
        assert_eq!(secret["metadata"]["namespace"], "kube-system");
    }

    #[test]
    fn tokens_that_help_nobody_are_passed_over_with_the_reason() {
        let changed = |key: &str, value: Option<&str>| {
            let mut secret = stored(&token());
            let data = secret["data"].as_object_mut().unwrap();
            match value {
                Some(value) => data.insert(key.to_owned(), json!(STANDARD.encode(value))),
                None => data.remove(key),
            };
            judged(&secret)
        };
        for (key, value, expected) in [
            (
                "expiration",
                Some(NOW),
                "abcdef: it expired at 2026-11-22T08:00:00Z",
            ),
            (
                "expiration",
                Some("soon"),
                "abcdef: its expiration is no time",
            ),
            (
                "usage-bootstrap-signing",
                Some("false"),
                "abcdef: cluster-info is not signed for it",
            ),
            (
                "usage-bootstrap-authentication",
                None,
                "abcdef: it authenticates nobody",
            ),
            (
                "auth-extra-groups",
                Some("system:bootstrappers:x"),
                "abcdef: it is not in the group of new nodes",
            ),
            ("token-secret", None, "abcdef: it has no secret"),
            (
                "token-secret",
                Some("short"),
                "abcdef: its secret is none of 16 letters and digits",
            ),
            (
                "token-id",
                Some("fedcba"),
                "fedcba: its Secret has another name",
            ),
            ("expiration", None, "abcdef.ghijklmnopqrstuv"),
        ] {
            assert_eq!(changed(key, value), expected, "{key}");
        }
        let mut other = stored(&token());
        other["type"] = json!("Opaque");
        assert_eq!(judged(&other), "no token");
    }
}
