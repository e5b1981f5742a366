//! RKE 1: every component a docker container, `docker restart` the only way to restart one.

use anyhow::Result;
use kubepki_lab::Cache;

use crate::cluster::{Recipe, booted, comes_back, found_all, healthy};

const SSL: &str = "/etc/kubernetes/ssl";
const ADMIN: &str = "/etc/kubernetes/ssl/kubecfg-kube-admin.yaml";
const CONTROL_PLANE: &str = "docker start etcd kube-apiserver";
const REST: &str = "docker start kube-controller-manager kube-scheduler kubelet";

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_of_rke_1_comes_back_by_docker_restart() -> Result<()> {
    let (_lab, host, _) = booted("rke")?;
    host.install_docker(&Cache::open()?)?;
    let recipe = Recipe {
        host: &host,
        script: include_str!("rke.sh"),
        variables: Vec::new(),
        kubeconfig: ADMIN.to_owned(),
    };
    recipe.make(-1, 300)?;
    host.shell(CONTROL_PLANE)?;
    recipe.answered()?;
    // RKE binds its one node certificate to the role that Kubernetes binds nobody to.
    host.shell(&format!(
        "kubectl --kubeconfig {ADMIN} create clusterrolebinding system-node \
         --clusterrole=system:node --user=system:node"
    ))?;
    host.shell(REST)?;
    recipe.ready()?;
    let address = host.address().to_string().replace('.', "-");
    let file = |name: &str, role| (format!("{SSL}/{name}.pem"), role);
    let expected = [
        file("kube-apiserver", "apiserver-serving"),
        file(&format!("kube-etcd-{address}"), "etcd-server"),
        file("kube-node", "apiserver-etcd-client"),
        file("kube-apiserver-proxy-client", "front-proxy-client"),
        file("kube-controller-manager", "controller-manager"),
        file("kube-scheduler", "scheduler"),
        file("kube-proxy", "kube-proxy"),
        file("kube-admin", "admin"),
        (
            "/var/lib/kubelet/pki/kubelet.crt".to_owned(),
            "kubelet-serving",
        ),
    ];
    found_all(&host, "rke1", &expected)?;
    healthy(&host, ADMIN)?;

    host.shell(
        "docker stop --time 2 kubelet kube-scheduler kube-controller-manager kube-apiserver etcd",
    )?;
    recipe.make(-400, -30)?;
    host.shell(CONTROL_PLANE)?;
    host.shell(REST)?;
    let etcd = format!("{SSL}/kube-etcd-{address}.pem");
    let api_server = format!("{SSL}/kube-apiserver.pem");
    let served = [
        ("127.0.0.1:2379", etcd.as_str()),
        ("127.0.0.1:6443", api_server.as_str()),
    ];
    // All but the kubelet's own, which it has made a moment ago.
    comes_back(&recipe, expected.len() - 1, &served)
}
