//! Certificates that somebody else signed, taken back: each is checked before it may replace the old.
//!
//! A wrong certificate in the right place is worse than an expired one, so everything that the old
//! one said must be said by the new one: subject, names, usages, the authority and the key.

use super::content::{Content, certificates};
use super::error::ExecuteError;
use super::expected::{Expected, leads_to};
use super::mint::Minted;
use super::subject_key::key_error;
use crate::ports::FILE_LIMIT;
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::plan::Issuance;
use kubepki_keys::PrivateKey;
use kubepki_x509::ValidityState;
use std::path::Path;

/// Takes `NAME.crt` and `NAME.key` from `directory`.
pub(super) fn take(
    host: &dyn HostRead,
    issuance: &Issuance,
    directory: &Path,
    authority: Option<&Path>,
    now: Timestamp,
) -> Result<Minted, ExecuteError> {
    let certificate_path = directory.join(format!("{}.crt", issuance.file_stem()));
    let key_path = directory.join(format!("{}.key", issuance.file_stem()));
    let refuse = |reason: String| ExecuteError::Install {
        path: certificate_path.clone(),
        reason,
    };
    let chain = certificates(
        &certificate_path,
        &host.read(&certificate_path, FILE_LIMIT)?,
    )?;
    let Some(certificate) = chain.first() else {
        return Err(refuse("it holds no certificate".to_owned()));
    };
    let key =
        PrivateKey::from_pem(&host.read(&key_path, FILE_LIMIT)?).map_err(key_error(issuance))?;
    if key.public_key() != certificate.public_key() {
        return Err(refuse(format!(
            "its public key is not that of {}",
            key_path.display()
        )));
    }
    let validity = certificate.validity();
    match validity.state(now) {
        ValidityState::Valid => {}
        ValidityState::Expired => {
            return Err(refuse(format!(
                "it has expired already, at {}",
                validity.not_after
            )));
        }
        ValidityState::NotYetValid => {
            return Err(refuse(format!(
                "it is not valid before {}",
                validity.not_before
            )));
        }
    }
    let expected = Expected::of(&Content::here(host, issuance)?, issuance);
    expected.check(certificate).map_err(refuse)?;
    if let Some(bundle) = authority {
        let authorities = certificates(bundle, &host.read(bundle, FILE_LIMIT)?)?;
        let signed = authorities.iter().any(|ca| leads_to(&chain, ca));
        if !signed {
            return Err(refuse(format!(
                "signed by {}, expected one of {}",
                certificate.issuer(),
                bundle.display()
            )));
        }
    }
    Ok(Minted {
        chain,
        request: None,
        key: Some(key),
    })
}
