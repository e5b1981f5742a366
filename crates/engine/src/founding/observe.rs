//! Looking at the ground: which authorities are there already, and what is in the way.

use super::error::FoundingError;
use crate::ports::{FILE_LIMIT, HostErrorKind, HostRead};
use kubepki_core::founding::{Authority, AuthorityGround, Declarations, FoundingRequest, Ground};
use kubepki_keys::public_half;
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, pem};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Looks at every file that the layout or the request could touch. Reads authorities, nothing else.
pub fn observe(
    host: &dyn HostRead,
    declared: &Declarations,
    request: &FoundingRequest,
) -> Result<Ground, FoundingError> {
    let mut ground = Ground::default();
    for path in paths(declared, request) {
        if !path.as_os_str().is_empty() && is_there(host, &path)? {
            ground.existing.insert(path);
        }
    }
    let mut authorities = BTreeMap::new();
    for authority in &declared.authorities {
        if authority.given || ground.has(&authority.certificate) {
            let has_key = ground.has(&authority.key);
            authorities.insert(authority.name.clone(), read(host, authority, has_key)?);
        }
    }
    ground.authorities = authorities;
    Ok(ground)
}

fn paths(declared: &Declarations, request: &FoundingRequest) -> Vec<PathBuf> {
    let authorities = declared
        .authorities
        .iter()
        .flat_map(|it| [it.certificate.clone(), it.key.clone()]);
    let leafs = declared.leafs.iter().flat_map(|it| {
        it.destination
            .paths()
            .into_iter()
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    });
    let keys = declared
        .service_account_keys
        .iter()
        .flat_map(|it| [it.private.clone(), it.public.clone()]);
    let requests = request.csr_dir.iter().flat_map(|directory| {
        let names = (declared.authorities.iter().map(|it| &it.name))
            .chain(declared.leafs.iter().map(|it| &it.name));
        names.flat_map(move |name| {
            let stem = name.trim_matches('/').replace('/', "-");
            ["key", "csr"].map(|ending| directory.join(format!("{stem}.{ending}")))
        })
    });
    authorities
        .chain(leafs)
        .chain(keys)
        .chain(requests)
        .collect()
}

/// A link that leads nowhere is something, too.
fn is_there(host: &dyn HostRead, path: &Path) -> Result<bool, FoundingError> {
    match host.symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read(
    host: &dyn HostRead,
    authority: &Authority,
    has_key: bool,
) -> Result<AuthorityGround, FoundingError> {
    let bundle = certificates(host, &authority.certificate)?;
    let key = if has_key {
        let half = public_half(&host.read(&authority.key, FILE_LIMIT)?);
        let half = half.map_err(|source| FoundingError::KeyFile {
            path: authority.key.clone(),
            source,
        })?;
        Some(half.public_key)
    } else {
        None
    };
    Ok(AuthorityGround { bundle, key })
}

/// Every certificate of a PEM file.
pub(super) fn certificates(
    host: &dyn HostRead,
    path: &Path,
) -> Result<Vec<Certificate>, FoundingError> {
    pem::certificates(danger::open(&host.read(path, FILE_LIMIT)?)).map_err(|error| {
        FoundingError::Certificates {
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    })
}
