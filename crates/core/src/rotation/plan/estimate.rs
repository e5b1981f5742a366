//! About how long a round takes. Measured on three control planes and two workers on two cores,
//! Kubernetes v1.20.2 (see the table of what re-reads in `layouts::reload`); other versions are faster.
//! What runs as a unit was measured on two control planes made by hand, with etcd on hosts of its own.

use crate::model::ComponentKind;
use crate::plan::Pace;
use crate::rotation::picture::Picture;
use crate::rotation::{Action, Await, Round, Turn};

/// One visit of a host: a plan prepared, journaled and carried out.
const VISIT: u32 = 1;
/// A static-pod API server that is stopped drains for up to this long.
const DRAIN: u32 = 20;
/// Everything that serves or controls a host stops together: nobody is left whose connections would have to
/// be drained. Measured 0.2 to 2.2 s, on a loaded machine.
const HALT: u32 = 4;
/// One that is a unit goes on for up to a minute for the sake of kept connections, and only then does
/// its successor start; a new static pod starts beside the one that ends. 27 to 70 s were seen.
const UNIT_DRAIN: u32 = 45;
/// The longest that a component that polls its files lets pass; half of it is what is mostly left.
const POLL: u32 = 60;

/// The round with its estimate.
pub(super) fn of_round(picture: &Picture, mut round: Round) -> Round {
    let turns = round.turns.iter().map(|turn| of_turn(picture, turn));
    let turns: Vec<u32> = turns.collect();
    let between = sum(round.between.iter().map(of_readiness));
    let longest = turns.iter().copied().max().unwrap_or_default();
    let done = match round.pace {
        Pace::OneByOne => sum(turns.iter().map(|turn| turn.saturating_add(between))),
        Pace::Batches { size } => {
            let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
            let batches = u32::try_from(turns.len().div_ceil(size)).unwrap_or(u32::MAX);
            batches.saturating_mul(longest.saturating_add(between))
        }
        Pace::Together => longest,
    };
    let asked = match round.awaits == round.between {
        true => 0,
        false => round.awaits.iter().map(of_await).max().unwrap_or_default(),
    };
    round.estimate_seconds = done.saturating_add(asked);
    round
}

/// Proofs of a phase's end wait for the slowest poll, counted from the phase's first change of a file:
/// what was done meanwhile is time that has not to be waited.
pub(super) fn settle_polls(rounds: &mut [Round]) {
    let mut since: Option<u32> = None;
    for round in rounds {
        let polls = round.awaits.iter().any(is_polled);
        if polls && let Some(since) = since {
            let left = POLL.saturating_sub(since);
            round.estimate_seconds = match round.turns.is_empty() {
                true => left.max(2),
                false => round.estimate_seconds.min(left.max(2)),
            };
        }
        if let Some(since) = &mut since {
            *since = since.saturating_add(round.estimate_seconds);
        } else if round
            .turns
            .iter()
            .flat_map(|turn| &turn.actions)
            .any(Action::changes_files)
        {
            since = Some(round.estimate_seconds);
        }
    }
}

/// How long the API server of a host is away in a turn, when it is the only one.
pub(super) fn away(picture: &Picture, turn: &Turn) -> u32 {
    turn.actions
        .iter()
        .map(|action| match action {
            Action::Restart { component, parks }
                if parks.contains(&ComponentKind::KubeApiserver) =>
            {
                of_restart(*component, parks)
            }
            Action::Restart {
                component: ComponentKind::KubeApiserver,
                ..
            } => of_restart(ComponentKind::KubeApiserver, &[]).saturating_add(unit_drain(
                picture,
                turn,
                ComponentKind::KubeApiserver,
            )),
            _ => 0,
        })
        .sum()
}

/// How long etcd is away in a turn, when it has one member.
pub(super) fn without_etcd(turn: &Turn) -> u32 {
    let restarts = turn.actions.iter().map(|action| match action {
        Action::Restart {
            component: ComponentKind::Etcd,
            parks,
        } => of_restart(ComponentKind::Etcd, parks),
        _ => 0,
    });
    sum(restarts)
}

/// What the restart of a component takes longer where it is no static pod.
fn unit_drain(picture: &Picture, turn: &Turn, component: ComponentKind) -> u32 {
    let host = picture.hosts.iter().find(|host| host.name == turn.host);
    let is_unit = host.is_some_and(|host| !host.static_pods.contains(&component));
    match component {
        ComponentKind::KubeApiserver if is_unit => UNIT_DRAIN,
        _ => 0,
    }
}

fn of_turn(picture: &Picture, turn: &Turn) -> u32 {
    VISIT.saturating_add(sum(turn.actions.iter().map(|action| match action {
        Action::SnapshotEtcd => 5,
        Action::MakeSuccessor { .. }
        | Action::RequestSuccessor { .. }
        | Action::ReceiveSuccessor { .. } => 1,
        Action::Restart { component, parks } => {
            of_restart(*component, parks).saturating_add(unit_drain(picture, turn, *component))
        }
        Action::YieldEtcdLeadership | Action::Recreate { .. } => 1,
        Action::RestartWorkloads { .. } => 2,
        Action::RetireKey { .. } => 1,
        Action::AddTokenSecrets | Action::DropTokenSecrets => 2,
        Action::Halt { .. } => HALT,
        Action::Start { components } => sum(components
            .iter()
            .map(|component| of_restart(*component, &[]))),
        _ => 0,
    })))
}

fn of_restart(component: ComponentKind, parks: &[ComponentKind]) -> u32 {
    let own = match component {
        ComponentKind::Etcd => 2,
        ComponentKind::KubeApiserver => 9,
        ComponentKind::Kubelet => 12,
        _ => 3,
    };
    parks.iter().fold(own, |all, parked| {
        all.saturating_add(DRAIN)
            .saturating_add(of_restart(*parked, &[]))
    })
}

fn of_readiness(awaited: &Await) -> u32 {
    match awaited {
        Await::NodesReady { .. } => 3,
        _ => 1,
    }
}

fn of_await(awaited: &Await) -> u32 {
    match awaited {
        _ if is_polled(awaited) => POLL,
        Await::Published { .. } => 16,
        Await::WorkloadsRolledOut => 15,
        other => of_readiness(other),
    }
}

fn is_polled(awaited: &Await) -> bool {
    matches!(
        awaited,
        Await::NewClientsAccepted { .. }
            | Await::OldClientsRefused { .. }
            | Await::NewServed { .. }
    )
}

fn sum(seconds: impl Iterator<Item = u32>) -> u32 {
    seconds.fold(0, u32::saturating_add)
}
