//! What mends a finding: a command of this program where one does, else exact words.

use super::scene::Scene;
use crate::assess::{SigningAuthority, signing_authority};
use crate::connections::{Place, Slot};
use crate::layouts::reload::{Reload, reload};
use crate::model::{ComponentKind, Entry, UsedBy};

/// How to renew an entry, or why that takes something else.
pub(super) fn renew(scene: &Scene<'_>, host: &str, name: &str) -> String {
    let command = format!("kubepki renew {name}");
    let Some(inventory) = scene.inventory(host) else {
        return command;
    };
    let Some(entry) = inventory.entry(name) else {
        return on(scene, host, command);
    };
    match signing_authority(inventory, entry, scene.now()) {
        Ok(SigningAuthority::Authority { .. } | SigningAuthority::SelfMade) => {
            on(scene, host, command)
        }
        Err(reason) => on(
            scene,
            host,
            format!("kubepki renew {name} --csr-dir DIR, and have the request signed: {reason}"),
        ),
    }
}

/// How to renew what a slot presents; by hand where this program does not renew it.
pub(super) fn renew_slot(scene: &Scene<'_>, slot: &Slot) -> String {
    if let (Some(name), Some(host)) = (&slot.renewable_as, slot.place.host()) {
        return renew(scene, host, name);
    }
    match &slot.place {
        Place::Api(object) => format!("put a new certificate into {object}"),
        Place::Memory { host, component } => {
            on(scene, host, restart(*component, ComponentWord::Start))
        }
        place => format!("put a new certificate and its key into {place}"),
    }
}

/// What a command is preceded by where several hosts were looked at.
pub(super) fn on(scene: &Scene<'_>, host: &str, command: String) -> String {
    if scene.is_one_host() {
        command
    } else {
        format!("on {host}: {command}")
    }
}

/// Which restart is meant.
#[derive(Clone, Copy)]
pub(super) enum ComponentWord {
    /// It reads the file anew.
    Read,
    /// It makes a new one at its start.
    Start,
}

/// How a component is restarted.
pub(super) fn restart(component: ComponentKind, word: ComponentWord) -> String {
    let why = match word {
        ComponentWord::Read => "so that it reads the file",
        ComponentWord::Start => "it makes a new one when it starts",
    };
    match component {
        ComponentKind::Kubelet => format!("systemctl restart kubelet: {why}"),
        component => format!("restart {component}: {why}"),
    }
}

/// Which components have to be restarted after a file was changed.
pub(super) fn restarts(used_by: &[UsedBy]) -> String {
    let mut components: Vec<ComponentKind> = used_by
        .iter()
        .filter(|used| reload(used.component, &used.flag) == Reload::Restart)
        .map(|used| used.component)
        .collect();
    components.sort_unstable();
    components.dedup();
    let names: Vec<String> = components.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(", then restart {}", names.join(", ")),
    }
}

/// The entry of a host that a place belongs to.
pub(super) fn entry_at<'a>(scene: &Scene<'a>, place: &Place) -> Option<&'a Entry> {
    let host = place.host()?;
    let path = place.path()?;
    scene
        .inventory(host)?
        .entries
        .iter()
        .find(|entry| match place {
            Place::KubeconfigUser { user, .. } => {
                entry.holder.path() == path
                    && matches!(&entry.holder, crate::model::Holder::Kubeconfig { user: other, .. } if other == user)
            }
            _ => entry.holder.path() == path || entry.holder.key_path() == Some(path),
        })
}

/// How to bring back what a file held before.
pub(super) fn restore(scene: &Scene<'_>, place: &Place) -> String {
    let Some(path) = place.path() else {
        return format!("put back what {place} held before");
    };
    let command = format!("kubepki restore {}", path.display());
    match place.host() {
        Some(host) => on(scene, host, command),
        None => command,
    }
}
