//! The successor: made, received, put into its place, and the files beside it removed.

use super::draft::Draft;
use super::error::LowerError;
use super::scene::{Pair, Scene};
use crate::connections::Place;
use crate::model::{Holder, Inventory, ServiceAccountKey, ServiceAccountKeyContents};
use crate::plan::document::{Issuance, KeyChoice, Origin, Signer};
use crate::plan::file_edit::{FileEdit, OPERATOR};
use crate::plan::renew::key_type_like;
use crate::rotation::generations::public_keys;
use crate::rotation::old_key::OldKey;
use crate::rotation::picture::{Generation, Holds};
use crate::rotation::plan::{GivenAuthority, GivenKey};
use crate::rotation::root::Root;
use crate::rotation::successor::{self, previous, signer, successor};
use kubepki_x509::{Certificate, pem};
use std::path::{Path, PathBuf};

/// The successor is made on this host, beside the old one.
pub(super) fn make(scene: &Scene<'_>, draft: &mut Draft<'_>, root: Root) -> Result<(), LowerError> {
    if root == Root::ServiceAccountKey {
        return make_key(scene, draft);
    }
    if let Some(given) = scene.request.given_for(root) {
        return take_given(scene, draft, root, given);
    }
    let pairs = scene.pairs(draft.host, root)?;
    let (first, others) = pairs.split_first().ok_or(no_key(root))?;
    let mut issuance = issuance(scene, root, first)?;
    issuance.destination = Holder::Files {
        certificate: successor(first.certificate),
        key: Some(successor(first.key)),
    };
    issuance.key = KeyChoice::Generate {
        key_type: key_type(scene, first),
    };
    for other in others {
        // One CA that lies in several files of the host.
        issuance.copies.push(successor(other.certificate));
        draft.edit(FileEdit::CopyKey {
            from: successor(first.key),
            to: successor(other.key),
        });
    }
    draft.reads.push(first.certificate.to_owned());
    draft.issuances.push(issuance);
    Ok(())
}

/// The successor is put beside the old one, as another host has it.
pub(super) fn receive(
    scene: &Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
    from: &str,
) -> Result<(), LowerError> {
    if root == Root::ServiceAccountKey {
        return receive_key(scene, draft, from);
    }
    let new = scene.root(root)?.new.as_ref();
    let given = scene.request.given_for(root).filter(|_| new.is_none());
    let whole = new.map(|new| whole(scene, root, new));
    let source = match new {
        // The maker may hold it in its own place already.
        Some(_) => scene.new_pair(from, scene.root(root)?)?,
        None => None,
    };
    let made = scene.pairs(from, root)?;
    let made = made.first().ok_or(no_key(root))?;
    let (_, from_key) =
        source.unwrap_or_else(|| (successor(made.certificate), successor(made.key)));
    for pair in scene.pairs(draft.host, root)? {
        let certificate = successor(pair.certificate);
        let known = given.map(|given| given.certificate_pem.clone());
        match known.or_else(|| whole.clone()) {
            Some(pem) => {
                let like = Some(pair.certificate.to_owned());
                draft.bundle(certificate, pem, like);
            }
            None => {
                let mut issuance = issuance(scene, root, made)?;
                issuance.signer = Signer::Given {
                    host: from.to_owned(),
                    name: issuance.name,
                    fingerprint_sha256: None,
                };
                issuance.name = certificate.display().to_string();
                issuance.key = KeyChoice::Reuse;
                issuance.destination = Holder::Files {
                    certificate,
                    key: None,
                };
                draft.issuances.push(issuance);
            }
        }
        let sha256 = new.and_then(|new| {
            let parsed = pem::certificates(new.pem.as_bytes()).ok()?;
            Some(hex::encode(parsed.first()?.public_key().sha256()))
        });
        let sha256 = sha256.or_else(|| given.map(GivenAuthority::public_key_sha256));
        draft.edit(FileEdit::BringKey {
            path: successor(pair.key),
            host: from.to_owned(),
            from: from_key.clone(),
            public_key_sha256: sha256,
        });
        draft.reads.push(pair.certificate.to_owned());
    }
    Ok(())
}

/// The successor's key and certificate take the root's own place; `keeps_old` on the host that has to
/// prove later that the old one is refused.
pub(super) fn install(
    scene: &mut Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
    keeps_old: bool,
) -> Result<(), LowerError> {
    if root == Root::ServiceAccountKey {
        for key in scene.token_keys(draft.host)? {
            // Swapped at once, nothing else tells any more by which key tokens were signed until now.
            if let (true, Some(old)) = (scene.request.offline, scene.root(root)?.old.first()) {
                let public = public_half(draft, &key.path);
                draft.bundle(previous(&public), old.pem.clone(), Some(public));
            }
            draft.edit(FileEdit::CopyKey {
                from: successor(&key.path),
                to: key.path.clone(),
            });
        }
    } else {
        let new = scene.new_one(root)?.pem.clone();
        for pair in scene.pairs(draft.host, root)? {
            let signs_old = pair.authority.issuing().filter(|it| scene.is_old(root, it));
            if let (true, Some(old)) = (keeps_old, signs_old) {
                draft.bundle(
                    previous(pair.certificate),
                    old.to_pem(),
                    Some(pair.certificate.to_owned()),
                );
                draft.edit(FileEdit::CopyKey {
                    from: pair.key.to_owned(),
                    to: previous(pair.key),
                });
            }
            draft.edit(FileEdit::CopyKey {
                from: successor(pair.key),
                to: pair.key.to_owned(),
            });
            let here = Place::File {
                host: draft.host.to_owned(),
                path: pair.certificate.to_owned(),
            };
            let both = scene.pem(root, &Holds::NewOld, &here)?;
            draft.bundle(pair.certificate.to_owned(), both, None);
            let alone = signer(pair.certificate);
            let is_split = scene
                .touched
                .contains(&(draft.host.to_owned(), alone.clone()))
                || lies_on(draft.inventory, &alone);
            if is_split {
                draft.bundle(alone, new.clone(), Some(pair.certificate.to_owned()));
            }
        }
    }
    scene.installed.insert((draft.host.to_owned(), root));
    Ok(())
}

/// Where a root's own private key lies on a host.
pub(super) fn own_keys(
    scene: &Scene<'_>,
    host: &str,
    root: Root,
) -> Result<Vec<PathBuf>, LowerError> {
    let mut keys: Vec<PathBuf> = match root {
        Root::ServiceAccountKey => scene
            .inventory(host)?
            .service_account_keys
            .iter()
            .filter(|key| matches!(key.contents, ServiceAccountKeyContents::Private(_)))
            .map(|key| key.path.clone())
            .filter(|path| !successor::is_of_a_rotation(path))
            .collect(),
        _ => {
            let own = scene.own(host, root)?.into_iter();
            own.filter_map(|own| own.key_path.clone()).collect()
        }
    };
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// What a rotation has put beside the root's own files goes.
pub(super) fn remove(
    scene: &Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
) -> Result<(), LowerError> {
    let mut beside: Vec<PathBuf> = Vec::new();
    if root == Root::ServiceAccountKey {
        for key in &draft.inventory.service_account_keys {
            match successor::is_of_a_rotation(&key.path) {
                true => beside.push(key.path.clone()),
                false => beside.extend([successor(&key.path), previous(&key.path)]),
            }
        }
    } else {
        for own in scene.own(draft.host, root)? {
            let certificate = &own.certificate_path;
            beside.extend([
                successor(certificate),
                signer(certificate),
                previous(certificate),
                successor::request(certificate),
            ]);
            if let Some(key) = &own.key_path {
                beside.push(successor(key));
                // What is not to be in a backup is gone by now.
                if scene.request.old_key == OldKey::Keep {
                    beside.push(previous(key));
                }
            }
        }
    }
    beside.sort();
    beside.dedup();
    for path in beside {
        let is_there = lies_on(draft.inventory, &path);
        let is_made = scene
            .touched
            .contains(&(draft.host.to_owned(), path.clone()));
        if is_there || is_made {
            draft.edit(FileEdit::Remove { path });
        }
    }
    Ok(())
}

/// Whether discovery found a file.
pub(super) fn lies_on(inventory: &Inventory, path: &Path) -> bool {
    let is_authoritys = inventory.authorities.iter().any(|authority| {
        let key = authority.key_path.as_deref() == Some(path);
        authority.certificate_path == *path || key && authority.key.public_key().is_some()
    });
    let mut keys = inventory.service_account_keys.iter();
    is_authoritys
        || keys.any(|key| key.path == *path)
        || inventory.files.get(path).is_some_and(Option::is_some)
}

fn no_key(root: Root) -> LowerError {
    LowerError::NoKey {
        root,
        generation: "the generation that signs now",
    }
}

/// A new CA after the old one: all that it says, but for the name and the key. Its names are its own
/// subject's at most, so they go.
fn issuance(scene: &Scene<'_>, root: Root, pair: &Pair<'_>) -> Result<Issuance, LowerError> {
    let old = pair.authority.issuing().ok_or(no_key(root))?;
    let certificate = successor(pair.certificate);
    let has_names = !old.subject_alt_names().is_empty();
    Ok(Issuance {
        name: certificate.display().to_string(),
        role: pair.authority.role,
        origin: Origin::Template {
            certificate_pem: old.to_pem(),
            source: pair.certificate.display().to_string(),
            common_name: Some(common_name(scene, root, old)),
        },
        signer: Signer::ItsOwnKey,
        not_before: scene.request.start.resolve(scene.now)?,
        not_after: scene.request.end.resolve(scene.now)?,
        key: KeyChoice::Reuse,
        subject_alt_names: has_names.then(Vec::new),
        destination: Holder::Files {
            certificate,
            key: None,
        },
        point_kubeconfig: None,
        copies: Vec::new(),
    })
}

fn common_name(scene: &Scene<'_>, root: Root, old: &Certificate) -> String {
    if let Some(wanted) = &scene.request.subject {
        return wanted.clone();
    }
    let name = old.subject().common_name().unwrap_or_default();
    match name.is_empty() {
        true => successor::common_name(root.as_str(), scene.now),
        false => successor::common_name(&name, scene.now),
    }
}

fn key_type(scene: &Scene<'_>, pair: &Pair<'_>) -> String {
    let old = pair.authority.key.public_key();
    let like = old.map(|key| key_type_like(&key.algorithm()).0);
    let wanted = scene.request.key_type.clone();
    wanted.unwrap_or_else(|| like.unwrap_or("rsa:2048").to_owned())
}

fn make_key(scene: &Scene<'_>, draft: &mut Draft<'_>) -> Result<(), LowerError> {
    let keys = scene.token_keys(draft.host)?;
    let (first, others) = keys.split_first().ok_or(no_key(Root::ServiceAccountKey))?;
    let like = public_keys(first)
        .first()
        .map(|key| key_type_like(&key.algorithm()).0);
    let wanted = scene.request.key_type.clone();
    draft.edit(FileEdit::MakeKey {
        path: successor(&first.path),
        public: successor(&public_half(draft, &first.path)),
        key_type: wanted.unwrap_or_else(|| like.unwrap_or("rsa:2048").to_owned()),
    });
    for other in others {
        draft.edit(FileEdit::CopyKey {
            from: successor(&first.path),
            to: successor(&other.path),
        });
    }
    Ok(())
}

fn receive_key(scene: &Scene<'_>, draft: &mut Draft<'_>, from: &str) -> Result<(), LowerError> {
    let new = scene.root(Root::ServiceAccountKey)?.new.as_ref();
    let made = scene.token_keys(from)?;
    let made = made.first().ok_or(no_key(Root::ServiceAccountKey))?;
    for key in scene.token_keys(draft.host)? {
        draft.edit(FileEdit::BringKey {
            path: successor(&key.path),
            host: from.to_owned(),
            from: successor(&made.path),
            public_key_sha256: new.map(|new| new.fingerprint_sha256.clone()),
        });
        if let Some(new) = new {
            let public = public_half(draft, &key.path);
            draft.bundle(successor(&public), new.pem.clone(), Some(public));
        }
    }
    Ok(())
}

/// The file of a private key's public half: what the host verifies by in the same folder, else by name.
fn public_half(draft: &Draft<'_>, private: &Path) -> PathBuf {
    let is_public = |key: &&ServiceAccountKey| {
        matches!(key.contents, ServiceAccountKeyContents::Public(_))
            && !successor::is_of_a_rotation(&key.path)
            && key.path.parent() == private.parent()
    };
    let mut keys = draft.inventory.service_account_keys.iter();
    if let Some(found) = keys.find(is_public) {
        return found.path.clone();
    }
    let name = private.file_name().unwrap_or_default().to_string_lossy();
    match name.split_once("-key.") {
        Some((base, ending)) => private.with_file_name(format!("{base}.{ending}")),
        None => private.with_extension("pub"),
    }
}

/// What somebody else made: its certificate with the chain that came along, and its key from wherever it
/// lies. A request that it answers is no longer needed.
fn take_given(
    scene: &Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
    given: &GivenAuthority,
) -> Result<(), LowerError> {
    let pairs = scene.pairs(draft.host, root)?;
    let (first, others) = pairs.split_first().ok_or(no_key(root))?;
    let to = successor(first.key);
    let public_key_sha256 = given.public_key_sha256();
    draft.edit(match &given.key {
        GivenKey::OnHost { path, .. } => FileEdit::AdoptKey {
            from: path.clone(),
            to: to.clone(),
            public_key_sha256,
        },
        GivenKey::WithOperator { path } => FileEdit::BringKey {
            path: to.clone(),
            host: OPERATOR.to_owned(),
            from: path.clone(),
            public_key_sha256: Some(public_key_sha256),
        },
    });
    for pair in &pairs {
        let like = Some(pair.certificate.to_owned());
        draft.bundle(
            successor(pair.certificate),
            given.certificate_pem.clone(),
            like,
        );
        let request = successor::request(pair.certificate);
        if lies_on(draft.inventory, &request) {
            draft.edit(FileEdit::Remove { path: request });
        }
    }
    for other in others {
        draft.edit(FileEdit::CopyKey {
            from: to.clone(),
            to: successor(other.key),
        });
    }
    Ok(())
}

/// A key and a request for it lie beside the old one: somebody else makes the successor of them.
pub(super) fn ask_for(
    scene: &Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
) -> Result<(), LowerError> {
    let pairs = scene.pairs(draft.host, root)?;
    let first = pairs.first().ok_or(no_key(root))?;
    let old = first.authority.issuing().ok_or(no_key(root))?;
    draft.edit(FileEdit::MakeRequest {
        key: successor(first.key),
        request: successor::request(first.certificate),
        key_type: key_type(scene, first),
        like_pem: old.to_pem(),
        common_name: common_name(scene, root, old),
    });
    draft.reads.push(first.certificate.to_owned());
    Ok(())
}

/// The successor's certificate with the chain that came along with it, as a host has it.
fn whole(scene: &Scene<'_>, root: Root, new: &Generation) -> String {
    let found = scene.successor_chain(root);
    match found.is_empty() {
        true => new.pem.clone(),
        false => found.iter().map(Certificate::to_pem).collect(),
    }
}
