//! Where the client's certificate, its token and its trust come from: files, or a kubeconfig with
//! embedded data, read as kubeadm writes them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

#[derive(Default)]
pub struct Credentials {
    kubeconfig: Option<PathBuf>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    token: Option<PathBuf>,
    trust_at_start: bool,
    /// The bytes of the CA certificates that were read at the start.
    kept_trust: Option<Vec<u8>>,
}

impl Credentials {
    /// Takes an argument.
    pub fn take(&mut self, flag: &str, value: String) -> Result<()> {
        match flag {
            "--kubeconfig" => self.kubeconfig = Some(value.into()),
            "--ca" => self.authority = Some(value.into()),
            "--certificate" => self.certificate = Some(value.into()),
            "--key" => self.key = Some(value.into()),
            "--token" => self.token = Some(value.into()),
            "--trust-at-start" => self.trust_at_start = value == "yes",
            _ => bail!("unknown flag {flag}"),
        }
        Ok(())
    }

    /// Reads what is read only once.
    pub fn start(&mut self) -> Result<()> {
        if self.trust_at_start {
            self.kept_trust = Some(self.read_trust()?);
        }
        Ok(())
    }

    pub fn token(&self) -> Result<Option<String>> {
        let Some(path) = &self.token else {
            return Ok(None);
        };
        let token = fs::read_to_string(path).context("cannot read the token")?;
        Ok(Some(token.trim().to_owned()))
    }

    /// For a new connection.
    pub fn config(&self) -> Result<Arc<ClientConfig>> {
        let trust = match &self.kept_trust {
            Some(kept) => kept.clone(),
            None => self.read_trust()?,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&trust) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let Some((certificate, key)) = self.identity()? else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&key)?;
        Ok(Arc::new(builder.with_client_auth_cert(chain, key)?))
    }

    fn identity(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        if let Some(kubeconfig) = &self.kubeconfig {
            let text = fs::read_to_string(kubeconfig)?;
            let certificate = embedded(&text, "client-certificate-data")?;
            return Ok(Some((certificate, embedded(&text, "client-key-data")?)));
        }
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Some((fs::read(certificate)?, fs::read(key)?))),
            _ => Ok(None),
        }
    }

    fn read_trust(&self) -> Result<Vec<u8>> {
        match (&self.authority, &self.kubeconfig) {
            (Some(authority), _) => Ok(fs::read(authority)?),
            (None, Some(kubeconfig)) => embedded(
                &fs::read_to_string(kubeconfig)?,
                "certificate-authority-data",
            ),
            (None, None) => bail!("nothing to trust"),
        }
    }
}

/// The first value of this name, as kubeadm writes it: on one line.
fn embedded(kubeconfig: &str, name: &str) -> Result<Vec<u8>> {
    let value = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))
        .with_context(|| format!("the kubeconfig has no {name}"))?;
    Ok(STANDARD.decode(value.trim())?)
}
