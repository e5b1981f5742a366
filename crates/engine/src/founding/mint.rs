//! Minting: every key, certificate and file of a founding, made in memory and written nowhere.

use super::error::FoundingError;
use super::observe::certificates;
use super::{install, keys};
use crate::ports::{FILE_LIMIT, HostRead, Progress};
use jiff::Timestamp;
use kubepki_core::formats::kubeconfig_edit::{NewCredentials, NewKubeconfig};
use kubepki_core::founding::{
    Certifies, Destination, Founding, MadeFile, MadeFileKind, Making, Source,
};
use kubepki_keys::{
    IssueError, Issuer, KeyType, PrivateKey, public_half, random_serial, sign_request,
};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{
    Certificate, CertificateTemplate, CertificationRequestInfo, Validity, oid, pem, profile,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file that is made and not yet written.
pub struct NewFile {
    /// Its contents.
    pub contents: Sealed,
    /// Its mode.
    pub mode: u32,
    /// What is in it, and where it goes.
    pub made: MadeFile,
}

/// Only for its owner.
const SECRET: u32 = 0o600;
/// For everybody.
const PUBLIC: u32 = 0o644;

/// Makes everything that `founding` lists, in its order.
pub fn mint(
    host: &dyn HostRead,
    founding: &Founding,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Vec<NewFile>, FoundingError> {
    let mut mint = Mint {
        host,
        now,
        authorities: existing_authorities(host, founding)?,
        files: Vec::new(),
    };
    let mut wanted = Vec::new();
    for making in &founding.makings {
        let is_made = !matches!(making.source, Source::Installed { .. });
        let key_type = is_made.then_some(making.key_type.as_str());
        wanted.push((
            making.name.as_str(),
            key_type
                .map(|it| key_type_of(&making.name, it))
                .transpose()?,
        ));
    }
    for pair in &founding.service_account_keys {
        let key_type = pair.key_type.as_deref();
        wanted.push((
            pair.name.as_str(),
            key_type.map(|it| key_type_of(&pair.name, it)).transpose()?,
        ));
    }
    let count = wanted
        .iter()
        .filter(|(_, key_type)| key_type.is_some())
        .count();
    if count > 0 {
        progress.say(&format!("making {count} keys"));
    }
    let mut keys = keys::generate(&wanted)?.into_iter();
    for making in &founding.makings {
        mint.making(making, keys.next().flatten())?;
    }
    for pair in &founding.service_account_keys {
        mint.service_account_key(pair, keys.next().flatten())?;
    }
    Ok(mint.files)
}

struct Mint<'a> {
    host: &'a dyn HostRead,
    now: Timestamp,
    authorities: BTreeMap<String, Authority>,
    files: Vec<NewFile>,
}

/// An authority that was there or was just made.
struct Authority {
    /// Every certificate in its file.
    bundle: Vec<Certificate>,
    /// None where its key is elsewhere.
    issuer: Option<Issuer>,
}

fn existing_authorities(
    host: &dyn HostRead,
    founding: &Founding,
) -> Result<BTreeMap<String, Authority>, FoundingError> {
    let mut authorities = BTreeMap::new();
    for existing in &founding.existing_authorities {
        let bundle = certificates(host, &existing.certificate)?;
        let issuer = match &existing.key {
            None => None,
            Some(path) => {
                let key = PrivateKey::from_pem(&host.read(path, FILE_LIMIT)?);
                let key = key.map_err(|source| FoundingError::KeyFile {
                    path: path.clone(),
                    source,
                })?;
                let signing = bundle.iter().find(|it| it.public_key() == key.public_key());
                let signing = signing.ok_or_else(|| FoundingError::Authority {
                    name: path.display().to_string(),
                    authority: existing.name.clone(),
                })?;
                let issuer = Issuer::new(signing.clone(), key);
                Some(issuer.map_err(|source| issue_error(&existing.name, source))?)
            }
        };
        authorities.insert(existing.name.clone(), Authority { bundle, issuer });
    }
    Ok(authorities)
}

impl Mint<'_> {
    fn making(&mut self, making: &Making, key: Option<PrivateKey>) -> Result<(), FoundingError> {
        let (chain, key) = match (&making.source, key) {
            (
                Source::Installed {
                    directory,
                    authority,
                },
                _,
            ) => {
                let authority = authority
                    .as_ref()
                    .and_then(|name| self.authorities.get(name));
                let bundle = authority.map(|authority| authority.bundle.as_slice());
                install::take(self.host, making, directory, bundle, self.now)?
            }
            (Source::Request(_), Some(key)) => return self.request(making, &key),
            (Source::Itself, Some(key)) => {
                let template = template(making, &key, None);
                let made = Issuer::self_signed(&template, &key);
                (
                    vec![made.map_err(|source| issue_error(&making.name, source))?],
                    key,
                )
            }
            (Source::Authority(name), Some(key)) => {
                let issuer = self.issuer(&making.name, name)?;
                let template = template(making, &key, Some(issuer.certificate()));
                let made = issuer.issue(&template);
                let mut chain = vec![made.map_err(|source| issue_error(&making.name, source))?];
                chain.extend(self.chain_above(issuer.certificate()));
                (chain, key)
            }
            (_, None) => return Err(no_key(making)),
        };
        let Some(certificate) = chain.first() else {
            return Err(no_key(making));
        };
        if let Certifies::Authority { .. } = making.certifies {
            // Its file holds it alone: everything in there is trusted by everybody who reads it.
            let alone = vec![certificate.clone()];
            self.files_of(making, &alone, &key)?;
            let issuer = Issuer::new(certificate.clone(), key);
            let issuer = Some(issuer.map_err(|source| issue_error(&making.name, source))?);
            let authority = Authority {
                bundle: alone,
                issuer,
            };
            self.authorities.insert(making.name.clone(), authority);
            return Ok(());
        }
        self.files_of(making, &chain, &key)
    }

    fn request(&mut self, making: &Making, key: &PrivateKey) -> Result<(), FoundingError> {
        let extensions = match &making.certifies {
            Certifies::Leaf { usages, names } => profile::requested(&making.subject, usages, names),
            Certifies::Authority { path_length } => {
                let common_name = making.subject.common_name().unwrap_or_default();
                let mut wanted = profile::ca(&common_name, key.public_key(), *path_length, None);
                // The signer's own choice.
                wanted.retain(|extension| extension.oid != oid::SUBJECT_KEY_IDENTIFIER);
                wanted
            }
        };
        let request = CertificationRequestInfo {
            subject: making.subject.clone(),
            public_key: key.public_key().clone(),
            extensions,
        };
        let request =
            sign_request(&request, key).map_err(|source| issue_error(&making.name, source))?;
        let pem = key_pem(&making.name, key)?;
        let [key_path, request_path] = &making.paths()[..] else {
            return Err(no_key(making));
        };
        self.add(
            making,
            key_path.clone(),
            MadeFileKind::PrivateKey,
            SECRET,
            pem,
            (key, None),
        );
        let kind = MadeFileKind::CertificationRequest;
        let contents = Sealed::new(request.to_pem().into_bytes());
        self.add(
            making,
            request_path.clone(),
            kind,
            PUBLIC,
            contents,
            (key, None),
        );
        if let Some(file) = self.files.last_mut() {
            file.made.subject = Some(making.subject.to_string());
        }
        Ok(())
    }

    fn files_of(
        &mut self,
        making: &Making,
        chain: &[Certificate],
        key: &PrivateKey,
    ) -> Result<(), FoundingError> {
        let certificates: String = chain.iter().map(Certificate::to_pem).collect();
        let key_pem = key_pem(&making.name, key)?;
        let shown = (key, chain.first());
        match &making.destination {
            Destination::Files { certificate, key } if certificate == key => {
                let both = joined(certificates.as_bytes(), danger::open(&key_pem));
                let kind = MadeFileKind::CertificateAndKey;
                self.add(making, key.clone(), kind, SECRET, both, shown);
            }
            Destination::Files { certificate, key } => {
                let kind = MadeFileKind::PrivateKey;
                self.add(making, key.clone(), kind, SECRET, key_pem, (shown.0, None));
                let contents = Sealed::new(certificates.into_bytes());
                let kind = MadeFileKind::Certificate;
                self.add(making, certificate.clone(), kind, PUBLIC, contents, shown);
            }
            Destination::Kubeconfig {
                file,
                cluster,
                server,
                user,
                trusts,
            } => {
                let trusted = self.authorities.get(trusts);
                let trusted = trusted.ok_or_else(|| FoundingError::Authority {
                    name: making.name.clone(),
                    authority: trusts.clone(),
                })?;
                let bundle: String = trusted.bundle.iter().map(Certificate::to_pem).collect();
                let text = NewKubeconfig {
                    cluster,
                    server,
                    certificate_authority: bundle.as_bytes(),
                    user,
                    credentials: NewCredentials::Embedded {
                        certificate: certificates.as_bytes(),
                        key: &key_pem,
                    },
                }
                .to_text();
                self.add(
                    making,
                    file.clone(),
                    MadeFileKind::Kubeconfig,
                    SECRET,
                    text,
                    shown,
                );
            }
        }
        Ok(())
    }

    fn service_account_key(
        &mut self,
        pair: &kubepki_core::founding::ServiceAccountKeyMaking,
        key: Option<PrivateKey>,
    ) -> Result<(), FoundingError> {
        let public_key = match &key {
            Some(key) => key.public_key().clone(),
            None => {
                let half = public_half(&self.host.read(&pair.private, FILE_LIMIT)?);
                half.map_err(|source| FoundingError::KeyFile {
                    path: pair.private.clone(),
                    source,
                })?
                .public_key
            }
        };
        if let Some(key) = &key {
            let path = pair.private.clone();
            let kind = MadeFileKind::PrivateKey;
            self.files.push(NewFile {
                contents: key_pem(&pair.name, key)?,
                mode: SECRET,
                made: MadeFile::new(&pair.name, path, kind, SECRET, &public_key),
            });
        }
        let kind = MadeFileKind::PublicKey;
        // 0600 as kubeadm has it, though it is no secret.
        self.files.push(NewFile {
            contents: Sealed::new(pem::encode("PUBLIC KEY", public_key.spki_der()).into_bytes()),
            mode: SECRET,
            made: MadeFile::new(&pair.name, pair.public.clone(), kind, SECRET, &public_key),
        });
        Ok(())
    }

    fn add(
        &mut self,
        making: &Making,
        path: PathBuf,
        kind: MadeFileKind,
        mode: u32,
        contents: Sealed,
        (key, certificate): (&PrivateKey, Option<&Certificate>),
    ) {
        let made = MadeFile::new(&making.name, path, kind, mode, key.public_key());
        self.files.push(NewFile {
            contents,
            mode,
            made: match certificate {
                Some(certificate) => made.with_certificate(certificate),
                None => made,
            },
        });
    }

    fn issuer(&self, name: &str, authority: &str) -> Result<&Issuer, FoundingError> {
        let found = self.authorities.get(authority);
        let issuer = found.and_then(|authority| authority.issuer.as_ref());
        issuer.ok_or_else(|| FoundingError::Authority {
            name: name.to_owned(),
            authority: authority.to_owned(),
        })
    }

    /// The certificates that lead from what `signer` signs up to, and without, the root.
    fn chain_above(&self, signer: &Certificate) -> Vec<Certificate> {
        let known: Vec<&Certificate> = self
            .authorities
            .values()
            .flat_map(|authority| &authority.bundle)
            .collect();
        let mut chain: Vec<Certificate> = Vec::new();
        let mut next = Some(signer);
        while let Some(certificate) = next.filter(|it| !it.is_self_issued()) {
            if chain.contains(certificate) {
                break;
            }
            chain.push(certificate.clone());
            let issuer = known
                .iter()
                .find(|it| certificate.verify_issued_by(it).is_ok());
            next = issuer.copied();
        }
        chain
    }
}

fn template(
    making: &Making,
    key: &PrivateKey,
    issuer: Option<&Certificate>,
) -> CertificateTemplate {
    let extensions = match (&making.certifies, issuer) {
        (Certifies::Leaf { usages, names }, Some(issuer)) => {
            profile::leaf(&making.subject, usages, names, issuer)
        }
        // Nobody above it: what a request would say is all there is to say.
        (Certifies::Leaf { usages, names }, None) => {
            profile::requested(&making.subject, usages, names)
        }
        (Certifies::Authority { path_length }, issuer) => {
            let common_name = making.subject.common_name().unwrap_or_default();
            profile::ca(&common_name, key.public_key(), *path_length, issuer)
        }
    };
    CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: making.not_before,
            not_after: making.not_after,
        },
        subject: making.subject.clone(),
        public_key: key.public_key().clone(),
        extensions,
    }
}

/// As kubeadm writes a key of its type; one that was made elsewhere keeps its encoding.
pub(super) fn key_pem(name: &str, key: &PrivateKey) -> Result<Sealed, FoundingError> {
    key.to_pem(key.encoding())
        .map_err(|source| FoundingError::Key {
            name: name.to_owned(),
            source,
        })
}

fn joined(certificates: &[u8], key: &[u8]) -> Sealed {
    // One allocation of the right size: growing would leave copies of the key behind.
    let mut both = Vec::with_capacity(certificates.len() + key.len());
    both.extend_from_slice(certificates);
    both.extend_from_slice(key);
    Sealed::new(both)
}

pub(super) fn key_type_of(name: &str, text: &str) -> Result<KeyType, FoundingError> {
    text.parse().map_err(|source| FoundingError::KeyType {
        name: name.to_owned(),
        source,
    })
}

pub(super) fn issue_error(name: &str, source: IssueError) -> FoundingError {
    FoundingError::Issue {
        name: name.to_owned(),
        source,
    }
}

fn no_key(making: &Making) -> FoundingError {
    FoundingError::Key {
        name: making.name.clone(),
        source: kubepki_keys::KeyError::NoPrivateKey { found: Vec::new() },
    }
}
