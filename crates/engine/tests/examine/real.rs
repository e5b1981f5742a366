//! A real etcd, kube-apiserver and kube-scheduler, examined over the wire (integration tier).

use crate::control_plane::{Control, argv, free_ports, word};
use crate::pki::{BOTH, CLIENT, authority, leaf};
use kubepki_core::connections::{ConnectionKind, derive};
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::ComponentKind;
use std::rc::Rc;
use std::time::Instant;

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_control_plane_tells_who_is_believed() {
    let mut control = Control::start();
    let (client, peer, api) = (control.client, control.peer, control.api);
    let pki = Rc::clone(&control.pki);
    let namesake = authority("kubernetes");
    let stranger = leaf(&pki.ca, "stranger", BOTH, &[]);
    let elsewhere = leaf(&pki.etcd_ca, "etcd-2", BOTH, &["IP:192.0.2.7"]);
    let foreign = leaf(&namesake, "kubernetes-admin@system:masters", CLIENT, &[]);
    let nobody = leaf(&pki.ca, "nobody", CLIENT, &[]);
    let etcd = |made, bundle, name| {
        (
            ConnectionKind::ApiserverToEtcd,
            made,
            bundle,
            (client, name),
        )
    };
    let peers = |made| {
        (
            ConnectionKind::EtcdPeer,
            Some(made),
            &pki.etcd_ca,
            (peer, "127.0.0.1"),
        )
    };
    let kubectl = |made, bundle, name| {
        let kind = ConnectionKind::KubeconfigToApiserver;
        (kind, made, bundle, (api, name))
    };
    let (local, etcd_client, admin) = ("127.0.0.1", Some(&pki.etcd_client), Some(&pki.admin));
    for (id, (kind, made, bundle, to)) in [
        ("etcd-right", etcd(etcd_client, &pki.etcd_ca, local)),
        ("etcd-stranger", etcd(Some(&stranger), &pki.etcd_ca, local)),
        ("etcd-nobody", etcd(None, &pki.etcd_ca, local)),
        ("etcd-other-bundle", etcd(etcd_client, &pki.ca, local)),
        (
            "etcd-other-name",
            etcd(etcd_client, &pki.etcd_ca, "etcd.example"),
        ),
        ("peer-right", peers(&pki.etcd_member)),
        ("peer-stranger", peers(&stranger)),
        ("peer-elsewhere", peers(&elsewhere)),
        ("api-right", kubectl(admin, &pki.ca, local)),
        ("api-foreign", kubectl(Some(&foreign), &pki.ca, local)),
        ("api-unprivileged", kubectl(Some(&nobody), &pki.ca, local)),
        ("api-anonymous", kubectl(None, &pki.ca, "kubernetes")),
        ("api-other-bundle", kubectl(admin, &namesake, local)),
        ("api-other-name", kubectl(admin, &pki.ca, "10.0.0.1")),
    ] {
        control.connection(id, kind, made, bundle, to);
    }

    let started = Instant::now();
    let live = control.examine();
    let took = started.elapsed();

    for (id, expected) in [
        ("etcd-right", "accepted 200"),
        ("etcd-stranger", "client refused: "),
        ("etcd-nobody", "client refused: "),
        ("etcd-other-bundle", "server refused: "),
        ("etcd-other-name", "server refused: "),
        ("peer-right", "accepted "),
        ("peer-stranger", "client refused: "),
        ("peer-elsewhere", "client refused: "),
        ("api-right", "accepted 200"),
        ("api-foreign", "client refused: answers HTTP 401"),
        ("api-unprivileged", "accepted 200"),
        ("api-anonymous", "accepted 0"),
        ("api-other-bundle", "server refused: "),
        ("api-other-name", "server refused: "),
    ] {
        let found = word(&live, id);
        assert!(found.starts_with(expected), "{id}: {found}");
        eprintln!("{id}: {found}");
    }

    let served: Vec<_> = live
        .served
        .iter()
        .map(|fact| {
            let chain = &fact.outcome.as_ref().unwrap().chain;
            (fact.port, fact.server_name.as_deref(), chain[0].clone())
        })
        .collect();
    assert_eq!(
        served,
        [
            (client, None, pki.etcd_member.certificate.clone()),
            (peer, None, pki.etcd_member.certificate.clone()),
            (api, None, pki.serving.certificate.clone()),
            (api, Some("api.example"), pki.by_name.certificate.clone()),
        ]
    );

    let counted = live.metrics.iter().find(|fact| {
        fact.name == "apiserver_client_certificate_expiration_seconds_count"
            && fact.component == ComponentKind::KubeApiserver
    });
    assert!(counted.unwrap().value >= 1.0, "{:?}", live.metrics);
    let buckets = live
        .metrics
        .iter()
        .filter(|fact| fact.labels.starts_with("le="));
    assert!(buckets.count() > 5);

    let clocks: Vec<_> = live
        .clocks
        .iter()
        .map(|fact| (fact.server.clone(), fact.ahead_seconds))
        .collect();
    for port in [client, peer, api] {
        assert!(
            clocks.contains(&(format!("127.0.0.1:{port}"), 0)),
            "{clocks:?}"
        );
    }
    own_connections(&mut control);
    eprintln!(
        "asked {} endpoints and tried {} connections in {took:?}",
        live.served.len(),
        live.attempts.len()
    );
}

/// The same components, and the connections that are derived from their flags.
fn own_connections(control: &mut Control) {
    let hosts = [HostEvidence {
        inventory: control.scene.inventory.clone(),
        live: None,
    }];
    let (graph, material) = derive(&Evidence {
        hosts: &hosts,
        cluster: None,
    });
    control.scene.graph = graph;
    control.scene.options.material = Some(material);
    let live = control.examine();
    for id in [
        "kube-apiserver->etcd",
        "etcd gateway->etcd",
        "etcd@cp1->etcd@cp1",
    ] {
        assert_eq!(word(&live, id), "accepted 200", "{id}");
    }
}

/// The ports of the controller manager and the scheduler ask the API whom to believe; both are made of
/// the same parts.
#[test]
#[ignore = "needs etcd, kube-apiserver and kube-scheduler: cargo xtask test --tier integration"]
fn a_real_scheduler_tells_who_is_believed_and_what_it_serves_from_memory() {
    let mut control = Control::start();
    let pki = Rc::clone(&control.pki);
    let [port] = free_ports();
    let folder = control.path("");
    let folder = folder.display();
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
         clusters: [{{name: x, cluster: {{server: 'https://127.0.0.1:{}', \
         certificate-authority: ca.crt}}}}]\n\
         users: [{{name: x, user: {{client-certificate: admin.crt, client-key: admin.key}}}}]\n",
        control.api
    );
    control.write("scheduler.conf", &kubeconfig);
    let scheduler = argv(&format!(
        "kube-scheduler --kubeconfig={folder}/scheduler.conf --bind-address=127.0.0.1 \
         --authentication-kubeconfig={folder}/scheduler.conf --port=0 --secure-port={port} \
         --authorization-kubeconfig={folder}/scheduler.conf --leader-elect=false"
    ));
    control.run(&scheduler);
    // Health is told to anybody; metrics only to those whom the API knows.
    control.until_ready(port, "/metrics", "kube-scheduler");

    let stranger = leaf(
        &authority("kubernetes"),
        "admin@system:masters",
        CLIENT,
        &[],
    );
    for (id, made) in [("right", &pki.admin), ("stranger", &stranger)] {
        let to = (port, "localhost");
        control.connection(id, ConnectionKind::ComponentPort, Some(made), &pki.ca, to);
    }
    // Its certificate is its own work, which nobody can believe.
    for connection in &mut control.scene.graph.connections {
        connection.client_trusts = None;
    }
    let live = control.examine();
    assert_eq!(word(&live, "right"), "accepted 200");
    assert_eq!(
        word(&live, "stranger"),
        "client refused: answers HTTP 401 (Unauthorized)"
    );
    let served = live.served.iter().find(|fact| fact.port == port).unwrap();
    let chain = &served.outcome.as_ref().unwrap().chain;
    assert_eq!(served.component, Some(ComponentKind::KubeScheduler));
    assert!(
        chain[0].subject().to_string().contains("localhost"),
        "{}",
        chain[0].subject()
    );
    let counted = live.metrics.iter().any(|fact| {
        fact.component == ComponentKind::KubeScheduler
            && fact.name == "apiserver_client_certificate_expiration_seconds_count"
            && fact.value >= 1.0
    });
    assert!(counted, "{:?}", live.metrics);
}
