//! Healthy clusters: nothing to warn of.

use crate::kubeadm::Cluster;
use kubepki_core::diagnose::{Diagnosis, State};
use kubepki_core::model::Severity;

pub fn show(diagnosis: &Diagnosis) -> String {
    let findings = diagnosis
        .findings
        .iter()
        .map(|finding| format!("{finding:#?}\n"));
    findings.collect()
}

fn quiet(cluster: &Cluster) {
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    assert!(diagnosis.connections.len() > 3);
    for connection in &diagnosis.connections {
        for place in [&connection.on_disk, &connection.loaded, &connection.on_wire] {
            assert_ne!(place.state, State::Failed, "{connection:#?}");
        }
    }
}

#[test]
fn a_cluster_as_kubeadm_makes_it() {
    quiet(&Cluster::kubeadm());
}

#[test]
fn three_control_planes() {
    quiet(&Cluster::three());
}

#[test]
fn files_alone() {
    quiet(&Cluster::kubeadm().files_only());
}

#[test]
fn a_worker() {
    let diagnosis = Cluster::worker().diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
}
