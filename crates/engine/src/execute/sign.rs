//! Signing for other hosts, on the host that holds the CA's key.
//!
//! A request contributes its public key and the proof that somebody holds the other half. Subject,
//! names, usages and every other extension come from the certificate that is renewed and from the
//! plan, so whoever controls a request gains nothing but what the old certificate was.

use super::authorities::Authorities;
use super::content::Content;
use super::error::ExecuteError;
use super::mint::issue_error;
use crate::ports::HostRead;
use kubepki_core::plan::{Issuance, Origin, Signer};
use kubepki_x509::{Certificate, CertificationRequest, pem};

/// One certificate to sign.
#[derive(Clone, Debug)]
pub struct Order {
    /// The host that asks, by its name in the cluster document; to show.
    pub host: String,
    /// The issuance of that host's plan. Its signer names an authority of this host.
    pub issuance: Issuance,
    /// The certificate that is renewed, PEM; `None` where the plan itself says what to put into it.
    pub old_certificate_pem: Option<String>,
    /// The request, PEM.
    pub request_pem: String,
}

/// Signs every order, or none: the names of the issuances with their certificates, in the orders'
/// order.
pub fn sign(
    host: &dyn HostRead,
    orders: &[Order],
) -> Result<Vec<(String, Vec<Certificate>)>, ExecuteError> {
    let mut authorities = Authorities::new(host);
    orders
        .iter()
        .map(|order| {
            let chain = one(&mut authorities, order)?;
            Ok((order.issuance.name.clone(), chain))
        })
        .collect()
}

fn one(authorities: &mut Authorities<'_>, order: &Order) -> Result<Vec<Certificate>, ExecuteError> {
    let issuance = &order.issuance;
    let refuse = |reason: String| ExecuteError::Order {
        host: order.host.clone(),
        name: issuance.name.clone(),
        reason,
    };
    let (Signer::Elsewhere {
        certificate,
        key,
        fingerprint_sha256,
        ..
    }
    | Signer::Authority {
        certificate,
        key,
        fingerprint_sha256,
        ..
    }) = &issuance.signer
    else {
        return Err(refuse(
            "its plan has it signed by somebody else, expected an authority of this host"
                .to_owned(),
        ));
    };
    let request = CertificationRequest::from_pem(order.request_pem.as_bytes())
        .map_err(|error| refuse(error.to_string()))?;
    request.verify_self_signature().map_err(|error| {
        refuse(format!(
            "the request does not prove that its key is held: {error}"
        ))
    })?;
    let content = Content::sent(issuance, old_certificate(order)?)?;
    if content.certificate().is_some_and(Certificate::is_ca) {
        return Err(refuse(
            "it would be a CA certificate, expected an end-entity certificate".to_owned(),
        ));
    }
    if request.subject() != content.subject() {
        return Err(refuse(format!(
            "the request is for {}, expected {}",
            request.subject(),
            content.subject()
        )));
    }
    let evidence = content.certificate();
    let issuer = authorities.issuer(issuance, certificate, key, fingerprint_sha256, evidence)?;
    // A CA must not be had by asking for its name and key again.
    if request.public_key() == issuer.certificate().public_key() {
        return Err(refuse(
            "the request holds the CA's own key, expected one of its own".to_owned(),
        ));
    }
    let template = content.template(issuance, issuer.certificate(), request.public_key())?;
    let issued = issuer.issue(&template).map_err(issue_error(issuance))?;
    Ok(vec![issued])
}

fn old_certificate(order: &Order) -> Result<Option<Certificate>, ExecuteError> {
    let (Origin::Certificate { .. }, Some(text)) =
        (&order.issuance.origin, &order.old_certificate_pem)
    else {
        return Ok(None);
    };
    let chain = pem::certificates(text.as_bytes()).map_err(|error| ExecuteError::Order {
        host: order.host.clone(),
        name: order.issuance.name.clone(),
        reason: format!("the certificate to renew: {error}"),
    })?;
    Ok(chain.into_iter().next())
}
