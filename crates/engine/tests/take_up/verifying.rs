//! The verdict on a host after a plan.

use crate::world::{ADMIN, World, beginning};
use jiff::SignedDuration;
use kubepki_core::model::{ComponentKind, Entry, Holder, Inventory, KeyState, NodeName, Role};
use kubepki_core::plan::{Plan, TrustUpdate};
use kubepki_engine::verify::{Circumstances, Verdict, verify};

fn inventory(world: &World) -> Inventory {
    let admin = Entry {
        name: "admin.conf".to_owned(),
        also_known_as: Vec::new(),
        role: Role::Admin,
        holder: Holder::Kubeconfig {
            path: ADMIN.into(),
            user: "kubernetes-admin".to_owned(),
        },
        used_by: Vec::new(),
        chain: Vec::new(),
        key: KeyState::NotExpected,
        kubeconfig: None,
        embedded_copy: None,
        expected_authority: None,
        problem: None,
        required: true,
    };
    Inventory {
        host: "cp1".to_owned(),
        observed_at: beginning(),
        live: true,
        components: world.components(),
        authorities: Vec::new(),
        entries: vec![admin],
        embedded_trust: Vec::new(),
        kubeconfigs: Vec::new(),
        etcd_clients: Vec::new(),
        service_account_keys: Vec::new(),
        successor_requests: Vec::new(),
        node_name: Some(NodeName::new("cp1", "its certificate's subject")),
        static_pod_folders: Vec::new(),
        files: Default::default(),
        file_times: Default::default(),
        kubeadm_configuration: None,
        declared: None,
        gaps: Vec::new(),
    }
}

fn plan() -> Plan {
    let json = serde_json::json!({
        "apiVersion": "kubepki.dev/v1alpha1", "kind": "Plan", "id": "", "verb": "renew", "host": "cp1",
        "createdAt": beginning(), "basis": [], "issuances": [], "trustUpdates": [], "components": [],
        "staticPodFolders": [], "notices": [],
    });
    let mut plan: Plan = serde_json::from_value(json).unwrap();
    plan.trust_updates.push(TrustUpdate {
        kubeconfig: ADMIN.into(),
        cluster: "kubernetes".to_owned(),
        bundle: "/etc/kubernetes/pki/ca.crt".into(),
    });
    plan
}

fn ask(world: &World, node_was_ready: Option<bool>) -> Verdict {
    let inventory = inventory(world);
    let circumstances = Circumstances {
        files_changed_at: world.state().now,
        node_was_ready,
        progress: world,
    };
    verify(
        &world.ports(),
        Some(&inventory),
        &inventory,
        &plan(),
        &circumstances,
    )
}

fn codes(verdict: &Verdict) -> Vec<(&str, bool)> {
    verdict
        .checks
        .iter()
        .map(|check| (check.code.as_str(), check.ok))
        .collect()
}

#[test]
fn a_host_that_uses_what_is_on_its_disk_passes() {
    let world = World::control_plane();
    let verdict = ask(&world, None);
    assert_eq!(
        codes(&verdict),
        [
            ("served", true),      // etcd's clients
            ("served", true),      // etcd's peers
            ("served", true),      // API server
            ("not-on-disk", true), // controller manager
            ("not-on-disk", true), // scheduler
            ("not-on-disk", true), // kubelet
            ("api-accepts", true),
            ("node-ready", true),
        ]
    );
    assert!(verdict.is_ok());
    let asked: Vec<&str> = verdict
        .checks
        .iter()
        .filter(|check| check.asked)
        .map(|check| check.what.as_str())
        .collect();
    assert_eq!(
        asked,
        [
            "etcd at 127.0.0.1:2379",
            "etcd at 10.77.0.11:2380",
            "kube-apiserver at 127.0.0.1:6443",
            ADMIN,
            "node cp1"
        ]
    );
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}

#[test]
fn a_reload_is_given_its_time_and_not_more() {
    let world = World::control_plane();
    world.new_certificate("/etc/kubernetes/pki/apiserver.crt");
    let at = world.state().now + SignedDuration::from_secs(55);
    world
        .state()
        .behaviour(ComponentKind::KubeApiserver)
        .reloads_at = Some(at);
    assert!(ask(&world, None).is_ok());

    world
        .state()
        .behaviour(ComponentKind::KubeApiserver)
        .reloads_at = None;
    world.new_certificate("/etc/kubernetes/pki/apiserver.crt");
    let began = world.state().now;
    let verdict = ask(&world, None);
    assert!((75.0..78.0).contains(&world.elapsed_since(began)));
    let failed: Vec<_> = verdict.failed().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].code.as_str(), failed[0].what.as_str()),
        ("served-other", "kube-apiserver at 127.0.0.1:6443")
    );
    assert!(
        failed[0]
            .expected
            .contains("/etc/kubernetes/pki/apiserver.crt"),
        "{failed:?}"
    );
    assert_ne!(failed[0].expected.get(..20), failed[0].found.get(..20));
}

#[test]
fn what_did_not_run_before_is_only_noted() {
    let world = World::control_plane();
    world
        .state()
        .processes
        .retain(|running| running.kind != ComponentKind::Etcd);
    let before = inventory(&world);
    let verdict = ask(&world, None);
    assert_eq!(
        codes(&verdict)[..2],
        [("not-running", true), ("not-running", true)]
    );
    // Unless it did run before, or was to be restarted.
    let other = inventory(&World::control_plane());
    let circumstances = Circumstances {
        files_changed_at: world.state().now,
        node_was_ready: None,
        progress: &world,
    };
    let verdict = verify(
        &world.ports(),
        Some(&other),
        &before,
        &plan(),
        &circumstances,
    );
    assert_eq!(
        codes(&verdict)[..2],
        [("unreachable", false), ("unreachable", false)]
    );
}

#[test]
fn forbidden_is_fine_and_unauthorized_is_not() {
    for (status, code, ok) in [
        (Some(403), "api-accepts", true),
        (Some(401), "api-refuses", false),
        (Some(500), "api-unreachable", false),
        (None, "api-unreachable", false),
    ] {
        let world = World::control_plane();
        world.state().api_status = status;
        let verdict = ask(&world, None);
        assert_eq!(codes(&verdict)[6], (code, ok), "{status:?}");
    }
}

#[test]
fn a_node_that_was_not_ready_before_has_another_cause() {
    for (before, after, code, ok) in [
        (Some(false), Some(false), "node-not-ready-before", true),
        (Some(true), Some(false), "node-not-ready", false),
        (None, Some(false), "node-not-ready", false),
        (None, None, "node-not-ready", false),
        (Some(false), Some(true), "node-ready", true),
    ] {
        let world = World::control_plane();
        world.state().node_is_ready = after;
        let began = world.state().now;
        let verdict = ask(&world, before);
        assert_eq!(codes(&verdict)[7], (code, ok), "{before:?} {after:?}");
        assert!(world.elapsed_since(began) < 125.0);
    }
}

#[test]
fn of_a_mounted_disk_nothing_is_asked() {
    let world = World::control_plane();
    world.state().is_live = false;
    let verdict = ask(&world, None);
    assert_eq!(codes(&verdict), [("not-live", true)]);
    assert!(!verdict.checks[0].asked);
}
