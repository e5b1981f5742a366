//! What was asked and which client certificate was shown: one JSON object a line, for tests to read.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::front_proxy::Verdict;
use crate::http::Request;
use crate::subject;

/// A file that lines are appended to.
pub struct Journal {
    file: Mutex<fs_err::File>,
}

impl Journal {
    /// Begins an empty one.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Mutex::new(fs_err::File::create(path)?);
        Ok(Journal { file })
    }

    /// Appends a request.
    pub fn note(
        &self,
        request: &Request,
        certificate: Option<&CertificateDer<'_>>,
        verdict: &Verdict,
    ) -> Result<()> {
        let shown = certificate.map(|der| {
            json!({
                "commonName": subject::common_name(der).ok(),
                "sha256": kubepki_lab::hexadecimal(&Sha256::digest(der)),
            })
        });
        let (user, refused) = match verdict {
            Verdict::Accepted { user } => (Some(user), None),
            Verdict::Refused { reason } => (None, Some(reason)),
        };
        let line = json!({
            "method": request.method,
            "path": request.path,
            "certificate": shown,
            "user": user,
            "refused": refused,
        });
        let mut file = self.file.lock().map_err(|_| anyhow!("a writer panicked"))?;
        Ok(writeln!(file, "{line}")?)
    }
}
