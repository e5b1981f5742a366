//! Components of a host: from static-pod manifests, systemd units and running processes, with their
//! configuration files folded into their flags.

use super::docker;
use super::reader::Reader;
use kubepki_core::formats::component_config;
use kubepki_core::formats::flags::Flags;
use kubepki_core::formats::kubelet_config::KubeletConfiguration;
use kubepki_core::formats::static_pod::{PathMap, RESTARTED_AT, StaticPod};
use kubepki_core::formats::unit_file::UnitFile;
use kubepki_core::model::{Component, ComponentKind, RunningProcess, RunsAs};
use kubepki_sealed::danger;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Unit folders, the strongest first (systemd.unit(5)).
pub(super) const UNIT_FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where kubeadm has its static pods when nothing says otherwise.
const DEFAULT_STATIC_PODS: &str = "/etc/kubernetes/manifests";

/// Components of the host and the folders of its static pods.
pub(crate) struct Found {
    pub(crate) components: Vec<Component>,
    pub(crate) static_pod_folders: Vec<PathBuf>,
}

pub(crate) fn find(reader: &mut Reader<'_>) -> Found {
    let processes = match reader.host.processes() {
        Ok(processes) => processes,
        Err(error) => {
            reader.gap(Path::new("/proc"), error.to_string());
            Vec::new()
        }
    };
    let mut components = from_units(reader);
    let running: Vec<(ComponentKind, Flags, &crate::ports::Process)> = processes
        .iter()
        .filter_map(|process| {
            let flags = Flags::from_argv(&process.argv);
            Some((flags.component()?, flags, process))
        })
        .collect();
    docker::add(reader, &mut components, &running);
    // A kubelet started by something unknown still tells where the static pods are.
    add_unknown(&mut components, &running, |kind| {
        kind == ComponentKind::Kubelet
    });
    for component in &mut components {
        fold_configuration(reader, component);
    }
    let static_pod_folders = static_pod_folders(&components);
    for folder in &static_pod_folders {
        for mut component in from_static_pods(reader, folder) {
            fold_configuration(reader, &mut component);
            // What runs as a static pod is not what a leftover unit file says.
            components.retain(|other| other.kind != component.kind);
            components.push(component);
        }
    }
    let before = components.len();
    add_unknown(&mut components, &running, |_| true);
    for component in components.iter_mut().skip(before) {
        fold_configuration(reader, component);
    }
    for (kind, _, process) in &running {
        if let Some(component) = components
            .iter_mut()
            .find(|component| component.kind == *kind)
        {
            component.processes.push(RunningProcess {
                pid: process.pid,
                started: process.started,
            });
        }
    }
    components.sort_by_key(|component| component.kind);
    Found {
        components,
        static_pod_folders,
    }
}

fn add_unknown(
    components: &mut Vec<Component>,
    running: &[(ComponentKind, Flags, &crate::ports::Process)],
    wanted: impl Fn(ComponentKind) -> bool,
) {
    for (kind, flags, process) in running {
        if !wanted(*kind) || components.iter().any(|component| component.kind == *kind) {
            continue;
        }
        let runs_as = match &process.unit {
            Some(unit) if process.in_host_namespace && unit.ends_with(".service") => {
                RunsAs::SystemdUnit { unit: unit.clone() }
            }
            _ => RunsAs::Process,
        };
        components.push(Component {
            kind: *kind,
            runs_as,
            flags: flags.clone(),
            mounts: PathMap::of_host(),
            processes: Vec::new(),
            is_marked: false,
        });
    }
}

fn from_units(reader: &mut Reader<'_>) -> Vec<Component> {
    let mut units: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut drop_ins: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for folder in UNIT_FOLDERS.map(Path::new) {
        // `/lib` is a link to `/usr/lib` nearly everywhere: what was seen there is not seen twice.
        for name in reader.list(folder) {
            if name.ends_with(".service") {
                units
                    .entry(name.clone())
                    .or_default()
                    .push(folder.join(&name));
            } else if let Some(unit) = name
                .strip_suffix(".d")
                .filter(|unit| unit.ends_with(".service"))
            {
                let inner = folder.join(&name);
                for file in reader.list(&inner) {
                    if file.ends_with(".conf") {
                        // The same file name in a stronger folder replaces the weaker one.
                        drop_ins
                            .entry(unit.to_owned())
                            .or_default()
                            .entry(file.clone())
                            .or_insert_with(|| inner.join(&file));
                    }
                }
            }
        }
    }
    let mut components: Vec<Component> = Vec::new();
    for (unit, files) in units {
        let Some(file) = files.first() else { continue };
        // Masked units are links to /dev/null; reading a device is refused, which is no gap here.
        if reader.link_target(file).as_deref() == Some(Path::new("/dev/null")) {
            continue;
        }
        let mut fragments = Vec::new();
        fragments.extend(reader.optional_text(file));
        for path in drop_ins.get(&unit).into_iter().flat_map(BTreeMap::values) {
            fragments.extend(reader.optional_text(path));
        }
        let mentions = |kind: ComponentKind| {
            fragments
                .iter()
                .any(|fragment| fragment.contains(kind.executable()))
        };
        if !ComponentKind::ALL.into_iter().any(mentions) {
            continue;
        }
        let parsed = UnitFile::merge(&fragments);
        let mut environment = Vec::new();
        for file in parsed.environment_files() {
            environment.extend(reader.optional_text(Path::new(&file.path)));
        }
        let Some(argv) = parsed.argv(&environment) else {
            continue;
        };
        let mut flags = Flags::from_argv(&argv);
        let Some(kind) = flags.component() else {
            continue;
        };
        if kind == ComponentKind::Etcd {
            flags = flags.with_etcd_environment(parsed.environment_with(&environment));
        }
        components.push(Component {
            kind,
            runs_as: RunsAs::SystemdUnit { unit },
            flags,
            mounts: PathMap::of_host(),
            processes: Vec::new(),
            is_marked: false,
        });
    }
    components
}

fn from_static_pods(reader: &mut Reader<'_>, folder: &Path) -> Vec<Component> {
    let mut components = Vec::new();
    for name in reader.list(folder) {
        // The kubelet ignores names that begin with a dot, and so do we.
        if name.starts_with('.') {
            continue;
        }
        let manifest = folder.join(&name);
        if reader
            .symlink_metadata(&manifest)
            .is_some_and(|metadata| metadata.kind == crate::ports::FileKind::Directory)
        {
            continue;
        }
        let Some(contents) = reader.optional(&manifest) else {
            continue;
        };
        match StaticPod::parse(danger::open(&contents)) {
            Ok(pod) => {
                let is_marked = pod.annotations.contains_key(RESTARTED_AT);
                components.extend(pod.containers.into_iter().filter_map(|container| {
                    Some(Component {
                        kind: container.component?,
                        runs_as: RunsAs::StaticPod {
                            manifest: manifest.clone(),
                            container: container.name,
                        },
                        flags: container.flags,
                        mounts: container.mounts,
                        processes: Vec::new(),
                        is_marked,
                    })
                }));
            }
            Err(error) => reader.gap(&manifest, error.to_string()),
        }
    }
    components
}

fn static_pod_folders(components: &[Component]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = components
        .iter()
        .filter(|component| component.kind == ComponentKind::Kubelet)
        .filter_map(|kubelet| kubelet.host_path("pod-manifest-path"))
        .collect();
    // A host whose kubelet cannot be understood still has its manifests where kubeadm puts them.
    if folders.is_empty() {
        folders.push(PathBuf::from(DEFAULT_STATIC_PODS));
    }
    folders
}

/// What a configuration file says counts like a flag; a flag that was given is stronger.
fn fold_configuration(reader: &mut Reader<'_>, component: &mut Component) {
    match component.kind {
        ComponentKind::Kubelet => fold_kubelet(reader, component),
        ComponentKind::Etcd => {
            let Some(path) = component.host_path("config-file") else {
                return;
            };
            let Some(text) = reader.optional_text(&path) else {
                return;
            };
            match Flags::from_etcd_configuration(&text) {
                // etcd ignores every other flag when it is given a configuration file.
                Ok(flags) => component.flags = flags,
                Err(error) => reader.gap(&path, error.to_string()),
            }
        }
        ComponentKind::KubeScheduler | ComponentKind::KubeProxy => {
            let Some(path) = component.host_path("config") else {
                return;
            };
            let Some(contents) = reader.optional(&path) else {
                return;
            };
            match component_config::kubeconfig_of(danger::open(&contents)) {
                Ok(Some(kubeconfig)) => set(component, "kubeconfig", Some(kubeconfig)),
                Ok(None) => {}
                Err(error) => reader.gap(&path, error.to_string()),
            }
        }
        _ => {}
    }
}

fn fold_kubelet(reader: &mut Reader<'_>, component: &mut Component) {
    let configuration = kubelet_configuration(reader, component);
    let boolean = |value: Option<bool>| value.map(|value| value.to_string());
    let number = |value: Option<u16>| value.map(|value| value.to_string());
    let settings = [
        ("pod-manifest-path", configuration.static_pod_path),
        (
            "rotate-certificates",
            boolean(configuration.rotate_certificates),
        ),
        (
            "server-tls-bootstrap",
            boolean(configuration.server_tls_bootstrap),
        ),
        ("tls-cert-file", configuration.tls_cert_file),
        ("tls-private-key-file", configuration.tls_private_key_file),
        ("client-ca-file", configuration.client_ca_file),
        ("address", configuration.address),
        ("port", number(configuration.port)),
        ("healthz-bind-address", configuration.healthz_bind_address),
        ("healthz-port", number(configuration.healthz_port)),
    ];
    for (name, value) in settings {
        set(component, name, value);
    }
}

fn set(component: &mut Component, name: &str, value: Option<String>) {
    if let Some(value) = value {
        component.flags = std::mem::take(&mut component.flags).with_setting(name, value);
    }
}

/// The kubelet's file, then the files of its folder laid over it in the order of their names.
/// <https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/#kubelet-conf-d>
fn kubelet_configuration(reader: &mut Reader<'_>, kubelet: &Component) -> KubeletConfiguration {
    let file = kubelet.host_path("config");
    let mut configuration = file
        .and_then(|path| kubelet_file(reader, &path))
        .unwrap_or_default();
    if let Some(folder) = kubelet.host_path("config-dir") {
        let mut names = reader.list(&folder);
        names.retain(|name| name.ends_with(".conf"));
        names.sort_unstable();
        for name in names {
            if let Some(over) = kubelet_file(reader, &folder.join(name)) {
                configuration = configuration.overlaid_with(over);
            }
        }
    }
    configuration
}

fn kubelet_file(reader: &mut Reader<'_>, path: &Path) -> Option<KubeletConfiguration> {
    let contents = reader.optional(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    match KubeletConfiguration::parse(danger::open(&contents)) {
        Ok(configuration) => Some(configuration.with_paths_from(folder)),
        Err(error) => {
            reader.gap(path, error.to_string());
            None
        }
    }
}
