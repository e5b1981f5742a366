//! Every phase of a rotation of all roots, lowered and carried out.

use crate::authority::NOW;
use crate::carry::Reach;
use crate::field::{Field, shape};
use crate::words::in_words;
use kubepki_core::diagnose::HostEvidence;
use kubepki_core::model::{Authority, KeyState, Role};
use kubepki_core::plan::{ClusterPlan, FileEdit, HostView, Plan, Step};
use kubepki_core::rotation::lower::{LowerError, lower};
use kubepki_core::rotation::plan::{next_phase, script_for};
use kubepki_core::rotation::{
    Action, Holds, Phase, Picture, Position, Root, RotationRequest, Script,
};
use kubepki_x509::{Certificate, pem};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn views(evidence: &[HostEvidence]) -> Vec<HostView<'_>> {
    let hosts = evidence.iter();
    hosts
        .map(|host| HostView {
            name: &host.inventory.host,
            inventory: &host.inventory,
        })
        .collect()
}

/// The old pairs that plans have put aside: host, certificate and its contents.
type PutAside = Vec<(String, PathBuf, Certificate)>;

/// What discovery finds of them.
fn found(evidence: &mut [HostEvidence], aside: &PutAside) {
    for (host, path, certificate) in aside {
        let mut hosts = evidence.iter_mut();
        let host = hosts.find(|it| it.inventory.host == *host).unwrap();
        host.inventory.authorities.push(Authority {
            name: path.display().to_string(),
            role: Role::Other,
            also_known_as: Vec::new(),
            certificate_path: path.clone(),
            certificates: vec![certificate.clone()],
            key_path: Some(path.with_extension("key")),
            key: KeyState::Present {
                public_key: certificate.public_key().clone(),
                mode: 0o600,
            },
            used_by: Vec::new(),
            problem: None,
        });
    }
}

fn put_aside(plan: &ClusterPlan) -> PutAside {
    let mut aside = Vec::new();
    for (host, plan) in plans(plan) {
        for edit in &plan.file_edits {
            if let FileEdit::Bundle { path, pem, .. } = edit
                && path.to_string_lossy().contains("-previous")
            {
                let certificate = pem::certificates(pem.as_bytes()).unwrap().remove(0);
                aside.push((host.to_owned(), path.clone(), certificate));
            }
        }
    }
    aside
}

fn lowered(
    field: &Field,
    aside: &PutAside,
    phase: Phase,
    request: &RotationRequest,
) -> (Picture, Script, ClusterPlan) {
    let (_, _, picture) = field.seen();
    let mut evidence = field.evidence();
    found(&mut evidence, aside);
    let cluster = field.observation(&evidence);
    let script = script_for(&picture, request, phase).unwrap();
    let hosts = views(&evidence);
    let plan = lower(&script, &picture, &hosts, Some(&cluster), request, NOW).unwrap();
    (picture, script, plan)
}

fn plans(plan: &ClusterPlan) -> impl Iterator<Item = (&str, &Plan)> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.filter_map(|step| match step {
        Step::Carry { host, plan } => Some((host.as_str(), plan.as_ref())),
        _ => None,
    })
}

fn actions(script: &Script) -> impl Iterator<Item = &Action> {
    let turns = script.rounds.iter().flat_map(|round| &round.turns);
    turns.flat_map(|turn| &turn.actions)
}

/// Nothing in a plan is secret.
fn is_public(plan: &ClusterPlan) {
    let text = serde_json::to_string(plan).unwrap();
    assert!(!text.contains("PRIVATE KEY"));
    for (_, plan) in plans(plan) {
        for edit in &plan.file_edits {
            let (FileEdit::Bundle { pem, .. } | FileEdit::KubeconfigTrust { pem, .. }) = edit
            else {
                continue;
            };
            let blocks = pem::parse(pem.as_bytes()).blocks;
            assert!(!blocks.is_empty());
            for block in blocks {
                let label = block.label.as_str();
                assert!(matches!(label, "CERTIFICATE" | "PUBLIC KEY"), "{label}");
            }
        }
    }
}

/// What the plan writes last into each file is what the script makes of it.
fn agrees(plan: &ClusterPlan, field: &Field) -> usize {
    let mut written: BTreeMap<(String, PathBuf), String> = BTreeMap::new();
    for (host, plan) in plans(plan) {
        for edit in &plan.file_edits {
            if let FileEdit::Bundle { path, pem, .. }
            | FileEdit::KubeconfigTrust { path, pem, .. } = edit
            {
                written.insert((host.to_owned(), path.clone()), pem.clone());
            }
        }
    }
    let mut compared = 0;
    for ((host, path), text) in written {
        let machines = &field.world.machines;
        let machine = machines.iter().find(|it| it.name == host).unwrap();
        let expected = machine
            .bundles
            .get(&path)
            .or_else(|| machine.kubeconfigs.get(&path).map(|it| &it.trust));
        if let Some(expected) = expected {
            let found = pem::certificates(text.as_bytes()).unwrap();
            assert_eq!(&found, expected, "{host} {}", path.display());
            compared += 1;
        }
    }
    compared
}

#[test]
fn all_roots_of_three_and_two_phase_by_phase() {
    let mut field = Field::new(shape(3, 2));
    let request = RotationRequest::new(Root::ALL);
    let mut words = String::new();
    let mut compared = 0;
    let mut steps = 0;
    let mut aside = PutAside::new();
    while let Some(phase) = next_phase(&field.seen().2, &request) {
        let (picture, script, plan) = lowered(&field, &aside, phase, &request);
        assert!(!plan.is_empty(), "{phase}");
        is_public(&plan);
        words.push_str(&format!("# {phase}\n{}", in_words(&plan, &picture)));
        let issues = actions(&script).filter(|it| matches!(it, Action::Issue { .. }));
        let issued = plans(&plan).map(|(_, plan)| plan.issuances.len());
        if phase == Phase::IssueFromNew {
            assert_eq!(issues.count(), issued.sum::<usize>());
        }
        for (_, plan) in plans(&plan) {
            assert_eq!(plan.verb, "rotate");
            assert_eq!(plan.rotation.as_ref().unwrap().phase, phase);
            assert_eq!(*plan, plan.clone().with_id());
        }
        field.carry(&script, usize::MAX, Reach::All);
        compared += agrees(&plan, &field);
        aside.extend(put_aside(&plan));
        steps += 1;
        assert!(steps < 10, "it does not come to an end:\n{words}");
        // All is at rest: `next` would begin anew.
        if steps > 2 && field.seen().2.roots.iter().all(|root| root.new.is_none()) {
            break;
        }
    }
    assert!(compared > 20, "{compared}");
    insta::assert_snapshot!(words);
    let (_, _, picture) = field.seen();
    for root in &picture.roots {
        assert_eq!(root.position, Position::AtRest, "{}", root.root);
        assert!(
            root.new.is_none() && root.leftovers.is_empty(),
            "{}",
            root.root
        );
        assert!(root.places.iter().all(|place| place.holds == Holds::Old));
    }
}

#[test]
fn what_a_step_makes_is_not_planned_with_before_it_is_there() {
    let field = Field::new(shape(1, 0));
    let request = RotationRequest::new([Root::KubernetesCa]);
    let (_, _, picture) = field.seen();
    let evidence = field.evidence();
    let script = kubepki_core::rotation::plan::whole(&picture, &request).unwrap();
    let refused = lower(&script, &picture, &views(&evidence), None, &request, NOW);
    assert_eq!(
        refused.unwrap_err(),
        LowerError::NoSuccessor {
            root: Root::KubernetesCa
        }
    );
}
