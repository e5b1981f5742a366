//! What the proof is worth: every action, round and wait of a script that is proved is left out, and
//! neighbouring rounds are exchanged. What the checker does not notice has to be harmless, and why is
//! written here.

use crate::field::{Field, shape};
use kubepki_core::connections::{Graph, Material};
use kubepki_core::rotation::check::check;
use kubepki_core::rotation::plan::whole;
use kubepki_core::rotation::{Action, Phase, Picture, Root, RotationRequest, Round, Script};
use std::collections::BTreeMap;

/// A script with one thing changed, and what.
pub struct Mutant {
    pub what: String,
    pub kind: &'static str,
    pub script: Script,
}

struct Proved {
    graph: Graph,
    material: Material,
    picture: Picture,
    script: Script,
}

fn proved(roots: &[Root]) -> Proved {
    let field = Field::new(shape(3, 2));
    let (graph, material, picture) = field.seen();
    let request = RotationRequest {
        batch: 2,
        ..RotationRequest::new(roots.iter().copied())
    };
    let script = whole(&picture, &request).unwrap();
    Proved {
        graph,
        material,
        picture,
        script,
    }
}

pub fn mutants(script: &Script) -> Vec<Mutant> {
    let mut all = Vec::new();
    let mut add = |kind, what: String, change: &dyn Fn(&mut Vec<Round>)| {
        let mut script = script.clone();
        change(&mut script.rounds);
        all.push(Mutant { what, kind, script });
    };
    for (at, round) in script.rounds.iter().enumerate() {
        add("round left out", round.name.clone(), &|rounds| {
            rounds.remove(at);
        });
        for (index, turn) in round.turns.iter().enumerate() {
            let what = format!("{} turn of {}", round.name, turn.host);
            add("turn left out", what.clone(), &|rounds| {
                rounds[at].turns.remove(index);
            });
            for (number, action) in turn.actions.iter().enumerate() {
                add("action left out", format!("{what} {action:?}"), &|rounds| {
                    rounds[at].turns[index].actions.remove(number);
                });
                if let Action::Restart { parks, .. } = action
                    && !parks.is_empty()
                {
                    add("not parked", format!("{what} {action:?}"), &|rounds| {
                        if let Action::Restart { parks, .. } =
                            &mut rounds[at].turns[index].actions[number]
                        {
                            parks.clear();
                        }
                    });
                }
            }
        }
        for (index, awaited) in round.awaits.iter().enumerate() {
            add(
                "wait left out",
                format!("{} {awaited:?}", round.name),
                &|rounds| {
                    rounds[at].awaits.remove(index);
                },
            );
        }
        for (index, awaited) in round.between.iter().enumerate() {
            add(
                "wait between left out",
                format!("{} {awaited:?}", round.name),
                &|rounds| {
                    rounds[at].between.remove(index);
                },
            );
        }
        if at + 1 < script.rounds.len() {
            let next = &script.rounds[at + 1].name;
            add(
                "rounds exchanged",
                format!("{} and {next}", round.name),
                &|rounds| {
                    rounds.swap(at, at + 1);
                },
            );
        }
    }
    all
}

fn is_caught(proved: &Proved, script: &Script) -> bool {
    let verdict = check(&proved.graph, &proved.material, &proved.picture, script);
    !verdict.holds() || !verdict.left_behind.is_empty()
}

/// Why it does no harm that this is left out or exchanged: what it says, of which mutants, and why.
const HARMLESS: &[(&str, &str, &str)] = &[
    ("", "SnapshotEtcd", "a precaution: no connection needs it"),
    (
        "",
        "prepare-snapshot",
        "a precaution: no connection needs it",
    ),
    (
        "wait left out",
        "Ready {",
        "asked of each host before the next one already",
    ),
    (
        "wait left out",
        "EtcdHealthy {",
        "asked of each host before the next one already",
    ),
    (
        "wait between left out",
        "kubelets ApiServersReady",
        "no API server is restarted there",
    ),
    (
        "wait between left out",
        "-kubelets NodesReady { hosts: [\"w",
        "workers are not needed by others",
    ),
    (
        "wait between left out",
        "issue-from-new-etcd",
        "nothing is restarted there",
    ),
    (
        "wait between left out",
        "issue-from-new-api-servers",
        "nothing is restarted there",
    ),
    (
        "wait left out",
        "root: EtcdCa",
        "etcd reads its trust at its start, its certificates with each handshake: nothing is open",
    ),
    (
        "",
        "settle-proof",
        "a second look: every server was restarted or asked since its certificate changed",
    ),
    (
        "",
        "settle-asked-before",
        "a second look: the phase before has asked",
    ),
];

/// Proofs that others give as well: of which roots together, and why.
const PROVED_TWICE: &[(&[Root], &str, &str)] = &[
    (
        &Root::ALL,
        "trust-both-proof NewClientsAccepted { root: KubernetesCa",
        "API servers and kubelets were all restarted after their files were changed",
    ),
    (
        &Root::ALL,
        "retire-old-proof OldClientsRefused { root: FrontProxyCa",
        "API servers were all restarted after their files were changed",
    ),
    (
        &Root::ALL,
        "retire-old-etcd turn of cp1 YieldEtcdLeadership",
        "cp1 led in the beginning, and gave leadership away in the first round",
    ),
    (
        &[Root::EtcdCa],
        "trust-both-proof",
        "every member was restarted with both",
    ),
    (
        &[Root::EtcdCa],
        "issue-from-new-served",
        "members present what lies there with their next handshake",
    ),
    (
        &[Root::EtcdCa],
        "retire-old-asked-before",
        "members present what lies there with their next handshake",
    ),
    (
        &[Root::EtcdCa],
        "retire-old-proof",
        "every member was restarted with the new one alone",
    ),
    (
        &[Root::EtcdCa],
        "retire-old-etcd turn of cp1 YieldEtcdLeadership",
        "cp1 led in the beginning, and gave leadership away in the first round",
    ),
];

/// Neighbours of which either may come first, beside those of one phase.
const EITHER_FIRST: &[(&str, &str)] = &[
    // Whoever trusts needs the certificate, whoever signs later the key.
    ("prepare-copies", "trust-both-"),
    // Administrators' clients are let in when it is proved; pods do not call them.
    ("trust-both-workloads", "issue-from-new-clients"),
    // What is signed from now on, by hand; everybody trusts both.
    ("issue-from-new-signers", "settle-"),
    // A kubelet's restart ends its connections itself; API servers have come with the new one before.
    ("issue-from-new-kubelets", "settle-api-servers"),
    // A second look: every server was restarted or asked since its certificate changed.
    ("settle-proof", "retire-old-"),
];

fn is_harmless(mutant: &Mutant, roots: &[Root]) -> bool {
    let is = |kind: &str, what: &str| mutant.kind.starts_with(kind) && mutant.what.contains(what);
    if mutant.kind == "rounds exchanged" {
        let (one, other) = mutant.what.split_once(" and ").unwrap();
        let phase = |name: &str| {
            Phase::ALL
                .into_iter()
                .find(|phase| name.starts_with(phase.as_str()))
        };
        let mut free = EITHER_FIRST.iter();
        let mut twice = PROVED_TWICE.iter();
        // Within a phase the order is free, but for what is caught.
        return phase(one) == phase(other)
            || twice.any(|(of, what, _)| *of == roots && (one == *what || other == *what))
            || free.any(|(first, second)| one.starts_with(first) && other.starts_with(second));
    }
    HARMLESS.iter().any(|(kind, what, _)| is(kind, what))
        || PROVED_TWICE
            .iter()
            .any(|(of, what, _)| *of == roots && is("", what))
}

/// How many of how many are caught; what is not, and why not is not known.
fn tried(roots: &[Root]) -> (usize, usize, Vec<String>) {
    let proved = proved(roots);
    assert!(!is_caught(&proved, &proved.script));
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut survivors = Vec::new();
    for mutant in mutants(&proved.script) {
        let (caught, all) = counts.entry(mutant.kind).or_default();
        *all += 1;
        if is_caught(&proved, &mutant.script) {
            *caught += 1;
        } else if !is_harmless(&mutant, roots) {
            survivors.push(format!("{roots:?} {}: {}", mutant.kind, mutant.what));
        }
    }
    let caught: usize = counts.values().map(|(caught, _)| caught).sum();
    let all: usize = counts.values().map(|(_, all)| all).sum();
    println!("{roots:?}: {caught} of {all} mutants are caught: {counts:?}");
    (caught, all, survivors)
}

#[test]
fn what_is_left_out_is_noticed_or_harmless() {
    let mut survivors = Vec::new();
    let (mut caught, mut all) = (0, 0);
    for roots in [
        &Root::ALL[..],
        &[Root::KubernetesCa],
        &[Root::EtcdCa],
        &[Root::FrontProxyCa],
        &[Root::ServiceAccountKey],
    ] {
        let (some, of, left) = tried(roots);
        caught += some;
        all += of;
        survivors.extend(left);
    }
    println!("{caught} of {all} mutants are caught");
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}
