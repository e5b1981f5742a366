//! One plan held against the bounds of its host: each path that it names, to be read or to be written.
//!
//! What the bounds are is said in [`super::bounds`]; what file edits may do, in [`super::edit_bounds`].

use super::bounds::{Bounds, OutsideDiscovery, outside};
use super::spelling::{KUBECONFIG_ENDINGS, PEM_ENDINGS, has_ending, is_plain};
use kubepki_core::model::Holder;
use kubepki_core::plan::{Issuance, KeyChoice, Origin, Signer};
use kubepki_engine::apply::BACKUPS;
use kubepki_engine::ports::{FileKind, HostErrorKind, HostRead};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A plan held against the bounds.
pub(super) struct Asked<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) host: &'a dyn HostRead,
}

impl Asked<'_> {
    pub(super) fn issuance(&self, issuance: &Issuance) -> Result<(), OutsideDiscovery> {
        if let Origin::Certificate { holder, .. } = &issuance.origin {
            self.holder(holder, "a certificate to renew")?;
        }
        match &issuance.signer {
            Signer::Authority {
                certificate, key, ..
            } => self.bounds.check_authority(certificate, key)?,
            Signer::Request { directory } => self.folder(directory)?,
            Signer::Installed {
                directory,
                authority,
            } => {
                self.folder(directory)?;
                if let Some(authority) = authority {
                    self.read(authority, "the bundle of an authority")?;
                }
            }
            // Theirs lie on other hosts, and are held against what those find.
            _ => {}
        }
        self.holder(&issuance.destination, "a certificate to write")?;
        if let (KeyChoice::Reuse, Some(key)) = (&issuance.key, issuance.destination.key_path()) {
            self.change(key, "a key to use")?;
        }
        for copy in &issuance.copies {
            self.change(copy, "a copy to write")?;
        }
        if let Some(user) = &issuance.point_kubeconfig {
            self.change(&user.path, "a kubeconfig to change")?;
        }
        Ok(())
    }

    fn holder(&self, holder: &Holder, what: &'static str) -> Result<(), OutsideDiscovery> {
        match holder {
            Holder::Files { certificate, key } => {
                self.change(certificate, what)?;
                key.iter().try_for_each(|key| self.change(key, what))
            }
            Holder::Kubeconfig { path, .. } => self.change(path, what),
            Holder::CertificateStore { link, target } => {
                self.change(link, what)?;
                target
                    .iter()
                    .try_for_each(|target| self.change(target, what))
            }
        }
    }

    /// A file whose contents reach others (as CA data of a kubeconfig) or decide over what is taken.
    pub(super) fn read(&self, path: &Path, what: &'static str) -> Result<(), OutsideDiscovery> {
        if self.bounds.known.contains(path) {
            self.change(path, what)
        } else {
            Err(outside(path, what))
        }
    }

    /// A file that may be read or written: known, or new beside what is known.
    pub(super) fn change(&self, path: &Path, what: &'static str) -> Result<(), OutsideDiscovery> {
        let refused = || outside(path, what);
        let real = self.resolved(path).ok_or_else(refused)?;
        let is_known = self.bounds.known.contains(path)
            || self.bounds.sound.contains(&real)
            || self.bounds.shared_keys.contains(path);
        let allowed = if is_known {
            self.bounds.sound.contains(&real)
                || real.file_name() == path.file_name()
                || has_ending(&real, &PEM_ENDINGS)
                || has_ending(&real, &KUBECONFIG_ENDINGS)
        } else {
            self.is_new_beside(path, &real)
        };
        if allowed { Ok(()) } else { Err(refused()) }
    }

    fn is_new_beside(&self, path: &Path, real: &Path) -> bool {
        let lies_in = |folders: &BTreeSet<PathBuf>| {
            real.parent().is_some_and(|folder| folders.contains(folder))
        };
        let fits = (has_ending(real, &PEM_ENDINGS) && lies_in(&self.bounds.certificate_folders))
            || (has_ending(real, &KUBECONFIG_ENDINGS) && lies_in(&self.bounds.kubeconfig_folders));
        fits && self.is_absent(path)
    }

    /// Nothing is there, not even a link that leads nowhere.
    fn is_absent(&self, path: &Path) -> bool {
        self.host
            .symlink_metadata(path)
            .is_err_and(|error| error.kind == HostErrorKind::NotFound)
    }

    /// A folder for requests, or with what came back for them: one with certificates, or below one.
    fn folder(&self, folder: &Path) -> Result<(), OutsideDiscovery> {
        let real = self.resolved(folder);
        let folders = &self.bounds.certificate_folders;
        let is_inside = real.is_some_and(|real| folders.iter().any(|of| real.starts_with(of)));
        if is_inside {
            Ok(())
        } else {
            Err(outside(folder, "a folder for requests"))
        }
    }

    /// An archive on this program's own shelf.
    pub(super) fn archive(&self, archive: &Path) -> Result<(), OutsideDiscovery> {
        let shelf = self.host.canonicalize(Path::new(BACKUPS)).ok();
        let real = self.host.canonicalize(archive).ok();
        let lies_there = is_plain(archive)
            && real
                .zip(shelf)
                .is_some_and(|(real, shelf)| real.parent() == Some(&*shelf));
        if lies_there {
            Ok(())
        } else {
            Err(outside(archive, "a backup to read"))
        }
    }

    /// The path with its links resolved as far as it exists; `None` for one that is spelled in a way
    /// that no discovery spells, leads in circles, or ends in something else than a file.
    pub(super) fn resolved(&self, path: &Path) -> Option<PathBuf> {
        if !is_plain(path) {
            return None;
        }
        let mut missing: Vec<&std::ffi::OsStr> = Vec::new();
        let mut existing = path;
        loop {
            match self.host.canonicalize(existing) {
                Ok(real) => {
                    let missing = missing.iter().rev();
                    return Some(missing.fold(real, |real, name| real.join(name)));
                }
                Err(error) if error.kind == HostErrorKind::NotFound => {
                    // A link that leads nowhere would be followed to a place that is not looked at.
                    let metadata = self.host.symlink_metadata(existing);
                    if metadata.is_ok_and(|it| it.kind == FileKind::Symlink) {
                        return self.behind(existing, &missing);
                    }
                    missing.push(existing.file_name()?);
                    existing = existing.parent()?;
                }
                Err(_) => return None,
            }
        }
    }

    /// Where a link leads that leads to nothing yet: one step, and only as the path's last part.
    fn behind(&self, link: &Path, missing: &[&std::ffi::OsStr]) -> Option<PathBuf> {
        if !missing.is_empty() {
            return None;
        }
        let folder = self.host.canonicalize(link.parent()?).ok()?;
        let target = folder.join(self.host.read_link(link).ok()?);
        let folder = self.host.canonicalize(target.parent()?).ok()?;
        Some(folder.join(target.file_name()?))
    }
}
