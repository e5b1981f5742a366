//! The doctor's judgement: evidence in, findings out. Pure: the time is an argument.
//!
//! Every connection is verified three times, on disk, as its processes have loaded it, and as the wire
//! tells; what fails is traced to the one object that is wrong, and consequences are folded into it.
//! What takes part in no connection is checked by itself. Every finding's code is in `findings`.

mod authorities;
mod backends;
mod blame;
mod clocks;
mod cluster_objects;
mod copies;
mod draft;
mod endpoint_reports;
mod endpoints;
mod evidence;
mod hosts;
mod keys;
mod kubelet;
mod lifetimes;
mod loaded;
mod metrics;
mod names;
mod people;
mod refused;
mod remedy;
mod report;
mod scene;
mod selection;
mod service_accounts;
mod signing_key;
mod staleness;
mod suspects;
mod together;
mod trust;
mod unmounted;
mod wire;

pub use evidence::{Evidence, HostEvidence};
pub use report::{
    ConnectionReport, Diagnosis, DiagnosisFinding, EndpointReport, IgnoredFinding, State, Where,
};
pub use selection::AcceptedRisk;
pub use together::together;

use crate::assess::Thresholds;
use crate::connections::{Material, Verdict, derive, verify_all};
use crate::findings::code;
use blame::{Case, blame};
use draft::Ledger;
use jiff::Timestamp;
use kubepki_x509::path::SignatureMemo;
use scene::Scene;
use suspects::Signers;

/// What explains the rest that is wrong with one object…
const ROOTS: &[&str] = &[
    code::SWAPPED_FILES,
    code::COPY_OF_OTHER_FILE,
    code::COPIED_FROM_ANOTHER_NODE,
    code::WRONG_AUTHORITY_FILE,
    code::NOT_A_CA,
];
/// … and what is explained by it.
const CONSEQUENCES: &[&str] = &[
    code::KEY_MISMATCH,
    code::NOT_SIGNED_BY_CA,
    code::SIGNED_BY_OTHER_CA,
    code::UNTRUSTED_ISSUER,
    code::USAGE_MISSING,
    code::NAME_MISSING,
    code::IDENTITY_REFUSED,
];

/// How to judge.
#[derive(Clone, Copy, Debug)]
pub struct DiagnoseOptions<'a> {
    /// The time that everything is judged against.
    pub now: Timestamp,
    /// When an approaching end is worth a word.
    pub thresholds: Thresholds,
    /// Codes to be told, with `*` for any text; empty for all.
    pub only: &'a [String],
    /// Risks that are accepted.
    pub ignore: &'a [AcceptedRisk],
}

/// Judges a cluster.
pub fn diagnose(evidence: &Evidence<'_>, options: &DiagnoseOptions<'_>) -> Diagnosis {
    let (graph, disk) = derive(evidence);
    let signatures = SignatureMemo::new();
    let verdicts = verify_all(&graph, &disk, options.now, &signatures);
    let scene = Scene::new(evidence, options, graph, disk, verdicts, signatures);
    let signers = Signers::weigh(&scene);
    let loaded = loaded::material(&scene);
    let loaded_verdicts = verify_all(&scene.graph, &loaded, options.now, &scene.signatures);

    let mut ledger = Ledger::default();
    blame_all(&scene, &signers, &scene.disk, &scene.verdicts, &mut ledger);
    authorities::unproved(&scene, &signers, &mut ledger);
    hosts::check(&scene, &signers, &mut ledger);
    unmounted::check(&scene, &mut ledger);
    authorities::check(&scene, &mut ledger);
    lifetimes::check(&scene, &mut ledger);
    keys::check(&scene, &mut ledger);
    signing_key::check(&scene, &mut ledger);
    copies::check(&scene, &mut ledger);
    staleness::check(&scene, &loaded, &mut ledger);
    staleness::memory(&scene, &mut ledger);
    metrics::check(&scene, &mut ledger);
    service_accounts::check(&scene, &mut ledger);
    cluster_objects::check(&scene, &signers, &mut ledger);
    backends::check(&scene, &mut ledger);
    endpoints::check(&scene, &mut ledger);
    kubelet::check(&scene, &mut ledger);
    people::check(&scene, &mut ledger);
    clocks::check(&scene, &mut ledger);
    refused::check(&scene, &loaded, &loaded_verdicts, &signers, &mut ledger);
    ledger.fold(&[code::NOT_A_CA], &[code::WRONG_AUTHORITY_FILE]);
    ledger.fold(&[code::WRONG_CA_DATA], &[code::CA_DATA_STALE]);
    ledger.fold(&[code::BROKEN_LINK], &[code::MISSING, code::UNREADABLE]);
    ledger.fold(ROOTS, CONSEQUENCES);

    let connections = scene
        .graph
        .connections
        .iter()
        .zip(scene.verdicts.iter().zip(&loaded_verdicts))
        .map(|(connection, (disk, loaded))| wire::report(&scene, connection, disk, loaded))
        .collect();
    let (findings, ignored) =
        selection::select(ledger.finish(), options.only, options.ignore, options.now);
    Diagnosis {
        api_version: "kubepki.dev/v1alpha1",
        kind: "Diagnosis",
        hosts: evidence
            .hosts
            .iter()
            .map(|host| host.inventory.host.clone())
            .collect(),
        api_server: evidence.cluster.map(|cluster| cluster.server.clone()),
        evaluated_at: options.now,
        connections,
        endpoints: endpoint_reports::reports(evidence, options.now),
        findings,
        ignored,
        gaps: gaps(evidence),
    }
}

fn blame_all(
    scene: &Scene<'_>,
    signers: &Signers,
    material: &Material,
    verdicts: &[Verdict],
    ledger: &mut Ledger,
) {
    for (connection, verdict) in scene.graph.connections.iter().zip(verdicts) {
        for failure in verdict.failures() {
            ledger.extend(blame(&Case {
                scene,
                signers,
                material,
                connection,
                failure,
            }));
        }
    }
}

fn gaps(evidence: &Evidence<'_>) -> Vec<crate::model::Gap> {
    let hosts = evidence.hosts.iter().flat_map(|host| &host.inventory.gaps);
    let cluster = evidence
        .cluster
        .into_iter()
        .flat_map(|cluster| &cluster.gaps);
    let endpoints = endpoint_reports::gaps(evidence);
    hosts.chain(cluster).cloned().chain(endpoints).collect()
}
