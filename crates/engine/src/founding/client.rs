//! One client certificate in a kubeconfig, signed by an authority of the host.

use super::error::FoundingError;
use super::keys;
use super::mint::{issue_error, key_pem};
use super::observe::certificates;
use crate::ports::{FILE_LIMIT, HostRead};
use jiff::Timestamp;
use kubepki_core::formats::kubeconfig_edit::{NewCredentials, NewKubeconfig};
use kubepki_keys::{Issuer, KeyType, PrivateKey, random_serial};
use kubepki_sealed::Sealed;
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Name, Validity, ValidityState, profile,
};
use std::path::Path;

/// What a client's kubeconfig is to say.
#[derive(Clone, Debug)]
pub struct ClientRequest<'a> {
    /// The user: CN.
    pub user: &'a str,
    /// The user's groups: O.
    pub groups: &'a [String],
    /// The API server's URL.
    pub server: &'a str,
    /// The cluster's name in the kubeconfig.
    pub cluster: &'a str,
    /// The authority's file of certificates, all of which the kubeconfig will trust.
    pub authority_certificate: &'a Path,
    /// The authority's key.
    pub authority_key: &'a Path,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, if the authority lasts so long.
    pub not_after: Timestamp,
    /// The kind of key.
    pub key_type: KeyType,
}

/// Makes the kubeconfig's text. Also answers the certificate in it.
pub fn client_kubeconfig(
    host: &dyn HostRead,
    request: &ClientRequest<'_>,
    now: Timestamp,
) -> Result<(Sealed, Certificate), FoundingError> {
    let bundle = certificates(host, request.authority_certificate)?;
    let authority_key = host.read(request.authority_key, FILE_LIMIT)?;
    let authority_key =
        PrivateKey::from_pem(&authority_key).map_err(|source| FoundingError::KeyFile {
            path: request.authority_key.to_path_buf(),
            source,
        })?;
    let refuse = |reason: String| FoundingError::Certificates {
        path: request.authority_certificate.to_path_buf(),
        reason,
    };
    let signing = bundle
        .iter()
        .find(|certificate| certificate.public_key() == authority_key.public_key())
        .ok_or_else(|| {
            refuse(format!(
                "none of them belongs to the key {}",
                request.authority_key.display()
            ))
        })?;
    let validity = signing.validity();
    if validity.state(now) != ValidityState::Valid {
        return Err(refuse(format!(
            "the authority {} is valid from {} to {}, not at {now}",
            signing.subject(),
            validity.not_before,
            validity.not_after
        )));
    }
    let issuer = Issuer::new(signing.clone(), authority_key)
        .map_err(|source| issue_error(request.user, source))?;
    let mut made = keys::generate(&[(request.user, Some(request.key_type))])?;
    let key = made.pop().flatten().ok_or_else(|| FoundingError::Key {
        name: request.user.to_owned(),
        source: kubepki_keys::KeyError::Generation {
            key_type: request.key_type,
        },
    })?;
    let groups: Vec<&str> = request.groups.iter().map(String::as_str).collect();
    let subject = Name::common(request.user, &groups);
    let usages = [ExtendedKeyUsage::ClientAuth];
    let extensions = profile::leaf(&subject, &usages, &[], issuer.certificate());
    let certificate = issuer.issue(&CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: request.not_before,
            not_after: request.not_after.min(validity.not_after),
        },
        subject,
        public_key: key.public_key().clone(),
        extensions,
    });
    let certificate = certificate.map_err(|source| issue_error(request.user, source))?;
    let trusted: String = bundle.iter().map(Certificate::to_pem).collect();
    let text = NewKubeconfig {
        cluster: request.cluster,
        server: request.server,
        certificate_authority: trusted.as_bytes(),
        user: request.user,
        credentials: NewCredentials::Embedded {
            certificate: certificate.to_pem().as_bytes(),
            key: &key_pem(request.user, &key)?,
        },
    }
    .to_text();
    Ok((text, certificate))
}
