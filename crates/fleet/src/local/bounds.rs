//! What a plan may name on this host: files that the host's own discovery found, and new ones beside
//! them. Anything else is refused before it is read or written.
//!
//! Whoever may run the agent may do anything to the host in other ways; but the agent itself must not
//! become a way to read or write just any file, whatever stands in the plan that it is given.
//!
//! - *Known* is what discovery found by flags, kubeconfigs and kubeadm's table, there or missing, and
//!   what it found by a declared layout, if it is what it should be.
//! - *Beside* is a name that does not exist yet, spelled like a certificate, key or kubeconfig, in a
//!   folder that holds such a file already (and is none of the system's own, as `/etc`).
//! - A link counts by what is behind it: `apiserver.crt` that leads to `/etc/shadow` is refused.

use super::asked::Asked;
use super::edit_bounds::SharedKeys;
use super::spelling::SYSTEM_FOLDERS;
use crate::session::{SessionError, SigningOrder};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::model::{
    Component, ComponentKind, Holder, Inventory, KubeconfigTrust, Role, RunsAs,
    ServiceAccountKeyContents, UsedBy,
};
use kubepki_core::plan::{Issuance, Plan, Signer};
use kubepki_engine::discover::unit_files;
use kubepki_engine::ports::HostRead;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A plan names what is not this host's PKI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan names {} as {what}, which this host's own discovery did not find and which lies beside nothing that it found",
    path.display()
)]
pub struct OutsideDiscovery {
    /// The path.
    pub path: PathBuf,
    /// What for: reads on after "as".
    pub what: &'static str,
}

impl From<OutsideDiscovery> for SessionError {
    fn from(error: OutsideDiscovery) -> Self {
        Self::new("plan-outside-discovery", &error)
            .detail("location", error.path.display())
            .hint("look at the host again and make a new plan; the agent touches no other files")
    }
}

/// Everything that discovery found during a session. It only grows: what was seen while components
/// ran is not forgotten when they are halted.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Certificates, keys, bundles and kubeconfigs.
    pub(super) known: BTreeSet<PathBuf>,
    /// Those that hold what they should.
    pub(super) sound: BTreeSet<PathBuf>,
    /// Manifests of static pods.
    pub(super) manifests: BTreeSet<PathBuf>,
    static_pod_folders: BTreeSet<PathBuf>,
    /// Certificate and key of each authority.
    authorities: BTreeSet<(PathBuf, PathBuf)>,
    /// Keys that several hosts may have in common, and public halves of those that sign tokens.
    pub(super) shared_keys: SharedKeys,
    /// Components, each as it was seen last.
    pub(super) components: Vec<Component>,
    /// Files of their units.
    unit_files: BTreeSet<PathBuf>,
    /// Everything that was looked for, as a plan's basis names it.
    looked_for: BTreeSet<PathBuf>,
    /// Folders, links resolved, in which certificates lie.
    pub(super) certificate_folders: BTreeSet<PathBuf>,
    /// Folders, links resolved, in which kubeconfigs lie.
    pub(super) kubeconfig_folders: BTreeSet<PathBuf>,
}

impl Bounds {
    /// Adds what an inventory of this host holds; what was looked for only because it is `declared`
    /// counts where it is what it should be.
    pub fn learn(
        &mut self,
        host: &dyn HostRead,
        inventory: &Inventory,
        declared: &BTreeSet<PathBuf>,
    ) {
        let may_be = |path: &Path, users: &[UsedBy], is_sound: bool| {
            is_sound || !users.is_empty() || !declared.contains(path)
        };
        for entry in &inventory.entries {
            let path = entry.kubeconfig.as_deref().unwrap_or(entry.holder.path());
            if !may_be(path, &entry.used_by, !entry.chain.is_empty()) {
                continue;
            }
            self.learn_holder(host, &entry.holder, !entry.chain.is_empty());
            self.learn_kubeconfig(host, entry.kubeconfig.as_deref(), false);
            if entry.role == Role::KubeletClient {
                self.learn_store(host, inventory);
            }
        }
        for authority in &inventory.authorities {
            let is_sound = !authority.certificates.is_empty();
            let path = &authority.certificate_path;
            if !may_be(path, &authority.used_by, is_sound) {
                continue;
            }
            self.learn_file(host, path, is_sound);
            self.shared_keys.certificate(path);
            if let Some(key) = &authority.key_path {
                let is_key = authority.key.public_key().is_some();
                if !may_be(key, &[], is_key) {
                    continue;
                }
                self.learn_file(host, key, is_key);
                self.shared_keys.private(key);
                let pair = (authority.certificate_path.clone(), key.clone());
                self.authorities.insert(pair);
            }
        }
        for use_of in &inventory.kubeconfigs {
            if !may_be(&use_of.path, &use_of.used_by, use_of.problem.is_none()) {
                continue;
            }
            self.learn_kubeconfig(host, Some(&use_of.path), use_of.problem.is_none());
            if let Some(credential) = &use_of.credential {
                self.learn_holder(host, &credential.holder, !credential.chain.is_empty());
            }
            let trust = use_of.cluster.as_ref().map(|cluster| &cluster.trust);
            if let Some(KubeconfigTrust::File(file)) = trust {
                self.learn_file(host, &file.path, !file.certificates.is_empty());
            }
        }
        for trust in &inventory.embedded_trust {
            let is_sound = !trust.certificates.is_empty();
            self.learn_kubeconfig(host, Some(&trust.kubeconfig), is_sound);
        }
        for client in &inventory.etcd_clients {
            let credential = &client.credential;
            self.learn_holder(host, &credential.holder, !credential.chain.is_empty());
            if let Some(file) = &client.trust {
                self.learn_file(host, &file.path, !file.certificates.is_empty());
            }
        }
        for key in &inventory.service_account_keys {
            let is_key = !matches!(key.contents, ServiceAccountKeyContents::Problem(_));
            if !may_be(&key.path, &key.used_by, is_key) {
                continue;
            }
            self.learn_file(host, &key.path, false);
            match &key.contents {
                ServiceAccountKeyContents::Public(_) => self.shared_keys.public(&key.path),
                _ => self.shared_keys.private(&key.path),
            }
        }
        for component in &inventory.components {
            match &component.runs_as {
                RunsAs::StaticPod { manifest, .. } => {
                    self.manifests.insert(manifest.clone());
                }
                RunsAs::SystemdUnit { unit } => {
                    let files = unit_files(host, unit).unwrap_or_default();
                    self.unit_files.extend(files.all().cloned());
                }
                RunsAs::DockerContainer { .. } | RunsAs::Process => {}
            }
            self.components.retain(|old| old.kind != component.kind);
            self.components.push(component.clone());
        }
        let folders = inventory.static_pod_folders.iter().cloned();
        self.static_pod_folders.extend(folders);
        self.looked_for.extend(inventory.files.keys().cloned());
    }

    fn learn_holder(&mut self, host: &dyn HostRead, holder: &Holder, is_sound: bool) {
        match holder {
            Holder::Files { certificate, key } => {
                self.learn_file(host, certificate, is_sound);
                if let Some(key) = key {
                    self.learn_file(host, key, is_sound);
                }
            }
            Holder::Kubeconfig { path, .. } => self.learn_kubeconfig(host, Some(path), is_sound),
            Holder::CertificateStore { link, target } => {
                self.learn_file(host, link, is_sound);
                if let Some(target) = target {
                    self.learn_file(host, target, is_sound);
                }
                // The store is the kubelet's, also while it is empty.
                if let Some(folder) = link.parent().and_then(|it| host.canonicalize(it).ok()) {
                    add_folder(&mut self.certificate_folders, folder);
                }
            }
        }
    }

    /// The folder of the kubelet's store: what its kubeconfig embeds moves there when it is renewed.
    fn learn_store(&mut self, host: &dyn HostRead, inventory: &Inventory) {
        let kubelet = inventory.component(ComponentKind::Kubelet);
        let folder = kubelet
            .and_then(|kubelet| kubelet.host_path("cert-dir"))
            .unwrap_or_else(|| PathBuf::from(KUBEADM.kubelet_pki_folder));
        if let Ok(folder) = host.canonicalize(&folder) {
            add_folder(&mut self.certificate_folders, folder);
        }
    }

    fn learn_file(&mut self, host: &dyn HostRead, path: &Path, is_sound: bool) {
        self.known.insert(path.to_owned());
        let Ok(real) = host.canonicalize(path) else {
            return;
        };
        if is_sound {
            for folder in [path.parent(), real.parent()].into_iter().flatten() {
                if let Ok(folder) = host.canonicalize(folder) {
                    add_folder(&mut self.certificate_folders, folder);
                }
            }
            self.sound.insert(real);
        }
    }

    fn learn_kubeconfig(&mut self, host: &dyn HostRead, path: Option<&Path>, is_sound: bool) {
        let Some(path) = path else {
            return;
        };
        self.known.insert(path.to_owned());
        if let Some(real) = host.canonicalize(path).ok().filter(|_| is_sound) {
            if let Some(folder) = real.parent() {
                add_folder(&mut self.kubeconfig_folders, folder.to_owned());
            }
            self.sound.insert(real);
        }
    }

    /// Refuses a plan that names anything else, to be read or to be written.
    pub fn check(&self, host: &dyn HostRead, plan: &Plan) -> Result<(), OutsideDiscovery> {
        let asked = Asked { bounds: self, host };
        for edit in &plan.file_edits {
            asked.edit(plan, edit)?;
        }
        for folder in &plan.static_pod_folders {
            if !self.static_pod_folders.contains(folder) {
                return Err(outside(folder, "a folder of static pods"));
            }
        }
        for issuance in &plan.issuances {
            asked.issuance(issuance)?;
        }
        for update in &plan.trust_updates {
            asked.change(&update.kubeconfig, "a kubeconfig to change")?;
            asked.read(&update.bundle, "a bundle to read")?;
        }
        if let Some(restoration) = &plan.restoration {
            asked.archive(&restoration.archive)?;
            for path in &restoration.paths {
                if !self.manifests.contains(path) && !self.unit_files.contains(path) {
                    asked.change(path, "a file to bring back")?;
                }
            }
        }
        for action in &plan.components {
            if let RunsAs::StaticPod { manifest, .. } = &action.runs_as
                && !self.manifests.contains(manifest)
            {
                return Err(outside(manifest, "the manifest of a component"));
            }
        }
        // The engine never puts a request in the place of another file.
        let folders: Vec<&PathBuf> = plan.issuances.iter().filter_map(requests_in).collect();
        let is_request = |path: &Path| {
            folders
                .iter()
                .any(|folder| path.parent() == Some(folder.as_path()))
        };
        for path in plan.touched_files() {
            let is_a_components = self.manifests.contains(&path) || self.unit_files.contains(&path);
            if !is_a_components && !is_request(&path) {
                asked.change(&path, "a file to write")?;
            }
        }
        for file in &plan.basis {
            if !self.looked_for.contains(&file.path) && !self.unit_files.contains(&file.path) {
                asked.change(&file.path, "a file that it was made from")?;
            }
        }
        Ok(())
    }

    /// Refuses to sign with anything but an authority of this host.
    pub fn check_order(&self, order: &SigningOrder) -> Result<(), OutsideDiscovery> {
        match &order.issuance.signer {
            Signer::Elsewhere {
                certificate, key, ..
            }
            | Signer::Authority {
                certificate, key, ..
            } => self.check_authority(certificate, key),
            _ => Ok(()),
        }
    }

    /// Refuses to try clients of anything but an authority of this host.
    pub(super) fn check_authority(
        &self,
        certificate: &Path,
        key: &Path,
    ) -> Result<(), OutsideDiscovery> {
        let pair = (certificate.to_owned(), key.to_owned());
        if self.authorities.contains(&pair) {
            Ok(())
        } else {
            Err(outside(key, "the key of an authority"))
        }
    }
}

/// The folder, held against the bounds already, that the issuance's request goes to.
fn requests_in(issuance: &Issuance) -> Option<&PathBuf> {
    match &issuance.signer {
        Signer::Request { directory } => Some(directory),
        _ => None,
    }
}

pub(super) fn outside(path: &Path, what: &'static str) -> OutsideDiscovery {
    OutsideDiscovery {
        path: path.to_owned(),
        what,
    }
}

fn add_folder(folders: &mut BTreeSet<PathBuf>, folder: PathBuf) {
    let is_a_home = folder.parent() == Some(Path::new("/home"));
    let is_the_systems = SYSTEM_FOLDERS
        .iter()
        .any(|system| folder == Path::new(system))
        || ["/usr", "/dev", "/proc", "/sys"]
            .iter()
            .any(|system| folder.starts_with(system));
    if !is_a_home && !is_the_systems {
        folders.insert(folder);
    }
}
