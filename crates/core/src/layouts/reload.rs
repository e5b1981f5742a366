//! Which inputs a running component takes up by itself, and when.
//!
//! Measured on Kubernetes v1.20.2 and etcd 3.4, by changing the file and asking the live process.
//! Newer versions watch their files and are faster, never slower; so a time here is how long to
//! wait before giving up, not how long to sleep. What is not in the table needs a restart: that is
//! always right, if not always necessary.

use crate::model::component_kind::ComponentKind;

/// How a running component takes up a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// By itself, at the latest after this many seconds.
    Live {
        /// The longest time the component lets pass before it reads the file again.
        within_seconds: u32,
    },
    /// With the next TLS handshake that it answers.
    NextHandshake,
    /// With the next connection that it opens; kept connections go on with the old one for as
    /// long as they last (340 s measured, without an end in sight).
    NextConnection,
    /// Not at all: it has to be restarted.
    Restart,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadRule {
    /// The component.
    pub component: ComponentKind,
    /// The flag that names the file, without dashes.
    pub flag: &'static str,
    /// How it takes up a change.
    pub reload: Reload,
}

/// How `component` takes up a change of the file that `flag` names.
pub fn reload(component: ComponentKind, flag: &str) -> Reload {
    let rule = RULES
        .iter()
        .find(|rule| rule.component == component && rule.flag == flag);
    rule.map_or(Reload::Restart, |rule| rule.reload)
}

/// kube-apiserver, kube-controller-manager and the kubelet read every 60 s, counted from the start
/// of the process; some seconds are left for reading and for a busy host.
const POLLED: Reload = Reload::Live { within_seconds: 70 };

/// The table; what is not in it needs a restart.
pub const RULES: &[ReloadRule] = {
    use ComponentKind::{Etcd, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet};
    use Reload::{NextConnection, NextHandshake, Restart};
    &[
        rule(Etcd, "cert-file", NextHandshake),
        rule(Etcd, "key-file", NextHandshake),
        rule(Etcd, "peer-cert-file", NextHandshake),
        rule(Etcd, "peer-key-file", NextHandshake),
        rule(Etcd, "peer-trusted-ca-file", Restart),
        rule(Etcd, "trusted-ca-file", Restart),
        rule(KubeApiserver, "client-ca-file", POLLED),
        rule(KubeApiserver, "etcd-cafile", Restart),
        rule(KubeApiserver, "etcd-certfile", NextConnection),
        rule(KubeApiserver, "etcd-keyfile", NextConnection),
        rule(KubeApiserver, "kubelet-client-certificate", NextConnection),
        rule(KubeApiserver, "kubelet-client-key", NextConnection),
        rule(KubeApiserver, "proxy-client-cert-file", POLLED),
        rule(KubeApiserver, "proxy-client-key-file", POLLED),
        rule(KubeApiserver, "requestheader-client-ca-file", POLLED),
        rule(KubeApiserver, "service-account-key-file", Restart),
        rule(KubeApiserver, "service-account-signing-key-file", Restart),
        rule(KubeApiserver, "tls-cert-file", POLLED),
        rule(KubeApiserver, "tls-private-key-file", POLLED),
        // Read through the same code as the API server's, which was measured.
        rule(KubeControllerManager, "client-ca-file", POLLED),
        rule(KubeControllerManager, "cluster-signing-cert-file", POLLED),
        rule(KubeControllerManager, "cluster-signing-key-file", POLLED),
        rule(KubeControllerManager, "kubeconfig", Restart),
        rule(
            KubeControllerManager,
            "requestheader-client-ca-file",
            POLLED,
        ),
        rule(KubeControllerManager, "root-ca-file", Restart),
        rule(
            KubeControllerManager,
            "service-account-private-key-file",
            Restart,
        ),
        rule(KubeControllerManager, "tls-cert-file", POLLED),
        rule(KubeControllerManager, "tls-private-key-file", POLLED),
        rule(KubeScheduler, "client-ca-file", POLLED),
        rule(KubeScheduler, "kubeconfig", Restart),
        rule(KubeScheduler, "requestheader-client-ca-file", POLLED),
        rule(KubeScheduler, "tls-cert-file", POLLED),
        rule(KubeScheduler, "tls-private-key-file", POLLED),
        rule(Kubelet, "client-ca-file", POLLED),
        // Also the client certificate behind the symlink that the kubeconfig names.
        rule(Kubelet, "kubeconfig", Restart),
        rule(Kubelet, "tls-cert-file", Restart),
        rule(Kubelet, "tls-private-key-file", Restart),
    ]
};

const fn rule(component: ComponentKind, flag: &'static str, reload: Reload) -> ReloadRule {
    ReloadRule {
        component,
        flag,
        reload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_reload_needs_a_restart() {
        assert_eq!(
            reload(ComponentKind::KubeProxy, "kubeconfig"),
            Reload::Restart
        );
        assert_eq!(
            reload(ComponentKind::KubeApiserver, "oidc-ca-file"),
            Reload::Restart
        );
        assert_eq!(
            reload(ComponentKind::Etcd, "tls-cert-file"),
            Reload::Restart
        );
    }

    #[test]
    fn no_flag_has_two_rows() {
        for (index, rule) in RULES.iter().enumerate() {
            let twin = RULES[index + 1..]
                .iter()
                .find(|other| other.component == rule.component && other.flag == rule.flag);
            assert_eq!(twin, None);
        }
    }
}
