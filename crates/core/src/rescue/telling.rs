//! One concern for each area of a cluster: what is wrong there, in one sentence and one by one.

use super::Scene;
use super::files::role_of;
use super::plan::HostWork;
use super::running::{self, Quorum, api_server};
use super::situation::{Area, Concern, Standing, Trouble};
use super::words::{counted, length, listed};
use crate::findings::code;
use crate::model::cluster::Node;
use crate::model::{AuthorityName, ComponentKind, Inventory, Role, Severity};

/// Everything that there is to tell of.
pub(super) struct Telling<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) work: &'a [HostWork],
    pub(super) quorum: Quorum,
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

    /// Whether anything that runs was asked.
    fn is_live(&self) -> bool {
        let mut hosts = self.scene.evidence.hosts.iter();
        hosts.any(|host| host.inventory.live)
    }

    pub(super) fn hosts(&self) -> Option<Concern> {
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

    pub(super) fn clocks(&self) -> Option<Concern> {
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

    pub(super) fn authorities(&self) -> Option<Concern> {
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

    pub(super) fn etcd(&self) -> Option<Concern> {
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
        } else if troubles.is_empty() && !self.is_live() {
            (Standing::Unknown, in_order("etcd"))
        } else if troubles.is_empty() && healthy == members {
            (
                Standing::Works,
                format!("etcd has its quorum: {healthy} of {members} members well"),
            )
        } else if troubles.is_empty() {
            (
                Standing::Degraded,
                format!("etcd has its quorum, and only {healthy} of {members} members are well"),
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

    pub(super) fn api_servers(&self) -> Option<Concern> {
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
            (true, _, true) => (Standing::Unknown, in_order("the API servers")),
            (true, _, false) => (
                Standing::Degraded,
                format!(
                    "certificates of the API servers are broken on {}",
                    self.hosts_of(&troubles)
                ),
            ),
            (false, 0, _) => (
                Standing::Broken,
                match answers.len() {
                    1 => "the API server does not answer".to_owned(),
                    count => format!("none of {count} API servers answers"),
                },
            ),
            (false, ready, true) if ready == answers.len() => (
                Standing::Works,
                match ready {
                    1 => "the API server answers".to_owned(),
                    count => format!("all {count} API servers answer"),
                },
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

    pub(super) fn controllers(&self) -> Option<Concern> {
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
        let (standing, summary) = if troubles.is_empty() && !self.is_live() {
            (
                Standing::Unknown,
                in_order("kube-controller-manager and kube-scheduler"),
            )
        } else if troubles.is_empty() {
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

    pub(super) fn kubelets(&self, area: Area) -> Option<Concern> {
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
            (true, true) if !self.is_live() => {
                (Standing::Unknown, in_order(&format!("the {what}s")))
            }
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
    pub(super) fn api_objects(&self) -> Option<Concern> {
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

/// Nothing was asked that runs.
fn in_order(what: &str) -> String {
    format!("the files of {what} are in order; nothing that runs was asked")
}

fn are(number: usize, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(number, what))
}
