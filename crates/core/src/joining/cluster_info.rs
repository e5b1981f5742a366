//! `cluster-info` in `kube-public`: what a joining host reads before it trusts anybody. A kubeconfig
//! without a user, signed once for each token that may use it.
//!
//! The signature is a JWS with detached contents (RFC 7515 appendix F), HS256 with the token's secret.
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing>

use super::token::BootstrapToken;
use crate::formats::kubeconfig::{Kubeconfig, PublicMaterial};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Why `cluster-info` tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cluster-info in kube-public: {reason}")]
pub struct ClusterInfoError {
    /// What is wrong with it.
    pub reason: String,
}

/// What `cluster-info` tells.
#[derive(Clone, Debug)]
pub struct ClusterInfo {
    /// The API server that hosts join at.
    pub server: String,
    /// The certificates it is trusted by.
    pub authorities: Vec<Certificate>,
    kubeconfig: String,
    signatures: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl ClusterInfo {
    /// Reads the ConfigMap's JSON.
    pub fn parse(json: &[u8]) -> Result<Self, ClusterInfoError> {
        let wrong = |reason: String| ClusterInfoError { reason };
        let map: ConfigMap =
            serde_json::from_slice(json).map_err(|error| wrong(format!("unreadable: {error}")))?;
        let kubeconfig = map.data.get("kubeconfig");
        let kubeconfig = kubeconfig.ok_or_else(|| wrong("there is no kubeconfig in it".into()))?;
        let parsed = Kubeconfig::parse(&Sealed::new(kubeconfig.clone().into_bytes()))
            .map_err(|error| wrong(error.to_string()))?;
        let cluster = parsed.clusters.first();
        let server = cluster.and_then(|cluster| cluster.server.clone());
        let trusted = cluster
            .and_then(|cluster| cluster.certificate_authority.as_ref())
            .and_then(PublicMaterial::embedded);
        let authorities = pem::certificates(trusted.unwrap_or_default())
            .map_err(|error| wrong(format!("its CA certificates: {error}")))?;
        let signatures = map.data.iter().filter_map(|(key, value)| {
            let id = key.strip_prefix("jws-kubeconfig-")?;
            Some((id.to_owned(), value.clone()))
        });
        Ok(Self {
            server: server.ok_or_else(|| wrong("its kubeconfig names no server".into()))?,
            authorities,
            signatures: signatures.collect(),
            kubeconfig: kubeconfig.clone(),
        })
    }

    /// Whether it is signed for this token: `None` when there is no signature, else whether it is right.
    pub fn is_signed_for(&self, token: &BootstrapToken) -> Option<bool> {
        let signature = self.signatures.get(&token.id)?;
        let Some((header, signature)) = signature.split_once("..") else {
            return Some(false);
        };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return Some(false);
        };
        if !is_hs256(header) {
            return Some(false);
        }
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(&self.kubeconfig));
        let expected = hmac_sha256(token.secret(), signed.as_bytes());
        Some(signature == expected)
    }

    /// Those of `bundle` that are missing in it, by key: a CA that was renewed with its key is the same
    /// to a host that pins it.
    pub fn missing<'c>(&self, bundle: &'c [Certificate]) -> Vec<&'c Certificate> {
        let is_in = |certificate: &&Certificate| {
            let mut known = self.authorities.iter();
            !known.any(|known| known.public_key() == certificate.public_key())
        };
        bundle.iter().filter(is_in).collect()
    }
}

fn is_hs256(header: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    let header = header.and_then(|json| serde_json::from_slice::<Header>(&json).ok());
    header.is_some_and(|header| header.alg == "HS256")
}

/// RFC 2104 with SHA-256. Only to verify what lies in the open; a secret's comparison would have to
/// take the same time for every answer.
fn hmac_sha256(key: &Sealed, message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    let opened = danger::open(key);
    let hashed: Zeroizing<Vec<u8>>;
    let bytes = if opened.len() > BLOCK {
        hashed = Zeroizing::new(Sha256::digest(opened).to_vec());
        hashed.as_slice()
    } else {
        opened
    };
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    let padded = |with: u8| Zeroizing::new(block.map(|byte| byte ^ with));
    let inner = Sha256::new()
        .chain_update(padded(0x36).as_slice())
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c).as_slice())
        .chain_update(inner)
        .finalize()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        for (key, message, expected) in [
            (
                vec![0x0b; 20],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(
                hex::encode(hmac_sha256(&Sealed::new(key), message)),
                expected
            );
        }
    }

    const CA: &str = include_str!("../../tests/fixtures/certificates/one.crt");

    fn token() -> BootstrapToken {
        let chance: Vec<u8> = (0..40).collect();
        BootstrapToken::generate(&Sealed::new(chance), Some(Timestamp::UNIX_EPOCH)).unwrap()
    }

    /// As Go's `go-jose` signs: a header with `alg` and `kid`, the contents taken out.
    fn config_map(secret: &[u8]) -> Vec<u8> {
        let authority = base64::engine::general_purpose::STANDARD.encode(CA);
        let kubeconfig = format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n\
             \x20   server: https://10.0.0.11:6443\n  name: \"\"\ncontexts: null\n\
             current-context: \"\"\nkind: Config\npreferences: {{}}\nusers: null\n"
        );
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"abcdef"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(&kubeconfig));
        let code = hmac_sha256(&Sealed::new(secret.to_vec()), signed.as_bytes());
        let signature = format!("{header}..{}", URL_SAFE_NO_PAD.encode(code));
        let data = json!({"kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": signature});
        serde_json::to_vec(&json!({"kind": "ConfigMap", "data": data})).unwrap()
    }

    #[test]
    fn it_tells_where_to_join_and_whom_to_trust() {
        let found = ClusterInfo::parse(&config_map(b"ghijklmnopqrstuv")).unwrap();
        assert_eq!(found.server, "https://10.0.0.11:6443");
        assert_eq!(found.authorities.len(), 1);
        assert_eq!(found.is_signed_for(&token()), Some(true));
        assert!(found.missing(&found.authorities.clone()).is_empty());
    }

    #[test]
    fn a_signature_with_another_secret_is_wrong_and_one_for_another_token_is_none() {
        let wrong = ClusterInfo::parse(&config_map(b"ghijklmnopqrstuw")).unwrap();
        assert_eq!(wrong.is_signed_for(&token()), Some(false));
        let mut other = ClusterInfo::parse(&config_map(b"ghijklmnopqrstuv")).unwrap();
        other.signatures.clear();
        assert_eq!(other.is_signed_for(&token()), None);
    }

    #[test]
    fn without_a_kubeconfig_or_a_ca_it_is_of_no_use() {
        for (data, expected) in [
            (
                json!({}),
                "cluster-info in kube-public: there is no kubeconfig in it",
            ),
            (
                json!({"kubeconfig": "kind: Config\nclusters: [{name: '', cluster: {server: 'https://x:1'}}]\n"}),
                "cluster-info in kube-public: its CA certificates: no certificate found",
            ),
        ] {
            let json = serde_json::to_vec(&json!({"data": data})).unwrap();
            let error = ClusterInfo::parse(&json).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
