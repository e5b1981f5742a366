//! What is told and what is accepted; properties that hold for every breakage.

use crate::healthy::show;
use crate::kubeadm::{Cluster, PKI};
use crate::pki::{self, Authority};
use kubepki_core::diagnose::AcceptedRisk;
use kubepki_core::model::Severity;
use proptest::prelude::*;

fn broken() -> Cluster {
    let mut cluster = Cluster::kubeadm().files_only();
    let host = cluster.host();
    host.write(
        &format!("{PKI}/etcd/ca.crt"),
        Authority::new("etcd-ca").pem(),
    );
    host.write_mode(
        &format!("{PKI}/sa.key"),
        host.bytes(&format!("{PKI}/sa.key")),
        0o644,
    );
    cluster
}

fn risk(code: &str, object: Option<&str>) -> AcceptedRisk {
    AcceptedRisk {
        code: code.to_owned(),
        object: object.map(str::to_owned),
        reason: Some("known".to_owned()),
        until: None,
        source: "--ignore".to_owned(),
    }
}

#[test]
fn only_what_was_asked_for() {
    let diagnosis = broken().diagnose_with(&["key-*".to_owned()], &[]);
    let codes: Vec<&str> = diagnosis
        .findings
        .iter()
        .map(|it| it.code.as_str())
        .collect();
    assert_eq!(codes, ["key-readable-by-others"]);
    assert!(!diagnosis.connections.is_empty());
}

#[test]
fn an_accepted_risk_is_told_apart() {
    let object = format!("{PKI}/sa.key");
    let accepted = risk("key-readable-by-others", Some(&object));
    let diagnosis = broken().diagnose_with(&[], &[accepted]);
    assert_eq!(diagnosis.ignored.len(), 1);
    assert_eq!(diagnosis.ignored[0].finding.object, object);
    assert_eq!(diagnosis.ignored[0].accepted_by, "--ignore: known");
    assert!(diagnosis.findings.iter().all(|it| it.object != object));
    assert_eq!(diagnosis.worst(), Some(Severity::Critical));

    let elsewhere = risk("key-readable-by-others", Some("/somewhere/*"));
    assert!(broken().diagnose_with(&[], &[elsewhere]).ignored.is_empty());
    let everything = risk("*", None);
    let diagnosis = broken().diagnose_with(&[], &[everything]);
    assert!(diagnosis.findings.is_empty(), "{}", show(&diagnosis));
}

#[test]
fn an_acceptance_that_has_ended_is_told_with_the_finding() {
    let mut accepted = risk("key-readable-by-others", None);
    accepted.until = Some(pki::now() - pki::days(1));
    let diagnosis = broken().diagnose_with(&[], &[accepted]);
    assert!(diagnosis.ignored.is_empty());
    let codes: Vec<&str> = diagnosis
        .findings
        .iter()
        .map(|it| it.code.as_str())
        .collect();
    assert!(codes.contains(&"key-readable-by-others"), "{codes:?}");
    assert!(codes.contains(&"accepted-risk-ended"), "{codes:?}");
}

#[test]
fn the_sentences() {
    let diagnosis = broken().diagnose();
    let told: Vec<String> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .map(|finding| {
            let mut text = format!("{}: {}\n", finding.object, finding.message);
            for fact in &finding.evidence {
                text.push_str(&format!("  {fact}\n"));
            }
            text.push_str(&format!("  => {}\n", finding.remedy));
            text.push_str(&format!("  breaks {}", finding.connections.join(", ")));
            text
        })
        .collect();
    let told = told.join("\n");
    let fingerprint = |at: usize| &told[at..at + 8];
    let mut masked = told.clone();
    for (at, _) in told.match_indices("sha256:").collect::<Vec<_>>() {
        masked = masked.replace(fingerprint(at + 7), "XXXXXXXX");
    }
    assert_eq!(
        masked,
        "/etc/kubernetes/pki/etcd/ca.crt: holds CN=etcd-ca (sha256:XXXXXXXX…), expected CN=etcd-ca
  expected is the CA CN=etcd-ca: its key is /etc/kubernetes/pki/etcd/ca.key, it signed /etc/kubernetes/pki/etcd/peer.crt, /etc/kubernetes/pki/etcd/server.crt
  etcd does not accept etcd
  kube-apiserver does not accept etcd
  etcd does not accept kube-apiserver
  the health check of etcd does not accept etcd
  etcd does not accept the health check of etcd
  the key beside it belongs to another certificate
  => put the right CA into /etc/kubernetes/pki/etcd/ca.crt, then restart etcd, kube-apiserver, or kubepki restore /etc/kubernetes/pki/etcd/ca.crt
  breaks etcd@cp1->etcd@cp1, kube-apiserver->etcd, etcd-healthcheck->etcd, etcd gateway->etcd
/etc/kubernetes/pki/sa.key: the key's mode is 0644, expected 0600
  => chmod 600 /etc/kubernetes/pki/sa.key
  breaks "
    );
}

const FILES: [&str; 16] = [
    "pki/ca.crt",
    "pki/ca.key",
    "pki/etcd/ca.crt",
    "pki/etcd/ca.key",
    "pki/front-proxy-ca.crt",
    "pki/apiserver.crt",
    "pki/apiserver.key",
    "pki/apiserver-etcd-client.crt",
    "pki/apiserver-kubelet-client.key",
    "pki/etcd/server.crt",
    "pki/etcd/peer.key",
    "pki/sa.key",
    "pki/sa.pub",
    "admin.conf",
    "controller-manager.conf",
    "kubelet.conf",
];

#[derive(Clone, Copy, Debug)]
enum Damage {
    Removed,
    Emptied,
    Garbled,
    Copied(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Removed),
        Just(Damage::Emptied),
        Just(Damage::Garbled),
        (0..FILES.len()).prop_map(Damage::Copied),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens to several files at once, the judgement ends, is the same every time, names
    /// something, and is quiet again when the files are back.
    #[test]
    fn any_damage_is_judged(damages in prop::collection::vec((0..FILES.len(), damage()), 1..4), live in any::<bool>()) {
        let healthy = Cluster::kubeadm();
        let healthy = if live { healthy } else { healthy.files_only() };
        let mut cluster = healthy.clone();
        cluster.host().written_at = pki::now() - jiff::SignedDuration::from_hours(1);
        for (index, damage) in &damages {
            let file = format!("/etc/kubernetes/{}", FILES[*index]);
            match damage {
                Damage::Removed => {
                    cluster.host().nodes.remove(std::path::Path::new(&file));
                }
                Damage::Emptied => cluster.host().write(&file, ""),
                Damage::Garbled => cluster.host().write(&file, "\u{0}-----BEGIN"),
                Damage::Copied(from) => {
                    let from = format!("/etc/kubernetes/{}", FILES[*from]);
                    if let Some(contents) = healthy.machines[0].nodes.get(std::path::Path::new(&from)) {
                        cluster.host().nodes.insert(file.into(), contents.clone());
                    }
                }
            }
        }
        let (one, two) = (cluster.diagnose(), cluster.diagnose());
        prop_assert_eq!(&one.findings, &two.findings);
        crate::breakages::well_formed(&one);
        for report in &one.connections {
            if report.on_disk.state == kubepki_core::diagnose::State::Failed {
                let named = one.findings.iter().any(|finding| finding.connections.contains(&report.id));
                prop_assert!(named, "nothing is named for {}: {:?}", report.id, report.on_disk);
            }
        }
        prop_assert!(healthy.diagnose().worst() < Some(Severity::Warning));
    }
}
