//! The order that was measured to cost nothing, and each wrong order that was measured to cost
//! something, on a cluster of three control planes and two workers.

use crate::field::{Field, shape};
use crate::orders::{etcd, front_proxy, kubernetes, service_accounts};
use kubepki_core::plan::Pace;
use kubepki_core::rotation::check::{Rule, Verdict, check};
use kubepki_core::rotation::{Action, Round, Script};

fn field() -> Field {
    Field::new(shape(3, 2))
}

fn judged(field: &Field, script: &Script) -> Verdict {
    let (graph, material, picture) = field.seen();
    check(&graph, &material, &picture, script)
}

fn told(verdict: &Verdict) -> String {
    let all = verdict.violations.iter().map(ToString::to_string);
    all.collect::<Vec<_>>().join("\n")
}

/// The script is caught, by this rule and with this connection.
fn caught(field: &Field, script: &Script, rule: Rule, connection: &str) {
    let verdict = judged(field, script);
    let mut found = verdict.violations.iter();
    assert!(
        found.any(|it| it.rule == rule && it.connection.contains(connection)),
        "{rule:?} of {connection} is not among:\n{}",
        told(&verdict)
    );
}

fn passes(field: &Field, script: &Script) {
    let verdict = judged(field, script);
    assert!(verdict.holds(), "{}", told(&verdict));
    assert_eq!(verdict.left_behind, []);
    assert_eq!(verdict.broken_before, []);
}

fn without(mut script: Script, name: &str) -> Script {
    let before = script.rounds.len();
    script.rounds.retain(|round| round.name != name);
    assert_eq!(script.rounds.len(), before - 1, "there is no round {name}");
    script
}

fn named<'a>(script: &'a mut Script, name: &str) -> &'a mut Round {
    script.rounds.iter_mut().find(|it| it.name == name).unwrap()
}

/// The same with one round before another.
fn earlier(mut script: Script, name: &str, before: &str) -> Script {
    let position =
        |script: &Script, name: &str| script.rounds.iter().position(|it| it.name == name).unwrap();
    let from = position(&script, name);
    let round = script.rounds.remove(from);
    let to = position(&script, before);
    assert!(to < from);
    script.rounds.insert(to, round);
    script
}

fn drop_actions(script: &mut Script, name: &str, drops: impl Fn(&Action) -> bool) {
    for turn in &mut named(script, name).turns {
        let before = turn.actions.len();
        turn.actions.retain(|action| !drops(action));
        assert!(turn.actions.len() < before);
    }
}

#[test]
fn the_order_that_lost_nothing_passes() {
    passes(&field(), &kubernetes());
}

#[test]
fn the_orders_of_the_other_roots_pass() {
    passes(&field(), &etcd());
    passes(&field(), &front_proxy());
    passes(&field(), &service_accounts());
}

#[test]
fn a_bundle_where_the_controller_manager_signs() {
    let mut script = kubernetes();
    drop_actions(&mut script, "controllers", |it| *it == Action::SplitSigner);
    caught(
        &field(),
        &script,
        Rule::OneSigner,
        "kube-controller-manager on cp2",
    );
}

#[test]
fn the_client_ca_is_dropped_before_kept_connections_are_closed() {
    let script = without(kubernetes(), "settle");
    let verdict = judged(&field(), &script);
    let kept: Vec<&str> = verdict
        .violations
        .iter()
        .filter(|it| it.combination.contains("on a connection that was kept"))
        .map(|it| it.connection.as_str())
        .collect();
    // Kubelets and controllers were restarted with their new certificates; whoever was not goes on.
    assert!(
        kept.contains(&"admin.conf@cp1->kube-apiserver@cp2"),
        "{kept:#?}"
    );
    assert!(
        !kept.iter().any(|it| it.starts_with("kubelet")),
        "{kept:#?}"
    );
    assert!(!told(&verdict).contains("pods"), "{}", told(&verdict));
}

#[test]
fn the_api_server_is_new_before_pods_trust() {
    caught(
        &field(),
        &without(kubernetes(), "workloads"),
        Rule::Believed,
        "pods->kube-apiserver@cp2",
    );
    let late = earlier(kubernetes(), "api-servers", "workloads");
    caught(&field(), &late, Rule::Believed, "pods->kube-apiserver@cp2");
}

#[test]
fn the_api_server_is_new_before_kubelets_trust() {
    let script = without(kubernetes(), "kubelets");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kubelet@w4->kube-apiserver@cp2",
    );
    let mut script = kubernetes();
    drop_actions(&mut script, "kubelets", |it| {
        matches!(it, Action::Restart { .. })
    });
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kubelet@w5->kube-apiserver@cp3",
    );
}

#[test]
fn kubelets_come_from_a_ca_that_api_servers_do_not_trust() {
    let script = earlier(kubernetes(), "kubelet-clients", "controllers");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kubelet@w4->kube-apiserver@cp1",
    );
    // That an API server serves the new one proves that it has read what was written before.
    let unproven = without(without(kubernetes(), "proof"), "served");
    caught(
        &field(),
        &unproven,
        Rule::Believed,
        "kubelet@w4->kube-apiserver@cp1",
    );
}

#[test]
fn kubelets_drop_the_old_ca_before_the_api_servers_client_is_new() {
    let script = earlier(kubernetes(), "retire-workers", "api-servers");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kube-apiserver@cp1->kubelet@w4",
    );
    // On a kept connection it is not new before one of both was restarted.
    let script = earlier(kubernetes(), "retire-workers", "kubelet-clients");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kube-apiserver@cp1->kubelet@w4",
    );
}

#[test]
fn etcd_peers_are_new_before_members_trust() {
    let script = earlier(etcd(), "leafs", "both");
    caught(&field(), &script, Rule::Believed, "etcd@cp2->etcd@cp1");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kube-apiserver@cp1->etcd@cp1",
    );
}

#[test]
fn an_api_server_keeps_what_it_knew_of_etcd() {
    let mut script = etcd();
    for turn in &mut named(&mut script, "both").turns {
        for action in &mut turn.actions {
            if let Action::Restart { parks, .. } = action {
                parks.clear();
            }
        }
    }
    caught(&field(), &script, Rule::Available, "kube-apiserver on cp2");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "kube-apiserver@cp2->etcd@cp2",
    );
}

#[test]
fn etcds_leader_is_stopped() {
    let mut script = etcd();
    named(&mut script, "both").turns.reverse();
    for name in ["both", "new"] {
        drop_actions(&mut script, name, |it| *it == Action::YieldEtcdLeadership);
    }
    caught(&field(), &script, Rule::Leader, "etcd on cp1");
}

#[test]
fn two_restart_at_once() {
    for (script, name, what) in [
        (kubernetes(), "kubelets", "kubelet"),
        (kubernetes(), "settle", "kube-apiserver"),
        (etcd(), "both", "etcd"),
    ] {
        let mut together = script.clone();
        named(&mut together, name).pace = Pace::Batches { size: 2 };
        caught(&field(), &together, Rule::Available, what);
        let mut unasked = script;
        named(&mut unasked, name).between.clear();
        caught(&field(), &unasked, Rule::Available, what);
    }
}

#[test]
fn tokens_that_pods_hold_are_gone() {
    for name in ["second", "workloads"] {
        let script = without(service_accounts(), name);
        caught(
            &field(),
            &script,
            Rule::Believed,
            "ServiceAccount tokens->kube-apiserver",
        );
    }
    let script = without(service_accounts(), "drop");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "token Secrets' tokens->kube-apiserver@cp2",
    );
    let script = earlier(service_accounts(), "sign", "verify");
    caught(
        &field(),
        &script,
        Rule::Believed,
        "ServiceAccount tokens->kube-apiserver@cp2",
    );
}

#[test]
fn a_key_is_out_of_step_with_its_certificate() {
    let mut script = kubernetes();
    drop_actions(&mut script, "clients", |it| {
        matches!(it, Action::InstallSuccessor { .. })
    });
    caught(&field(), &script, Rule::KeyInStep, "kubernetes-ca on cp2");
}

#[test]
fn what_is_merged_is_made_anew_too_early() {
    let script = earlier(front_proxy(), "anew", "new");
    let verdict = judged(&field(), &script);
    assert!(!verdict.left_behind.is_empty() || !verdict.holds());
}

#[test]
fn what_is_not_done_is_left_behind() {
    let mut script = kubernetes();
    drop_actions(
        &mut script,
        "retire",
        |it| matches!(it, Action::WriteTrust { place, .. } if crate::field::is_named(place, "admin.conf")),
    );
    let verdict = judged(&field(), &script);
    assert!(verdict.holds(), "{}", told(&verdict));
    let left: Vec<&str> = verdict
        .left_behind
        .iter()
        .map(|it| it.place.as_str())
        .collect();
    assert!(left.iter().any(|it| it.contains("admin.conf")), "{left:#?}");
}

#[test]
fn what_fails_already_is_not_blamed_on_the_script() {
    let mut field = field();
    let path = field.world.path("apiserver-etcd-client.crt");
    let stranger = crate::authority::Authority::root("stranger");
    let machine = &mut field.world.machines[0];
    let leaf = machine.certificates[&path].leaf.clone();
    machine.certificates.insert(path, stranger.issue(&leaf));
    let verdict = judged(&field, &etcd());
    let broken: Vec<&str> = verdict
        .broken_before
        .iter()
        .map(|it| it.connection.as_str())
        .collect();
    assert_eq!(broken, ["kube-apiserver@cp1->etcd@cp1"]);
    assert!(verdict.holds(), "{}", told(&verdict));
}
