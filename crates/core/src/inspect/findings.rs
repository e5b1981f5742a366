//! What is wrong with an item, or remarkable: stable codes, each with a sentence.
//!
//! Severities follow the exit codes: critical is what does not work now (expired, not yet valid,
//! broken), warning is what soon will not or what Kubernetes components refuse, info is worth
//! knowing. Go's verifier is the measure, because every Kubernetes component uses it.
//! <https://pkg.go.dev/crypto/x509#Certificate.Verify>

use super::item::{Item, KubeconfigObject, Object, Signer};
use super::json_web_token::JsonWebToken;
use crate::model::{Finding, Severity};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{
    Certificate, CertificationRequest, ExtendedKeyUsage, KeyUsage, PublicKey, SerialNumber,
    ValidityState, oid,
};

/// Adds what is to be said about an item at `now`, after it was related to the others. Certificates
/// that end within `warn` get a warning.
pub fn judge(item: &mut Item, now: Timestamp, warn: SignedDuration) {
    let mut findings = Findings(std::mem::take(&mut item.findings));
    match &item.object {
        Object::Certificate(certificate) => {
            let is_self_signed = item.relations.signed_by == Some(Signer::Itself);
            findings.validity(certificate, now, warn);
            findings.serial_number(certificate.serial_number());
            findings.key(certificate.public_key());
            findings.signature(certificate, is_self_signed);
            findings.extensions(certificate);
            findings.authority(certificate);
        }
        Object::CertificationRequest(request) => findings.request(request),
        Object::PrivateKey(key) => {
            if let Some(key) = &key.public_key {
                findings.key(key);
            }
            if let Some(problem) = &key.problem {
                findings.info("encrypted", &problem.message);
            }
        }
        Object::PublicKey(key) => findings.key(key),
        Object::Kubeconfig(kubeconfig) => findings.kubeconfig(kubeconfig),
        Object::Token(token) => findings.token(token, now),
        Object::TlsServer(_) => {}
    }
    if item.relations.key_matches == Some(false)
        && let Some(beside) = &item.relations.counterpart
    {
        let message = format!("the key beside it, {beside}, belongs to another one");
        findings.critical("key-mismatch", message);
    }
    item.findings = findings.0;
}

/// Octets that RFC 5280 §4.1.2.2 allows a serial number.
const LONGEST_SERIAL_NUMBER: usize = 20;

struct Findings(Vec<Finding>);

impl Findings {
    fn critical(&mut self, code: &str, message: impl Into<String>) {
        self.0.push(Finding::new(code, Severity::Critical, message));
    }

    fn warning(&mut self, code: &str, message: impl Into<String>) {
        self.0.push(Finding::new(code, Severity::Warning, message));
    }

    fn info(&mut self, code: &str, message: impl Into<String>) {
        self.0.push(Finding::new(code, Severity::Info, message));
    }

    fn validity(&mut self, certificate: &Certificate, now: Timestamp, warn: SignedDuration) {
        let validity = certificate.validity();
        let (begin, end) = (validity.not_before, validity.not_after);
        if end < begin {
            let message = format!("its validity ends {end}, before it begins {begin}");
            return self.critical("never-valid", message);
        }
        match validity.state(now) {
            ValidityState::Expired => self.critical("expired", format!("expired at {end}")),
            ValidityState::NotYetValid => {
                self.critical("not-yet-valid", format!("not valid before {begin}"));
            }
            ValidityState::Valid if validity.remaining(now) < warn => {
                self.warning("expires-soon", format!("expires at {end}"));
            }
            ValidityState::Valid => {}
        }
    }

    fn serial_number(&mut self, serial: &SerialNumber) {
        if serial.is_zero() {
            // kubeadm before 1.30 gave its CAs serial number 0, and everything accepts it
            self.info(
                "zero-serial",
                "serial number 0, RFC 5280 wants a positive one",
            );
        }
        if serial.is_negative() {
            let message =
                format!("serial number {serial} is negative, Go 1.23 and later refuse it");
            self.warning("negative-serial", message);
        }
        if serial.octets().len() > LONGEST_SERIAL_NUMBER {
            let length = serial.octets().len();
            let message = format!(
                "serial number of {length} octets, expected at most {LONGEST_SERIAL_NUMBER}"
            );
            self.warning("long-serial", message);
        }
    }

    fn key(&mut self, key: &PublicKey) {
        let algorithm = key.algorithm();
        if algorithm.is_weak() {
            self.warning(
                "weak-key",
                format!("{algorithm} key, expected RSA of at least 2048 bits"),
            );
        }
    }

    fn signature(&mut self, certificate: &Certificate, is_self_signed: bool) {
        let algorithm = certificate.signature_algorithm();
        if !algorithm.is_weak() {
            return;
        }
        if is_self_signed {
            // nobody verifies the signature of a trust anchor
            self.info("weak-signature", format!("signs itself with {algorithm}"));
        } else {
            self.warning(
                "weak-signature",
                format!("signed with {algorithm}, which Go refuses"),
            );
        }
    }

    fn extensions(&mut self, certificate: &Certificate) {
        if let Err(error) = certificate.subject_alt_names_result() {
            self.warning("extension-malformed", format!("subjectAltName: {error}"));
        }
        let malformed = [
            (
                oid::BASIC_CONSTRAINTS,
                certificate.basic_constraints().is_none(),
            ),
            (oid::KEY_USAGE, certificate.key_usage().is_none()),
            (
                oid::EXTENDED_KEY_USAGE,
                certificate.extended_key_usage().is_none(),
            ),
            (
                oid::SUBJECT_KEY_IDENTIFIER,
                certificate.subject_key_identifier().is_none(),
            ),
            (
                oid::AUTHORITY_KEY_IDENTIFIER,
                certificate.authority_key_identifier().is_none(),
            ),
        ];
        for (known, is_malformed) in malformed {
            if let Some(extension) = certificate.extension(&known).filter(|_| is_malformed) {
                let name = extension.name().unwrap_or("extension");
                self.warning("extension-malformed", format!("{name} cannot be read"));
            }
        }
        for extension in certificate.extensions() {
            if extension.critical && extension.name().is_none() {
                let message = format!("critical extension {} is not known", extension.oid);
                self.warning("unknown-critical-extension", message);
            }
        }
        let serves = certificate
            .extended_key_usage()
            .is_some_and(|purposes| purposes.contains(&ExtendedKeyUsage::ServerAuth));
        if serves && !certificate.is_ca() && certificate.extension(&oid::SUBJECT_ALT_NAME).is_none()
        {
            self.warning(
                "no-subject-alt-name",
                "a server certificate without subjectAltName, which Go refuses",
            );
        }
    }

    fn authority(&mut self, certificate: &Certificate) {
        if !certificate.is_ca() {
            return;
        }
        match certificate.key_usage() {
            None => self.info("ca-without-key-usage", "a CA certificate without keyUsage"),
            Some(usage) if !usage.contains(KeyUsage::KEY_CERT_SIGN) => {
                self.warning(
                    "ca-cannot-sign",
                    "a CA certificate whose keyUsage lacks keyCertSign",
                );
            }
            Some(_) => {}
        }
    }

    fn request(&mut self, request: &CertificationRequest) {
        self.key(request.public_key());
        if let Err(error) = request.verify_self_signature() {
            self.critical("request-signature-invalid", error.to_string());
        }
    }

    fn kubeconfig(&mut self, kubeconfig: &KubeconfigObject) {
        for cluster in kubeconfig
            .clusters
            .iter()
            .filter(|c| c.insecure_skip_tls_verify)
        {
            let message = format!("cluster {} is not verified at all", cluster.name);
            self.warning("insecure-skip-tls-verify", message);
        }
        if let Some(current) = &kubeconfig.current_context
            && !kubeconfig.contexts.iter().any(|(name, ..)| name == current)
        {
            let message = format!("current-context {current} is not among its contexts");
            self.warning("unknown-context", message);
        }
    }

    fn token(&mut self, token: &JsonWebToken, now: Timestamp) {
        match token.time("exp") {
            Some(end) if end <= now => self.critical("expired", format!("expired at {end}")),
            Some(_) => {}
            None => self.info("never-expires", "a token without an end"),
        }
        if let Some(begin) = token.time("nbf").filter(|begin| *begin > now) {
            self.critical("not-yet-valid", format!("not valid before {begin}"));
        }
        if token.algorithm.eq_ignore_ascii_case("none") {
            self.warning("unsigned-token", "nobody signed it");
        }
    }
}
