//! The CAs that sign what a plan issues: each is read and checked once, however much it signs.
//!
//! A CA's key stays in memory until everything is minted, and no longer. An RSA key does better for
//! it: what it prepares against timing attacks at its first signature serves the others too.

use super::error::ExecuteError;
use super::mint::{certificates, issue_error};
use super::subject_key::read_key;
use crate::ports::{FILE_LIMIT, HostRead};
use kubepki_core::plan::Issuance;
use kubepki_keys::Issuer;
use kubepki_x509::Certificate;
use std::path::{Path, PathBuf};

/// CAs, by the fingerprint that the plan knows them by.
pub(super) struct Authorities<'h> {
    host: &'h dyn HostRead,
    renewed: Vec<(String, Certificate)>,
    ready: Vec<Ready>,
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

    /// From now on this certificate stands for the CA that had the fingerprint.
    pub(super) fn renewed(&mut self, fingerprint_sha256: &str, certificate: Certificate) {
        self.ready
            .retain(|ready| ready.fingerprint_sha256 != fingerprint_sha256);
        self.renewed
            .push((fingerprint_sha256.to_owned(), certificate));
    }

    /// The CA whose certificate and key lie in these files, as it now is.
    pub(super) fn issuer(
        &mut self,
        issuance: &Issuance,
        certificate: &Path,
        key: &Path,
        fingerprint_sha256: &str,
    ) -> Result<&Issuer, ExecuteError> {
        let is_wanted =
            |ready: &Ready| ready.fingerprint_sha256 == fingerprint_sha256 && ready.key == key;
        let index = match self.ready.iter().position(is_wanted) {
            Some(index) => index,
            None => {
                let issuer = self.read(issuance, certificate, key, fingerprint_sha256)?;
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
        &self,
        issuance: &Issuance,
        certificate: &Path,
        key: &Path,
        fingerprint_sha256: &str,
    ) -> Result<Issuer, ExecuteError> {
        // even of a renewed one the old certificate must still be where the plan saw it
        let found = certificates(certificate, &self.host.read(certificate, FILE_LIMIT)?)?
            .into_iter()
            .find(|found| hex::encode(found.fingerprint_sha256()) == fingerprint_sha256)
            .ok_or_else(|| not_there(issuance, certificate, fingerprint_sha256))?;
        let current = self
            .renewed
            .iter()
            .find(|(old, _)| old == fingerprint_sha256)
            .map_or(found, |(_, new)| new.clone());
        let key = read_key(self.host, issuance, key)?;
        Issuer::new(current, key).map_err(issue_error(issuance))
    }
}

fn not_there(issuance: &Issuance, path: &Path, fingerprint_sha256: &str) -> ExecuteError {
    ExecuteError::Format {
        path: path.to_owned(),
        reason: format!(
            "expected the CA sha256:{fingerprint_sha256} that signs {}, it is not there",
            issuance.name
        ),
    }
}
