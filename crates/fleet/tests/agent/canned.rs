//! A host that answers what it was told to, and values of every kind of message.

use jiff::Timestamp;
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::cluster::Node;
use kubepki_core::model::{ComponentKind, Gap, Holder, Inventory, LiveObservation, Role, RunsAs};
use kubepki_core::plan::{
    BasisFile, ComponentAction, Issuance, KeyChoice, Origin, Plan, Signer, TakeUp, TrustUpdate,
};
use kubepki_engine::ports::Progress;
use kubepki_fleet::protocol::PROTOCOL;
use kubepki_fleet::session::*;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub fn now() -> Timestamp {
    "2026-11-22T00:30:00.123456789Z".parse().unwrap()
}

pub fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
        host: "cp1".to_owned(),
        clock: now(),
        uid: 0,
    }
}

pub fn look_request() -> LookRequest {
    LookRequest {
        pki_folder: "/etc/kubernetes/pki".into(),
        examine: true,
        timeout_seconds: 3,
    }
}

pub fn look() -> Look {
    let mut inventory = empty();
    inventory
        .files
        .insert("/etc/kubernetes/admin.conf".into(), None);
    inventory.gaps.push(Gap::new("/proc", "not asked"));
    Look {
        inventory,
        live: Some(LiveObservation::default()),
        interrupted: Some(InterruptedRun {
            id: "20261122-003000-00000000".to_owned(),
            verb: "renew".to_owned(),
            started_at: now(),
            stage: "changing files".to_owned(),
            goes_forward: true,
        }),
        halted: vec![ComponentKind::Etcd],
        clock: now(),
        rotation_runs: Vec::new(),
        taken_back: Vec::new(),
    }
}

fn empty() -> Inventory {
    serde_json::from_value(serde_json::json!({
        "host": "cp1", "observed_at": now(), "live": true, "components": [], "authorities": [],
        "entries": [], "embedded_trust": [], "kubeconfigs": [], "etcd_clients": [],
        "service_account_keys": [], "node_name": null, "static_pod_folders": [], "files": {},
        "file_times": {}, "gaps": [],
    }))
    .unwrap()
}

pub fn plan() -> Plan {
    let holder = Holder::Files {
        certificate: "/etc/kubernetes/pki/apiserver.crt".into(),
        key: Some("/etc/kubernetes/pki/apiserver.key".into()),
    };
    Plan {
        api_version: "kubepki.dev/v1alpha1".to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: "renew".to_owned(),
        host: "cp1".to_owned(),
        created_at: now(),
        basis: vec![BasisFile {
            path: "/etc/kubernetes/pki/apiserver.crt".into(),
            sha256: Some("00".repeat(32)),
        }],
        issuances: vec![Issuance {
            name: "apiserver".to_owned(),
            role: Role::ApiserverServing,
            origin: Origin::Certificate {
                holder: holder.clone(),
                fingerprint_sha256: "11".repeat(32),
                subject: "CN=kube-apiserver".to_owned(),
                not_after: now(),
            },
            signer: Signer::Elsewhere {
                host: "cp0".to_owned(),
                name: "ca".to_owned(),
                certificate: "/etc/kubernetes/pki/ca.crt".into(),
                key: "/etc/kubernetes/pki/ca.key".into(),
                fingerprint_sha256: "22".repeat(32),
            },
            not_before: now(),
            not_after: now(),
            key: KeyChoice::Generate {
                key_type: "rsa:2048".to_owned(),
            },
            subject_alt_names: Some(vec!["DNS:cp1".to_owned()]),
            destination: holder,
            point_kubeconfig: None,
            copies: Vec::new(),
        }],
        restoration: None,
        trust_updates: vec![TrustUpdate {
            kubeconfig: "/etc/kubernetes/admin.conf".into(),
            cluster: "kubernetes".to_owned(),
            bundle: "/etc/kubernetes/pki/ca.crt".into(),
        }],
        file_edits: Vec::new(),
        rotation: None,
        components: vec![ComponentAction {
            component: ComponentKind::KubeApiserver,
            runs_as: RunsAs::StaticPod {
                manifest: "/etc/kubernetes/manifests/kube-apiserver.yaml".into(),
                container: "kube-apiserver".to_owned(),
            },
            take_up: TakeUp::Reload { within_seconds: 60 },
            reasons: vec!["apiserver (--tls-cert-file)".to_owned()],
            parks: Vec::new(),
        }],
        static_pod_folders: vec!["/etc/kubernetes/manifests".into()],
        notices: Vec::new(),
    }
    .with_id()
}

pub fn orders() -> Vec<SigningOrder> {
    vec![SigningOrder {
        host: "cp1".to_owned(),
        issuance: plan().issuances.remove(0),
        old_certificate_pem: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        request_pem: "-----BEGIN CERTIFICATE REQUEST-----".to_owned(),
    }]
}

pub fn requests() -> Vec<PreparedRequest> {
    vec![PreparedRequest {
        name: "apiserver".to_owned(),
        request_pem: "-----BEGIN CERTIFICATE REQUEST-----".to_owned(),
    }]
}

pub fn certificates() -> Vec<IssuedCertificate> {
    vec![IssuedCertificate {
        name: "apiserver".to_owned(),
        chain_pem: "-----BEGIN CERTIFICATE-----".to_owned(),
    }]
}

pub fn carry_request() -> CarryRequest {
    CarryRequest {
        plan: plan(),
        brought: certificates(),
        sealed_keys: Vec::new(),
        sealed_identity: None,
        pki_folder: "/etc/kubernetes/pki".into(),
        backup: true,
        backup_recipients: vec!["age1x".to_owned()],
    }
}

pub fn report() -> CarryReport {
    CarryReport {
        run: "20261122-003000-00000000".to_owned(),
        backup: Some("/var/lib/kubepki/backups/x.tar".into()),
        written: vec!["/etc/kubernetes/pki/apiserver.crt".into()],
        issued: certificates(),
        components: vec!["kube-apiserver: took the new files by itself (0.1 s)".to_owned()],
        left_alone: vec!["kubelet".to_owned()],
        verified: false,
        failed: vec!["node cp1: expected Ready, found not ready".to_owned()],
    }
}

pub fn nodes() -> ApiAnswer {
    ApiAnswer::Nodes {
        nodes: vec![Node {
            name: "cp1".to_owned(),
            addresses: vec!["10.0.0.1".to_owned()],
            ip_addresses: vec!["10.0.0.1".parse().unwrap()],
            kubelet_port: 10250,
            kubelet_version: Some("v1.20.2".to_owned()),
            ready: Some(true),
            control_plane: true,
        }],
    }
}

pub fn error() -> SessionError {
    SessionError::new("world-changed", "a file changed")
        .hint("make a new plan")
        .detail("location", "/etc/kubernetes/pki/ca.crt")
}

/// Work that tells its progress.
pub type Work = Arc<dyn Fn(&dyn Progress) + Send + Sync>;

/// What a host was asked, in order, and what it does while it carries out a plan.
#[derive(Clone, Default)]
pub struct Canned {
    pub asked: Arc<Mutex<Vec<String>>>,
    pub refuses: bool,
    pub while_carrying: Option<Work>,
}

impl Canned {
    fn note<T>(&self, what: String, answer: T) -> Result<T, SessionError> {
        self.asked.lock().unwrap().push(what);
        if self.refuses {
            Err(error())
        } else {
            Ok(answer)
        }
    }
}

static HELLO: std::sync::LazyLock<Hello> = std::sync::LazyLock::new(hello);

impl HostSession for Canned {
    fn hello(&self) -> &Hello {
        &HELLO
    }

    fn declare(&mut self, layout: &DeclaredLayout) -> Result<(), SessionError> {
        self.note(format!("declare {} files", layout.certificates.len()), ())
    }

    fn look(
        &mut self,
        request: &LookRequest,
        progress: &dyn Progress,
    ) -> Result<Look, SessionError> {
        progress.say("looking");
        self.note(format!("look {request:?}"), look())
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Vec<PreparedRequest>, SessionError> {
        self.note(format!("prepare {plan:?}"), requests())
    }

    fn sign(&mut self, orders: &[SigningOrder]) -> Result<Vec<IssuedCertificate>, SessionError> {
        self.note(format!("sign {orders:?}"), certificates())
    }

    fn carry(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError> {
        if let Some(work) = &self.while_carrying {
            work(progress);
        }
        self.note(format!("carry {request:?}"), report())
    }

    fn settle(
        &mut self,
        pki_folder: &Path,
        _: &dyn Progress,
    ) -> Result<Option<CarryReport>, SessionError> {
        self.note(format!("settle {}", pki_folder.display()), Some(report()))
    }

    fn halt(&mut self, components: &[ComponentKind], _: &dyn Progress) -> Result<(), SessionError> {
        self.note(format!("halt {components:?}"), ())
    }

    fn start(
        &mut self,
        components: &[ComponentKind],
        _: &dyn Progress,
    ) -> Result<(), SessionError> {
        self.note(format!("start {components:?}"), ())
    }

    fn ask(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError> {
        self.note(format!("ask {question:?}"), nodes())
    }
}
