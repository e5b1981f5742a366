//! Rendering: what was minted, in the form of the files that hold it.
//!
//! Each file is read once and changed in memory by every issuance that touches it (a kubeconfig may
//! have several users); what is not replaced stays byte for byte.

use super::error::ExecuteError;
use super::mint::Minted;
use super::prepare::BroughtKey;
use crate::apply::Change;
use crate::ports::{FILE_LIMIT, FileAttributes, HostErrorKind, HostWrite};
use kubepki_core::formats::kubeconfig::{Kubeconfig, PublicMaterial};
use kubepki_core::formats::pem_edit;
use kubepki_core::model::{Holder, KubeconfigUser};
use kubepki_core::plan::{Issuance, Origin, Plan, Signer};
use kubepki_keys::{KeyEncoding, KeyType, PrivateKey, public_half};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use std::path::{Path, PathBuf};

/// A file as it will be.
pub(super) struct Draft {
    pub(super) path: PathBuf,
    pub(super) contents: Sealed,
    pub(super) attributes: FileAttributes,
}

/// Drafts in the order in which they are put in place.
pub(super) struct Drafts<'a> {
    pub(super) host: &'a dyn HostWrite,
    pub(super) files: Vec<Draft>,
    pub(super) removals: Vec<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
    folders: Vec<PathBuf>,
}

/// The changes that put `minted` where `plan` wants it. Keys go before their certificates, a link
/// after what it points at.
pub fn render(
    host: &dyn HostWrite,
    plan: &Plan,
    minted: &[Minted],
    keys: &[BroughtKey],
) -> Result<Vec<Change>, ExecuteError> {
    let mut drafts = Drafts {
        host,
        files: Vec::new(),
        removals: Vec::new(),
        links: Vec::new(),
        folders: Vec::new(),
    };
    for (issuance, made) in plan.issuances.iter().zip(minted) {
        drafts.issuance(issuance, made)?;
    }
    // After the issuances, so that a bundle renewed by this plan is taken as it will be.
    for update in &plan.trust_updates {
        drafts.trust(&update.kubeconfig, &update.cluster, &update.bundle)?;
    }
    drafts.edits(plan, keys)?;
    Ok(drafts.into_changes(plan))
}

impl Drafts<'_> {
    fn issuance(&mut self, issuance: &Issuance, made: &Minted) -> Result<(), ExecuteError> {
        if let (Signer::Request { directory }, Some(request)) = (&issuance.signer, &made.request) {
            let stem = issuance.file_stem();
            for ending in ["key", "csr", "crt"] {
                let path = directory.join(format!("{stem}.{ending}"));
                if self.host.symlink_metadata(&path).is_ok() {
                    return Err(ExecuteError::AlreadyThere { path });
                }
            }
            if let Some(key) = &made.key {
                let pem = key_pem(issuance, key, None)?;
                self.new_file(directory.join(format!("{stem}.key")), pem, 0o600);
            }
            let pem = Sealed::new(request.to_pem().into_bytes());
            self.new_file(directory.join(format!("{stem}.csr")), pem, 0o644);
            return Ok(());
        }
        match &issuance.destination {
            Holder::Files { certificate, key } => {
                // Nothing of what is there is worth keeping in its place.
                if matches!(
                    issuance.origin,
                    Origin::Template { .. } | Origin::Profile { .. }
                ) {
                    return self.whole_files(issuance, certificate, key.as_deref(), made);
                }
                if let (Some(path), Some(new)) = (key, &made.key) {
                    self.key_file(issuance, path, new)?;
                }
                match (&issuance.signer, &issuance.origin, made.chain.first()) {
                    (
                        Signer::ItsOwnKey | Signer::Given { .. },
                        Origin::Certificate {
                            fingerprint_sha256, ..
                        },
                        Some(new),
                    ) if new.is_ca() => {
                        self.bundle(certificate, fingerprint_sha256, new)?;
                        for copy in &issuance.copies {
                            self.bundle(copy, fingerprint_sha256, new)?;
                        }
                    }
                    _ => self.certificate_file(certificate, &made.chain)?,
                }
            }
            Holder::Kubeconfig { path, user } => {
                self.kubeconfig_user(issuance, path, user, made)?
            }
            Holder::CertificateStore { link, target } => {
                self.store(issuance, link, target.as_deref(), made)?;
            }
        }
        Ok(())
    }

    /// Certificate and key as files of their own, or both in one; what was there goes, its owner and
    /// mode stay.
    fn whole_files(
        &mut self,
        issuance: &Issuance,
        certificate: &Path,
        key: Option<&Path>,
        made: &Minted,
    ) -> Result<(), ExecuteError> {
        let chain: String = made.chain.iter().map(Certificate::to_pem).collect();
        let mut contents = chain.clone().into_bytes();
        let mut mode = 0o644;
        if let (Some(path), Some(new)) = (key, &made.key) {
            let old = match self.host.read(path, FILE_LIMIT) {
                Ok(contents) => public_half(&contents).ok().map(|half| half.encoding),
                Err(_) => None,
            };
            let pem = key_pem(issuance, new, old)?;
            if path == certificate {
                contents.extend_from_slice(danger::open(&pem));
                mode = 0o600;
            } else {
                self.whole_file(path, pem, 0o600)?;
            }
        }
        self.whole_file(certificate, Sealed::new(contents), mode)?;
        for copy in &issuance.copies {
            self.whole_file(copy, Sealed::new(chain.clone().into_bytes()), 0o644)?;
        }
        Ok(())
    }

    pub(super) fn whole_file(
        &mut self,
        path: &Path,
        contents: Sealed,
        new_mode: u32,
    ) -> Result<(), ExecuteError> {
        let folder = path.parent().map(Path::to_path_buf);
        let is_new = folder
            .as_ref()
            .is_some_and(|folder| self.host.metadata(folder).is_err());
        if let Some(folder) = folder.filter(|_| is_new)
            && !self.folders.contains(&folder)
        {
            self.folders.push(folder);
        }
        self.draft(path, new_mode)?.contents = contents;
        Ok(())
    }

    /// Replaces the end-entity certificate; intermediates that were there stay unless new ones came.
    fn certificate_file(&mut self, path: &Path, chain: &[Certificate]) -> Result<(), ExecuteError> {
        let draft = self.draft(path, 0o644)?;
        let contents = if draft.contents.is_empty() {
            Sealed::new(
                chain
                    .iter()
                    .map(Certificate::to_pem)
                    .collect::<String>()
                    .into_bytes(),
            )
        } else {
            pem_edit::replace_certificates(&draft.contents, chain).map_err(format_error(path))?
        };
        draft.contents = contents;
        Ok(())
    }

    /// Replaces one certificate of a CA bundle, wherever in it that is.
    fn bundle(
        &mut self,
        path: &Path,
        old_fingerprint: &str,
        new: &Certificate,
    ) -> Result<(), ExecuteError> {
        let draft = self.draft(path, 0o644)?;
        let number = pem::parse(danger::open(&draft.contents))
            .blocks
            .iter()
            .position(|block| {
                let certificate = block.certificate().and_then(Result::ok);
                certificate.is_some_and(|certificate| {
                    hex::encode(certificate.fingerprint_sha256()) == old_fingerprint
                })
            })
            .ok_or_else(|| ExecuteError::Format {
                path: path.to_owned(),
                reason: format!("expected the certificate sha256:{old_fingerprint}"),
            })?;
        let block = Sealed::new(new.to_pem().into_bytes());
        draft.contents =
            pem_edit::replace_block(&draft.contents, number, &block).map_err(format_error(path))?;
        Ok(())
    }

    fn key_file(
        &mut self,
        issuance: &Issuance,
        path: &Path,
        key: &PrivateKey,
    ) -> Result<(), ExecuteError> {
        let draft = self.draft(path, 0o600)?;
        let encoding = public_half(&draft.contents).ok().map(|half| half.encoding);
        let pem = key_pem(issuance, key, encoding)?;
        draft.contents = if draft.contents.is_empty() {
            pem
        } else {
            match pem_edit::replace_private_key(&draft.contents, &pem) {
                Ok(contents) => contents,
                // What is there is no key at all: nothing in it is worth keeping in place, and the
                // backup has it.
                Err(_) => pem,
            }
        };
        Ok(())
    }

    fn kubeconfig_user(
        &mut self,
        issuance: &Issuance,
        path: &Path,
        user: &str,
        made: &Minted,
    ) -> Result<(), ExecuteError> {
        let draft = self.draft(path, 0o600)?;
        if draft.contents.is_empty() {
            return Err(ExecuteError::Format {
                path: path.to_owned(),
                reason: format!(
                    "there is no kubeconfig to put the certificate of {user} into; write one with `kubepki kubeconfig` or bring one back from a backup"
                ),
            });
        }
        let certificates: String = made.chain.iter().map(Certificate::to_pem).collect();
        let key = match &made.key {
            Some(key) => {
                let old = kubeconfig_key(path, &draft.contents, user)
                    .ok()
                    .and_then(|pem| public_half(&pem).ok())
                    .map(|half| half.encoding);
                key_pem(issuance, key, old)?
            }
            None => kubeconfig_key(path, &draft.contents, user)?,
        };
        draft.contents = Kubeconfig::set_client_certificate(
            &draft.contents,
            user,
            certificates.as_bytes(),
            &key,
        )
        .map_err(format_error(path))?;
        Ok(())
    }

    /// Certificate, then key, in one 0600 file of its own; then the link is swapped to it.
    fn store(
        &mut self,
        issuance: &Issuance,
        link: &Path,
        target: Option<&Path>,
        made: &Minted,
    ) -> Result<(), ExecuteError> {
        let target = target.unwrap_or(link);
        let key = match &made.key {
            Some(key) => key_pem(issuance, key, None)?,
            None => {
                let old = self.host.read(link, FILE_LIMIT)?;
                pem_edit::private_key(&old).map_err(format_error(link))?
            }
        };
        let mut contents: Vec<u8> = Vec::new();
        for certificate in &made.chain {
            contents.extend_from_slice(certificate.to_pem().as_bytes());
        }
        contents.extend_from_slice(danger::open(&key));
        self.new_file(target.to_owned(), Sealed::new(contents), 0o600);
        if target != link {
            self.links.push((link.to_owned(), target.to_owned()));
        }
        if let Some(KubeconfigUser { path, user }) = &issuance.point_kubeconfig {
            let draft = self.draft(path, 0o600)?;
            draft.contents =
                Kubeconfig::set_client_certificate_file(&draft.contents, user, link, link)
                    .map_err(format_error(path))?;
        }
        Ok(())
    }

    /// Brings the CA data of a cluster up to date with the whole bundle. What it trusted beside
    /// stays: an authority of another name and key is not what the bundle replaces.
    fn trust(&mut self, path: &Path, cluster: &str, bundle: &Path) -> Result<(), ExecuteError> {
        let bundle_contents = match self.files.iter().find(|draft| draft.path == bundle) {
            Some(draft) => danger::open(&draft.contents).to_vec(),
            None => danger::open(&self.host.read(bundle, FILE_LIMIT)?).to_vec(),
        };
        let mut certificates = pem::certificates(&bundle_contents).map_err(format_error(bundle))?;
        let draft = self.draft(path, 0o600)?;
        let beside: Vec<Certificate> = kubeconfig_trust(path, &draft.contents, cluster)?
            .into_iter()
            .filter(|old| {
                !certificates.iter().any(|new| {
                    old.subject() == new.subject() || old.public_key() == new.public_key()
                })
            })
            .collect();
        certificates.extend(beside);
        let text: String = certificates.iter().map(Certificate::to_pem).collect();
        draft.contents = Kubeconfig::set_certificate_authority_of_cluster(
            &draft.contents,
            cluster,
            text.as_bytes(),
        )
        .map_err(format_error(path))?;
        Ok(())
    }

    /// The draft of a file: as it is on the host, or empty with the mode of a new one.
    pub(super) fn draft(&mut self, path: &Path, new_mode: u32) -> Result<&mut Draft, ExecuteError> {
        let index = match self.files.iter().position(|draft| draft.path == path) {
            Some(index) => index,
            None => {
                let (contents, attributes) = match self.host.read(path, FILE_LIMIT) {
                    Ok(contents) => (contents, self.host.metadata(path)?.attributes),
                    Err(error) if error.kind == HostErrorKind::NotFound => {
                        (Sealed::new(Vec::new()), self.new_attributes(new_mode))
                    }
                    Err(error) => return Err(error.into()),
                };
                self.files.push(Draft {
                    path: path.to_owned(),
                    contents,
                    attributes,
                });
                self.files.len() - 1
            }
        };
        self.files
            .get_mut(index)
            .ok_or_else(|| ExecuteError::Format {
                path: path.to_owned(),
                reason: "it is not among the files of this plan".to_owned(),
            })
    }

    /// A file that was not there; neither, perhaps, was its folder.
    fn new_file(&mut self, path: PathBuf, contents: Sealed, mode: u32) {
        if let Some(folder) = path.parent()
            && !self.folders.iter().any(|other| other == folder)
        {
            self.folders.push(folder.to_owned());
        }
        let attributes = self.new_attributes(mode);
        self.files.push(Draft {
            path,
            contents,
            attributes,
        });
    }

    fn new_attributes(&self, mode: u32) -> FileAttributes {
        let (uid, gid) = self.host.identity();
        FileAttributes {
            mode,
            uid,
            gid,
            xattrs: Vec::new(),
        }
    }

    fn into_changes(mut self, plan: &Plan) -> Vec<Change> {
        // A kubelet restarts a pod as soon as its manifest is another: whatever that reads comes first.
        let is_manifest = |path: &Path| {
            let folder = path.parent();
            plan.static_pod_folders
                .iter()
                .any(|of| folder == Some(of.as_path()))
        };
        self.files.sort_by_key(|draft| is_manifest(&draft.path));
        // Keys are to lie in them: nobody else needs to look.
        let folders = self
            .folders
            .into_iter()
            .map(|path| Change::Directory { path, mode: 0o700 });
        let files = self.files.into_iter().map(|draft| Change::Write {
            path: draft.path,
            contents: draft.contents,
            attributes: draft.attributes,
        });
        let links = self
            .links
            .into_iter()
            .map(|(path, target)| Change::Symlink { path, target });
        let removals = self.removals.into_iter();
        let removals = removals.map(|path| Change::Remove { path });
        folders.chain(files).chain(links).chain(removals).collect()
    }
}

/// The PEM of the client certificate of a kubeconfig's user, embedded or behind a path.
pub(super) fn kubeconfig_chain(
    path: &Path,
    contents: &Sealed,
    user: &str,
) -> Result<Vec<Certificate>, ExecuteError> {
    let kubeconfig = Kubeconfig::parse(contents).map_err(format_error(path))?;
    let pem = kubeconfig
        .client_certificate_data(user)
        .map_err(format_error(path))?;
    pem::certificates(pem).map_err(format_error(path))
}

/// The CA certificates that a kubeconfig embeds for one of its clusters.
fn kubeconfig_trust(
    path: &Path,
    contents: &Sealed,
    cluster: &str,
) -> Result<Vec<Certificate>, ExecuteError> {
    let kubeconfig = Kubeconfig::parse(contents).map_err(format_error(path))?;
    let embedded = kubeconfig
        .cluster(cluster)
        .and_then(|cluster| cluster.certificate_authority.as_ref())
        .and_then(PublicMaterial::embedded);
    match embedded {
        Some(text) => pem::certificates(text).map_err(format_error(path)),
        None => Ok(Vec::new()),
    }
}

/// The PEM of the embedded client key of a kubeconfig's user.
pub(super) fn kubeconfig_key(
    path: &Path,
    contents: &Sealed,
    user: &str,
) -> Result<Sealed, ExecuteError> {
    let kubeconfig = Kubeconfig::parse(contents).map_err(format_error(path))?;
    kubeconfig.client_key_data(user).map_err(format_error(path))
}

/// The key in the encoding of the old one; where there was none, as kubeadm writes that type.
fn key_pem(
    issuance: &Issuance,
    key: &PrivateKey,
    old: Option<KeyEncoding>,
) -> Result<Sealed, ExecuteError> {
    let key_type = key.key_type().unwrap_or(KeyType::EcdsaP256);
    let encoding = old.map_or(key_type.traditional_encoding(), |old| {
        old.adapted_to(key_type)
    });
    key.to_pem(encoding).map_err(|source| ExecuteError::Key {
        name: issuance.name.clone(),
        source,
    })
}

pub(super) fn format_error<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> ExecuteError + '_ {
    move |error| ExecuteError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
