//! Clusters that keep their files elsewhere: flags, mounts, configuration files and units are
//! followed, no folder is taken for granted.

use crate::support::{Issue, KeyKind, Tree, base64};
use serde_json::Value;

/// Name and path of every certificate and authority, as `status` tells them.
fn paths(tree: &Tree) -> Vec<(String, String)> {
    let status = tree.status();
    let mut paths = Vec::new();
    for list in [
        "certificates",
        "certificateAuthorities",
        "serviceAccountKeys",
    ] {
        for row in status[list].as_array().unwrap() {
            let word = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
            paths.push((word("name"), word("path")));
        }
    }
    paths
}

#[track_caller]
fn assert_whole(tree: &Tree) {
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let status = tree.kubepki(&["status", "-o", "json"]).expect(0).json();
    for row in status["certificates"].as_array().unwrap() {
        assert_eq!(row["signedByCa"], true, "{row:#}");
        assert_eq!(row["keyMatches"], true, "{row:#}");
    }
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_unchanged(&before);
}

/// A kubeadm host whose files lie below `/srv`, its kubelet told so.
fn moved() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes", "/srv/cluster");
    tree.rename("/var/lib/kubelet/pki", "/srv/kubelet-pki");
    for kind in ["client", "server"] {
        let link = format!("/srv/kubelet-pki/kubelet-{kind}-current.pem");
        let target = tree.link_target(&link);
        tree.symlink(
            &link,
            format!(
                "/srv/kubelet-pki/{}",
                target.file_name().unwrap().to_str().unwrap()
            ),
        );
    }
    let config = "/var/lib/kubelet/config.yaml";
    tree.replace(config, "/etc/kubernetes/", "/srv/cluster/");
    let drop_in = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";
    tree.replace(drop_in, "/etc/kubernetes/", "/srv/cluster/");
    tree.replace(
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"",
        "KUBELET_KUBEADM_ARGS=\"--cert-dir /srv/kubelet-pki ",
    );
    tree.replace(
        "/srv/cluster/kubelet.conf",
        "/var/lib/kubelet/pki/",
        "/srv/kubelet-pki/",
    );
    tree
}

const MANIFESTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

#[test]
fn every_flag_may_name_another_path() {
    let tree = moved();
    for name in MANIFESTS {
        let manifest = format!("/srv/cluster/manifests/{name}.yaml");
        tree.replace(&manifest, "/etc/kubernetes/", "/srv/cluster/");
    }
    // Neither admin.conf nor the health check's certificate is named by any flag.
    tree.remove("/srv/cluster/admin.conf");
    tree.remove("/srv/cluster/pki/etcd/healthcheck-client.crt");
    assert_eq!(paths(&tree).len(), 10 + 3 + 2, "{:?}", paths(&tree));
    let elsewhere: Vec<_> = paths(&tree)
        .into_iter()
        .filter(|(_, path)| !path.starts_with("/srv/"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_whole(&tree);
    tree.assert_signed(
        "/srv/cluster/pki/etcd/peer.crt",
        "/srv/cluster/pki/etcd/ca.crt",
    );
    assert!(!tree.exists("/etc/kubernetes"));
}

#[test]
fn a_path_in_a_container_is_translated_to_the_hosts() {
    let tree = moved();
    for name in MANIFESTS {
        // The containers see /etc/kubernetes; only the volumes say where that is.
        let manifest = format!("/srv/cluster/manifests/{name}.yaml");
        tree.replace(
            &manifest,
            "      path: /etc/kubernetes/",
            "      path: /srv/cluster/",
        );
    }
    let flags = tree.text("/srv/cluster/manifests/kube-apiserver.yaml");
    assert!(flags.contains("--tls-cert-file=/etc/kubernetes/pki/apiserver.crt"));
    tree.rename("/srv/cluster/admin.conf", "/elsewhere/admin.conf");
    tree.remove("/srv/cluster/pki/etcd/healthcheck-client.crt");
    let found = paths(&tree);
    assert_eq!(found.len(), 10 + 3 + 2, "{found:?}");
    let apiserver = found.iter().find(|(name, _)| name == "apiserver").unwrap();
    assert_eq!(apiserver.1, "/srv/cluster/pki/apiserver.crt");
    assert_whole(&tree);
    tree.assert_pair(
        "/srv/cluster/pki/apiserver.crt",
        "/srv/cluster/pki/apiserver.key",
    );
    assert!(!tree.exists("/etc/kubernetes"));
}

#[test]
fn single_files_may_be_mounted() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/scheduler.conf", "/srv/s.kubeconfig");
    tree.replace(
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "      path: /etc/kubernetes/scheduler.conf",
        "      path: /srv/s.kubeconfig",
    );
    assert_eq!(tree.row("scheduler.conf")["path"], "/srv/s.kubeconfig");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let (certificate, key) = tree.kubeconfig_pair("/srv/s.kubeconfig");
    tree.assert_pair(&certificate, &key);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn etcds_configuration_file_says_where_its_certificates_are() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki/etcd", "/srv/etcd/tls");
    tree.remove("/etc/kubernetes/manifests/etcd.yaml");
    tree.write(
        "/etc/systemd/system/etcd.service",
        "[Service]\nExecStart=/usr/local/bin/etcd --config-file /srv/etcd/etcd.conf.yml\n",
    );
    tree.write(
        "/srv/etcd/etcd.conf.yml",
        "name: cp1\nlisten-client-urls: https://127.0.0.1:2379\nclient-transport-security:\n  cert-file: /srv/etcd/tls/server.crt\n  key-file: /srv/etcd/tls/server.key\n  trusted-ca-file: /srv/etcd/tls/ca.crt\n  client-cert-auth: true\npeer-transport-security:\n  cert-file: /srv/etcd/tls/peer.crt\n  key-file: /srv/etcd/tls/peer.key\n  trusted-ca-file: /srv/etcd/tls/ca.crt\n",
    );
    tree.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd-ca.crt",
    );
    tree.copy("/srv/etcd/tls/ca.crt", "/etc/kubernetes/pki/etcd-ca.crt");
    assert_eq!(tree.row("etcd-server")["path"], "/srv/etcd/tls/server.crt");
    assert_eq!(tree.row("etcd-peer")["path"], "/srv/etcd/tls/peer.crt");
    // The copy without a key is the same CA.
    assert_eq!(tree.row("etcd-ca")["path"], "/srv/etcd/tls/ca.crt");
    assert_whole(&tree);
    tree.assert_signed(
        "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "/srv/etcd/tls/ca.crt",
    );
}

#[test]
fn etcds_environment_says_where_its_certificates_are() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki/etcd", "/etc/ssl/etcd");
    tree.remove("/etc/kubernetes/manifests/etcd.yaml");
    tree.write(
        "/etc/systemd/system/etcd.service",
        "[Service]\nEnvironmentFile=/etc/etcd.env\nExecStart=/usr/bin/etcd\n",
    );
    tree.write(
        "/etc/etcd.env",
        "ETCD_NAME=cp1\nETCD_CERT_FILE=/etc/ssl/etcd/server.crt\nETCD_KEY_FILE=/etc/ssl/etcd/server.key\nETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ca.crt\nETCD_PEER_CERT_FILE=/etc/ssl/etcd/peer.crt\nETCD_PEER_KEY_FILE=\"/etc/ssl/etcd/peer.key\"\nETCD_PEER_TRUSTED_CA_FILE=/etc/ssl/etcd/ca.crt\n",
    );
    tree.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/ssl/certs/etcd.crt",
    );
    tree.symlink("/etc/ssl/certs/etcd.crt", "../etcd/ca.crt");
    assert_eq!(tree.row("etcd-peer")["path"], "/etc/ssl/etcd/peer.crt");
    assert_eq!(
        tree.status()["certificateAuthorities"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_whole(&tree);
}

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

#[test]
fn an_administrators_kubeconfig_elsewhere_is_nobodys() {
    // What no flag names and no layout expects is not touched.
    let tree = Tree::kubeadm().expired(30).build();
    tree.copy("/etc/kubernetes/admin.conf", "/root/.kube/config");
    let before = tree.text("/root/.kube/config");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_eq!(tree.text("/root/.kube/config"), before);
}
