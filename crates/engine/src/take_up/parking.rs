//! The API server's manifest taken away while etcd is restarted under it, and put back.
//!
//! A co-located API server knows only this etcd. Left running, it fails the requests of the moment;
//! parked, it drains and ends first, and a load balancer sends clients elsewhere. A parked manifest
//! must come back on every path, also after a crash: [`unpark_leftovers`].

use super::component::Done;
use super::error::TakeUpError;
use super::halted::{Halted, halted};
use super::lingering::Lingering;
use super::processes;
use super::setting::{How, Setting};
use super::static_pod::{self, Manifest, dot_file, folder_above};
use super::sure::{self, NewProcess, Restart};
use super::{health, log_tail, wait};
use crate::ports::{HostError, HostErrorKind, HostWrite, Ports};
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PARKED: &str = "kubepki-parked";
const STAGED: &str = "kubepki-staged";

/// The API server drains for up to 30 s, and a kubelet may be late to tell it to end.
const END_BOUND: Duration = Duration::from_secs(120);

/// Restarts etcd by `restart` while the API server of this host is parked.
pub fn without_api_server(
    ports: &Ports<'_>,
    setting: &Setting<'_>,
    restart: impl FnOnce() -> Result<Done, TakeUpError>,
) -> Result<Done, TakeUpError> {
    let Some(api_server) = setting.component(ComponentKind::KubeApiserver) else {
        return restart();
    };
    let RunsAs::StaticPod {
        manifest,
        container,
    } = &api_server.runs_as
    else {
        return restart();
    };
    // One that is halted is away already, and whoever halted it starts it again.
    let is_halted = |it: &Halted| it.component == api_server.kind;
    let halted = halted(ports.host).map_err(|source| TakeUpError::Host {
        component: api_server.kind,
        source,
    })?;
    if halted.iter().any(is_halted) {
        return restart();
    }
    let manifest = static_pod::read(ports.host, api_server.kind, manifest, container)?;
    let running = running(ports, &manifest)?;
    if running.is_empty() {
        return restart();
    }
    // Nothing but the kubelet ends a static pod.
    sure::kubelet_is_up(ports, ComponentKind::Etcd, setting)?;
    let was_healthy = health::ask(ports, api_server, setting).is_ok();
    setting
        .progress
        .say("kube-apiserver: parking it while etcd is restarted");
    let mut lingering = Lingering::new(ports, api_server.kind, container);
    let parked = match Parked::park(ports.host, &manifest.path) {
        Ok(parked) => parked,
        Err(error) => {
            let mut done = restart()?;
            done.notes.push(format!(
                "restarted under the running API server, whose manifest cannot be moved ({error})"
            ));
            return Ok(done);
        }
    };
    let restarted = wait_until_ended(ports, setting, api_server, &running, &mut lingering)
        .and_then(|()| restart());
    if !was_healthy || lingering.is_stopped() {
        // It may be in the kubelet's back-off, which a new annotation escapes. Without it the pod
        // only comes back later.
        static_pod::annotate_parked(ports, &manifest, &parked.parked).unwrap_or(());
    }
    parked.put_back(ComponentKind::KubeApiserver)?;
    let done = restarted?;
    let etcd_is_healthy = done.notes.is_empty() && done.how != How::NotRunning;
    if was_healthy && etcd_is_healthy {
        wait_until_back(ports, setting, api_server, &manifest, &running)?;
    }
    Ok(done)
}

/// Restarts a static pod without a change of its manifest, which is taken away until the pod has ended
/// and then put back: for manifests that are to stay as they are.
pub fn away_and_back(
    ports: &Ports<'_>,
    setting: &Setting<'_>,
    component: &Component,
    manifest: &Manifest,
    container: &str,
) -> Result<(), TakeUpError> {
    let kind = component.kind;
    let running = running_of(ports, kind, manifest)?;
    setting
        .progress
        .say(&format!("{kind}: restarting its static pod"));
    let mut lingering = Lingering::new(ports, kind, container);
    let parked = Parked::park(ports.host, &manifest.path).map_err(|source| TakeUpError::Host {
        component: kind,
        source,
    })?;
    let ended = match running.is_empty() {
        true => Ok(()),
        false => wait_until_ended(ports, setting, component, &running, &mut lingering),
    };
    parked.put_back(kind)?;
    ended
}

/// What a crash left behind, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Manifests that were parked and are back in their folder.
    pub put_back: Vec<PathBuf>,
    /// Parked manifests whose place has been taken by another file since; left where they lie.
    pub superseded: Vec<PathBuf>,
}

/// Puts back the manifests that an interrupted run had parked, and removes what it had staged.
/// `folders` are the static-pod folders; run it before anything else is asked of the host.
pub fn unpark_leftovers(host: &dyn HostWrite, folders: &[PathBuf]) -> Result<Leftovers, HostError> {
    let mut leftovers = Leftovers::default();
    for folder in folders {
        let folder = match host.canonicalize(folder) {
            Ok(folder) => folder,
            Err(error) if error.kind == HostErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let above = folder.parent().unwrap_or(&folder).to_owned();
        for place in [&above, &folder] {
            for name in host.list(place)? {
                unpark(host, &folder, place, &name, &mut leftovers)?;
            }
        }
    }
    Ok(leftovers)
}

fn unpark(
    host: &dyn HostWrite,
    folder: &Path,
    place: &Path,
    name: &str,
    leftovers: &mut Leftovers,
) -> Result<(), HostError> {
    let Some((manifest, suffix)) = name
        .strip_prefix('.')
        .and_then(|name| name.rsplit_once('.'))
    else {
        return Ok(());
    };
    let found = place.join(name);
    let manifest = folder.join(manifest);
    match suffix {
        STAGED => host.remove(&found),
        PARKED => match host.symlink_metadata(&manifest) {
            Ok(_) => {
                leftovers.superseded.push(found);
                Ok(())
            }
            Err(error) if error.kind == HostErrorKind::NotFound => {
                host.rename(&found, &manifest)?;
                leftovers.put_back.push(manifest);
                Ok(())
            }
            Err(error) => Err(error),
        },
        _ => Ok(()),
    }
}

/// A manifest that is parked until this is dropped.
struct Parked<'a> {
    host: &'a dyn HostWrite,
    parked: PathBuf,
    manifest: PathBuf,
    is_back: bool,
}

impl<'a> Parked<'a> {
    fn park(host: &'a dyn HostWrite, manifest: &Path) -> Result<Self, HostError> {
        let above = dot_file(manifest, folder_above(manifest), PARKED);
        let parked = match host.rename(manifest, &above) {
            Ok(()) => above,
            Err(error) if error.kind == HostErrorKind::CrossesDevices => {
                let folder = manifest.parent().unwrap_or(Path::new("/"));
                let beside = dot_file(manifest, folder, PARKED);
                host.rename(manifest, &beside)?;
                beside
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            host,
            parked,
            manifest: manifest.to_owned(),
            is_back: false,
        })
    }

    fn put_back(mut self, component: ComponentKind) -> Result<(), TakeUpError> {
        // Once, whatever comes of it: the error tells where it lies.
        self.is_back = true;
        self.host
            .rename(&self.parked, &self.manifest)
            .map_err(|source| TakeUpError::Unpark {
                component,
                parked: self.parked.clone(),
                manifest: self.manifest.clone(),
                source: Box::new(source),
            })
    }
}

impl Drop for Parked<'_> {
    /// Only a panic comes here with the manifest still parked.
    fn drop(&mut self) {
        if !self.is_back {
            self.host.rename(&self.parked, &self.manifest).unwrap_or(());
        }
    }
}

fn running(ports: &Ports<'_>, manifest: &Manifest) -> Result<Vec<u32>, TakeUpError> {
    running_of(ports, ComponentKind::KubeApiserver, manifest)
}

fn running_of(
    ports: &Ports<'_>,
    kind: ComponentKind,
    manifest: &Manifest,
) -> Result<Vec<u32>, TakeUpError> {
    let found = processes::of_kind(ports.host, kind).map_err(|source| TakeUpError::Host {
        component: kind,
        source,
    })?;
    Ok(found
        .iter()
        .filter(|process| processes::has_words(process, &manifest.words))
        .map(|process| process.pid)
        .collect())
}

fn wait_until_ended(
    ports: &Ports<'_>,
    setting: &Setting<'_>,
    api_server: &Component,
    running: &[u32],
    lingering: &mut Lingering<'_>,
) -> Result<(), TakeUpError> {
    let mut last = running.first().copied().unwrap_or_default();
    wait::until(
        ports.clock,
        setting.progress,
        &format!(
            "{}: waiting until it has drained and ended",
            api_server.kind
        ),
        END_BOUND,
        |_| {
            let found = processes::of_kind(ports.host, api_server.kind)
                .map_err(|error| error.to_string())?;
            match found.iter().find(|process| running.contains(&process.pid)) {
                None => Ok(()),
                Some(process) => {
                    last = process.pid;
                    // One that drains has closed its listener.
                    let drains = health::ask(ports, api_server, setting)
                        .is_err_and(|it| it.status.is_none());
                    if !drains {
                        lingering.stop_when_due(ports, setting);
                    }
                    Err(format!("process {last} still runs"))
                }
            }
        },
    )
    .map_err(|timed_out| TakeUpError::StillRunning {
        component: api_server.kind,
        pid: last,
        seconds: timed_out.seconds,
        log: log_tail::of(ports, api_server),
    })
}

fn wait_until_back(
    ports: &Ports<'_>,
    setting: &Setting<'_>,
    api_server: &Component,
    manifest: &Manifest,
    old: &[u32],
) -> Result<(), TakeUpError> {
    setting
        .progress
        .say("kube-apiserver: put back, waiting until it is healthy");
    let restart = Restart {
        component: api_server,
        cause: "its manifest was put back".to_owned(),
        bound: sure::bound(api_server.kind),
    };
    let mut new = NewProcess {
        old,
        words: &manifest.words,
        unit: None,
        since: setting.files_changed_at,
    };
    sure::make_sure(ports, setting, &restart, |ports| {
        new.find(ports, api_server.kind)
    })?;
    Ok(())
}
