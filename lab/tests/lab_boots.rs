//! The lab itself: what kubeadm makes, and what is left of it when every certificate has ended.

use std::time::Duration;

use anyhow::Result;
use kubepki_lab::{Lab, until};

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_comes_up_and_ages_until_nobody_is_let_in() -> Result<()> {
    let lab = Lab::up(1, 0)?;
    until("cp1 to be Ready", Duration::from_secs(60), || {
        let nodes = lab.kubectl(["get", "nodes", "--no-headers"])?;
        Ok(nodes.success() && nodes.stdout.starts_with("cp1 ") && nodes.stdout.contains(" Ready "))
    })?;

    let host = lab.host("cp1")?;
    let before = std::fs::read(host.path("/etc/kubernetes/pki/ca.crt"))?;
    let changed = host.age(30)?;
    for expected in [
        "apiserver.crt",
        "etcd/peer.crt",
        "admin.conf",
        "kubelet-client-current.pem",
    ] {
        assert!(
            changed.iter().any(|file| file.ends_with(expected)),
            "{expected} in {changed:?}"
        );
    }
    assert_eq!(
        std::fs::read(host.path("/etc/kubernetes/pki/ca.crt"))?,
        before
    );

    let refused = lab.kubectl(["get", "nodes", "--request-timeout=5s"])?;
    assert!(!refused.success(), "{}", refused.stdout);
    let active = host.exec(["systemctl", "is-active", "--quiet", "kubelet"])?;
    let healthz = host.exec([
        "curl",
        "--silent",
        "--fail",
        "http://127.0.0.1:10248/healthz",
    ])?;
    assert!(
        !active.success() || !healthz.success(),
        "kubelet still works"
    );
    let fatal = host.shell("journalctl --unit=kubelet --no-pager | grep -E ': F[0-9]{4} '")?;
    assert!(
        fatal.contains("unable to load bootstrap kubeconfig"),
        "{fatal}"
    );

    // kubeadm itself agrees that all of it has ended, and 30 days ago
    let expiration = host.shell("kubeadm certs check-expiration --config /root/kubeadm.yaml")?;
    assert!(expiration.contains("<invalid>"), "{expiration}");
    Ok(())
}
