//! What a new certificate is to say: the content of the one that it follows, of a template that the
//! plan carries, or a client certificate of a given subject.
//!
//! Everything is decided by the plan and by what lies on the host; a certification request adds no
//! more than its public key.

use super::error::ExecuteError;
use crate::ports::{FILE_LIMIT, HostRead};
use kubepki_core::layouts::profiles::Usage;
use kubepki_core::model::Holder;
use kubepki_core::plan::{Issuance, Origin, names};
use kubepki_keys::random_serial;
use kubepki_sealed::Sealed;
use kubepki_x509::{
    Certificate, CertificateTemplate, EncodeError, ExtendedKeyUsage, Extension, GeneralName, Name,
    PublicKey, Validity, oid, pem, profile, reissue,
};
use std::path::Path;

/// What a new certificate is to say.
pub(super) enum Content {
    /// All that this certificate says, but the subject as given.
    Like {
        /// The certificate; what stood behind it in its file follows.
        chain: Vec<Certificate>,
        /// The certificate's own, or that of a template with another common name.
        subject: Name,
    },
    /// A certificate of this subject and for these uses.
    New {
        /// CN and O.
        subject: Name,
        /// Extended key usages.
        usages: Vec<ExtendedKeyUsage>,
    },
}

impl Content {
    /// What the plan says, with the certificate that lies on this host.
    pub(super) fn here(host: &dyn HostRead, issuance: &Issuance) -> Result<Self, ExecuteError> {
        match &issuance.origin {
            Origin::Certificate { .. } => Self::like(old_chain(host, issuance)?, issuance),
            _ => Self::planned(issuance),
        }
    }

    /// What the plan says of a certificate on another host, which was sent along.
    pub(super) fn sent(
        issuance: &Issuance,
        old_certificate: Option<Certificate>,
    ) -> Result<Self, ExecuteError> {
        let Origin::Certificate {
            fingerprint_sha256, ..
        } = &issuance.origin
        else {
            return Self::planned(issuance);
        };
        let old = old_certificate.ok_or_else(|| no_certificate(issuance))?;
        let found = hex::encode(old.fingerprint_sha256());
        if found != *fingerprint_sha256 {
            return Err(plan_error(issuance)(format!(
                "the certificate that was sent along is sha256:{found}, expected sha256:{fingerprint_sha256}"
            )));
        }
        Self::like(vec![old], issuance)
    }

    fn planned(issuance: &Issuance) -> Result<Self, ExecuteError> {
        match &issuance.origin {
            Origin::Certificate { .. } => Err(no_certificate(issuance)),
            Origin::Template {
                certificate_pem,
                common_name,
                ..
            } => {
                let chain = pem::certificates(certificate_pem.as_bytes())
                    .map_err(|error| plan_error(issuance)(format!("its template: {error}")))?;
                let mut content = Self::like(chain, issuance)?;
                if let (Self::Like { subject, .. }, Some(common_name)) = (&mut content, common_name)
                {
                    *subject = renamed(subject, common_name);
                }
                Ok(content)
            }
            Origin::Client {
                common_name,
                organizations,
            } => {
                let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
                Ok(Self::New {
                    subject: Name::common(common_name, &organizations),
                    usages: vec![ExtendedKeyUsage::ClientAuth],
                })
            }
            Origin::Profile {
                common_name,
                organizations,
                usages,
            } => {
                let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
                let usages = usages.iter().map(|usage| match usage {
                    Usage::ServerAuth => ExtendedKeyUsage::ServerAuth,
                    Usage::ClientAuth => ExtendedKeyUsage::ClientAuth,
                });
                Ok(Self::New {
                    subject: Name::common(common_name, &organizations),
                    usages: usages.collect(),
                })
            }
        }
    }

    fn like(chain: Vec<Certificate>, issuance: &Issuance) -> Result<Self, ExecuteError> {
        let subject = chain
            .first()
            .ok_or_else(|| no_certificate(issuance))?
            .subject()
            .clone();
        Ok(Self::Like { chain, subject })
    }

    /// The subject of the new certificate.
    pub(super) fn subject(&self) -> &Name {
        match self {
            Self::Like { subject, .. } | Self::New { subject, .. } => subject,
        }
    }

    /// What a certificate that is like no other is for.
    fn usages(&self) -> &[ExtendedKeyUsage] {
        match self {
            Self::New { usages, .. } => usages,
            Self::Like { .. } => &[],
        }
    }

    /// The certificate that the new one is like, if there is one.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Like { chain, .. } => chain.first(),
            Self::New { .. } => None,
        }
    }

    /// What `issuer` is to sign for `public_key`.
    pub(super) fn template(
        &self,
        issuance: &Issuance,
        issuer: &Certificate,
        public_key: &PublicKey,
    ) -> Result<CertificateTemplate, ExecuteError> {
        let validity = validity(issuance);
        let names = alternative_names(issuance)?;
        match (self, self.certificate()) {
            (Self::Like { subject, .. }, Some(old)) => {
                let mut template = reissue::template(
                    old,
                    issuer,
                    validity,
                    public_key.clone(),
                    random_serial(),
                    names.as_deref(),
                )
                .map_err(plan_error(issuance))?;
                template.subject = subject.clone();
                Ok(template)
            }
            _ => {
                let subject = self.subject().clone();
                let extensions =
                    profile::leaf(&subject, self.usages(), &names.unwrap_or_default(), issuer);
                Ok(CertificateTemplate {
                    serial_number: random_serial(),
                    validity,
                    subject,
                    public_key: public_key.clone(),
                    extensions,
                })
            }
        }
    }

    /// The extensions that a certification request asks for.
    pub(super) fn requested(&self, issuance: &Issuance) -> Result<Vec<Extension>, ExecuteError> {
        let names = alternative_names(issuance)?;
        match self.certificate() {
            Some(old) => {
                let requested: Result<_, EncodeError> = reissue::requested(old, names.as_deref());
                requested.map_err(plan_error(issuance))
            }
            None => Ok(profile::requested(
                self.subject(),
                self.usages(),
                &names.unwrap_or_default(),
            )),
        }
    }
}

/// The dates of an issuance.
pub(super) fn validity(issuance: &Issuance) -> Validity {
    Validity {
        not_before: issuance.not_before,
        not_after: issuance.not_after,
    }
}

fn alternative_names(issuance: &Issuance) -> Result<Option<Vec<GeneralName>>, ExecuteError> {
    let Some(names) = &issuance.subject_alt_names else {
        return Ok(None);
    };
    names
        .iter()
        .map(|name| {
            names::read(name).ok_or_else(|| ExecuteError::Plan {
                name: issuance.name.clone(),
                reason: format!("`{name}` is no subject alternative name"),
            })
        })
        .collect::<Result<Vec<GeneralName>, _>>()
        .map(Some)
}

/// The name with another common name in the place of its last; at the end where it has none. A name
/// that says so already stays byte for byte.
pub(super) fn renamed(name: &Name, common_name: &str) -> Name {
    if name.common_name().as_deref() == Some(common_name) {
        return name.clone();
    }
    let mut rdns: Vec<Vec<(_, String)>> = name
        .rdns()
        .into_iter()
        .map(|rdn| rdn.into_iter().map(|it| (it.oid, it.value)).collect())
        .collect();
    let last = rdns
        .iter_mut()
        .flatten()
        .rfind(|(attribute, _)| *attribute == oid::COMMON_NAME);
    match last {
        Some((_, value)) => *value = common_name.to_owned(),
        None => rdns.push(vec![(oid::COMMON_NAME, common_name.to_owned())]),
    }
    Name::from_rdns(rdns.iter().map(|rdn| {
        rdn.iter()
            .map(|(attribute, value)| (*attribute, value.as_str()))
            .collect()
    }))
}

/// The certificate that is there and those behind it.
fn old_chain(host: &dyn HostRead, issuance: &Issuance) -> Result<Vec<Certificate>, ExecuteError> {
    let Origin::Certificate {
        holder,
        fingerprint_sha256,
        ..
    } = &issuance.origin
    else {
        return Err(no_certificate(issuance));
    };
    let path = holder.path();
    let contents = host.read(path, FILE_LIMIT)?;
    let mut chain = match holder {
        Holder::Kubeconfig { user, .. } => super::render::kubeconfig_chain(path, &contents, user)?,
        _ => certificates(path, &contents)?,
    };
    // A CA bundle may hold others before the one that is meant.
    if let Some(index) = chain.iter().position(|certificate| {
        hex::encode(certificate.fingerprint_sha256()) == *fingerprint_sha256
    }) {
        chain.drain(..index);
        return Ok(chain);
    }
    Err(ExecuteError::Format {
        path: path.to_owned(),
        reason: format!(
            "expected the certificate sha256:{fingerprint_sha256}, it is no longer there"
        ),
    })
}

/// The certificates of a PEM file.
pub(super) fn certificates(
    path: &Path,
    contents: &Sealed,
) -> Result<Vec<Certificate>, ExecuteError> {
    pem::certificates(kubepki_sealed::danger::open(contents)).map_err(|error| {
        ExecuteError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    })
}

/// An error in what the plan says of an issuance.
pub(super) fn plan_error<E: std::fmt::Display>(
    issuance: &Issuance,
) -> impl Fn(E) -> ExecuteError + '_ {
    |error| ExecuteError::Plan {
        name: issuance.name.clone(),
        reason: error.to_string(),
    }
}

fn no_certificate(issuance: &Issuance) -> ExecuteError {
    ExecuteError::Plan {
        name: issuance.name.clone(),
        reason: "there is no certificate to renew".to_owned(),
    }
}
