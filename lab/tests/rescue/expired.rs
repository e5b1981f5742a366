//! Clusters that nobody renewed, or not all of them.

use std::time::Duration;

use anyhow::{Result, bail};
use kubepki_lab::{Host, together, until};

use crate::case::{Case, broken};
use crate::field::Field;
use crate::symptoms::{no_api, no_etcd, no_kubelet, vouched_for};

/// A year ago.
const LONG_AGO: i64 = 365;

const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const FRONT_PROXY_CLIENT: &str = "/etc/kubernetes/pki/front-proxy-client.crt";
const ETCD_PEER: &str = "/etc/kubernetes/pki/etcd/peer.crt";

pub const CASES: &[Case] = &[
    broken("everything-expired-a-year-ago", everything, nothing_works).by_default(),
    broken(
        "front-proxy-client-expired",
        front_proxy_client,
        nobody_is_vouched_for,
    )
    .ends(everybody_is_vouched_for),
    broken("etcd-peer-expired", etcd_peer, |field| {
        Ok(no_etcd(&field.control_planes)? + "\n" + &no_api(field, &field.control_planes)?)
    }),
    broken(
        "kubelet-clients-expired-without-bootstrap-token",
        kubelet_clients,
        |field| no_kubelet(&field.hosts),
    )
    .by_default(),
    broken(
        "one-renewed-by-hand-two-expired",
        one_renewed_by_hand,
        nothing_works,
    ),
    broken(
        "everything-expired-rescued-offline",
        everything_running_on,
        nothing_works,
    )
    .flags(&["--offline"]),
];

/// As after a power cut.
fn everything(field: &Field<'_>) -> Result<()> {
    field.cluster.age_files(LONG_AGO)?;
    field.reboot(&field.hosts)
}

/// As if nobody had noticed until an API server was started anew; etcd and the others run on.
fn everything_running_on(field: &Field<'_>) -> Result<()> {
    field.cluster.age_files(LONG_AGO)?;
    together(&field.hosts, |host| {
        host.shell("systemctl restart kubelet; pkill -KILL --full '^kube-apiserver ' || true")
    })
    .map(drop)
}

fn nothing_works(field: &Field<'_>) -> Result<String> {
    Ok(no_api(field, &field.control_planes)? + "\n" + &no_kubelet(&field.hosts)?)
}

fn front_proxy_client(field: &Field<'_>) -> Result<()> {
    field.cluster.age_only(LONG_AGO, &[FRONT_PROXY_CLIENT])?;
    field.restart(&field.control_planes, &["kube-apiserver"])
}

/// Everything else works: only aggregated APIs do not.
fn nobody_is_vouched_for(field: &Field<'_>) -> Result<String> {
    field.ready()?;
    let answers = together(&field.control_planes, vouched_for)?;
    if answers.iter().any(|status| status != "401") {
        bail!("somebody is vouched for: {answers:?}");
    }
    Ok(format!(
        "API servers answer {answers:?} to a front proxy's client"
    ))
}

fn everybody_is_vouched_for(field: &Field<'_>) -> Result<()> {
    let answers = together(&field.control_planes, vouched_for)?;
    if answers.iter().any(|status| status != "200") {
        bail!("not vouched for: {answers:?}");
    }
    Ok(())
}

fn etcd_peer(field: &Field<'_>) -> Result<()> {
    field.cluster.age_only(LONG_AGO, &[ETCD_PEER])?;
    field.restart(&field.control_planes, &["etcd"])
}

fn kubelet_clients(field: &Field<'_>) -> Result<()> {
    field.cluster.age_only(LONG_AGO, &[KUBELET_CLIENT])?;
    together(&field.hosts, |host| {
        host.shell(
            "rm -f /etc/kubernetes/bootstrap-kubelet.conf; systemctl kill --signal=KILL kubelet",
        )
    })
    .map(drop)
}

/// What the manual says, on one host only.
fn one_renewed_by_hand(field: &Field<'_>) -> Result<()> {
    field.cluster.age_files(LONG_AGO)?;
    let first = field.control_plane(1)?;
    first.shell("kubeadm certs renew all --config /root/kubeadm.yaml >/root/renewed.log 2>&1")?;
    field.reboot(&field.hosts)?;
    kubelet_gives_up(first)
}

fn kubelet_gives_up(host: &Host) -> Result<()> {
    until("the kubelet to give up", Duration::from_secs(60), || {
        Ok(!host.kubelet_is_healthy()?)
    })
}
