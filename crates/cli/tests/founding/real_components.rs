//! Kubernetes' own programs on what `kubepki init` makes.

use super::components::{Running, free_port, program};
use super::support::{HOST, Workplace, documents};
use std::process::{Command, Output};

/// The example of a declared layout, with API servers at `port` of this machine.
fn layout(port: u16) -> String {
    let example = documents().join("examples/hand-made-layout.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let here = format!("https://127.0.0.1:{port}");
    text.replace("https://api.example.com:6443", &here)
        .replace("https://127.0.0.1:6443", &here)
}

fn flags(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|flag| format!("--{flag}"))
        .collect()
}

fn etcd(client: u16, peer: u16) -> Vec<String> {
    flags(&format!(
        "name=etcd-1 data-dir=etcd-data initial-cluster-token=test \
         listen-client-urls=https://127.0.0.1:{client} \
         advertise-client-urls=https://127.0.0.1:{client} \
         listen-peer-urls=https://127.0.0.1:{peer} \
         initial-advertise-peer-urls=https://127.0.0.1:{peer} \
         initial-cluster=etcd-1=https://127.0.0.1:{peer} \
         cert-file=pki/etcd-1.pem key-file=pki/etcd-1-key.pem \
         trusted-ca-file=pki/etcd-ca.pem client-cert-auth=true \
         peer-cert-file=pki/etcd-1.pem peer-key-file=pki/etcd-1-key.pem \
         peer-trusted-ca-file=pki/etcd-ca.pem peer-client-cert-auth=true"
    ))
}

fn apiserver(port: u16, etcd: u16) -> Vec<String> {
    flags(&format!(
        "bind-address=127.0.0.1 secure-port={port} advertise-address=127.0.0.1 \
         endpoint-reconciler-type=none service-cluster-ip-range=10.32.0.0/24 \
         authorization-mode=Node,RBAC cert-dir=apiserver-made \
         etcd-servers=https://127.0.0.1:{etcd} etcd-cafile=pki/etcd-ca.pem \
         etcd-certfile=pki/kube-apiserver-etcd-client.pem \
         etcd-keyfile=pki/kube-apiserver-etcd-client-key.pem \
         client-ca-file=pki/ca.pem tls-cert-file=pki/kube-apiserver.pem \
         tls-private-key-file=pki/kube-apiserver-key.pem \
         kubelet-client-certificate=pki/kube-apiserver-kubelet-client.pem \
         kubelet-client-key=pki/kube-apiserver-kubelet-client-key.pem \
         proxy-client-cert-file=pki/front-proxy-client.pem \
         proxy-client-key-file=pki/front-proxy-client-key.pem \
         requestheader-client-ca-file=pki/front-proxy-ca.pem \
         requestheader-allowed-names=front-proxy-client \
         requestheader-username-headers=X-Remote-User requestheader-group-headers=X-Remote-Group \
         requestheader-extra-headers-prefix=X-Remote-Extra- \
         service-account-key-file=pki/service-account.pem \
         service-account-signing-key-file=pki/service-account-key.pem \
         service-account-issuer=https://kubernetes.default.svc"
    ))
}

fn controller_manager(port: u16) -> Vec<String> {
    let kubeconfig = "kube-controller-manager.kubeconfig";
    flags(&format!(
        "bind-address=127.0.0.1 secure-port={port} port=0 leader-elect=false \
         kubeconfig={kubeconfig} authentication-kubeconfig={kubeconfig} \
         authorization-kubeconfig={kubeconfig} use-service-account-credentials=true \
         tls-cert-file=pki/kube-controller-manager.pem \
         tls-private-key-file=pki/kube-controller-manager-key.pem \
         client-ca-file=pki/ca.pem requestheader-client-ca-file=pki/front-proxy-ca.pem \
         root-ca-file=pki/ca.pem cluster-signing-cert-file=pki/ca.pem \
         cluster-signing-key-file=pki/ca-key.pem \
         service-account-private-key-file=pki/service-account-key.pem"
    ))
}

fn kubectl(here: &Workplace, kubeconfig: &str, words: &str) -> Output {
    Command::new(program("kubectl"))
        .args(["--kubeconfig", kubeconfig, "--request-timeout=5s"])
        .args(words.split_whitespace())
        .current_dir(here.path(""))
        .env("HOME", here.path(""))
        .output()
        .unwrap()
}

fn answers(here: &Workplace, kubeconfig: &str, words: &str, expected: &str) -> bool {
    let output = kubectl(here, kubeconfig, words);
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains(expected)
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_hand_made_control_plane_runs_on_a_declared_layout() {
    let here = Workplace::new();
    let [client, peer, api, manager] = [(); 4].map(|()| free_port());
    here.write("layout.yaml", layout(api));
    let made = here.kubepki(&[
        "init",
        "--yes",
        "--layout",
        "layout.yaml",
        "--cert-dir",
        "pki",
    ]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let folder = here.path("");

    let mut etcd = Running::start("etcd", &folder, &etcd(client, peer));
    let mut apiserver = Running::start("kube-apiserver", &folder, &apiserver(api, client));
    let admin = "admin.kubeconfig";
    apiserver.until("/readyz", || {
        answers(&here, admin, "get --raw /readyz", "ok")
    });
    etcd.until("etcd", || {
        answers(&here, admin, "get --raw /healthz/etcd", "ok")
    });

    let flags = controller_manager(manager);
    let mut manager_runs = Running::start("kube-controller-manager", &folder, &flags);
    // It works as itself: nobody else makes the service account, or its token, which takes the
    // service-account key and the CA bundle.
    manager_runs.until("a service account", || {
        answers(
            &here,
            admin,
            "get serviceaccount default --output=name",
            "serviceaccount/default",
        )
    });
    manager_runs.until("a token", || {
        answers(
            &here,
            admin,
            "get secrets --output=name",
            "secret/default-token-",
        )
    });
    let connect = format!("127.0.0.1:{manager}");
    let verified = here.try_openssl(&[
        "s_client",
        "-connect",
        &connect,
        "-CAfile",
        "pki/ca.pem",
        "-verify_return_error",
        "-verify_hostname",
        "kube-controller-manager",
    ]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);

    // A user made afterwards gets in, and may do what RBAC says: nothing yet.
    let words = [
        "kubeconfig",
        "--user",
        "jane",
        "--group",
        "developers",
        "--server",
        &format!("https://127.0.0.1:{api}"),
        "--ca-dir",
        "kubeadm-names",
        "--out",
        "jane.conf",
    ];
    here.write("kubeadm-names/ca.crt", here.text("pki/ca.pem"));
    here.write("kubeadm-names/ca.key", here.text("pki/ca-key.pem"));
    let made = here.kubepki(&words);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let refused = kubectl(&here, "jane.conf", "get nodes");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("User \"jane\" cannot list resource"),
        "{words}"
    );
}

/// Go's opinion of every kind of key: etcd and kube-apiserver serve with it, ask with it, and each
/// lets the other in.
#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn etcd_and_the_api_server_accept_every_type_of_key() {
    for key_type in [
        "rsa:3072",
        "rsa:4096",
        "ecdsa:p256",
        "ecdsa:p384",
        "ed25519",
    ] {
        let here = Workplace::new();
        let [client, peer, api] = [(); 3].map(|()| free_port());
        here.write("layout.yaml", layout(api));
        let words = [
            "init",
            "--yes",
            "--layout",
            "layout.yaml",
            "--cert-dir",
            "pki",
            "--key-type",
            key_type,
        ];
        let made = here.kubepki(&words);
        assert_eq!(made.code, 0, "{key_type}: {}", made.stderr);
        let text = here.openssl(&["x509", "-in", "pki/kube-apiserver.pem", "-noout", "-text"]);
        let kind = if key_type.starts_with("rsa") {
            "rsaEncryption"
        } else if key_type == "ed25519" {
            "ED25519"
        } else {
            "id-ecPublicKey"
        };
        assert!(text.contains(kind), "{key_type}: {text}");
        let folder = here.path("");
        let mut etcd = Running::start("etcd", &folder, &etcd(client, peer));
        let mut apiserver = Running::start("kube-apiserver", &folder, &apiserver(api, client));
        let admin = "admin.kubeconfig";
        apiserver.until("/readyz", || {
            answers(&here, admin, "get --raw /readyz", "ok")
        });
        etcd.until("etcd", || {
            answers(&here, admin, "get --raw /healthz/etcd", "ok")
        });
    }
}

#[test]
#[ignore = "needs kubeadm: cargo xtask test --tier integration"]
fn kubeadm_takes_all_of_it_as_it_is() {
    for key_type in ["rsa:2048", "ecdsa:p256"] {
        let here = Workplace::new();
        here.ca("corp", None, "3000");
        // Once with CAs of its own, once with CAs below another.
        let above: &[&str] = match key_type {
            "rsa:2048" => &[],
            _ => &["--ca-cert", "corp.crt", "--ca-key", "corp.key"],
        };
        let cluster = [
            "--kubernetes-version",
            "v1.20.2",
            "--control-plane-endpoint",
            "lb.example.com:6443",
            "--key-type",
            key_type,
        ];
        here.made(&[&cluster[..], above].concat());
        let before = here.files("");
        let folder = here.path("").display().to_string();
        here.write(
            "configuration/kubeadm.yaml",
            format!(
                "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n\
                 localAPIEndpoint: {{advertiseAddress: {}}}\nnodeRegistration: {{name: {}}}\n\
                 ---\napiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n\
                 kubernetesVersion: v1.20.2\ncontrolPlaneEndpoint: lb.example.com:6443\n\
                 certificatesDir: {folder}/pki\n",
                HOST[3], HOST[1],
            ),
        );
        let kubeadm = |words: &str| {
            let output = Command::new(program("kubeadm"))
                .args(words.split_whitespace())
                .args(["--config", "configuration/kubeadm.yaml"])
                .current_dir(&folder)
                .output()
                .unwrap();
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "kubeadm {words}: {stdout}{stderr}");
            stdout
        };
        let certificates = kubeadm("init phase certs all");
        assert_eq!(
            certificates.matches("Using existing ").count(),
            10,
            "{certificates}"
        );
        assert!(
            certificates.contains("Using the existing \"sa\" key"),
            "{certificates}"
        );
        let kubeconfigs = kubeadm(&format!(
            "init phase kubeconfig all --kubeconfig-dir {folder}"
        ));
        assert_eq!(
            kubeconfigs
                .matches("Using existing kubeconfig file")
                .count(),
            4,
            "{kubeconfigs}"
        );
        let mut after = here.files("");
        after.remove("configuration/kubeadm.yaml");
        assert_eq!(after, before, "kubeadm changed something");
    }
}
