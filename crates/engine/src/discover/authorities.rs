//! Certification authorities: the bundles that flags name, then kubeadm's three and what is declared;
//! last what a rotation has put beside them.

use super::Scene;
use super::reader::{Read, Reader};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::layouts::component_files::{AUTHORITY_KEY_PAIRS, TRUST_BUNDLES};
use kubepki_core::layouts::declared::authority_of;
use kubepki_core::model::role::AuthorityName;
use kubepki_core::model::{Authority, KeyState, Role, SuccessorRequest, UsedBy};
use kubepki_core::rotation::successor;
use kubepki_keys::public_half;
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, CertificationRequest, pem};
use std::path::{Path, PathBuf};

/// A bundle that something names.
struct Named {
    authorities: Vec<AuthorityName>,
    certificate: PathBuf,
    key: Option<PathBuf>,
    used_by: Vec<UsedBy>,
}

pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>) -> Vec<Authority> {
    let mut named: Vec<Named> = Vec::new();
    for component in scene.components {
        let pairs = AUTHORITY_KEY_PAIRS
            .iter()
            .filter(|row| row.component == component.kind)
            .map(|row| (row.certificate, Some(row.key), row.authority));
        let bundles = TRUST_BUNDLES
            .iter()
            .filter(|row| row.component == component.kind)
            .map(|row| (row.flag, None, row.authority));
        for (flag, key_flag, authority) in pairs.chain(bundles) {
            let Some(certificate) = component.host_path(flag) else {
                continue;
            };
            let key = key_flag.and_then(|flag| component.host_path(flag));
            let used_by = UsedBy {
                component: component.kind,
                flag: flag.to_owned(),
            };
            add(
                reader,
                &mut named,
                authority,
                certificate,
                key,
                Some(used_by),
            );
        }
    }
    for row in KUBEADM.authorities {
        // A worker has only ca.crt; what is missing is missed where a flag names it.
        let certificate = scene.pki_folder.join(format!("{}.crt", row.file_base));
        if reader.symlink_metadata(&certificate).is_some() {
            add(reader, &mut named, row.name, certificate, None, None);
        }
    }
    for declared in scene.declared.iter().flat_map(|it| &it.authorities) {
        if reader.symlink_metadata(&declared.certificate).is_some() {
            let (certificate, key) = (declared.certificate.clone(), Some(declared.key.clone()));
            let name = authority_of(declared);
            add(reader, &mut named, name, certificate, key, None);
        }
    }
    let mut authorities: Vec<Authority> =
        named.into_iter().map(|named| read(reader, named)).collect();
    let beside = of_rotations(reader, &authorities);
    authorities.extend(beside);
    // The one that can issue gets the authority's name; copies of it go by their paths.
    authorities.sort_by_key(|authority| {
        let issues = authority.key.public_key().is_some();
        let is_signer = successor::is_signer(&authority.certificate_path);
        let is_unused = authority.used_by.is_empty();
        (authority.role, is_signer, !issues, is_unused)
    });
    let mut names: Vec<String> = Vec::new();
    for authority in &mut authorities {
        if names.contains(&authority.name) {
            authority.name = authority.certificate_path.display().to_string();
        }
        names.push(authority.name.clone());
    }
    authorities
}

fn add(
    reader: &Reader<'_>,
    named: &mut Vec<Named>,
    authority: AuthorityName,
    certificate: PathBuf,
    key: Option<PathBuf>,
    used_by: Option<UsedBy>,
) {
    let real_path = reader.real_path(&certificate);
    let index = named
        .iter()
        .position(|other| reader.real_path(&other.certificate) == real_path);
    let entry = match index.and_then(|index| named.get_mut(index)) {
        Some(entry) => entry,
        None => {
            named.push(Named {
                authorities: vec![authority],
                certificate,
                key,
                used_by: used_by.into_iter().collect(),
            });
            return;
        }
    };
    if !entry.authorities.contains(&authority) {
        entry.authorities.push(authority);
    }
    entry.key = entry.key.take().or(key);
    entry.used_by.extend(used_by);
}

/// What a rotation has put beside an authority: its successor, a signing certificate that nobody names
/// (any more), the old pair. They belong to no role: nobody is expected to be signed by them.
fn of_rotations(reader: &mut Reader<'_>, authorities: &[Authority]) -> Vec<Authority> {
    let mut found: Vec<Authority> = Vec::new();
    for authority in authorities {
        let path = &authority.certificate_path;
        if successor::is_of_a_rotation(path) {
            continue;
        }
        let next_key = authority.key_path.as_deref().map(successor::successor);
        let previous_key = authority.key_path.as_deref().map(successor::previous);
        let beside = [
            (successor::successor(path), next_key),
            (successor::signer(path), authority.key_path.clone()),
            (successor::previous(path), previous_key),
        ];
        for (certificate, key) in beside {
            let known = authorities.iter().chain(&found);
            let is_known = known
                .map(|other| &other.certificate_path)
                .any(|other| *other == certificate);
            if is_known || reader.symlink_metadata(&certificate).is_none() {
                continue;
            }
            let mut next = read(
                reader,
                Named {
                    authorities: Vec::new(),
                    certificate,
                    key,
                    used_by: Vec::new(),
                },
            );
            next.role = Role::Other;
            next.name = next.certificate_path.display().to_string();
            found.push(next);
        }
    }
    found
}

/// Requests for successors that somebody else has to sign, with their keys.
pub(super) fn requests(
    reader: &mut Reader<'_>,
    authorities: &[Authority],
) -> Vec<SuccessorRequest> {
    let own = authorities
        .iter()
        .filter(|it| !successor::is_of_a_rotation(&it.certificate_path));
    own.filter_map(|own| {
        let path = successor::request(&own.certificate_path);
        reader.symlink_metadata(&path)?;
        let Read::Contents(contents, _) = reader.read(&path) else {
            return None;
        };
        let request = CertificationRequest::from_pem(danger::open(&contents)).ok()?;
        let key_path = successor::successor(own.key_path.as_deref()?);
        let key = key_state(reader, &key_path);
        // Without its key it asks for nothing that anybody could use.
        if key.public_key() != Some(request.public_key()) {
            return None;
        }
        Some(SuccessorRequest {
            authority: own.certificate_path.clone(),
            path,
            key_path,
            subject: request.subject().to_string(),
            public_key_sha256: hex::encode(request.public_key().sha256()),
            pem: request.to_pem(),
        })
    })
    .collect()
}

/// The certificates of a bundle, or what stands in the way.
pub(super) fn read_certificates(
    reader: &mut Reader<'_>,
    path: &Path,
) -> (Vec<Certificate>, Option<String>) {
    match reader.read(path) {
        Read::Contents(contents, _) => match pem::certificates(danger::open(&contents)) {
            Ok(certificates) if certificates.is_empty() => {
                (Vec::new(), Some("it holds no certificate".to_owned()))
            }
            Ok(certificates) => (certificates, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        },
        Read::Missing => (Vec::new(), None),
        Read::Problem(reason) => (Vec::new(), Some(reason)),
    }
}

fn read(reader: &mut Reader<'_>, named: Named) -> Authority {
    let (certificates, problem) = read_certificates(reader, &named.certificate);
    let key_path = named.key.or_else(|| key_beside(&named.certificate));
    let key = match &key_path {
        Some(path) => key_state(reader, path),
        None => KeyState::NotExpected,
    };
    let mut roles = named.authorities;
    roles.sort_unstable();
    let mut roles = roles.into_iter();
    let first = roles.next().unwrap_or(AuthorityName::Cluster);
    Authority {
        name: first.as_str().to_owned(),
        role: first.role(),
        also_known_as: roles.map(|name| name.as_str().to_owned()).collect(),
        certificate_path: named.certificate,
        certificates,
        key_path,
        key,
        used_by: named.used_by,
        problem,
    }
}

/// `ca.crt` → `ca.key`, `ca.pem` → `ca-key.pem`: how kubeadm and the hand-made ways name them.
pub(super) fn key_beside(certificate: &Path) -> Option<PathBuf> {
    let name = certificate.file_name()?.to_str()?;
    if let Some(base) = name.strip_suffix(".crt") {
        return Some(certificate.with_file_name(format!("{base}.key")));
    }
    let base = name.strip_suffix(".pem")?;
    Some(certificate.with_file_name(format!("{base}-key.pem")))
}

/// The public half of a key file, or why there is none.
pub(super) fn key_state(reader: &mut Reader<'_>, path: &Path) -> KeyState {
    match reader.read(path) {
        Read::Contents(contents, mode) => match public_half(&contents) {
            Ok(half) => KeyState::Present {
                public_key: half.public_key,
                mode,
            },
            Err(error) => KeyState::Unusable(format!("{}: {error}", path.display())),
        },
        Read::Missing => KeyState::Absent,
        Read::Problem(reason) => KeyState::Unreadable(reason),
    }
}
