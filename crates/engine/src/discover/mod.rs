//! Discovery: what is on a host, as an [`Inventory`]. Reads only.
//!
//! Flags come first: what a component really reads stands in its manifest, unit file or command line
//! and in the kubeconfigs that those name. kubeadm's table and the user's layout say the rest. Nothing is
//! judged here, and what cannot be seen becomes a gap or an entry's problem, never an error.

mod authorities;
mod by_hand;
mod components;
mod declared;
pub(crate) mod docker;
mod entries;
mod etcd_clients;
mod kubeadm_configuration;
mod kubeconfig_uses;
mod kubeconfigs;
mod kubelet;
pub(crate) mod reader;
mod service_account;
mod units;
mod vendors;

pub use units::{UnitFiles, unit_files};

use crate::ports::{HostError, HostErrorKind, HostRead};
use jiff::Timestamp;
use kubepki_core::founding::Declarations;
use kubepki_core::layouts::{Declared, KUBEADM};
use kubepki_core::model::{ComponentKind, Gap, Inventory};
use reader::Reader;
use std::path::PathBuf;

/// What discovery is told.
#[derive(Clone, Debug)]
pub struct DiscoverOptions {
    /// The folder with kubeadm's certificates, for what no flag names.
    pub pki_folder: PathBuf,
    /// What the user's layout declares, for what no flag and no table names.
    pub declared: Option<Declarations>,
}

impl Default for DiscoverOptions {
    fn default() -> Self {
        Self {
            pki_folder: PathBuf::from(KUBEADM.pki_folder),
            declared: None,
        }
    }
}

/// Looks at a host.
///
/// # Errors
/// Only when the host's name cannot be read; everything else that fails is a gap.
pub fn discover(
    host: &dyn HostRead,
    options: &DiscoverOptions,
    now: Timestamp,
) -> Result<Inventory, HostError> {
    let name = host_name(host)?;
    let mut reader = Reader::new(host);
    let found = components::find(&mut reader);
    let scene = Scene {
        components: &found.components,
        pki_folder: &options.pki_folder,
        declared: options.declared.as_ref(),
    };
    let mut authorities = authorities::find(&mut reader, &scene);
    let mut entries = entries::Entries::default();
    entries::from_flags(&mut reader, &scene, &mut entries);
    kubeconfigs::find(&mut reader, &scene, &mut entries);
    kubelet::find(&mut reader, &scene, &mut entries);
    if let Some(declarations) = scene.declared {
        declared::find(&mut reader, declarations, &mut entries);
    }
    entries::from_table(&mut reader, &scene, &mut entries);
    by_hand::find(&mut reader, &scene, &name, &mut entries);
    vendors::find(&mut reader, &mut authorities, &mut entries);
    let successor_requests = authorities::requests(&mut reader, &authorities);
    let service_account_keys = service_account::find(&mut reader, &scene);
    let kubeconfigs = kubeconfig_uses::find(&mut reader, &scene, &entries);
    let etcd_clients = etcd_clients::find(&mut reader, &scene, &authorities, &entries);
    let kubeadm_configuration = kubeadm_configuration::find(&mut reader);
    let (entries, embedded_trust) = entries.sorted();
    let node_name = kubelet::node_name(&mut reader, &scene, &entries, &name);
    if !host.is_live() {
        reader.gaps.push(Gap::new(
            "processes",
            "files of another root: what runs and what it serves cannot be asked",
        ));
    }
    Ok(Inventory {
        host: name,
        observed_at: now,
        live: host.is_live(),
        components: found.components,
        authorities,
        entries,
        embedded_trust,
        kubeconfigs,
        etcd_clients,
        service_account_keys,
        successor_requests,
        node_name,
        static_pod_folders: found.static_pod_folders,
        files: reader.files,
        file_times: reader.file_times,
        kubeadm_configuration,
        declared: options.declared.as_ref().map(Declared::of),
        gaps: reader.gaps,
    })
}

/// What a disk is called whose host left it no name.
const NAMELESS: &str = "(no host name)";

/// The host's name; a disk without one is worth looking at all the same.
pub fn host_name(host: &dyn HostRead) -> Result<String, HostError> {
    match host.hostname() {
        Ok(name) if name.trim().is_empty() => Ok(NAMELESS.to_owned()),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(NAMELESS.to_owned()),
        other => other,
    }
}

/// What every finder looks at.
struct Scene<'a> {
    components: &'a [kubepki_core::model::Component],
    pki_folder: &'a std::path::Path,
    declared: Option<&'a Declarations>,
}

impl Scene<'_> {
    fn component(&self, kind: ComponentKind) -> Option<&kubepki_core::model::Component> {
        self.components
            .iter()
            .find(|component| component.kind == kind)
    }

    /// Whether this component serves what lies in kubeadm's folder: then kubeadm made it, and what
    /// kubeadm's table holds beside is missed where it is absent.
    fn is_kubeadms(&self, kind: ComponentKind, flag: &str) -> bool {
        self.component(kind)
            .and_then(|component| component.host_path(flag))
            .is_some_and(|path| path.starts_with(self.pki_folder))
    }
}
