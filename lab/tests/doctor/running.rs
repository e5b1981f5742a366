//! Breakages of running processes: started with the wrong flag, or with files that were changed since.

use crate::breakage::{Breakage, broken};

/// Each restarts a component twice, so they are few.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "controller-manager-publishes-another-ca",
        "flag kube-controller-manager root-ca-file /etc/kubernetes/pki/etcd/ca.crt",
        &[("wrong-authority-file", "kube-controller-manager --root-ca-file")],
    )
    .takes_hold("ca_of_pods | cmp - $PKI/etcd/ca.crt")
    .mended_by(
        "anew kube-controller-manager; await 'runs kube-controller-manager root-ca-file=$PKI/ca.crt'
         await 'ca_of_pods | cmp - $PKI/ca.crt'",
    ),
    broken(
        "controller-manager-signs-by-the-front-proxys-ca",
        "flag kube-controller-manager cluster-signing-cert-file $PKI/front-proxy-ca.crt
         flag kube-controller-manager cluster-signing-key-file $PKI/front-proxy-ca.key",
        &[(
            "signer-not-trusted",
            "kube-controller-manager --cluster-signing-cert-file",
        )],
    )
    .takes_hold("runs kube-controller-manager cluster-signing-key-file=$PKI/front-proxy-ca.key")
    .mended_by("anew kube-controller-manager; await 'runs kube-controller-manager cluster-signing-key-file=$PKI/ca.key'"),
    broken(
        "controller-manager-started-with-a-root-ca-that-is-not-there",
        "flag kube-controller-manager root-ca-file /etc/kubernetes/pki/none.crt",
        &[("missing", "/etc/kubernetes/pki/none.crt")],
    )
    .takes_hold("! runs kube-controller-manager root-ca-file=/etc/kubernetes/pki/ca.crt")
    .mended_by("anew kube-controller-manager; await 'runs kube-controller-manager root-ca-file=/etc/kubernetes/pki/ca.crt'"),
    broken(
        "kubelet-started-with-another-clusters-ca",
        "authority imposter /CN=kubernetes; cp $SCRATCH/imposter.crt $PKI/imposter.crt
         sed -i 's|clientCAFile: .*|clientCAFile: /etc/kubernetes/pki/imposter.crt|' /var/lib/kubelet/config.yaml
         systemctl restart kubelet",
        &[("wrong-authority-file", "/etc/kubernetes/pki/imposter.crt")],
    )
    .takes_hold("curl -sf http://127.0.0.1:10248/healthz")
    .mended_by("systemctl restart kubelet; await 'curl -sf http://127.0.0.1:10248/healthz'; ready"),
    broken(
        "front-proxy-lets-in-another-name-only",
        "flag kube-apiserver requestheader-allowed-names aggregator; end_api_server",
        &[("identity-refused", "kube-apiserver --requestheader-allowed-names")],
    )
    .takes_hold("runs kube-apiserver requestheader-allowed-names=aggregator && ! runs kube-apiserver requestheader-allowed-names=front-proxy-client && api_answers")
    .mended_by(
        "anew kube-apiserver; end_api_server
         await 'runs kube-apiserver requestheader-allowed-names=front-proxy-client && ! runs kube-apiserver requestheader-allowed-names=aggregator && api_answers'
         kubectl delete configmap -n kube-system extension-apiserver-authentication
         await 'kubectl get --raw /apis/lab.kubepki.dev/v1/callers'; ready",
    ),
    broken(
        "apiserver-knows-etcd-by-another-ca",
        "cp $PKI/ca.crt $PKI/etcd-ca.crt
         flag kube-apiserver etcd-cafile $PKI/etcd-ca.crt; end_api_server",
        &[("copy-of-other-file", "/etc/kubernetes/pki/etcd-ca.crt")],
    )
    .takes_hold("runs kube-apiserver etcd-cafile=$PKI/etcd-ca.crt")
    .without_api()
    .mended_by(
        "anew kube-apiserver; pkill -KILL -f '^kube-apiserver .*etcd-cafile=/etc/kubernetes/pki/etcd-ca.crt' || true
         await 'runs kube-apiserver etcd-cafile=$PKI/etcd/ca.crt && ! runs kube-apiserver etcd-cafile=$PKI/etcd-ca.crt && api_answers'; ready",
    ),
];
