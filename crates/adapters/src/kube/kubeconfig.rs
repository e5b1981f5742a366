//! From a kubeconfig's bytes to a connection's configuration.
//!
//! The `kube` crate could do this by itself, but would take a proxy from the environment, resolve
//! relative paths against the working directory, show the text around a YAML error (which may be a
//! key), and trust CAs that have expired; Kubernetes' own client does none of that here.

use std::path::Path;

use ::kube::Config;
use ::kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubepki_engine::ports::KubeApiError;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::pem;

use crate::tls::current_authorities;

/// Where to ask, and how.
pub(super) struct Target {
    /// The server's URL.
    pub(super) server: String,
    pub(super) configuration: Config,
}

/// What may be done with what a kubeconfig names beside itself.
pub(super) enum Manners<'a> {
    /// Its own bytes and absolute paths only: what is verified is the kubeconfig, not this shell.
    Prober,
    /// As kubectl: relative paths from the kubeconfig's folder, its command, its proxy.
    Client {
        /// The kubeconfig's folder.
        folder: &'a Path,
    },
}

/// The kubeconfig's current context. `server` replaces the server; the name that its certificate is
/// checked against stays the kubeconfig's.
pub(super) fn target(
    kubeconfig: &Sealed,
    server: Option<&str>,
    manners: &Manners<'_>,
) -> Result<Target, KubeApiError> {
    let named = server.unwrap_or("kubeconfig").to_owned();
    let refused = |detail| KubeApiError {
        server: named,
        unauthorized: false,
        detail,
    };
    current_context(kubeconfig, server, manners).map_err(refused)
}

fn current_context(
    kubeconfig: &Sealed,
    server: Option<&str>,
    manners: &Manners<'_>,
) -> Result<Target, String> {
    let text = std::str::from_utf8(danger::open(kubeconfig))
        .map_err(|_| "the kubeconfig is not UTF-8".to_owned())?;
    // The reason is withheld: it quotes the text.
    let kubeconfig = Kubeconfig::from_yaml(text)
        .map_err(|_| "the kubeconfig is not YAML of kind Config".to_owned())?;
    let context_name = kubeconfig
        .current_context
        .filter(|name| !name.is_empty())
        .ok_or("the kubeconfig has no current-context")?;
    let context = kubeconfig
        .contexts
        .into_iter()
        .find(|named| named.name == context_name)
        .and_then(|named| named.context)
        .ok_or_else(|| format!("the kubeconfig has no context {context_name:?}"))?;
    let mut cluster = kubeconfig
        .clusters
        .into_iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster)
        .ok_or_else(|| format!("the kubeconfig has no cluster {:?}", context.cluster))?;
    // As kubectl does, a context without user asks as nobody.
    let mut user = kubeconfig
        .auth_infos
        .into_iter()
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info)
        .unwrap_or_default();
    match manners {
        Manners::Prober => check_user(&user)?,
        Manners::Client { folder } => resolve(&mut cluster, &mut user, folder)?,
    }
    let proxy = cluster.proxy_url.take().filter(|url| !url.is_empty());
    let mut target = configuration(&cluster, user, server)?;
    if let (Manners::Client { .. }, Some(proxy)) = (manners, proxy) {
        let proxy = proxy
            .parse()
            .map_err(|error| format!("the kubeconfig's proxy-url is not valid: {error}"))?;
        target.configuration.proxy_url = Some(proxy);
    }
    Ok(target)
}

fn configuration(
    cluster: &Cluster,
    user: AuthInfo,
    server: Option<&str>,
) -> Result<Target, String> {
    let own_server = cluster
        .server
        .as_deref()
        .ok_or("the kubeconfig's cluster has no server")?;
    let server = match server {
        Some(server) if server.contains("://") => server.to_owned(),
        Some(server) => format!("https://{server}"),
        None => own_server.to_owned(),
    };
    let url = server
        .parse()
        .map_err(|error| format!("the server's URL is not valid: {error}"))?;
    let mut configuration = Config::new(url);
    configuration.tls_server_name = match &cluster.tls_server_name {
        Some(name) => Some(name.clone()),
        None => {
            let own: Config = Config::new(
                own_server
                    .parse()
                    .map_err(|error| format!("the kubeconfig's server is not a URL: {error}"))?,
            );
            let host = own.cluster_url.host().unwrap_or_default();
            Some(
                host.trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned(),
            )
        }
    };
    configuration.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    configuration.root_cert = authorities(cluster)?;
    configuration.auth_info = user;
    Ok(Target {
        server,
        configuration,
    })
}

/// DER of the cluster's CA certificates that are valid today, as Go's verification wants them;
/// nothing when the kubeconfig names none, and then the system's CAs are trusted, as with kubectl.
fn authorities(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(encoded), _) if !encoded.is_empty() => STANDARD
            .decode(encoded)
            .map_err(|error| format!("certificate-authority-data is not base64: {error}"))?,
        (_, Some(path)) if !path.is_empty() => {
            check_absolute("certificate-authority", path)?;
            fs_err::read(path).map_err(|error| format!("cannot read the CA bundle: {error}"))?
        }
        _ => return Ok(None),
    };
    let bundle = pem::certificates(&pem)
        .map_err(|error| format!("the kubeconfig's CA bundle cannot be read: {error}"))?;
    let current: Vec<_> = current_authorities(&bundle, Timestamp::now())
        .map(|certificate| certificate.der().to_vec())
        .collect();
    match (current.is_empty(), bundle.first()) {
        (false, _) => Ok(Some(current)),
        (true, Some(first)) => Err(format!(
            "no CA certificate of the kubeconfig is valid today: {} ended at {}",
            first.subject(),
            first.validity().not_after
        )),
        (true, None) => Err("the kubeconfig's CA bundle holds no certificate".to_owned()),
    }
}

/// Paths from the kubeconfig's folder, and what its command wants to know, as client-go does it.
fn resolve(cluster: &mut Cluster, user: &mut AuthInfo, folder: &Path) -> Result<(), String> {
    if user.auth_provider.is_some() {
        return Err(
            "the kubeconfig's user has an auth-provider, which Kubernetes has removed: use exec"
                .to_owned(),
        );
    }
    for path in [
        &mut cluster.certificate_authority,
        &mut user.client_certificate,
        &mut user.client_key,
        &mut user.token_file,
    ]
    .into_iter()
    .flatten()
    .filter(|path| !path.is_empty())
    {
        *path = folder.join(&*path).display().to_string();
    }
    let Some(exec) = &mut user.exec else {
        return Ok(());
    };
    // a bare name is searched for in PATH; anything with a folder is relative to the kubeconfig
    if let Some(command) = exec.command.as_mut().filter(|name| name.contains('/')) {
        *command = folder.join(&*command).display().to_string();
    }
    if exec.provide_cluster_info {
        let described = ExecAuthCluster::try_from(&*cluster);
        exec.cluster = Some(described.map_err(|_| {
            "the kubeconfig's cluster cannot be described to its exec command".to_owned()
        })?);
    }
    Ok(())
}

fn check_user(user: &AuthInfo) -> Result<(), String> {
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(
            "the kubeconfig's user gets its credentials from a command, \
                    which is not run here"
                .to_owned(),
        );
    }
    for (field, path, overridden) in [
        (
            "client-certificate",
            &user.client_certificate,
            user.client_certificate_data.is_some(),
        ),
        (
            "client-key",
            &user.client_key,
            user.client_key_data.is_some(),
        ),
        ("tokenFile", &user.token_file, user.token.is_some()),
    ] {
        if let (Some(path), false) = (path, overridden) {
            check_absolute(field, path)?;
        }
    }
    Ok(())
}

/// A relative path is relative to the kubeconfig's folder, which bytes do not tell.
fn check_absolute(field: &str, path: &str) -> Result<(), String> {
    if Path::new(path).is_absolute() {
        return Ok(());
    }
    Err(format!(
        "the kubeconfig's {field} {path:?} is not an absolute path"
    ))
}
