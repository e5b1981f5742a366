//! RKE 1 on a mounted disk: docker's own files tell which containers there are, what they were started
//! with, and which host files lie behind their paths.

use crate::maker::{BOTH, Maker, assert_renews, assert_roles};
use crate::support::Tree;
use serde_json::{Value, json};

/// Where the containers see the certificates.
const SSL: &str = "/etc/kubernetes/ssl";

/// A host with all roles, its certificates in a folder of the host, its docker in another.
fn host(folder: &str, docker: &str) -> Tree {
    let maker = Maker::on(Tree::empty(), 30);
    let on_host = |name: &str| format!("{folder}/ssl/{name}");
    for ca in ["kube-ca", "kube-apiserver-requestheader-ca"] {
        maker.authority(
            ca,
            &format!("/CN={ca}"),
            &on_host(&format!("{ca}.pem")),
            Some(&on_host(&format!("{ca}-key.pem"))),
        );
    }
    let names = "DNS:kubernetes,DNS:localhost,IP:10.77.0.11,IP:127.0.0.1,IP:10.43.0.1";
    for (name, subject, names) in [
        ("kube-apiserver", "/CN=system:kube-apiserver", names),
        ("kube-etcd-10-77-0-11", "/CN=system:kube-etcd", names),
        ("kube-node", "/O=system:nodes/CN=system:node", ""),
        (
            "kube-controller-manager",
            "/CN=system:kube-controller-manager",
            "",
        ),
        ("kube-scheduler", "/CN=system:kube-scheduler", ""),
        ("kube-proxy", "/CN=system:kube-proxy", ""),
        ("kube-admin", "/O=system:masters/CN=kube-admin", ""),
    ] {
        maker.pem(&on_host(name), "kube-ca", subject, BOTH, names);
    }
    maker.pem(
        &on_host("kube-apiserver-proxy-client"),
        "kube-apiserver-requestheader-ca",
        "/CN=kube-apiserver-proxy-client",
        BOTH,
        "",
    );
    for name in ["node", "controller-manager", "scheduler", "proxy"] {
        maker.naming(
            &on_host(&format!("kubecfg-kube-{name}.yaml")),
            &format!("{SSL}/kube-ca.pem"),
            &format!("{SSL}/kube-{name}.pem"),
            &format!("{SSL}/kube-{name}-key.pem"),
        );
    }
    let container = |name: &str, program: &str, flags: &[(&str, &str)]| {
        let flags = flags
            .iter()
            .map(|(flag, file)| match file.contains(['.', '/']) {
                true => format!("--{flag}={SSL}/{file}"),
                false => format!("--{flag}={SSL}/{file}.pem"),
            });
        let entry = "/opt/rke-tools/entrypoint.sh".to_owned();
        let mut words = vec![entry, program.to_owned()];
        words.extend(flags);
        let file = json!({
            "Name": format!("/{name}"),
            "Path": words[0],
            "Args": words[1..],
            "State": {"Running": true, "Pid": 4711},
            "Config": {"Env": ["PATH=/usr/bin"], "Labels": {"io.rancher.rke.container.name": name}},
            "LogPath": format!("{docker}/containers/{name}/{name}-json.log"),
            "MountPoints": {"/etc/kubernetes": {
                "Source": folder, "Destination": "/etc/kubernetes", "RW": true, "Type": "bind",
            }},
        });
        maker.tree.write(
            format!("{docker}/containers/{name}0123/config.v2.json"),
            file.to_string(),
        );
    };
    let etcd = "kube-etcd-10-77-0-11";
    container(
        "etcd",
        "/usr/local/bin/etcd",
        &[
            ("cert-file", etcd),
            ("key-file", "kube-etcd-10-77-0-11-key"),
            ("peer-cert-file", etcd),
            ("peer-key-file", "kube-etcd-10-77-0-11-key"),
            ("trusted-ca-file", "kube-ca"),
            ("peer-trusted-ca-file", "kube-ca"),
        ],
    );
    container(
        "kube-apiserver",
        "kube-apiserver",
        &[
            ("client-ca-file", "kube-ca"),
            ("etcd-cafile", "kube-ca"),
            ("etcd-certfile", "kube-node"),
            ("etcd-keyfile", "kube-node-key"),
            ("kubelet-client-certificate", "kube-apiserver"),
            ("kubelet-client-key", "kube-apiserver-key"),
            ("proxy-client-cert-file", "kube-apiserver-proxy-client"),
            ("proxy-client-key-file", "kube-apiserver-proxy-client-key"),
            (
                "requestheader-client-ca-file",
                "kube-apiserver-requestheader-ca",
            ),
            ("tls-cert-file", "kube-apiserver"),
            ("tls-private-key-file", "kube-apiserver-key"),
        ],
    );
    for (name, more) in [
        ("kube-controller-manager", Some(("root-ca-file", "kube-ca"))),
        ("kube-scheduler", None),
        ("kube-proxy", None),
        ("kubelet", Some(("client-ca-file", "kube-ca"))),
    ] {
        let kubeconfig = match name {
            "kubelet" => "kubecfg-kube-node.yaml".to_owned(),
            _ => format!("kubecfg-{name}.yaml"),
        };
        let mut flags = vec![("kubeconfig", kubeconfig.as_str())];
        flags.extend(more);
        container(name, name, &flags);
    }
    // What the kubelet starts is the kubelet's, whatever it is called.
    let of_pod = json!({
        "Name": "/k8s_kube-proxy_x", "Path": "kube-proxy", "Args": ["--kubeconfig=/nowhere"],
        "Config": {"Labels": {"io.kubernetes.pod.name": "x"}},
    });
    maker.tree.write(
        format!("{docker}/containers/pod0123/config.v2.json"),
        of_pod.to_string(),
    );
    maker.made()
}

fn expected(folder: &str) -> Vec<(String, &'static str)> {
    [
        ("kube-apiserver", "apiserver-serving"),
        ("kube-etcd-10-77-0-11", "etcd-server"),
        ("kube-node", "apiserver-etcd-client"),
        ("kube-controller-manager", "controller-manager"),
        ("kube-scheduler", "scheduler"),
        ("kube-proxy", "kube-proxy"),
        ("kube-admin", "admin"),
        ("kube-apiserver-proxy-client", "front-proxy-client"),
    ]
    .map(|(name, role)| (format!("{folder}/ssl/{name}.pem"), role))
    .to_vec()
}

fn assert_found(tree: &Tree, folder: &str) {
    let expected = expected(folder);
    let expected: Vec<(&str, &str)> = expected
        .iter()
        .map(|(path, role)| (path.as_str(), *role))
        .collect();
    assert_roles(tree, "rke1", &expected);
}

#[test]
fn every_certificate_of_rke_1_is_found_and_renewed() {
    let tree = host("/etc/kubernetes", "/var/lib/docker");
    assert_found(&tree, "/etc/kubernetes");
    let authorities = tree.status()["certificateAuthorities"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(authorities, 2);
    assert_renews(&tree);
}

#[test]
fn containers_are_restarted_by_docker() {
    let tree = host("/etc/kubernetes", "/var/lib/docker");
    let file = tree.scratch().join("plan.json");
    tree.kubepki(&["renew", "all", "--plan-out", file.to_str().unwrap()])
        .expect(0);
    let plan: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut containers: Vec<&str> = plan["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["runsAs"]["container"].as_str().unwrap())
        .collect();
    containers.sort_unstable();
    assert_eq!(
        containers,
        [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubelet"
        ]
    );
}

#[test]
fn paths_in_containers_are_the_hosts_and_docker_may_lie_elsewhere() {
    let tree = host("/srv/rke", "/data/docker");
    tree.write(
        "/etc/docker/daemon.json",
        "{\"data-root\": \"/data/docker\"}",
    );
    // Also those in kubeconfigs, which are as the container sees them.
    assert_found(&tree, "/srv/rke");
    assert_renews(&tree);
}
