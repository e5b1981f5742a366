//! The kubelet's certificates: its certificate store, its kubeconfig, its serving certificate.
//!
//! The store is a link `kubelet-client-current.pem` to a dated file with certificate and key
//! (client-go's `certificate_store.go`). A regular file in its place, a broken link or a kubeconfig
//! that embeds a certificate are all found in the field and all stop the kubelet in the end.

use super::Scene;
use super::authorities::key_state;
use super::entries::{Entries, FileEntry, file_entry, read_chain};
use super::kubeconfigs;
use super::reader::{Read, Reader};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::model::{
    Component, ComponentKind, Entry, Holder, KubeconfigUser, Role, UsedBy,
};
use std::path::{Path, PathBuf};

const CLIENT: &str = "kubelet-client";
const SERVER: &str = "kubelet-server";

pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>, entries: &mut Entries) {
    let kubelet = scene.component(ComponentKind::Kubelet);
    let store = kubelet
        .and_then(|kubelet| kubelet.host_path("cert-dir"))
        .unwrap_or_else(|| PathBuf::from(KUBEADM.kubelet_pki_folder));
    client(reader, kubelet, &store, entries);
    serving(reader, kubelet, &store, entries);
}

/// The node's name: from the subject that the kubelet has had, else from its flag, else the host's.
pub(super) fn node_name(
    components: &[Component],
    entries: &[Entry],
    hostname: &str,
) -> Option<String> {
    let kubelet = components
        .iter()
        .find(|component| component.kind == ComponentKind::Kubelet)?;
    let from_subject = entries
        .iter()
        .filter(|entry| entry.role == Role::KubeletClient)
        .filter_map(Entry::certificate)
        .find_map(|certificate| {
            let name = certificate.subject().common_name()?;
            name.strip_prefix("system:node:").map(ToOwned::to_owned)
        });
    let from_flag = || {
        kubelet
            .flags
            .one("hostname-override")
            .map(ToOwned::to_owned)
    };
    from_subject
        .or_else(from_flag)
        .or_else(|| Some(hostname.trim().to_lowercase()))
}

fn client(
    reader: &mut Reader<'_>,
    kubelet: Option<&Component>,
    store: &Path,
    entries: &mut Entries,
) {
    let kubeconfig = kubelet
        .and_then(|kubelet| kubelet.host_path("kubeconfig"))
        .unwrap_or_else(|| Path::new(KUBEADM.kubeconfig_folder).join("kubelet.conf"));
    let used_by = used_by(kubelet, "kubeconfig");
    let contents = match reader.read(&kubeconfig) {
        Read::Contents(contents, _) => Some(contents),
        _ => None,
    };
    let named = contents
        .as_ref()
        .and_then(|contents| kubeconfigs::named_files(&kubeconfig, contents));
    let link = match &named {
        Some((certificate, _)) if is_store_link(certificate) => certificate.clone(),
        Some((certificate, key)) => {
            // Files that the kubelet does not rotate: a hand-made node.
            entries.add(file_entry(
                reader,
                FileEntry {
                    name: CLIENT.to_owned(),
                    role: Role::KubeletClient,
                    certificate: certificate.clone(),
                    key: key.clone(),
                    used_by,
                    expected_authority: Some("ca".to_owned()),
                    required: true,
                },
            ));
            return;
        }
        None => store.join("kubelet-client-current.pem"),
    };
    let link_is_there = reader.symlink_metadata(&link).is_some();
    let embedded = match (&contents, &named) {
        (Some(_), None) => kubeconfigs::entry(
            reader,
            &kubeconfig,
            CLIENT.to_owned(),
            Role::KubeletClient,
            used_by.clone(),
            kubelet.is_some(),
        ),
        _ => None,
    };
    if named.is_none() && !link_is_there {
        // No store yet: the kubeconfig's own certificate is all there is.
        match embedded {
            Some(entry) => entries.add(entry),
            None if kubelet.is_some() && contents.is_none() => {
                let mut entry = store_entry(reader, CLIENT, Role::KubeletClient, &link, used_by);
                entry.required = false;
                entries.add(entry);
            }
            None => {}
        }
        return;
    }
    let mut entry = store_entry(reader, CLIENT, Role::KubeletClient, &link, used_by);
    entry.required = kubelet.is_some();
    entry.embedded_copy = embedded.and_then(|entry| match entry.holder {
        Holder::Kubeconfig { path, user } => Some(KubeconfigUser { path, user }),
        _ => None,
    });
    entries.add(entry);
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
        entries.add(store_entry(
            reader,
            SERVER,
            Role::KubeletServing,
            &link,
            used_by,
        ));
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
        },
    );
    // Signed for the kubelet by the cluster's CA, or by itself: both are in use.
    entry.expected_authority = None;
    entries.add(entry);
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
        role,
        holder: Holder::CertificateStore {
            link: link.to_owned(),
            target,
        },
        used_by,
        chain,
        key,
        trusts: Vec::new(),
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
