//! Signing certification requests (RFC 2986), for CAs whose key is elsewhere.

use kubepki_x509::{CertificationRequest, CertificationRequestInfo};

use crate::issuer::{IssueError, check_key};
use crate::private_key::PrivateKey;

/// Signs a certification request with the key that it is for.
///
/// # Errors
///
/// When the request's public key is not the key's, or the key does not sign.
pub fn sign_request(
    request: &CertificationRequestInfo,
    key: &PrivateKey,
) -> Result<CertificationRequest, IssueError> {
    check_key(&request.subject, &request.public_key, key)?;
    let info = request.info_der();
    let (algorithm, signature) = key.sign(&info)?;
    let signed =
        CertificationRequestInfo::assemble(&info, algorithm, &signature).map_err(|source| {
            IssueError::Encode {
                subject: request.subject.to_string(),
                source,
            }
        })?;
    signed
        .verify_self_signature()
        .map_err(|error| IssueError::DoesNotVerify {
            subject: request.subject.to_string(),
            reason: error.to_string(),
        })?;
    Ok(signed)
}
