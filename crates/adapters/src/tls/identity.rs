//! A client's certificate and key, made ready for a handshake.
//!
//! The key is opened here because only the TLS library can sign a handshake with it; it goes from
//! its seal into the library's own zeroizing key and nowhere else.

use std::sync::Arc;

use kubepki_engine::ports::ClientIdentity;
use kubepki_sealed::danger;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The identity as rustls wants it; refused when the key does not belong to the certificate, which
/// a server would only answer with a puzzling alert.
pub(super) fn certified_key(
    identity: &ClientIdentity,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let Some(certificate) = identity.chain.first() else {
        return Err("cannot be asked: the client identity holds no certificate".to_owned());
    };
    let subject = certificate.subject();
    // PKCS#1, SEC1 and PKCS#8; blocks of other kinds before the key are passed over.
    let key = PrivateKeyDer::from_pem_slice(danger::open(&identity.key_pem)).map_err(|error| {
        format!("cannot be asked: the key of client certificate {subject} is not readable: {error}")
    })?;
    let chain = identity
        .chain
        .iter()
        .map(|item| CertificateDer::from(item.der().to_vec()))
        .collect();
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("cannot be asked: client certificate {subject} belongs to another key than given")
        }
        error => format!("cannot be asked: client certificate {subject} is not usable: {error}"),
    })
}
