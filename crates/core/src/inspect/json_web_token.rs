//! JSON Web Tokens (RFC 7519) as Kubernetes issues them to service accounts.
//!
//! Claims are shown, the signature is not: whoever holds a whole token is that service account.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>

use super::der::{SEQUENCE, element, unsigned_integer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kubepki_x509::{PublicKey, SignatureAlgorithm};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A token that could be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonWebToken {
    /// `alg` of the header, e.g. `RS256`.
    pub algorithm: String,
    /// `kid` of the header; Kubernetes puts base64url(SHA-256(SubjectPublicKeyInfo)) there.
    pub key_id: Option<String>,
    /// Every claim, in order.
    pub claims: Map<String, Value>,
    // together these are the token
    signed: Zeroizing<Vec<u8>>,
    signature: Zeroizing<Vec<u8>>,
}

/// Longest text that is looked at as a token; a service account's is about one KiB.
const LONGEST: usize = 64 * 1024;

impl JsonWebToken {
    /// Reads a token in compact form (RFC 7515 §3.1); nothing when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > LONGEST {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let object = |segment: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
        };
        let header = object(header)?;
        Some(Self {
            algorithm: header.get("alg")?.as_str()?.to_owned(),
            key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            claims: object(payload)?,
            signed: Zeroizing::new(signed.as_bytes().to_vec()),
            signature: Zeroizing::new(URL_SAFE_NO_PAD.decode(signature).ok()?),
        })
    }

    /// A claim that is a time: `exp`, `nbf`, `iat` (RFC 7519 §2, NumericDate).
    pub fn time(&self, claim: &str) -> Option<Timestamp> {
        let value = self.claims.get(claim)?;
        let seconds = value.as_i64().or_else(|| {
            // a fraction is allowed; what does not fit is no time
            let seconds = value.as_f64()?.floor();
            (seconds.abs() < 1e15).then_some(seconds as i64)
        })?;
        Timestamp::from_second(seconds).ok()
    }

    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// Who the token is for: `sub`, which for service accounts is
    /// `system:serviceaccount:<namespace>:<name>`.
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// Audiences: one text or several.
    pub fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether this key made the signature.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        use SignatureAlgorithm as Algorithm;
        let algorithm = match self.algorithm.as_str() {
            "RS256" => Algorithm::RsaPkcs1Sha256,
            "RS384" => Algorithm::RsaPkcs1Sha384,
            "RS512" => Algorithm::RsaPkcs1Sha512,
            "PS256" => Algorithm::RsaPssSha256 { salt_length: 32 },
            "PS384" => Algorithm::RsaPssSha384 { salt_length: 48 },
            "PS512" => Algorithm::RsaPssSha512 { salt_length: 64 },
            "ES256" => Algorithm::EcdsaSha256,
            "ES384" => Algorithm::EcdsaSha384,
            "ES512" => Algorithm::EcdsaSha512,
            "EdDSA" => Algorithm::Ed25519,
            _ => return false,
        };
        let is_raw = self.algorithm.starts_with("ES");
        let of_ecdsa = is_raw.then(|| Zeroizing::new(ecdsa_der(&self.signature)));
        let signature = of_ecdsa.as_deref().unwrap_or(&self.signature);
        key.verify(algorithm, &self.signed, signature).is_ok()
    }

    /// Whether the header's key id is the one that Kubernetes gives this key
    /// (`keyIDFromPublicKey` in pkg/serviceaccount).
    pub fn names_key(&self, key: &PublicKey) -> bool {
        self.key_id.as_deref() == Some(URL_SAFE_NO_PAD.encode(key.sha256()).as_str())
    }
}

/// Whether `key` signed the token; false also when `token` is none.
pub fn jwt_signed_by(token: &str, key: &PublicKey) -> bool {
    JsonWebToken::parse(token).is_some_and(|token| token.is_signed_by(key))
}

/// `r || s` (RFC 7518 §3.4) as the `ECDSA-Sig-Value` of RFC 3279 §2.2.3.
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    element(
        SEQUENCE,
        &[unsigned_integer(r), unsigned_integer(s)].concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compact(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.{}",
            part(header),
            part(claims),
            URL_SAFE_NO_PAD.encode([1, 2, 3])
        )
    }

    #[test]
    fn claims_and_times_are_read() {
        let text = compact(
            &json!({"alg": "RS256", "kid": "k"}),
            &json!({"sub": "system:serviceaccount:a:b", "aud": ["x"], "exp": 1.9, "nbf": "no"}),
        );
        let token = JsonWebToken::parse(&format!("{text}\n")).unwrap();
        assert_eq!(token.subject(), "system:serviceaccount:a:b");
        assert_eq!(token.audiences(), ["x"]);
        assert_eq!(token.time("exp"), Timestamp::from_second(1).ok());
        assert_eq!(token.time("nbf"), None);
        assert_eq!(token.key_id.as_deref(), Some("k"));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let no_algorithm = compact(&json!({"typ": "JWT"}), &json!({}));
        for text in ["", "a.b.c", "no", "eyJ.eyJ.", &no_algorithm] {
            assert!(JsonWebToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn raw_ecdsa_signatures_become_minimal_integers() {
        assert_eq!(
            ecdsa_der(&[0, 1, 0x80, 2]),
            [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 2]
        );
    }
}
