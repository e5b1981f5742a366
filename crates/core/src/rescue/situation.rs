//! The situation in plain words, in the order in which it has to be mended.

use super::plan::HostWork;
use super::running::{self, Quorum, api_server};
use super::words::{counted, length, listed};
use super::{ClockState, Scene};
use crate::findings::code;
use crate::model::cluster::Node;
use crate::model::{AuthorityName, ComponentKind, Gap, Inventory, Role, Severity};
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

struct Telling<'a> {
    scene: &'a Scene<'a>,
    work: &'a [HostWork],
    quorum: Quorum,
}

impl Telling<'_> {
    fn inventory(&self, host: usize) -> Option<&Inventory> {
        Some(&self.scene.evidence.hosts.get(host)?.inventory)
    }

    fn with(&self, kind: ComponentKind) -> Vec<usize> {
        (0..self.work.len())
            .filter(|host| {
                self.inventory(*host)
                    .is_some_and(|inventory| inventory.component(kind).is_some())
            })
            .collect()
    }

    fn hosts(&self) -> Option<Concern> {
        let gaps = self.scene.evidence.unreachable;
        if gaps.is_empty() {
            return None;
        }
        let names: Vec<&str> = gaps.iter().map(|gap| gap.object.as_str()).collect();
        let troubles = gaps.iter().map(|gap| Trouble {
            host: Some(gap.object.clone()),
            object: gap.object.clone(),
            code: "host-unreachable".to_owned(),
            message: gap.reason.clone(),
        });
        Some(Concern {
            area: Area::Hosts,
            standing: Standing::Degraded,
            summary: format!("{} cannot be looked at", listed(&names)),
            troubles: troubles.collect(),
        })
    }

    fn clocks(&self) -> Option<Concern> {
        let clocks = &self.scene.clocks;
        if clocks.hosts.is_empty() {
            return None;
        }
        let troubles: Vec<Trouble> = clocks
            .off()
            .map(|clock| Trouble {
                host: Some(clock.host.clone()),
                object: "clock".to_owned(),
                code: code::CLOCK_SKEW.to_owned(),
                message: format!(
                    "{} {} the others: set it right (timedatectl) before anything else",
                    length(clock.ahead_seconds),
                    if clock.ahead_seconds < 0 {
                        "behind"
                    } else {
                        "ahead of"
                    }
                ),
            })
            .collect();
        let most = clocks
            .hosts
            .iter()
            .map(|clock| clock.ahead_seconds.abs())
            .max();
        Some(Concern {
            area: Area::Clocks,
            standing: if troubles.is_empty() {
                Standing::Works
            } else {
                Standing::Degraded
            },
            summary: if troubles.is_empty() {
                format!("the clocks agree within {} s", most.unwrap_or_default())
            } else {
                let names: Vec<&str> = clocks.off().map(|clock| clock.host.as_str()).collect();
                format!("the clock of {} is wrong", listed(&names))
            },
            troubles,
        })
    }

    fn authorities(&self) -> Option<Concern> {
        let troubles = self.troubles(|role| role.authority().is_some(), |_| true);
        let ended: Vec<String> = AuthorityName::ALL
            .into_iter()
            .filter_map(|name| {
                let (_, known) = self.scene.consensus.leader(name)?;
                let end = known.certificate.validity().not_after;
                (end <= self.scene.now).then(|| format!("{name} expired at {end}"))
            })
            .collect();
        let (standing, summary) = match (ended.is_empty(), troubles.is_empty()) {
            (false, _) => (Standing::Broken, ended.join(", ")),
            (true, false) => (
                Standing::Degraded,
                format!(
                    "CA files are wrong or change on {}",
                    self.hosts_of(&troubles)
                ),
            ),
            (true, true) => (
                Standing::Works,
                "all hosts hold the same valid CAs".to_owned(),
            ),
        };
        (!self.scene.consensus.leaders.is_empty()).then_some(Concern {
            area: Area::Authorities,
            standing,
            summary,
            troubles,
        })
    }

    fn etcd(&self) -> Option<Concern> {
        let hosts = self.with(ComponentKind::Etcd);
        if hosts.is_empty() {
            return None;
        }
        let roles = [
            Role::EtcdServer,
            Role::EtcdPeer,
            Role::EtcdHealthcheckClient,
        ];
        let mut troubles = self.troubles(|role| roles.contains(&role), |_| true);
        troubles.extend(self.component_troubles(ComponentKind::Etcd));
        let Quorum { members, healthy } = self.quorum;
        let needed = self.quorum.needed();
        let (standing, summary) = if !self.quorum.is_there() {
            (
                Standing::Broken,
                format!(
                    "etcd has no quorum: {healthy} of {members} members are well, {needed} are needed"
                ),
            )
        } else if troubles.is_empty() {
            (
                Standing::Works,
                format!("etcd has its quorum, {healthy} of {members} members are well"),
            )
        } else {
            (
                Standing::Degraded,
                format!(
                    "etcd has its quorum ({healthy} of {members}), and something is wrong on {}",
                    self.hosts_of(&troubles)
                ),
            )
        };
        Some(Concern {
            area: Area::Etcd,
            standing,
            summary,
            troubles,
        })
    }

    fn api_servers(&self) -> Option<Concern> {
        let hosts = self.with(ComponentKind::KubeApiserver);
        if hosts.is_empty() {
            return None;
        }
        let roles = [
            Role::ApiserverServing,
            Role::ApiserverEtcdClient,
            Role::ApiserverKubeletClient,
            Role::FrontProxyClient,
            Role::Admin,
            Role::SuperAdmin,
            Role::Other,
        ];
        let mut troubles = self.troubles(|role| roles.contains(&role), |_| true);
        troubles.extend(self.component_troubles(ComponentKind::KubeApiserver));
        let answers: Vec<bool> = hosts
            .iter()
            .filter_map(|host| api_server(self.scene, *host))
            .collect();
        let ready = answers.iter().filter(|ready| **ready).count();
        let (standing, summary) = match (answers.is_empty(), ready, troubles.is_empty()) {
            (true, _, true) => (Standing::Unknown, "no API server was asked".to_owned()),
            (true, _, false) => (
                Standing::Degraded,
                format!(
                    "certificates of the API servers are broken on {}",
                    self.hosts_of(&troubles)
                ),
            ),
            (false, 0, _) => (
                Standing::Broken,
                format!("none of {} answers", counted(answers.len(), "API server")),
            ),
            (false, ready, true) if ready == answers.len() => (
                Standing::Works,
                format!("all {} answer", counted(ready, "API server")),
            ),
            (false, ready, _) => (
                Standing::Degraded,
                format!(
                    "{ready} of {} answer, and something is wrong on {}",
                    counted(answers.len(), "API server"),
                    self.hosts_of(&troubles)
                ),
            ),
        };
        Some(Concern {
            area: Area::ApiServers,
            standing,
            summary,
            troubles,
        })
    }

    fn controllers(&self) -> Option<Concern> {
        let kinds = [
            ComponentKind::KubeControllerManager,
            ComponentKind::KubeScheduler,
        ];
        if kinds.iter().all(|kind| self.with(*kind).is_empty()) {
            return None;
        }
        let roles = [
            Role::ControllerManager,
            Role::Scheduler,
            Role::ControllerManagerServing,
            Role::SchedulerServing,
        ];
        let mut troubles = self.troubles(|role| roles.contains(&role), |_| true);
        for kind in kinds {
            troubles.extend(self.component_troubles(kind));
        }
        let (standing, summary) = if troubles.is_empty() {
            (
                Standing::Works,
                "kube-controller-manager and kube-scheduler are well".to_owned(),
            )
        } else {
            (
                Standing::Degraded,
                format!(
                    "kube-controller-manager or kube-scheduler do not work on {}",
                    self.hosts_of(&troubles)
                ),
            )
        };
        Some(Concern {
            area: Area::Controllers,
            standing,
            summary,
            troubles,
        })
    }

    fn kubelets(&self, area: Area) -> Option<Concern> {
        let is_here = |host: &usize| {
            let controls = [ComponentKind::KubeApiserver, ComponentKind::Etcd];
            let inventory = self.inventory(*host);
            let controls = inventory.is_some_and(|inventory| {
                controls
                    .iter()
                    .any(|kind| inventory.component(*kind).is_some())
            });
            controls == (area == Area::ControlPlaneKubelets)
        };
        let hosts: Vec<usize> = self
            .with(ComponentKind::Kubelet)
            .into_iter()
            .filter(|host| is_here(host))
            .collect();
        if hosts.is_empty() {
            return None;
        }
        let roles = [
            Role::KubeletClient,
            Role::KubeletServing,
            Role::KubeProxy,
            Role::Bootstrap,
        ];
        let mut troubles = self.troubles(|role| roles.contains(&role), |host| is_here(&host));
        let running = self.component_troubles(ComponentKind::Kubelet);
        troubles.extend(running.into_iter().filter(|trouble| {
            hosts
                .iter()
                .any(|host| trouble.host.as_deref() == Some(self.scene.name(*host)))
        }));
        let what = if area == Area::Workers {
            "worker"
        } else {
            "control-plane kubelet"
        };
        let not_ready: Vec<&str> = hosts
            .iter()
            .filter_map(|host| self.not_ready(*host))
            .collect();
        let (standing, summary) = match (troubles.is_empty(), not_ready.is_empty()) {
            (true, true) => (Standing::Works, format!("{} well", are(hosts.len(), what))),
            (false, _) => {
                let names = self.hosts_of(&troubles);
                (
                    Standing::Degraded,
                    format!("{what}s with something wrong: {names}"),
                )
            }
            (true, false) => (
                Standing::Degraded,
                format!(
                    "not Ready, with nothing wrong in their certificates: {}",
                    listed(&not_ready)
                ),
            ),
        };
        let standing = if !troubles.is_empty() && self.all_broken(&hosts, &troubles) {
            Standing::Broken
        } else {
            standing
        };
        Some(Concern {
            area,
            standing,
            summary,
            troubles,
        })
    }

    fn not_ready(&self, host: usize) -> Option<&str> {
        let own = super::names::OwnNames::of(self.scene.evidence.hosts, host);
        let nodes: &[Node] = self.scene.evidence.nodes?;
        let node = nodes.iter().find(|node| node.name == own.node())?;
        (node.ready == Some(false)).then(|| self.scene.name(host))
    }

    fn all_broken(&self, hosts: &[usize], troubles: &[Trouble]) -> bool {
        hosts.iter().all(|host| {
            troubles.iter().any(|trouble| {
                trouble.host.as_deref() == Some(self.scene.name(*host))
                    && trouble.code != code::EXPIRES_SOON
            })
        })
    }

    /// What lives in the API and stands in the way, as the doctor saw it there.
    fn api_objects(&self) -> Option<Concern> {
        self.scene.evidence.cluster?;
        let findings = self.scene.diagnosis.findings.iter();
        let troubles: Vec<Trouble> = findings
            .filter(|finding| finding.host.is_none() && finding.severity >= Severity::Warning)
            .map(|finding| Trouble {
                host: None,
                object: finding.object.clone(),
                code: finding.code.clone(),
                message: format!("{}; {}", finding.message, finding.remedy),
            })
            .collect();
        let (standing, summary) = if troubles.is_empty() {
            (
                Standing::Works,
                "nothing in the API stands in the way".to_owned(),
            )
        } else {
            (
                Standing::Degraded,
                format!("{} in the API to see to", counted(troubles.len(), "thing")),
            )
        };
        Some(Concern {
            area: Area::ApiObjects,
            standing,
            summary,
            troubles,
        })
    }

    /// What the files' plans say of objects with these roles.
    fn troubles(
        &self,
        is_of: impl Fn(Role) -> bool,
        is_here: impl Fn(usize) -> bool,
    ) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for (host, work) in self
            .work
            .iter()
            .enumerate()
            .filter(|(host, _)| is_here(*host))
        {
            let Some(inventory) = self.inventory(host) else {
                continue;
            };
            for notice in work.files.notices_and_left() {
                let role = role_of(inventory, &notice.object);
                if role.is_some_and(&is_of) {
                    troubles.push(Trouble {
                        host: Some(self.scene.name(host).to_owned()),
                        object: notice.object.clone(),
                        code: notice.code.clone(),
                        message: notice.message.clone(),
                    });
                }
            }
        }
        troubles
    }

    /// Components that do not run or go on with old files.
    fn component_troubles(&self, kind: ComponentKind) -> Vec<Trouble> {
        self.with(kind)
            .into_iter()
            .flat_map(|host| {
                running::reasons_of(self.scene, host, kind)
                    .into_iter()
                    .map(move |message| (host, message))
            })
            .map(|(host, message)| Trouble {
                host: Some(self.scene.name(host).to_owned()),
                object: kind.to_string(),
                code: "not-running-well".to_owned(),
                message,
            })
            .collect()
    }

    fn hosts_of(&self, troubles: &[Trouble]) -> String {
        let mut names: Vec<&str> = Vec::new();
        for host in troubles
            .iter()
            .filter_map(|trouble| trouble.host.as_deref())
        {
            if !names.contains(&host) {
                names.push(host);
            }
        }
        listed(&names)
    }
}

fn are(number: usize, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(number, what))
}

/// What an object of a host's plan is for.
fn role_of(inventory: &Inventory, object: &str) -> Option<Role> {
    let entry = inventory.entries.iter().find(|entry| {
        entry.name == object
            || entry
                .kubeconfig
                .as_ref()
                .is_some_and(|path| path.display().to_string() == object)
    });
    let authority = inventory
        .authorities
        .iter()
        .find(|authority| authority.name == object);
    entry
        .map(|entry| entry.role)
        .or(authority.map(|authority| authority.role))
        .or_else(|| {
            let trust = inventory.embedded_trust.iter();
            trust
                .map(|trust| trust.kubeconfig.display().to_string())
                .any(|path| path == object)
                .then_some(Role::Other)
        })
}
