//! Signing certification requests (RFC 2986), for CAs whose key is elsewhere.

use kubepki_x509::{CertificationRequest, CertificationRequestInfo};

use crate::issuer::{IssueError, check_key};
use crate::private_key::PrivateKey;

/// Signs a certification request (RFC 2986) with the key that it is for.
pub fn sign_request(
    request: &CertificationRequestInfo,
    key: &PrivateKey,
) -> Result<CertificationRequest, IssueError> {
    let encode = |source| IssueError::Encode {
        subject: request.subject.to_string(),
        source,
    };
    check_key(&request.subject, &request.public_key, key)?;
    let info = request.info_der().map_err(encode)?;
    let (algorithm, signature) = key.sign(&info)?;
    let signed = CertificationRequest::assemble(&info, algorithm, &signature).map_err(encode)?;
    signed
        .verify_self_signature()
        .map_err(|error| IssueError::DoesNotVerify {
            subject: request.subject.to_string(),
            reason: error.to_string(),
        })?;
    Ok(signed)
}
