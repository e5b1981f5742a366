//! A cluster of five hosts, and what a rescue says of it.

use crate::kubeadm::{Cluster, control_plane, inventory, put, worker};
use crate::machine::{Machine, Node};
use crate::pki::{self, Wish};
use jiff::SignedDuration;
use kubepki_core::diagnose::HostEvidence;
use kubepki_core::plan::{Issuance, Plan, Step};
use kubepki_core::rescue::{
    Area, Health, HostState, Rescue, RescueEvidence, RescueRequest, Standing, rescue,
};
use std::path::PathBuf;

pub const HOSTS: [&str; 5] = ["cp1", "cp2", "cp3", "w1", "w2"];
pub const CONTROL_PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];

/// Five hosts, and what each says of its health.
#[derive(Clone)]
pub struct World {
    pub cluster: Cluster,
    /// Whether each control plane's API server and etcd member are well.
    pub well: [bool; 3],
}

impl World {
    pub fn healthy() -> Self {
        let mut machines: Vec<Machine> = CONTROL_PLANES
            .iter()
            .enumerate()
            .map(|(index, name)| {
                control_plane(name, &format!("10.0.0.{}", index + 1), &CONTROL_PLANES)
            })
            .collect();
        machines.push(worker("w1", "10.0.0.11"));
        machines.push(worker("w2", "10.0.0.12"));
        let mut cluster = Cluster {
            live: vec![None; machines.len()],
            machines,
            api: None,
            now: pki::now(),
        };
        cluster.observe();
        Self {
            cluster,
            well: [true; 3],
        }
    }

    /// Later by so many days: leafs live 265, CAs 3550.
    pub fn later(mut self, days: i64) -> Self {
        self.cluster.now += SignedDuration::from_hours(days * 24);
        self
    }

    /// With API servers and etcd members that do not answer.
    pub fn down(mut self) -> Self {
        self.well = [false; 3];
        self
    }

    pub fn machine(&mut self, name: &str) -> &mut Machine {
        let index = HOSTS.iter().position(|host| *host == name).unwrap();
        &mut self.cluster.machines[index]
    }

    /// Issues a leaf of a control plane again, with something else about it.
    pub fn reissue(&mut self, host: &str, base: &str, change: impl Fn(&mut Wish<'_>)) {
        let machine = self.machine(host);
        let names = crate::kubeadm::names(machine);
        let copy = machine.clone();
        let (_, authority, mut wish) = crate::kubeadm::leafs(&copy, &names)
            .into_iter()
            .find(|(known, ..)| *known == base)
            .unwrap();
        change(&mut wish);
        put(machine, base, &authority.issue(&wish));
    }

    /// Gives a kubelet another client certificate.
    pub fn kubelet_client(&mut self, host: &str, node: &str, from: i64, until: i64) {
        let subject = format!("system:node:{node}");
        let wish = Wish::new(&subject, pki::CLIENT, &[])
            .of(&["system:nodes"])
            .lasting(from, until);
        let pair = pki::authorities().cluster.issue(&wish);
        let machine = self.machine(host);
        let target = match &machine.nodes
            [&PathBuf::from("/var/lib/kubelet/pki/kubelet-client-current.pem")]
        {
            Node::Link(target) => target.display().to_string(),
            Node::File { .. } => panic!("no link"),
        };
        machine.write(&target, format!("{}{}", pair.pem(), pair.key));
    }

    pub fn evidence(&self) -> (Vec<HostEvidence>, Vec<HostState>) {
        let hosts = self
            .cluster
            .machines
            .iter()
            .zip(&self.cluster.live)
            .map(|(machine, live)| HostEvidence {
                inventory: inventory(machine, self.cluster.now),
                live: live.clone(),
            })
            .collect();
        let health = |index: usize| {
            self.well.get(index).map(|ok| Health {
                ok: *ok,
                found: "asked".to_owned(),
            })
        };
        let states = HOSTS
            .iter()
            .enumerate()
            .map(|(index, name)| HostState {
                name: (*name).to_owned(),
                clock_ahead_seconds: Some(0),
                api_server: health(index),
                etcd: health(index),
            })
            .collect();
        (hosts, states)
    }

    pub fn rescue(&self) -> Rescue {
        self.rescue_with(&RescueRequest::default())
    }

    pub fn rescue_with(&self, request: &RescueRequest) -> Rescue {
        let (hosts, states) = self.evidence();
        let evidence = RescueEvidence {
            hosts: &hosts,
            states: &states,
            unreachable: &[],
            nodes: None,
            cluster: None,
        };
        rescue(&evidence, request, self.cluster.now).unwrap()
    }
}

/// Names of stages.
pub fn stages(rescue: &Rescue) -> Vec<&str> {
    rescue
        .plan
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect()
}

/// The plan of a host in the first stage of files.
pub fn files<'a>(rescue: &'a Rescue, host: &str) -> Option<&'a Plan> {
    let stage = rescue.plan.stages.iter().find(|it| it.name == "files")?;
    stage.steps.iter().find_map(|step| match step {
        Step::Carry { host: of, plan } if of == host => Some(plan.as_ref()),
        _ => None,
    })
}

/// What is issued or handed over on a host, sorted.
pub fn issued(rescue: &Rescue, host: &str) -> Vec<String> {
    let plan = files(rescue, host);
    let issuances = plan
        .map(|plan| plan.issuances.as_slice())
        .unwrap_or_default();
    let mut names: Vec<String> = issuances.iter().map(|it| it.name.clone()).collect();
    names.sort();
    names
}

pub fn issuance<'a>(rescue: &'a Rescue, host: &str, name: &str) -> &'a Issuance {
    let plan = files(rescue, host).unwrap();
    plan.issuances.iter().find(|it| it.name == name).unwrap()
}

/// What a host's components do in a stage, in words.
pub fn actions(rescue: &Rescue, stage: &str) -> Vec<String> {
    let stage = rescue.plan.stages.iter().find(|it| it.name == stage);
    let steps = stage
        .map(|stage| stage.steps.as_slice())
        .unwrap_or_default();
    steps
        .iter()
        .map(|step| match step {
            Step::Carry { host, plan } => {
                let components: Vec<String> = plan
                    .components
                    .iter()
                    .map(|action| action.component.to_string())
                    .collect();
                format!("{host} {}", components.join(" "))
            }
            Step::ChangeApi { host, .. }
            | Step::Etcd { host, .. }
            | Step::RetireKeys { host, .. } => format!("api {host}"),
            Step::Halt { host, components } => format!("halt {host} {}", components.len()),
            Step::Start { host, components } => format!("start {host} {}", components.len()),
        })
        .collect()
}

pub fn standing(rescue: &Rescue, area: Area) -> Standing {
    rescue.situation.concern(area).unwrap().standing
}

pub fn summary(rescue: &Rescue, area: Area) -> &str {
    &rescue.situation.concern(area).unwrap().summary
}

/// Host, object and code of every trouble.
pub fn troubles(rescue: &Rescue) -> Vec<(String, String, String)> {
    let concerns = rescue.situation.concerns.iter();
    let mut found: Vec<_> = concerns
        .flat_map(|concern| &concern.troubles)
        .map(|trouble| {
            (
                trouble.host.clone().unwrap_or_default(),
                trouble.object.clone(),
                trouble.code.clone(),
            )
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
