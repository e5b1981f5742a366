//! File edits on a host in a folder: each kind does what it says and no more, with owner and mode kept,
//! and what cannot be done is refused before anything has changed.

use crate::kubeadm::{base64, control_plane};
use crate::machine::Machine;
use crate::pki::{self, authorities};
use crate::site::{CA, CA_KEY, Site};
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{FileEdit, FlagSetting, Plan, RotationMark};
use kubepki_core::rotation::Phase;
use kubepki_engine::execute::{Brought, BroughtKey, ExecuteError};
use kubepki_sealed::Sealed;
use std::path::{Path, PathBuf};

pub const PKI: &str = "/etc/kubernetes/pki";
const KCM: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const SCHEDULER_CONF: &str = "/etc/kubernetes/scheduler.conf";
const UNIT: &str = "/etc/systemd/system/kube-thing.service";

/// A control plane with a unit file, and one link among its files.
pub fn site() -> Site {
    let mut machine: Machine = control_plane("cp1", "10.0.0.1", &["cp1"]);
    machine.write(
        UNIT,
        "[Service]\nExecStart=/usr/bin/kube-controller-manager \\\n  --root-ca-file=/a.crt \\\n  --v=2\n",
    );
    machine.write_mode(&pki("ca-old.key"), pki::key_pem(&pki::key()), 0o640);
    Site::new(machine)
}

pub fn pki(name: &str) -> String {
    format!("{PKI}/{name}")
}

/// A plan of nothing but these edits.
pub fn plan(site: &Site, file_edits: Vec<FileEdit>, phase: Phase) -> Plan {
    let inventory = site.inventory();
    Plan {
        api_version: kubepki_core::plan::document::API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: "rotate".to_owned(),
        host: inventory.host.clone(),
        created_at: pki::now(),
        basis: Vec::new(),
        issuances: Vec::new(),
        restoration: None,
        trust_updates: Vec::new(),
        file_edits,
        rotation: Some(RotationMark {
            rotation: "new".to_owned(),
            phase,
            round: "test".to_owned(),
        }),
        components: Vec::new(),
        static_pod_folders: inventory.static_pod_folders,
        notices: Vec::new(),
    }
    .with_id()
}

fn kcm() -> RunsAs {
    RunsAs::StaticPod {
        manifest: KCM.into(),
        container: "kube-controller-manager".to_owned(),
    }
}

fn flags(runs_as: RunsAs, flag: &str, value: &str) -> FileEdit {
    FileEdit::Flags {
        component: ComponentKind::KubeControllerManager,
        runs_as,
        set: vec![FlagSetting {
            flag: flag.to_owned(),
            value: Some(value.to_owned()),
        }],
    }
}

pub fn both() -> String {
    let all = authorities();
    format!("{}{}", all.cluster.pem(), all.etcd.pem())
}

/// One edit of every kind.
pub fn every_kind() -> Vec<FileEdit> {
    vec![
        FileEdit::Bundle {
            path: pki("ca-signer.crt").into(),
            pem: authorities().cluster.pem(),
            like: Some(CA.into()),
        },
        FileEdit::Bundle {
            path: CA.into(),
            pem: both(),
            like: None,
        },
        FileEdit::KubeconfigTrust {
            path: SCHEDULER_CONF.into(),
            cluster: "kubernetes".to_owned(),
            pem: both(),
        },
        flags(kcm(), "cluster-signing-cert-file", &pki("ca-signer.crt")),
        flags(
            RunsAs::SystemdUnit {
                unit: "kube-thing.service".to_owned(),
            },
            "root-ca-file",
            "/b.crt",
        ),
        FileEdit::BringKey {
            path: pki("ca-next.key").into(),
            host: "cp2".to_owned(),
            from: pki("ca-next.key").into(),
            public_key_sha256: None,
        },
        FileEdit::CopyKey {
            from: pki("ca-next.key").into(),
            to: CA_KEY.into(),
        },
        FileEdit::MakeKey {
            path: pki("sa-next.key").into(),
            public: pki("sa-next.pub").into(),
            key_type: "rsa:2048".to_owned(),
        },
        FileEdit::Remove {
            path: pki("ca-old.key").into(),
        },
    ]
}

/// The key that comes for `ca-next.key`.
pub fn brought(key: &str) -> Brought {
    Brought {
        keys: vec![BroughtKey {
            destination: pki("ca-next.key").into(),
            key: Sealed::new(key.as_bytes().to_vec()),
        }],
        ..Brought::default()
    }
}

fn text(site: &Site, path: &str) -> String {
    String::from_utf8(site.read(path)).unwrap()
}

fn mode(site: &Site, path: &str) -> u32 {
    let name: PathBuf = Path::new(path).strip_prefix("/").unwrap().to_owned();
    site.snapshot()[&name].0
}

#[test]
fn every_kind_of_edit_does_what_it_says_and_no_more() {
    let site = site();
    let (before, kcm_before) = (site.snapshot(), text(&site, KCM));
    let key = pki::key_pem(&pki::key());
    let plan = plan(&site, every_kind(), Phase::TrustBoth);
    let outcome = site.carry(&plan, brought(&key)).unwrap();

    assert_eq!(text(&site, CA), both());
    assert_eq!(
        text(&site, &pki("ca-signer.crt")),
        authorities().cluster.pem()
    );
    assert_eq!(mode(&site, &pki("ca-signer.crt")), mode(&site, CA));
    let kubeconfig = text(&site, SCHEDULER_CONF);
    assert!(kubeconfig.contains(&base64(both())));
    assert_eq!(
        text(&site, KCM),
        kcm_before.replace(
            "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt",
            "--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signer.crt"
        )
    );
    assert!(text(&site, UNIT).contains("--root-ca-file=/b.crt \\\n"));
    assert_eq!(text(&site, &pki("ca-next.key")), key);
    assert_eq!(
        text(&site, CA_KEY),
        key,
        "copied from what the plan brought"
    );
    assert_eq!(mode(&site, &pki("ca-next.key")), 0o600);
    let public = kubepki_keys::public_half(&Sealed::new(site.read(&pki("sa-next.key"))));
    assert_eq!(
        text(&site, &pki("sa-next.pub")),
        public.unwrap().public_key.to_pem()
    );
    assert!(text(&site, &pki("sa-next.key")).starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert_eq!(mode(&site, &pki("sa-next.key")), 0o600);
    assert!(text(&site, &pki("sa-next.pub")).starts_with("-----BEGIN PUBLIC KEY-----"));
    let after = site.snapshot();
    assert!(!after.contains_key(Path::new("etc/kubernetes/pki/ca-old.key")));

    let changed: Vec<&PathBuf> = before
        .iter()
        .filter(|(path, state)| after.get(*path) != Some(state))
        .map(|(path, _)| path)
        .collect();
    let written: Vec<PathBuf> = outcome
        .written
        .iter()
        .map(|path| path.strip_prefix("/").unwrap().to_owned())
        .collect();
    assert!(
        changed.iter().all(|path| written.contains(path)),
        "{changed:?}"
    );
    for (path, (mode, _)) in &before {
        assert!(
            after.get(path).is_none_or(|(now, _)| now == mode),
            "{path:?}"
        );
    }

    // What the run changed comes back, byte for byte, the unit file too.
    let archive = outcome.backup.unwrap();
    let undo = Plan {
        file_edits: Vec::new(),
        rotation: None,
        restoration: Some(kubepki_core::plan::Restoration {
            archive,
            paths: outcome.written.clone(),
            undoes: Some(outcome.id.to_string()),
        }),
        ..plan
    }
    .with_id();
    site.carry(&undo, Brought::default()).unwrap();
    assert_eq!(site.snapshot(), before);
}

#[test]
fn the_last_edit_of_a_manifest_takes_our_annotation_away() {
    let site = site();
    let old = text(&site, KCM);
    let at = pki::now();
    let marked = kubepki_core::formats::static_pod::StaticPod::with_restart(old.as_bytes(), at);
    std::fs::write(site.path(KCM), marked.unwrap()).unwrap();
    let edit = || flags(kcm(), "cluster-signing-cert-file", &pki("ca-signer.crt"));
    let earlier = plan(&site, vec![edit()], Phase::IssueFromNew);
    site.carry(&earlier, Brought::default()).unwrap();
    assert!(text(&site, KCM).contains("kubepki.dev/restarted-at"));
    let last = flags(kcm(), "cluster-signing-cert-file", CA);
    let last = plan(&site, vec![last], Phase::RetireOld);
    site.carry(&last, Brought::default()).unwrap();
    assert_eq!(text(&site, KCM), old);
}

fn refused(site: &Site, edit: FileEdit, brought: Brought, code: &str, words: &str) {
    let before = site.snapshot();
    let plan = plan(site, vec![edit], Phase::TrustBoth);
    let error: ExecuteError = site.carry(&plan, brought).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.to_string().contains("-----BEGIN"), "{error}");
    assert_eq!(site.snapshot(), before);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_has_changed() {
    let site = site();
    let key = pki::key_pem(&pki::key());
    let bundle = |pem: String| FileEdit::Bundle {
        path: CA.into(),
        pem,
        like: None,
    };
    let none = Brought::default;
    refused(
        &site,
        bundle(key.clone()),
        none(),
        "plan",
        "expected certificates",
    );
    refused(
        &site,
        bundle("nothing".to_owned()),
        none(),
        "plan",
        "no PEM block",
    );
    let bring = |expected: Option<String>| FileEdit::BringKey {
        path: pki("ca-next.key").into(),
        host: "cp2".to_owned(),
        from: pki("ca-next.key").into(),
        public_key_sha256: expected,
    };
    refused(
        &site,
        bring(None),
        none(),
        "key-not-brought",
        "expected one from cp2",
    );
    refused(
        &site,
        bring(Some("00".repeat(32))),
        brought(&key),
        "format",
        "expected sha256:0000",
    );
    let docker = RunsAs::DockerContainer {
        container: "kube-controller-manager".to_owned(),
    };
    let edit = flags(docker, "root-ca-file", "/b.crt");
    refused(&site, edit, none(), "flags-by-hand", "make it anew");
    let edit = flags(kcm(), "root-ca-file", "/b.crt; reboot");
    refused(&site, edit, none(), "format", "no flag's value needs");
    let copy = FileEdit::CopyKey {
        from: CA.into(),
        to: CA_KEY.into(),
    };
    refused(&site, copy, none(), "format", "");
}
