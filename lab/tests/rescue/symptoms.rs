//! By what a broken cluster shows: asked until it is so, since processes take a moment to find out.

use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Host, together, until};

use crate::field::Field;

const AT_MOST: Duration = Duration::from_secs(60);

/// Every one of these API servers refuses its own administrator.
pub fn no_api(field: &Field<'_>, hosts: &[Host]) -> Result<String> {
    said_by(hosts, |host| {
        let mut last = String::new();
        let what = format!("the API on {} to refuse", host.name());
        until(&what, AT_MOST, || {
            let answer = field.kubectl(host, &["get", "nodes"])?;
            last = answer.stderr.lines().last().unwrap_or_default().to_owned();
            Ok(!answer.success())
        })?;
        Ok(last)
    })
}

/// The kubelets of these hosts fail, and say that no certificate is left to them.
pub fn no_kubelet(hosts: &[Host]) -> Result<String> {
    said_by(hosts, |host| {
        let what = format!("the kubelet on {} to fail again and again", host.name());
        until(&what, AT_MOST, || {
            let count = host.shell("systemctl show --property NRestarts --value kubelet")?;
            Ok(count.trim().parse::<u32>()? >= 1 && !host.kubelet_is_healthy()?)
        })?;
        host.shell(
            "journalctl --unit=kubelet --no-pager --lines=200 --output=cat \
             | grep '^F[0-9]' | tail --lines=1",
        )
    })
}

/// No member of etcd that is asked on these hosts answers with a quorum.
pub fn no_etcd(hosts: &[Host]) -> Result<String> {
    said_by(hosts, |host| {
        let what = format!("etcd on {} to be sick", host.name());
        let mut last = String::new();
        until(&what, AT_MOST, || {
            let answer = host.exec(["sh", "-c", ETCD_HEALTH])?;
            last = answer.stderr.lines().last().unwrap_or_default().to_owned();
            Ok(!answer.success())
        })?;
        Ok(last)
    })
}

/// Asks hosts at once, and puts each one's name before its answer.
fn said_by(hosts: &[Host], asked: impl Fn(&Host) -> Result<String> + Sync) -> Result<String> {
    let answers = together(hosts, asked)?;
    let lines: Vec<String> = hosts
        .iter()
        .zip(answers)
        .map(|(host, answer)| format!("    {}: {}", host.name(), answer.trim()))
        .collect();
    Ok(lines.join("\n"))
}

/// Asked of the member itself: a proposal needs a quorum.
pub const ETCD_HEALTH: &str = "cd /etc/kubernetes/pki/etcd; ETCDCTL_API=3 etcdctl \
    --endpoints https://127.0.0.1:2379 --cacert ca.crt --cert healthcheck-client.crt \
    --key healthcheck-client.key --command-timeout 5s endpoint health";

/// What an API server answers to somebody for whom an aggregator vouches by its client certificate.
pub fn vouched_for(host: &Host) -> Result<String> {
    host.shell(&format!(
        "cd /etc/kubernetes/pki; curl --silent --output /dev/null --write-out '%{{http_code}}' \
         --cacert ca.crt --cert front-proxy-client.crt --key front-proxy-client.key \
         --header 'X-Remote-User: kubernetes-admin' --header 'X-Remote-Group: system:masters' \
         https://{}:6443/api/v1/nodes",
        host.address()
    ))
    .context("asking in somebody's name")
}
