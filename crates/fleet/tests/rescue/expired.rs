//! Clusters that nobody renewed, or not all of them.

use crate::folders::{mends, steady};
use crate::kubeadm::write_kubeconfig;
use crate::pki::{CLIENT, Wish, authorities};
use crate::world::{
    CONTROL_PLANES, HOSTS, World, actions, issuance, issued, stages, standing, summary, troubles,
};
use kubepki_core::plan::{Gate, Pace, Signer};
use kubepki_core::rescue::{Area, RescueRequest, Standing};

/// What a control plane of kubeadm's renews in the files stage when all has ended.
const ALL: [&str; 12] = [
    "admin.conf",
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "controller-manager.conf",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
    "front-proxy-client",
    "kubelet-client",
    "kubelet-server",
    "scheduler.conf",
];

#[test]
fn everything_expired_a_year_ago() {
    let world = World::healthy().later(265 + 365).down();
    let found = world.rescue();
    for host in CONTROL_PLANES {
        assert_eq!(issued(&found, host), ALL, "{host}");
    }
    for host in ["w1", "w2"] {
        assert_eq!(issued(&found, host), ["kubelet-client", "kubelet-server"]);
        let kubelet = issuance(&found, host, "kubelet-client");
        assert!(matches!(&kubelet.signer, Signer::Elsewhere { host, .. } if host == "cp1"));
    }
    assert_eq!(
        stages(&found),
        [
            "files",
            "kubelets-of-static-pods",
            "etcd",
            "api-servers",
            "controllers",
            "workers"
        ]
    );
    let etcd = &found.plan.stages[2];
    assert_eq!(
        etcd.pace,
        Pace::Together,
        "without quorum none is healthy alone"
    );
    assert_eq!(
        etcd.gate,
        Gate::EtcdHealthy {
            hosts: CONTROL_PLANES.map(str::to_owned).to_vec()
        }
    );
    let last = found.plan.stages.last().unwrap();
    assert_eq!(
        last.gate,
        Gate::NodesReady {
            nodes: HOSTS.map(str::to_owned).to_vec()
        }
    );
    assert_eq!(standing(&found, Area::Etcd), Standing::Broken);
    assert_eq!(
        summary(&found, Area::Etcd),
        "etcd has no quorum: 0 of 3 members are well, 2 are needed"
    );
    assert_eq!(
        summary(&found, Area::ApiServers),
        "none of 3 API servers answers"
    );
    assert_eq!(standing(&found, Area::Workers), Standing::Broken);
    assert_eq!(standing(&found, Area::Authorities), Standing::Works);
    assert!(
        found
            .plan
            .stages
            .iter()
            .all(|stage| stage.estimate_seconds > 0)
    );
    mends(&world, &RescueRequest::default());
}

#[test]
fn everything_expired_and_stopped_first() {
    let world = World::healthy().later(265 + 365).down();
    let request = RescueRequest {
        offline: true,
        ..RescueRequest::default()
    };
    let found = world.rescue_with(&request);
    assert_eq!(
        stages(&found),
        [
            "halt",
            "files",
            "kubelets-of-static-pods",
            "etcd",
            "api-servers",
            "controllers",
            "workers"
        ]
    );
    assert_eq!(
        actions(&found, "halt"),
        ["halt cp1 4", "halt cp2 4", "halt cp3 4"]
    );
    assert_eq!(
        actions(&found, "etcd"),
        ["start cp1 1", "start cp2 1", "start cp3 1"]
    );
    assert_eq!(
        actions(&found, "controllers"),
        ["start cp1 2", "start cp2 2", "start cp3 2"]
    );
}

#[test]
fn only_the_front_proxys_client() {
    let mut world = World::healthy();
    for host in CONTROL_PLANES {
        world.reissue(host, "front-proxy-client", |wish| {
            *wish = wish.clone().lasting(-400, -1)
        });
    }
    world.cluster.observe();
    let found = world.rescue();
    for host in CONTROL_PLANES {
        assert_eq!(issued(&found, host), ["front-proxy-client"]);
    }
    for worker in ["w1", "w2"] {
        assert!(issued(&found, worker).is_empty());
    }
    assert_eq!(stages(&found), ["files", "api-servers"]);
    assert_eq!(
        found.plan.stages[1].pace,
        Pace::Together,
        "what is only read again disturbs nobody"
    );
    assert_eq!(standing(&found, Area::Etcd), Standing::Works);
    assert_eq!(standing(&found, Area::ApiServers), Standing::Degraded);
    let changed = mends(&world, &RescueRequest::default());
    assert_eq!(changed.len(), 6, "{changed:#?}");
}

#[test]
fn only_etcds_peers() {
    let mut world = World::healthy().down();
    for host in CONTROL_PLANES {
        world.reissue(host, "etcd/peer", |wish| {
            *wish = wish.clone().lasting(-400, -1)
        });
    }
    let found = world.rescue();
    for host in CONTROL_PLANES {
        assert_eq!(issued(&found, host), ["etcd-peer"]);
    }
    assert_eq!(
        stages(&found),
        ["files", "etcd", "api-servers", "controllers"],
        "what gave up for want of etcd is started anew"
    );
    assert_eq!(standing(&found, Area::Etcd), Standing::Broken);
    assert_eq!(standing(&found, Area::Workers), Standing::Works);
    let changed = mends(&world, &RescueRequest::default());
    let expected: Vec<String> = CONTROL_PLANES
        .iter()
        .flat_map(|host| {
            ["crt", "key"].map(|end| format!("{host}:/etc/kubernetes/pki/etcd/peer.{end}"))
        })
        .collect();
    assert_eq!(changed, expected);
}

#[test]
fn kubelets_that_are_locked_out_without_a_bootstrap_token() {
    let mut world = World::healthy();
    for host in HOSTS {
        world.kubelet_client(host, host, -400, -1);
        let machine = world.machine(host);
        machine
            .processes
            .retain(|process| !process.argv[0].ends_with("kubelet"));
    }
    let found = world.rescue();
    for host in HOSTS {
        assert_eq!(issued(&found, host), ["kubelet-client"]);
    }
    assert_eq!(
        stages(&found),
        ["files", "kubelets-of-static-pods", "workers"]
    );
    assert_eq!(actions(&found, "workers"), ["w1 kubelet", "w2 kubelet"]);
    assert_eq!(standing(&found, Area::Workers), Standing::Broken);
    assert_eq!(standing(&found, Area::ApiServers), Standing::Works);
    let changed = mends(&world, &RescueRequest::default());
    let changed: Vec<String> = changed.iter().map(|name| steady(name)).collect();
    assert_eq!(changed.len(), 10, "{changed:#?}");
    assert!(changed.iter().all(|name| name.contains("kubelet-client")));
}

#[test]
fn one_of_three_renewed_by_hand() {
    let days = 265 + 365;
    let mut world = World::healthy().later(days).down();
    for base in [
        "apiserver",
        "apiserver-kubelet-client",
        "apiserver-etcd-client",
        "front-proxy-client",
        "etcd/server",
        "etcd/peer",
        "etcd/healthcheck-client",
    ] {
        world.reissue("cp1", base, |wish| {
            *wish = wish.clone().lasting(days - 1, days + 364)
        });
    }
    let ca = &authorities().cluster;
    for (file, user, organizations) in [
        ("admin.conf", "kubernetes-admin", &["system:masters"][..]),
        (
            "controller-manager.conf",
            "system:kube-controller-manager",
            &[],
        ),
        ("scheduler.conf", "system:kube-scheduler", &[]),
    ] {
        let wish = Wish::new(user, CLIENT, &[])
            .of(organizations)
            .lasting(days - 1, days + 364);
        let pair = ca.issue(&wish);
        write_kubeconfig(world.machine("cp1"), file, user, &ca.pem(), &pair);
    }
    let found = world.rescue();
    assert_eq!(
        issued(&found, "cp1"),
        ["kubelet-client", "kubelet-server"],
        "what is renewed stays as it is"
    );
    for host in ["cp2", "cp3"] {
        assert_eq!(issued(&found, host), ALL);
    }
    let blamed: Vec<_> = troubles(&found)
        .into_iter()
        .filter(|(host, _, code)| host == "cp1" && code == "expired")
        .map(|(_, object, _)| object)
        .collect();
    assert_eq!(blamed, ["kubelet-client", "kubelet-server"]);
    let changed = mends(&world, &RescueRequest::default());
    assert!(
        !changed
            .iter()
            .any(|name| name.starts_with("cp1:/etc/kubernetes")),
        "{changed:#?}"
    );
}
