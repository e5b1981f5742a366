//! Plans carried out by an agent, alone and with the CA's key on another host.

use crate::client::{Agent, carry_request, renewal};
use crate::support::{LEAFS, Tree};
use kubepki_core::plan::{Plan, Signer};
use kubepki_fleet::session::{HostSession, SigningOrder};

#[test]
fn a_plan_is_carried_out_on_the_host_and_can_be_undone_there() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &[]);
    let report = agent.carry(&plan).unwrap();
    assert_eq!(report.issued.len(), plan.issuances.len());
    assert!(report.written.len() > LEAFS.len());
    assert!(tree.exists(report.backup.unwrap()));
    tree.assert_sound();
    let again = renewal(&agent.look(), &tree, &[]);
    assert!(again.is_empty(), "{:?}", again.issuances);
    // A plan that was carried out no longer fits.
    let error = agent.carry(&plan).unwrap_err();
    assert_eq!(error.code, "world-changed");
    assert_eq!(error.hint.as_deref(), Some("make a new plan"));
    assert!(agent.end().success());
    tree.kubepki(&["undo", "--yes"]).expect(0);
    tree.assert_unchanged(&before);
}

/// The host with the CAs' keys, and one that has everything but those.
pub fn two_hosts() -> (Tree, Tree) {
    let keeper = Tree::kubeadm().expired(30).build();
    let other = keeper.copied();
    other.write("/etc/hostname", "cp2\n");
    for authority in ["ca", "front-proxy-ca", "etcd/ca"] {
        other.remove(format!("/etc/kubernetes/pki/{authority}.key"));
    }
    (keeper, other)
}

/// What the keeper would renew, as a plan of the other host.
pub fn elsewhere(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.host = "cp2".to_owned();
    plan.basis
        .retain(|file| !file.path.to_string_lossy().ends_with("ca.key"));
    for issuance in &mut plan.issuances {
        if let Signer::Authority {
            name,
            certificate,
            key,
            fingerprint_sha256,
        } = &issuance.signer
        {
            issuance.signer = Signer::Elsewhere {
                host: "cp1".to_owned(),
                name: name.clone(),
                certificate: certificate.clone(),
                key: key.clone(),
                fingerprint_sha256: fingerprint_sha256.clone(),
            };
        }
    }
    plan.with_id()
}

/// The keys are made on one host and the certificates on the other.
pub fn renew_elsewhere(keeper: &mut Agent, other: &mut Agent, plan: &Plan, old: &Tree) {
    let requests = other.session.prepare(plan).unwrap();
    assert_eq!(requests.len(), plan.issuances.len());
    let orders: Vec<SigningOrder> = requests
        .into_iter()
        .map(|request| {
            let issuances = plan.issuances.iter();
            let issuance = issuances
                .clone()
                .find(|issuance| issuance.name == request.name)
                .unwrap();
            let path = issuance.destination.path().to_string_lossy().into_owned();
            let certificate = match path.ends_with(".conf") {
                true => old.kubeconfig_certificate(&path),
                false => old.certificate(&path),
            };
            SigningOrder {
                host: "cp2".to_owned(),
                issuance: issuance.clone(),
                old_certificate_pem: Some(certificate.to_pem()),
                request_pem: request.request_pem,
            }
        })
        .collect();
    let mut request = carry_request(plan);
    request.brought = keeper.session.sign(&orders).unwrap();
    let report = other
        .session
        .carry(&request, &crate::client::Silent)
        .unwrap();
    assert_eq!(report.issued.len(), plan.issuances.len());
}

#[test]
fn what_the_ca_of_another_host_signs_is_put_in_place_with_keys_of_this_one() {
    let (keeper, other) = two_hosts();
    let unchanged = keeper.snapshot();
    let (mut signs, mut asks) = (Agent::on(&keeper), Agent::on(&other));
    let plan = elsewhere(&renewal(&signs.look(), &keeper, &[]));
    let old = other.copied();
    renew_elsewhere(&mut signs, &mut asks, &plan, &old);
    other.assert_sound();
    keeper.assert_unchanged(&unchanged);
    // Both were copies, and nobody has the other's keys now.
    let key = "/etc/kubernetes/pki/apiserver.key";
    assert_ne!(other.read(key), keeper.read(key));
}

#[test]
fn prepared_keys_end_with_their_session() {
    let (keeper, other) = two_hosts();
    let (mut signs, mut asks) = (Agent::on(&keeper), Agent::on(&other));
    let plan = elsewhere(&renewal(&signs.look(), &keeper, &["apiserver"]));
    let before = other.snapshot();
    assert_eq!(asks.session.prepare(&plan).unwrap().len(), 1);
    assert!(asks.end().success());
    other.assert_unchanged(&before);
    let mut another = Agent::on(&other);
    let error = another.carry(&plan).unwrap_err();
    assert_ne!(error.code, "agent-lost", "{error}");
    other.assert_unchanged(&before);
}

#[test]
fn an_edited_plan_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let mut agent = Agent::on(&tree);
    let mut plan = renewal(&agent.look(), &tree, &["apiserver"]);
    plan.issuances[0].not_after = tree.day(10_000);
    assert_eq!(agent.carry(&plan).unwrap_err().code, "plan-edited");
    assert_eq!(
        agent.session.prepare(&plan).unwrap_err().code,
        "plan-edited"
    );
    tree.assert_unchanged(&before);
}

#[test]
fn a_backup_recipient_that_is_none_is_told_before_anything_is_made() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &["apiserver"]);
    let mut request = carry_request(&plan);
    request.backup_recipients = vec!["somebody".to_owned()];
    let error = agent.session.carry(&request, &crate::client::Silent);
    assert_eq!(error.unwrap_err().code, "age-key-invalid");
    tree.assert_unchanged(&before);
}
