//! Control planes made by hand: units instead of static pods, `X.pem` and `X-key.pem`, one CA for
//! everything, one certificate for several servers.
//! <https://github.com/kelseyhightower/kubernetes-the-hard-way>

use crate::moved::assert_whole;
use crate::support::{Issue, KeyKind, Tree, base64};
use serde_json::Value;

/// A control plane made by hand: units, one CA for everything, `X.pem` and `X-key.pem`.
fn by_hand() -> Tree {
    let tree = Tree::empty();
    let authority = Tree::kubeadm().authority("/C=US/O=Kubernetes/OU=CA/CN=Kubernetes");
    tree.issue("/made/ca", &authority);
    let ssl = "/var/lib/kubernetes";
    tree.copy("/made/ca.crt", format!("{ssl}/ca.pem"));
    tree.copy("/made/ca.key", format!("{ssl}/ca-key.pem"));
    let leaf = |name: &str, subject: &str, names: &str| {
        let names = match names {
            "" => String::new(),
            names => format!("\nsubjectAltName={names}"),
        };
        let extensions = format!(
            "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid{names}"
        );
        let issue = Issue {
            subject,
            by: Some("/made/ca"),
            extensions: &extensions,
            key: KeyKind::EcPkcs8,
            ..Issue::default()
        };
        tree.issue_into(
            &format!("{ssl}/{name}.pem"),
            &format!("{ssl}/{name}-key.pem"),
            &issue,
        );
    };
    leaf(
        "kubernetes",
        "/C=US/O=Kubernetes/CN=kubernetes",
        "DNS:cp1,DNS:kubernetes.default,IP:10.32.0.1,IP:127.0.0.1",
    );
    leaf("service-account", "/CN=service-accounts", "");
    leaf("admin", "/O=system:masters/CN=admin", "");
    leaf(
        "kube-scheduler",
        "/O=system:kube-scheduler/CN=system:kube-scheduler",
        "",
    );
    leaf(
        "kube-controller-manager",
        "/O=system:kube-controller-manager/CN=system:kube-controller-manager",
        "",
    );
    leaf("cp1", "/O=system:nodes/CN=system:node:cp1", "DNS:cp1");
    leaf(
        "kube-proxy",
        "/O=system:node-proxier/CN=system:kube-proxy",
        "",
    );
    let unit = |name: &str, flags: &str| {
        let flags = flags.split_whitespace().collect::<Vec<_>>().join(" \\\n  ");
        tree.write(
            format!("/etc/systemd/system/{name}.service"),
            format!("[Unit]\nDescription={name}\n[Service]\nExecStart=/usr/local/bin/{name} \\\n  {flags}\nRestart=on-failure\n"),
        );
    };
    unit(
        "etcd",
        &format!(
            "--name cp1 --cert-file={ssl}/kubernetes.pem --key-file={ssl}/kubernetes-key.pem --peer-cert-file={ssl}/kubernetes.pem --peer-key-file={ssl}/kubernetes-key.pem --trusted-ca-file={ssl}/ca.pem --peer-trusted-ca-file={ssl}/ca.pem --client-cert-auth"
        ),
    );
    unit(
        "kube-apiserver",
        &format!(
            "--client-ca-file={ssl}/ca.pem --etcd-cafile={ssl}/ca.pem --etcd-certfile={ssl}/kubernetes.pem --etcd-keyfile={ssl}/kubernetes-key.pem --kubelet-certificate-authority={ssl}/ca.pem --kubelet-client-certificate={ssl}/kubernetes.pem --kubelet-client-key={ssl}/kubernetes-key.pem --service-account-key-file={ssl}/service-account.pem --service-account-signing-key-file={ssl}/service-account-key.pem --tls-cert-file={ssl}/kubernetes.pem --tls-private-key-file={ssl}/kubernetes-key.pem"
        ),
    );
    unit(
        "kube-controller-manager",
        &format!(
            "--cluster-signing-cert-file={ssl}/ca.pem --cluster-signing-key-file={ssl}/ca-key.pem --kubeconfig={ssl}/kube-controller-manager.kubeconfig --root-ca-file={ssl}/ca.pem --service-account-private-key-file={ssl}/service-account-key.pem"
        ),
    );
    unit(
        "kube-scheduler",
        "--config=/etc/kubernetes/config/kube-scheduler.yaml",
    );
    unit(
        "kubelet",
        "--config=/var/lib/kubelet/kubelet-config.yaml --kubeconfig=/var/lib/kubelet/kubeconfig",
    );
    unit(
        "kube-proxy",
        "--config=/var/lib/kube-proxy/kube-proxy-config.yaml",
    );
    let kubeconfig = |path: &str, name: &str, embedded: bool| {
        let ca = base64(tree.read(format!("{ssl}/ca.pem")));
        let user = if embedded {
            let [crt, key] =
                ["", "-key"].map(|end| base64(tree.read(format!("{ssl}/{name}{end}.pem"))));
            format!("client-certificate-data: {crt}\n    client-key-data: {key}")
        } else {
            format!("client-certificate: {ssl}/{name}.pem\n    client-key: {ssl}/{name}-key.pem")
        };
        tree.write_with_mode(path, format!("apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: https://127.0.0.1:6443\n  name: the-hard-way\ncontexts:\n- context:\n    cluster: the-hard-way\n    user: {name}\n  name: default\ncurrent-context: default\nusers:\n- name: {name}\n  user:\n    {user}\n"), 0o600);
    };
    kubeconfig(
        &format!("{ssl}/kube-controller-manager.kubeconfig"),
        "kube-controller-manager",
        true,
    );
    kubeconfig(
        &format!("{ssl}/kube-scheduler.kubeconfig"),
        "kube-scheduler",
        true,
    );
    kubeconfig("/var/lib/kubelet/kubeconfig", "cp1", false);
    kubeconfig("/var/lib/kube-proxy/kubeconfig", "kube-proxy", false);
    tree.write("/etc/kubernetes/config/kube-scheduler.yaml", format!("apiVersion: kubescheduler.config.k8s.io/v1beta1\nkind: KubeSchedulerConfiguration\nclientConnection:\n  kubeconfig: {ssl}/kube-scheduler.kubeconfig\n"));
    tree.write("/var/lib/kube-proxy/kube-proxy-config.yaml", "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclientConnection:\n  kubeconfig: /var/lib/kube-proxy/kubeconfig\n");
    tree.write("/var/lib/kubelet/kubelet-config.yaml", format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: {ssl}/ca.pem\ntlsCertFile: {ssl}/cp1.pem\ntlsPrivateKeyFile: {ssl}/cp1-key.pem\n"));
    tree.remove("/made");
    tree
}

#[test]
fn a_cluster_made_by_hand_is_renewed() {
    let tree = by_hand();
    let status = tree.status();
    let rows: Vec<&Value> = status["certificates"].as_array().unwrap().iter().collect();
    let paths: Vec<&str> = rows
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    let ssl = "/var/lib/kubernetes";
    for path in [
        "kubernetes.pem",
        "cp1.pem",
        "kube-proxy.pem",
        "kube-scheduler.kubeconfig",
        "kube-controller-manager.kubeconfig",
    ] {
        let path = format!("{ssl}/{path}");
        let count = paths.iter().filter(|found| **found == path).count();
        assert_eq!(count, 1, "{path} in {paths:?}");
    }
    assert_eq!(
        status["certificateAuthorities"].as_array().unwrap().len(),
        1,
        "{status:#}"
    );
    assert_eq!(
        status["certificateAuthorities"][0]["keyPath"],
        format!("{ssl}/ca-key.pem")
    );
    assert_eq!(status["serviceAccountKeys"].as_array().unwrap().len(), 2);
    let shared = rows
        .iter()
        .find(|row| row["path"] == format!("{ssl}/kubernetes.pem"))
        .unwrap();
    assert_eq!(shared["usedBy"].as_array().unwrap().len(), 5, "{shared:#}");
    assert_whole(&tree);
    for name in ["kubernetes", "cp1", "kube-proxy"] {
        let (crt, key) = (format!("{ssl}/{name}.pem"), format!("{ssl}/{name}-key.pem"));
        tree.assert_pair(&crt, &key);
        tree.assert_signed(&crt, &format!("{ssl}/ca.pem"));
        assert!(tree.text(&key).starts_with("-----BEGIN PRIVATE KEY-----"));
    }
    for name in ["kube-scheduler", "kube-controller-manager"] {
        let (crt, key) = tree.kubeconfig_pair(&format!("{ssl}/{name}.kubeconfig"));
        tree.assert_pair(&crt, &key);
        tree.assert_signed(&crt, &format!("{ssl}/ca.pem"));
    }
}

#[test]
fn a_key_of_service_accounts_in_a_certificate_is_left_alone() {
    let tree = by_hand();
    let pair = ["service-account.pem", "service-account-key.pem"]
        .map(|name| tree.read(format!("/var/lib/kubernetes/{name}")));
    assert_whole(&tree);
    let after = ["service-account.pem", "service-account-key.pem"]
        .map(|name| tree.read(format!("/var/lib/kubernetes/{name}")));
    assert!(pair == after);
}

#[test]
fn units_of_a_cluster_made_by_hand_are_what_is_restarted() {
    let tree = by_hand();
    let file = tree.scratch().join("plan.json");
    tree.kubepki(&["renew", "all", "--plan-out", file.to_str().unwrap()])
        .expect(0);
    let plan: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let units: Vec<&str> = plan["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["runsAs"]["unit"].as_str().unwrap())
        .collect();
    for unit in [
        "kubelet",
        "etcd",
        "kube-apiserver",
        "kube-proxy",
        "kube-scheduler",
    ] {
        assert!(
            units.contains(&format!("{unit}.service").as_str()),
            "{unit}: {units:?}"
        );
    }
    assert_eq!(units.last(), Some(&"kube-controller-manager.service"));
}
