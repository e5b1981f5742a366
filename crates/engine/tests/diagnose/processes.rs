//! Processes that go on with what they had, and what the wire and metrics tell.

use crate::breakages::{culprits, well_formed};
use crate::healthy::show;
use crate::kubeadm::{Cluster, PKI, leafs, names, put, write_kubeconfig};
use crate::machine::Machine;
use crate::pki::{self, Authority, CLIENT, Wish, authorities};
use jiff::SignedDuration;
use kubepki_core::diagnose::State;
use kubepki_core::model::ComponentKind::{self, KubeApiserver, KubeScheduler, Kubelet};
use kubepki_core::model::Severity;
use kubepki_core::model::live::{AttemptOutcome, ClockFact, LiveObservation, MetricFact};

fn live(cluster: &mut Cluster) -> &mut LiveObservation {
    cluster.live[0].as_mut().unwrap()
}

/// Changes a healthy cluster an hour ago, and expects one culprit.
fn expects(object: &str, code: &str, severity: Severity, change: impl Fn(&mut Cluster)) {
    let mut cluster = Cluster::kubeadm();
    cluster.host().written_at = pki::now() - SignedDuration::from_hours(1);
    change(&mut cluster);
    let diagnosis = cluster.diagnose();
    let expected = [(object.to_owned(), code.to_owned())];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
    assert_eq!(diagnosis.worst(), Some(severity));
    well_formed(&diagnosis);
}

fn renew(machine: &mut Machine, base: &str) {
    let names = names(machine);
    let copy = machine.clone();
    let (_, authority, wish) = leafs(&copy, &names)
        .into_iter()
        .find(|(known, ..)| *known == base)
        .unwrap();
    put(machine, base, &authority.issue(&wish.lasting(0, 365)));
}

fn metric(component: ComponentKind, name: &str, labels: &str, value: f64) -> MetricFact {
    MetricFact {
        component,
        name: name.to_owned(),
        labels: labels.to_owned(),
        value,
    }
}

fn base(name: &str) -> String {
    format!("{PKI}/{name}")
}

#[test]
fn a_renewed_certificate_that_is_not_served() {
    expects(
        &base("apiserver.crt"),
        "not-taken-up",
        Severity::Warning,
        |cluster| {
            renew(cluster.host(), "apiserver");
        },
    );
}

#[test]
fn one_that_may_be_taken_up_yet() {
    let mut cluster = Cluster::kubeadm();
    cluster.host().written_at = pki::now() - SignedDuration::from_secs(20);
    renew(cluster.host(), "apiserver");
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
}

#[test]
fn an_expired_certificate_in_memory() {
    let object = base("apiserver.crt");
    expects(
        &object,
        "expired-in-memory",
        Severity::Critical,
        |cluster| {
            let host = cluster.host();
            let new = (
                host.bytes(&base("apiserver.crt")),
                host.bytes(&base("apiserver.key")),
            );
            let names = names(host);
            let copy = host.clone();
            let (_, authority, wish) = leafs(&copy, &names).remove(0);
            put(host, "apiserver", &authority.issue(&wish.lasting(-400, -1)));
            cluster.observe();
            cluster.host().write(&base("apiserver.crt"), new.0);
            cluster.host().write(&base("apiserver.key"), new.1);
        },
    );
}

#[test]
fn a_kubeconfig_renewed_after_its_process_started() {
    let object = "/etc/kubernetes/controller-manager.conf";
    expects(object, "stale-in-memory", Severity::Warning, |cluster| {
        let ca = &authorities().cluster;
        let user = "system:kube-controller-manager";
        let pair = ca.issue(&Wish::new(user, CLIENT, &[]).lasting(0, 365));
        write_kubeconfig(
            cluster.host(),
            "controller-manager.conf",
            user,
            &ca.pem(),
            &pair,
        );
    });
}

/// kubeadm v1.20 dates a renewed certificate back to its CA's beginning.
#[test]
fn one_that_is_dated_back() {
    let object = "/etc/kubernetes/scheduler.conf";
    expects(object, "stale-in-memory", Severity::Warning, |cluster| {
        let ca = &authorities().cluster;
        let user = "system:kube-scheduler";
        let pair = ca.issue(&Wish::new(user, CLIENT, &[]).lasting(-100, 365));
        write_kubeconfig(cluster.host(), "scheduler.conf", user, &ca.pem(), &pair);
    });
}

#[test]
fn a_file_put_back_is_only_worth_a_word() {
    let mut cluster = Cluster::kubeadm();
    let file = "/etc/kubernetes/scheduler.conf";
    let contents = cluster.host().bytes(file);
    cluster.host().written_at = pki::now() - SignedDuration::from_hours(1);
    cluster.host().write(file, contents);
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    let found = diagnosis
        .findings
        .iter()
        .any(|finding| finding.code == "stale-in-memory");
    assert!(found, "{}", show(&diagnosis));
}

#[test]
fn an_etcd_that_has_not_read_its_new_cas() {
    expects(
        &base("etcd/ca.crt"),
        "stale-in-memory",
        Severity::Warning,
        |cluster| {
            let next = Authority::lasting("etcd-ca-2", 0, 3650);
            let both = format!("{}{}", authorities().etcd.pem(), next.pem());
            cluster.host().write(&base("etcd/ca.crt"), both);
        },
    );
}

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const TTL: &str = "kubelet_certificate_manager_client_ttl_seconds";

/// The file behind the link was changed while the kubelet ran.
fn turned(cluster: &mut Cluster) {
    let at = pki::now() - SignedDuration::from_hours(1);
    cluster.host().touch(CURRENT, at);
}

#[test]
fn a_kubelet_that_holds_another_certificate() {
    expects(CURRENT, "not-taken-up", Severity::Warning, |cluster| {
        turned(cluster);
        let left = 40.0 * 86_400.0;
        live(cluster).metrics.push(metric(Kubelet, TTL, "", left));
    });
}

#[test]
fn a_kubelet_that_holds_an_expired_one() {
    expects(
        CURRENT,
        "expired-in-memory",
        Severity::Critical,
        |cluster| {
            live(cluster)
                .metrics
                .push(metric(Kubelet, TTL, "", -3600.0));
        },
    );
}

#[test]
fn a_kubelet_that_holds_what_the_file_does() {
    let mut cluster = Cluster::kubeadm();
    let left = 265.0 * 86_400.0;
    live(&mut cluster)
        .metrics
        .push(metric(Kubelet, TTL, "", left));
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
}

#[test]
fn a_self_made_certificate_that_ends() {
    let object = "kube-scheduler (in memory)";
    expects(
        object,
        "memory-certificate-ends",
        Severity::Warning,
        |cluster| {
            for fact in &mut live(cluster).served {
                if fact.component == Some(KubeScheduler)
                    && let Ok(chain) = &mut fact.outcome
                {
                    chain.chain = vec![pki::self_signed("localhost@1", 12).certificate];
                }
            }
        },
    );
}

#[test]
fn an_api_server_that_runs_for_nearly_a_year() {
    let object = "kube-apiserver (in memory)";
    expects(
        object,
        "memory-certificate-ends",
        Severity::Warning,
        |cluster| {
            let host = cluster.host();
            let paths: Vec<_> = host.nodes.keys().cloned().collect();
            for path in paths {
                host.touch(path.to_str().unwrap(), pki::now() - pki::days(360));
            }
            for process in &mut host.processes {
                if process.argv[0] == "kube-apiserver" {
                    process.started = pki::now() - pki::days(350);
                }
            }
        },
    );
}

#[test]
fn a_clock_that_is_off() {
    expects(
        "10.0.0.2:6443",
        "clock-skew",
        Severity::Warning,
        |cluster| {
            for (server, ahead_seconds) in [("10.0.0.2:6443", 412), ("10.0.0.3:6443", 405)] {
                live(cluster).clocks.push(ClockFact {
                    server: server.to_owned(),
                    ahead_seconds,
                });
            }
        },
    );
}

#[test]
fn a_refusal_that_no_file_explains() {
    let mut cluster = Cluster::kubeadm();
    for attempt in &mut live(&mut cluster).attempts {
        if attempt.connection == "admin.conf->kube-apiserver" {
            attempt.outcome = AttemptOutcome::ServerRefused {
                reason: "the certificate \"CN=corp-proxy\" is by \"CN=corp\"".to_owned(),
            };
        }
    }
    let diagnosis = cluster.diagnose();
    let found = culprits(&diagnosis);
    assert_eq!(found.len(), 1, "{}", show(&diagnosis));
    assert_eq!(found[0].1, "connection-fails");
    let report = diagnosis
        .connections
        .iter()
        .find(|report| report.id == "admin.conf->kube-apiserver")
        .unwrap();
    assert_eq!(report.on_disk.state, State::Verified);
    assert_eq!(report.on_wire.state, State::Failed);
    assert!(
        report
            .on_wire
            .reason
            .as_ref()
            .unwrap()
            .contains("corp-proxy")
    );
}

#[test]
fn a_bad_file_that_the_process_has_not_read_says_so() {
    let mut cluster = Cluster::kubeadm();
    cluster.host().written_at = pki::now() - SignedDuration::from_hours(1);
    cluster.host().copy(&base("ca.crt"), &base("etcd/ca.crt"));
    let diagnosis = cluster.diagnose();
    assert_eq!(culprits(&diagnosis).len(), 1, "{}", show(&diagnosis));
    let finding = &diagnosis.findings[0];
    assert!(
        finding.evidence.iter().any(|fact| fact.contains("etcd")),
        "{finding:#?}"
    );
    let told = finding
        .evidence
        .iter()
        .any(|fact| fact.contains("next restart"));
    assert!(told, "{finding:#?}");
    assert!(finding.connections.len() >= 2, "{finding:#?}");
}

#[test]
fn clients_that_are_about_to_expire_are_worth_a_word() {
    let mut cluster = Cluster::kubeadm();
    let name = "apiserver_client_certificate_expiration_seconds_bucket";
    for (labels, value) in [
        ("le=\"3600\"", 0.0),
        ("le=\"86400\"", 7.0),
        ("le=\"+Inf\"", 900.0),
    ] {
        live(&mut cluster)
            .metrics
            .push(metric(KubeApiserver, name, labels, value));
    }
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    let found = diagnosis
        .findings
        .iter()
        .find(|finding| finding.code == "clients-about-to-expire");
    assert!(found.unwrap().message.contains("24 hours"));
    well_formed(&diagnosis);
}
