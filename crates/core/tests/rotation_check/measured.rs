//! The order that was measured to cost nothing, and each wrong order that was measured to cost
//! something, on a cluster of three control planes and two workers.

use crate::field::{Field, shape};
use kubepki_core::connections::Place;
use kubepki_core::model::ComponentKind::{
    self, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet,
};
use kubepki_core::model::ObjectReference;
use kubepki_core::plan::Pace;
use kubepki_core::rotation::check::{Rule, Verdict, check};
use kubepki_core::rotation::{Action, Await, Holds, Phase, Root, Round, Script, Turn};

const CP: [&str; 3] = ["cp2", "cp3", "cp1"];
const ALL: [&str; 5] = ["cp2", "cp3", "cp1", "w4", "w5"];
const WORKERS: [&str; 2] = ["w4", "w5"];

pub fn field() -> Field {
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

fn round(name: &str, turns: Vec<Turn>) -> Round {
    Round {
        phase: Phase::TrustBoth,
        name: name.to_owned(),
        reason: String::new(),
        turns,
        pace: Pace::OneByOne,
        between: Vec::new(),
        awaits: Vec::new(),
        estimate_seconds: 0,
    }
}

fn asking(name: &str, awaits: Vec<Await>) -> Round {
    Round {
        awaits,
        ..round(name, Vec::new())
    }
}

fn turns(hosts: &[&str], actions: impl Fn(&str) -> Vec<Action>) -> Vec<Turn> {
    let hosts = hosts.iter();
    hosts
        .map(|host| Turn {
            host: (*host).to_owned(),
            actions: actions(host),
        })
        .collect()
}

fn file(host: &str, name: &str) -> Place {
    Place::File {
        host: host.to_owned(),
        path: format!("/etc/kubernetes/pki/{name}").into(),
    }
}

fn cluster(host: &str, name: &str) -> Place {
    Place::KubeconfigCluster {
        host: host.to_owned(),
        path: format!("/etc/kubernetes/{name}").into(),
        cluster: "kubernetes".to_owned(),
    }
}

fn trust(root: Root, place: Place, holds: Holds) -> Action {
    Action::WriteTrust { root, place, holds }
}

fn issue(root: Root, entry: &str) -> Action {
    Action::Issue {
        root,
        entry: entry.to_owned(),
    }
}

fn restart(component: ComponentKind) -> Action {
    Action::Restart {
        component,
        parks: Vec::new(),
    }
}

fn ready(round: Round) -> Round {
    let asked = vec![
        Await::EtcdHealthy { hosts: Vec::new() },
        Await::ApiServersReady { hosts: Vec::new() },
        Await::NodesReady { hosts: Vec::new() },
    ];
    let mut awaits = asked.clone();
    awaits.extend(round.awaits);
    Round {
        between: asked,
        awaits,
        ..round
    }
}

fn prepare(root: Root) -> [Round; 2] {
    [
        round(
            "make",
            turns(&["cp1"], |_| vec![Action::MakeSuccessor { root }]),
        ),
        round(
            "receive",
            turns(&["cp2", "cp3"], |_| {
                let from = "cp1".to_owned();
                vec![Action::ReceiveSuccessor { root, from }]
            }),
        ),
    ]
}

fn confs(host: &str, holds: &Holds) -> Vec<Action> {
    ["controller-manager.conf", "scheduler.conf", "admin.conf"]
        .map(|name| trust(Root::KubernetesCa, cluster(host, name), holds.clone()))
        .to_vec()
}

fn remove(root: Root) -> Round {
    round(
        "remove",
        turns(&CP, |_| vec![Action::RemoveSuccessorFiles { root }]),
    )
}

fn cluster_info(name: &str, holds: &Holds) -> Round {
    let object = ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info");
    let place = Place::Api(object.at("data[kubeconfig]"));
    round(
        name,
        turns(&["cp1"], |_| {
            vec![trust(Root::KubernetesCa, place.clone(), holds.clone())]
        }),
    )
}

/// The Kubernetes CA, in the order that lost nothing.
fn kubernetes() -> Script {
    let root = Root::KubernetesCa;
    let hosts = Vec::new;
    let components = vec![KubeApiserver];
    let mut rounds = prepare(root).to_vec();
    rounds.push(round(
        "controllers",
        turns(&CP, |host| {
            let mut actions = vec![Action::SplitSigner];
            actions.push(trust(root, file(host, "ca.crt"), Holds::OldNew));
            actions.extend(confs(host, &Holds::OldNew));
            actions.extend([restart(KubeControllerManager), restart(KubeScheduler)]);
            actions
        }),
    ));
    rounds.push(round(
        "workers",
        turns(&WORKERS, |host| {
            vec![trust(root, file(host, "ca.crt"), Holds::OldNew)]
        }),
    ));
    rounds.push(ready(round(
        "kubelets",
        turns(&ALL, |host| {
            let place = cluster(host, "kubelet.conf");
            vec![trust(root, place, Holds::OldNew), restart(Kubelet)]
        }),
    )));
    rounds.push(asking(
        "proof",
        vec![
            Await::NewClientsAccepted {
                root,
                hosts: hosts(),
            },
            Await::Published {
                holds: Holds::OldNew,
            },
        ],
    ));
    rounds.push(cluster_info("cluster-info", &Holds::OldNew));
    rounds.push(Round {
        awaits: vec![Await::WorkloadsRolledOut],
        ..round(
            "workloads",
            turns(&["cp1"], |_| vec![Action::RestartWorkloads { root }]),
        )
    });
    rounds.push(round(
        "api-servers",
        turns(&CP, |_| {
            ["apiserver", "apiserver-kubelet-client"]
                .map(|name| issue(root, &format!("/etc/kubernetes/pki/{name}.crt")))
                .to_vec()
        }),
    ));
    rounds.push(asking(
        "served",
        vec![Await::NewServed {
            root,
            components,
            hosts: hosts(),
        }],
    ));
    rounds.push(round(
        "clients",
        turns(&CP, |_| {
            let mut actions: Vec<Action> = ["admin", "controller-manager", "scheduler"]
                .map(|name| issue(root, &format!("/etc/kubernetes/{name}.conf")))
                .to_vec();
            actions.push(Action::InstallSuccessor { root });
            actions.extend([restart(KubeControllerManager), restart(KubeScheduler)]);
            actions
        }),
    ));
    rounds.push(ready(round(
        "kubelet-clients",
        turns(&ALL, |host| {
            vec![
                issue(root, "/etc/kubernetes/kubelet.conf"),
                issue(root, "/var/lib/kubelet/pki/kubelet.crt"),
                trust(root, cluster(host, "kubelet.conf"), Holds::New),
                restart(Kubelet),
            ]
        }),
    )));
    rounds.push(ready(round(
        "settle",
        turns(&CP, |_| vec![restart(KubeApiserver)]),
    )));
    rounds.push(round(
        "retire",
        turns(&CP, |host| {
            let mut actions = vec![Action::JoinSigner];
            actions.push(trust(root, file(host, "ca.crt"), Holds::New));
            actions.extend(confs(host, &Holds::New));
            actions.extend([restart(KubeControllerManager), restart(KubeScheduler)]);
            actions
        }),
    ));
    rounds.push(round(
        "retire-workers",
        turns(&WORKERS, |host| {
            vec![trust(root, file(host, "ca.crt"), Holds::New)]
        }),
    ));
    rounds.push(asking(
        "refused",
        vec![
            Await::OldClientsRefused {
                root,
                hosts: hosts(),
            },
            Await::Published { holds: Holds::New },
        ],
    ));
    rounds.push(cluster_info("cluster-info-new", &Holds::New));
    rounds.push(remove(root));
    Script {
        rounds,
        notices: Vec::new(),
    }
}

fn etcd_round(name: &str, actions: impl Fn(&str) -> Vec<Action>) -> Round {
    ready(round(
        name,
        turns(&CP, |host| {
            let mut all = vec![Action::YieldEtcdLeadership];
            all.extend(actions(host));
            all.push(Action::Restart {
                component: Etcd,
                parks: vec![KubeApiserver],
            });
            all
        }),
    ))
}

/// etcd's CA, in the corrected order.
fn etcd() -> Script {
    let root = Root::EtcdCa;
    let mut rounds = prepare(root).to_vec();
    rounds.push(etcd_round("both", |host| {
        vec![trust(root, file(host, "etcd/ca.crt"), Holds::OldNew)]
    }));
    rounds.push(round(
        "leafs",
        turns(&CP, |_| {
            [
                "etcd/server",
                "etcd/peer",
                "etcd/healthcheck-client",
                "apiserver-etcd-client",
            ]
            .map(|name| issue(root, &format!("/etc/kubernetes/pki/{name}.crt")))
            .to_vec()
        }),
    ));
    rounds.push(etcd_round("new", |host| {
        vec![
            Action::InstallSuccessor { root },
            trust(root, file(host, "etcd/ca.crt"), Holds::New),
        ]
    }));
    rounds.push(remove(root));
    Script {
        rounds,
        notices: Vec::new(),
    }
}

/// The service-account key, with second token Secrets.
fn service_accounts() -> Script {
    let root = Root::ServiceAccountKey;
    let mut rounds = prepare(root).to_vec();
    let servers = |name: &str, actions: &dyn Fn(&str) -> Vec<Action>| {
        ready(round(
            name,
            turns(&CP, |host| {
                let mut all = actions(host);
                all.extend([restart(KubeApiserver), restart(KubeControllerManager)]);
                all
            }),
        ))
    };
    rounds.push(servers("verify", &|host| {
        vec![trust(root, file(host, "sa.pub"), Holds::OldNew)]
    }));
    rounds.push(servers("sign", &|_| {
        vec![Action::InstallSuccessor { root }]
    }));
    rounds.push(round(
        "second",
        turns(&["cp1"], |_| vec![Action::AddTokenSecrets]),
    ));
    rounds.push(Round {
        awaits: vec![Await::WorkloadsRolledOut],
        ..round(
            "workloads",
            turns(&["cp1"], |_| vec![Action::RestartWorkloads { root }]),
        )
    });
    rounds.push(round(
        "drop",
        turns(&["cp1"], |_| vec![Action::DropTokenSecrets]),
    ));
    rounds.push(servers("forget", &|host| {
        vec![trust(root, file(host, "sa.pub"), Holds::New)]
    }));
    rounds.push(remove(root));
    Script {
        rounds,
        notices: Vec::new(),
    }
}

/// The front proxy's CA: nothing is restarted.
fn front_proxy() -> Script {
    let root = Root::FrontProxyCa;
    let mut rounds = prepare(root).to_vec();
    let place = |host: &str| file(host, "front-proxy-ca.crt");
    rounds.push(Round {
        awaits: vec![Await::NewClientsAccepted {
            root,
            hosts: Vec::new(),
        }],
        ..round(
            "both",
            turns(&CP, |host| vec![trust(root, place(host), Holds::OldNew)]),
        )
    });
    rounds.push(round(
        "leafs",
        turns(&CP, |_| {
            vec![
                issue(root, "/etc/kubernetes/pki/front-proxy-client.crt"),
                Action::InstallSuccessor { root },
            ]
        }),
    ));
    rounds.push(Round {
        awaits: vec![Await::OldClientsRefused {
            root,
            hosts: Vec::new(),
        }],
        ..round(
            "new",
            turns(&CP, |host| vec![trust(root, place(host), Holds::New)]),
        )
    });
    let object = ObjectReference::namespaced(
        "ConfigMap",
        "kube-system",
        "extension-apiserver-authentication",
    );
    rounds.push(round(
        "anew",
        turns(&["cp1"], |_| {
            vec![Action::Recreate {
                object: object.clone(),
            }]
        }),
    ));
    rounds.push(remove(root));
    Script {
        rounds,
        notices: Vec::new(),
    }
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
