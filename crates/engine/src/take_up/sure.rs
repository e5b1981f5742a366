//! Making sure of a restart: a new process, started after the files changed, with the flags that it
//! should have, and then its own word that it is healthy.

use super::error::TakeUpError;
use super::setting::Setting;
use super::{health, log_tail, processes, wait};
use crate::ports::Ports;
use jiff::Timestamp;
use kubepki_core::model::{Component, ComponentKind};
use std::time::Duration;

/// The kubelet's longest back-off before it starts a container anew (1.20: 10 s, doubled up to 5
/// minutes). It bites from the second stop within 10 minutes; a changed manifest escapes it.
pub const BACK_OFF: Duration = Duration::from_secs(300);

/// How much longer a pod may take that gets the identity back which it had before: measured were 0.5 s
/// for the first time, 10, 20 and 44 s for the next ones within ten minutes.
pub fn back_off(leaves_no_mark: bool) -> Duration {
    match leaves_no_mark {
        true => BACK_OFF,
        false => Duration::ZERO,
    }
}

/// A kubelet that was restarted a moment ago needs about 12 s.
const KUBELET_BOUND: Duration = Duration::from_secs(30);

/// An etcd member that answers but has no leader gets this long before its peers are blamed.
const LEADER_BOUND: Duration = Duration::from_secs(40);

/// The longest that a component takes from its restart until it is healthy. Measured on 2 cores:
/// API server 7 to 12 s, others 1 to 3 s, kubelet 12 s.
pub fn bound(kind: ComponentKind) -> Duration {
    Duration::from_secs(match kind {
        ComponentKind::KubeApiserver => 120,
        _ => 90,
    })
}

/// A restart that was asked for.
pub struct Restart<'a> {
    /// Of which component.
    pub component: &'a Component,
    /// What was done to it: "no new process after …".
    pub cause: String,
    /// How long it may take until it is healthy.
    pub bound: Duration,
}

/// A restart that has happened.
pub struct Sure {
    /// The new process.
    pub pid: u32,
    /// What it still waits for that is not of this host.
    pub notes: Vec<String>,
}

/// Waits until `find` finds a new process and the component is healthy.
pub fn make_sure(
    ports: &Ports<'_>,
    setting: &Setting<'_>,
    restart: &Restart<'_>,
    mut find: impl FnMut(&Ports<'_>) -> Result<u32, String>,
) -> Result<Sure, TakeUpError> {
    let component = restart.component;
    let what = format!("{}: restarting", component.kind);
    let needed = answers_needed(component);
    let mut seen: Option<u32> = None;
    let mut answers = 0;
    let outcome = wait::until(
        ports.clock,
        setting.progress,
        &what,
        restart.bound,
        |waited| {
            let pid = find(ports)?;
            if seen != Some(pid) {
                seen = Some(pid);
                answers = 0;
            }
            match health::ask(ports, component, setting) {
                Ok(()) => {
                    answers += 1;
                    if answers < needed {
                        return Err("healthy for less than a second".to_owned());
                    }
                    Ok(Sure {
                        pid,
                        notes: Vec::new(),
                    })
                }
                Err(unhealthy) => {
                    answers = 0;
                    let blame = (waited >= LEADER_BOUND)
                        .then(|| waits_for_others(ports, component, setting, unhealthy.status))
                        .flatten();
                    match blame {
                        Some(note) => Ok(Sure {
                            pid,
                            notes: vec![note],
                        }),
                        None => Err(unhealthy.answer),
                    }
                }
            }
        },
    );
    outcome.map_err(|timed_out| {
        let log = log_tail::of(ports, component);
        match seen {
            None => TakeUpError::NoNewProcess {
                component: component.kind,
                cause: restart.cause.clone(),
                seconds: timed_out.seconds,
                found: timed_out.last,
                log,
            },
            Some(pid) => TakeUpError::NotHealthy {
                component: component.kind,
                pid,
                cause: restart.cause.clone(),
                seconds: timed_out.seconds,
                answer: timed_out.last,
                log,
            },
        }
    })
}

/// Refuses when the kubelet, which a static pod cannot be restarted without, is not healthy.
pub fn kubelet_is_up(
    ports: &Ports<'_>,
    component: ComponentKind,
    setting: &Setting<'_>,
) -> Result<(), TakeUpError> {
    wait::until(
        ports.clock,
        setting.progress,
        "kubelet: waiting until it is healthy",
        KUBELET_BOUND,
        |_| health::ask_kubelet(ports, setting).map_err(|unhealthy| unhealthy.answer),
    )
    .map_err(|timed_out| TakeUpError::KubeletDown {
        component,
        seconds: timed_out.seconds,
        answer: timed_out.last,
        log: setting
            .component(ComponentKind::Kubelet)
            .map(|kubelet| log_tail::of(ports, kubelet))
            .unwrap_or_default(),
    })
}

/// A new process among a host's.
pub struct NewProcess<'a> {
    /// The processes before.
    pub old: &'a [u32],
    /// Words that its arguments must contain.
    pub words: &'a [String],
    /// The unit that it must be in.
    pub unit: Option<&'a str>,
    /// When the files changed.
    pub since: Timestamp,
}

impl NewProcess<'_> {
    /// The new process, or why there is none yet.
    pub fn find(&mut self, ports: &Ports<'_>, kind: ComponentKind) -> Result<u32, String> {
        let mut found = processes::of_kind(ports.host, kind).map_err(|error| error.to_string())?;
        found.retain(|process| {
            self.unit
                .is_none_or(|unit| process.unit.as_deref() == Some(unit))
        });
        found.sort_by_key(|process| process.started);
        let (old, new): (Vec<_>, Vec<_>) = found
            .iter()
            .partition(|process| self.old.contains(&process.pid));
        let old: Vec<u32> = old.iter().map(|process| process.pid).collect();
        let newest = new
            .iter()
            .rfind(|process| processes::started_since(process, self.since));
        match newest {
            None if old.is_empty() => Err("no process".to_owned()),
            None => Err(format!("still process {}", processes::shown(&old))),
            Some(process) if !processes::has_words(process, self.words) => {
                let lacking = self.words.iter().find(|word| !process.argv.contains(word));
                Err(format!(
                    "process {} was not started with {} of the manifest",
                    process.pid,
                    lacking.map_or("every flag", String::as_str)
                ))
            }
            // Health would be answered by the old one as long as it lives. Only the API server's
            // drains beside the new one, up to 30 s, with its listener closed.
            Some(_) if !old.is_empty() && kind != ComponentKind::KubeApiserver => Err(format!(
                "the old process {} has not ended",
                processes::shown(&old)
            )),
            Some(process) => Ok(process.pid),
        }
    }
}

/// How often in a row a component must say that it is healthy. The old API server may still answer
/// in the instant in which the new one is seen already; one without a health endpoint must live.
fn answers_needed(component: &Component) -> u32 {
    let has_endpoint = kubepki_core::plan::endpoints::health(component).is_some();
    match (component.kind, has_endpoint) {
        (_, false) => 10,
        (ComponentKind::KubeApiserver, true) => 4,
        (_, true) => 1,
    }
}

/// What keeps a component unready that no restart on this host can mend: when every host's
/// certificates have expired, the first member that is renewed finds no peer to elect a leader with.
fn waits_for_others(
    ports: &Ports<'_>,
    component: &Component,
    setting: &Setting<'_>,
    status: Option<u16>,
) -> Option<String> {
    let leaderless =
        |etcd: &Component, status: Option<u16>| status == Some(503) && has_peers(ports, etcd);
    match component.kind {
        ComponentKind::Etcd if leaderless(component, status) => Some(
            "runs with its new files, but has no leader: it waits for the cluster's other members"
                .to_owned(),
        ),
        ComponentKind::KubeApiserver => {
            let etcd = setting.component(ComponentKind::Etcd)?;
            let unhealthy = health::ask(ports, etcd, setting).err()?;
            leaderless(etcd, unhealthy.status).then(|| {
                "runs with its new files, but is not ready: etcd waits for its other members"
                    .to_owned()
            })
        }
        _ => None,
    }
}

/// Whether the member belongs to a cluster of several. Its flags tell only of the members at the
/// time when it joined; its log complains of every peer that it cannot reach.
fn has_peers(ports: &Ports<'_>, etcd: &Component) -> bool {
    let joined = etcd.flags.one("initial-cluster-state") == Some("existing");
    joined
        || etcd.flags.list("initial-cluster").count() > 1
        || log_tail::of(ports, etcd)
            .iter()
            .any(|line| line.contains("peer"))
}
