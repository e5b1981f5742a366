//! One value of a Secret or ConfigMap: which of the known formats it is, and what is public in it.
//!
//! Values are told by their contents, never by the name of their key: an Opaque Secret may call
//! its keystore `blob`. Most values are none of these, so base64 is only decoded once a look at it
//! says that there may be something.

use super::java_key_store::{JavaKeyStore, is_java_key_store};
use super::opener::OpensKeys;
use crate::formats::kubeconfig::Kubeconfig;
use crate::model::cluster::Encoding;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::pem::{self, PemBlock};
use kubepki_x509::{Certificate, PublicKey, pkcs7};
use std::sync::LazyLock;

/// Certificates that belong together at one place of a value.
pub(super) struct Found {
    /// How they were encoded.
    pub(super) encoding: Encoding,
    /// Where in the value, when it has parts: an alias, a kubeconfig's user.
    pub(super) place: Option<String>,
    /// In order.
    pub(super) certificates: Vec<Certificate>,
    /// Public halves of the private keys beside them.
    pub(super) keys: Vec<PublicKey>,
    /// Whether there are private keys, opened or not.
    pub(super) has_keys: bool,
    /// Whether the place itself says that these are trusted (`Some(true)`) or owned.
    pub(super) trusted: Option<bool>,
    /// What could not be read.
    pub(super) problem: Option<String>,
}

impl Found {
    fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            place: None,
            certificates: Vec::new(),
            keys: Vec::new(),
            has_keys: false,
            trusted: None,
            problem: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.problem.is_none() && !self.has_keys
    }
}

/// Kubernetes writes padded base64 without line ends; unused bits may be set, as Go allows.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// More certificates than this in one value are not read: Mozilla's whole list has 150.
const MOST_CERTIFICATES: usize = 2000;
/// A kubeconfig is a few KiB.
const LARGEST_KUBECONFIG: usize = 1024 * 1024;

/// Decodes a Secret's value.
pub(super) fn decode(value: &str) -> Option<Sealed> {
    BASE64.decode(value).ok().map(Sealed::new)
}

/// Whether a Secret's value, still in base64, may hold anything that [`read`] knows.
pub(super) fn may_hold_certificates(value: &str) -> bool {
    static PEM: LazyLock<[String; 3]> = LazyLock::new(|| in_base64("-----BEGIN"));
    static KUBECONFIG: LazyLock<[String; 3]> = LazyLock::new(|| in_base64("-certificate-data"));
    static AUTHORITY: LazyLock<[String; 3]> = LazyLock::new(|| in_base64("-authority-data"));
    let start = value.get(..8).and_then(|start| BASE64.decode(start).ok());
    let start = start.unwrap_or_default();
    // a SEQUENCE of at least 128 octets, or of indefinite length
    let is_der = matches!(start.as_slice(), [0x30, 0x80..=0x84, ..]);
    let holds = |needle: &[String; 3]| needle.iter().any(|text| value.contains(text.as_str()));
    is_der || is_java_key_store(&start) || holds(&PEM) || holds(&KUBECONFIG) || holds(&AUTHORITY)
}

/// How a text looks in base64, behind any number of octets: what of it depends on its neighbours
/// is left out.
fn in_base64(text: &str) -> [String; 3] {
    [0, 2, 1].map(|skipped| {
        let rest = text.get(skipped..).unwrap_or_default();
        let whole = rest.get(..rest.len() / 3 * 3).unwrap_or_default();
        BASE64.encode(whole)
    })
}

/// What is in a value. `passwords` are tried on a PKCS #12 file.
pub(super) fn read(
    contents: &Sealed,
    opener: &dyn OpensKeys,
    passwords: impl FnOnce() -> Vec<Sealed>,
) -> Vec<Found> {
    let bytes = danger::open(contents);
    if is_java_key_store(bytes) {
        return java_key_store(bytes);
    }
    if bytes.first() == Some(&0x30) {
        return der(contents, opener, passwords).into_iter().collect();
    }
    if is_kubeconfig(bytes) {
        return kubeconfig(contents, opener);
    }
    let found = pem_text(bytes, opener);
    if found.is_empty() {
        Vec::new()
    } else {
        vec![found]
    }
}

/// PEM with certificates and keys, in whatever order.
pub(super) fn pem_text(bytes: &[u8], opener: &dyn OpensKeys) -> Found {
    let file = pem::parse(bytes);
    let mut found = Found::new(Encoding::Pem);
    for block in &file.blocks {
        if found.certificates.len() >= MOST_CERTIFICATES {
            found.problem = Some(format!("more than {MOST_CERTIFICATES} certificates"));
            return found;
        }
        match block.certificate() {
            Some(Ok(certificate)) => found.certificates.push(certificate),
            Some(Err(error)) => {
                let number = found.certificates.len() + 1;
                let problem = format!("certificate {number} at byte {}: {error}", block.span.start);
                found.problem.get_or_insert(problem);
            }
            None => other_block(block, opener, &mut found),
        }
    }
    let broken = file.problems.iter().find(|problem| {
        let label = problem.label.as_deref().unwrap_or_default();
        !problem.is_notice() && label.contains("CERTIFICATE") && !label.contains("REQUEST")
    });
    if let Some(problem) = broken {
        found.problem.get_or_insert_with(|| problem.to_string());
    }
    found
}

fn other_block(block: &PemBlock, opener: &dyn OpensKeys, found: &mut Found) {
    if block.label.ends_with("PRIVATE KEY") {
        found.has_keys = true;
        found.keys.extend(opener.public_half_of_block(block));
    } else if pkcs7::is_pkcs7_label(&block.label) {
        match pkcs7::certificates(danger::open(&block.contents)) {
            Ok(certificates) => found.certificates.extend(certificates),
            Err(error) => found.problem = Some(error.to_string()),
        }
    }
}

fn der(
    contents: &Sealed,
    opener: &dyn OpensKeys,
    passwords: impl FnOnce() -> Vec<Sealed>,
) -> Option<Found> {
    let bytes = danger::open(contents);
    let mut found = Found::new(Encoding::Der);
    if let Ok(certificate) = Certificate::from_der(bytes) {
        found.certificates.push(certificate);
    } else if let Ok(certificates) = pkcs7::certificates(bytes) {
        found.certificates = certificates;
    } else if opener.is_pkcs12(bytes) {
        found.encoding = Encoding::Pkcs12;
        match opener.open_pkcs12(bytes, &passwords()) {
            Ok(opened) => {
                found.trusted = Some(!opened.has_keys);
                found.has_keys = opened.has_keys;
                found.certificates = own_first(opened.certificates, &opened.keys);
                found.keys = opened.keys;
                found.problem = opened.problem;
            }
            Err(reason) => found.problem = Some(reason),
        }
    } else {
        // anything may begin like this; only a key is worth a word
        found.keys.push(opener.public_half_of_der(contents)?);
        found.has_keys = true;
    }
    Some(found)
}

/// PKCS #12 has no order: the certificate of the key goes first, as everywhere else.
fn own_first(mut certificates: Vec<Certificate>, keys: &[PublicKey]) -> Vec<Certificate> {
    let is_own = |certificate: &Certificate| keys.contains(certificate.public_key());
    certificates.sort_by_key(|certificate| !is_own(certificate));
    certificates
}

fn java_key_store(bytes: &[u8]) -> Vec<Found> {
    let store = JavaKeyStore::read(bytes);
    let mut all = Vec::new();
    // one place for all that is trusted, as in a file of PEM
    let mut trusted = Found::new(Encoding::Jks);
    trusted.trusted = Some(true);
    for entry in store.entries.into_iter().take(MOST_CERTIFICATES) {
        if entry.has_key {
            let mut own = Found::new(Encoding::Jks);
            own.place = Some(format!("[{}]", entry.alias));
            own.certificates = entry.certificates;
            own.has_keys = true;
            own.trusted = Some(false);
            own.problem = entry.problem;
            all.push(own);
        } else {
            trusted.certificates.extend(entry.certificates);
            trusted.problem = trusted.problem.or(entry.problem);
        }
    }
    trusted.problem = trusted.problem.or(store.problem);
    if !trusted.is_empty() {
        all.push(trusted);
    }
    all
}

fn is_kubeconfig(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let has = |field: &str| text.contains(field);
    bytes.len() <= LARGEST_KUBECONFIG
        && has("clusters")
        && (has("certificate-authority-data") || has("client-certificate-data"))
}

/// A kubeconfig's clusters are trust, its users are somebody.
pub(super) fn kubeconfig(contents: &Sealed, opener: &dyn OpensKeys) -> Vec<Found> {
    let mut all = Vec::new();
    let read = match Kubeconfig::parse(contents) {
        Ok(read) => read,
        Err(error) => {
            let mut found = Found::new(Encoding::Kubeconfig);
            found.trusted = Some(true);
            found.problem = Some(error.to_string());
            return vec![found];
        }
    };
    for cluster in &read.clusters {
        let embedded = cluster.certificate_authority.as_ref();
        if let Some(bytes) = embedded.and_then(|material| material.embedded()) {
            let mut found = pem_text(bytes, opener);
            found.encoding = Encoding::Kubeconfig;
            found.trusted = Some(true);
            found.place = Some(format!(".clusters[{}]", cluster.name));
            all.push(found);
        }
    }
    for user in &read.users {
        let embedded = user.client_certificate.as_ref();
        if let Some(bytes) = embedded.and_then(|material| material.embedded()) {
            let mut found = pem_text(bytes, opener);
            found.encoding = Encoding::Kubeconfig;
            found.trusted = Some(false);
            found.place = Some(format!(".users[{}]", user.name));
            if let Some(key) = user.client_key.as_ref().and_then(|key| key.embedded()) {
                let beside = pem_text(danger::open(key), opener);
                found.has_keys |= beside.has_keys;
                found.keys.extend(beside.keys);
            }
            all.push(found);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pem_is_seen_in_base64_wherever_it_begins() {
        for before in ["", "x", "xy", "xyz", "# Subject: CN=ca\n"] {
            let text = format!("{before}-----BEGIN CERTIFICATE-----\nMII");
            assert!(may_hold_certificates(&BASE64.encode(text)), "{before:?}");
            let text = format!("{before}    certificate-authority-data: LS0t");
            assert!(may_hold_certificates(&BASE64.encode(text)), "{before:?}");
        }
        for other in ["", "hunter2", "-----B", "{\"auths\":{}}"] {
            assert!(!may_hold_certificates(&BASE64.encode(other)), "{other:?}");
        }
        assert!(may_hold_certificates(
            &BASE64.encode([0x30, 0x82, 1, 2, 3, 4])
        ));
        assert!(may_hold_certificates(
            &BASE64.encode([0xfe, 0xed, 0xfe, 0xed, 0, 0])
        ));
    }

    struct Nothing;

    impl OpensKeys for Nothing {
        fn public_half_of_block(&self, _: &PemBlock) -> Option<PublicKey> {
            None
        }
        fn public_half_of_der(&self, _: &Sealed) -> Option<PublicKey> {
            None
        }
        fn is_pkcs12(&self, _: &[u8]) -> bool {
            false
        }
        fn open_pkcs12(
            &self,
            _: &[u8],
            _: &[Sealed],
        ) -> Result<super::super::opener::OpenedKeyStore, String> {
            Err("no".to_owned())
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, start in 0usize..4) {
            let starts: [&[u8]; 4] =
                [b"", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], &[0x30, 0x82], b"-----BEGIN CERTIFICATE-----\n"];
            let bytes = [starts[start], bytes.as_slice()].concat();
            read(&Sealed::new(bytes), &Nothing, Vec::new);
        }
    }
}
