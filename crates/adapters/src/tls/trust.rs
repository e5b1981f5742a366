//! Verification with a CA bundle, as a Kubernetes client does it, and the reason in words when it
//! fails.
//!
//! The path is checked by rustls-webpki (RFC 5280 §6). It takes no notice of a trust anchor's own
//! dates; Go does, and Go is what the cluster's clients are written in, so CA certificates out of
//! date are left out of the bundle here and named when a server's certificate came from one.

use std::sync::Arc;

use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, RootCertStore};

/// The certificates of a bundle that are inside their validity.
pub(crate) fn current_authorities(
    bundle: &[Certificate],
    now: Timestamp,
) -> impl Iterator<Item = &Certificate> {
    bundle
        .iter()
        .filter(move |authority| authority.validity().state(now) == ValidityState::Valid)
}

/// A verifier that trusts the bundle's current certificates and nothing else.
pub(super) fn verifier(
    bundle: &[Certificate],
    now: Timestamp,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut store = RootCertStore::empty();
    let mut unusable = Vec::new();
    for authority in current_authorities(bundle, now) {
        if let Err(error) = store.add(CertificateDer::from(authority.der().to_vec())) {
            unusable.push(format!("{} ({error})", authority.subject()));
        }
    }
    if store.is_empty() {
        unusable.extend(out_of_date(bundle.iter(), now));
        let reason = if unusable.is_empty() {
            "it is empty".to_owned()
        } else {
            unusable.join(", ")
        };
        return Err(format!(
            "cannot be verified: the trusted bundle has no usable CA: {reason}"
        ));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|error: VerifierBuilderError| format!("cannot be verified: {error}"))
}

/// Why the bundle does not accept the chain for the name, reading on after the endpoint's name.
pub(super) fn refusal(
    error: &CertificateError,
    chain: &[Certificate],
    bundle: &[Certificate],
    asked_name: &str,
    now: Timestamp,
) -> String {
    let Some(leaf) = chain.first() else {
        return format!("serves no certificate that can be read ({error})");
    };
    let served = format!("serves {}", subject(leaf));
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            match out_of_date(chain.iter(), now).into_iter().next() {
                Some(reason) => format!("{served}, but {reason}"),
                None => format!("{served}, which is outside its validity ({error})"),
            }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = leaf.subject_alt_names();
            let names = names
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            let names = if names.is_empty() {
                "no subject alternative name".to_owned()
            } else {
                names
            };
            format!("{served}, which is not valid for {asked_name}; it has {names}")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            let usages = leaf.extended_key_usage().unwrap_or_default();
            let usages = usages
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            format!(
                "{served}, which may not serve: expected extended key usage serverAuth, found {usages}"
            )
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("{served}, {}", unknown_issuer(chain, bundle, now))
        }
        error => format!("{served}, which is not accepted: {error}"),
    }
}

/// The four reasons why no path leads to a trust anchor, told apart.
fn unknown_issuer(chain: &[Certificate], bundle: &[Certificate], now: Timestamp) -> String {
    let Some(last) = chain_end(chain) else {
        return "whose issuer is not known".to_owned();
    };
    let issuer = last.issuer();
    let namesakes: Vec<_> = bundle
        .iter()
        .filter(|authority| authority.subject() == issuer)
        .collect();
    if namesakes.is_empty() {
        // RFC 5280 §7.1 would have these compare equal; Go and rustls compare bytes.
        let lookalike = bundle
            .iter()
            .any(|ca| ca.subject().to_string() == issuer.to_string());
        if lookalike {
            return format!("issued by {issuer}, which the trusted CA spells in another encoding");
        }
        let trusted: Vec<_> = bundle.iter().map(subject).collect();
        return format!(
            "issued by {issuer}, which is not trusted; trusted are {}",
            trusted.join(", ")
        );
    }
    match namesakes
        .iter()
        .find(|authority| last.verify_issued_by(authority).is_ok())
    {
        None => format!("signed by another key than the trusted {issuer} has"),
        Some(authority) => match out_of_date(std::iter::once(*authority), now).pop() {
            Some(reason) => format!("issued by a trusted CA, but {reason}"),
            None => format!("and no path leads from it to the trusted {issuer}"),
        },
    }
}

/// The last certificate that the leaf's line of issuers reaches inside the chain as served.
fn chain_end(chain: &[Certificate]) -> Option<&Certificate> {
    let mut end = chain.first()?;
    // Every step takes another certificate of the chain, so there are no more steps than those.
    for _ in chain {
        match chain
            .iter()
            .find(|next| *next != end && next.subject() == end.issuer())
        {
            Some(next) => end = next,
            None => break,
        }
    }
    Some(end)
}

fn out_of_date<'a>(
    certificates: impl Iterator<Item = &'a Certificate>,
    now: Timestamp,
) -> Vec<String> {
    certificates
        .filter_map(|certificate| {
            let validity = certificate.validity();
            let subject = subject(certificate);
            match validity.state(now) {
                ValidityState::Expired => {
                    Some(format!("{subject} expired at {}", validity.not_after))
                }
                ValidityState::NotYetValid => Some(format!(
                    "{subject} is not valid before {}",
                    validity.not_before
                )),
                ValidityState::Valid => None,
            }
        })
        .collect()
}

/// The subject; a certificate may have none but its alternative names.
fn subject(certificate: &Certificate) -> String {
    if certificate.subject().is_empty() {
        return "a certificate without subject".to_owned();
    }
    certificate.subject().to_string()
}
