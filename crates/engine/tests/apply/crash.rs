//! Every effect of a renewal is once the last one. What the next run makes of it must be exactly the
//! old host or exactly the new one.

use super::scene::{self, MANIFESTS, Scene, Tree};
use kubepki_engine::apply::{self, Stage, Transaction};
use kubepki_engine::fault_injection::{
    Effect, FAULT_AT, FAULT_COUNT, FAULT_MODE, FaultingHost, Faults, Mode,
};
use proptest::strategy::Strategy;
use std::process::Command;

const CHILD_ROOT: &str = "KUBEPKI_TEST_CHILD_ROOT";

pub struct Expected {
    pub old: Tree,
    pub new: Tree,
    pub effects: Vec<Effect>,
}

/// The host before and after a renewal that nothing disturbs, and its effects.
pub fn expected() -> Expected {
    let scene = Scene::in_memory();
    let old = scene.tree();
    let faults = Faults::counting();
    scene::renew(&FaultingHost::new(scene.host(), faults.clone())).unwrap();
    let new = scene.tree();
    assert_ne!(old, new);
    assert!(scene::leftovers(&new).is_empty());
    Expected {
        old,
        new,
        effects: faults.effects(),
    }
}

/// Each effect before and after, and in the middle where it has one.
pub fn points(effects: &[Effect]) -> Vec<(usize, Mode)> {
    let modes = |(index, effect): (usize, &Effect)| {
        let torn = effect.is_tearable.then_some(Mode::Torn);
        [Some(Mode::Before), Some(Mode::After), torn]
            .into_iter()
            .flatten()
            .map(move |mode| (index + 1, mode))
    };
    effects.iter().enumerate().flat_map(modes).collect()
}

/// Whether the tree is one of the two, and the one that the stage promises.
fn judge(expected: &Expected, tree: &Tree, stage: Option<Stage>, point: &str) -> bool {
    let is_old = *tree == expected.old;
    let is_new = *tree == expected.new;
    assert!(is_old || is_new, "{point}: neither old nor new: {tree:#?}");
    match stage {
        Some(Stage::Staging) => assert!(is_old, "{point}: staging must be rolled back"),
        Some(_) => assert!(is_new, "{point}: what was begun must be finished"),
        None => {}
    }
    is_new
}

#[test]
fn a_crash_at_any_effect_leaves_the_old_host_or_the_new_one() {
    let expected = expected();
    let points = points(&expected.effects);
    let (mut ended_old, mut ended_new) = (0, 0);
    for (at, mode) in &points {
        let scene = Scene::in_memory();
        let point = format!("{mode:?} {at} {:?}", expected.effects[at - 1]);
        let faults = Faults::in_process(*at, *mode);
        let run = scene::renew(&FaultingHost::new(scene.host(), faults.clone()));
        assert!(run.is_err() && faults.is_dead(), "{point}");
        nothing_is_staged_among_static_pods(&scene, &point);
        let stage =
            scene::recover(&scene.host()).unwrap_or_else(|error| panic!("{point}: {error}"));
        let is_new = judge(&expected, &scene.tree(), stage, &point);
        if is_new {
            ended_new += 1
        } else {
            ended_old += 1
        }
        assert_eq!(scene::recover(&scene.host()).unwrap(), None, "{point}");
    }
    println!(
        "{} effects, {} points: {ended_old} ended old, {ended_new} ended new",
        expected.effects.len(),
        points.len()
    );
    assert!(ended_old > 10 && ended_new > 10);
}

#[test]
fn a_crash_during_the_recovery_from_a_crash_is_survived_too() {
    let expected = expected();
    let mut pairs = 0;
    for (at, mode) in points(&expected.effects) {
        let crash = |scene: &Scene| {
            let faults = Faults::in_process(at, mode);
            scene::renew(&FaultingHost::new(scene.host(), faults)).unwrap_err();
        };
        let counted = Scene::in_memory();
        crash(&counted);
        let faults = Faults::counting();
        scene::recover(&FaultingHost::new(counted.host(), faults.clone())).unwrap();
        let effects = faults.effects();
        for (second_at, second_mode) in points(&effects) {
            // Before one effect is the same state as after the one before it.
            if second_mode == Mode::After && second_at != effects.len() {
                continue;
            }
            let point = format!("{mode:?} {at}, then {second_mode:?} {second_at}");
            let scene = Scene::in_memory();
            crash(&scene);
            let first = apply::interrupted(&scene.host())
                .unwrap()
                .map(|found| found.stage);
            let faults = Faults::in_process(second_at, second_mode);
            let _ = scene::recover(&FaultingHost::new(scene.host(), faults));
            nothing_is_staged_among_static_pods(&scene, &point);
            scene::recover(&scene.host()).unwrap_or_else(|error| panic!("{point}: {error}"));
            judge(&expected, &scene.tree(), first, &point);
            pairs += 1;
        }
    }
    println!("{pairs} pairs of points");
    assert!(pairs > 500);
}

#[test]
fn an_effect_that_is_refused_changes_nothing_or_is_taken_back() {
    let expected = expected();
    let mut taken_back = 0;
    for at in 1..=expected.effects.len() {
        let scene = Scene::in_memory();
        let point = format!("refused {at} {:?}", expected.effects[at - 1]);
        let faults = Faults::in_process(at, Mode::Refuse);
        let host = FaultingHost::new(scene.host(), faults);
        let error = scene::renew(&host).unwrap_err();
        taken_back += usize::from(error.to_string().starts_with("nothing was changed"));
        let stage =
            scene::recover(&scene.host()).unwrap_or_else(|error| panic!("{point}: {error}"));
        let tree = scene.tree();
        match stage {
            None => assert!(
                tree == expected.old || tree == expected.new,
                "{point}: {tree:#?}"
            ),
            stage => drop(judge(&expected, &tree, stage, &point)),
        }
        assert!(scene::leftovers(&tree).is_empty(), "{point}");
    }
    println!(
        "{} refusals, {taken_back} of them in the middle of a commit",
        expected.effects.len()
    );
    assert!(taken_back >= 12);
}

#[test]
fn a_crash_while_a_commit_is_taken_back_is_survived() {
    let expected = expected();
    let last_rename = expected
        .effects
        .iter()
        .rposition(|effect| effect.operation == "rename");
    let middle = expected
        .effects
        .iter()
        .position(|effect| effect.operation == "rename" && effect.on.ends_with("scheduler.conf"));
    assert!(middle < last_rename);
    let refused_at = middle.unwrap() + 1;
    let undisturbed = {
        let scene = Scene::in_memory();
        let faults = Faults::in_process(refused_at, Mode::Refuse);
        scene::renew(&FaultingHost::new(scene.host(), faults.clone())).unwrap_err();
        assert_eq!(scene.tree(), expected.old);
        faults.effects()
    };
    let mut crashes = 0;
    for (at, mode) in points(&undisturbed)
        .into_iter()
        .filter(|(at, _)| *at > refused_at)
    {
        let scene = Scene::in_memory();
        let point = format!(
            "refused {refused_at}, then {mode:?} {at} {:?}",
            undisturbed[at - 1]
        );
        let refusing =
            FaultingHost::new(scene.host(), Faults::in_process(refused_at, Mode::Refuse));
        let both = FaultingHost::new(refusing, Faults::in_process(at, mode));
        scene::renew(&both).unwrap_err();
        scene::recover(&scene.host()).unwrap_or_else(|error| panic!("{point}: {error}"));
        let tree = scene.tree();
        // Until the way back is journaled, the way forward is still open.
        assert!(
            tree == expected.old || tree == expected.new,
            "{point}: {tree:#?}"
        );
        crashes += 1;
    }
    println!("{crashes} points while taking back");
    assert!(crashes > 20);
}

#[test]
fn a_killed_process_leaves_the_old_host_or_the_new_one() {
    let expected = expected();
    let counted = Scene::new();
    let count = counted.real("count");
    assert!(
        child(&counted)
            .env(FAULT_COUNT, &count)
            .status()
            .unwrap()
            .success()
    );
    let counted = std::fs::read_to_string(count).unwrap();
    let effects = counted.lines().count();
    assert_eq!(effects, expected.effects.len(), "{counted}");
    let points = points(&expected.effects);
    for (at, mode) in &points {
        let scene = Scene::new();
        let mode_text = format!("{mode:?}").to_lowercase();
        let mut command = child(&scene);
        command
            .env(FAULT_AT, at.to_string())
            .env(FAULT_MODE, mode_text);
        let status = command.output().unwrap().status;
        let point = format!("{mode:?} {at}: {status}");
        assert!(!status.success() && status.code().is_none(), "{point}");
        let stage =
            scene::recover(&scene.host()).unwrap_or_else(|error| panic!("{point}: {error}"));
        judge(&expected, &scene.tree(), stage, &point);
    }
    println!("{effects} effects, {} processes killed", points.len());
}

fn child(scene: &Scene) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "crash::child_of_a_killed_process",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_ROOT, scene.root());
    command
}

#[test]
#[ignore = "started by a_killed_process_leaves_the_old_host_or_the_new_one"]
fn child_of_a_killed_process() {
    let Ok(root) = std::env::var(CHILD_ROOT) else {
        return;
    };
    let host = kubepki_adapters::host::LocalHost::at_root(root.as_ref()).unwrap();
    scene::renew(&FaultingHost::new(
        host,
        Faults::from_environment().unwrap(),
    ))
    .unwrap();
}

fn nothing_is_staged_among_static_pods(scene: &Scene, point: &str) {
    let names: Vec<_> = std::fs::read_dir(scene.real(MANIFESTS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["kube-apiserver.yaml"], "{point}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// Any choice and order of changes, a crash anywhere in them.
    #[test]
    fn any_changes_in_any_order_are_done_or_not_done(
        order in proptest::sample::subsequence((0..13_usize).collect::<Vec<_>>(), 1..=13)
            .prop_shuffle(),
        at in proptest::prelude::any::<proptest::sample::Index>(),
        mode in proptest::sample::select(vec![Mode::Before, Mode::After, Mode::Torn, Mode::Refuse]),
    ) {
        let apply_some = |scene: &Scene, faults: std::sync::Arc<Faults>| {
            let host = FaultingHost::new(scene.host(), faults);
            let mut all: Vec<_> = scene::changes(&host).into_iter().map(Some).collect();
            // The new file of a new folder needs its folder.
            let needs_folder = order.contains(&10) && !order.contains(&9);
            let chosen = order.iter().copied().chain(needs_folder.then_some(9));
            let chosen = chosen.filter_map(|index| all[index].take()).collect();
            let mut transaction = Transaction::begin(&host, scene::start(1))?;
            transaction.apply(chosen)?;
            transaction.finish("applied", scene::runner().now)
        };
        let undisturbed = Scene::in_memory();
        let old = undisturbed.tree();
        let counting = Faults::counting();
        apply_some(&undisturbed, counting.clone()).unwrap();
        let new = undisturbed.tree();
        let count = counting.effects().len();
        let number = at.index(count) + 1;

        let scene = Scene::in_memory();
        apply_some(&scene, Faults::in_process(number, mode)).unwrap_err();
        let host = scene.host();
        if let Some(found) = apply::interrupted(&host).unwrap() {
            let id = found.record.id;
            if found.stage == Stage::Staging {
                apply::roll_back(&host, &id, scene::runner()).unwrap();
            } else if let Some(resumed) =
                apply::roll_forward(&host, &id, scene::runner()).unwrap()
            {
                resumed.transaction.finish("recovered", scene::runner().now).unwrap();
            }
        }
        let tree = scene.tree();
        proptest::prop_assert!(tree == old || tree == new, "{mode:?} {number}: {tree:#?}");
    }
}
