//! The control run: as many plain restarts as a rotation of everything makes, in the same good order,
//! with nothing changed. What fails there fails without any rotation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use kubepki_lab::{ClosedLoop, Host, until};

use crate::field::Field;
use crate::toll::Toll;

/// Rounds of the API servers, and of etcd.
const ROUNDS: [&[&str]; 3] = [
    &["etcd", "kube-apiserver"],
    &["kube-apiserver"],
    &["etcd", "kube-apiserver"],
];

/// Restarts everything, one host after the other; what that cost the clients.
pub fn restarts(field: &Field<'_>) -> Result<Toll> {
    let clients = ClosedLoop::start(field.cluster)?;
    for components in ROUNDS {
        for host in &field.control_planes {
            for component in components {
                restart(host, component)?;
            }
        }
    }
    let records = clients.finish(field.cluster)?;
    println!("--- control run: three rounds of plain restarts");
    Ok(Toll::told(&records))
}

/// By a label in the manifest with a value that it never had, as the kubelet takes up any change.
fn restart(host: &Host, component: &str) -> Result<()> {
    let process = format!("pgrep --newest --full '^{component} '");
    let before = host.shell(&process)?;
    let file = format!("/etc/kubernetes/manifests/{component}.yaml");
    let value = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    host.shell(&format!(
        "sed '/control-run/d; s/^  labels:/  labels:\\n    control-run: t{value}/' {file} \
         >/etc/kubernetes/.control-run && mv /etc/kubernetes/.control-run {file}"
    ))?;
    until(component, Duration::from_secs(120), || {
        let now = host.exec(["sh", "-c", &process])?;
        Ok(now.success() && !now.stdout.trim().is_empty() && now.stdout != before)
    })?;
    let healthy = match component {
        "etcd" => "ETCDCTL_API=3 etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt \
                   --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt \
                   --key /etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health"
            .to_owned(),
        _ => format!(
            "curl --silent --fail --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
             https://{}:6443/readyz",
            host.address()
        ),
    };
    until(component, Duration::from_secs(120), || {
        Ok(host.exec(["sh", "-c", &healthy])?.success())
    })?;
    ensure!(!before.is_empty(), "{component} did not run");
    Ok(())
}
