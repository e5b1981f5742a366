//! What runs: whose API server answers, whether etcd has its quorum, and what has to be started or
//! restarted beside what takes up new files.

use super::Scene;
use super::files::HostFiles;
use crate::findings::code;
use crate::layouts::reload::{Reload, reload};
use crate::model::{
    AuthorityName, Component, ComponentKind, Inventory, KeyState, RunsAs, Severity, UsedBy,
};
use crate::plan::components::{Change, ORDER, actions};
use crate::plan::{ComponentAction, TakeUp};

/// Components that a rescue starts or restarts though nothing of theirs changes.
const STARTED: [ComponentKind; 5] = [
    ComponentKind::Kubelet,
    ComponentKind::Etcd,
    ComponentKind::KubeApiserver,
    ComponentKind::KubeControllerManager,
    ComponentKind::KubeScheduler,
];

/// etcd's members and how many of them are well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// Members of the cluster, as `--initial-cluster` tells, seen or not.
    pub members: usize,
    /// Those that were seen and are well.
    pub healthy: usize,
}

impl Quorum {
    /// How many are needed.
    pub fn needed(self) -> usize {
        self.members / 2 + 1
    }

    /// Whether there are enough, or there is no etcd that could be told of.
    pub fn is_there(self) -> bool {
        self.members == 0 || self.healthy >= self.needed()
    }
}

/// Whether a host's API server answers; `None` when it has none or was not asked.
pub(crate) fn api_server(scene: &Scene<'_>, host: usize) -> Option<bool> {
    let evidence = scene.evidence.hosts.get(host)?;
    evidence.inventory.component(ComponentKind::KubeApiserver)?;
    let state = scene.evidence.states.get(host);
    match state.and_then(|state| state.api_server.as_ref()) {
        Some(health) => Some(health.ok),
        None => serves(scene, host, ComponentKind::KubeApiserver, "tls-cert-file"),
    }
}

/// Whether any API server answers.
pub(crate) fn api_is_up(scene: &Scene<'_>) -> bool {
    (0..scene.evidence.hosts.len()).any(|host| api_server(scene, host) == Some(true))
}

/// Whether a host's etcd member is well; `None` when it has none or was not asked.
pub(crate) fn etcd(scene: &Scene<'_>, host: usize) -> Option<bool> {
    let evidence = scene.evidence.hosts.get(host)?;
    evidence.inventory.component(ComponentKind::Etcd)?;
    let state = scene.evidence.states.get(host);
    match state.and_then(|state| state.etcd.as_ref()) {
        Some(health) => Some(health.ok),
        None => serves(scene, host, ComponentKind::Etcd, "cert-file"),
    }
}

/// etcd's members. A member whose own certificates have ended is not counted as well, whatever it
/// answers: what it keeps are connections from before.
pub(crate) fn quorum(scene: &Scene<'_>, files: &[HostFiles]) -> Quorum {
    let hosts = scene.evidence.hosts;
    let seen: Vec<usize> = (0..hosts.len())
        .filter(|host| {
            hosts
                .get(*host)
                .is_some_and(|host| host.inventory.component(ComponentKind::Etcd).is_some())
        })
        .collect();
    let told = seen
        .iter()
        .filter_map(|host| hosts.get(*host)?.inventory.component(ComponentKind::Etcd))
        .map(|etcd| etcd.flags.list("initial-cluster").count())
        .max()
        .unwrap_or_default();
    let healthy = seen
        .iter()
        .filter(|host| etcd(scene, **host).unwrap_or(true))
        .filter(|host| {
            files
                .get(**host)
                .is_none_or(|files| !breaks_etcd(scene, files))
        })
        .count();
    Quorum {
        members: told.max(seen.len()),
        healthy,
    }
}

/// Whether what is mended on a host kept its etcd member from others.
fn breaks_etcd(scene: &Scene<'_>, files: &HostFiles) -> bool {
    const LATER: [&str; 4] = [
        code::EXPIRES_SOON,
        "asked-for",
        "ca-renewed-with-same-key",
        "ca-handed-over",
    ];
    let mut notices = files.notices_and_left();
    let own = notices.any(|notice| {
        ["etcd-server", "etcd-peer", "etcd-ca"].contains(&notice.object.as_str())
            && !LATER.contains(&notice.code.as_str())
    });
    let ca = scene.consensus.leader(AuthorityName::Etcd);
    own || ca.is_some_and(|(_, ca)| ca.certificate.validity().not_after <= scene.now)
}

fn serves(scene: &Scene<'_>, host: usize, kind: ComponentKind, flag: &str) -> Option<bool> {
    let evidence = scene.evidence.hosts.get(host)?;
    let live = evidence.live.as_ref()?;
    let mut facts = live
        .served
        .iter()
        .filter(|fact| fact.component == Some(kind) && fact.flag.as_deref() == Some(flag))
        .peekable();
    facts.peek()?;
    Some(facts.any(|fact| fact.outcome.is_ok()))
}

/// What the components of a host have to do, in order.
pub(crate) fn take_up(scene: &Scene<'_>, host: usize, files: &HostFiles) -> Vec<ComponentAction> {
    let Some(evidence) = scene.evidence.hosts.get(host) else {
        return Vec::new();
    };
    let inventory = &evidence.inventory;
    if !inventory.live {
        return Vec::new();
    }
    let changes: Vec<Change<'_>> = files
        .changed
        .iter()
        .map(|(name, used_by)| Change { name, used_by })
        .collect();
    let mut found = actions(inventory, &changes);
    for kind in STARTED {
        let Some(component) = inventory.component(kind) else {
            continue;
        };
        for reason in reasons(scene, host, inventory, component) {
            restart(&mut found, component, reason);
        }
    }
    if !can_sign(inventory, files) {
        found.retain(|action| action.component != ComponentKind::KubeControllerManager);
    }
    found.sort_by_key(|action| ORDER.iter().position(|kind| *kind == action.component));
    found
}

/// Whether kube-controller-manager will find the key that its flags name: it ends at once without.
pub(crate) fn can_sign(inventory: &Inventory, files: &HostFiles) -> bool {
    let signing = inventory.authorities.iter().find(|authority| {
        authority.used_by.iter().any(|used_by| {
            used_by.component == ComponentKind::KubeControllerManager
                && used_by.flag.starts_with("cluster-signing")
        })
    });
    signing.is_none_or(|authority| authority.key != KeyState::Absent || files.issues_authorities)
}

fn restart(actions: &mut Vec<ComponentAction>, component: &Component, reason: String) {
    let known = actions
        .iter_mut()
        .find(|action| action.component == component.kind);
    match known {
        Some(action) => {
            action.take_up = TakeUp::Restart;
            if !action.reasons.contains(&reason) {
                action.reasons.push(reason);
            }
        }
        None => actions.push(ComponentAction {
            component: component.kind,
            runs_as: component.runs_as.clone(),
            take_up: TakeUp::Restart,
            reasons: vec![reason],
            parks: Vec::new(),
        }),
    }
}

/// Why a component has to be started or restarted, whatever changes.
fn reasons(
    scene: &Scene<'_>,
    host: usize,
    inventory: &Inventory,
    component: &Component,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if component.runs_as == RunsAs::Process {
        return reasons;
    }
    let runs = runs(inventory, component);
    if !runs {
        reasons.push("it does not run".to_owned());
    }
    match component.kind {
        _ if !runs => {}
        ComponentKind::KubeApiserver if api_server(scene, host) == Some(false) => {
            reasons.push("it does not answer".to_owned());
        }
        // They give up and are started ever more rarely while there is no API server.
        ComponentKind::KubeControllerManager | ComponentKind::KubeScheduler
            if !api_is_up(scene) && api_server(scene, host).is_some() =>
        {
            reasons.push("no API server answered it".to_owned());
        }
        _ => {}
    }
    reasons.extend(stale(scene, host, inventory, component.kind));
    reasons
}

/// Why a component of a running host has to be started or restarted.
pub(crate) fn reasons_of(scene: &Scene<'_>, host: usize, kind: ComponentKind) -> Vec<String> {
    let inventory = scene.evidence.hosts.get(host).map(|host| &host.inventory);
    inventory
        .filter(|inventory| inventory.live)
        .and_then(|inventory| Some((inventory, inventory.component(kind)?)))
        .map(|(inventory, component)| reasons(scene, host, inventory, component))
        .unwrap_or_default()
}

/// Whether a component runs, as far as processes tell. One that was never wanted here, a unit that no
/// certificate belongs to, counts as well.
pub(crate) fn runs(inventory: &Inventory, component: &Component) -> bool {
    let unit = matches!(component.runs_as, RunsAs::SystemdUnit { .. });
    let is_wanted = component.kind == ComponentKind::Kubelet
        || !unit
        || inventory.entries.iter().any(|entry| {
            let mut used_by = entry.used_by.iter();
            used_by.any(|used_by| used_by.component == component.kind)
        });
    !component.processes.is_empty() || !is_wanted
}

/// What the doctor says that a process goes on with, though its file has changed.
fn stale(
    scene: &Scene<'_>,
    host: usize,
    inventory: &Inventory,
    kind: ComponentKind,
) -> Vec<String> {
    let in_memory = format!("{kind} (in memory)");
    let findings = scene.diagnosis.findings.iter();
    findings
        .filter(|finding| finding.host.as_deref() == Some(scene.name(host)))
        .filter(|finding| match finding.code.as_str() {
            code::NOT_TAKEN_UP | code::STALE_IN_MEMORY | code::EXPIRED_IN_MEMORY => {
                finding.severity >= Severity::Warning
                    && (finding.object == in_memory || names(inventory, kind, &finding.object))
            }
            code::MEMORY_CERTIFICATE_ENDS => {
                finding.severity >= Severity::Critical && finding.object == in_memory
            }
            _ => false,
        })
        .map(|finding| format!("{}: {}", finding.object, finding.message))
        .collect()
}

/// Whether a component reads a file only when it starts, or has not read it yet.
fn names(inventory: &Inventory, kind: ComponentKind, path: &str) -> bool {
    let by = |used_by: &[UsedBy]| {
        used_by.iter().any(|used_by| {
            used_by.component == kind
                && !matches!(reload(kind, &used_by.flag), Reload::NextHandshake)
        })
    };
    let entries = inventory.entries.iter().any(|entry| {
        let kubeconfig = entry.kubeconfig.as_ref();
        let is_it = entry.holder.path().display().to_string() == path
            || kubeconfig.is_some_and(|kubeconfig| kubeconfig.display().to_string() == path);
        is_it && by(&entry.used_by)
    });
    entries
        || inventory.authorities.iter().any(|authority| {
            authority.certificate_path.display().to_string() == path && by(&authority.used_by)
        })
        || inventory
            .embedded_trust
            .iter()
            .any(|trust| trust.kubeconfig.display().to_string() == path && by(&trust.used_by))
}
