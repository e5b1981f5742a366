//! Keys that every control plane needs travel sealed for one session, and no other key travels at all.

use crate::carrying::two_hosts;
use crate::client::{Agent, Silent, carry_request};
use crate::secrets::{assert_unsaid, contains, keys};
use crate::support::Tree;
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{FileEdit, FlagSetting, Plan, RotationMark};
use kubepki_core::rotation::Phase;
use kubepki_fleet::session::{HostSession, KeyOrder, SealedKey, SessionError};
use std::path::PathBuf;

const CA_KEY: &str = "/etc/kubernetes/pki/ca.key";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const REFUSED: &str = "plan-outside-discovery";
const KCM: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";

/// A plan of nothing but these edits.
pub fn plan(tree: &Tree, host: &str, file_edits: Vec<FileEdit>) -> Plan {
    Plan {
        api_version: kubepki_core::plan::document::API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: "rotate".to_owned(),
        host: host.to_owned(),
        created_at: tree.now,
        basis: Vec::new(),
        issuances: Vec::new(),
        restoration: None,
        trust_updates: Vec::new(),
        file_edits,
        rotation: Some(RotationMark {
            rotation: "new".to_owned(),
            phase: Phase::Prepare,
            round: "prepare-keys".to_owned(),
        }),
        components: Vec::new(),
        static_pod_folders: vec!["/etc/kubernetes/manifests".into()],
        notices: Vec::new(),
    }
    .with_id()
}

fn bring(path: &str) -> FileEdit {
    FileEdit::BringKey {
        path: path.into(),
        host: "cp1".to_owned(),
        from: CA_KEY.into(),
        public_key_sha256: None,
    }
}

fn order(path: &str, destination: &str, recipient: &str) -> KeyOrder {
    KeyOrder {
        path: path.into(),
        destination: destination.into(),
        recipient: recipient.to_owned(),
    }
}

pub fn carry(agent: &mut Agent, plan: &Plan, sealed: Vec<SealedKey>) -> Result<(), SessionError> {
    let mut request = carry_request(plan);
    request.sealed_keys = sealed;
    agent.session.carry(&request, &Silent).map(drop)
}

#[test]
fn a_shared_key_arrives_and_is_in_no_frame() {
    let (keeper, other) = two_hosts();
    let (mut from, mut to) = (Agent::on(&keeper), Agent::on(&other));
    let recipient = to.session.recipient().unwrap();
    assert!(recipient.starts_with("age1"));
    let orders = [
        order(CA_KEY, CA_KEY, &recipient),
        order(
            "/etc/kubernetes/pki/sa.key",
            "/etc/kubernetes/pki/sa-next.key",
            &recipient,
        ),
    ];
    let sealed = from.session.seal_keys(&orders).unwrap();
    let edits = vec![bring(CA_KEY), bring("/etc/kubernetes/pki/sa-next.key")];
    to.look();
    carry(&mut to, &plan(&other, "cp2", edits), sealed).unwrap();
    assert_eq!(other.read(CA_KEY), keeper.read(CA_KEY));
    assert_eq!(
        other.read("/etc/kubernetes/pki/sa-next.key"),
        keeper.read("/etc/kubernetes/pki/sa.key")
    );
    let runs = to.look().rotation_runs;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].mark.round, "prepare-keys");
    assert_eq!(runs[0].written.len(), 2);
    let wires = [from.wire.clone(), to.wire.clone()];
    assert!(from.end().success() && to.end().success());
    let all: Vec<_> = keys(&keeper).into_iter().chain(keys(&other)).collect();
    for wire in wires {
        let wire = wire.lock().unwrap();
        assert!(contains(&wire, b"BEGIN AGE ENCRYPTED FILE"));
        assert!(!contains(&wire, b"PRIVATE KEY"));
        assert!(!contains(&wire, b"AGE-SECRET-KEY"));
        for (place, der) in &all {
            assert_unsaid(&wire, place, der);
        }
    }
    // Taken back, it is told no longer.
    other.kubepki(&["undo", "--yes"]).expect(0);
    assert!(!other.exists(CA_KEY));
    assert!(Agent::on(&other).look().rotation_runs.is_empty());
}

#[test]
fn only_the_session_that_asked_opens_a_key_and_only_the_key_that_was_meant() {
    let (keeper, other) = two_hosts();
    let mut from = Agent::on(&keeper);
    let (mut asked, mut another) = (Agent::on(&other), Agent::on(&other));
    let recipient = asked.session.recipient().unwrap();
    assert_ne!(another.session.recipient().unwrap(), recipient);
    let sealed = from
        .session
        .seal_keys(&[order(CA_KEY, CA_KEY, &recipient)])
        .unwrap();
    let before = other.snapshot();
    let plan_of = |expected: Option<String>| {
        let edit = FileEdit::BringKey {
            path: CA_KEY.into(),
            host: "cp1".to_owned(),
            from: CA_KEY.into(),
            public_key_sha256: expected,
        };
        plan(&other, "cp2", vec![edit])
    };
    let code = |result: Result<(), SessionError>| result.unwrap_err().code;
    let meant = plan_of(None);
    assert_eq!(
        code(carry(&mut another, &meant, sealed.clone())),
        "sealed-key"
    );
    assert_eq!(
        code(carry(&mut asked, &meant, Vec::new())),
        "key-not-brought"
    );
    let other_key = plan_of(Some("00".repeat(32)));
    assert_eq!(
        code(carry(&mut asked, &other_key, sealed.clone())),
        "other-key"
    );
    let mut damaged = sealed.clone();
    damaged[0].armored = damaged[0].armored.replacen('A', "B", 1);
    assert_eq!(code(carry(&mut asked, &meant, damaged)), "sealed-key");
    other.assert_unchanged(&before);
    carry(&mut asked, &meant, sealed).unwrap();
}

/// A host with keys that are nobody else's business.
fn host() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    let key = tree.read("/etc/kubernetes/pki/apiserver.key");
    tree.write_with_mode("/etc/shadow", "root:$6$secret:19000:0:99999:7:::\n", 0o600);
    tree.write_with_mode("/root/.ssh/id_rsa", key, 0o600);
    tree
}

#[test]
fn no_other_key_is_handed_over_and_none_to_another_place() {
    let tree = host();
    tree.remove("/etc/kubernetes/pki/front-proxy-ca.key");
    tree.symlink(
        "/etc/kubernetes/pki/front-proxy-ca.key",
        "/root/.ssh/id_rsa",
    );
    let mut agent = Agent::on(&tree);
    let recipient = agent.session.recipient().unwrap();
    for path in [
        "/etc/shadow",
        "/root/.ssh/id_rsa",
        "/etc/kubernetes/pki/apiserver.key",
        "/etc/kubernetes/pki/front-proxy-client.key",
        "/etc/kubernetes/pki/front-proxy-ca.key",
        "/etc/kubernetes/admin.conf",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/etc/kubernetes/pki/../pki/ca.key",
        "etc/kubernetes/pki/ca.key",
    ] {
        let refused = agent.session.seal_keys(&[order(path, CA_KEY, &recipient)]);
        assert_eq!(refused.unwrap_err().code, REFUSED, "{path}");
    }
    for destination in [
        "/etc/shadow",
        "/root/.ssh/authorized_keys",
        "/etc/kubernetes/pki/../ca.key",
        "/etc/kubernetes/pki/ca.crt",
        "ca.key",
    ] {
        let refused = agent
            .session
            .seal_keys(&[order(CA_KEY, destination, &recipient)]);
        assert_eq!(refused.unwrap_err().code, REFUSED, "{destination}");
    }
    let refused = agent.session.seal_keys(&[order(CA_KEY, CA_KEY, "root")]);
    assert_eq!(refused.unwrap_err().code, "recipient");
    let wire = agent.wire.lock().unwrap();
    assert!(!contains(&wire, b"AGE ENCRYPTED FILE"));
}

fn kcm(manifest: &str) -> RunsAs {
    RunsAs::StaticPod {
        manifest: manifest.into(),
        container: "kube-controller-manager".to_owned(),
    }
}

fn flag(runs_as: RunsAs, flag: &str, value: &str) -> FileEdit {
    FileEdit::Flags {
        component: ComponentKind::KubeControllerManager,
        runs_as,
        set: vec![FlagSetting {
            flag: flag.to_owned(),
            value: Some(value.to_owned()),
        }],
    }
}

fn bundle(path: &str, like: Option<&str>) -> FileEdit {
    FileEdit::Bundle {
        path: path.into(),
        pem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        like: like.map(PathBuf::from),
    }
}

fn copy(from: &str, to: &str) -> FileEdit {
    FileEdit::CopyKey {
        from: from.into(),
        to: to.into(),
    }
}

#[test]
fn file_edits_cannot_name_what_is_not_of_a_rotation() {
    let tree = host();
    let unit = RunsAs::SystemdUnit {
        unit: "sshd.service".to_owned(),
    };
    let make = |path: &str, public: &str| FileEdit::MakeKey {
        path: path.into(),
        public: public.into(),
        key_type: "rsa:2048".to_owned(),
    };
    let remove = |path: &str| FileEdit::Remove { path: path.into() };
    let edits = [
        bundle("/etc/shadow", None),
        bundle(CA_KEY, None),
        bundle(KCM, None),
        bundle("/etc/kubernetes/admin.conf", None),
        bundle("/etc/kubernetes/pki/new.sh", None),
        bundle(CA, Some("/etc/shadow")),
        FileEdit::KubeconfigTrust {
            path: "/etc/shadow".into(),
            cluster: "kubernetes".to_owned(),
            pem: String::new(),
        },
        flag(kcm(KCM), "cluster-signing-cert-file", "/etc/shadow"),
        flag(kcm(KCM), "authorization-mode", "AlwaysAllow"),
        flag(kcm("/etc/cron.d/x"), "root-ca-file", CA),
        flag(unit, "root-ca-file", CA),
        copy("/root/.ssh/id_rsa", CA_KEY),
        copy("/etc/kubernetes/pki/apiserver.key", CA_KEY),
        copy(CA_KEY, CA),
        copy(CA_KEY, "/root/.ssh/id_rsa"),
        copy(CA_KEY, "/etc/kubernetes/pki/apiserver.key"),
        make(
            "/etc/kubernetes/pki/apiserver.key",
            "/etc/kubernetes/pki/sa.pub",
        ),
        make("/etc/kubernetes/pki/sa-next.key", "/etc/shadow"),
        make("/etc/kubernetes/pki/sa-next.key", CA_KEY),
        bring("/etc/shadow"),
        bring("/etc/kubernetes/pki/apiserver.key"),
        bring("/etc/kubernetes/pki/sub/ca.key"),
        remove(CA_KEY),
        remove("/etc/shadow"),
        remove(KCM),
        remove("/root/.ssh/x-next.key"),
    ];
    let mut agent = Agent::on(&tree);
    agent.look();
    let before = tree.snapshot();
    for edit in edits {
        let plan = plan(&tree, "cp1", vec![edit.clone()]);
        let error = carry(&mut agent, &plan, Vec::new()).unwrap_err();
        assert_eq!(error.code, REFUSED, "{edit:?}: {error}");
        tree.assert_unchanged(&before);
    }
    assert!(!tree.exists("/var/lib/kubepki/journal"));
}

#[test]
fn file_edits_of_a_rotation_are_within_bounds() {
    let tree = Tree::kubeadm().expired(30).build();
    let pem = String::from_utf8(tree.read(CA)).unwrap();
    let signer = "/etc/kubernetes/pki/ca-signer.crt";
    let next = "/etc/kubernetes/pki/ca-next.key";
    let write = |path: &str| FileEdit::Bundle {
        path: path.into(),
        pem: pem.clone(),
        like: Some(CA.into()),
    };
    let mut agent = Agent::on(&tree);
    agent.look();
    let before = tree.snapshot();
    let edits = vec![
        write(signer),
        flag(kcm(KCM), "cluster-signing-cert-file", signer),
        copy(CA_KEY, next),
        FileEdit::MakeKey {
            path: "/etc/kubernetes/pki/sa-next.key".into(),
            public: "/etc/kubernetes/pki/sa-next.pub".into(),
            key_type: "ecdsa:p256".to_owned(),
        },
        write("/etc/kubernetes/pki/etcd/ca.crt"),
    ];
    carry(&mut agent, &plan(&tree, "cp1", edits), Vec::new()).unwrap();
    assert_eq!(tree.read(next), tree.read(CA_KEY));
    let edits = vec![
        flag(kcm(KCM), "cluster-signing-cert-file", CA),
        FileEdit::Remove { path: next.into() },
        FileEdit::Remove {
            path: signer.into(),
        },
    ];
    carry(&mut agent, &plan(&tree, "cp1", edits), Vec::new()).unwrap();
    assert!(!tree.exists(next) && !tree.exists(signer));
    let runs = agent.look().rotation_runs;
    assert_eq!(runs.len(), 2);
    assert!(runs[0].started_at >= runs[1].started_at);
    // Taken back in reverse order, everything is as it was.
    tree.kubepki(&["undo", "--yes"]).expect(0);
    assert_eq!(agent.look().rotation_runs.len(), 1);
    tree.kubepki(&["undo", "--yes"]).expect(0);
    assert!(agent.look().rotation_runs.is_empty());
    let changed = tree.changed(&before);
    let left: Vec<_> = changed
        .iter()
        .filter(|path| !path.starts_with("/etc/kubernetes/manifests"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
