//! Rounds in words: what each host does in its turn, and what is waited for.

use crate::commands::plan_view::old_keys;
use kubepki_core::plan::Pace;
use kubepki_core::rotation::{Action, Await, Holds, Round, Turn};

/// How many hosts of a line are named.
const NAMED: usize = 4;

/// How many hosts at once, where that is a question: `one after another `.
pub fn pace(round: &Round) -> String {
    match round.pace {
        _ if round.turns.len() < 2 => String::new(),
        Pace::OneByOne | Pace::Batches { size: 1 } => "one host after another ".to_owned(),
        Pace::Batches { size } => format!("{size} hosts at a time "),
        Pace::Together => "all hosts together ".to_owned(),
    }
}

/// A length of time as estimates are given.
pub fn seconds(seconds: u32) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

/// Hosts that do the same, and what they do.
pub fn turns(round: &Round) -> Vec<(String, String)> {
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for turn in &round.turns {
        let words = actions(turn);
        match groups.iter_mut().find(|(_, known)| *known == words) {
            Some((hosts, _)) => hosts.push(&turn.host),
            None => groups.push((vec![&turn.host], words)),
        }
    }
    groups
        .into_iter()
        .map(|(hosts, words)| (some_of(&hosts), words))
        .collect()
}

/// What is waited for after the round.
pub fn awaits(round: &Round) -> String {
    let mut words: Vec<String> = round.awaits.iter().map(waited).collect();
    words.dedup();
    words.join(", and ")
}

fn some_of(hosts: &[&str]) -> String {
    let named: Vec<&str> = hosts.iter().take(NAMED).copied().collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn actions(turn: &Turn) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut trusted: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut issued: Vec<&str> = Vec::new();
    for action in &turn.actions {
        match action {
            Action::WriteTrust { place, holds, .. } => {
                let what = held(holds);
                match trusted.iter_mut().find(|(known, _)| *known == what) {
                    Some((_, places)) => places.push(place.to_string()),
                    None => trusted.push((what, vec![place.to_string()])),
                }
            }
            Action::Issue { entry, .. } => issued.push(entry),
            _ => {}
        }
    }
    for (what, places) in trusted {
        let named: Vec<&str> = places.iter().take(NAMED).map(String::as_str).collect();
        let more = match places.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        words.push(format!("puts {what} into {}{more}", named.join(", ")));
    }
    if !issued.is_empty() {
        words.push(format!("issues {}", issued.join(", ")));
    }
    for action in &turn.actions {
        words.extend(single(action));
    }
    words.dedup();
    words.join("; ")
}

fn single(action: &Action) -> Option<String> {
    let list = |components: &[kubepki_core::model::ComponentKind]| {
        let names: Vec<String> = components.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    Some(match action {
        Action::WriteTrust { .. } | Action::Issue { .. } => return None,
        Action::SnapshotEtcd => "saves etcd and checks the snapshot".to_owned(),
        Action::MakeSuccessor { root } => format!("makes the new {root}"),
        Action::RequestSuccessor { root } => format!(
            "makes a key for the new {root} and the request by which somebody else certifies it"
        ),
        Action::ReceiveSuccessor { root, from } => {
            format!("is given the new {root} by {from}, sealed")
        }
        Action::SplitSigner => "gives kube-controller-manager a signing file of its own".to_owned(),
        Action::JoinSigner => "lets kube-controller-manager sign with the CA file again".to_owned(),
        Action::InstallSuccessor { root } => format!("signs with the new {root} from now on"),
        Action::Restart { component, parks } if parks.is_empty() => format!("restarts {component}"),
        Action::Restart { component, parks } => {
            format!("restarts {component} while {} is stopped", list(parks))
        }
        Action::YieldEtcdLeadership => "lets another etcd member lead".to_owned(),
        Action::Recreate { object } => format!("has {object} made anew"),
        Action::RestartWorkloads { .. } => {
            "restarts the workloads that read the CA only at their start".to_owned()
        }
        Action::AddTokenSecrets => {
            "adds token Secrets that the new key signs, beside the old ones".to_owned()
        }
        Action::DropTokenSecrets => "deletes token Secrets that the old key signed".to_owned(),
        Action::RemoveSuccessorFiles { root } => {
            format!("removes the files that the rotation of the {root} needed")
        }
        Action::RetireKey { how, .. } => old_keys(how),
        Action::Halt { components } => format!("stops {}", list(components)),
        Action::Start { components } => format!("starts {}", list(components)),
    })
}

const fn held(holds: &Holds) -> &'static str {
    match holds {
        Holds::Old => "the old one",
        Holds::OldNew | Holds::NewOld => "both",
        Holds::New => "the new one alone",
        Holds::Neither { .. } | Holds::Unknown { .. } => "something else",
    }
}

fn waited(what: &Await) -> String {
    match what {
        Await::NewClientsAccepted { root, .. } => {
            format!("clients of the new {root} are accepted everywhere")
        }
        Await::OldClientsRefused { root, .. } => {
            format!("clients of the old {root} are refused everywhere")
        }
        Await::NewServed { root, .. } => {
            format!("every server presents a certificate of the new {root}")
        }
        Await::Published { .. } => {
            "the trust is published in every namespace and token Secret".to_owned()
        }
        Await::ApiServersReady { .. } => "the API servers are ready".to_owned(),
        Await::EtcdHealthy { .. } => "etcd is healthy".to_owned(),
        Await::NodesReady { .. } => "the nodes are Ready".to_owned(),
        Await::WorkloadsRolledOut => "restarted workloads have rolled out".to_owned(),
    }
}
