//! What certificates in a value are: somebody's own, or a bundle that somebody trusts.
//!
//! A key of their own beside them decides; then the name of the place, since `ca.crt` is trusted
//! even when a self-signed server certificate lies in it; then whether they are CA certificates.

use super::collector::{Collector, unread};
use super::contents::Found;
use crate::model::ObjectReference;
use crate::model::cluster::{BundlePurpose, Encoding};
use kubepki_x509::{Certificate, ExtendedKeyUsage, PublicKey};

/// One value of an object, read.
pub(super) struct Value {
    /// Its key in `data`.
    pub(super) key: String,
    /// What is in it.
    pub(super) found: Vec<Found>,
}

impl Collector<'_> {
    /// Places everything that one object holds.
    pub(super) fn place(
        &mut self,
        object: &ObjectReference,
        values: Vec<Value>,
        managed_by: Option<&str>,
    ) {
        let keys: Vec<(String, Vec<PublicKey>)> = values
            .iter()
            .map(|value| {
                let halves = value.found.iter().flat_map(|found| found.keys.clone());
                (value.key.clone(), halves.collect())
            })
            .collect();
        let is_etcd_client = self.has_etcd_client(object, &values);
        for Value { key, found } in values {
            for found in found {
                let place = found.place.as_deref().unwrap_or_default();
                let place = object.clone().at(format!("data[{key}]{place}"));
                if is_own(&found, &key, &keys) {
                    self.place_own(place, &key, found, &keys, managed_by);
                } else if !found.certificates.is_empty() || found.problem.is_some() {
                    let purpose = match is_etcd_client && self.has_known(&found.certificates) {
                        true => BundlePurpose::EtcdClient,
                        false => BundlePurpose::Other,
                    };
                    self.bundle(place, purpose, found.certificates, found.problem);
                }
            }
        }
    }

    fn place_own(
        &mut self,
        place: ObjectReference,
        key: &str,
        found: Found,
        keys: &[(String, Vec<PublicKey>)],
        managed_by: Option<&str>,
    ) {
        let mut problem = found.problem;
        let mut certificates = found.certificates.iter();
        if let Some(first) = certificates.next() {
            // what follows a certificate is its chain, but for others' own ones
            let behind: Vec<Certificate> = certificates
                .clone()
                .take_while(|next| next.is_ca())
                .cloned()
                .collect();
            let mut summary = self.summary(place.clone(), found.encoding, first, &behind);
            summary.key_matches = key_matches(first, key, &found.keys, found.has_keys, keys);
            summary.managed_by = managed_by.map(str::to_owned);
            summary.problem = problem.take();
            self.observation.certificates.push(summary);
            for other in certificates.filter(|other| !other.is_ca()) {
                let mut summary = self.summary(place.clone(), found.encoding, other, &[]);
                summary.managed_by = managed_by.map(str::to_owned);
                self.observation.certificates.push(summary);
            }
        } else if let Some(problem) = problem {
            let mut unread = unread(place, found.encoding, problem);
            unread.managed_by = managed_by.map(str::to_owned);
            self.observation.certificates.push(unread);
        }
    }

    /// Whether an object holds a client certificate of etcd's: one of the cluster's authorities
    /// signed it for clients, and somebody named something after etcd.
    fn has_etcd_client(&self, object: &ObjectReference, values: &[Value]) -> bool {
        let is_named = |name: &str| name.to_ascii_lowercase().contains("etcd");
        values.iter().any(|value| {
            let certificates = value.found.iter().flat_map(|found| &found.certificates);
            certificates
                .filter(|certificate| is_client(certificate))
                .any(|certificate| {
                    self.known.authorities.iter().any(|authority| {
                        let names = [
                            authority.subject().to_string(),
                            certificate.subject().to_string(),
                        ];
                        (is_named(&object.name)
                            || is_named(&value.key)
                            || names.iter().any(|name| is_named(name)))
                            && certificate.verify_issued_by(authority).is_ok()
                    })
                })
        })
    }

    fn has_known(&self, certificates: &[Certificate]) -> bool {
        certificates
            .iter()
            .any(|certificate| self.is_known(certificate))
    }
}

fn is_client(certificate: &Certificate) -> bool {
    let usages = certificate.extended_key_usage();
    !certificate.is_ca()
        && usages.is_none_or(|usages| usages.contains(&ExtendedKeyUsage::ClientAuth))
}

fn is_own(found: &Found, key: &str, keys: &[(String, Vec<PublicKey>)]) -> bool {
    if let Some(trusted) = found.trusted {
        return !trusted;
    }
    let Some(first) = found.certificates.first() else {
        return found.encoding == Encoding::Pkcs12 || !names_trust(key);
    };
    let own = first.public_key();
    let has_own_key = found.keys.contains(own)
        || keys
            .iter()
            .any(|(name, halves)| are_paired(key, name) && halves.contains(own));
    if has_own_key || key == "tls.crt" {
        return true;
    }
    !names_trust(key) && !first.is_ca()
}

/// Whether the private key beside a certificate is its own; `None` when no key is beside it.
fn key_matches(
    certificate: &Certificate,
    key: &str,
    here: &[PublicKey],
    has_keys: bool,
    keys: &[(String, Vec<PublicKey>)],
) -> Option<bool> {
    let own = certificate.public_key();
    if here.contains(own) || keys.iter().any(|(_, halves)| halves.contains(own)) {
        return Some(true);
    }
    let mut paired = keys.iter().filter(|(name, _)| are_paired(key, name));
    let is_contradicted =
        !here.is_empty() || (!has_keys && paired.any(|(_, halves)| !halves.is_empty()));
    is_contradicted.then_some(false)
}

/// `tls.crt` and `tls.key`, `client.pem` and `client-key.pem`, `etcd-cert` and `etcd-key`.
fn are_paired(certificate: &str, key: &str) -> bool {
    if certificate == key {
        return false;
    }
    let stem = |name: &str, endings: &[&str]| {
        let found = endings.iter().find_map(|ending| name.strip_suffix(ending));
        found.map(|stem| stem.trim_end_matches(['-', '_', '.']).to_owned())
    };
    let certificate = stem(
        certificate,
        &[
            "-cert.pem",
            "_cert.pem",
            ".cert.pem",
            "cert.pem",
            "-cert",
            "_cert",
            "cert",
            ".crt",
            ".cer",
            "-certificate.pem",
            ".pem",
        ],
    );
    let key = stem(
        key,
        &[
            "-key.pem", "_key.pem", ".key.pem", "key.pem", "-key", "_key", ".key", "key", ".pem",
        ],
    );
    certificate.is_some() && certificate == key
}

/// Whether a key's name says that what it holds is trusted: `ca.crt`, `root-cert.pem`,
/// `etcd-ca`, `truststore.jks`.
fn names_trust(key: &str) -> bool {
    let name = key.to_ascii_lowercase();
    let words: Vec<&str> = name
        .split(['.', '-', '_', '/'])
        .filter(|word| !word.is_empty())
        .collect();
    let is_trust = |word: &&str| {
        matches!(
            *word,
            "ca" | "cas"
                | "cabundle"
                | "bundle"
                | "cacert"
                | "cacerts"
                | "root"
                | "rootca"
                | "truststore"
                | "trust"
                | "trusted"
        )
    };
    words.iter().any(is_trust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paired_by_their_names() {
        for (certificate, key) in [
            ("tls.crt", "tls.key"),
            ("client.pem", "client-key.pem"),
            ("ca-cert.pem", "ca-key.pem"),
            ("etcd-cert", "etcd-key"),
            ("cert.pem", "key.pem"),
            ("cert", "key"),
            ("etcd-client.crt", "etcd-client.key"),
        ] {
            assert!(are_paired(certificate, key), "{certificate} {key}");
        }
        for (certificate, key) in [
            ("ca.crt", "tls.key"),
            ("tls.crt", "tls.crt"),
            ("root-cert.pem", "ca-key.pem"),
            ("a.pem", "a.pem"),
        ] {
            assert!(!are_paired(certificate, key), "{certificate} {key}");
        }
    }

    #[test]
    fn trust_is_named() {
        for key in [
            "ca.crt",
            "CA.pem",
            "etcd-ca",
            "root-cert.pem",
            "ca-bundle.crt",
            "truststore.p12",
        ] {
            assert!(names_trust(key), "{key}");
        }
        for key in [
            "tls.crt",
            "client.pem",
            "cert",
            "keystore.jks",
            "calico.crt",
            "scala.pem",
        ] {
            assert!(!names_trust(key), "{key}");
        }
    }
}
