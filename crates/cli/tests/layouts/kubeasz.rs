//! kubeasz: units, one CA, `*.kubeconfig` in `/etc/kubernetes`; etcd's certificate in
//! `/etc/kubernetes/ssl` or, formerly, `/etc/etcd/ssl`. The CA's key is on the deploy host, and on the
//! masters as the controller manager signs with it.

use crate::maker::{BOTH, Maker, assert_roles};
use crate::support::Tree;

const SSL: &str = "/etc/kubernetes/ssl";

pub fn master() -> Tree {
    let maker = Maker::on(Tree::empty(), 30);
    let ssl = |name: &str| format!("{SSL}/{name}");
    let ca = "/C=CN/ST=HangZhou/L=XS/O=k8s/OU=System/CN=kubernetes-ca";
    maker.authority("ca", ca, &ssl("ca.pem"), Some(&ssl("ca-key.pem")));
    let names = "IP:127.0.0.1,IP:10.68.0.1,DNS:kubernetes,DNS:kubernetes.default.svc";
    maker.pem(&ssl("etcd"), "ca", "/O=k8s/CN=etcd", BOTH, "IP:127.0.0.1");
    maker.pem(
        &ssl("kubernetes"),
        "ca",
        "/O=k8s/CN=kubernetes",
        BOTH,
        names,
    );
    maker.pem(
        &ssl("aggregator-proxy"),
        "ca",
        "/O=k8s/CN=aggregator",
        BOTH,
        "",
    );
    maker.pem(
        &ssl("cp1-kubelet"),
        "ca",
        "/O=system:nodes/CN=system:node:cp1",
        BOTH,
        "DNS:cp1",
    );
    maker
        .tree
        .rename(ssl("cp1-kubelet.pem"), ssl("kubelet.pem"));
    maker
        .tree
        .rename(ssl("cp1-kubelet-key.pem"), ssl("kubelet-key.pem"));
    for (name, subject) in [
        (
            "kube-controller-manager",
            "/CN=system:kube-controller-manager",
        ),
        ("kube-scheduler", "/CN=system:kube-scheduler"),
        ("kube-proxy", "/CN=system:kube-proxy"),
        ("kubelet-client", "/O=system:nodes/CN=system:node:cp1"),
        ("admin", "/O=system:masters/CN=admin"),
    ] {
        let made = format!("/made/{name}");
        maker.pem(&made, "ca", subject, "clientAuth", "");
        let path = match name {
            "kubelet-client" => "/etc/kubernetes/kubelet.kubeconfig".to_owned(),
            "admin" => "/root/.kube/config".to_owned(),
            _ => format!("/etc/kubernetes/{name}.kubeconfig"),
        };
        maker.embedding(
            &path,
            &ssl("ca.pem"),
            &format!("{made}.pem"),
            &format!("{made}-key.pem"),
        );
    }
    let flag = |name: &str, file: &str| format!("--{name}={SSL}/{file}.pem");
    let unit = |name: &str, flags: &[(&str, &str)], more: &[&str]| {
        let mut flags: Vec<String> = flags.iter().map(|(name, file)| flag(name, file)).collect();
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        maker.unit(name, &flags.iter().map(String::as_str).collect::<Vec<_>>());
    };
    unit(
        "etcd",
        &[
            ("cert-file", "etcd"),
            ("key-file", "etcd-key"),
            ("peer-cert-file", "etcd"),
            ("peer-key-file", "etcd-key"),
            ("trusted-ca-file", "ca"),
            ("peer-trusted-ca-file", "ca"),
        ],
        &["--listen-client-urls=https://10.77.0.11:2379,http://127.0.0.1:2379"],
    );
    unit(
        "kube-apiserver",
        &[
            ("client-ca-file", "ca"),
            ("etcd-cafile", "ca"),
            ("etcd-certfile", "kubernetes"),
            ("etcd-keyfile", "kubernetes-key"),
            ("kubelet-certificate-authority", "ca"),
            ("kubelet-client-certificate", "kubernetes"),
            ("kubelet-client-key", "kubernetes-key"),
            ("service-account-signing-key-file", "ca-key"),
            ("service-account-key-file", "ca"),
            ("tls-cert-file", "kubernetes"),
            ("tls-private-key-file", "kubernetes-key"),
            ("requestheader-client-ca-file", "ca"),
            ("proxy-client-cert-file", "aggregator-proxy"),
            ("proxy-client-key-file", "aggregator-proxy-key"),
        ],
        &[],
    );
    unit(
        "kube-controller-manager",
        &[
            ("cluster-signing-cert-file", "ca"),
            ("cluster-signing-key-file", "ca-key"),
            ("root-ca-file", "ca"),
            ("service-account-private-key-file", "ca-key"),
        ],
        &["--kubeconfig=/etc/kubernetes/kube-controller-manager.kubeconfig"],
    );
    unit(
        "kube-scheduler",
        &[],
        &["--kubeconfig=/etc/kubernetes/kube-scheduler.kubeconfig"],
    );
    unit(
        "kubelet",
        &[],
        &[
            "--config=/var/lib/kubelet/config.yaml",
            "--kubeconfig=/etc/kubernetes/kubelet.kubeconfig",
        ],
    );
    unit(
        "kube-proxy",
        &[],
        &["--config=/var/lib/kube-proxy/kube-proxy-config.yaml"],
    );
    maker.tree.write("/var/lib/kubelet/config.yaml", format!("kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  x509:\n    clientCAFile: {SSL}/ca.pem\ntlsCertFile: {SSL}/kubelet.pem\ntlsPrivateKeyFile: {SSL}/kubelet-key.pem\n"));
    maker.tree.write("/var/lib/kube-proxy/kube-proxy-config.yaml", "kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nclientConnection:\n  kubeconfig: /etc/kubernetes/kube-proxy.kubeconfig\n");
    maker.made()
}

const EXPECTED: &[(&str, &str)] = &[
    ("/etc/kubernetes/ssl/etcd.pem", "etcd-server"),
    ("/etc/kubernetes/ssl/kubernetes.pem", "apiserver-serving"),
    (
        "/etc/kubernetes/ssl/aggregator-proxy.pem",
        "front-proxy-client",
    ),
    ("/etc/kubernetes/ssl/kubelet.pem", "kubelet-serving"),
    (
        "/etc/kubernetes/kube-controller-manager.kubeconfig",
        "controller-manager",
    ),
    ("/etc/kubernetes/kube-scheduler.kubeconfig", "scheduler"),
    ("/etc/kubernetes/kube-proxy.kubeconfig", "kube-proxy"),
    ("/etc/kubernetes/kubelet.kubeconfig", "kubelet-client"),
];

#[test]
fn every_certificate_of_kubeasz_is_found_and_renewed() {
    let tree = master();
    assert_roles(&tree, "kubeasz", EXPECTED);
    assert_eq!(
        tree.status()["certificateAuthorities"][0]["keyPath"],
        "/etc/kubernetes/ssl/ca-key.pem"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    for name in ["etcd", "kubernetes", "aggregator-proxy", "kubelet"] {
        let certificate = format!("{SSL}/{name}.pem");
        tree.assert_pair(&certificate, &format!("{SSL}/{name}-key.pem"));
        tree.assert_signed(&certificate, &format!("{SSL}/ca.pem"));
    }
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn without_the_cas_key_requests_are_written_for_the_deploy_host() {
    // Where the controller manager does not sign, kubeasz's masters need not have the key.
    let tree = master();
    tree.rename("/etc/kubernetes/ssl/ca-key.pem", "/elsewhere/ca-key.pem");
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(run.stderr.contains("--csr-dir"), "{run}");
    let requests = "/root/requests";
    tree.kubepki(&["renew", "all", "--csr-dir", requests, "--yes"])
        .expect(0);
    assert!(
        tree.list(requests).len() >= 2 * EXPECTED.len(),
        "{:?}",
        tree.list(requests)
    );
}
