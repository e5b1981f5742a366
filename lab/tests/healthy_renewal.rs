//! A healthy control plane is renewed while a client asks its API: what is restarted, what is not,
//! what a user notices, and which types of keys Kubernetes' own programs take.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{COMPONENTS, Host, Lab, Prober, Shape, until};
use serde_json::Value;

type Processes = BTreeMap<&'static str, Vec<u32>>;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_healthy_control_plane_is_renewed_and_restarts_no_more_than_it_must() -> Result<()> {
    let mut shape = Shape::new(1, 0);
    // kubelets ask the cluster for their serving certificates
    shape.server_tls_bootstrap = true;
    let lab = Lab::up_as(&shape)?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    lab.wait_until_ready("cp1")?;
    serving_certificate_is_approved(&lab, &host)?;

    everything_renewed_with_other_keys_under_a_client(&lab, &host)?;
    etcd_takes_its_certificate_at_once(&host)?;
    a_kubeconfig_of_a_person_touches_no_component(&host)?;
    without_restarts_every_process_lives_on(&host)?;
    only_the_kubelet_restarts_for_its_client_certificate(&host)?;
    the_api_server_reloads_within_its_poll(&host)?;
    manifests_that_cannot_be_written_stop_nothing(&lab, &host)?;
    logs_and_commands_reach_containers(&lab)
}

/// A node's request for a serving certificate waits until somebody approves it. A kubelet that was
/// kept waiting by a young API server may have made several.
fn serving_certificate_is_approved(lab: &Lab, host: &Host) -> Result<()> {
    let of_kubelets = "jsonpath={range .items[?(@.spec.signerName=='kubernetes.io/kubelet-serving')]}\
        {.metadata.name} {end}";
    let certificate = "/var/lib/kubelet/pki/kubelet-server-current.pem";
    until(
        "the kubelet's serving certificate",
        Duration::from_secs(120),
        || {
            let names = lab.kubectl(["get", "csr", "-o", of_kubelets])?.stdout;
            for name in names.split_whitespace() {
                // it may be approved already, or the API server busy: the file tells
                lab.kubectl(["certificate", "approve", name])?;
            }
            Ok(host.exec(["test", "-e", certificate])?.success())
        },
    )
}

fn everything_renewed_with_other_keys_under_a_client(lab: &Lab, host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let prober = Prober::start(host)?;
    let result = renew(
        host,
        &[
            "all",
            "--force",
            "--key-type",
            "ecdsa:p256",
            "--validity",
            "10y",
        ],
    )?;
    let probes = prober.finish()?;
    println!(
        "renew all: {} of {} requests failed, over {:.1} s: {:?}",
        probes.failed.len(),
        probes.asked,
        probes.failed_for(),
        probes.failed
    );
    // One API server alone: nobody answers between the old one's listener and the new one's.
    assert!(probes.failed_for() < 15.0, "{probes:?}");
    assert!(
        probes.failed.iter().all(|(_, status)| status == "000"),
        "an API server that answers must not refuse: {probes:?}"
    );
    assert_eq!(
        restarted(&before, &host.component_processes()?),
        [
            "kubelet",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler"
        ]
    );
    assert_eq!(issued(&result)?, 12, "{result}");
    lab.wait_until_ready("cp1")?;
    let keys = host.shell(
        "for file in /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/etcd/server.crt \
         /var/lib/kubelet/pki/kubelet-client-current.pem \
         /var/lib/kubelet/pki/kubelet-server-current.pem; do \
         openssl x509 -in $file -noout -text | grep -e 'NIST CURVE'; done",
    )?;
    assert_eq!(keys.matches("P-256").count(), 4, "{keys}");
    // the CA's own ten years end a little earlier
    let ends = host.shell("openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -enddate")?;
    let authority = host.shell("openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -enddate")?;
    assert_eq!(ends, authority);
    Ok(())
}

fn etcd_takes_its_certificate_at_once(host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    renew(host, &["etcd-server", "--key-type", "ecdsa:p384"])?;
    assert_eq!(before, host.component_processes()?);
    assert_eq!(
        served(host, "127.0.0.1:2379")?,
        on_disk(host, "/etc/kubernetes/pki/etcd/server.crt")?
    );
    Ok(())
}

fn a_kubeconfig_of_a_person_touches_no_component(host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let manifests = host.snapshot_of("/etc/kubernetes/manifests")?;
    let result = renew(host, &["admin.conf"])?;
    assert_eq!(before, host.component_processes()?);
    assert_eq!(manifests, host.snapshot_of("/etc/kubernetes/manifests")?);
    let proved = checks(&result)?
        .iter()
        .any(|check| check["what"] == "/etc/kubernetes/admin.conf" && check["asked"] == true);
    assert!(proved, "{result}");
    Ok(())
}

fn without_restarts_every_process_lives_on(host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let result = renew(
        host,
        &["all", "--force", "--no-restart", "--key-type", "rsa:3072"],
    )?;
    assert_eq!(before, host.component_processes()?);
    assert_eq!(checks(&result)?.len(), 0, "nothing was proved: {result}");
    Ok(())
}

fn only_the_kubelet_restarts_for_its_client_certificate(host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let prober = Prober::start(host)?;
    renew(
        host,
        &[
            "kubelet-client",
            "kubelet-server",
            "--key-type",
            "ecdsa:p384",
        ],
    )?;
    let probes = prober.finish()?;
    assert_eq!(probes.failed, [], "of {}", probes.asked);
    assert_eq!(
        restarted(&before, &host.component_processes()?),
        ["kubelet"]
    );
    assert_eq!(
        served(host, "127.0.0.1:10250")?,
        on_disk(host, "/var/lib/kubelet/pki/kubelet-server-current.pem")?
    );
    Ok(())
}

/// Where a manifest cannot be annotated, the container runtime is asked. Go 1.13 and later takes
/// Ed25519 (RFC 8410) in TLS: as server, as client, in kubeconfigs.
fn manifests_that_cannot_be_written_stop_nothing(lab: &Lab, host: &Host) -> Result<()> {
    let folder = "/etc/kubernetes/manifests";
    host.shell(&format!(
        "mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
    ))?;
    let before = (host.component_processes()?, host.snapshot_of(folder)?);
    renew(host, &["all", "--force", "--key-type", "ed25519"])?;
    host.shell(&format!("umount {folder}"))?;
    let restarted = restarted(&before.0, &host.component_processes()?);
    assert!(restarted.contains(&"kube-apiserver"), "{restarted:?}");
    assert_eq!(before.1, host.snapshot_of(folder)?);
    let text = host.shell("openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -text")?;
    assert!(text.contains("ED25519"), "{text}");
    lab.wait_until_ready("cp1")
}

/// v1.20 polls every 60 s, counted from its start.
fn the_api_server_reloads_within_its_poll(host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let prober = Prober::start(host)?;
    renew(host, &["apiserver"])?;
    let probes = prober.finish()?;
    assert_eq!(probes.failed, [], "of {}", probes.asked);
    assert_eq!(before, host.component_processes()?);
    assert_eq!(
        served(host, "127.0.0.1:6443")?,
        on_disk(host, "/etc/kubernetes/pki/apiserver.crt")?
    );
    Ok(())
}

/// The API server shows the kubelet its own client certificate, which has been renewed three times.
fn logs_and_commands_reach_containers(lab: &Lab) -> Result<()> {
    let logs = lab.kubectl(["logs", "-n", "kube-system", "etcd-cp1", "--tail=3"])?;
    assert!(logs.success() && !logs.stdout.is_empty(), "{}", logs.stderr);
    let version = lab.kubectl([
        "exec",
        "-n",
        "kube-system",
        "etcd-cp1",
        "--",
        "etcd",
        "--version",
    ])?;
    assert!(
        version.stdout.contains("etcd Version"),
        "{}",
        version.stderr
    );
    Ok(())
}

/// Renews, and answers the object that tells of it. Everything that it asked must be well.
fn renew(host: &Host, arguments: &[&str]) -> Result<Value> {
    let mut all = vec!["renew", "--yes", "-o", "json"];
    all.extend(arguments);
    let output = host.kubepki(&all)?;
    println!("kubepki {}\n{}", all.join(" "), output.stderr);
    assert!(output.success(), "{}", output.stdout);
    let result: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(result["verified"], true, "{result}");
    Ok(result)
}

fn checks(result: &Value) -> Result<&Vec<Value>> {
    result["checks"].as_array().context("no checks")
}

fn issued(result: &Value) -> Result<usize> {
    let issuances = result["plan"]["issuances"].as_array();
    Ok(issuances.context("no issuances")?.len())
}

/// Components none of whose processes was there before.
fn restarted(before: &Processes, after: &Processes) -> Vec<&'static str> {
    COMPONENTS
        .into_iter()
        .filter(|component| {
            let old = &before[component];
            !after[component].iter().any(|process| old.contains(process))
        })
        .collect()
}

/// OpenSSL's fingerprint of what an endpoint serves.
fn served(host: &Host, endpoint: &str) -> Result<String> {
    host.shell(&format!(
        "openssl s_client -connect {endpoint} </dev/null 2>/dev/null \
         | openssl x509 -noout -fingerprint -sha256"
    ))
}

fn on_disk(host: &Host, path: &str) -> Result<String> {
    host.shell(&format!(
        "openssl x509 -in {path} -noout -fingerprint -sha256"
    ))
}
