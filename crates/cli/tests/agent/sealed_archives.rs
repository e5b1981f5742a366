//! A rotation whose backups are encrypted is taken back by whoever has the identity: it travels sealed, and
//! the host opens its archive in memory.

use crate::client::{Agent, Silent, carry_request};
use crate::secrets::contains;
use crate::shared_keys::plan;
use crate::support::Tree;
use age::secrecy::ExposeSecret;
use kubepki_core::plan::{FileEdit, Plan, Step};
use kubepki_core::rotation::{ArchivedKeys, BackError, HostRuns, HowFar, back};
use kubepki_engine::transit::seal_identity;
use kubepki_fleet::session::{HostSession, Look};
use kubepki_sealed::Sealed;

const CA: &str = "/etc/kubernetes/pki/ca.crt";
const ETCD_CA: &str = "/etc/kubernetes/pki/etcd/ca.crt";

fn way_back(look: &Look, tree: &Tree, opens_archives: bool) -> Result<Plan, BackError> {
    let host = HostRuns {
        name: "cp1",
        inventory: &look.inventory,
        runs: &look.rotation_runs,
        taken_back: &look.taken_back,
        opens_archives,
    };
    let plan = back(&[host], None, HowFar::Everything, tree.now)?;
    let mut steps = plan.stages.into_iter().flat_map(|stage| stage.steps);
    match (steps.next(), steps.next()) {
        (Some(Step::Carry { plan, .. }), None) => Ok(*plan),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_encrypted_archive_is_opened_by_an_identity_that_was_sealed_for_the_session() {
    let tree = Tree::kubeadm().build();
    let identity = age::x25519::Identity::generate();
    let stranger = age::x25519::Identity::generate();
    let before = tree.read(ETCD_CA);
    let mut agent = Agent::on(&tree);
    agent.look();
    let edit = FileEdit::Bundle {
        path: ETCD_CA.into(),
        pem: tree.text(CA),
        like: Some(CA.into()),
    };
    let mut request = carry_request(&plan(&tree, "cp1", vec![edit]));
    request.backup_recipients = vec![identity.to_public().to_string()];
    agent.session.carry(&request, &Silent).unwrap();
    let written = tree.snapshot();

    let look = agent.look();
    assert_eq!(look.rotation_runs[0].keys, ArchivedKeys::Sealed);
    assert!(look.taken_back.is_empty());
    let refused = way_back(&look, &tree, false).unwrap_err();
    assert_eq!(refused.code(), "backup-encrypted");
    let mut request = carry_request(&way_back(&look, &tree, true).unwrap());
    request.backup = false;
    let recipient = agent.session.recipient().unwrap();
    let sealed = |identity: &age::x25519::Identity| {
        let file = format!("# a comment\n{}\n", identity.to_string().expose_secret());
        Some(seal_identity(&Sealed::new(file.into_bytes()), &recipient).unwrap())
    };
    for (given, code) in [
        (None, "backup-encrypted"),
        (sealed(&stranger), "backup-wrong-key"),
        (Some("Dear Sir".to_owned()), "sealed-key"),
    ] {
        request.sealed_identity = given;
        let error = agent.session.carry(&request, &Silent).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        tree.assert_unchanged(&written);
    }
    request.sealed_identity = sealed(&identity);
    agent.session.carry(&request, &Silent).unwrap();
    assert_eq!(tree.read(ETCD_CA), before);

    let look = agent.look();
    assert!(look.rotation_runs.is_empty());
    assert_eq!(look.taken_back.len(), 1);
    assert_eq!(look.taken_back[0].mark.round, "prepare-keys");
    let wire = agent.wire.clone();
    assert!(agent.end().success());
    let wire = wire.lock().unwrap();
    assert!(contains(&wire, b"BEGIN AGE ENCRYPTED FILE"));
    assert!(!contains(&wire, b"AGE-SECRET-KEY"));
}
