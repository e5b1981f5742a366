//! Encrypted backups: what opens them goes, sealed, to hosts that restore from one, and to nobody else.

use crate::hosts::{NONE, World, cluster_plan, run_opening, stage};
use crate::plans::plan;
use kubepki_core::plan::{Gate, Pace, Restoration, Step};
use kubepki_fleet::campaign::KnownCertificates;
use kubepki_sealed::{Sealed, danger};
use std::path::PathBuf;

fn restores(host: &str, archive: &str) -> Step {
    let mut plan = plan(host, Vec::new());
    plan.restoration = Some(Restoration {
        archive: PathBuf::from(archive),
        paths: Vec::new(),
        undoes: None,
    });
    Step::Carry {
        host: host.to_owned(),
        plan: Box::new(plan.with_id()),
    }
}

#[test]
fn who_restores_from_an_encrypted_archive_is_given_the_identity_sealed() {
    let world = World::of(&["cp1", "cp2"]);
    let steps = vec![restores("cp1", "/b/a.tar.age"), restores("cp2", "/b/a.tar")];
    let plan = cluster_plan(vec![stage("back", Pace::OneByOne, Gate::None, steps)]);
    let certificates = KnownCertificates::default();
    let run = |identity| run_opening(&world, &plan, NONE, &certificates, true, identity).0;
    let identity = Sealed::new(b"AGE-SECRET-KEY-1".to_vec());
    assert!(run(Some(&identity)).is_done());
    assert!(run(None).is_done());
    let carried = world.carried.lock().unwrap();
    let given = |index: usize| carried[index].1.sealed_identity.as_deref();
    let opened = world.transit.open_identity(given(0).unwrap()).unwrap();
    assert_eq!(danger::open(&opened), danger::open(&identity));
    assert!(!given(0).unwrap().contains("SECRET"));
    assert_eq!((given(1), given(2), given(3)), (None, None, None));
    assert_eq!(world.logged("recipient"), ["recipient cp1"]);
}
