//! kubeadm's static pods, with the flags that name files.

use crate::machine::Machine;

fn flags(machine: &Machine, members: &[&str]) -> [(&'static str, Vec<String>); 4] {
    let address = &machine.address;
    let name = &machine.name;
    let pki = "/etc/kubernetes/pki";
    let cluster: Vec<String> = members
        .iter()
        .map(|member| {
            let number = member.trim_start_matches("cp");
            format!("{member}=https://10.0.0.{number}:2380")
        })
        .collect();
    let lines = |text: String| text.lines().map(|line| line.trim().to_owned()).collect();
    [
        (
            "etcd",
            lines(format!(
                "etcd
                --advertise-client-urls=https://{address}:2379
                --cert-file={pki}/etcd/server.crt
                --client-cert-auth=true
                --data-dir=/var/lib/etcd
                --initial-advertise-peer-urls=https://{address}:2380
                --initial-cluster={}
                --key-file={pki}/etcd/server.key
                --listen-client-urls=https://127.0.0.1:2379,https://{address}:2379
                --listen-metrics-urls=http://127.0.0.1:2381
                --listen-peer-urls=https://{address}:2380
                --name={name}
                --peer-cert-file={pki}/etcd/peer.crt
                --peer-client-cert-auth=true
                --peer-key-file={pki}/etcd/peer.key
                --peer-trusted-ca-file={pki}/etcd/ca.crt
                --trusted-ca-file={pki}/etcd/ca.crt",
                cluster.join(",")
            )),
        ),
        (
            "kube-apiserver",
            lines(format!(
                "kube-apiserver
                --advertise-address={address}
                --authorization-mode=Node,RBAC
                --client-ca-file={pki}/ca.crt
                --etcd-cafile={pki}/etcd/ca.crt
                --etcd-certfile={pki}/apiserver-etcd-client.crt
                --etcd-keyfile={pki}/apiserver-etcd-client.key
                --etcd-servers=https://127.0.0.1:2379
                --kubelet-client-certificate={pki}/apiserver-kubelet-client.crt
                --kubelet-client-key={pki}/apiserver-kubelet-client.key
                --kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname
                --proxy-client-cert-file={pki}/front-proxy-client.crt
                --proxy-client-key-file={pki}/front-proxy-client.key
                --requestheader-allowed-names=front-proxy-client
                --requestheader-client-ca-file={pki}/front-proxy-ca.crt
                --secure-port=6443
                --service-account-issuer=https://kubernetes.default.svc.cluster.local
                --service-account-key-file={pki}/sa.pub
                --service-account-signing-key-file={pki}/sa.key
                --service-cluster-ip-range=10.96.0.0/12
                --tls-cert-file={pki}/apiserver.crt
                --tls-private-key-file={pki}/apiserver.key"
            )),
        ),
        (
            "kube-controller-manager",
            lines(format!(
                "kube-controller-manager
                --authentication-kubeconfig=/etc/kubernetes/controller-manager.conf
                --authorization-kubeconfig=/etc/kubernetes/controller-manager.conf
                --bind-address=127.0.0.1
                --client-ca-file={pki}/ca.crt
                --cluster-signing-cert-file={pki}/ca.crt
                --cluster-signing-key-file={pki}/ca.key
                --kubeconfig=/etc/kubernetes/controller-manager.conf
                --requestheader-client-ca-file={pki}/front-proxy-ca.crt
                --root-ca-file={pki}/ca.crt
                --service-account-private-key-file={pki}/sa.key
                --use-service-account-credentials=true"
            )),
        ),
        (
            "kube-scheduler",
            lines(
                "kube-scheduler
                --authentication-kubeconfig=/etc/kubernetes/scheduler.conf
                --authorization-kubeconfig=/etc/kubernetes/scheduler.conf
                --bind-address=127.0.0.1
                --kubeconfig=/etc/kubernetes/scheduler.conf"
                    .to_owned(),
            ),
        ),
    ]
}

/// File name and text of each manifest.
pub fn all(machine: &Machine, members: &[&str]) -> Vec<(&'static str, String)> {
    let manifest = |(name, command): (&'static str, Vec<String>)| {
        let mut text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: kube-system\nspec:\n  hostNetwork: true\n  containers:\n  - name: {name}\n    image: example/{name}:v1.20.2\n    command:\n"
        );
        for argument in command {
            text.push_str(&format!("    - {argument}\n"));
        }
        text.push_str("    volumeMounts:\n    - mountPath: /etc/kubernetes\n      name: k\n  volumes:\n  - hostPath:\n      path: /etc/kubernetes\n    name: k\n");
        (name, text)
    };
    flags(machine, members).into_iter().map(manifest).collect()
}

/// The command of each static pod of a machine that has manifests.
pub fn commands(machine: &Machine) -> Vec<Vec<String>> {
    let has_manifests = machine
        .nodes
        .keys()
        .any(|path| path.starts_with("/etc/kubernetes/manifests"));
    if !has_manifests {
        return Vec::new();
    }
    let all = flags(machine, &["cp1"]);
    all.into_iter().map(|(_, command)| command).collect()
}
