//! Every kubeconfig as its client uses it: whom it calls and what it trusts. Beside those that flags
//! and kubeadm's table name, those of network plugins and those that administrators keep at home,
//! which nobody renews and many forget.

use super::Scene;
use super::entries::{Entries, read_chain};
use super::kubeconfigs::{self, entry, on_host};
use super::reader::{Read, Reader};
use crate::ports::{FILE_LIMIT, FileKind};
use kubepki_core::formats::kubeconfig::{Cluster, Kubeconfig, PublicMaterial};
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::layouts::component_files::{
    HOME_FOLDERS, HOME_KUBECONFIG, HOME_KUBECONFIG_ENDINGS, HOME_KUBECONFIGS, KUBECONFIGS,
    PLUGIN_FOLDERS, ROOT_HOME, USERS,
};
use kubepki_core::model::{
    KubeconfigTarget, KubeconfigTrust, KubeconfigUse, Role, TrustFile, UsedBy,
};
use kubepki_sealed::danger;
use kubepki_x509::pem;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A kubeconfig before it is read.
struct Named {
    path: PathBuf,
    /// Of the component that reads it.
    mounts: PathMap,
    role: Role,
    used_by: Vec<UsedBy>,
}

pub(super) fn find(
    reader: &mut Reader<'_>,
    scene: &Scene<'_>,
    entries: &Entries,
) -> Vec<KubeconfigUse> {
    let mut named: Vec<(PathBuf, Named)> = Vec::new();
    for component in scene.components {
        let rows = KUBECONFIGS.iter();
        for row in rows.filter(|row| row.component == component.kind) {
            let Some(path) = component.host_path(row.flag) else {
                continue;
            };
            // kubeadm's flag goes on naming it after the kubelet has thrown it away.
            if row.role == Role::Bootstrap && reader.symlink_metadata(&path).is_none() {
                continue;
            }
            let used_by = UsedBy {
                component: component.kind,
                flag: row.flag.to_owned(),
            };
            let mounts = &component.mounts;
            add(reader, &mut named, path, row.role, mounts, Some(used_by));
        }
    }
    for row in KUBEADM.kubeconfigs {
        let path = Path::new(KUBEADM.kubeconfig_folder).join(row.name);
        add_existing(reader, &mut named, path, row.role);
    }
    for (path, role) in entries.kubeconfigs() {
        add_existing(reader, &mut named, path, role);
    }
    for path in of_plugins(reader) {
        add_existing(reader, &mut named, path, Role::Other);
    }
    for path in at_home(reader) {
        add_existing(reader, &mut named, path, Role::Other);
    }
    named
        .into_iter()
        .map(|(_, named)| read(reader, named, entries))
        .collect()
}

fn add_existing(reader: &Reader<'_>, named: &mut Vec<(PathBuf, Named)>, path: PathBuf, role: Role) {
    if reader.symlink_metadata(&path).is_some() {
        add(reader, named, path, role, &PathMap::of_host(), None);
    }
}

fn add(
    reader: &Reader<'_>,
    named: &mut Vec<(PathBuf, Named)>,
    path: PathBuf,
    role: Role,
    mounts: &PathMap,
    used_by: Option<UsedBy>,
) {
    let real_path = reader.real_path(&path);
    match named.iter_mut().find(|(other, _)| *other == real_path) {
        Some((_, known)) => known.used_by.extend(used_by),
        None => named.push((
            real_path,
            Named {
                path,
                mounts: mounts.clone(),
                role,
                used_by: used_by.into_iter().collect(),
            },
        )),
    }
}

/// `calico-kubeconfig`, `multus.d/multus.kubeconfig`: what plugins write for themselves.
fn of_plugins(reader: &Reader<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in PLUGIN_FOLDERS.iter().map(Path::new) {
        for name in reader.host.list(folder).unwrap_or_default() {
            if name.contains("kubeconfig") {
                found.push(folder.join(name));
            }
        }
    }
    found
}

/// `~/.kube/config` and what people put beside it, of every user that the host knows.
fn at_home(reader: &Reader<'_>) -> Vec<PathBuf> {
    let mut homes = vec![PathBuf::from(ROOT_HOME)];
    let users = reader
        .host
        .list(Path::new(HOME_FOLDERS))
        .unwrap_or_default();
    homes.extend(users.iter().map(|user| Path::new(HOME_FOLDERS).join(user)));
    for home in homes_of_users(reader) {
        if !homes.contains(&home) {
            homes.push(home);
        }
    }
    let mut paths = Vec::new();
    for home in homes {
        let folder = home.join(HOME_KUBECONFIGS);
        for name in reader.host.list(&folder).unwrap_or_default() {
            let is_one = name == HOME_KUBECONFIG
                || HOME_KUBECONFIG_ENDINGS
                    .iter()
                    .any(|ending| name.ends_with(ending) && name.len() > ending.len());
            if is_one {
                paths.push(folder.join(name));
            }
        }
    }
    paths.retain(|path| {
        let metadata = reader.host.metadata(path);
        metadata.is_ok_and(|metadata| metadata.kind == FileKind::Regular)
    });
    paths
}

/// The sixth field of each line (passwd(5)); users of a directory service are seen by their homes.
fn homes_of_users(reader: &Reader<'_>) -> Vec<PathBuf> {
    let Ok(contents) = reader.host.read(Path::new(USERS), FILE_LIMIT) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(danger::open(&contents)).into_owned();
    let homes = text.lines().filter_map(|line| line.split(':').nth(5));
    homes
        .filter(|home| home.starts_with('/') && *home != "/")
        .map(PathBuf::from)
        .collect()
}

fn read(reader: &mut Reader<'_>, named: Named, entries: &Entries) -> KubeconfigUse {
    let blank = |named: Named, problem: Option<String>| KubeconfigUse {
        path: named.path,
        role: named.role,
        used_by: named.used_by,
        cluster: None,
        credential: None,
        other_credentials: Vec::new(),
        problem,
    };
    let contents = match reader.read(&named.path) {
        Read::Contents(contents, _) => contents,
        Read::Missing => {
            let missing = format!("{} does not exist", named.path.display());
            return blank(named, Some(missing));
        }
        Read::Problem(reason) => return blank(named, Some(reason)),
    };
    let kubeconfig = match Kubeconfig::parse(&contents) {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let reason = format!("{}: {error}", named.path.display());
            return blank(named, Some(reason));
        }
    };
    let cluster = kubeconfig
        .current_cluster()
        .map(|cluster| target(reader, &named.path, &named.mounts, cluster));
    let user = kubeconfig.current_user();
    let other_credentials = user.map(|user| user.other_credentials.clone());
    let name = named.path.display().to_string();
    let known = entries.of_kubeconfig(&named.path);
    let credential = known.cloned().or_else(|| {
        let by_nobody = kubeconfigs::Named::by_nobody(&named.path, named.role, &named.mounts);
        let credential = entry(reader, name, by_nobody)?;
        // A user without any certificate is not one with a broken certificate.
        (!credential.chain.is_empty() || credential.problem.is_some()).then_some(credential)
    });
    let problem = match (&cluster, user) {
        (None, _) => Some(format!(
            "{}: its current context names no cluster",
            named.path.display()
        )),
        _ => None,
    };
    KubeconfigUse {
        cluster,
        credential,
        other_credentials: other_credentials
            .unwrap_or_default()
            .into_iter()
            .map(Cow::Borrowed)
            .collect(),
        ..blank(named, problem)
    }
}

fn target(
    reader: &mut Reader<'_>,
    path: &Path,
    mounts: &PathMap,
    cluster: &Cluster,
) -> KubeconfigTarget {
    let trust = match &cluster.certificate_authority {
        None => KubeconfigTrust::System,
        Some(PublicMaterial::Embedded(embedded)) => {
            KubeconfigTrust::Embedded(match pem::certificates(embedded) {
                Ok(certificates) if certificates.is_empty() => {
                    Err("its certificate-authority-data holds no certificate".to_owned())
                }
                Ok(certificates) => Ok(certificates),
                Err(error) => Err(format!("its certificate-authority-data: {error}")),
            })
        }
        Some(file) => match file.path_from(Path::new("")) {
            Some(file) => KubeconfigTrust::File(trust_file(reader, on_host(path, &file, mounts))),
            None => KubeconfigTrust::System,
        },
    };
    KubeconfigTarget {
        name: cluster.name.clone(),
        server: cluster.server.clone(),
        tls_server_name: cluster.tls_server_name.clone(),
        unverified: cluster.insecure_skip_tls_verify,
        trust,
    }
}

/// A file with CA certificates, read.
pub(super) fn trust_file(reader: &mut Reader<'_>, path: PathBuf) -> TrustFile {
    let (certificates, problem) = read_chain(reader, &path);
    TrustFile {
        path,
        certificates,
        problem,
    }
}
