//! Whether the host's node is ready.
//!
//! `Ready` alone would be weak: for up to 40 s it may be what a kubelet said that has since been
//! locked out. It counts together with the kubelet's own restart and with the API call that is made
//! with its kubeconfig.

use super::check_all::Circumstances;
use super::verdict::{Check, Subject};
use crate::ports::Ports;
use crate::take_up::health::{FILE_LIMIT, own_api_server};
use crate::take_up::wait;
use kubepki_core::model::{ComponentKind, Holder, Inventory, NodeName, Role};
use kubepki_sealed::Sealed;
use std::path::PathBuf;
use std::time::Duration;

/// The kubelet reports every 10 s; its network may take a moment longer.
const BOUND: Duration = Duration::from_secs(120);

pub fn checks(
    ports: &Ports<'_>,
    after: &Inventory,
    circumstances: &Circumstances<'_>,
) -> Option<Check> {
    after.component(ComponentKind::Kubelet)?;
    let subject = |name: &str| Subject::new(format!("node {name}"), "Ready");
    let Some(NodeName { name, .. }) = &after.node_name else {
        let why = "not asked: the kubelet's node name is not known";
        return Some(Check::not_asked("node-name-unknown", subject("?"), why));
    };
    let subject = subject(name);
    let mut answered = None;
    let ready = wait::until(
        ports.clock,
        circumstances.progress,
        &format!("waiting until node {name} is ready"),
        BOUND,
        |_| {
            answered = None;
            let answer = ask(ports, after, name)?;
            answered = Some(answer);
            match answer {
                Some(true) => Ok(()),
                Some(false) if circumstances.node_was_ready == Some(false) => Ok(()),
                Some(false) => Err("not ready".to_owned()),
                None => Err("the API has no such node".to_owned()),
            }
        },
    );
    Some(match (ready, answered) {
        (Ok(()), Some(Some(false))) => Check::not_asked(
            "node-not-ready-before",
            subject,
            "not ready, and was not before; that has another cause (CNI, disk, memory)",
        ),
        (Ok(()), _) => Check::passed("node-ready", subject, "Ready"),
        (Err(timed_out), Some(_)) => {
            let found = format!("{} after {} s", timed_out.last, timed_out.seconds);
            Check::failed("node-not-ready", subject, found)
        }
        (Err(timed_out), None) => Check::failed("node-unknown", subject, timed_out.last),
    })
}

/// Whether the host's node is ready at this moment; `None` when the API cannot be asked or has no
/// such node. Asked before a plan is carried out, it tells afterwards what was so already.
pub fn node_is_ready(ports: &Ports<'_>, inventory: &Inventory) -> Option<bool> {
    let name = &inventory.node_name.as_ref()?.name;
    ask(ports, inventory, name).ok().flatten()
}

/// Asks with the administrator's kubeconfig, else with the kubelet's own, which may read its node.
fn ask(ports: &Ports<'_>, inventory: &Inventory, name: &str) -> Result<Option<bool>, String> {
    let server = own_api_server(&inventory.components);
    let mut last = "no kubeconfig to ask with".to_owned();
    for path in kubeconfigs(inventory) {
        let kubeconfig: Sealed = match ports.host.read(&path, FILE_LIMIT) {
            Ok(kubeconfig) => kubeconfig,
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        match ports.kube.node_ready(&kubeconfig, server.as_deref(), name) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = format!("{}: {error}", path.display()),
        }
    }
    Err(last)
}

fn kubeconfigs(inventory: &Inventory) -> Vec<PathBuf> {
    let of_role = |role| {
        inventory
            .entries
            .iter()
            .filter_map(move |entry| match &entry.holder {
                Holder::Kubeconfig { path, .. } if entry.role == role => Some(path.clone()),
                _ => None,
            })
    };
    let kubelet = inventory
        .component(ComponentKind::Kubelet)
        .and_then(|kubelet| kubelet.host_path("kubeconfig"));
    of_role(Role::Admin)
        .chain(of_role(Role::SuperAdmin))
        .chain(kubelet)
        .collect()
}
