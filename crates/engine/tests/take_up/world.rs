//! The host: its files, its processes, its kubelet, its clock.

use crate::kubeadm::{Behaviour, behaviour, certificate, manifest, manifest_path};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::formats::flags::Flags;
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::formats::static_pod::StaticPod;
use kubepki_core::model::{Component, ComponentKind, RunningProcess, RunsAs};
use kubepki_engine::ports::{FileAttributes, HostErrorKind, Ports, Process, Progress};
use kubepki_x509::Certificate;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

pub const MANIFESTS: &str = "/etc/kubernetes/manifests";
pub const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// When every world begins.
pub fn beginning() -> Timestamp {
    "2026-11-22T00:30:00Z".parse().unwrap()
}

pub struct World {
    state: Mutex<State>,
}

pub struct State {
    pub now: Timestamp,
    pub files: BTreeMap<PathBuf, File>,
    pub processes: Vec<Running>,
    /// What was done to the host, in order.
    pub effects: Vec<String>,
    /// What the user was told.
    pub said: Vec<String>,
    pub kubelet_is_up: bool,
    /// A kubelet that has not heard from the API server ends no pod.
    pub kubelet_ends_pods: bool,
    pub behaviours: BTreeMap<ComponentKind, Behaviour>,
    /// Folders that refuse to be written.
    pub read_only: BTreeSet<PathBuf>,
    /// Folders that are file systems of their own.
    pub own_devices: BTreeSet<PathBuf>,
    /// `None`: no runtime answers.
    pub container_logs: Option<BTreeMap<String, Vec<String>>>,
    pub unit_log: Vec<String>,
    pub leases: BTreeMap<String, String>,
    /// Status that the API answers with; `None` when it is unreachable.
    pub api_status: Option<u16>,
    pub node_is_ready: Option<bool>,
    pub is_live: bool,
    /// From this many effects on, the host takes no more: the program is dead.
    pub dies_after: Option<usize>,
    pub served: BTreeMap<u16, Served>,
    known_pods: BTreeMap<PathBuf, (ComponentKind, Vec<u8>)>,
    starting: Vec<(Timestamp, ComponentKind, Vec<String>)>,
    next_pid: u32,
}

#[derive(Clone)]
pub struct File {
    pub contents: Vec<u8>,
    pub attributes: FileAttributes,
    pub modified: Timestamp,
}

pub struct Running {
    pub process: Process,
    pub kind: ComponentKind,
    pub healthy_at: Timestamp,
    pub ends_at: Option<Timestamp>,
}

/// What a port serves.
pub struct Served {
    pub kind: ComponentKind,
    pub path: PathBuf,
    pub loaded: Certificate,
}

impl World {
    /// A control plane that runs and is healthy.
    pub fn control_plane() -> Self {
        let state = State {
            now: beginning(),
            files: BTreeMap::new(),
            processes: Vec::new(),
            effects: Vec::new(),
            said: Vec::new(),
            kubelet_is_up: true,
            kubelet_ends_pods: true,
            behaviours: ComponentKind::ALL
                .into_iter()
                .map(|kind| (kind, behaviour(kind)))
                .collect(),
            read_only: BTreeSet::new(),
            own_devices: BTreeSet::new(),
            container_logs: Some(BTreeMap::new()),
            unit_log: Vec::new(),
            leases: BTreeMap::new(),
            api_status: Some(200),
            node_is_ready: Some(true),
            is_live: true,
            dies_after: None,
            served: BTreeMap::new(),
            known_pods: BTreeMap::new(),
            starting: Vec::new(),
            next_pid: 100,
        };
        let world = Self {
            state: Mutex::new(state),
        };
        for kind in [
            ComponentKind::Etcd,
            ComponentKind::KubeApiserver,
            ComponentKind::KubeControllerManager,
            ComponentKind::KubeScheduler,
        ] {
            world
                .state()
                .write(&manifest_path(kind), manifest(kind).as_bytes());
        }
        world
            .state()
            .write(Path::new(ADMIN), b"apiVersion: v1\nkind: Config\n");
        for (kind, port, path) in [
            (
                ComponentKind::KubeApiserver,
                6443,
                "/etc/kubernetes/pki/apiserver.crt",
            ),
            (
                ComponentKind::Etcd,
                2379,
                "/etc/kubernetes/pki/etcd/server.crt",
            ),
            (
                ComponentKind::Etcd,
                2380,
                "/etc/kubernetes/pki/etcd/peer.crt",
            ),
        ] {
            let loaded = world.new_certificate(path);
            world.state().served.insert(
                port,
                Served {
                    kind,
                    path: path.into(),
                    loaded,
                },
            );
        }
        let kubelet = [
            "/usr/bin/kubelet",
            "--kubeconfig=/etc/kubernetes/kubelet.conf",
        ];
        world
            .state()
            .start(ComponentKind::Kubelet, kubelet.map(str::to_owned).to_vec());
        world.pass(SignedDuration::from_mins(1));
        world.state().effects.clear();
        world
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn pass(&self, time: SignedDuration) {
        let mut state = self.state();
        let end = state.now + time;
        while state.now < end {
            let step = end.min(state.now + SignedDuration::from_millis(100));
            state.now = step;
            state.settle();
        }
    }

    /// Puts a new certificate into a file, as a renewal does.
    pub fn new_certificate(&self, path: &str) -> Certificate {
        let certificate = certificate(path);
        self.state()
            .write(Path::new(path), certificate.to_pem().as_bytes());
        certificate
    }

    pub fn component(&self, kind: ComponentKind) -> Component {
        let state = self.state();
        let processes = state
            .processes
            .iter()
            .filter(|running| running.kind == kind)
            .map(|running| RunningProcess {
                pid: running.process.pid,
                started: running.process.started,
            })
            .collect();
        if kind == ComponentKind::Kubelet {
            return Component {
                kind,
                runs_as: RunsAs::SystemdUnit {
                    unit: "kubelet.service".to_owned(),
                },
                flags: Flags::from_arguments(&["--kubeconfig=/etc/kubernetes/kubelet.conf"]),
                mounts: PathMap::of_host(),
                processes,
                is_marked: false,
            };
        }
        let pod = StaticPod::parse(manifest(kind).as_bytes()).unwrap();
        let container = pod.container_of(kind).unwrap();
        Component {
            kind,
            runs_as: RunsAs::StaticPod {
                manifest: manifest_path(kind),
                container: kind.executable().to_owned(),
            },
            flags: container.flags.clone(),
            mounts: container.mounts.clone(),
            processes,
            is_marked: false,
        }
    }

    pub fn components(&self) -> Vec<Component> {
        ComponentKind::ALL
            .into_iter()
            .filter(|kind| {
                use ComponentKind::{CloudControllerManager, KubeProxy};
                !matches!(kind, KubeProxy | CloudControllerManager)
            })
            .map(|kind| self.component(kind))
            .collect()
    }

    pub fn pid(&self, kind: ComponentKind) -> u32 {
        let state = self.state();
        let mut pids = state
            .processes
            .iter()
            .filter(|running| running.kind == kind)
            .map(|running| running.process.pid);
        let pid = pids.next_back();
        pid.unwrap_or_else(|| panic!("no {kind} process"))
    }

    pub fn ports(&self) -> Ports<'_> {
        Ports {
            host: self,
            services: self,
            containers: self,
            tls: self,
            kube: self,
            clock: self,
        }
    }

    /// Names in a folder, dot-files too.
    pub fn names_in(&self, folder: &str) -> Vec<String> {
        let state = self.state();
        let names = state
            .files
            .keys()
            .filter(|path| path.parent() == Some(Path::new(folder)));
        names
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    pub fn text(&self, path: &Path) -> String {
        String::from_utf8(self.state().files[path].contents.clone()).unwrap()
    }

    pub fn effects(&self) -> Vec<String> {
        self.state().effects.clone()
    }

    pub fn elapsed_since(&self, time: Timestamp) -> f64 {
        self.state().now.duration_since(time).as_secs_f64()
    }
}

impl Progress for World {
    fn say(&self, text: &str) {
        self.state().said.push(text.to_owned());
    }
}

impl State {
    pub fn behaviour(&mut self, kind: ComponentKind) -> &mut Behaviour {
        self.behaviours.get_mut(&kind).unwrap()
    }

    pub fn write(&mut self, path: &Path, contents: &[u8]) {
        let attributes = FileAttributes {
            mode: 0o600,
            uid: 7,
            gid: 8,
            xattrs: Vec::new(),
        };
        let file = File {
            contents: contents.to_vec(),
            attributes,
            modified: self.now,
        };
        self.files.insert(path.to_owned(), file);
    }

    /// One effect; refused when the program has died before.
    pub fn effect(&mut self, text: String) -> Result<(), HostErrorKind> {
        if self
            .dies_after
            .is_some_and(|limit| self.effects.len() >= limit)
        {
            return Err(HostErrorKind::Other);
        }
        self.effects.push(text);
        Ok(())
    }

    /// Lets the kubelet and the components do what is due by now.
    pub fn settle(&mut self) {
        let now = self.now;
        if self.kubelet_is_up {
            self.look_at_manifests();
        }
        let due: Vec<_> = {
            let (due, later) = self.starting.drain(..).partition(|(at, ..)| *at <= now);
            self.starting = later;
            due
        };
        for (_, kind, argv) in due {
            self.start(kind, argv);
        }
        self.processes
            .retain(|running| running.ends_at.is_none_or(|end| end > now));
        let reloading: Vec<ComponentKind> = self
            .behaviours
            .iter()
            .filter(|(_, behaviour)| behaviour.reloads_at.is_some_and(|at| at <= now))
            .map(|(kind, _)| *kind)
            .collect();
        for kind in reloading {
            self.load_certificates(kind);
        }
    }

    pub fn start(&mut self, kind: ComponentKind, argv: Vec<String>) {
        let pid = self.next_pid;
        self.next_pid += 1;
        let unit = (kind == ComponentKind::Kubelet).then(|| "kubelet.service".to_owned());
        let process = Process {
            pid,
            started: self.now,
            argv,
            in_host_namespace: unit.is_some(),
            unit,
        };
        let healthy_at = self.now + self.behaviour(kind).healthy_after;
        self.processes.push(Running {
            process,
            kind,
            healthy_at,
            ends_at: None,
        });
        self.load_certificates(kind);
    }

    pub fn end(&mut self, kind: ComponentKind, drains: SignedDuration) {
        let end = self.now + drains;
        if self.behaviour(kind).ends {
            for running in self
                .processes
                .iter_mut()
                .filter(|running| running.kind == kind)
            {
                running.ends_at.get_or_insert(end);
            }
        }
    }

    pub fn end_oldest(&mut self, kind: ComponentKind) {
        let now = self.now;
        if !self.behaviour(kind).ends {
            return;
        }
        let mut of_kind = self.processes.iter_mut().filter(|it| it.kind == kind);
        if let Some(oldest) = of_kind.next() {
            oldest.ends_at = Some(now);
        }
    }

    pub fn start_later(&mut self, kind: ComponentKind, after: SignedDuration, argv: Vec<String>) {
        if self.behaviour(kind).starts {
            let at = self.now + after;
            self.starting.push((at, kind, argv));
        }
    }

    /// Whether a process of this kind is on its way.
    pub fn is_starting(&self, kind: ComponentKind) -> bool {
        self.starting
            .iter()
            .any(|(_, starting, _)| *starting == kind)
    }

    fn load_certificates(&mut self, kind: ComponentKind) {
        for served in self
            .served
            .values_mut()
            .filter(|served| served.kind == kind)
        {
            let pem = &self.files[&served.path].contents;
            served.loaded = kubepki_x509::pem::certificates(pem).unwrap().remove(0);
        }
    }

    fn look_at_manifests(&mut self) {
        let is_manifest = |path: &&PathBuf| {
            path.parent() == Some(Path::new(MANIFESTS))
                && !path.file_name().unwrap().to_string_lossy().starts_with('.')
        };
        let present: BTreeMap<PathBuf, Vec<u8>> = self
            .files
            .iter()
            .filter(|(path, _)| is_manifest(path))
            .map(|(path, file)| (path.clone(), file.contents.clone()))
            .collect();
        let known = std::mem::take(&mut self.known_pods);
        for (path, (kind, contents)) in &known {
            if present.get(path) != Some(contents) && self.kubelet_ends_pods {
                let drains = self.behaviour(*kind).drains;
                self.end(*kind, drains);
            }
        }
        for (path, contents) in present {
            if let Some((kind, _)) = known.get(&path).filter(|(_, known)| *known == contents) {
                self.known_pods.insert(path, (*kind, contents));
                continue;
            }
            let pod = StaticPod::parse(&contents).unwrap();
            let container = &pod.containers[0];
            let kind = container.component.unwrap();
            let after = self.behaviour(kind).start_after;
            self.start_later(kind, after, container.argv.clone());
            self.known_pods.insert(path, (kind, contents));
        }
    }
}
