//! The findings about what lives in the API, one function each. Values in, findings out; whether a
//! bundle fits the server behind it takes the whole picture and is the doctor's business.

use super::checks::Thresholds;
use crate::findings::code;
use crate::model::cluster::{
    ApiBundle, ApiCertificate, BootstrapToken, BundlePurpose, RequestState, SigningRequest,
};
use crate::model::{Finding, Severity};
use jiff::{SignedDuration, Timestamp};

/// A request is decided within moments where somebody decides at all.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// Findings about a certificate in the API. What somebody else renews is one degree lighter: they
/// begin late, and do it by themselves.
pub fn certificate_findings(
    certificate: &ApiCertificate,
    now: Timestamp,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(problem) = &certificate.problem {
        findings.push(Finding::new(
            code::SECRET_UNREADABLE,
            Severity::Info,
            problem,
        ));
        return findings;
    }
    if let Some((severity, words)) = ending(certificate.not_after, now, thresholds) {
        let (severity, words) = match &certificate.managed_by {
            Some(manager) => (lighter(severity), format!("{words}; renewed by {manager}")),
            None => (severity, words),
        };
        findings.push(Finding::new(code::SECRET_EXPIRES, severity, words));
    }
    if certificate.key_matches == Some(false) {
        findings.push(Finding::new(
            code::SECRET_KEY_MISMATCH,
            Severity::Warning,
            "the key beside it belongs to another certificate",
        ));
    }
    findings
}

/// Findings about a bundle: nothing verifies by it once its last certificate has ended.
pub fn bundle_findings(
    bundle: &ApiBundle,
    now: Timestamp,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    if let Some(problem) = &bundle.problem {
        let severity = match bundle.purpose {
            BundlePurpose::Other => Severity::Info,
            _ => Severity::Critical,
        };
        return vec![Finding::new(code::BUNDLE_UNREADABLE, severity, problem)];
    }
    let last = bundle
        .certificates
        .iter()
        .max_by_key(|ca| ca.validity().not_after);
    let ending = last.and_then(|ca| {
        let (severity, words) = ending(ca.validity().not_after, now, thresholds)?;
        // copies that serve nothing that is known are worth a word, no more
        let severity = match bundle.purpose {
            BundlePurpose::Other => lighter(severity),
            _ => severity,
        };
        let message = format!("{} {words}", ca.subject());
        Some(Finding::new(code::BUNDLE_EXPIRES, severity, message))
    });
    ending.into_iter().collect()
}

/// Findings about a signing request.
pub fn request_findings(request: &SigningRequest, now: Timestamp) -> Vec<Finding> {
    let waits = request
        .created
        .is_none_or(|created| now.duration_since(created) > PATIENCE);
    let since = request
        .created
        .map_or(String::new(), |created| format!(" since {created}"));
    let asked = format!("asked by {} for {}", request.username, request.signer_name);
    let finding = match request.state {
        RequestState::Pending if waits => Finding::new(
            code::REQUEST_PENDING,
            Severity::Warning,
            format!("waits{since}, {asked}"),
        ),
        RequestState::Approved if waits => Finding::new(
            code::REQUEST_NOT_ISSUED,
            Severity::Warning,
            format!("approved, and nothing is issued{since}, {asked}"),
        ),
        _ => return Vec::new(),
    };
    vec![finding]
}

/// Findings about a bootstrap token.
pub fn bootstrap_token_findings(token: &BootstrapToken, now: Timestamp) -> Vec<Finding> {
    match token.expiration {
        Some(end) if end <= now => vec![Finding::new(
            code::BOOTSTRAP_TOKEN_EXPIRED,
            Severity::Info,
            format!("ended at {end}"),
        )],
        None if token.authenticates => vec![Finding::new(
            code::BOOTSTRAP_TOKEN_UNLIMITED,
            Severity::Warning,
            "never ends, and nodes may authenticate with it",
        )],
        _ => Vec::new(),
    }
}

fn ending(end: Timestamp, now: Timestamp, thresholds: &Thresholds) -> Option<(Severity, String)> {
    let left = end.duration_since(now);
    if left.is_negative() || left.is_zero() {
        return Some((Severity::Critical, format!("expired at {end}")));
    }
    let severity = if left < thresholds.critical {
        Severity::Critical
    } else if left < thresholds.warn {
        Severity::Warning
    } else {
        return None;
    };
    Some((severity, format!("expires at {end}")))
}

fn lighter(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::Warning,
        Severity::Warning | Severity::Info => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectReference;
    use crate::model::cluster::Encoding;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(findings: &[Finding]) -> Vec<(&str, Severity)> {
        findings
            .iter()
            .map(|finding| (finding.code.as_str(), finding.severity))
            .collect()
    }

    #[test]
    fn ends_are_judged_by_the_thresholds_and_by_who_renews() {
        let now = at("2026-06-01T00:00:00Z");
        let mut certificate = ApiCertificate {
            object: ObjectReference::namespaced("Secret", "shop", "web").at("data[tls.crt]"),
            encoding: Encoding::Pem,
            subject: "CN=web".to_owned(),
            issuer: "CN=ca".to_owned(),
            fingerprint: [0; 32],
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: now,
            is_ca: false,
            signed_by: None,
            key_matches: None,
            managed_by: None,
            chain: Vec::new(),
            problem: None,
        };
        let cases = [
            ("2026-05-31T23:59:59Z", Some(Severity::Critical)),
            ("2026-06-01T00:00:00Z", Some(Severity::Critical)),
            ("2026-06-07T00:00:00Z", Some(Severity::Critical)),
            ("2026-06-20T00:00:00Z", Some(Severity::Warning)),
            ("2026-07-20T00:00:00Z", None),
        ];
        for (end, expected) in cases {
            certificate.not_after = at(end);
            certificate.managed_by = None;
            let thresholds = Thresholds::default();
            let alone = certificate_findings(&certificate, now, &thresholds);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|severity| ("secret-expires", severity))
                .collect();
            assert_eq!(said(&alone), expected, "{end}");
            certificate.managed_by = Some("cert-manager Certificate shop/web".to_owned());
            let managed = certificate_findings(&certificate, now, &thresholds);
            assert!(
                managed
                    .iter()
                    .all(|found| found.severity < Severity::Critical)
            );
            assert_eq!(managed.len(), alone.len());
        }
        certificate.key_matches = Some(false);
        let found = certificate_findings(&certificate, now, &Thresholds::default());
        assert_eq!(said(&found), [("secret-key-mismatch", Severity::Warning)]);
        certificate.problem = Some("wrong password".to_owned());
        let found = certificate_findings(&certificate, now, &Thresholds::default());
        assert_eq!(said(&found), [("secret-unreadable", Severity::Info)]);
    }

    #[test]
    fn requests_have_some_minutes_to_be_decided() {
        let now = at("2026-06-01T00:00:00Z");
        let request = |state, created: &str| SigningRequest {
            object: ObjectReference::cluster_wide("CertificateSigningRequest", "csr-1"),
            signer_name: "kubernetes.io/kubelet-serving".to_owned(),
            username: "system:node:w1".to_owned(),
            created: Some(at(created)),
            state,
            issued: None,
        };
        let early = "2026-05-31T23:58:00Z";
        let late = "2026-05-31T08:00:00Z";
        for (state, created, code) in [
            (RequestState::Pending, early, None),
            (RequestState::Pending, late, Some("request-pending")),
            (RequestState::Approved, early, None),
            (RequestState::Approved, late, Some("request-not-issued")),
            (RequestState::Issued, late, None),
            (RequestState::Denied, late, None),
        ] {
            let found = request_findings(&request(state, created), now);
            assert_eq!(found.first().map(|it| it.code.as_str()), code, "{state:?}");
        }
    }

    #[test]
    fn a_token_that_never_ends_is_a_warning() {
        let now = at("2026-06-01T00:00:00Z");
        let mut token = BootstrapToken {
            object: ObjectReference::namespaced("Secret", "kube-system", "bootstrap-token-abcdef"),
            id: "abcdef".to_owned(),
            expiration: None,
            authenticates: true,
            signs: true,
        };
        let found = bootstrap_token_findings(&token, now);
        assert_eq!(
            said(&found),
            [("bootstrap-token-unlimited", Severity::Warning)]
        );
        token.expiration = Some(at("2026-05-01T00:00:00Z"));
        let found = bootstrap_token_findings(&token, now);
        assert_eq!(said(&found), [("bootstrap-token-expired", Severity::Info)]);
        token.expiration = Some(at("2026-07-01T00:00:00Z"));
        assert!(bootstrap_token_findings(&token, now).is_empty());
    }
}
