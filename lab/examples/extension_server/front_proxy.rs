//! Who may say in whose name a request comes: the front proxy, known by a client certificate of the
//! requestheader CA that bears an allowed name. Rules of
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy>.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use serde_json::Value;

use crate::http::Request;
use crate::subject;

const CONFIG_MAP: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/// Real servers watch the ConfigMap; asking is simpler, and soon enough for tests.
const PAUSE: Duration = Duration::from_secs(2);

/// What came of a request's client certificate.
pub enum Verdict {
    /// The front proxy asks for this user.
    Accepted {
        /// The value of `X-Remote-User`.
        user: String,
    },
    /// Nobody that this server knows, and why.
    Refused {
        /// In one sentence.
        reason: String,
    },
}

/// What `extension-apiserver-authentication` told last.
#[derive(Clone, Default)]
struct Trust {
    bundle: String,
    allowed_names: Vec<String>,
}

/// The front proxy as this server knows it at the moment.
pub struct FrontProxy {
    trust: Arc<RwLock<Option<Trust>>>,
}

impl FrontProxy {
    /// Starts to read the ConfigMap with kubectl and `kubeconfig`, again and again. Without one,
    /// nobody is let in. What was read last stays while the API can't be asked.
    pub fn start(kubeconfig: Option<PathBuf>) -> Self {
        let trust = Arc::new(RwLock::new(None));
        if let Some(kubeconfig) = kubeconfig {
            let trust = trust.clone();
            thread::spawn(move || {
                loop {
                    match read(&kubeconfig) {
                        Ok(read) => {
                            if let Ok(mut trust) = trust.write() {
                                *trust = Some(read);
                            }
                        }
                        Err(error) => eprintln!("{error:#}"),
                    }
                    thread::sleep(PAUSE);
                }
            });
        }
        FrontProxy { trust }
    }

    /// Whether the certificate is the front proxy's, and whom it speaks for.
    pub fn judge(&self, request: &Request, certificate: Option<&CertificateDer<'_>>) -> Verdict {
        match self.user(request, certificate) {
            Ok(user) => Verdict::Accepted { user },
            Err(error) => Verdict::Refused {
                reason: format!("{error:#}"),
            },
        }
    }

    fn user(&self, request: &Request, certificate: Option<&CertificateDer<'_>>) -> Result<String> {
        let certificate = certificate.context("no client certificate was shown")?;
        let trust = self.trust.read().ok().and_then(|trust| trust.clone());
        let trust = trust.context("extension-apiserver-authentication was not read yet")?;
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(trust.bundle.as_bytes()) {
            roots.add(root?)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()?
            .verify_client_cert(certificate, &[], UnixTime::now())
            .context("the client certificate is not of the requestheader CA")?;
        let name = subject::common_name(certificate)?;
        // an empty list allows every name
        if !trust.allowed_names.is_empty() && !trust.allowed_names.contains(&name) {
            bail!(
                "{name:?} is not one of the allowed names {:?}",
                trust.allowed_names
            );
        }
        let user = request
            .header("x-remote-user")
            .context("no X-Remote-User")?;
        Ok(user.to_owned())
    }
}

fn read(kubeconfig: &PathBuf) -> Result<Trust> {
    let output = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--request-timeout=5s", "get", "--raw", CONFIG_MAP])
        .output()
        .context("cannot run kubectl")?;
    if !output.status.success() {
        bail!(
            "kubectl: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let object: Value = serde_json::from_slice(&output.stdout)?;
    let text = |key: &str| object["data"][key].as_str().unwrap_or_default();
    Ok(Trust {
        bundle: text("requestheader-client-ca-file").to_owned(),
        allowed_names: serde_json::from_str(text("requestheader-allowed-names"))
            .context("requestheader-allowed-names is no list")?,
    })
}
