//! Every shipped JSON Schema is held against what the program really writes, on a host that the
//! program itself founded.

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use std::path::Path;
    use std::process::{Command, Output};

    fn kubepki(root: &Path, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kubepki"))
            .args(["--yes", "-o", "json", "--root"])
            .arg(root)
            .args(words)
            .env_remove("KUBEPKI_ROOT")
            .output()
            .unwrap()
    }

    fn object(root: &Path, words: &[&str]) -> Value {
        let output = kubepki(root, words);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{words:?}: {error}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    fn schema(kind: &str) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_kubepki"))
            .args(["schema", kind])
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind} has no schema");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn assert_valid(value: &Value) {
        let kind = value["kind"].as_str().unwrap();
        let validator = jsonschema::validator_for(&schema(kind)).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{kind}: {errors:#?}\n{value:#}");
        // A schema that takes anything proves nothing: without a required field it must refuse.
        let mut crippled = value.clone();
        crippled.as_object_mut().unwrap().remove("apiVersion");
        assert!(
            !validator.is_valid(&crippled),
            "{kind}: the schema takes anything"
        );
    }

    #[test]
    fn what_is_written_is_what_the_schemas_say() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/hostname"), "cp1\n").unwrap();
        let founding = [
            "init",
            "--advertise-address",
            "10.0.0.1",
            "--key-type",
            "ecdsa:p256",
        ];
        assert_valid(&object(root, &founding));
        assert_valid(&object(root, &["status"]));
        // something unreadable and something missing are in the schema too
        std::fs::write(root.join("etc/kubernetes/pki/sa.pub"), "no key").unwrap();
        std::fs::remove_file(root.join("etc/kubernetes/pki/front-proxy-ca.key")).unwrap();
        std::fs::write(root.join("etc/kubernetes/scheduler.conf"), "{").unwrap();
        assert_valid(&object(root, &["status"]));

        let plan = folder.path().join("plan.json");
        let words = [
            "renew",
            "all",
            "--force",
            "--plan-out",
            plan.to_str().unwrap(),
        ];
        assert!(kubepki(root, &words).status.success());
        assert_valid(&serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap());

        assert_valid(&object(root, &["renew", "all", "--force"]));
        assert_valid(&object(root, &["backup", "create"]));
        assert_valid(&object(root, &["backup", "list"]));
        std::fs::write(root.join("etc/kubernetes/pki/sa.pub"), "no key at all").unwrap();
        assert_valid(&object(root, &["backup", "diff"]));
        assert_valid(&object(root, &["undo"]));
        assert_valid(&object(root, &["ca-hash", "/etc/kubernetes/pki/ca.crt"]));

        let refused = kubepki(root, &["renew", "nobody"]);
        assert_eq!(refused.status.code(), Some(1));
        assert_valid(&serde_json::from_slice(&refused.stderr).unwrap());
    }

    #[test]
    fn a_bootstrap_kubeconfig_is_shown_though_it_holds_no_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("etc/kubernetes")).unwrap();
        std::fs::write(root.join("etc/hostname"), "w1\n").unwrap();
        let bootstrap = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{name: k, cluster: {server: 'https://10.0.0.1:6443'}}]\n\
         contexts: [{name: c, context: {cluster: k, user: t}}]\n\
         users: [{name: t, user: {token: abcdef.0123456789abcdef}}]\n";
        let path = root.join("etc/kubernetes/bootstrap-kubelet.conf");
        std::fs::write(path, bootstrap).unwrap();
        let output = kubepki(root, &["status"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            !text.contains("0123456789abcdef"),
            "the token is shown: {text}"
        );
        let status: Value = serde_json::from_str(&text).unwrap();
        assert_valid(&status);
        let row = &status["certificates"][0];
        assert_eq!(row["name"], "bootstrap-kubelet.conf");
        assert_eq!(row["findings"][0]["code"], "bootstrap-token");
        assert_eq!(row["renewable"], false);
        assert!(row.get("missing").is_none(), "{row}");
        let refused = kubepki(root, &["renew", "bootstrap-kubelet.conf"]);
        assert_eq!(refused.status.code(), Some(1));
    }

    fn every_edit() -> Vec<kubepki_core::plan::FileEdit> {
        use kubepki_core::model::{ComponentKind, RunsAs};
        use kubepki_core::plan::{FileEdit, FlagSetting};
        let bring = |public_key_sha256| FileEdit::BringKey {
            path: "/pki/ca-next.key".into(),
            host: "cp1".to_owned(),
            from: "/pki/ca-next.key".into(),
            public_key_sha256,
        };
        vec![
            FileEdit::Bundle {
                path: "/pki/ca.crt".into(),
                pem: "-----BEGIN CERTIFICATE-----".to_owned(),
                like: None,
            },
            FileEdit::KubeconfigTrust {
                path: "/etc/kubernetes/admin.conf".into(),
                cluster: "kubernetes".to_owned(),
                pem: "-----BEGIN CERTIFICATE-----".to_owned(),
            },
            FileEdit::Flags {
                component: ComponentKind::KubeControllerManager,
                runs_as: RunsAs::Process,
                set: vec![FlagSetting {
                    flag: "cluster-signing-cert-file".to_owned(),
                    value: None,
                }],
            },
            FileEdit::CopyKey {
                from: "/pki/ca-next.key".into(),
                to: "/pki/ca.key".into(),
            },
            FileEdit::MakeKey {
                path: "/pki/sa-next.key".into(),
                public: "/pki/sa-next.pub".into(),
                key_type: "rsa:2048".to_owned(),
            },
            FileEdit::AdoptKey {
                from: "/root/new.key".into(),
                to: "/pki/ca-next.key".into(),
                public_key_sha256: "ab".repeat(32),
            },
            FileEdit::MakeRequest {
                key: "/pki/ca-next.key".into(),
                request: "/pki/ca-next.csr".into(),
                key_type: "ecdsa:p256".to_owned(),
                like_pem: "-----BEGIN CERTIFICATE-----".to_owned(),
                common_name: "kubernetes@20261122T114500Z".to_owned(),
            },
            FileEdit::Chain {
                path: "/pki/apiserver.crt".into(),
                pem: String::new(),
            },
            bring(None),
            bring(Some("ab".repeat(32))),
            FileEdit::Remove {
                path: "/pki/ca-next.key".into(),
            },
        ]
    }

    fn rotation_steps() -> Vec<kubepki_core::plan::Step> {
        use kubepki_core::model::ObjectReference;
        use kubepki_core::plan::{EtcdAct, Step};
        use kubepki_core::rotation::{ApiChange, OldKey, StaleTokens};
        let object = ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info");
        let key_sha256 = "ab".repeat(32);
        let changes = vec![
            ApiChange::WriteBundle {
                object: object.clone(),
                pem: String::new(),
                expected: vec![String::new()],
            },
            ApiChange::Recreate {
                object: object.clone(),
            },
            ApiChange::RestartWorkload {
                object: ObjectReference::cluster_wide("Node", "cp1"),
                mark: "new".to_owned(),
            },
            ApiChange::RestartStaleWorkloads {
                holds: vec![key_sha256.clone()],
                key_sha256: Some(key_sha256.clone()),
                projected: StaleTokens::Before(jiff::Timestamp::UNIX_EPOCH),
                mark: "old".to_owned(),
            },
            ApiChange::AddTokenSecrets {
                key_sha256: key_sha256.clone(),
            },
            ApiChange::DropTokenSecrets { key_sha256 },
            ApiChange::HoldLease {
                holder: "somebody".to_owned(),
                duration_seconds: 60,
            },
            ApiChange::AskPause,
            ApiChange::ReleaseLease {
                holder: "somebody".to_owned(),
            },
        ];
        let etcd = |act| Step::Etcd {
            host: "cp1".to_owned(),
            act,
        };
        let retires = |how| Step::RetireKeys {
            host: "cp1".to_owned(),
            keys: vec!["/etc/kubernetes/pki/ca.key".into()],
            how,
        };
        vec![
            Step::ChangeApi {
                host: "cp1".to_owned(),
                changes,
            },
            retires(OldKey::Destroy),
            retires(OldKey::Seal {
                recipients: vec!["age1".to_owned()],
            }),
            etcd(EtcdAct::Snapshot),
            etcd(EtcdAct::YieldLeadership),
        ]
    }

    fn proved() -> kubepki_core::plan::Gate {
        use kubepki_core::plan::Gate;
        use kubepki_core::rotation::{ProbeTarget, Proof, Root, TargetKind};
        let kinds = [
            TargetKind::Kubernetes,
            TargetKind::FrontProxy,
            TargetKind::Etcd,
            TargetKind::EtcdPeer,
        ];
        let targets = kinds.map(|kind| ProbeTarget {
            name: "kube-apiserver on cp1".to_owned(),
            kind,
            host: "10.0.0.1".to_owned(),
            port: 6443,
            root: Root::KubernetesCa,
        });
        let fingerprint = "ab".repeat(32);
        let proofs = [
            Proof::Client {
                certificate: "/pki/ca-next.crt".into(),
                key: "/pki/ca-next.key".into(),
                fingerprint_sha256: fingerprint.clone(),
                accepted: true,
                targets: targets.to_vec(),
            },
            Proof::Served {
                issuer_pem: String::new(),
                targets: targets.to_vec(),
            },
            Proof::Published {
                holds: vec![fingerprint],
                lacks: Vec::new(),
            },
            Proof::WorkloadsRolledOut,
        ];
        Gate::all(proofs.map(|proof| Gate::Proved {
            host: "cp1".to_owned(),
            proof,
        }))
    }

    /// A plan with every kind of step, gate, pace, origin and signer.
    fn every_shape() -> kubepki_core::plan::ClusterPlan {
        use kubepki_core::model::{ComponentKind, Holder, Role, RunsAs};
        use kubepki_core::plan::{
            ClusterPlan, ComponentAction, Gate, Issuance, KeyChoice, Notice, Origin, Pace, Plan,
            RotationMark, Signer, Stage, Step, TakeUp,
        };
        use kubepki_core::rotation::Phase;
        let now: jiff::Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let fingerprint = "ab".repeat(32);
        let holder = Holder::Files {
            certificate: "/etc/kubernetes/pki/ca.crt".into(),
            key: None,
        };
        let origins = [
            Origin::Certificate {
                holder: holder.clone(),
                fingerprint_sha256: fingerprint.clone(),
                subject: "CN=kubernetes".to_owned(),
                not_after: now,
            },
            Origin::Template {
                certificate_pem: "-----BEGIN CERTIFICATE-----".to_owned(),
                source: "apiserver on cp1".to_owned(),
                common_name: None,
            },
            Origin::Client {
                common_name: "system:node:w1".to_owned(),
                organizations: vec!["system:nodes".to_owned()],
            },
        ];
        let signers = [
            Signer::ItsOwnKey,
            Signer::Elsewhere {
                host: "cp1".to_owned(),
                name: "ca".to_owned(),
                certificate: "/etc/kubernetes/pki/ca.crt".into(),
                key: "/etc/kubernetes/pki/ca.key".into(),
                fingerprint_sha256: fingerprint.clone(),
            },
            Signer::Given {
                host: "cp1".to_owned(),
                name: "ca".to_owned(),
                fingerprint_sha256: None,
            },
            Signer::Given {
                host: "cp1".to_owned(),
                name: "ca".to_owned(),
                fingerprint_sha256: Some(fingerprint),
            },
        ];
        let issuances = origins
            .iter()
            .flat_map(|origin| signers.iter().map(move |signer| (origin, signer)))
            .map(|(origin, signer)| Issuance {
                name: "ca".to_owned(),
                role: Role::ClusterCa,
                origin: origin.clone(),
                signer: signer.clone(),
                not_before: now,
                not_after: now,
                key: KeyChoice::Reuse,
                subject_alt_names: None,
                destination: holder.clone(),
                point_kubeconfig: None,
                copies: Vec::new(),
            })
            .collect();
        let plan = Plan {
            api_version: kubepki_core::plan::document::API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "renew".to_owned(),
            host: "cp1".to_owned(),
            created_at: now,
            basis: Vec::new(),
            issuances,
            restoration: None,
            trust_updates: Vec::new(),
            file_edits: every_edit(),
            rotation: Some(RotationMark {
                rotation: "new".to_owned(),
                phase: Phase::TrustBoth,
                round: "trust-both-control-planes".to_owned(),
            }),
            components: vec![ComponentAction {
                component: ComponentKind::Etcd,
                runs_as: RunsAs::Process,
                take_up: TakeUp::Restart,
                reasons: Vec::new(),
                parks: vec![ComponentKind::KubeApiserver],
            }],
            static_pod_folders: Vec::new(),
            notices: Vec::new(),
        }
        .with_id();
        let components = vec![ComponentKind::Etcd, ComponentKind::KubeApiserver];
        let steps = vec![
            Step::Carry {
                host: "cp1".to_owned(),
                plan: Box::new(plan),
            },
            Step::Halt {
                host: "cp1".to_owned(),
                components: components.clone(),
            },
            Step::Start {
                host: "cp1".to_owned(),
                components,
            },
        ];
        let steps = [steps, rotation_steps()].concat();
        let hosts = vec!["cp1".to_owned()];
        let gates = [
            Gate::None,
            Gate::all([
                Gate::EtcdHealthy {
                    hosts: hosts.clone(),
                },
                Gate::ApiServersReady { hosts },
                proved(),
            ]),
            Gate::NodesReady {
                nodes: vec!["cp1".to_owned()],
            },
        ];
        let paces = [Pace::OneByOne, Pace::Batches { size: 5 }, Pace::Together];
        let stages = gates.into_iter().zip(paces).map(|(gate, pace)| Stage {
            name: "control-planes".to_owned(),
            reason: "one at a time".to_owned(),
            steps: steps.clone(),
            pace,
            gate,
            estimate_seconds: 60,
        });
        let notices = vec![Notice {
            code: "fresh".to_owned(),
            object: "apiserver on cp1".to_owned(),
            message: "left as it is".to_owned(),
        }];
        ClusterPlan::new("renew", now, stages.collect(), notices)
    }

    #[test]
    fn every_shape_of_a_cluster_plan_is_in_its_schema() {
        assert_valid(&serde_json::to_value(every_shape()).unwrap());
    }

    #[test]
    fn cluster_plans_hold_plans_as_plans_are() {
        let (plan, cluster_plan) = (schema("Plan"), schema("ClusterPlan"));
        let definitions = &cluster_plan["$defs"];
        for (name, definition) in plan["$defs"].as_object().unwrap() {
            assert_eq!(definitions[name], *definition, "{name}");
        }
        assert_eq!(definitions["plan"]["properties"], plan["properties"]);
        assert_eq!(definitions["plan"]["required"], plan["required"]);
    }
}
