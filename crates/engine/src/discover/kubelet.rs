//! The kubelet's certificates: its certificate store, its kubeconfig, its serving certificate.
//!
//! The store is a link `kubelet-client-current.pem` to a dated file with certificate and key
//! (client-go's `certificate_store.go`). A regular file in its place, a broken link or a kubeconfig
//! that embeds a certificate are all found in the field and all stop the kubelet in the end.

use super::authorities::key_state;
use super::entries::{Entries, FileEntry, file_entry, read_chain};
use super::kubeconfigs;
use super::reader::Reader;
use super::{NAMELESS, Scene};
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::model::{
    Component, ComponentKind, Entry, Holder, KubeconfigUser, NodeName, Role, UsedBy,
};
use kubepki_x509::Certificate;
use std::path::{Path, PathBuf};

const CLIENT: &str = "kubelet-client";
const SERVER: &str = "kubelet-server";

pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>, entries: &mut Entries) {
    let kubelet = scene.component(ComponentKind::Kubelet);
    client(reader, kubelet, &store(kubelet), entries);
    serving(reader, kubelet, &store(kubelet), entries);
}

fn store(kubelet: Option<&Component>) -> PathBuf {
    kubelet
        .and_then(|kubelet| kubelet.host_path("cert-dir"))
        .unwrap_or_else(|| PathBuf::from(KUBEADM.kubelet_pki_folder))
}

fn kubeconfig_path(kubelet: Option<&Component>) -> PathBuf {
    kubelet
        .and_then(|kubelet| kubelet.host_path("kubeconfig"))
        .unwrap_or_else(|| Path::new(KUBEADM.kubeconfig_folder).join("kubelet.conf"))
}

/// The node's name and where it was found: in the subject that the kubelet has or had, else in its
/// kubeconfig or its flag, else it is the host's.
pub(super) fn node_name(
    reader: &mut Reader<'_>,
    scene: &Scene<'_>,
    entries: &[Entry],
    hostname: &str,
) -> Option<NodeName> {
    let kubelet = scene.component(ComponentKind::Kubelet)?;
    let in_use = entries
        .iter()
        .filter(|entry| entry.role == Role::KubeletClient)
        .filter_map(Entry::certificate)
        .find_map(node_of);
    if let Some(name) = in_use {
        return Some(NodeName::new(name, "its certificate's subject"));
    }
    if let Some((name, file)) = older_certificate(reader, &store(Some(kubelet))) {
        return Some(NodeName::new(
            name,
            format!("the subject in {}", file.display()),
        ));
    }
    let kubeconfig = kubeconfig_path(Some(kubelet));
    if let Some(name) = kubeconfigs::current_user(reader, &kubeconfig)
        .and_then(|user| user.strip_prefix("system:node:").map(ToOwned::to_owned))
    {
        let source = format!("the user in {}", kubeconfig.display());
        return Some(NodeName::new(name, source));
    }
    if let Some(name) = kubelet.flags.one("hostname-override") {
        return Some(NodeName::new(
            name,
            "the kubelet's flag --hostname-override",
        ));
    }
    if hostname == NAMELESS {
        return None;
    }
    Some(NodeName::new(
        hostname.trim().to_lowercase(),
        "the host's name",
    ))
}

fn node_of(certificate: &Certificate) -> Option<String> {
    let name = certificate.subject().common_name()?;
    name.strip_prefix("system:node:").map(ToOwned::to_owned)
}

/// The newest file in the certificate store that still says whose it is: the link to it may be gone.
fn older_certificate(reader: &mut Reader<'_>, store: &Path) -> Option<(String, PathBuf)> {
    let mut names = reader.list(store);
    names.retain(|name| name.starts_with("kubelet-client-") && name.ends_with(".pem"));
    // They are named after their time.
    names.iter().rev().find_map(|name| {
        let path = store.join(name);
        let (chain, _) = read_chain(reader, &path);
        Some((node_of(chain.first()?)?, path))
    })
}

fn client(
    reader: &mut Reader<'_>,
    kubelet: Option<&Component>,
    store: &Path,
    entries: &mut Entries,
) {
    let kubeconfig = kubeconfig_path(kubelet);
    let used_by = used_by(kubelet, "kubeconfig");
    let contents = reader.optional(&kubeconfig);
    let host = PathMap::of_host();
    let mounts = kubelet.map_or(&host, |kubelet| &kubelet.mounts);
    let named = contents
        .as_ref()
        .and_then(|contents| kubeconfigs::named_files(&kubeconfig, contents, mounts));
    let link = match &named {
        Some((certificate, _)) if is_store_link(certificate) => certificate.clone(),
        Some((certificate, key)) => {
            // Files that the kubelet does not rotate: a hand-made node.
            let entry = file_entry(
                reader,
                FileEntry {
                    name: CLIENT.to_owned(),
                    role: Role::KubeletClient,
                    certificate: certificate.clone(),
                    key: key.clone(),
                    used_by,
                    expected_authority: Some("ca".to_owned()),
                    required: true,
                    kubeconfig: Some(kubeconfig),
                },
            );
            entries.add(reader, entry);
            return;
        }
        None => store.join("kubelet-client-current.pem"),
    };
    let link_is_there = reader.symlink_metadata(&link).is_some();
    let embedded = match (&contents, &named) {
        (Some(_), None) => kubeconfigs::entry(
            reader,
            CLIENT.to_owned(),
            kubeconfigs::Named {
                path: &kubeconfig,
                mounts,
                role: Role::KubeletClient,
                used_by: used_by.clone(),
                required: kubelet.is_some(),
            },
        ),
        _ => None,
    };
    if named.is_none() && !link_is_there {
        // No store yet: the kubeconfig's own certificate is all there is.
        match embedded {
            Some(entry) => entries.add(reader, entry),
            None if kubelet.is_some() && contents.is_none() => {
                let entry = store_entry(reader, CLIENT, Role::KubeletClient, &link, used_by);
                entries.add(reader, entry);
            }
            None => {}
        }
        return;
    }
    let mut entry = store_entry(reader, CLIENT, Role::KubeletClient, &link, used_by);
    entry.required = kubelet.is_some();
    entry.kubeconfig = Some(kubeconfig);
    if let Some(copy) = embedded
        && let Holder::Kubeconfig { path, user } = copy.holder
    {
        if user.is_empty() {
            reader.gap(&path, copy.problem.unwrap_or_default());
        } else {
            entry.embedded_copy = Some(KubeconfigUser { path, user });
        }
    }
    entries.add(reader, entry);
}

fn serving(
    reader: &mut Reader<'_>,
    kubelet: Option<&Component>,
    store: &Path,
    entries: &mut Entries,
) {
    if entries.has(SERVER) {
        return;
    }
    let used_by = used_by(kubelet, "tls-cert-file");
    let link = store.join("kubelet-server-current.pem");
    if reader.symlink_metadata(&link).is_some() {
        let entry = store_entry(reader, SERVER, Role::KubeletServing, &link, used_by);
        entries.add(reader, entry);
        return;
    }
    let certificate = store.join("kubelet.crt");
    if reader.symlink_metadata(&certificate).is_none() {
        return;
    }
    let mut entry = file_entry(
        reader,
        FileEntry {
            name: SERVER.to_owned(),
            role: Role::KubeletServing,
            certificate,
            key: Some(store.join("kubelet.key")),
            used_by,
            expected_authority: None,
            required: false,
            kubeconfig: None,
        },
    );
    // Signed for the kubelet by the cluster's CA, or by itself: both are in use.
    entry.expected_authority = None;
    entries.add(reader, entry);
}

fn store_entry(
    reader: &mut Reader<'_>,
    name: &str,
    role: Role,
    link: &Path,
    used_by: Vec<UsedBy>,
) -> Entry {
    let target = reader.link_target(link);
    let (chain, mut problem) = read_chain(reader, link);
    if chain.is_empty()
        && problem.is_none()
        && let Some(target) = &target
    {
        problem = Some(format!(
            "{} points at {}, which does not exist",
            link.display(),
            target.display()
        ));
    }
    let key = key_state(reader, link);
    Entry {
        name: name.to_owned(),
        also_known_as: Vec::new(),
        role,
        holder: Holder::CertificateStore {
            link: link.to_owned(),
            target,
        },
        used_by,
        chain,
        key,
        kubeconfig: None,
        expected_authority: Some("ca".to_owned()),
        problem,
        embedded_copy: None,
        required: false,
    }
}

fn is_store_link(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.ends_with("-current.pem"))
}

fn used_by(kubelet: Option<&Component>, flag: &str) -> Vec<UsedBy> {
    kubelet
        .map(|_| UsedBy {
            component: ComponentKind::Kubelet,
            flag: flag.to_owned(),
        })
        .into_iter()
        .collect()
}
