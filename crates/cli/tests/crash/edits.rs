//! A plan with file edits of every kind that needs no other host is killed at every effect; the next run
//! finishes it, the next undo takes it back.

use crate::judge;
use crate::support::points::{kill, on_every_processor, points, run};
use crate::support::{FileState, Tree};
use kubepki_adapters::host::LocalHost;
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{BasisFile, FileEdit, FlagSetting, Plan, RotationMark};
use kubepki_core::rotation::Phase;
use kubepki_engine::discover::{DiscoverOptions, discover};
use std::path::Path;

const PKI: &str = "/etc/kubernetes/pki";
const KCM: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const PLAN: &str = "rotation-plan.json";

fn pki(name: &str) -> String {
    format!("{PKI}/{name}")
}

fn plan(tree: &Tree) -> Plan {
    let text = |path: &str| String::from_utf8(tree.read(path)).unwrap();
    let both = format!(
        "{}{}",
        text(&pki("ca.crt")),
        text(&pki("front-proxy-ca.crt"))
    );
    let bundle = |path: String, pem: &str| FileEdit::Bundle {
        path: path.into(),
        pem: pem.to_owned(),
        like: Some(pki("ca.crt").into()),
    };
    let host = LocalHost::at_root(&tree.root()).unwrap();
    let inventory = discover(&host, &DiscoverOptions::default(), tree.now).unwrap();
    let basis = |path: String| BasisFile {
        sha256: inventory.files[Path::new(&path)].clone(),
        path: path.into(),
    };
    Plan {
        api_version: kubepki_core::plan::document::API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: "rotate".to_owned(),
        host: inventory.host.clone(),
        created_at: tree.now,
        basis: vec![basis(pki("ca.crt")), basis(KCM.to_owned())],
        issuances: Vec::new(),
        restoration: None,
        trust_updates: Vec::new(),
        file_edits: vec![
            bundle(pki("ca-signer.crt"), &text(&pki("ca.crt"))),
            bundle(pki("ca.crt"), &both),
            FileEdit::KubeconfigTrust {
                path: "/etc/kubernetes/scheduler.conf".into(),
                cluster: "kubernetes".to_owned(),
                pem: both,
            },
            FileEdit::Flags {
                component: ComponentKind::KubeControllerManager,
                runs_as: RunsAs::StaticPod {
                    manifest: KCM.into(),
                    container: "kube-controller-manager".to_owned(),
                },
                set: vec![FlagSetting {
                    flag: "cluster-signing-cert-file".to_owned(),
                    value: Some(pki("ca-signer.crt")),
                }],
            },
            FileEdit::CopyKey {
                from: pki("ca.key").into(),
                to: pki("ca-next.key").into(),
            },
            FileEdit::MakeKey {
                path: pki("sa-next.key").into(),
                public: pki("sa-next.pub").into(),
                key_type: "ecdsa:p256".to_owned(),
            },
            FileEdit::Remove {
                path: pki("front-proxy-ca-next.crt").into(),
            },
        ],
        rotation: Some(RotationMark {
            rotation: "new".to_owned(),
            phase: Phase::TrustBoth,
            round: "test".to_owned(),
        }),
        components: Vec::new(),
        static_pod_folders: vec!["/etc/kubernetes/manifests".into()],
        notices: Vec::new(),
    }
    .with_id()
}

/// Whether everything of the plan is there.
fn is_new(tree: &Tree) -> bool {
    let text = |path: &str| String::from_utf8(tree.read(path)).unwrap_or_default();
    tree.exists(pki("ca-signer.crt"))
        && text(&pki("ca.crt")).matches("BEGIN CERTIFICATE").count() == 2
        && text(KCM).contains("--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signer.crt")
        && tree.read(pki("ca-next.key")) == tree.read(pki("ca.key"))
        && text(&pki("sa-next.pub")).contains("PUBLIC KEY")
        && tree.exists(pki("sa-next.key"))
        && !tree.exists(pki("front-proxy-ca-next.crt"))
}

#[test]
fn after_a_crash_of_file_edits_the_next_run_makes_all_of_them_and_undo_none() {
    let old = Tree::kubeadm().valid(100).build();
    old.write(
        pki("front-proxy-ca-next.crt"),
        old.read(pki("front-proxy-ca.crt")),
    );
    let file = old.scratch().join(PLAN);
    std::fs::write(&file, serde_json::to_string_pretty(&plan(&old)).unwrap()).unwrap();
    let words = ["apply", file.to_str().unwrap(), "--yes"];
    let before = old.snapshot();
    let times = judge::modification_times(&old);
    let all = points(&old.copied(), &words);
    on_every_processor(&all, |_, point| {
        let crashed = old.copied();
        kill(&crashed, &words, point);
        for (path, state) in crashed.snapshot() {
            if let FileState::File { contents, mode, .. } = &state {
                let is_secret = String::from_utf8_lossy(contents).contains("PRIVATE KEY");
                let has_name = [".key", "scheduler.conf.kubepki"]
                    .iter()
                    .any(|part| path.to_string_lossy().contains(part));
                assert!(
                    !(is_secret || has_name) || mode & 0o077 == 0,
                    "{point:?}: {path:?} is {mode:o}"
                );
            }
            let watched = path.parent() == Some(Path::new("/etc/kubernetes/manifests"));
            assert!(
                !watched || before.contains_key(&path),
                "{point:?}: {path:?} would be run"
            );
        }

        let tree = crashed.copied();
        // The first settles the run; where that took it back, the second carries it out.
        let settled = run(&tree, &words);
        if !is_new(&tree) {
            let output = run(&tree, &words);
            assert_eq!(output.code, 0, "{point:?}: {settled} {output}");
        }
        assert!(is_new(&tree), "{point:?}: {settled}");
        judge::nothing_is_left(&tree, point);

        let is_over = judge::interrupted_run(&crashed).is_none();
        let output = run(&crashed, &["undo", "--yes"]);
        let nothing = is_over && output.stderr.contains("no run is left to undo");
        assert!(output.code == 0 || nothing, "{point:?}: {output}");
        judge::is_old(&crashed, &before, &times, point);
    });
    println!(
        "file edits: {} effects, {} points, each finished and taken back",
        all.last().unwrap().number,
        all.len()
    );
    assert!(all.len() > 60, "{}", all.len());
}
