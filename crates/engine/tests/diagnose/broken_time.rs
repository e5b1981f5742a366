//! Breakages of time and of who signed.

use crate::breakages::{MANAGER, SCHEDULER, breaks, path, reissue, user, with_cluster_ca};
use crate::kubeadm::base64;
use crate::pki::authorities;

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
