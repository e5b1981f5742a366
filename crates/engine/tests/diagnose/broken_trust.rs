//! Breakages of trust files and of flags.

use crate::breakages::{breaks, breaks_cluster, path};
use crate::kubeadm::Cluster;
use crate::machine::Machine;
use crate::pki::{Authority, authorities};

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
pub const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

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
