//! What a kubeadm host of v1.20 looks like: its manifests, and how its components behave.

use crate::world::{MANIFESTS, beginning};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::ComponentKind;
use kubepki_keys::{Issuer, KeyType, PrivateKey, random_serial};
use kubepki_x509::{Certificate, CertificateTemplate, Name, Validity};
use std::path::{Path, PathBuf};

/// How a component behaves when it is restarted.
#[derive(Clone)]
pub struct Behaviour {
    pub starts: bool,
    pub start_after: SignedDuration,
    pub healthy_after: SignedDuration,
    pub drains: SignedDuration,
    pub ends: bool,
    /// What its health endpoint says until it is healthy.
    pub unhealthy_status: u16,
    /// The kubelet's back-off after its container was stopped.
    pub back_off: SignedDuration,
    /// When it reads its files again by itself.
    pub reloads_at: Option<Timestamp>,
}

/// A component that behaves as on a host of 2 cores.
pub fn behaviour(kind: ComponentKind) -> Behaviour {
    let is_api_server = kind == ComponentKind::KubeApiserver;
    Behaviour {
        starts: true,
        start_after: SignedDuration::from_millis(700),
        healthy_after: SignedDuration::from_secs(if is_api_server { 9 } else { 2 }),
        drains: SignedDuration::from_secs(if is_api_server { 30 } else { 0 }),
        ends: true,
        unhealthy_status: if kind == ComponentKind::Etcd {
            503
        } else {
            500
        },
        back_off: SignedDuration::from_secs(40),
        reloads_at: None,
    }
}

pub fn manifest_path(kind: ComponentKind) -> PathBuf {
    Path::new(MANIFESTS).join(format!("{kind}.yaml"))
}

/// As kubeadm writes it, shortened.
pub fn manifest(kind: ComponentKind) -> String {
    let flags: &[&str] = match kind {
        ComponentKind::Etcd => &[
            "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
            "--key-file=/etc/kubernetes/pki/etcd/server.key",
            "--listen-client-urls=https://127.0.0.1:2379",
            "--listen-metrics-urls=http://127.0.0.1:2381",
            "--listen-peer-urls=https://10.77.0.11:2380",
            "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
        ],
        ComponentKind::KubeApiserver => &[
            "--client-ca-file=/etc/kubernetes/pki/ca.crt",
            "--etcd-servers=https://127.0.0.1:2379",
            "--secure-port=6443",
            "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
        ],
        ComponentKind::KubeControllerManager => &[
            "--bind-address=127.0.0.1",
            "--kubeconfig=/etc/kubernetes/controller-manager.conf",
        ],
        _ => &[
            "--bind-address=127.0.0.1",
            "--kubeconfig=/etc/kubernetes/scheduler.conf",
        ],
    };
    let flags: String = flags.iter().map(|flag| format!("    - {flag}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  labels:\n    \
         tier: control-plane\n  name: {kind}   # kept\n  namespace: kube-system\nspec:\n  \
         containers:\n  - command:\n    - {kind}\n{flags}    image: k8s.gcr.io/{kind}:v1\n    \
         name: {kind}\n    volumeMounts:\n    - mountPath: /etc/kubernetes\n      name: \
         kubernetes\n  hostNetwork: true\n  volumes:\n  - hostPath:\n      path: \
         /etc/kubernetes\n    name: kubernetes\nstatus: {{}}\n"
    )
}

/// A certificate that nobody else has.
pub fn certificate(name: &str) -> Certificate {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let template = CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: beginning() - SignedDuration::from_hours(1),
            not_after: beginning() + SignedDuration::from_hours(24 * 365),
        },
        subject: Name::common(name, &[]),
        public_key: key.public_key().clone(),
        extensions: Vec::new(),
    };
    Issuer::self_signed(&template, &key).unwrap()
}
