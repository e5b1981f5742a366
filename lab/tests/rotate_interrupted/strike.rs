//! What ends in the middle, and how it comes back: by itself, or as a host that is switched on again.

use std::time::Duration;

use anyhow::{Context, Result};
use kubepki_lab::{Host, until};

use crate::Field;
use crate::point::Point;

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The program that the operator runs gets SIGKILL.
    Operator,
    /// The program on the host that is worked on does.
    Agent,
    /// An API server does.
    ApiServer,
    /// A member of etcd does.
    Etcd,
    /// Every process of a host ends at once; then it boots.
    Power,
}

/// In the order in which they take turns.
pub const KINDS: [Kind; 5] = [
    Kind::Operator,
    Kind::ApiServer,
    Kind::Agent,
    Kind::Power,
    Kind::Etcd,
];

impl Kind {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Operator => "operator killed",
            Self::Agent => "agent killed",
            Self::ApiServer => "API server killed",
            Self::Etcd => "etcd member killed",
            Self::Power => "host without power",
        }
    }
}

/// The host that it is about; for the operator there is none.
pub fn target<'field>(
    field: &'field Field<'_>,
    point: &Point,
    last: Option<&Host>,
) -> Result<Option<&'field Host>> {
    let of = |hosts: Vec<&'field Host>| hosts.get(point.host % hosts.len().max(1)).copied();
    let all: Vec<&Host> = field.hosts.iter().collect();
    let is_control_plane = |host: &&Host| host.name().starts_with("cp");
    Ok(match point.kind {
        Kind::Operator => None,
        Kind::Agent => {
            let last = last.context("no host has written")?;
            all.into_iter().find(|host| host.name() == last.name())
        }
        Kind::ApiServer | Kind::Etcd => of(all.into_iter().filter(is_control_plane).collect()),
        Kind::Power => of(all),
    })
}

/// Ends it.
pub fn strike(field: &Field<'_>, point: &Point, host: Option<&Host>) -> Result<()> {
    let kill = |pattern: &str| -> Result<()> {
        let host = host.context("no host")?;
        // one that just is not there is one that is being restarted
        host.exec(["pkill", "-KILL", "--full", pattern]).map(drop)
    };
    match point.kind {
        Kind::Operator => field.access.kill_kubepki(),
        Kind::Agent => kill("^/var/lib/kubepki/agent/kubepki-"),
        Kind::ApiServer => kill("^kube-apiserver "),
        Kind::Etcd => kill("^etcd "),
        Kind::Power => host.context("no host")?.crash(),
    }
}

/// What comes back without anybody; what has not by then is the rotation's to bring back.
pub fn heal(point: &Point, host: Option<&Host>) -> Result<()> {
    let Some(host) = host else {
        return Ok(());
    };
    if point.kind == Kind::Power {
        std::thread::sleep(point.off);
        host.boot_again()?;
        until("sshd after the crash", Duration::from_secs(90), || {
            let sshd = host.exec(["systemctl", "is-active", "--quiet", "ssh"])?;
            Ok(sshd.success())
        })?;
    }
    if let Err(error) = until(
        &format!("{} to be well", host.name()),
        Duration::from_secs(150),
        || is_well(host),
    ) {
        println!("--- {error:#}");
    }
    Ok(())
}

fn is_well(host: &Host) -> Result<bool> {
    if !host.kubelet_is_healthy()? {
        return Ok(false);
    }
    if !host.name().starts_with("cp") {
        return Ok(true);
    }
    let etcd = "curl --silent --fail --max-time 3 http://127.0.0.1:2381/health";
    let ready = format!(
        "curl --silent --fail --insecure --max-time 3 https://{}:6443/readyz",
        host.address()
    );
    Ok(host.exec(etcd.split(' '))?.success() && host.exec(ready.split(' '))?.success())
}
