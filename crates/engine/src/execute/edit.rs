//! File edits rendered: bundles, CA data, flags, keys, and files that go.
//!
//! They come after whatever the plan issues, each on what the ones before it left, so that a key which
//! the plan makes can be copied and then removed. Nothing is written here.

use super::content::renamed;
use super::error::ExecuteError;
use super::prepare::BroughtKey;
use super::render::{Drafts, format_error};
use crate::discover::unit_files;
use crate::ports::FILE_LIMIT;
use crate::transit::public_sha256;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_core::formats::pem_edit;
use kubepki_core::formats::static_pod::StaticPod;
use kubepki_core::formats::unit_file_edit::UnitTexts;
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{FileEdit, FlagSetting, Plan};
use kubepki_core::rotation::Phase;
use kubepki_keys::{KeyType, PrivateKey, sign_request};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{CertificationRequestInfo, GeneralName, pem, reissue};
use std::path::{Path, PathBuf};

/// Where distributions put their own units, which the next package replaces.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd", "/lib/systemd"];

/// Whether a plan is one of those after which a manifest is as it was before the rotation.
pub(super) fn leaves_no_mark(plan: &Plan) -> bool {
    plan.rotation
        .as_ref()
        .is_some_and(|mark| mark.phase == Phase::RetireOld)
}

impl Drafts<'_> {
    /// Every file edit of the plan, in its order.
    pub(super) fn edits(&mut self, plan: &Plan, keys: &[BroughtKey]) -> Result<(), ExecuteError> {
        for edit in &plan.file_edits {
            self.edit(plan, edit, keys)?;
        }
        Ok(())
    }

    fn edit(
        &mut self,
        plan: &Plan,
        edit: &FileEdit,
        keys: &[BroughtKey],
    ) -> Result<(), ExecuteError> {
        match edit {
            FileEdit::Bundle { path, pem, like } => self.whole_bundle(path, pem, like.as_deref()),
            FileEdit::KubeconfigTrust { path, cluster, pem } => {
                let pem = public_blocks(path, pem)?;
                let draft = self.draft(path, 0o600)?;
                draft.contents = Kubeconfig::set_certificate_authority_of_cluster(
                    &draft.contents,
                    cluster,
                    pem.as_bytes(),
                )
                .map_err(format_error(path))?;
                Ok(())
            }
            FileEdit::Flags {
                component,
                runs_as,
                set,
            } => self.flags(plan, *component, runs_as, set),
            FileEdit::CopyKey { from, to } => {
                let source = self.now(from)?;
                let key = pem_edit::private_key(&source).map_err(format_error(from))?;
                self.put_key(to, key)
            }
            FileEdit::MakeKey {
                path,
                public,
                key_type,
            } => self.make_key(path, public, key_type),
            FileEdit::BringKey {
                path,
                host,
                public_key_sha256,
                ..
            } => {
                let brought = keys
                    .iter()
                    .find(|key| key.destination == *path)
                    .ok_or_else(|| ExecuteError::KeyNotBrought {
                        path: path.clone(),
                        from: host.clone(),
                    })?;
                let found = public_sha256(&brought.key).map_err(format_error(path))?;
                if let Some(expected) = public_key_sha256.as_ref().filter(|it| **it != found) {
                    return Err(ExecuteError::Format {
                        path: path.clone(),
                        reason: format!(
                            "the key that was brought for it is sha256:{found}, expected sha256:{expected}"
                        ),
                    });
                }
                let key = pem_edit::private_key(&brought.key).map_err(format_error(path))?;
                self.put_key(path, key)
            }
            FileEdit::AdoptKey {
                from,
                to,
                public_key_sha256,
            } => self.adopt_key(from, to, public_key_sha256),
            FileEdit::MakeRequest {
                key,
                request,
                key_type,
                like_pem,
                common_name,
            } => self.make_request((key, request), key_type, like_pem, common_name),
            FileEdit::Chain { path, pem } => {
                let behind = pem::certificates(pem.as_bytes()).map_err(format_error(path))?;
                let draft = self.draft(path, 0o644)?;
                draft.contents = pem_edit::replace_chain(&draft.contents, &behind)
                    .map_err(format_error(path))?;
                Ok(())
            }
            FileEdit::Remove { path } => {
                self.files.retain(|draft| draft.path != *path);
                if !self.removals.contains(path) {
                    self.removals.push(path.clone());
                }
                Ok(())
            }
        }
    }

    /// The file holds exactly these blocks; what was there goes, its owner and mode stay.
    fn whole_bundle(
        &mut self,
        path: &Path,
        text: &str,
        like: Option<&Path>,
    ) -> Result<(), ExecuteError> {
        let text = public_blocks(path, text)?;
        let is_new = self.is_new(path);
        self.written(path);
        self.whole_file(path, Sealed::new(text.into_bytes()), 0o644)?;
        if let Some(like) = like.filter(|_| is_new) {
            let attributes = self.host.metadata(like)?.attributes;
            self.draft(path, 0o644)?.attributes = attributes;
        }
        Ok(())
    }

    /// A private key in its file: what stands beside a key in one file stays, what is no key goes.
    fn put_key(&mut self, path: &Path, key: Sealed) -> Result<(), ExecuteError> {
        self.written(path);
        let draft = self.draft(path, 0o600)?;
        let contents = match pem_edit::replace_private_key(&draft.contents, &key) {
            Ok(contents) if !draft.contents.is_empty() => contents,
            _ => key,
        };
        self.whole_file(path, contents, 0o600)
    }

    /// A key from wherever somebody put it, when it is the one that is meant.
    fn adopt_key(&mut self, from: &Path, to: &Path, expected: &str) -> Result<(), ExecuteError> {
        let source = self.now(from)?;
        let found = public_sha256(&source).map_err(format_error(from))?;
        if found != expected {
            return Err(ExecuteError::Format {
                path: from.to_owned(),
                reason: format!(
                    "it is the private key of sha256:{found}, expected that of the given certificate, sha256:{expected}"
                ),
            });
        }
        let key = pem_edit::private_key(&source).map_err(format_error(from))?;
        self.put_key(to, key)
    }

    /// A new key, and a request that asks for what the old authority's certificate says.
    fn make_request(
        &mut self,
        (path, request): (&Path, &Path),
        key_type: &str,
        like_pem: &str,
        common_name: &str,
    ) -> Result<(), ExecuteError> {
        let name = request.display().to_string();
        let refused = |reason: String| ExecuteError::Plan {
            name: name.clone(),
            reason,
        };
        let key_type: KeyType = key_type
            .parse()
            .map_err(|error| refused(format!("{error}")))?;
        let old = pem::certificates(like_pem.as_bytes())
            .ok()
            .and_then(|found| found.into_iter().next())
            .ok_or_else(|| refused("there is no certificate to be like".to_owned()))?;
        let key = PrivateKey::generate(key_type).map_err(|source| ExecuteError::Key {
            name: name.clone(),
            source,
        })?;
        // Names of a CA are its own subject's at most, so they go.
        let names: Option<&[GeneralName]> = match old.subject_alt_names().is_empty() {
            true => None,
            false => Some(&[]),
        };
        let asked = CertificationRequestInfo {
            subject: renamed(old.subject(), common_name),
            public_key: key.public_key().clone(),
            extensions: reissue::requested(&old, names)
                .map_err(|error| refused(error.to_string()))?,
        };
        let signed = sign_request(&asked, &key).map_err(|source| ExecuteError::Issue {
            name: name.clone(),
            source,
        })?;
        let contents = key
            .to_pem(key_type.traditional_encoding())
            .map_err(|source| ExecuteError::Key {
                name: name.clone(),
                source,
            })?;
        self.written(path);
        self.written(request);
        self.whole_file(path, contents, 0o600)?;
        self.whole_file(request, Sealed::new(signed.to_pem().into_bytes()), 0o644)
    }

    fn make_key(&mut self, path: &Path, public: &Path, key_type: &str) -> Result<(), ExecuteError> {
        let name = path.display().to_string();
        let key_type: KeyType = key_type.parse().map_err(|error| ExecuteError::Plan {
            name: name.clone(),
            reason: format!("{error}"),
        })?;
        let failed = |source| ExecuteError::Key {
            name: name.clone(),
            source,
        };
        let key = PrivateKey::generate(key_type).map_err(failed)?;
        let contents = key
            .to_pem(key_type.traditional_encoding())
            .map_err(failed)?;
        self.written(path);
        self.written(public);
        self.whole_file(path, contents, 0o600)?;
        let text = key.public_key().to_pem().into_bytes();
        self.whole_file(public, Sealed::new(text), 0o644)
    }

    fn flags(
        &mut self,
        plan: &Plan,
        component: ComponentKind,
        runs_as: &RunsAs,
        set: &[FlagSetting],
    ) -> Result<(), ExecuteError> {
        let settings: Vec<(&str, Option<&str>)> = set
            .iter()
            .map(|setting| (setting.flag.as_str(), setting.value.as_deref()))
            .collect();
        match runs_as {
            RunsAs::StaticPod {
                manifest,
                container,
            } => {
                let draft = self.draft(manifest, 0o600)?;
                let old = danger::open(&draft.contents);
                let mut edited = StaticPod::with_flags(old, container, &settings)
                    .map_err(format_error(manifest))?;
                if leaves_no_mark(plan) {
                    edited = StaticPod::without_restart(&edited).map_err(format_error(manifest))?;
                }
                draft.contents = Sealed::new(edited);
                Ok(())
            }
            RunsAs::SystemdUnit { unit } => self.unit_flags(unit, &settings),
            RunsAs::DockerContainer { container } => Err(ExecuteError::FlagsByHand {
                component,
                reason: format!(
                    "the flags of docker container {container} were given when it was made; make it anew with them"
                ),
            }),
            RunsAs::Process => Err(ExecuteError::FlagsByHand {
                component,
                reason: "nothing on this host tells what starts it".to_owned(),
            }),
        }
    }

    fn unit_flags(
        &mut self,
        unit: &str,
        settings: &[(&str, Option<&str>)],
    ) -> Result<(), ExecuteError> {
        let of_unit = Path::new(unit);
        let files = unit_files(self.host, unit)?;
        let mut old = UnitTexts {
            fragments: Vec::new(),
            environments: Vec::new(),
        };
        for path in &files.fragments {
            old.fragments.push(self.text(path)?);
        }
        for path in &files.environments {
            old.environments.push(self.text(path)?);
        }
        let new = old
            .clone()
            .with_flags(settings)
            .map_err(format_error(of_unit))?;
        let before = old.fragments.iter().chain(&old.environments);
        let after = new.fragments.iter().chain(&new.environments);
        for (path, (before, after)) in files.all().zip(before.zip(after)) {
            if before == after {
                continue;
            }
            if PACKAGED.iter().any(|folder| path.starts_with(folder)) {
                return Err(ExecuteError::Format {
                    path: path.clone(),
                    reason: format!(
                        "it belongs to a package, whose next version would undo a change; put the flags into a drop-in of {unit} below /etc/systemd/system"
                    ),
                });
            }
            self.draft(path, 0o644)?.contents = Sealed::new(after.clone().into_bytes());
        }
        Ok(())
    }

    /// A file as the plan has left it so far.
    fn now(&self, path: &Path) -> Result<Sealed, ExecuteError> {
        match self.files.iter().find(|draft| draft.path == path) {
            Some(draft) => Ok(Sealed::new(danger::open(&draft.contents).to_vec())),
            None => Ok(self.host.read(path, FILE_LIMIT)?),
        }
    }

    fn text(&self, path: &Path) -> Result<String, ExecuteError> {
        let contents = self.now(path)?;
        match std::str::from_utf8(danger::open(&contents)) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(ExecuteError::Format {
                path: path.to_owned(),
                reason: "it is not UTF-8 text".to_owned(),
            }),
        }
    }

    fn is_new(&self, path: &Path) -> bool {
        !self.files.iter().any(|draft| draft.path == path) && self.host.metadata(path).is_err()
    }

    /// What is written after all is not removed.
    fn written(&mut self, path: &Path) {
        let path: PathBuf = path.to_owned();
        self.removals.retain(|removed| *removed != path);
    }
}

/// The blocks and nothing else. Refuses whatever is no certificate and no public key: a bundle is shown
/// to everybody.
fn public_blocks(path: &Path, text: &str) -> Result<String, ExecuteError> {
    let refused = |reason: String| ExecuteError::Plan {
        name: path.display().to_string(),
        reason,
    };
    let blocks = pem::parse(text.as_bytes()).blocks;
    if blocks.is_empty() {
        return Err(refused("its new contents hold no PEM block".to_owned()));
    }
    let mut canonical = String::new();
    for block in &blocks {
        match block.certificate() {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(refused(error.to_string())),
            None if block.label == "PUBLIC KEY" => {}
            None => {
                return Err(refused(format!(
                    "its new contents hold a block {}, expected certificates or public keys",
                    block.label
                )));
            }
        }
        canonical.push_str(&pem::encode(&block.label, danger::open(&block.contents)));
    }
    Ok(canonical)
}
