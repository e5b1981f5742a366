//! What file edits may touch on this host, and which private keys may leave or reach it.
//!
//! Tighter than the bounds of other files ([`Bounds`]): a key is only put where a key of that kind
//! belongs, only the flags that name files of a rotation are set, and only with files that the host
//! knows. Of private keys, those of authorities and their successors and those that sign tokens may be
//! handed over, since every control plane needs the same ones; no other key ever leaves its host.

use super::asked::Asked;
use super::bounds::{Bounds, OutsideDiscovery, outside};
use super::spelling::{PEM_ENDINGS, has_ending, is_plain};
use crate::session::KeyOrder;
use kubepki_core::layouts::component_files::{
    AUTHORITY_KEY_PAIRS, SERVICE_ACCOUNT_KEYS, TRUST_BUNDLES,
};
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{FileEdit, FlagSetting, Plan};
use kubepki_core::rotation::successor;
use kubepki_engine::ports::{FileKind, HostRead};
use kubepki_x509::pem;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Keys that the hosts of a cluster have in common, found or belonging beside what was found.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedKeys {
    private: BTreeSet<PathBuf>,
    public: BTreeSet<PathBuf>,
    /// Where a rotation puts certificates beside those of authorities.
    certificates: BTreeSet<PathBuf>,
}

impl SharedKeys {
    /// A private key, and the places of its successor and of the old one.
    pub(super) fn private(&mut self, path: &Path) {
        self.private.insert(path.to_owned());
        if !successor::is_of_a_rotation(path) {
            self.private.insert(successor::successor(path));
            self.private.insert(successor::previous(path));
        }
    }

    /// An authority's certificate: the places that a rotation has for others beside it.
    pub(super) fn certificate(&mut self, path: &Path) {
        if !successor::is_of_a_rotation(path) {
            for beside in [
                successor::successor,
                successor::previous,
                successor::signer,
                successor::request,
            ] {
                self.certificates.insert(beside(path));
            }
        }
    }

    /// Whether a path is one of these, be it there or not: what a rotation that was cut short left is
    /// found nowhere else.
    pub(super) fn contains(&self, path: &Path) -> bool {
        [&self.private, &self.public, &self.certificates]
            .iter()
            .any(|of| of.contains(path))
    }

    /// A public key, and the places of its successor and of the old one.
    pub(super) fn public(&mut self, path: &Path) {
        self.public.insert(path.to_owned());
        if !successor::is_of_a_rotation(path) {
            self.public.insert(successor::successor(path));
            self.public.insert(successor::previous(path));
        }
    }
}

impl Bounds {
    /// Refuses to hand over anything but a shared key of this host, or for anything but a key's file.
    pub fn check_key_order(
        &self,
        host: &dyn HostRead,
        order: &KeyOrder,
    ) -> Result<(), OutsideDiscovery> {
        let asked = Asked { bounds: self, host };
        asked.shared_key(&order.path, "a key to hand over")?;
        let real = asked.resolved(&order.path);
        if !real.is_some_and(|real| has_ending(&real, &PEM_ENDINGS)) {
            return Err(outside(&order.path, "a key to hand over"));
        }
        let name = order
            .destination
            .file_name()
            .map(|name| name.to_string_lossy());
        let is_a_keys = name.is_some_and(|name| {
            let own = self.shared_keys.private.iter();
            name.contains("key")
                || own
                    .filter_map(|path| path.file_name())
                    .any(|own| *own == *name)
        });
        let fits = is_plain(&order.destination)
            && has_ending(&order.destination, &PEM_ENDINGS)
            && is_a_keys;
        match fits {
            true => Ok(()),
            false => Err(outside(
                &order.destination,
                "the place of a key that is handed over",
            )),
        }
    }
}

impl Asked<'_> {
    /// Refuses an edit that is none of a rotation on this host.
    pub(super) fn edit(&self, plan: &Plan, edit: &FileEdit) -> Result<(), OutsideDiscovery> {
        match edit {
            FileEdit::Bundle { path, like, .. } => {
                self.not_a_key(path, "a bundle to write")?;
                match like {
                    Some(like) => self.read(like, "a file whose owner is taken"),
                    None => Ok(()),
                }
            }
            FileEdit::KubeconfigTrust { path, .. } => self.change(path, "a kubeconfig to change"),
            FileEdit::Flags {
                component,
                runs_as,
                set,
            } => self.flags(*component, runs_as, set),
            FileEdit::CopyKey { from, to } => {
                self.shared_key(from, "a key to copy")?;
                self.shared_key(to, "the place of a copied key")
            }
            FileEdit::MakeKey { path, public, .. } => {
                self.shared_key(path, "the place of a new key")?;
                self.not_a_key(public, "the place of a public key")
            }
            FileEdit::AdoptKey {
                from,
                to,
                public_key_sha256,
            } => self.adopted(plan, from, to, public_key_sha256),
            FileEdit::MakeRequest { key, request, .. } => {
                if !successor::is_successor(key) || !has_ending(request, &["csr"]) {
                    return Err(outside(key, "the place of a successor's key"));
                }
                self.shared_key(key, "the place of a successor's key")?;
                self.not_a_key(request, "the place of a request")
            }
            FileEdit::Chain { path, .. } => {
                self.not_a_key(path, "a certificate whose chain is written")
            }
            FileEdit::BringKey { path, .. } => self.shared_key(path, "the place of a brought key"),
            FileEdit::Remove { path } => {
                let is_pem = has_ending(path, &PEM_ENDINGS);
                match is_pem && successor::is_of_a_rotation(path) {
                    true => self.change(path, "a file to remove"),
                    false => Err(outside(path, "a file to remove")),
                }
            }
        }
    }

    /// A key that somebody put anywhere on this host: it is read only to become the key of a successor
    /// whose certificate the same plan writes, and the engine takes it only if it is that. So nothing is
    /// had of any other file, not even a key.
    fn adopted(
        &self,
        plan: &Plan,
        from: &Path,
        to: &Path,
        public_key_sha256: &str,
    ) -> Result<(), OutsideDiscovery> {
        let refused = || outside(from, "the key of the successor that it writes");
        if !successor::is_successor(to) {
            return Err(outside(to, "the place of a successor's key"));
        }
        self.shared_key(to, "the place of a successor's key")?;
        let is_its_certificate = |edit: &FileEdit| match edit {
            FileEdit::Bundle { path, pem, .. } => {
                let found = pem::certificates(pem.as_bytes()).unwrap_or_default();
                let first = found
                    .first()
                    .map(|it| hex::encode(it.public_key().sha256()));
                successor::is_successor(path)
                    && path.parent() == to.parent()
                    && first.as_deref() == Some(public_key_sha256)
            }
            _ => false,
        };
        if !plan.file_edits.iter().any(is_its_certificate) || !is_plain(from) {
            return Err(refused());
        }
        let real = self.host.canonicalize(from).map_err(|_| refused())?;
        let kind = self.host.symlink_metadata(&real).map(|it| it.kind);
        match kind {
            Ok(FileKind::Regular) => Ok(()),
            _ => Err(refused()),
        }
    }

    /// A key that several hosts may have in common; what a link leads to counts.
    fn shared_key(&self, path: &Path, what: &'static str) -> Result<(), OutsideDiscovery> {
        match self.bounds.shared_keys.private.contains(path) {
            true => self.change(path, what),
            false => Err(outside(path, what)),
        }
    }

    /// What everybody may read is not put where a private key belongs, or a manifest.
    fn not_a_key(&self, path: &Path, what: &'static str) -> Result<(), OutsideDiscovery> {
        let shared = &self.bounds.shared_keys;
        let is_refused = (shared.private.contains(path) && !shared.public.contains(path))
            || self.bounds.manifests.contains(path)
            || !has_ending(path, &PEM_ENDINGS);
        match is_refused {
            true => Err(outside(path, what)),
            false => self.change(path, what),
        }
    }

    fn flags(
        &self,
        component: ComponentKind,
        runs_as: &RunsAs,
        set: &[FlagSetting],
    ) -> Result<(), OutsideDiscovery> {
        let known = self
            .bounds
            .components
            .iter()
            .find(|it| it.kind == component);
        let named = match runs_as {
            RunsAs::StaticPod { manifest, .. } => manifest.clone(),
            RunsAs::SystemdUnit { unit } => PathBuf::from(unit),
            RunsAs::DockerContainer { container } => PathBuf::from(container),
            RunsAs::Process => PathBuf::from(component.executable()),
        };
        let Some(known) = known.filter(|known| known.runs_as == *runs_as) else {
            return Err(outside(&named, "the manifest or unit of a component"));
        };
        for setting in set {
            if !names_a_file(component, &setting.flag) {
                return Err(outside(Path::new(&setting.flag), "a flag to set"));
            }
            let Some(value) = &setting.value else {
                continue;
            };
            let path = known.mounts.host_path(Path::new(value));
            let path = path.filter(|path| is_plain(path));
            let path = path.ok_or_else(|| outside(Path::new(value), "the file of a flag"))?;
            self.change(&path, "the file of a flag")?;
        }
        Ok(())
    }
}

/// Whether a flag names a file that a rotation may have to move: a bundle, a signing pair, a key of
/// tokens.
fn names_a_file(component: ComponentKind, flag: &str) -> bool {
    let is_bundle = TRUST_BUNDLES
        .iter()
        .any(|row| row.component == component && row.flag == flag);
    let is_pair = AUTHORITY_KEY_PAIRS
        .iter()
        .any(|row| row.component == component && (row.certificate == flag || row.key == flag));
    let is_tokens = SERVICE_ACCOUNT_KEYS
        .iter()
        .any(|row| row.component == component && row.flag == flag);
    is_bundle || is_pair || is_tokens
}
