//! How the breakages are made and judged: one thing broken, one object named, by the files alone and while
//! the processes have not noticed. The breakages are in the files `broken_…`.

use crate::healthy::show;
use crate::kubeadm::{Cluster, PKI, base64, leafs, names, put, write_kubeconfig};
use crate::machine::Machine;
use crate::pki::{self, Authority, CLIENT, Wish, authorities};
use jiff::SignedDuration;
use kubepki_core::diagnose::Diagnosis;
use kubepki_core::findings;
use kubepki_core::model::Severity;

/// Gravest findings: object and code.
pub fn culprits(diagnosis: &Diagnosis) -> Vec<(String, String)> {
    let mut found: Vec<_> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .map(|finding| {
            let host = finding.host.as_deref().unwrap_or_default();
            let object = match diagnosis.hosts.len() {
                0 | 1 => finding.object.clone(),
                _ => format!("{host}:{}", finding.object),
            };
            (object, finding.code.clone())
        })
        .collect();
    found.sort();
    found
}

/// Every sentence can stand where it is shown.
pub fn well_formed(diagnosis: &Diagnosis) {
    for finding in diagnosis.findings.iter() {
        assert!(
            findings::find(&finding.code).is_some(),
            "no such code: {finding:#?}"
        );
        assert!(!finding.message.is_empty(), "{finding:#?}");
        assert!(!finding.message.ends_with('.'), "{finding:#?}");
        assert!(!finding.remedy.is_empty(), "{finding:#?}");
        let pieces = finding
            .evidence
            .iter()
            .chain([&finding.message, &finding.remedy]);
        for piece in pieces {
            assert!(!piece.contains("PRIVATE"), "{finding:#?}");
            assert!(!piece.contains("  "), "{finding:#?}");
        }
        if let Some(connection) = &finding.connection {
            assert!(finding.connections.contains(connection));
            assert!(
                diagnosis
                    .connections
                    .iter()
                    .any(|known| known.id == *connection)
            );
        }
    }
}

/// Breaks a cluster an hour ago and expects these culprits, by the files and with processes that go on
/// with what they had.
pub fn breaks_cluster(cluster: Cluster, expected: &[(&str, &str)], change: impl Fn(&mut Cluster)) {
    let mut broken = cluster;
    for machine in &mut broken.machines {
        machine.written_at = pki::now() - SignedDuration::from_hours(1);
    }
    change(&mut broken);
    for (how, cluster) in [
        ("by the files", broken.clone().files_only()),
        ("with processes", broken),
    ] {
        let diagnosis = cluster.diagnose();
        let found = culprits(&diagnosis);
        // That a process has not noticed yet may be told of the same object.
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(object, code)| (object.as_str(), code.as_str()))
            .filter(|(object, code)| {
                let of_culprit = expected.iter().any(|(known, _)| known == object);
                !(of_culprit && ["not-taken-up", "stale-in-memory"].contains(code))
            })
            .collect();
        assert_eq!(found, expected, "{how}:\n{}", show(&diagnosis));
        well_formed(&diagnosis);
        let again = cluster.diagnose();
        assert_eq!(diagnosis.findings, again.findings);
    }
}

pub fn breaks(object: &str, code: &str, change: impl Fn(&mut Machine)) {
    breaks_cluster(Cluster::kubeadm(), &[(object, code)], |cluster| {
        change(cluster.host());
    });
}

pub fn path(base: &str) -> String {
    format!("{PKI}/{base}")
}

/// Issues a leaf again, with something else about it.
pub fn reissue(
    machine: &mut Machine,
    base: &str,
    by: Option<&Authority>,
    change: impl Fn(&mut Wish<'_>),
) {
    let names = names(machine);
    let copy = machine.clone();
    let (_, authority, mut wish) = leafs(&copy, &names)
        .into_iter()
        .find(|(known, ..)| *known == base)
        .unwrap();
    change(&mut wish);
    put(machine, base, &by.unwrap_or(authority).issue(&wish));
}

pub fn user(
    machine: &mut Machine,
    file: &str,
    name: &str,
    ca: &Authority,
    by: &Authority,
    until: i64,
) {
    let wish = Wish::new(name, CLIENT, &[]).lasting(-100, until);
    write_kubeconfig(machine, file, name, &ca.pem(), &by.issue(&wish));
}

pub const MANAGER: &str = "system:kube-controller-manager";
pub const SCHEDULER: &str = "system:kube-scheduler";

pub fn with_cluster_ca(host: &mut Machine, pem: &str) {
    let old = base64(authorities().cluster.pem());
    for file in [
        "admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
    ] {
        host.edit(&format!("/etc/kubernetes/{file}"), &old, &base64(pem));
    }
    host.write(&path("ca.crt"), pem);
}
