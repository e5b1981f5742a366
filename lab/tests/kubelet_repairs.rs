//! Kubelets that have lost their way to the API: what became of their client certificate, and that
//! one command brings the node back and leaves a certificate store that can rotate.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Host, Lab, until};
use serde_json::Value;

const STORE: &str = "/var/lib/kubelet/pki";
const LINK: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// A client certificate that has ended, with its key, kept aside.
const ENDED: &str = "/root/ended.pem";

/// Does to a host what is found in the field.
type Damage = fn(&Host) -> Result<()>;

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn kubelets_that_are_locked_out_come_back() -> Result<()> {
    let lab = Lab::up(1, 0)?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    lab.wait_until_ready("cp1")?;
    // what everything was signed with ends for a moment, to have a certificate that has ended
    host.shell("tar -C / -cpf /root/good.tar etc/kubernetes var/lib/kubelet/pki")?;
    host.age_files(30)?;
    host.shell(&format!("cp {LINK} {ENDED}; tar -C / -xpf /root/good.tar"))?;

    let moments: [(&str, Damage); 4] = [
        ("embedded, no store", embedded_and_no_store),
        ("a regular file for the link", a_file_where_the_link_belongs),
        ("a link to nothing", a_link_to_nothing),
        ("nothing, no bootstrap", nothing_at_all),
    ];
    for (name, breaks) in moments {
        println!("--- {name}");
        breaks(&host)?;
        locked_out(&host)?;
        renewed(&lab, &host)?;
    }
    let kubeconfig = host.shell(&format!("cat {KUBECONFIG}"))?;
    assert!(
        kubeconfig.contains(&format!("client-certificate: {LINK}"))
            && !kubeconfig.contains("client-certificate-data"),
        "{kubeconfig}"
    );
    it_rotates_by_itself(&lab, &host)
}

/// kubeadm before 1.17 left kubelet.conf so, and rotation never wrote it.
fn embedded_and_no_store(host: &Host) -> Result<()> {
    host.shell(&format!(
        "data=$(base64 -w0 {ENDED}); rm -f {STORE}/kubelet-client-*; \
         sed -i -e \"s|client-certificate: .*|client-certificate-data: $data|\" \
         -e \"s|client-key: .*|client-key-data: $data|\" {KUBECONFIG}; \
         grep -q client-key-data {KUBECONFIG}"
    ))?;
    Ok(())
}

/// What a copy without links makes of the store.
fn a_file_where_the_link_belongs(host: &Host) -> Result<()> {
    host.shell(&format!(
        "rm -f {STORE}/kubelet-client-*; cp {ENDED} {LINK}; chmod 0644 {LINK}"
    ))?;
    Ok(())
}

fn a_link_to_nothing(host: &Host) -> Result<()> {
    host.shell(&format!(
        "rm -f {STORE}/kubelet-client-*; ln -s {STORE}/kubelet-client-2020-01-01-00-00-00.pem {LINK}"
    ))?;
    Ok(())
}

fn nothing_at_all(host: &Host) -> Result<()> {
    host.shell(&format!(
        "rm -f {STORE}/kubelet-client-* /etc/kubernetes/bootstrap-kubelet.conf"
    ))?;
    Ok(())
}

/// The kubelet as it comes up with what is there now: not at all.
fn locked_out(host: &Host) -> Result<()> {
    host.shell("systemctl restart kubelet")?;
    until(
        "the kubelet to fail again and again",
        Duration::from_secs(60),
        || {
            let count = host.shell("systemctl show --property NRestarts --value kubelet")?;
            Ok(count.trim().parse::<u32>()? >= 2)
        },
    )
}

/// A certificate most of whose life is over: the kubelet asks for the next one as soon as it starts.
fn it_rotates_by_itself(lab: &Lab, host: &Host) -> Result<()> {
    let nearly_over = ["--not-before", "-100d", "--validity", "2d"];
    let mut renew = vec!["renew", "kubelet-client", "--yes"];
    renew.extend(nearly_over);
    let output = host.kubepki(&renew)?;
    assert!(output.success(), "{}", output.stderr);
    // often done before the renewal has been verified
    let lasts_longer = format!("openssl x509 -in {LINK} -noout -checkend 259200");
    until(
        "the kubelet to rotate its certificate",
        Duration::from_secs(90),
        || Ok(host.exec(lasts_longer.split(' '))?.success()),
    )?;
    lab.wait_until_ready("cp1")?;
    can_rotate(host)
}

fn renewed(lab: &Lab, host: &Host) -> Result<()> {
    let status = host.kubepki(&["status"])?;
    println!("{}{}", status.stdout, status.stderr);
    assert_eq!(status.status, 4, "{}", status.stderr);
    let output = host.kubepki(&["renew", "kubelet-client", "--yes", "-o", "json"])?;
    println!("{}", output.stderr);
    assert!(output.success(), "{}", output.stdout);
    let result: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(result["verified"], true, "{result}");
    lab.wait_until_ready("cp1")?;
    can_rotate(host)
}

/// What the kubelet's own rotation expects of its store.
fn can_rotate(host: &Host) -> Result<()> {
    let target = std::fs::read_link(host.path(LINK)).context("no link")?;
    let name = target.to_string_lossy().into_owned();
    assert!(
        name.starts_with(&format!("{STORE}/kubelet-client-20")) && name.ends_with(".pem"),
        "{name}"
    );
    let seen = host.shell(&format!(
        "stat -c '%a %U' {name}; grep -e BEGIN {name}; \
         openssl x509 -in {name} -noout -subject -ext extendedKeyUsage; \
         openssl verify -CAfile /etc/kubernetes/pki/ca.crt {name}"
    ))?;
    let lines: Vec<&str> = seen.lines().map(str::trim).collect();
    assert_eq!(
        lines[..2],
        ["600 root", "-----BEGIN CERTIFICATE-----"],
        "{seen}"
    );
    assert!(lines[2].contains("PRIVATE KEY"), "{seen}");
    assert!(
        seen.contains("O = system:nodes, CN = system:node:cp1"),
        "{seen}"
    );
    assert!(seen.contains("TLS Web Client Authentication"), "{seen}");
    Ok(())
}
