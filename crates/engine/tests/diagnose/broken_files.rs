//! Breakages of files and keys, service accounts' too.

use crate::breakages::{breaks, breaks_cluster, path, reissue, with_cluster_ca};
use crate::kubeadm::Cluster;
use crate::pki::{self, Authority, authorities};

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
