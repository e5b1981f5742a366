//! One thing broken, one object named: by the files alone, and while the processes have not noticed.

use crate::healthy::show;
use crate::kubeadm::{Cluster, PKI, base64, leafs, names, put, write_kubeconfig};
use crate::machine::{Machine, Node};
use crate::pki::{self, Authority, BOTH, CLIENT, SERVER, Wish, authorities};
use jiff::SignedDuration;
use kubepki_core::diagnose::Diagnosis;
use kubepki_core::findings;
use kubepki_core::model::Severity;
use std::path::{Path, PathBuf};

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
fn breaks_cluster(cluster: Cluster, expected: &[(&str, &str)], change: impl Fn(&mut Cluster)) {
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

fn breaks(object: &str, code: &str, change: impl Fn(&mut Machine)) {
    breaks_cluster(Cluster::kubeadm(), &[(object, code)], |cluster| {
        change(cluster.host());
    });
}

fn path(base: &str) -> String {
    format!("{PKI}/{base}")
}

/// Issues a leaf again, with something else about it.
fn reissue(
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

fn user(machine: &mut Machine, file: &str, name: &str, ca: &Authority, by: &Authority, until: i64) {
    let wish = Wish::new(name, CLIENT, &[]).lasting(-100, until);
    write_kubeconfig(machine, file, name, &ca.pem(), &by.issue(&wish));
}

const MANAGER: &str = "system:kube-controller-manager";
const SCHEDULER: &str = "system:kube-scheduler";

// Time

#[test]
fn an_expired_serving_certificate() {
    breaks(&path("apiserver.crt"), "expired", |host| {
        reissue(host, "apiserver", None, |wish| wish.until = -1);
    });
}

#[test]
fn an_expired_front_proxy_client() {
    breaks(&path("front-proxy-client.crt"), "expired", |host| {
        reissue(host, "front-proxy-client", None, |wish| wish.until = -1);
    });
}

#[test]
fn an_expired_health_check_client() {
    breaks(&path("etcd/healthcheck-client.crt"), "expired", |host| {
        reissue(host, "etcd/healthcheck-client", None, |wish| {
            wish.until = -1
        });
    });
}

#[test]
fn an_expired_kubeconfig() {
    breaks("/etc/kubernetes/scheduler.conf", "expired", |host| {
        let ca = &authorities().cluster;
        user(host, "scheduler.conf", SCHEDULER, ca, ca, -1);
    });
}

#[test]
fn a_certificate_that_ends_soon() {
    breaks(
        &path("apiserver-kubelet-client.crt"),
        "expires-soon",
        |host| {
            reissue(host, "apiserver-kubelet-client", None, |wish| {
                wish.until = 20
            });
        },
    );
}

#[test]
fn a_certificate_from_the_future() {
    breaks(&path("apiserver.crt"), "not-yet-valid", |host| {
        reissue(host, "apiserver", None, |wish| wish.from = 1);
    });
}

fn with_cluster_ca(host: &mut Machine, pem: &str) {
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

#[test]
fn an_expired_cluster_ca_is_named_and_not_what_it_signed() {
    breaks(&path("ca.crt"), "expired", |host| {
        with_cluster_ca(host, &authorities().cluster.again(-400, -1).pem());
    });
}

#[test]
fn an_expired_etcd_ca() {
    breaks(&path("etcd/ca.crt"), "expired", |host| {
        host.write(
            &path("etcd/ca.crt"),
            authorities().etcd.again(-400, -1).pem(),
        );
    });
}

#[test]
fn a_ca_that_ends_soon() {
    breaks(&path("ca.crt"), "expires-soon", |host| {
        with_cluster_ca(host, &authorities().cluster.again(-400, 20).pem());
    });
}

#[test]
fn a_ca_that_ends_before_what_it_signed() {
    breaks(&path("ca.crt"), "ca-ends-before-leafs", |host| {
        with_cluster_ca(host, &authorities().cluster.again(-400, 200).pem());
    });
}

#[test]
fn a_certificate_that_outlives_its_ca() {
    breaks(&path("apiserver.crt"), "outlives-ca", |host| {
        reissue(host, "apiserver", None, |wish| wish.until = 36_500);
    });
}

// Who signed it

#[test]
fn a_certificate_by_another_cas_namesake() {
    breaks(&path("apiserver.crt"), "not-signed-by-ca", |host| {
        reissue(host, "apiserver", Some(&authorities().foreign), |_| {});
    });
}

#[test]
fn a_certificate_by_the_wrong_ca_of_the_cluster() {
    breaks(&path("apiserver.crt"), "signed-by-other-ca", |host| {
        reissue(host, "apiserver", Some(&authorities().etcd), |_| {});
    });
}

#[test]
fn a_client_of_etcd_by_the_cluster_ca() {
    breaks(
        &path("apiserver-etcd-client.crt"),
        "signed-by-other-ca",
        |host| {
            reissue(
                host,
                "apiserver-etcd-client",
                Some(&authorities().cluster),
                |_| {},
            );
        },
    );
}

#[test]
fn a_kubeconfig_user_by_another_ca() {
    breaks(
        "/etc/kubernetes/controller-manager.conf",
        "not-signed-by-ca",
        |host| {
            let all = authorities();
            user(
                host,
                "controller-manager.conf",
                MANAGER,
                &all.cluster,
                &all.foreign,
                200,
            );
        },
    );
}

#[test]
fn a_kubeconfig_of_another_cluster() {
    breaks("/etc/kubernetes/scheduler.conf", "wrong-ca-data", |host| {
        let all = authorities();
        user(
            host,
            "scheduler.conf",
            SCHEDULER,
            &all.foreign,
            &all.cluster,
            200,
        );
    });
}

#[test]
fn a_kubelet_that_trusts_another_ca() {
    breaks("/etc/kubernetes/kubelet.conf", "wrong-ca-data", |host| {
        let all = authorities();
        let (old, new) = (base64(all.cluster.pem()), base64(all.foreign.pem()));
        host.edit("/etc/kubernetes/kubelet.conf", &old, &new);
    });
}

// Trust files

#[test]
fn the_cluster_ca_copied_over_etcds() {
    breaks(&path("etcd/ca.crt"), "copy-of-other-file", |host| {
        host.copy(&path("ca.crt"), &path("etcd/ca.crt"));
    });
}

#[test]
fn etcds_ca_copied_over_the_clusters() {
    breaks(&path("ca.crt"), "copy-of-other-file", |host| {
        host.copy(&path("etcd/ca.crt"), &path("ca.crt"));
    });
}

#[test]
fn the_cluster_ca_copied_over_the_front_proxys() {
    breaks(&path("front-proxy-ca.crt"), "copy-of-other-file", |host| {
        host.copy(&path("ca.crt"), &path("front-proxy-ca.crt"));
    });
}

#[test]
fn two_cas_that_changed_places() {
    let expected = [
        (path("ca.crt"), "swapped-files"),
        (path("etcd/ca.crt"), "swapped-files"),
    ];
    let expected: Vec<(&str, &str)> = expected.iter().map(|(o, c)| (o.as_str(), *c)).collect();
    breaks_cluster(Cluster::kubeadm(), &expected, |cluster| {
        cluster
            .host()
            .exchange(&path("ca.crt"), &path("etcd/ca.crt"));
    });
}

#[test]
fn another_clusters_ca() {
    breaks(&path("ca.crt"), "wrong-authority-file", |host| {
        host.write(&path("ca.crt"), authorities().foreign.pem());
    });
}

#[test]
fn another_clusters_ca_with_its_key() {
    breaks(&path("ca.crt"), "wrong-authority-file", |host| {
        host.write(&path("ca.crt"), authorities().foreign.pem());
        host.write(&path("ca.key"), authorities().foreign.key());
    });
}

#[test]
fn another_etcds_ca() {
    breaks(&path("etcd/ca.crt"), "wrong-authority-file", |host| {
        host.write(&path("etcd/ca.crt"), Authority::new("etcd-ca").pem());
    });
}

#[test]
fn another_front_proxys_ca() {
    breaks(
        &path("front-proxy-ca.crt"),
        "wrong-authority-file",
        |host| {
            host.write(
                &path("front-proxy-ca.crt"),
                Authority::new("front-proxy-ca").pem(),
            );
        },
    );
}

#[test]
fn a_leaf_in_place_of_a_ca() {
    breaks(&path("etcd/ca.crt"), "not-a-ca", |host| {
        host.copy(&path("etcd/server.crt"), &path("etcd/ca.crt"));
    });
}

#[test]
fn a_ca_key_of_another_ca() {
    breaks(&path("ca.key"), "key-mismatch", |host| {
        host.write(&path("ca.key"), authorities().foreign.key());
    });
}

#[test]
fn one_of_three_cas_replaced() {
    let expected = [(
        "cp2:/etc/kubernetes/pki/etcd/ca.crt",
        "wrong-authority-file",
    )];
    breaks_cluster(Cluster::three(), &expected, |cluster| {
        cluster.machines[1].write(&path("etcd/ca.crt"), Authority::new("etcd-ca").pem());
    });
}

// Flags

const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

fn flag(host: &mut Machine, from: &str, to: &str) {
    host.edit(API_SERVER, from, to);
    for process in &mut host.processes {
        for argument in &mut process.argv {
            if argument == from {
                *argument = to.to_owned();
            }
        }
    }
}

#[test]
fn a_trust_flag_that_names_another_cas_file() {
    breaks(
        "kube-apiserver --requestheader-client-ca-file",
        "wrong-authority-file",
        |host| {
            let name = "--requestheader-client-ca-file=/etc/kubernetes/pki/";
            flag(
                host,
                &format!("{name}front-proxy-ca.crt"),
                &format!("{name}ca.crt"),
            );
        },
    );
}

#[test]
fn a_certificate_flag_that_names_another_file() {
    breaks(
        "kube-apiserver --etcd-certfile",
        "copy-of-other-file",
        |host| {
            for (what, ending) in [("certfile", "crt"), ("keyfile", "key")] {
                let name = format!("--etcd-{what}=/etc/kubernetes/pki/apiserver");
                let (from, to) = (
                    format!("{name}-etcd-client.{ending}"),
                    format!("{name}-kubelet-client.{ending}"),
                );
                flag(host, &from, &to);
            }
        },
    );
}

#[test]
fn a_front_proxy_that_is_not_among_the_allowed() {
    breaks(
        "kube-apiserver --requestheader-allowed-names",
        "identity-refused",
        |host| {
            let name = "--requestheader-allowed-names=";
            flag(
                host,
                &format!("{name}front-proxy-client"),
                &format!("{name}aggregator"),
            );
        },
    );
}

#[test]
fn an_etcd_that_asks_nobody() {
    breaks("etcd --client-cert-auth", "flag-missing", |host| {
        let manifest = "/etc/kubernetes/manifests/etcd.yaml";
        host.edit(manifest, "    - --client-cert-auth=true\n", "");
        host.edit(
            manifest,
            "    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt\n",
            "",
        );
        for process in &mut host.processes {
            process.argv.retain(|argument| {
                argument != "--client-cert-auth=true" && !argument.starts_with("--trusted-ca-file")
            });
        }
    });
}

// Names, usages, identities

#[test]
fn a_serving_certificate_without_the_services_address() {
    breaks(&path("apiserver.crt"), "name-missing", |host| {
        let held = [
            "DNS:cp1",
            "DNS:kubernetes.default.svc",
            "DNS:api.example",
            "IP:10.0.0.1",
        ];
        let wish = Wish::new("kube-apiserver", SERVER, &held);
        put(host, "apiserver", &authorities().cluster.issue(&wish));
    });
}

#[test]
fn a_serving_certificate_without_the_name_that_all_ask_for() {
    breaks(&path("apiserver.crt"), "name-missing", |host| {
        let held = [
            "DNS:cp1",
            "DNS:kubernetes.default.svc",
            "IP:10.96.0.1",
            "IP:10.0.0.1",
        ];
        let wish = Wish::new("kube-apiserver", SERVER, &held);
        put(host, "apiserver", &authorities().cluster.issue(&wish));
    });
}

#[test]
fn one_kubeconfig_that_asks_for_another_name() {
    breaks(
        "/etc/kubernetes/scheduler.conf",
        "wrong-server-name",
        |host| {
            host.edit(
                "/etc/kubernetes/scheduler.conf",
                "https://api.example:6443",
                "https://10.0.0.77:6443",
            );
        },
    );
}

#[test]
fn a_server_certificate_for_clients() {
    breaks(&path("apiserver.crt"), "usage-missing", |host| {
        reissue(host, "apiserver", None, |wish| wish.usages = CLIENT);
    });
}

#[test]
fn a_client_certificate_for_servers() {
    breaks(
        &path("apiserver-kubelet-client.crt"),
        "usage-missing",
        |host| {
            reissue(host, "apiserver-kubelet-client", None, |wish| {
                wish.usages = SERVER
            });
        },
    );
}

#[test]
fn an_etcd_peer_that_cannot_be_a_client() {
    let expected = [("cp1:/etc/kubernetes/pki/etcd/peer.crt", "usage-missing")];
    breaks_cluster(Cluster::three(), &expected, |cluster| {
        reissue(cluster.host(), "etcd/peer", None, |wish| {
            wish.usages = SERVER
        });
    });
}

#[test]
fn an_etcd_certificate_of_another_node() {
    breaks(
        &path("etcd/server.crt"),
        "copied-from-another-node",
        |host| {
            let held = ["DNS:cp2", "IP:10.0.0.2"];
            let wish = Wish::new("cp2", BOTH, &held);
            put(host, "etcd/server", &authorities().etcd.issue(&wish));
        },
    );
}

#[test]
fn etcds_certificate_copied_from_another_host() {
    let expected = [(
        "cp3:/etc/kubernetes/pki/etcd/server.crt",
        "copied-from-another-node",
    )];
    breaks_cluster(Cluster::three(), &expected, |cluster| {
        for ending in ["crt", "key"] {
            let file = path(&format!("etcd/server.{ending}"));
            let contents = cluster.machines[0].bytes(&file);
            cluster.machines[2].write(&file, contents);
        }
    });
}

#[test]
fn a_front_proxy_of_another_name() {
    breaks(
        &path("front-proxy-client.crt"),
        "identity-refused",
        |host| {
            reissue(host, "front-proxy-client", None, |wish| {
                wish.common_name = "aggregator"
            });
        },
    );
}

#[test]
fn the_schedulers_certificate_in_the_controller_managers_kubeconfig() {
    breaks(
        "/etc/kubernetes/controller-manager.conf",
        "copy-of-other-file",
        |host| {
            host.copy(
                "/etc/kubernetes/scheduler.conf",
                "/etc/kubernetes/controller-manager.conf",
            );
        },
    );
}

#[test]
fn a_controller_manager_under_another_name() {
    breaks(
        "/etc/kubernetes/controller-manager.conf",
        "identity-refused",
        |host| {
            let ca = &authorities().cluster;
            user(
                host,
                "controller-manager.conf",
                "controller-manager",
                ca,
                ca,
                200,
            );
        },
    );
}

// Files and keys

#[test]
fn another_key() {
    breaks(&path("apiserver.key"), "key-mismatch", |host| {
        host.write(&path("apiserver.key"), pki::key_pem(&pki::key()));
    });
}

#[test]
fn another_certificates_key() {
    breaks(&path("apiserver.key"), "key-mismatch", |host| {
        host.copy(&path("etcd/server.key"), &path("apiserver.key"));
    });
}

#[test]
fn a_renewed_certificate_with_the_old_key() {
    breaks(&path("apiserver.crt"), "key-mismatch", |host| {
        let key = host.text(&path("apiserver.key"));
        let before = host.written_at;
        reissue(host, "apiserver", None, |_| {});
        host.write(&path("apiserver.key"), key);
        host.touch(&path("apiserver.key"), before - pki::days(99));
    });
}

#[test]
fn a_certificate_copied_without_its_key() {
    breaks(&path("apiserver.crt"), "copy-of-other-file", |host| {
        host.copy(&path("front-proxy-client.crt"), &path("apiserver.crt"));
    });
}

#[test]
fn a_certificate_copied_with_its_key() {
    breaks(
        &path("apiserver-etcd-client.crt"),
        "copy-of-other-file",
        |host| {
            for ending in ["crt", "key"] {
                host.copy(
                    &path(&format!("apiserver-kubelet-client.{ending}")),
                    &path(&format!("apiserver-etcd-client.{ending}")),
                );
            }
        },
    );
}

#[test]
fn a_missing_certificate() {
    breaks(&path("apiserver-kubelet-client.crt"), "missing", |host| {
        host.remove(&path("apiserver-kubelet-client.crt"));
    });
}

#[test]
fn a_missing_key() {
    breaks(&path("front-proxy-client.key"), "key-missing", |host| {
        host.remove(&path("front-proxy-client.key"));
    });
}

#[test]
fn a_missing_ca() {
    breaks(&path("front-proxy-ca.crt"), "missing", |host| {
        host.remove(&path("front-proxy-ca.crt"));
    });
}

#[test]
fn a_damaged_certificate() {
    breaks(&path("etcd/server.crt"), "unreadable", |host| {
        host.write(
            &path("etcd/server.crt"),
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        );
    });
}

#[test]
fn an_empty_ca() {
    breaks(&path("etcd/ca.crt"), "unreadable", |host| {
        host.write(&path("etcd/ca.crt"), "");
    });
}

#[test]
fn a_damaged_kubeconfig() {
    breaks("/etc/kubernetes/scheduler.conf", "unreadable", |host| {
        host.write(
            "/etc/kubernetes/scheduler.conf",
            "apiVersion: v1\n\tkind: Config\n",
        );
    });
}

#[test]
fn a_key_that_others_may_read() {
    breaks(&path("ca.key"), "key-readable-by-others", |host| {
        host.write_mode(&path("ca.key"), authorities().cluster.key(), 0o644);
    });
}

#[test]
fn a_signing_file_with_two_certificates() {
    breaks(&path("ca.crt"), "signing-file-bundle", |host| {
        let both = format!(
            "{}{}",
            authorities().cluster.pem(),
            Authority::new("next").pem()
        );
        with_cluster_ca(host, &both);
    });
}

#[test]
fn a_front_proxys_ca_that_also_holds_the_clusters() {
    let object = "kube-apiserver --requestheader-client-ca-file";
    breaks(object, "client-ca-is-requestheader-ca", |host| {
        let all = authorities();
        let both = format!("{}{}", all.front_proxy.pem(), all.cluster.pem());
        host.write(&path("front-proxy-ca.crt"), both);
    });
}

#[test]
fn an_etcd_renewed_by_a_new_ca_while_the_old_one_is_trusted() {
    let object = path("etcd/ca.crt");
    let expected = [(object.as_str(), "wrong-authority-file")];
    breaks_cluster(Cluster::kubeadm(), &expected, |cluster| {
        let host = cluster.host();
        let new = Authority::new("etcd-ca");
        host.write(&path("etcd/ca.key"), new.key());
        for base in [
            "etcd/server",
            "etcd/peer",
            "etcd/healthcheck-client",
            "apiserver-etcd-client",
        ] {
            reissue(host, base, Some(&new), |_| {});
        }
        // etcd serves what lies there with the next handshake.
        cluster.observe();
    });
}

#[test]
fn a_controller_manager_that_signs_with_another_ca() {
    let object = "kube-controller-manager --cluster-signing-cert-file";
    breaks(object, "signer-not-trusted", |host| {
        for ending in ["crt", "key"] {
            let what = if ending == "crt" { "cert" } else { "key" };
            let from = format!("--cluster-signing-{what}-file=/etc/kubernetes/pki/ca.{ending}");
            let to = from.replace("/ca.", "/front-proxy-ca.");
            host.edit(
                "/etc/kubernetes/manifests/kube-controller-manager.yaml",
                &from,
                &to,
            );
            for process in &mut host.processes {
                for argument in &mut process.argv {
                    if *argument == from {
                        argument.clone_from(&to);
                    }
                }
            }
        }
    });
}

#[test]
fn a_kubelet_told_of_another_cas_file() {
    breaks("kubelet --client-ca-file", "wrong-authority-file", |host| {
        let (from, to) = (
            "clientCAFile: /etc/kubernetes/pki/ca.crt",
            "clientCAFile: /etc/kubernetes/pki/etcd/ca.crt",
        );
        host.edit("/var/lib/kubelet/config.yaml", from, to);
    });
}

// Service accounts

#[test]
fn a_service_account_key_that_nobody_verifies_by() {
    breaks(&path("sa.key"), "service-account-key-unverified", |host| {
        host.write(&path("sa.key"), pki::key_pem(&pki::key()));
    });
}

#[test]
fn a_public_half_of_another_key() {
    breaks(&path("sa.pub"), "service-account-key-unverified", |host| {
        host.write(&path("sa.pub"), pki::key().public_key().to_pem());
    });
}

#[test]
fn a_missing_public_half() {
    breaks(&path("sa.pub"), "missing", |host| {
        host.remove(&path("sa.pub"))
    });
}

// The kubelet

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

#[test]
fn a_file_instead_of_the_kubelets_link() {
    breaks(CURRENT, "not-a-symlink", |host| {
        let contents = host.bytes(CURRENT);
        host.remove(CURRENT);
        host.write(CURRENT, contents);
    });
}

#[test]
fn a_link_that_leads_nowhere() {
    breaks(CURRENT, "broken-link", |host| {
        let target = match &host.nodes[Path::new(CURRENT)] {
            Node::Link(target) => target.clone(),
            Node::File { .. } => PathBuf::new(),
        };
        host.nodes.remove(&target);
    });
}

#[test]
fn a_kubelet_that_does_not_renew() {
    breaks("/var/lib/kubelet/config.yaml", "rotation-off", |host| {
        host.edit(
            "/var/lib/kubelet/config.yaml",
            "rotateCertificates: true",
            "rotateCertificates: false",
        );
    });
}

#[test]
fn a_kubelet_that_cannot_be_verified_where_it_should_be() {
    breaks(
        "/var/lib/kubelet/pki/kubelet.crt",
        "untrusted-issuer",
        |host| {
            let line = "--client-ca-file=/etc/kubernetes/pki/ca.crt";
            let more = "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt";
            host.edit(API_SERVER, line, &format!("{line}\n    - {more}"));
            for process in &mut host.processes {
                if process.argv[0] == "kube-apiserver" {
                    process.argv.push(more.to_owned());
                }
            }
        },
    );
}

// Workers

#[test]
fn a_worker_with_another_clusters_ca() {
    let expected = [("/etc/kubernetes/pki/ca.crt", "wrong-authority-file")];
    breaks_cluster(Cluster::worker(), &expected, |cluster| {
        cluster
            .host()
            .write(&path("ca.crt"), authorities().foreign.pem());
    });
}

#[test]
fn a_worker_with_a_ca_key() {
    let expected = [("/etc/kubernetes/pki/ca.key", "ca-key-not-needed")];
    breaks_cluster(Cluster::worker(), &expected, |cluster| {
        cluster
            .host()
            .write(&path("ca.key"), authorities().cluster.key());
    });
}
