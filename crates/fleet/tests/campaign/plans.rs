//! Plans of one certificate or two, and cluster plans made of them.

use crate::hosts::{FILE, epoch};
use kubepki_core::model::{Holder, Role};
use kubepki_core::plan::{
    BasisFile, ClusterPlan, Gate, Issuance, KeyChoice, Origin, Pace, Plan, Signer, Stage, Step,
};
use std::path::PathBuf;

/// A plan for one host with these issuances.
pub fn plan(host: &str, issuances: Vec<Issuance>) -> Box<Plan> {
    Box::new(
        Plan {
            api_version: "kubepki.dev/v1alpha1".to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "renew".to_owned(),
            host: host.to_owned(),
            created_at: epoch(),
            basis: vec![BasisFile {
                path: PathBuf::from(FILE),
                sha256: Some("old".to_owned()),
            }],
            issuances,
            restoration: None,
            trust_updates: Vec::new(),
            file_edits: Vec::new(),
            rotation: None,
            components: Vec::new(),
            static_pod_folders: Vec::new(),
            notices: Vec::new(),
        }
        .with_id(),
    )
}

pub fn issuance(name: &str, signer: Signer) -> Issuance {
    Issuance {
        name: name.to_owned(),
        role: Role::Other,
        origin: Origin::Client {
            common_name: name.to_owned(),
            organizations: Vec::new(),
        },
        signer,
        not_before: epoch(),
        not_after: epoch(),
        key: KeyChoice::Reuse,
        subject_alt_names: None,
        destination: Holder::Files {
            certificate: PathBuf::from(FILE),
            key: None,
        },
        point_kubeconfig: None,
        copies: Vec::new(),
    }
}

pub fn own(name: &str) -> Issuance {
    issuance(name, Signer::ItsOwnKey)
}

pub fn elsewhere(name: &str, host: &str, authority: &str) -> Issuance {
    issuance(
        name,
        Signer::Elsewhere {
            host: host.to_owned(),
            name: authority.to_owned(),
            certificate: PathBuf::from("/etc/kubernetes/pki/ca.crt"),
            key: PathBuf::from("/etc/kubernetes/pki/ca.key"),
            fingerprint_sha256: "aa".to_owned(),
        },
    )
}

pub fn given(name: &str, host: &str, of: &str, fingerprint: Option<&str>) -> Issuance {
    issuance(
        name,
        Signer::Given {
            host: host.to_owned(),
            name: of.to_owned(),
            fingerprint_sha256: fingerprint.map(ToOwned::to_owned),
        },
    )
}

pub fn carry(host: &str, issuances: Vec<Issuance>) -> Step {
    Step::Carry {
        host: host.to_owned(),
        plan: plan(host, issuances),
    }
}

/// One renewal on each host.
pub fn renewals(hosts: &[&str]) -> Vec<Step> {
    hosts
        .iter()
        .map(|host| carry(host, vec![own("apiserver")]))
        .collect()
}

pub fn stage(name: &str, pace: Pace, gate: Gate, steps: Vec<Step>) -> Stage {
    Stage {
        name: name.to_owned(),
        reason: "because".to_owned(),
        steps,
        pace,
        gate,
        estimate_seconds: 1,
    }
}

pub fn cluster_plan(stages: Vec<Stage>) -> ClusterPlan {
    ClusterPlan::new("renew", epoch(), stages, Vec::new())
}
