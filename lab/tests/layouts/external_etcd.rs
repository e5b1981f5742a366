//! kubeadm with an etcd that is not kubeadm's, on the same host.

use anyhow::Result;
use kubepki_lab::Shape;

use crate::cluster::{Recipe, booted, comes_back, found_all, healthy};

const PKI: &str = "/etc/kubernetes/pki";

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn kubeadm_with_an_external_etcd_comes_back() -> Result<()> {
    let (lab, host, layers) = booted("cp1")?;
    let recipe = Recipe {
        host: &host,
        script: include_str!("external_etcd.sh"),
        variables: Vec::new(),
        kubeconfig: "/etc/kubernetes/admin.conf".to_owned(),
    };
    recipe.make(-1, 300)?;
    host.shell("systemctl start etcd")?;
    let external = format!(
        "\netcd:\n  external:\n    endpoints: [\"https://{}:2379\"]\n    caFile: {PKI}/etcd/ca.crt\n    \
         certFile: {PKI}/apiserver-etcd-client.crt\n    keyFile: {PKI}/apiserver-etcd-client.key",
        host.address()
    );
    let sans = "apiServer: {certSANs: [lb.lab.internal]}";
    let configuration = lab
        .kubeadm_configuration(&host, &Shape::new(1, 0), &layers.version)?
        .replace(&lab.endpoint()?, &format!("{}:6443", host.address()))
        .replace(sans, &format!("{sans}{external}"));
    std::fs::write(host.path("/root/kubeadm.yaml"), configuration)?;
    host.shell(
        "systemctl start kubelet
         kubeadm init --config /root/kubeadm.yaml --skip-phases=preflight,addon \
         --ignore-preflight-errors=all >/root/init.log 2>&1",
    )?;
    recipe.ready()?;
    let file = |name: &str, role| (format!("{PKI}/{name}.crt"), role);
    let conf = |name: &str, role| (format!("/etc/kubernetes/{name}.conf"), role);
    let own = |path: &str, role| (path.to_owned(), role);
    let expected = [
        own("/etc/etcd/ssl/server.pem", "etcd-server"),
        own("/etc/etcd/ssl/peer.pem", "etcd-peer"),
        file("apiserver", "apiserver-serving"),
        file("apiserver-etcd-client", "apiserver-etcd-client"),
        file("apiserver-kubelet-client", "apiserver-kubelet-client"),
        file("front-proxy-client", "front-proxy-client"),
        conf("admin", "admin"),
        conf("controller-manager", "controller-manager"),
        conf("scheduler", "scheduler"),
        own(
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
            "kubelet-client",
        ),
        own("/var/lib/kubelet/pki/kubelet.crt", "kubelet-serving"),
    ];
    found_all(&host, "kubeadm-external-etcd", &expected)?;
    healthy(&host, &recipe.kubeconfig)?;

    // The lab ages what it has the authority's key of where kubeadm would have it.
    host.shell(&format!("cp /etc/etcd/ssl/ca-key.pem {PKI}/etcd/ca.key"))?;
    host.age(30)?;
    host.shell(&format!("rm {PKI}/etcd/ca.key; systemctl stop etcd"))?;
    recipe.make(-400, -30)?;
    host.shell("systemctl start --no-block etcd")?;
    let served = [
        ("127.0.0.1:2379", "/etc/etcd/ssl/server.pem"),
        ("127.0.0.1:6443", "/etc/kubernetes/pki/apiserver.crt"),
    ];
    comes_back(&recipe, expected.len(), &served)
}
