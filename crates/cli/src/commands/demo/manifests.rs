//! The text files of a kubeadm host: static pods with their flags, and the kubelet's configuration.

/// Ports of a control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// kube-apiserver's.
    pub api: u16,
    /// etcd's, for clients.
    pub etcd: u16,
    /// etcd's, for other members.
    pub etcd_peer: u16,
}

impl Ports {
    /// Those that kubeadm gives.
    pub const WELL_KNOWN: Self = Self {
        api: 6443,
        etcd: 2379,
        etcd_peer: 2380,
    };
}

const KUBELET_UNIT: &str = "\
[Unit]
Description=kubelet: The Kubernetes Node Agent

[Service]
ExecStart=/usr/bin/kubelet
Restart=always

[Install]
WantedBy=multi-user.target
";

const KUBELET_DROP_IN: &str = r#"[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
"#;

const KUBELET_FLAGS: &str = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock\"\n";

const KUBELET_CONFIGURATION: &str = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
";

/// Every text file by its path.
pub fn files(ports: Ports) -> Vec<(String, String)> {
    let manifest = |name: &str, flags: Vec<String>, mounts: &[&str]| {
        (
            format!("/etc/kubernetes/manifests/{name}.yaml"),
            static_pod(name, &flags, mounts),
        )
    };
    let pki = "/etc/kubernetes/pki";
    let mut files = vec![
        manifest(
            "etcd",
            etcd(ports),
            &["/var/lib/etcd", "/etc/kubernetes/pki/etcd"],
        ),
        manifest("kube-apiserver", apiserver(ports), &[pki]),
        manifest(
            "kube-controller-manager",
            controller_manager(),
            &[pki, "/etc/kubernetes/controller-manager.conf"],
        ),
        manifest(
            "kube-scheduler",
            scheduler(),
            &["/etc/kubernetes/scheduler.conf"],
        ),
    ];
    let texts = [
        ("/usr/lib/systemd/system/kubelet.service", KUBELET_UNIT),
        (
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
            KUBELET_DROP_IN,
        ),
        ("/var/lib/kubelet/kubeadm-flags.env", KUBELET_FLAGS),
        ("/var/lib/kubelet/config.yaml", KUBELET_CONFIGURATION),
    ];
    files.extend(texts.map(|(path, text)| (path.to_owned(), text.to_owned())));
    files
}

/// etcd's flags.
pub fn etcd(ports: Ports) -> Vec<String> {
    let (client, peer) = (ports.etcd, ports.etcd_peer);
    flags(&format!(
        "advertise-client-urls=https://127.0.0.1:{client} \
         cert-file=/etc/kubernetes/pki/etcd/server.crt client-cert-auth=true \
         data-dir=/var/lib/etcd initial-advertise-peer-urls=https://127.0.0.1:{peer} \
         initial-cluster={node}=https://127.0.0.1:{peer} \
         key-file=/etc/kubernetes/pki/etcd/server.key \
         listen-client-urls=https://127.0.0.1:{client} \
         listen-peer-urls=https://127.0.0.1:{peer} name={node} \
         peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt peer-client-cert-auth=true \
         peer-key-file=/etc/kubernetes/pki/etcd/peer.key \
         peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt \
         trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        node = super::host::NODE,
    ))
}

/// kube-apiserver's flags.
pub fn apiserver(ports: Ports) -> Vec<String> {
    flags(&format!(
        "advertise-address=127.0.0.1 allow-privileged=true authorization-mode=Node,RBAC \
         client-ca-file=/etc/kubernetes/pki/ca.crt \
         etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt \
         etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt \
         etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key \
         etcd-servers=https://127.0.0.1:{etcd} \
         kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt \
         kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key \
         proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt \
         proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key \
         requestheader-allowed-names=front-proxy-client \
         requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt \
         requestheader-extra-headers-prefix=X-Remote-Extra- \
         requestheader-group-headers=X-Remote-Group \
         requestheader-username-headers=X-Remote-User secure-port={api} \
         service-account-issuer=https://kubernetes.default.svc.cluster.local \
         service-account-key-file=/etc/kubernetes/pki/sa.pub \
         service-account-signing-key-file=/etc/kubernetes/pki/sa.key \
         service-cluster-ip-range=10.96.0.0/12 tls-cert-file=/etc/kubernetes/pki/apiserver.crt \
         tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
        etcd = ports.etcd,
        api = ports.api,
    ))
}

fn controller_manager() -> Vec<String> {
    let kubeconfig = "/etc/kubernetes/controller-manager.conf";
    flags(&format!(
        "authentication-kubeconfig={kubeconfig} authorization-kubeconfig={kubeconfig} \
         bind-address=127.0.0.1 client-ca-file=/etc/kubernetes/pki/ca.crt \
         cluster-name=kubernetes cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt \
         cluster-signing-key-file=/etc/kubernetes/pki/ca.key kubeconfig={kubeconfig} \
         leader-elect=true requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt \
         root-ca-file=/etc/kubernetes/pki/ca.crt \
         service-account-private-key-file=/etc/kubernetes/pki/sa.key \
         use-service-account-credentials=true"
    ))
}

fn scheduler() -> Vec<String> {
    let kubeconfig = "/etc/kubernetes/scheduler.conf";
    flags(&format!(
        "authentication-kubeconfig={kubeconfig} authorization-kubeconfig={kubeconfig} \
         bind-address=127.0.0.1 kubeconfig={kubeconfig} leader-elect=true"
    ))
}

fn flags(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|flag| format!("--{flag}"))
        .collect()
}

fn static_pod(name: &str, flags: &[String], mounts: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    component: {name}\n    \
         tier: control-plane\n  name: {name}\n  namespace: kube-system\nspec:\n  containers:\n  \
         - command:\n    - {name}\n"
    );
    for flag in flags {
        text.push_str(&format!("    - {flag}\n"));
    }
    text.push_str(&format!(
        "    image: registry.k8s.io/{name}\n    imagePullPolicy: IfNotPresent\n    name: {name}\n    \
         volumeMounts:\n"
    ));
    for (number, mount) in mounts.iter().enumerate() {
        text.push_str(&format!(
            "    - mountPath: {mount}\n      name: mount-{number}\n"
        ));
    }
    text.push_str("  hostNetwork: true\n  priorityClassName: system-node-critical\n  volumes:\n");
    for (number, mount) in mounts.iter().enumerate() {
        let kind = if mount.ends_with(".conf") {
            "FileOrCreate"
        } else {
            "DirectoryOrCreate"
        };
        text.push_str(&format!(
            "  - hostPath:\n      path: {mount}\n      type: {kind}\n    name: mount-{number}\n"
        ));
    }
    text
}
