//! Restarting a component by whatever started it.

use super::component::Done;
use super::error::TakeUpError;
use super::lingering::{Lingering, STOP_GRACE};
use super::parking;
use super::processes;
use super::setting::{How, Setting};
use super::static_pod::{self, Manifest};
use super::sure::{self, NewProcess, Restart};
use super::{health, log_tail};
use crate::ports::{HostError, Ports, Process, ServiceError};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use std::path::PathBuf;

/// A process from before an edit lacks no more of a manifest's flags than an edit sets: what lacks more
/// is of another cluster's control plane on this host.
const EDITED_AT_ONCE: usize = 4;

/// A kubelet sees a new manifest at once; the old pod is given 30 s to end.
const NOTICED_WITHIN: SignedDuration = SignedDuration::from_secs(45);

/// Restarts the component unless its process started after the files changed and is healthy.
pub fn restart(
    ports: &Ports<'_>,
    component: &Component,
    setting: &Setting<'_>,
) -> Result<Done, TakeUpError> {
    let manifest = match &component.runs_as {
        RunsAs::StaticPod {
            manifest,
            container,
        } => Some(static_pod::read(
            ports.host,
            component.kind,
            manifest,
            container,
        )?),
        _ => None,
    };
    let edited = Edited::find(ports, component.kind, manifest.as_ref(), setting)?;
    let since = edited.as_ref().map_or(setting.files_changed_at, |it| it.at);
    let old = belonging(ports, component, manifest.as_ref())?;
    if let Some(newest) = old.last()
        && old
            .iter()
            .all(|process| processes::started_since(process, since))
        && health::ask(ports, component, setting).is_ok()
    {
        return Ok(Done::new(How::AlreadyRestarted { pid: newest.pid }));
    }
    let starter = Starter {
        ports,
        component,
        manifest: manifest.as_ref(),
        old: match &edited {
            Some(edited) => edited.old.clone(),
            None => old.iter().map(|process| process.pid).collect(),
        },
        edited,
        since,
        setting,
    };
    if component.kind == ComponentKind::Etcd {
        parking::without_api_server(ports, setting, || starter.restart())
    } else {
        starter.restart()
    }
}

/// The component's processes: of its kind, with its manifest's words, in its unit; oldest first.
fn belonging(
    ports: &Ports<'_>,
    component: &Component,
    manifest: Option<&Manifest>,
) -> Result<Vec<Process>, TakeUpError> {
    let mut found = processes::of_kind(ports.host, component.kind).map_err(host(component))?;
    match (&component.runs_as, manifest) {
        (RunsAs::SystemdUnit { unit }, _) => {
            found.retain(|process| process.unit.as_ref().is_none_or(|of| of == unit));
        }
        (_, Some(manifest)) => {
            found.retain(|process| processes::has_words(process, &manifest.words));
        }
        _ => {}
    }
    found.sort_by_key(|process| process.started);
    Ok(found)
}

/// A manifest that this run has changed: the kubelet starts a new pod because of that, without
/// anybody asking for it.
struct Edited {
    /// When it was put in place.
    at: Timestamp,
    /// Processes from before.
    old: Vec<u32>,
}

impl Edited {
    fn find(
        ports: &Ports<'_>,
        kind: ComponentKind,
        manifest: Option<&Manifest>,
        setting: &Setting<'_>,
    ) -> Result<Option<Self>, TakeUpError> {
        let Some(manifest) = manifest else {
            return Ok(None);
        };
        let is_same = |path: &PathBuf| {
            *path == manifest.path
                || ports
                    .host
                    .canonicalize(path)
                    .is_ok_and(|real| real == manifest.path)
        };
        if !setting.written.iter().any(is_same) {
            return Ok(None);
        }
        let refused = |source| TakeUpError::Host {
            component: kind,
            source,
        };
        let at = ports
            .host
            .metadata(&manifest.path)
            .map_err(refused)?
            .changed;
        let mut old = processes::of_kind(ports.host, kind).map_err(refused)?;
        old.retain(|process| {
            let lacking = manifest.words.iter();
            let lacking = lacking.filter(|word| !process.argv.contains(word)).count();
            !processes::started_since(process, at) && lacking <= EDITED_AT_ONCE
        });
        old.sort_by_key(|process| process.started);
        Ok(Some(Self {
            at,
            old: old.iter().map(|process| process.pid).collect(),
        }))
    }
}

/// A component about to be restarted.
struct Starter<'a> {
    ports: &'a Ports<'a>,
    component: &'a Component,
    manifest: Option<&'a Manifest>,
    old: Vec<u32>,
    /// The run itself changed its manifest.
    edited: Option<Edited>,
    /// What has started since has read the new files.
    since: Timestamp,
    setting: &'a Setting<'a>,
}

impl Starter<'_> {
    fn restart(&self) -> Result<Done, TakeUpError> {
        match (&self.component.runs_as, self.manifest) {
            (RunsAs::StaticPod { container, .. }, Some(manifest)) => {
                self.static_pod(manifest, container)
            }
            (RunsAs::SystemdUnit { unit }, _) => self.unit(unit),
            (RunsAs::DockerContainer { container }, _) => self.docker(container),
            _ => match self.old.first() {
                Some(pid) => Err(TakeUpError::RestartByHand {
                    component: self.component.kind,
                    pid: *pid,
                }),
                None => Ok(Done::new(How::NotRunning)),
            },
        }
    }

    fn static_pod(&self, manifest: &Manifest, container: &str) -> Result<Done, TakeUpError> {
        sure::kubelet_is_up(self.ports, self.component.kind, self.setting)?;
        let mut lingering = Lingering::new(self.ports, self.component.kind, container);
        let mut asked_again = self.edited.is_none();
        let began = self.ports.clock.now();
        let (cause, bound) = match self.change(manifest, container)? {
            Ok(cause) => (
                cause.to_owned(),
                sure::bound(self.component.kind) + sure::back_off(self.setting.is_as_earlier()),
            ),
            Err(unwritable) => {
                self.setting.progress.say(&format!(
                    "{}: its manifest cannot be changed ({unwritable}), so its container is \
                     stopped; the kubelet may take minutes to start a new one",
                    self.component.kind
                ));
                self.stop_container(container, &unwritable)?;
                (
                    "its container was stopped".to_owned(),
                    sure::bound(self.component.kind) + sure::BACK_OFF,
                )
            }
        };
        let mut new = NewProcess {
            old: &self.old,
            words: &manifest.words,
            unit: None,
            since: self.since,
        };
        self.make_sure(cause, bound, |ports| {
            let found = new.find(ports, self.component.kind);
            if found.is_err() && self.lives(ports) {
                lingering.stop_when_due(ports, self.setting);
            }
            // What changed may mean nothing to a kubelet: a comment, the order of keys.
            if found.is_err()
                && !asked_again
                && ports.clock.now().duration_since(began) > NOTICED_WITHIN
            {
                asked_again = true;
                static_pod::annotate(ports, manifest, self.setting)?;
            }
            found
        })
    }

    /// Changes the manifest so that the kubelet starts a new pod, if the run has not done so: the cause,
    /// or why it cannot be changed.
    fn change(
        &self,
        manifest: &Manifest,
        container: &str,
    ) -> Result<Result<&'static str, String>, TakeUpError> {
        if self.edited.is_some() {
            self.setting.progress.say(&format!(
                "{}: its manifest has changed, waiting for its new process",
                self.component.kind
            ));
            return Ok(Ok("its manifest was changed"));
        }
        if let Some(before) = self.setting.before(&manifest.path) {
            match static_pod::put_as_before(self.ports, manifest, self.setting, before) {
                Ok(true) => return Ok(Ok("its manifest was made what it was")),
                Ok(false) => {}
                Err(unwritable) => return Ok(Err(unwritable)),
            }
        } else if !self.setting.leaves_no_mark {
            let annotated = static_pod::annotate(self.ports, manifest, self.setting);
            return Ok(annotated.map(|()| "its manifest was annotated"));
        } else if manifest.is_marked() {
            let unmarked = static_pod::unmark(self.ports, manifest, self.setting);
            return Ok(unmarked.map(|()| "its manifest's annotation was removed"));
        }
        parking::away_and_back(
            self.ports,
            self.setting,
            self.component,
            manifest,
            container,
        )?;
        Ok(Ok("its manifest was taken away and put back"))
    }

    /// Whether a process from before is still there.
    fn lives(&self, ports: &Ports<'_>) -> bool {
        processes::of_kind(ports.host, self.component.kind)
            .is_ok_and(|found| found.iter().any(|process| self.old.contains(&process.pid)))
    }

    /// Stops the running containers of the pod. None running is fine: the kubelet is about to start
    /// one, which will read the new files.
    fn stop_container(&self, container: &str, unwritable: &str) -> Result<(), TakeUpError> {
        let no_way = |error: crate::ports::ContainerError| TakeUpError::NoWayToRestart {
            component: self.component.kind,
            manifest: unwritable.to_owned(),
            runtime: error.to_string(),
        };
        let containers = self.ports.containers.find(container).map_err(no_way)?;
        for running in containers.iter().filter(|container| container.running) {
            self.ports
                .containers
                .stop(&running.id, STOP_GRACE)
                .map_err(no_way)?;
        }
        Ok(())
    }

    fn unit(&self, unit: &str) -> Result<Done, TakeUpError> {
        let services = self.ports.services;
        let before = services
            .unit_state(unit)
            .map_err(|error| self.service(error))?;
        self.say_restarting(unit);
        services
            .restart_unit(unit)
            .map_err(|error| self.service(error))?;
        let cause = format!("systemctl restart {unit}");
        self.make_sure(cause, sure::bound(self.component.kind), |ports| {
            let state = ports
                .services
                .unit_state(unit)
                .map_err(|error| error.to_string())?;
            match state.main_pid {
                Some(pid) if Some(pid) != before.main_pid => Ok(pid),
                _ => Err(format!("{unit} is {}", state.active)),
            }
        })
    }

    fn docker(&self, container: &str) -> Result<Done, TakeUpError> {
        self.say_restarting(container);
        self.ports
            .services
            .restart_docker(container)
            .map_err(|error| self.service(error))?;
        let cause = format!("docker restart {container}");
        let mut new = NewProcess {
            old: &self.old,
            words: &[],
            unit: None,
            since: self.since,
        };
        self.make_sure(cause, sure::bound(self.component.kind), |ports| {
            new.find(ports, self.component.kind)
        })
    }

    fn make_sure(
        &self,
        cause: String,
        bound: std::time::Duration,
        find: impl FnMut(&Ports<'_>) -> Result<u32, String>,
    ) -> Result<Done, TakeUpError> {
        let restart = Restart {
            component: self.component,
            cause,
            bound,
        };
        let sure = sure::make_sure(self.ports, self.setting, &restart, find)?;
        let known = self.component.processes.first().map(|process| process.pid);
        let known = known.filter(|known| *known != sure.pid);
        Ok(Done {
            how: How::Restarted {
                old_pid: self.old.first().copied().or(known),
                new_pid: sure.pid,
            },
            notes: sure.notes,
        })
    }

    fn say_restarting(&self, by: &str) {
        self.setting
            .progress
            .say(&format!("{}: restarting {by}", self.component.kind));
    }

    fn service(&self, source: ServiceError) -> TakeUpError {
        TakeUpError::Service {
            component: self.component.kind,
            source,
            log: log_tail::of(self.ports, self.component),
        }
    }
}

fn host(component: &Component) -> impl Fn(HostError) -> TakeUpError {
    let component = component.kind;
    move |source| TakeUpError::Host { component, source }
}
