//! Components stopped, and started again: for changes that nothing may run beside (every file of a
//! cluster replaced at once).
//!
//! A static pod is stopped by parking its manifest, a unit and a docker container by whoever runs
//! them. What is halted is written down before it is done ([`halted`]), so that a host on which it
//! was interrupted tells so, and [`start`] brings back everything. Nothing but `start` does: settling
//! an interrupted run leaves halted components alone, since the plan wanted them down.
//!
//! The order is the caller's: static pods before the kubelet when halting, the kubelet before them
//! when starting. A stopped kubelet leaves its containers running.

use super::error::TakeUpError;
use super::halted::{self, Halted};
use super::halted_manifest::{exists, park, parked_places, real};
use super::lingering::Lingering;
use super::processes;
use super::setting::{Manifests, Setting};
use super::static_pod::{self, Manifest};
use super::sure::{self, NewProcess};
use super::{health, log_tail, wait};
use crate::ports::{HostError, Ports, Progress, ServiceError};
use jiff::Timestamp;
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An API server drains for up to 30 s, and a unit has 90 s before systemd kills it.
const END_BOUND: Duration = Duration::from_secs(150);

/// How long a component whose listener is closed is taken to be draining.
const DRAIN: Duration = Duration::from_secs(40);

/// What halting and starting need to know of the host.
pub struct Scene<'a> {
    /// Its components, as discovery finds them.
    pub components: &'a [Component],
    /// Folders whose files are run as static pods.
    pub static_pod_folders: &'a [PathBuf],
    /// Whether what is started takes the annotation of earlier restarts away instead of leaving one.
    pub leaves_no_mark: bool,
    /// Manifests that a start makes what they were, instead of leaving an annotation.
    pub as_before: Option<&'a Manifests>,
    /// Who is told what is being waited for.
    pub progress: &'a dyn Progress,
}

/// Stops components in this order. What does not run, or is not on this host, stays so.
///
/// # Errors
/// The first component that does not stop; those before it are halted, and [`halted`] names them.
pub fn halt(
    ports: &Ports<'_>,
    kinds: &[ComponentKind],
    scene: &Scene<'_>,
) -> Result<(), TakeUpError> {
    for kind in kinds.iter().copied().filter(|_| ports.host.is_live()) {
        match Target::find(ports, kind, scene)? {
            Some(target) => target.halt()?,
            None => scene.progress.say(&format!("{kind}: is not on this host")),
        }
    }
    Ok(())
}

/// Starts components in this order, and waits until each has a process; that it is healthy is a
/// question of the whole cluster, and the caller's. What runs stays running.
///
/// # Errors
/// The first component that does not start; a manifest that was parked is back in its place then.
pub fn start(
    ports: &Ports<'_>,
    kinds: &[ComponentKind],
    scene: &Scene<'_>,
) -> Result<(), TakeUpError> {
    for kind in kinds.iter().copied().filter(|_| ports.host.is_live()) {
        match Target::find(ports, kind, scene)? {
            Some(target) => target.start()?,
            None => scene.progress.say(&format!("{kind}: is not on this host")),
        }
        halted::sweep(ports.host).map_err(host(kind))?;
    }
    Ok(())
}

/// A component to stop or to start.
struct Target<'a> {
    ports: &'a Ports<'a>,
    scene: &'a Scene<'a>,
    kind: ComponentKind,
    runs_as: RunsAs,
    /// As discovery sees it; a halted one may be invisible.
    component: Option<&'a Component>,
    /// It is written down as halted.
    is_noted: bool,
    /// Since when.
    since: Option<Timestamp>,
}

impl<'a> Target<'a> {
    /// What was written down at halting counts before what discovery sees of it now.
    fn find(
        ports: &'a Ports<'a>,
        kind: ComponentKind,
        scene: &'a Scene<'a>,
    ) -> Result<Option<Self>, TakeUpError> {
        let noted = halted::halted(ports.host)
            .map_err(host(kind))?
            .into_iter()
            .find(|halted| halted.component == kind);
        let component = scene.components.iter().find(|found| found.kind == kind);
        let is_noted = noted.is_some();
        let since = noted.as_ref().map(|noted: &Halted| noted.since);
        let runs_as = noted
            .map(|noted: Halted| noted.runs_as)
            .or_else(|| component.map(|component| component.runs_as.clone()));
        Ok(runs_as.map(|runs_as| Self {
            ports,
            scene,
            kind,
            runs_as,
            component,
            is_noted,
            since,
        }))
    }

    fn say(&self, text: &str) {
        self.scene.progress.say(&format!("{}: {text}", self.kind));
    }

    /// Written down before anything is done.
    fn note_halt(&self, runs_as: RunsAs) -> Result<(), TakeUpError> {
        if self.is_noted {
            return Ok(());
        }
        let halted = Halted {
            component: self.kind,
            runs_as,
            since: self.ports.clock.now(),
        };
        halted::note_halted(self.ports.host, &halted).map_err(host(self.kind))
    }

    fn note_started(&self) -> Result<(), TakeUpError> {
        if self.is_noted {
            halted::note_started(self.ports.host, self.kind).map_err(host(self.kind))?;
        }
        Ok(())
    }

    fn halt(&self) -> Result<(), TakeUpError> {
        match &self.runs_as {
            RunsAs::StaticPod {
                manifest,
                container,
            } => self.halt_static_pod(manifest, container),
            RunsAs::SystemdUnit { unit } => self.halt_unit(unit),
            RunsAs::DockerContainer { container } => {
                self.note_halt(self.runs_as.clone())?;
                self.say(&format!("stopping docker container {container}"));
                self.ports
                    .services
                    .stop_docker(container)
                    .map_err(|error| self.service(error))?;
                self.wait_until_ended("docker stop", &[], |_| {})
            }
            RunsAs::Process => match self.running(&[]).map_err(host(self.kind))?.first() {
                None => Ok(()),
                Some(pid) => Err(TakeUpError::StopByHand {
                    component: self.kind,
                    pid: *pid,
                }),
            },
        }
    }

    fn start(&self) -> Result<(), TakeUpError> {
        match &self.runs_as {
            RunsAs::StaticPod {
                manifest,
                container,
            } => self.start_static_pod(manifest, container),
            RunsAs::SystemdUnit { unit } => self.start_unit(unit),
            RunsAs::DockerContainer { container } => {
                if self.is_noted || self.running(&[]).map_err(host(self.kind))?.is_empty() {
                    self.say(&format!("starting docker container {container}"));
                    self.ports
                        .services
                        .start_docker(container)
                        .map_err(|error| self.service(error))?;
                }
                self.note_started()?;
                self.wait_for_process("docker start", &[], Duration::ZERO)
            }
            RunsAs::Process => Ok(()),
        }
    }

    fn halt_unit(&self, unit: &str) -> Result<(), TakeUpError> {
        self.note_halt(self.runs_as.clone())?;
        self.say(&format!("stopping {unit}"));
        self.ports
            .services
            .stop_unit(unit)
            .map_err(|error| self.service(error))?;
        let mut last = 0;
        self.wait(&format!("waiting until {unit} has ended"), |ports| {
            let state = ports
                .services
                .unit_state(unit)
                .map_err(|error| error.to_string())?;
            match state.main_pid {
                None => Ok(()),
                Some(pid) => {
                    last = pid;
                    Err(format!("{unit} is {} with process {pid}", state.active))
                }
            }
        })
        .map_err(|timed_out| self.not_stopped(last, &format!("systemctl stop {unit}"), &timed_out))
    }

    fn start_unit(&self, unit: &str) -> Result<(), TakeUpError> {
        let services = self.ports.services;
        let state = services
            .unit_state(unit)
            .map_err(|error| self.service(error))?;
        if state.main_pid.is_none() {
            self.say(&format!("starting {unit}"));
            services
                .start_unit(unit)
                .map_err(|error| self.service(error))?;
        }
        self.note_started()?;
        self.wait("waiting for its process", |ports| {
            let state = ports
                .services
                .unit_state(unit)
                .map_err(|error| error.to_string())?;
            match state.main_pid {
                Some(_) => Ok(()),
                None => Err(format!("{unit} is {}", state.active)),
            }
        })
        .map_err(|timed_out| self.no_process(&format!("systemctl start {unit}"), timed_out))
    }

    fn halt_static_pod(&self, manifest: &Path, container: &str) -> Result<(), TakeUpError> {
        let manifest = real(self.ports.host, manifest);
        let parked = self.parked(&manifest)?;
        let is_there = exists(self.ports.host, &manifest).map_err(host(self.kind))?;
        let read = match (&parked, is_there) {
            (_, true) => self.read(&manifest, container)?,
            (Some(parked), false) => self.read(parked, container)?,
            (None, false) => return Ok(()),
        };
        let mut lingering = Lingering::new(self.ports, self.kind, container);
        if is_there {
            self.note_halt(RunsAs::StaticPod {
                manifest: manifest.clone(),
                container: container.to_owned(),
            })?;
            self.say("parking its manifest");
            park(self.ports.host, &manifest).map_err(host(self.kind))?;
        }
        let setting = self.setting();
        // Without a kubelet nobody else ends the pod.
        let mut is_alone = health::ask_kubelet(self.ports, &setting).is_err();
        let mut waited = Duration::ZERO;
        self.wait_until_ended("its manifest was parked", &read.words, |ports| {
            if is_alone {
                is_alone = false;
                lingering.stop_now(ports, &setting);
            }
            waited += wait::PAUSE;
            let drains = waited < DRAIN
                && self.component.is_some_and(|component| {
                    health::ask(ports, component, &setting).is_err_and(|it| it.status.is_none())
                });
            if !drains {
                lingering.stop_when_due(ports, &setting);
            }
        })
    }

    fn start_static_pod(&self, manifest: &Path, container: &str) -> Result<(), TakeUpError> {
        let manifest = real(self.ports.host, manifest);
        let parked = self.parked(&manifest)?;
        let is_there = exists(self.ports.host, &manifest).map_err(host(self.kind))?;
        match (&parked, is_there) {
            (None, false) => {
                self.note_started()?;
                self.say("its manifest is gone, there is nothing to start");
                return Ok(());
            }
            (None, true) => {}
            (Some(parked), true) => self.say(&format!(
                "there is a new manifest; the one that was parked stays at {}",
                parked.display()
            )),
            (Some(parked), false) => self.put_back(parked, &manifest, container)?,
        }
        self.note_started()?;
        let read = self.read(&manifest, container)?;
        if !self
            .running(&read.words)
            .map_err(host(self.kind))?
            .is_empty()
        {
            return Ok(());
        }
        sure::kubelet_is_up(self.ports, self.kind, &self.setting())?;
        let back_off = match parked {
            Some(_) => sure::back_off(self.setting().is_as_earlier()),
            None => sure::BACK_OFF,
        };
        self.wait_for_process("its manifest was put back", &read.words, back_off)
    }

    fn put_back(&self, parked: &Path, manifest: &Path, container: &str) -> Result<(), TakeUpError> {
        self.say("putting its manifest back");
        let read = self.read(parked, container)?;
        // Without a new annotation the pod only comes back later, after the kubelet's back-off.
        let no_mark = self.scene.leaves_no_mark || self.is_forgotten();
        let before = self.scene.as_before.and_then(|all| all.get(manifest));
        static_pod::mark_parked(self.ports, &read, parked, no_mark, before).unwrap_or(());
        self.ports
            .host
            .rename(parked, manifest)
            .map_err(|source| TakeUpError::Unpark {
                component: self.kind,
                parked: parked.to_owned(),
                manifest: manifest.to_owned(),
                source: Box::new(source),
            })
    }

    /// A kubelet that was started since knows neither the pod nor how often it ended.
    fn is_forgotten(&self) -> bool {
        let kubelets = processes::of_kind(self.ports.host, ComponentKind::Kubelet);
        let (Some(since), Ok(kubelets)) = (self.since, kubelets) else {
            return false;
        };
        !kubelets.is_empty() && kubelets.iter().all(|kubelet| kubelet.started > since)
    }

    fn parked(&self, manifest: &Path) -> Result<Option<PathBuf>, TakeUpError> {
        for place in parked_places(manifest) {
            if exists(self.ports.host, &place).map_err(host(self.kind))? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn read(&self, manifest: &Path, container: &str) -> Result<Manifest, TakeUpError> {
        static_pod::read(self.ports.host, self.kind, manifest, container)
    }

    fn running(&self, words: &[String]) -> Result<Vec<u32>, HostError> {
        let found = processes::of_kind(self.ports.host, self.kind)?;
        Ok(found
            .iter()
            .filter(|process| processes::has_words(process, words))
            .map(|process| process.pid)
            .collect())
    }

    fn wait<T>(
        &self,
        what: &str,
        mut ask: impl FnMut(&Ports<'_>) -> Result<T, String>,
    ) -> Result<T, wait::TimedOut> {
        let what = format!("{}: {what}", self.kind);
        wait::until(
            self.ports.clock,
            self.scene.progress,
            &what,
            END_BOUND,
            |_| ask(self.ports),
        )
    }

    fn wait_until_ended(
        &self,
        cause: &str,
        words: &[String],
        mut meanwhile: impl FnMut(&Ports<'_>),
    ) -> Result<(), TakeUpError> {
        let mut last = 0;
        self.wait("waiting until it has ended", |ports| {
            let running = self.running(words).map_err(|error| error.to_string())?;
            match running.first() {
                None => Ok(()),
                Some(pid) => {
                    last = *pid;
                    meanwhile(ports);
                    Err(format!("process {pid} still runs"))
                }
            }
        })
        .map_err(|timed_out| self.not_stopped(last, cause, &timed_out))
    }

    fn wait_for_process(
        &self,
        cause: &str,
        words: &[String],
        back_off: Duration,
    ) -> Result<(), TakeUpError> {
        let mut new = NewProcess {
            old: &[],
            words,
            unit: None,
            since: Timestamp::MIN,
        };
        wait::until(
            self.ports.clock,
            self.scene.progress,
            &format!("{}: waiting for its process", self.kind),
            sure::bound(self.kind) + back_off,
            |_| new.find(self.ports, self.kind),
        )
        .map(drop)
        .map_err(|timed_out| self.no_process(cause, timed_out))
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            plan_id: "",
            files_changed_at: self.ports.clock.now(),
            admin_kubeconfig: None,
            static_pod_folders: self.scene.static_pod_folders,
            components: self.scene.components,
            written: &[],
            leaves_no_mark: self.scene.leaves_no_mark,
            as_before: self.scene.as_before,
            progress: self.scene.progress,
        }
    }

    fn log(&self) -> Vec<String> {
        self.component
            .map(|component| log_tail::of(self.ports, component))
            .unwrap_or_default()
    }

    fn not_stopped(&self, pid: u32, cause: &str, timed_out: &wait::TimedOut) -> TakeUpError {
        TakeUpError::NotStopped {
            component: self.kind,
            pid,
            cause: cause.to_owned(),
            seconds: timed_out.seconds,
            log: self.log(),
        }
    }

    fn no_process(&self, cause: &str, timed_out: wait::TimedOut) -> TakeUpError {
        TakeUpError::NoNewProcess {
            component: self.kind,
            cause: cause.to_owned(),
            seconds: timed_out.seconds,
            found: timed_out.last,
            log: self.log(),
        }
    }

    fn service(&self, source: ServiceError) -> TakeUpError {
        TakeUpError::Service {
            component: self.kind,
            source,
            log: self.log(),
        }
    }
}

fn host(component: ComponentKind) -> impl Fn(HostError) -> TakeUpError {
    move |source| TakeUpError::Host { component, source }
}
