//! Components that run in docker containers (RKE 1, kubespray's etcd, hand-made ones), told by the
//! daemon's own files: without the daemon, without its command, and on a mounted disk as well.

use super::reader::Reader;
use crate::ports::{FILE_LIMIT, HostError, HostErrorKind, HostRead};
use kubepki_core::formats::docker_container::{
    CONTAINER_FILE, CONTAINERS, DAEMON_CONFIGURATION, DEFAULT_DATA_ROOT, DockerContainer, data_root,
};
use kubepki_core::formats::flags::Flags;
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// Adds the components of docker containers to those of units.
pub(super) fn add(
    reader: &mut Reader<'_>,
    components: &mut Vec<Component>,
    running: &[(ComponentKind, Flags, &crate::ports::Process)],
) {
    for (kind, flags, container) in of_kinds(reader) {
        // What really runs may have been given more by the container's start script.
        let live = running
            .iter()
            .find(|(other, _, process)| *other == kind && !process.in_host_namespace)
            .filter(|_| container.is_running);
        let flags = live.map_or(flags, |(_, flags, _)| {
            let environment = container.environment.iter().cloned();
            match kind {
                ComponentKind::Etcd => flags.clone().with_etcd_environment(environment),
                _ => flags.clone(),
            }
        });
        let known = components
            .iter_mut()
            .find(|component| component.kind == kind);
        let runs_as = RunsAs::DockerContainer {
            container: container.name,
        };
        match known {
            None => components.push(Component {
                kind,
                runs_as,
                flags,
                mounts: container.mounts,
                processes: Vec::new(),
                is_marked: false,
            }),
            Some(component) if container.is_running => {
                // A unit without flags is what starts the container (kubespray's script
                // /usr/local/bin/etcd); one with flags of its own was left behind.
                if component.flags.iter().next().is_some() {
                    component.runs_as = runs_as;
                }
                component.flags = flags;
                component.mounts = container.mounts;
            }
            Some(_) => {}
        }
    }
}

/// One container for each component: of several the one that runs, else the one that is called like
/// the component.
fn of_kinds(reader: &mut Reader<'_>) -> Vec<(ComponentKind, Flags, DockerContainer)> {
    let mut found: Vec<(ComponentKind, Flags, DockerContainer)> = Vec::new();
    let containers = match containers(reader.host) {
        Ok(containers) => containers,
        Err(error) => {
            let path = error.path.clone();
            reader.gap(&path, error.to_string());
            return found;
        }
    };
    for (path, container) in containers {
        match container {
            Ok(container) => {
                if let Some((kind, flags)) = container.component() {
                    found.push((kind, flags, container));
                }
            }
            Err(reason) => reader.gap(&path, reason),
        }
    }
    found.sort_by(|(one_kind, _, one), (other_kind, _, other)| {
        let rank = |kind: &ComponentKind, container: &DockerContainer| {
            (
                *kind,
                !container.is_running,
                container.name != kind.executable(),
                container.name.clone(),
            )
        };
        rank(one_kind, one).cmp(&rank(other_kind, other))
    });
    found.dedup_by_key(|(kind, _, _)| *kind);
    found
}

/// A container's file, and what it says or why it cannot be read.
type Found = (PathBuf, Result<DockerContainer, String>);

/// Every container that the daemon knows; none where there is no docker.
fn containers(host: &dyn HostRead) -> Result<Vec<Found>, HostError> {
    let configured = host
        .read(Path::new(DAEMON_CONFIGURATION), FILE_LIMIT)
        .ok()
        .and_then(|contents| data_root(danger::open(&contents)));
    let folder = configured
        .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_ROOT))
        .join(CONTAINERS);
    let names = match host.list(&folder) {
        Ok(names) => names,
        Err(error) if error.kind == HostErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names {
        let path = folder.join(name).join(CONTAINER_FILE);
        let container = match host.read(&path, FILE_LIMIT) {
            Ok(contents) => {
                DockerContainer::parse(danger::open(&contents)).map_err(|error| error.to_string())
            }
            // Removed meanwhile, or a folder of something else.
            Err(error) if error.kind == HostErrorKind::NotFound => continue,
            Err(error) => Err(error.to_string()),
        };
        found.push((path, container));
    }
    Ok(found)
}

/// The file with what the container of this name has printed.
pub(crate) fn log_of(host: &dyn HostRead, name: &str) -> Option<PathBuf> {
    containers(host)
        .ok()?
        .into_iter()
        .filter_map(|(_, container)| container.ok())
        .find(|container| container.name == name)?
        .log
}
