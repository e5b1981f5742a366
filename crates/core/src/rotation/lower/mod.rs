//! Lowering: a script as plans of hosts, changes of the API and questions to etcd, in stages with gates.
//!
//! A round becomes a stage; of one whose turns have to wait for a proof, every turn becomes one. What a
//! turn changes on its host becomes one plan, atomic and journaled there. What reads by itself gets no
//! action where nobody could tell that it has; the proof of the round tells.
//!
//! Nothing here is decided: which action comes when is the script's, what lies where the picture's.

mod draft;
mod error;
mod gates;
mod issue;
mod objects;
mod scene;
mod signing;
mod successors;
mod targets;

pub use error::LowerError;
pub(super) use gates::new_clients_refused;

use super::api_change::ApiChange;
use super::old_key::OldKey;
use super::picture::Picture;
use super::plan::RotationRequest;
use super::root::Root;
use super::script::{Action, Await, Round, Script, Turn};
use super::successor;
use crate::connections::Place;
use crate::model::ComponentKind;
use crate::model::cluster::ClusterObservation;
use crate::plan::cluster_plan::{ClusterPlan, EtcdAct, Gate, Pace, Stage, Step};
use crate::plan::file_edit::{FileEdit, RotationMark};
use crate::plan::{HostView, Plan};
use draft::Draft;
use jiff::{SignedDuration, Timestamp};
use scene::Scene;
use std::path::PathBuf;

/// Makes a script into a plan for the cluster, which was seen as `picture` and `hosts` say. The picture's
/// names of hosts are those of the cluster document, as are the views'.
///
/// # Errors
/// When the script needs what is not there yet (a successor that it makes itself), or does not fit the
/// hosts.
pub fn lower(
    script: &Script,
    picture: &Picture,
    hosts: &[HostView<'_>],
    cluster: Option<&ClusterObservation>,
    request: &RotationRequest,
    now: Timestamp,
) -> Result<ClusterPlan, LowerError> {
    let mut scene = Scene::begun(picture, hosts, cluster, request, now);
    let mut stages = Vec::new();
    for (index, round) in script.rounds.iter().enumerate() {
        let made = made_at(now, index);
        stages.extend(stage(&mut scene, round, made)?);
    }
    Ok(ClusterPlan::new(
        "rotate",
        now,
        stages,
        script.notices.clone(),
    ))
}

/// Plans of different rounds are different makings: a restart that one asks for is not what another
/// round's was.
fn made_at(now: Timestamp, round: usize) -> Timestamp {
    let micros = i64::try_from(round).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_micros(micros))
        .unwrap_or(now)
}

fn stage(scene: &mut Scene<'_>, round: &Round, made: Timestamp) -> Result<Vec<Stage>, LowerError> {
    let mut turns: Vec<(String, Vec<Step>)> = Vec::new();
    for turn in &round.turns {
        let steps = steps(scene, round, turn, made)?;
        turns.push((turn.host.clone(), steps));
    }
    let worked_on: Vec<String> = round.turns.iter().map(|turn| turn.host.clone()).collect();
    let everywhere: Vec<String> = scene.hosts.iter().map(|it| it.name.to_owned()).collect();
    let gates = |awaited: &[Await], meant: &[String]| -> Result<Vec<Gate>, LowerError> {
        let awaited = awaited.iter();
        awaited.map(|it| gates::gate(scene, it, meant)).collect()
    };
    let proofs_between = round.between.iter().any(is_proof);
    let mut stages = Vec::new();
    if proofs_between && round.pace != Pace::Together && turns.len() > 1 {
        let share = share(round.estimate_seconds, turns.len());
        let last = turns.len().saturating_sub(1);
        for (index, (host, steps)) in turns.into_iter().enumerate() {
            let mut asked = gates(&round.between, std::slice::from_ref(&host))?;
            if index == last {
                asked.extend(gates(&round.awaits, &everywhere)?);
            }
            stages.push(Stage {
                name: format!("{}-{host}", round.name),
                reason: round.reason.clone(),
                steps,
                pace: Pace::OneByOne,
                gate: all(asked),
                estimate_seconds: share,
            });
        }
        return Ok(stages);
    }
    let mut asked = gates(&round.between, &worked_on)?;
    asked.extend(gates(&round.awaits, &everywhere)?);
    stages.push(Stage {
        name: round.name.clone(),
        reason: round.reason.clone(),
        steps: turns.into_iter().flat_map(|(_, steps)| steps).collect(),
        pace: round.pace,
        gate: all(asked),
        estimate_seconds: round.estimate_seconds,
    });
    Ok(stages)
}

fn share(seconds: u32, turns: usize) -> u32 {
    let turns = u32::try_from(turns).unwrap_or(u32::MAX).max(1);
    seconds.div_ceil(turns)
}

fn is_proof(awaited: &Await) -> bool {
    !matches!(
        awaited,
        Await::ApiServersReady { .. } | Await::EtcdHealthy { .. } | Await::NodesReady { .. }
    )
}

/// One gate; what is asked twice is asked once.
fn all(gates: Vec<Gate>) -> Gate {
    let mut asked: Vec<Gate> = Vec::new();
    for gate in gates {
        if !asked.contains(&gate) {
            asked.push(gate);
        }
    }
    Gate::all(asked)
}

/// What one host does: questions to etcd first, then its plan, then the API.
fn steps(
    scene: &mut Scene<'_>,
    round: &Round,
    turn: &Turn,
    made: Timestamp,
) -> Result<Vec<Step>, LowerError> {
    let host = turn.host.as_str();
    let plan = plan(scene, round, turn, made)?;
    let mut carried = (!plan.is_empty()).then(|| Step::Carry {
        host: host.to_owned(),
        plan: Box::new(plan),
    });
    let mut steps: Vec<Step> = Vec::new();
    for action in &turn.actions {
        if action.changes_files() || matches!(action, Action::Restart { .. }) {
            steps.extend(carried.take());
            continue;
        }
        let etcd = |act| Step::Etcd {
            host: host.to_owned(),
            act,
        };
        match action {
            Action::SnapshotEtcd => steps.push(etcd(EtcdAct::Snapshot)),
            Action::YieldEtcdLeadership => steps.push(etcd(EtcdAct::YieldLeadership)),
            Action::Halt { components } => {
                let halted = components.iter().map(|kind| (host.to_owned(), *kind));
                scene.halted.extend(halted);
                steps.push(Step::Halt {
                    host: host.to_owned(),
                    components: components.clone(),
                });
            }
            Action::Start { components } => {
                scene
                    .halted
                    .retain(|(of, kind)| of != host || !components.contains(kind));
                steps.push(Step::Start {
                    host: host.to_owned(),
                    components: components.clone(),
                });
            }
            Action::RetireKey { root, how } => {
                let keys = successors::own_keys(scene, host, *root)?;
                add_keys(&mut steps, host, keys, how);
            }
            action => {
                for change in changes(scene, action)? {
                    add_change(&mut steps, host, change);
                }
            }
        }
    }
    steps.extend(carried);
    Ok(steps)
}

/// One step for all roots of a turn.
fn add_keys(steps: &mut Vec<Step>, host: &str, paths: Vec<PathBuf>, how: &OldKey) {
    if let Some(Step::RetireKeys { keys, .. }) = steps.last_mut() {
        keys.extend(paths);
        return;
    }
    steps.push(Step::RetireKeys {
        host: host.to_owned(),
        keys: paths,
        how: how.clone(),
    });
}

fn add_change(steps: &mut Vec<Step>, host: &str, change: ApiChange) {
    if let Some(Step::ChangeApi { changes, .. }) = steps.last_mut() {
        if !changes.contains(&change) {
            changes.push(change);
        }
        return;
    }
    steps.push(Step::ChangeApi {
        host: host.to_owned(),
        changes: vec![change],
    });
}

fn changes(scene: &Scene<'_>, action: &Action) -> Result<Vec<ApiChange>, LowerError> {
    Ok(match action {
        Action::WriteTrust {
            root,
            place: Place::Api(object),
            holds,
        } => vec![objects::write(scene, *root, object, holds)?],
        Action::WriteTrust { place, .. } => {
            return Err(LowerError::NotWritable {
                place: place.to_string(),
                reason: "it is neither a file nor an object of the API".to_owned(),
            });
        }
        Action::Recreate { object } => vec![ApiChange::Recreate {
            object: object.clone(),
        }],
        Action::RestartWorkloads { root } => objects::restarts(scene, *root)?,
        Action::AddTokenSecrets => vec![ApiChange::AddTokenSecrets {
            key_sha256: objects::key_sha256(scene)?,
        }],
        Action::DropTokenSecrets => vec![ApiChange::DropTokenSecrets {
            key_sha256: objects::key_sha256(scene)?,
        }],
        _ => Vec::new(),
    })
}

fn plan(
    scene: &mut Scene<'_>,
    round: &Round,
    turn: &Turn,
    made: Timestamp,
) -> Result<Plan, LowerError> {
    let inventory = scene.inventory(&turn.host)?;
    let mut draft = Draft::new(&turn.host, inventory);
    // What takes its place comes first, so that what is written after it counts.
    for action in &turn.actions {
        if let Action::InstallSuccessor { root } = action {
            let keeps_old = keeps_old(scene, &turn.host, *root);
            successors::install(scene, &mut draft, *root, keeps_old)?;
        }
    }
    for action in &turn.actions {
        match action {
            Action::MakeSuccessor { root } => successors::make(scene, &mut draft, *root)?,
            Action::RequestSuccessor { root } => successors::ask_for(scene, &mut draft, *root)?,
            Action::ReceiveSuccessor { root, from } => {
                successors::receive(scene, &mut draft, *root, from)?;
            }
            Action::WriteTrust { root, place, holds } if place.host().is_some() => {
                write(scene, &mut draft, *root, place, holds)?;
            }
            Action::SplitSigner => signing::split(scene, &mut draft)?,
            Action::JoinSigner => signing::join(scene, &mut draft)?,
            Action::Issue { root, entry } => issue::issue(scene, &mut draft, *root, entry)?,
            Action::RemoveSuccessorFiles { root } => {
                successors::remove(scene, &mut draft, *root)?;
            }
            Action::Restart { component, parks } => {
                draft.restart(*component, parks, &round.reason)?;
            }
            _ => {}
        }
    }
    let mark = RotationMark {
        rotation: rotation(scene),
        phase: round.phase,
        round: round.name.clone(),
    };
    debug_assert!(!draft.is_empty() || turn.actions.iter().all(|it| !it.changes_files()));
    Ok(draft.finish(scene, mark, made))
}

fn write(
    scene: &Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
    place: &Place,
    holds: &super::Holds,
) -> Result<(), LowerError> {
    let pem = scene.pem(root, holds, place)?;
    match place {
        Place::File { path, .. } => draft.bundle(path.clone(), pem, None),
        Place::KubeconfigCluster { path, cluster, .. } => {
            draft.edit(FileEdit::KubeconfigTrust {
                path: path.clone(),
                cluster: cluster.clone(),
                pem,
            });
        }
        _ => {
            return Err(LowerError::NotWritable {
                place: place.to_string(),
                reason: "it is neither a file nor a kubeconfig's cluster".to_owned(),
            });
        }
    }
    Ok(())
}

/// One host keeps the old pair until it has proved that old clients are refused: the first that signs
/// and can reach the others.
fn keeps_old(scene: &Scene<'_>, host: &str, root: Root) -> bool {
    let Some(picture) = scene.picture.root(root) else {
        return false;
    };
    let is_near = |name: &&String| {
        let facts = scene.picture.host(name);
        facts
            .is_some_and(|it| it.runs(ComponentKind::KubeApiserver) || it.runs(ComponentKind::Etcd))
    };
    let first = picture.signing_keys.iter().find(is_near);
    let first = first.or(picture.signing_keys.first());
    first.is_some_and(|it| it == host)
}

/// The new generations, as the mark of every plan of this rotation.
fn rotation(scene: &Scene<'_>) -> String {
    let roots = scene.request.roots.iter();
    let new: Vec<&str> = roots
        .filter_map(|root| scene.picture.root(*root)?.new.as_ref())
        .map(successor::short)
        .collect();
    match new.is_empty() {
        true => "new".to_owned(),
        false => new.join("+"),
    }
}
