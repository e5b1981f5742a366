//! The CAs that sign what a plan issues: each is read and checked once, however much it signs.
//!
//! A CA's key stays in memory until everything is minted, and no longer. An RSA key does better for
//! it: what it prepares against timing attacks at its first signature serves the others too.

use super::content::certificates;
use super::error::ExecuteError;
use super::mint::issue_error;
use super::subject_key::read_key;
use crate::ports::{FILE_LIMIT, HostRead};
use kubepki_core::plan::Issuance;
use kubepki_keys::{Issuer, PrivateKey};
use kubepki_x509::Certificate;
use std::path::{Path, PathBuf};

/// CAs, by the fingerprint that the plan knows them by.
pub(super) struct Authorities<'h> {
    host: &'h dyn HostRead,
    renewed: Vec<Renewed>,
    ready: Vec<Ready>,
}

/// A CA that the plan itself issues or brings.
struct Renewed {
    old_fingerprint_sha256: String,
    certificate: Certificate,
    /// Its key where that is new as well and not on the disk yet.
    key: Option<PrivateKey>,
}

struct Ready {
    fingerprint_sha256: String,
    key: PathBuf,
    issuer: Issuer,
}

impl<'h> Authorities<'h> {
    /// None is read yet.
    pub(super) fn new(host: &'h dyn HostRead) -> Self {
        Self {
            host,
            renewed: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// From now on this certificate stands for the CA that had the fingerprint; with this key, when
    /// its key is new.
    pub(super) fn renewed(
        &mut self,
        fingerprint_sha256: &str,
        certificate: Certificate,
        key: Option<PrivateKey>,
    ) {
        self.ready
            .retain(|ready| ready.fingerprint_sha256 != fingerprint_sha256);
        self.renewed.push(Renewed {
            old_fingerprint_sha256: fingerprint_sha256.to_owned(),
            certificate,
            key,
        });
    }

    /// Every CA certificate that the plan issues or brings.
    pub(super) fn new_certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.renewed.iter().map(|renewed| &renewed.certificate)
    }

    /// The CA whose certificate and key lie in these files, as it now is. An earlier stage may have
    /// renewed it with its own key since the plan was made: then its key is what it was, and
    /// `evidence`, where there is a certificate that it signed, shows that its name is as well.
    pub(super) fn issuer(
        &mut self,
        issuance: &Issuance,
        certificate: &Path,
        key: &Path,
        fingerprint_sha256: &str,
        evidence: Option<&Certificate>,
    ) -> Result<&Issuer, ExecuteError> {
        let is_wanted =
            |ready: &Ready| ready.fingerprint_sha256 == fingerprint_sha256 && ready.key == key;
        let index = match self.ready.iter().position(is_wanted) {
            Some(index) => index,
            None => {
                let issuer = self.read(issuance, certificate, key, fingerprint_sha256, evidence)?;
                self.ready.push(Ready {
                    fingerprint_sha256: fingerprint_sha256.to_owned(),
                    key: key.to_owned(),
                    issuer,
                });
                self.ready.len() - 1
            }
        };
        match self.ready.get(index) {
            Some(ready) => Ok(&ready.issuer),
            None => Err(not_there(issuance, certificate, fingerprint_sha256)),
        }
    }

    fn read(
        &mut self,
        issuance: &Issuance,
        certificate: &Path,
        key: &Path,
        fingerprint_sha256: &str,
        evidence: Option<&Certificate>,
    ) -> Result<Issuer, ExecuteError> {
        let renewed = self
            .renewed
            .iter_mut()
            .find(|it| it.old_fingerprint_sha256 == fingerprint_sha256);
        if let Some(renewed) = renewed
            && let Some(key) = renewed.key.take()
        {
            return Issuer::new(renewed.certificate.clone(), key).map_err(issue_error(issuance));
        }
        let bundle = certificates(certificate, &self.host.read(certificate, FILE_LIMIT)?)?;
        let key = read_key(self.host, issuance, key)?;
        // Even of a renewed one the old certificate must still be where the plan saw it.
        let found = bundle
            .iter()
            .find(|found| hex::encode(found.fingerprint_sha256()) == fingerprint_sha256)
            .or_else(|| {
                // Where a CA with a new key takes the place of a lost one, nobody can know it before.
                let is_new = fingerprint_sha256.is_empty();
                bundle.iter().find(|found| {
                    found.public_key() == key.public_key()
                        && (is_new || evidence.is_none_or(|it| it.verify_issued_by(found).is_ok()))
                })
            })
            .ok_or_else(|| not_there(issuance, certificate, fingerprint_sha256))?;
        let current = self
            .renewed
            .iter()
            .find(|it| it.old_fingerprint_sha256 == fingerprint_sha256)
            .map_or_else(|| found.clone(), |it| it.certificate.clone());
        Issuer::new(current, key).map_err(issue_error(issuance))
    }
}

fn not_there(issuance: &Issuance, path: &Path, fingerprint_sha256: &str) -> ExecuteError {
    ExecuteError::AuthorityChanged {
        name: issuance.name.clone(),
        bundle: path.to_owned(),
        fingerprint_sha256: fingerprint_sha256.to_owned(),
    }
}
