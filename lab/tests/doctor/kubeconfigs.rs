//! Breakages of kubeconfigs: their certificates, their CA data, the server that they name.

use crate::breakage::{Breakage, broken};

const ADMIN: &str = "/etc/kubernetes/admin.conf";
const CONTROLLER_MANAGER: &str = "/etc/kubernetes/controller-manager.conf";
const SCHEDULER: &str = "/etc/kubernetes/scheduler.conf";
const KUBELET: &str = "/etc/kubernetes/kubelet.conf";

/// The API is asked with admin.conf, unless that is what is broken.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "admin-expired",
        "user /etc/kubernetes/admin.conf start=-375 end=-10",
        &[("expired", ADMIN)],
    )
    .without_api(),
    broken(
        "admin-by-a-ca-of-the-same-name",
        "authority imposter /CN=kubernetes; user /etc/kubernetes/admin.conf ca=$SCRATCH/imposter",
        &[("not-signed-by-ca", ADMIN)],
    )
    .without_api(),
    broken(
        "admin-readable-by-others",
        "chmod 0644 /etc/kubernetes/admin.conf",
        &[("key-readable-by-others", ADMIN)],
    ),
    broken(
        "controller-manager-by-another-ca",
        "user /etc/kubernetes/controller-manager.conf ca=$PKI/etcd/ca",
        &[("signed-by-other-ca", CONTROLLER_MANAGER)],
    ),
    broken(
        "controller-manager-is-the-scheduler",
        "user /etc/kubernetes/controller-manager.conf subject=/CN=system:kube-scheduler",
        &[("identity-refused", CONTROLLER_MANAGER)],
    ),
    broken(
        "controller-manager-expired",
        "user /etc/kubernetes/controller-manager.conf start=-375 end=-10",
        &[("expired", CONTROLLER_MANAGER)],
    ),
    broken(
        "scheduler-renewed-and-not-restarted",
        "user /etc/kubernetes/scheduler.conf end=300",
        &[("stale-in-memory", SCHEDULER)],
    ),
    broken(
        "scheduler-key-of-another",
        "embed /etc/kubernetes/scheduler.conf client-key-data $(other_key)",
        &[("key-mismatch", SCHEDULER)],
    ),
    broken(
        "scheduler-trusts-another-ca",
        "authority imposter /CN=kubernetes
         embed /etc/kubernetes/scheduler.conf certificate-authority-data $SCRATCH/imposter.crt",
        &[("wrong-ca-data", SCHEDULER)],
    ),
    broken(
        "scheduler-asks-for-a-name-that-nobody-has",
        "sed -i 's|server: .*|server: https://api.elsewhere:6443|' /etc/kubernetes/scheduler.conf",
        &[("wrong-server-name", SCHEDULER)],
    ),
    broken(
        "scheduler-names-a-user-that-is-not-there",
        "sed -i 's|^    user: .*|    user: nobody|' /etc/kubernetes/scheduler.conf",
        &[("unreadable", SCHEDULER)],
    ),
    broken(
        "scheduler-missing",
        "rm /etc/kubernetes/scheduler.conf",
        &[("missing", SCHEDULER)],
    ),
    broken(
        "kubelet-trusts-another-ca",
        "authority imposter /CN=kubernetes
         embed /etc/kubernetes/kubelet.conf certificate-authority-data $SCRATCH/imposter.crt",
        &[("wrong-ca-data", KUBELET)],
    ),
    broken(
        "kubelet-embeds-its-certificate",
        "data=$(base64 -w0 $LINK)
         sed -i -e \"s|client-certificate: .*|client-certificate-data: $data|\" \
             -e \"s|client-key: .*|client-key-data: $data|\" /etc/kubernetes/kubelet.conf",
        &[("embedded-kubelet-certificate", KUBELET)],
    )
    .merely_told(),
    broken(
        "kubelet-names-a-certificate-that-is-not-there",
        "sed -i 's|client-certificate: .*|client-certificate: /var/lib/kubelet/pki/none.pem|' \
             /etc/kubernetes/kubelet.conf",
        &[("missing", "/var/lib/kubelet/pki/none.pem")],
    ),
];
