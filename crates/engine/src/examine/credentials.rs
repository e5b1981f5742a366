//! What a client presents and what it trusts, read from its place on this host.
//!
//! A key goes from its file into its seal, and is dropped with the question that it was read for.

use crate::ports::{ClientIdentity, FILE_LIMIT, HostRead};
use kubepki_core::connections::{Held, Material, Place, SlotId};
use kubepki_core::formats::kubeconfig::{KeyMaterial, Kubeconfig, PublicMaterial};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::path::CertificatePool;
use kubepki_x509::{Certificate, pem};
use std::path::Path;

/// What a client believes a server by.
pub(super) enum Trusted {
    /// These certificates.
    Pool(CertificatePool),
    /// It believes anybody (`insecure-skip-tls-verify`).
    Anybody,
}

/// The certificate and key in a place. `None` where the client has something else, such as a token.
/// An error is a reason, in words.
pub(super) fn identity(
    host: &dyn HostRead,
    place: &Place,
    key_place: Option<&Place>,
) -> Result<Option<ClientIdentity>, String> {
    match place {
        Place::File { path, .. } => {
            let contents = read(host, path)?;
            let chain = certificates(&contents, path)?;
            let key_pem = match key_place.and_then(Place::path) {
                Some(key) if key != path => read(host, key)?,
                _ => contents,
            };
            Ok(Some(ClientIdentity { chain, key_pem }))
        }
        Place::KubeconfigUser { path, user, .. } => {
            let of_user = kubeconfig_user(host, path, user)?;
            match (of_user, key_place) {
                (Some(identity), Some(Place::File { path, .. })) => Ok(Some(ClientIdentity {
                    key_pem: read(host, path)?,
                    ..identity
                })),
                (of_user, _) => Ok(of_user),
            }
        }
        // A flag that names nothing: nothing is presented.
        Place::Flag { .. } => Ok(None),
        other => Err(format!("{other} is not on this host")),
    }
}

/// What a client trusts by what lies in a place.
pub(super) fn trusted(
    host: &dyn HostRead,
    slot: SlotId,
    place: &Place,
    material: Option<&Material>,
) -> Result<Trusted, String> {
    match place {
        Place::File { path, .. } => {
            let chain = certificates(&read(host, path)?, path)?;
            Ok(Trusted::Pool(CertificatePool::new(chain)))
        }
        Place::KubeconfigCluster { path, cluster, .. } => kubeconfig_cluster(host, path, cluster),
        other => match material.map(|material| material.held(slot)) {
            Some(Held::Trust(bundle)) => Ok(Trusted::Pool(bundle.pool.clone())),
            Some(Held::Missing(reason) | Held::Unusable(reason) | Held::Unknown(reason)) => {
                Err(format!("{other}: {reason}"))
            }
            Some(Held::Credential(_)) | None => Err(format!("{other} is not on this host")),
        },
    }
}

fn kubeconfig_user(
    host: &dyn HostRead,
    path: &Path,
    user: &str,
) -> Result<Option<ClientIdentity>, String> {
    let kubeconfig = kubeconfig(host, path)?;
    let user = kubeconfig
        .users
        .into_iter()
        .find(|other| other.name == user)
        .ok_or_else(|| format!("{} has no user {user:?}", path.display()))?;
    let Some(certificate) = user.client_certificate else {
        return Ok(None);
    };
    let shown = |what: &str| format!("{} (user {}): {what}", path.display(), user.name);
    let (chain, beside) = match &certificate {
        PublicMaterial::Embedded(text) => {
            let chain = pem::certificates(text).map_err(|error| shown(&error.to_string()))?;
            (chain, None)
        }
        PublicMaterial::File(_) => {
            let file = certificate.path_from(folder(path));
            let file = file.ok_or_else(|| shown("names no certificate"))?;
            let contents = read(host, &file)?;
            (certificates(&contents, &file)?, Some(contents))
        }
    };
    let key_pem = match user.client_key {
        Some(KeyMaterial::Embedded(key)) => key,
        Some(KeyMaterial::File(file)) => read(host, &folder(path).join(file))?,
        None => beside.ok_or_else(|| shown("has a client certificate and no key"))?,
    };
    Ok(Some(ClientIdentity { chain, key_pem }))
}

fn kubeconfig_cluster(host: &dyn HostRead, path: &Path, cluster: &str) -> Result<Trusted, String> {
    let kubeconfig = kubeconfig(host, path)?;
    let cluster = kubeconfig
        .cluster(cluster)
        .ok_or_else(|| format!("{} has no cluster {cluster:?}", path.display()))?;
    if cluster.insecure_skip_tls_verify {
        return Ok(Trusted::Anybody);
    }
    let chain = match &cluster.certificate_authority {
        Some(PublicMaterial::Embedded(text)) => pem::certificates(text).map_err(|error| {
            let name = &cluster.name;
            format!("{} (cluster {name}): {error}", path.display())
        })?,
        Some(PublicMaterial::File(file)) => {
            let file = folder(path).join(file);
            certificates(&read(host, &file)?, &file)?
        }
        None => {
            return Err(format!(
                "{} trusts the system's authorities, which are not looked at",
                path.display()
            ));
        }
    };
    Ok(Trusted::Pool(CertificatePool::new(chain)))
}

fn kubeconfig(host: &dyn HostRead, path: &Path) -> Result<Kubeconfig, String> {
    Kubeconfig::parse(&read(host, path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn certificates(contents: &Sealed, path: &Path) -> Result<Vec<Certificate>, String> {
    pem::certificates(danger::open(contents))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn read(host: &dyn HostRead, path: &Path) -> Result<Sealed, String> {
    host.read(path, FILE_LIMIT)
        .map_err(|error| error.to_string())
}

/// Relative paths in a kubeconfig are taken from its own folder.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
