//! The orders that were measured to cost nothing, as scripts: each root of a cluster of three control
//! planes and two workers.

use kubepki_core::connections::Place;
use kubepki_core::model::ComponentKind::{
    self, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet,
};
use kubepki_core::model::ObjectReference;
use kubepki_core::plan::Pace;
use kubepki_core::rotation::{Action, Await, Holds, Phase, Root, Round, Script, Turn};

const CP: [&str; 3] = ["cp2", "cp3", "cp1"];
const ALL: [&str; 5] = ["cp2", "cp3", "cp1", "w4", "w5"];
const WORKERS: [&str; 2] = ["w4", "w5"];

pub fn round(name: &str, turns: Vec<Turn>) -> Round {
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

pub fn asking(name: &str, awaits: Vec<Await>) -> Round {
    Round {
        awaits,
        ..round(name, Vec::new())
    }
}

pub fn turns(hosts: &[&str], actions: impl Fn(&str) -> Vec<Action>) -> Vec<Turn> {
    let hosts = hosts.iter();
    hosts
        .map(|host| Turn {
            host: (*host).to_owned(),
            actions: actions(host),
        })
        .collect()
}

pub fn file(host: &str, name: &str) -> Place {
    Place::File {
        host: host.to_owned(),
        path: format!("/etc/kubernetes/pki/{name}").into(),
    }
}

pub fn cluster(host: &str, name: &str) -> Place {
    Place::KubeconfigCluster {
        host: host.to_owned(),
        path: format!("/etc/kubernetes/{name}").into(),
        cluster: "kubernetes".to_owned(),
    }
}

pub fn trust(root: Root, place: Place, holds: Holds) -> Action {
    Action::WriteTrust { root, place, holds }
}

pub fn issue(root: Root, entry: &str) -> Action {
    Action::Issue {
        root,
        entry: entry.to_owned(),
    }
}

pub fn restart(component: ComponentKind) -> Action {
    Action::Restart {
        component,
        parks: Vec::new(),
    }
}

pub fn ready(round: Round) -> Round {
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

pub fn prepare(root: Root) -> [Round; 2] {
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

pub fn confs(host: &str, holds: &Holds) -> Vec<Action> {
    ["controller-manager.conf", "scheduler.conf", "admin.conf"]
        .map(|name| trust(Root::KubernetesCa, cluster(host, name), holds.clone()))
        .to_vec()
}

pub fn remove(root: Root) -> Round {
    round(
        "remove",
        turns(&CP, |_| vec![Action::RemoveSuccessorFiles { root }]),
    )
}

pub fn cluster_info(name: &str, holds: &Holds) -> Round {
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
pub fn kubernetes() -> Script {
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

pub fn etcd_round(name: &str, actions: impl Fn(&str) -> Vec<Action>) -> Round {
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
pub fn etcd() -> Script {
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
pub fn service_accounts() -> Script {
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
pub fn front_proxy() -> Script {
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
