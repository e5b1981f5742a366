//! A PKI made by `kubepki init` before `kubeadm init`: kubeadm takes it unchanged and the node registers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Cache, Host, Lab, Shape, prepare, until};

/// kubeadm turns it to the kubelet's own rotated certificate at the end (phase kubelet-finalize).
const POINTED_ELSEWHERE: &str = "/etc/kubernetes/kubelet.conf";

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn kubeadm_takes_the_pki_unchanged_and_the_node_registers() -> Result<()> {
    let layers = prepare(&Cache::open()?)?;
    let lab = Lab::boot(&["cp1"])?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    // The node's name is the host's, the address that of its default route.
    let made = host.exec([
        "kubepki",
        "init",
        "--yes",
        "--kubernetes-version",
        &layers.version,
        "--control-plane-endpoint",
        &lab.endpoint()?,
        "--apiserver-san",
        "lb.lab.internal",
    ])?;
    assert!(made.success(), "{}\n{}", made.stdout, made.stderr);
    assert!(
        made.stdout.contains(&host.address().to_string()),
        "{}",
        made.stdout
    );
    let before = files(&host)?;
    assert_eq!(before.len(), 26, "{:?}", before.keys());

    lab.form(&Shape::new(1, 0), &layers)?;
    let log = fs_err::read_to_string(host.path("/root/init.log"))?;
    assert_eq!(log.matches("[certs] Using existing ").count(), 10, "{log}");
    assert_eq!(
        log.matches("[kubeconfig] Using existing kubeconfig file")
            .count(),
        4,
        "{log}"
    );
    assert!(log.contains("Using the existing \"sa\" key"), "{log}");
    until("cp1 to be Ready", Duration::from_secs(90), || {
        let nodes = lab.kubectl(["get", "nodes", "--no-headers"])?;
        Ok(nodes.success() && nodes.stdout.starts_with("cp1 ") && nodes.stdout.contains(" Ready "))
    })?;

    let after = files(&host)?;
    for (path, contents) in &before {
        if path != POINTED_ELSEWHERE {
            assert_eq!(after.get(path), Some(contents), "{path} changed");
        }
    }
    let added: Vec<&String> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert!(added.is_empty(), "kubeadm added {added:?}");
    let kubelet = fs_err::read_to_string(host.path(POINTED_ELSEWHERE))?;
    assert!(
        kubelet.contains("/var/lib/kubelet/pki/kubelet-client-current.pem"),
        "kubelet.conf names the rotated certificate"
    );

    // Once the cluster runs, the tools agree about it, and users can be made.
    let status = host.exec(["kubepki", "status"])?;
    assert!(status.success(), "{}\n{}", status.stdout, status.stderr);
    let user = host.exec([
        "kubepki",
        "kubeconfig",
        "--user",
        "jane",
        "--group",
        "system:masters",
        "--out",
        "/root/jane.conf",
    ])?;
    assert!(user.success(), "{}", user.stderr);
    let nodes = host.exec(["kubectl", "--kubeconfig", "/root/jane.conf", "get", "nodes"])?;
    assert!(nodes.success(), "{}", nodes.stderr);
    Ok(())
}

/// Certificates, keys and kubeconfigs, by path.
fn files(host: &Host) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for folder in [
        "/etc/kubernetes",
        "/etc/kubernetes/pki",
        "/etc/kubernetes/pki/etcd",
    ] {
        let entries = fs_err::read_dir(host.path(folder))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = entry.file_name();
                let path = Path::new(folder).join(name);
                let path = path.to_str().context("a path that is not text")?.to_owned();
                files.insert(path, fs_err::read(entry.path())?);
            }
        }
    }
    Ok(files)
}
