//! What lies in etcd, asked of etcd itself: every key of `/registry`, and a digest of every value
//! that nothing changes by itself. Two readings tell what was lost, added or changed.
//!
//! The storage layout is that of the API server (a key is `/registry/RESOURCE/NAMESPACE/NAME`); values
//! are compared as bytes, and no API server has to run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::host::Host;

const ASKED: &str = "cd /etc/kubernetes/pki/etcd; ETCDCTL_API=3 etcdctl \
    --endpoints https://127.0.0.1:2379 --cacert ca.crt --cert healthcheck-client.crt \
    --key healthcheck-client.key --command-timeout 20s get /registry/ --prefix -w json \
    >/root/etcd-objects.json";

/// Comes and goes by itself; so do the mirrors of static pods, which a kubelet deletes at once when it
/// starts such a pod anew, and makes again within some minutes.
const COMES_AND_GOES: [&str; 5] = [
    "/registry/pods/kube-system/",
    "/registry/leases/",
    "/registry/events/",
    "/registry/masterleases/",
    "/registry/certificatesigningrequests/",
];

/// Has a status that components write: its key has to stay, its value not.
const HAS_A_STATUS: [&str; 7] = [
    "/registry/minions/",
    "/registry/pods/",
    "/registry/csinodes/",
    "/registry/services/endpoints/",
    "/registry/endpointslices/",
    "/registry/apiregistration.k8s.io/",
    "/registry/flowschemas/",
];

/// Holds the cluster's CA certificates, besides the token Secrets.
const HOLDS_AUTHORITIES: [&str; 3] = [
    "/kube-root-ca.crt",
    "/kube-public/cluster-info",
    "/kube-system/extension-apiserver-authentication",
];

#[derive(Clone, Debug, Eq, PartialEq)]
struct Object {
    /// Of all of its bytes.
    digest: [u8; 32],
    /// Of its text without the certificates in it.
    beside_certificates: [u8; 32],
    holds_token: bool,
}

/// The objects of a cluster at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EtcdObjects {
    objects: BTreeMap<String, Object>,
}

impl Host {
    /// Reads everything from this host's etcd, which must have a quorum.
    pub fn etcd_objects(&self) -> Result<EtcdObjects> {
        Ok(EtcdObjects::of(self.etcd_values()?))
    }

    /// Every key of this host's etcd with its value.
    pub fn etcd_values(&self) -> Result<Vec<(String, Vec<u8>)>> {
        self.shell(ASKED)?;
        self.etcd_answer("/root/etcd-objects.json")
    }

    /// Every key of what `etcdctl get -w json` wrote into a file of this host, with its value. The file is
    /// removed.
    pub fn etcd_answer(&self, file: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let file = self.path(Path::new(file));
        let answer = fs_err::read(&file)?;
        // it holds every secret and CA of the cluster
        fs_err::remove_file(file)?;
        values(&answer)
    }
}

impl EtcdObjects {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.objects.len()
    }

    /// One digest of all keys and values.
    pub fn digest(&self) -> String {
        let mut all = Sha256::new();
        for (key, object) in &self.objects {
            all.update(key);
            if !starts_with(key, &HAS_A_STATUS) {
                all.update(object.digest);
            }
        }
        crate::cache::hexadecimal(&all.finalize())
    }

    /// What of this is not so in `later`, each in words; nothing if it is the same. If the cluster has
    /// had its CAs changed meanwhile, the objects that carry their certificates may differ in them.
    pub fn differences(&self, later: &EtcdObjects, authorities_changed: bool) -> Vec<String> {
        let mut differences = Vec::new();
        for (key, before) in &self.objects {
            let Some(after) = later.objects.get(key) else {
                differences.push(format!("lost: {key}"));
                continue;
            };
            let same = starts_with(key, &HAS_A_STATUS)
                || before.digest == after.digest
                || authorities_changed && differs_in_authorities_only(key, before, after);
            if !same {
                differences.push(format!("changed: {key}"));
            }
        }
        for key in later.objects.keys() {
            if !self.objects.contains_key(key) {
                differences.push(format!("added: {key}"));
            }
        }
        differences
    }

    fn of(values: Vec<(String, Vec<u8>)>) -> Self {
        let objects = values
            .into_iter()
            .filter(|(key, _)| !starts_with(key, &COMES_AND_GOES))
            .map(|(key, value)| (key, Object::of(&value)));
        EtcdObjects {
            objects: objects.collect(),
        }
    }
}

/// Keys and values of an answer of etcdctl.
fn values(answer: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let answer: Value = serde_json::from_slice(answer).context("etcdctl answered no JSON")?;
    let mut values = Vec::new();
    for entry in answer["kvs"].as_array().context("etcdctl found nothing")? {
        let field = |name: &str| {
            let text = entry[name].as_str().with_context(|| format!("no {name}"))?;
            STANDARD
                .decode(text)
                .with_context(|| format!("an odd {name}"))
        };
        values.push((String::from_utf8(field("key")?)?, field("value")?));
    }
    Ok(values)
}

impl Object {
    fn of(value: &[u8]) -> Self {
        let text = printable(value);
        Object {
            digest: Sha256::digest(value).into(),
            beside_certificates: Sha256::digest(without_certificates(&text)).into(),
            holds_token: text.contains("kubernetes.io/service-account-token"),
        }
    }
}

fn starts_with(key: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| key.starts_with(prefix))
}

fn differs_in_authorities_only(key: &str, before: &Object, after: &Object) -> bool {
    if HOLDS_AUTHORITIES.iter().any(|end| key.ends_with(end)) {
        return true;
    }
    before.holds_token && before.beside_certificates == after.beside_certificates
}

/// The text in a value: lengths, which are bytes of protobuf, would differ with what they measure.
fn printable(value: &[u8]) -> String {
    const SHORTEST: usize = 4;
    value
        .split(|byte| !(b' '..=b'~').contains(byte) && *byte != b'\n')
        .filter(|run| run.len() >= SHORTEST)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join("\u{0}")
}

fn without_certificates(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----\n";
    let mut parts = text.split(BEGIN);
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        left.push_str(part.split_once(END).map_or(part, |(_, rest)| rest));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(objects: &[(&str, &str)]) -> EtcdObjects {
        let entries: Vec<Value> = objects
            .iter()
            .map(|(key, value)| {
                serde_json::json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) })
            })
            .collect();
        let answer = serde_json::json!({ "kvs": entries }).to_string();
        EtcdObjects::of(values(answer.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_lost_added_and_changed_is_told() {
        let before = answer(&[
            ("/registry/secrets/a/kept", "value"),
            ("/registry/secrets/a/lost", "value"),
            ("/registry/secrets/a/changed", "value"),
            ("/registry/minions/w1", "ready"),
            ("/registry/leases/a/b", "then"),
        ]);
        let after = answer(&[
            ("/registry/secrets/a/kept", "value"),
            ("/registry/secrets/a/changed", "other"),
            ("/registry/secrets/a/added", "value"),
            ("/registry/minions/w1", "not ready"),
            ("/registry/leases/c/d", "now"),
        ]);
        assert_eq!(before.count(), 4);
        assert_ne!(before.digest(), after.digest());
        assert_eq!(
            before.differences(&after, true),
            [
                "changed: /registry/secrets/a/changed",
                "lost: /registry/secrets/a/lost",
                "added: /registry/secrets/a/added",
            ]
        );
    }

    #[test]
    fn a_token_may_come_with_another_ca_but_not_be_another() {
        let secret = |authority: &str, token: &str| {
            format!(
                "ca.crt\u{1}-----BEGIN CERTIFICATE-----\n{authority}\n-----END CERTIFICATE-----\n\
                 \u{1}token\u{1}{token}\u{1}kubernetes.io/service-account-token"
            )
        };
        let key = "/registry/secrets/a/default-token";
        let before = answer(&[(key, &secret("old", "token-of-it"))]);
        let other_authority = answer(&[(key, &secret("another", "token-of-it"))]);
        assert_eq!(
            before.differences(&other_authority, true),
            Vec::<String>::new()
        );
        assert_eq!(before.differences(&other_authority, false).len(), 1);
        let other_token = answer(&[(key, &secret("another", "token-of-that"))]);
        assert_eq!(before.differences(&other_token, true).len(), 1);
    }
}
