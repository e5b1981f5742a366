//! [`LocalEtcd`]: members reached, snapshots written and proved on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubepki_engine::ports::{
    EtcdAccess, EtcdError, EtcdMember, EtcdPrograms, EtcdTarget, HostError, HostErrorKind,
    SavedSnapshot, ScratchMember,
};

use super::connect::Way;
use super::member::GrpcMember;
use super::{save, scratch};
use crate::tls::JudgedClient;

/// etcd, as this machine reaches it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalEtcd;

impl LocalEtcd {
    /// Without any setting.
    pub fn new() -> Self {
        Self
    }
}

impl EtcdAccess for LocalEtcd {
    fn connect(&self, target: &EtcdTarget<'_>) -> Result<Box<dyn EtcdMember>, EtcdError> {
        let endpoint = target.endpoint;
        let name = match endpoint.host.contains(':') {
            true => format!("[{}]:{}", endpoint.host, endpoint.port),
            false => format!("{}:{}", endpoint.host, endpoint.port),
        };
        let tls = target
            .expectation
            .map(|expectation| JudgedClient::new(expectation, target.identity, b"h2"))
            .transpose()
            .map_err(|detail| EtcdError::new(name.clone(), detail))?;
        let way = Way::Network {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls: tls.map(Arc::new),
        };
        Ok(Box::new(GrpcMember::connect(name, way)?))
    }

    fn programs(&self, pid: u32) -> Option<EtcdPrograms> {
        // The kernel's own links lead into the process's container, whatever its mounts are.
        let etcd = PathBuf::from(format!("/proc/{pid}/exe"));
        let inside = fs_err::read_link(&etcd).ok()?;
        let folder = inside.parent()?.strip_prefix("/").ok()?;
        let folder = Path::new("/proc")
            .join(pid.to_string())
            .join("root")
            .join(folder);
        let restore = ["etcdutl", "etcdctl"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.is_file());
        Some(EtcdPrograms { etcd, restore })
    }

    fn free_bytes(&self, folder: &Path) -> Result<u64, HostError> {
        let failed = |error: rustix::io::Errno| HostError {
            operation: "ask for the free space of",
            path: folder.to_owned(),
            kind: match error {
                rustix::io::Errno::NOENT => HostErrorKind::NotFound,
                _ => HostErrorKind::Other,
            },
            detail: error.to_string(),
        };
        let found = rustix::fs::statvfs(folder).map_err(failed)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn save(&self, member: &dyn EtcdMember, path: &Path) -> Result<SavedSnapshot, EtcdError> {
        save::save(member, path)
    }

    fn scratch(
        &self,
        snapshot: &Path,
        folder: &Path,
        programs: &EtcdPrograms,
    ) -> Result<Box<dyn ScratchMember>, EtcdError> {
        let member = scratch::Scratch::start(snapshot, folder, programs)?;
        Ok(Box::new(member))
    }
}
