//! What an agent sees is what the program sees on the host itself.

use crate::client::{Agent, Silent};
use crate::support::Tree;
use kubepki_adapters::host::LocalHost;
use kubepki_core::assess::Thresholds;
use kubepki_core::diagnose::{DiagnoseOptions, Evidence, HostEvidence, diagnose};
use kubepki_core::model::Inventory;
use kubepki_core::plan::{RenewRequest, Selection, plan_renewal};
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_fleet::session::{ApiQuestion, HostSession, NOT_LIVE};
use serde_json::Value;

fn diagnosis(inventory: Inventory, tree: &Tree) -> Value {
    let hosts = [HostEvidence {
        inventory,
        live: None,
    }];
    let evidence = Evidence {
        hosts: &hosts,
        cluster: None,
    };
    let options = DiagnoseOptions {
        now: tree.now,
        thresholds: Thresholds::default(),
        only: &[],
        ignore: &[],
    };
    serde_json::to_value(diagnose(&evidence, &options)).unwrap()
}

#[test]
fn an_inventory_that_travelled_gives_the_same_diagnosis_and_the_same_plan() {
    let broken = Tree::kubeadm().valid(200).build();
    broken.copy(
        "/etc/kubernetes/pki/apiserver-kubelet-client.key",
        "/etc/kubernetes/pki/apiserver.key",
    );
    broken.write(
        "/etc/kubernetes/pki/front-proxy-client.crt",
        "no certificate",
    );
    for tree in [Tree::kubeadm().expired(30).build(), broken] {
        let here = LocalHost::at_root(&tree.root()).unwrap();
        let mut near = discover(&here, &DiscoverOptions::default(), tree.now).unwrap();
        let mut agent = Agent::on(&tree);
        let mut far = agent.look().inventory;
        assert!(agent.end().success());
        (near.observed_at, far.observed_at) = (tree.now, tree.now);
        let json = |inventory: &Inventory| serde_json::to_value(inventory).unwrap();
        assert_eq!(json(&far), json(&near));
        let mut request = RenewRequest::new(Selection::All);
        request.force = true;
        let plan = |inventory| plan_renewal(inventory, &request, tree.now).unwrap();
        assert_eq!(plan(&far).id, plan(&near).id);
        assert!(!plan(&far).is_empty());
        let diagnosed = diagnosis(far, &tree);
        assert_eq!(diagnosed, diagnosis(near, &tree));
        assert_ne!(diagnosed["findings"], Value::Array(Vec::new()));
    }
}

#[test]
fn a_folder_has_nothing_that_runs_to_be_asked_halted_or_started() {
    let tree = Tree::kubeadm().valid(200).build();
    let before = tree.snapshot();
    let mut agent = Agent::on(&tree);
    let look = agent.look();
    assert!(look.live.is_none() && look.interrupted.is_none() && look.halted.is_empty());
    assert_eq!(agent.session.hello().host, "cp1");
    for question in [
        ApiQuestion::Ready,
        ApiQuestion::Nodes,
        ApiQuestion::EtcdHealth,
    ] {
        assert_eq!(agent.session.ask(&question).unwrap_err().code, NOT_LIVE);
    }
    let kinds = kubepki_core::model::ComponentKind::ALL;
    agent.session.halt(&kinds, &Silent).unwrap();
    agent.session.start(&kinds, &Silent).unwrap();
    assert_eq!(agent.settle().unwrap(), None);
    assert!(agent.end().success());
    tree.assert_unchanged(&before);
}
