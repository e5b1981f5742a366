//! The situation in plain words, in the order in which it has to be mended.

use super::plan::HostWork;
use super::running::{self, Quorum, api_server};
use super::telling::Telling;
use super::words::{length, listed};
use super::{ClockState, Scene};
use crate::findings::code;
use crate::model::Gap;
use crate::plan::Notice;
use crate::plan::document::API_VERSION;
use jiff::Timestamp;
use serde::Serialize;

/// What is broken, in mending order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Situation {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `Situation`.
    pub kind: &'static str,
    /// The time that everything is judged against.
    pub evaluated_at: Timestamp,
    /// The hosts looked at, by their names in the cluster document.
    pub hosts: Vec<String>,
    /// Whether some API server answers; `null` when none could be asked.
    pub api_is_up: Option<bool>,
    /// Clocks, hosts ahead of most others.
    pub clocks: Vec<ClockState>,
    /// One for each area, in mending order.
    pub concerns: Vec<Concern>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// One area of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Concern {
    /// Which.
    pub area: Area,
    /// How it stands.
    pub standing: Standing,
    /// One plain sentence.
    pub summary: String,
    /// What is wrong, one object each.
    pub troubles: Vec<Trouble>,
}

/// An area of a cluster, in mending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Hosts that cannot be looked at.
    Hosts,
    /// Clocks.
    Clocks,
    /// CAs and their copies.
    Authorities,
    /// etcd.
    Etcd,
    /// API servers, and administrators' kubeconfigs.
    ApiServers,
    /// kube-controller-manager and kube-scheduler.
    Controllers,
    /// Kubelets of control planes.
    ControlPlaneKubelets,
    /// Workers.
    Workers,
    /// What lives in the API.
    ApiObjects,
}

/// How an area stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing is wrong.
    Works,
    /// Cannot be told.
    Unknown,
    /// Works, and part of it does not or soon will not.
    Degraded,
    /// Does not work.
    Broken,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The host's name in the cluster document; `null` for what lives in the API.
    pub host: Option<String>,
    /// The certificate, file or component.
    pub object: String,
    /// Stable code, a finding's where there is one.
    pub code: String,
    /// In words.
    pub message: String,
}

impl Situation {
    /// The concern of an area, where there is one.
    pub fn concern(&self, area: Area) -> Option<&Concern> {
        self.concerns.iter().find(|concern| concern.area == area)
    }

    /// How the worst area stands.
    pub fn worst(&self) -> Standing {
        let standings = self.concerns.iter().map(|concern| concern.standing);
        standings.max().unwrap_or(Standing::Works)
    }
}

/// Describes what was found.
pub(crate) fn describe(scene: &Scene<'_>, work: &[HostWork], quorum: Quorum) -> Situation {
    let telling = Telling {
        scene,
        work,
        quorum,
    };
    let asked = (0..work.len()).filter_map(|host| api_server(scene, host));
    let api_is_up = asked.fold(None, |up: Option<bool>, answer| {
        Some(up.unwrap_or_default() || answer)
    });
    let concerns = [
        telling.hosts(),
        telling.clocks(),
        telling.authorities(),
        telling.etcd(),
        telling.api_servers(),
        telling.controllers(),
        telling.kubelets(Area::ControlPlaneKubelets),
        telling.kubelets(Area::Workers),
        telling.api_objects(),
    ];
    Situation {
        api_version: API_VERSION,
        kind: "Situation",
        evaluated_at: scene.now,
        hosts: (0..work.len())
            .map(|host| scene.name(host).to_owned())
            .collect(),
        api_is_up,
        clocks: scene.clocks.hosts.clone(),
        concerns: concerns.into_iter().flatten().collect(),
        gaps: scene
            .evidence
            .unreachable
            .iter()
            .cloned()
            .chain(scene.diagnosis.gaps.iter().cloned())
            .collect(),
    }
}

/// What is wrong and stays so, with what helps.
pub(crate) fn left(scene: &Scene<'_>, work: &[HostWork]) -> Vec<Notice> {
    let mut left: Vec<Notice> = scene
        .evidence
        .unreachable
        .iter()
        .map(|gap| Notice {
            code: "host-unreachable".to_owned(),
            object: gap.object.clone(),
            message: format!("not looked at, and nothing is done there: {}", gap.reason),
        })
        .collect();
    for (host, work) in work.iter().enumerate() {
        left.extend(work.files.left.iter().map(|notice| Notice {
            code: notice.code.clone(),
            object: format!("{} on {}", notice.object, scene.name(host)),
            message: notice.message.clone(),
        }));
    }
    left
}

/// What the user should know of the whole before saying yes.
pub(crate) fn notices(scene: &Scene<'_>, work: &[HostWork], offline: bool) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |code: &str, object: &str, message: String| {
        notices.push(Notice {
            code: code.to_owned(),
            object: object.to_owned(),
            message,
        });
    };
    if scene.clocks.dates_back(&scene.request.start) {
        add(
            "dated-back",
            "validity",
            format!(
                "certificates begin at {}, so that they are valid on the host whose clock is slowest",
                scene.not_before
            ),
        );
    }
    if scene.clocks.operator_is_off() {
        add(
            code::CLOCK_SKEW,
            "this machine",
            format!(
                "its clock is {} {} those of the hosts, which agree: set it right, what has expired is judged by it",
                length(scene.clocks.median_seconds),
                if scene.clocks.median_seconds < 0 {
                    "ahead of"
                } else {
                    "behind"
                }
            ),
        );
    }
    if offline {
        add(
            "offline",
            "control planes",
            "they are stopped first and started last: the API answers nobody in between, pods keep running".to_owned(),
        );
    }
    let new_ca = work
        .iter()
        .any(|work| work.files.issues_authorities && work.files.replaces_authorities);
    if new_ca {
        add(
            "pods-to-restart",
            "pods",
            "pods trust the old CA until they are restarted; kube-root-ca.crt follows by itself, cluster-info and caBundle fields that hold the old CA have to be set by hand (`kubepki doctor --api` names them)".to_owned(),
        );
    }
    notices
}

/// What else is so at hosts and worth knowing.
pub(crate) fn found_at_hosts(scene: &Scene<'_>, work: &[HostWork]) -> Vec<Notice> {
    let folders: Vec<&str> = (0..work.len())
        .filter(|host| {
            let host = scene.evidence.hosts.get(*host);
            host.is_some_and(|host| !host.inventory.live)
        })
        .map(|host| scene.name(host))
        .collect();
    let keyless: Vec<&str> = work
        .iter()
        .enumerate()
        .filter(|(host, work)| {
            let host = scene.evidence.hosts.get(*host);
            host.is_some_and(|host| {
                host.inventory.live && !running::can_sign(&host.inventory, &work.files)
            })
        })
        .map(|(host, _)| scene.name(host))
        .collect();
    let mut notices = Vec::new();
    if !keyless.is_empty() {
        notices.push(Notice {
            code: "controller-manager-without-key".to_owned(),
            object: listed(&keyless),
            message: "kube-controller-manager cannot start there without the CA's key, and keys do not travel with this program: copy ca.key from the host that has it, by a way you trust; until then another one does its work".to_owned(),
        });
    }
    if folders.is_empty() {
        return notices;
    }
    notices.push(Notice {
        code: "files-only".to_owned(),
        object: listed(&folders),
        message: "not running hosts but folders: only files are written, and nothing is restarted"
            .to_owned(),
    });
    notices
}
