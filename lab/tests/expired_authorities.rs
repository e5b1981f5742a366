//! A control plane that is older than its CAs: the authorities have expired with everything else. A
//! CA is renewed with its own key only when that is asked for; then the host comes back.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Aftermath, Host, Lab, until};

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn expired_authorities_are_renewed_with_their_own_keys_when_asked() -> Result<()> {
    let lab = Lab::up(1, 0)?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    lab.wait_until_ready("cp1")?;
    let keys = public_keys(&host)?;
    // static pods run on, so that etcd is restarted under an API server that has to be parked
    host.age_with_authorities(30, Aftermath::RanOn)?;
    let expired = host.snapshot()?;

    refused_with_the_choice_explained(&host)?;
    assert_eq!(expired.differing(&host.snapshot()?).len(), 0);
    renewed_when_asked(&lab, &host)?;
    assert_eq!(keys, public_keys(&host)?, "the CAs' keys stay");
    everything_chains_to_the_new_authorities(&host)?;

    let fresh = host.snapshot()?;
    let processes = host.component_processes()?;
    let again = host.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])?;
    assert!(again.success(), "{}", again.stderr);
    assert!(
        again.stderr.contains("nothing to renew"),
        "{}",
        again.stderr
    );
    assert_eq!(fresh.differing(&host.snapshot()?).len(), 0);
    assert_eq!(processes, host.component_processes()?);
    Ok(())
}

fn refused_with_the_choice_explained(host: &Host) -> Result<()> {
    let status = host.kubepki(&["status"])?;
    println!("{}{}", status.stdout, status.stderr);
    assert_eq!(status.status, 4, "{}", status.stdout);
    let refused = host.kubepki(&[
        "renew",
        "all",
        "--yes",
        "--no-restart",
        "--plan-out",
        "/root/plan",
    ])?;
    println!("{}{}", refused.stdout, refused.stderr);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("itself expired at"), "{said}");
    assert!(said.contains("--renew-expired-ca"), "{said}");
    let one = host.kubepki(&["renew", "apiserver", "--yes"])?;
    assert_eq!(one.status, 1, "{}", one.stderr);
    println!("{}", one.stderr);
    assert!(one.stderr.contains("--renew-expired-ca"), "{}", one.stderr);
    Ok(())
}

fn renewed_when_asked(lab: &Lab, host: &Host) -> Result<()> {
    let before = host.component_processes()?;
    let killed = killed_while_the_api_server_is_parked(host)?;
    let renewed = host.kubepki(&["renew", "all", "--renew-expired-ca", "--yes"])?;
    println!("{}{}", renewed.stdout, renewed.stderr);
    assert!(renewed.success(), "{}", renewed.stderr);
    let status = host.kubepki(&["status"])?;
    assert_eq!(status.status, 0, "{}{}", status.stdout, status.stderr);
    let said = killed + &renewed.stderr;
    let place = |line: &str| said.find(line).with_context(|| format!("not said: {line}"));
    let parked = place("kube-apiserver: parking it while etcd is restarted")?;
    assert!(parked < place("etcd: restarted")?);
    let after = host.component_processes()?;
    for (component, old) in &before {
        assert!(
            !after[component].is_empty() && !old.iter().any(|it| after[component].contains(it)),
            "{component} runs as before: {old:?}"
        );
    }
    lab.wait_until_ready("cp1")?;
    // what the cluster hands to pods follows by itself
    until(
        "the new CA in kube-root-ca.crt",
        Duration::from_secs(60),
        || {
            let map = lab.kubectl([
                "get",
                "configmap",
                "-n",
                "kube-system",
                "kube-root-ca.crt",
                "-o",
                "jsonpath={.data.ca\\.crt}",
            ])?;
            let bundle = std::fs::read_to_string(host.path("/etc/kubernetes/pki/ca.crt"))?;
            Ok(map.stdout.trim() == bundle.trim())
        },
    )
}

/// etcd does not re-read its CA, and an API server must not run over an etcd that is restarted. Killed
/// meanwhile, the host has no API server until the next run puts its manifest back.
fn killed_while_the_api_server_is_parked(host: &Host) -> Result<String> {
    let manifest = host.path("/etc/kubernetes/manifests/kube-apiserver.yaml");
    let said = host.kubepki_killed(
        &["renew", "all", "--renew-expired-ca", "--yes"],
        r#""step-intended","step":"take-up etcd""#,
        Duration::from_secs(3),
    )?;
    println!("{said}");
    assert!(!manifest.exists(), "not parked when killed");
    let status = host.kubepki(&["status"])?;
    assert!(
        status.stderr.contains("was interrupted while carrying on"),
        "{}",
        status.stderr
    );
    Ok(said)
}

fn public_keys(host: &Host) -> Result<String> {
    host.shell(
        "cd /etc/kubernetes/pki; for file in ca etcd/ca front-proxy-ca; do \
         openssl x509 -in $file.crt -noout -subject -pubkey; done",
    )
}

/// OpenSSL's opinion of today, and the kubeconfigs' copies of the CA.
fn everything_chains_to_the_new_authorities(host: &Host) -> Result<()> {
    host.shell(
        "cd /etc/kubernetes/pki; verify() { openssl verify -x509_strict -CAfile \"$@\"; }; \
         verify ca.crt apiserver.crt apiserver-kubelet-client.crt; \
         verify etcd/ca.crt etcd/server.crt etcd/peer.crt apiserver-etcd-client.crt; \
         verify front-proxy-ca.crt front-proxy-client.crt; \
         verify ca.crt /var/lib/kubelet/pki/kubelet-client-current.pem",
    )?;
    let copies = host.shell(
        "for file in /etc/kubernetes/*.conf; do \
         sed -n 's/^ *certificate-authority-data: //p' $file | base64 -d \
         | cmp - /etc/kubernetes/pki/ca.crt && echo same; done",
    )?;
    assert_eq!(copies.lines().count(), 4, "{copies}");
    Ok(())
}
