//! One host as the graph looks at it: which file a flag of a component names, and what lies there.

use super::address::{self, Url, is_loopback, is_wildcard};
use super::builder::{Builder, credential};
use crate::connections::{Held, KeyMatch, Party, Place, Slot, SlotId, Use};
use crate::layouts::{Reload, reload};
use crate::model::cluster::{ClusterObservation, Node};
use crate::model::role::AuthorityName;
use crate::model::{Authority, Component, ComponentKind, Entry, Holder, Inventory, KeyState};
use std::collections::BTreeSet;
use std::path::Path;

/// One host.
#[derive(Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) cluster: Option<&'a ClusterObservation>,
}

impl<'a> Host<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.inventory.host
    }

    pub(super) fn component(&self, kind: ComponentKind) -> Option<&'a Component> {
        self.inventory.component(kind)
    }

    /// The component as one end of a connection.
    pub(super) fn party(&self, kind: ComponentKind) -> Party {
        Party {
            name: kind.to_string(),
            host: Some(self.name().to_owned()),
            component: Some(kind),
        }
    }

    /// Somebody on this host who is no component.
    pub(super) fn somebody(&self, name: impl Into<String>) -> Party {
        Party {
            name: name.into(),
            host: Some(self.name().to_owned()),
            component: None,
        }
    }

    pub(super) fn file(&self, path: &Path) -> Place {
        Place::File {
            host: self.name().to_owned(),
            path: path.to_owned(),
        }
    }

    pub(super) fn flag(&self, component: ComponentKind, flag: &str) -> Place {
        Place::Flag {
            host: self.name().to_owned(),
            component,
            flag: flag.to_owned(),
        }
    }

    /// Whether the flag is given and not empty.
    pub(super) fn says(&self, kind: ComponentKind, flag: &str) -> bool {
        let component = self.component(kind);
        component
            .and_then(|component| component.flags.one(flag))
            .is_some_and(|value| !value.is_empty())
    }

    /// The certificate that a pair of flags names; `None` when they are not given.
    pub(super) fn presents(
        &self,
        builder: &mut Builder,
        kind: ComponentKind,
        (flag, key_flag): (&str, &str),
        authority: Option<AuthorityName>,
    ) -> Option<SlotId> {
        if !self.says(kind, flag) {
            return None;
        }
        let component = self.component(kind)?;
        let certificate = component.host_path(flag);
        let entry = self.inventory.entries.iter().find(|entry| {
            let mut used_by = entry.used_by.iter();
            used_by.any(|used| used.component == kind && used.flag == flag)
        });
        let key = component.host_path(key_flag);
        let place = match &certificate {
            Some(path) => self.file(path),
            None => self.flag(kind, flag),
        };
        let slot = Slot {
            party: self.party(kind),
            flag: Some(flag.to_owned()),
            key_place: key
                .as_deref()
                .filter(|key| Some(*key) != certificate.as_deref())
                .map(|key| self.file(key)),
            place,
            purpose: Use::Present,
            reload: reload(kind, flag),
            authority,
            renewable_as: entry.and_then(|entry| self.renewable_as(entry)),
        };
        Some(builder.slot(slot, |_| match entry {
            Some(entry) => self.held_entry(entry, key.as_deref()),
            None => Held::Unknown("it is not a file of this host".to_owned()),
        }))
    }

    /// The CA certificates that a flag names; `None` when it is not given.
    pub(super) fn trusts(
        &self,
        builder: &mut Builder,
        kind: ComponentKind,
        flag: &str,
        authority: AuthorityName,
    ) -> Option<SlotId> {
        if !self.says(kind, flag) {
            return None;
        }
        let path = self.component(kind)?.host_path(flag);
        let found = self.inventory.authorities.iter().find(|authority| {
            let mut used_by = authority.used_by.iter();
            used_by.any(|used| used.component == kind && used.flag == flag)
        });
        let slot = Slot {
            party: self.party(kind),
            flag: Some(flag.to_owned()),
            place: match &path {
                Some(path) => self.file(path),
                None => self.flag(kind, flag),
            },
            key_place: None,
            purpose: Use::Trust,
            reload: reload(kind, flag),
            authority: Some(authority),
            renewable_as: None,
        };
        Some(builder.slot(slot, |builder| match found {
            Some(found) => self.held_authority(builder, found),
            None => Held::Unknown("it is not a file of this host".to_owned()),
        }))
    }

    /// A slot of which only the flag is there to be named, with what is to be said of it.
    pub(super) fn by_flag(
        &self,
        builder: &mut Builder,
        kind: ComponentKind,
        flag: &str,
        purpose: Use,
        held: Held,
    ) -> SlotId {
        let slot = Slot {
            party: self.party(kind),
            flag: Some(flag.to_owned()),
            place: self.flag(kind, flag),
            key_place: None,
            purpose,
            reload: Reload::Restart,
            authority: None,
            renewable_as: None,
        };
        builder.slot(slot, |_| held)
    }

    /// A certificate that a component made for itself when it started.
    pub(super) fn in_memory(&self, builder: &mut Builder, kind: ComponentKind) -> SlotId {
        let slot = Slot {
            party: self.party(kind),
            flag: None,
            place: Place::Memory {
                host: self.name().to_owned(),
                component: kind,
            },
            key_place: None,
            purpose: Use::Present,
            reload: Reload::Restart,
            authority: None,
            renewable_as: None,
        };
        builder.slot(slot, |_| {
            Held::Unknown("it was made when the process started".to_owned())
        })
    }

    /// What an entry holds, with the key in `key` where that is not the entry's own.
    pub(super) fn held_entry(&self, entry: &Entry, key: Option<&Path>) -> Held {
        let path = entry.holder.path();
        let Some(certificate) = entry.certificate() else {
            let missing = format!("{} does not exist", path.display());
            return self.nothing_in(path, entry.problem.clone(), missing);
        };
        let state = match (key, entry.holder.key_path()) {
            (Some(asked), Some(own)) if asked != own => self.key_at(asked).unwrap_or(&entry.key),
            _ => &entry.key,
        };
        let key = match state {
            KeyState::Present { public_key, .. } if public_key == certificate.public_key() => {
                KeyMatch::Matches
            }
            KeyState::Present { .. } => KeyMatch::Differs,
            KeyState::Absent => KeyMatch::Absent,
            KeyState::Unreadable(reason) => KeyMatch::Unknown(reason.clone()),
            KeyState::Unusable(reason) => KeyMatch::Unusable(reason.clone()),
            KeyState::NotExpected => {
                KeyMatch::Unknown("it is not known where its key is".to_owned())
            }
        };
        credential(&entry.chain, key)
    }

    /// What an authority's bundle holds.
    pub(super) fn held_authority(&self, builder: &mut Builder, authority: &Authority) -> Held {
        if !authority.certificates.is_empty() {
            return builder.trust(&authority.certificates);
        }
        let path = &authority.certificate_path;
        let missing = format!("{} does not exist", path.display());
        self.nothing_in(path, authority.problem.clone(), missing)
    }

    /// Why there is nothing: what was never read (no permission) cannot be told.
    pub(super) fn nothing_in(&self, path: &Path, problem: Option<String>, missing: String) -> Held {
        match (self.inventory.files.get(path), problem) {
            (Some(Some(_)), Some(problem)) => Held::Unusable(problem),
            (Some(Some(_)), None) => Held::Unusable("it holds no certificate".to_owned()),
            (Some(None), problem) => Held::Missing(problem.unwrap_or(missing)),
            (None, Some(problem)) => Held::Unknown(problem),
            (None, None) => Held::Missing(missing),
        }
    }

    /// What `kubepki renew` calls an entry.
    pub(super) fn renewable_as(&self, entry: &Entry) -> Option<String> {
        let known = self.inventory.entries.iter();
        known
            .filter(|known| !known.is_bootstrap_token())
            .find(|known| known.holder == entry.holder)
            .map(|known| known.name.clone())
    }

    fn key_at(&self, path: &Path) -> Option<&'a KeyState> {
        let entries = self.inventory.entries.iter();
        entries
            .filter(|entry| matches!(entry.holder, Holder::Files { .. }))
            .find(|entry| entry.holder.key_path() == Some(path))
            .map(|entry| &entry.key)
    }

    /// The node that this host is, as its kubelet's own name goes.
    pub(super) fn node_name(&self) -> Option<&'a str> {
        self.inventory
            .node_name
            .as_ref()
            .map(|node| node.name.as_str())
    }

    /// The Node object of this host.
    pub(super) fn node(&self) -> Option<&'a Node> {
        let name = self.node_name()?;
        self.cluster?.nodes.iter().find(|node| node.name == name)
    }

    /// Every name and address by which others are known to call this host.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::from([self.name().to_lowercase()]);
        names.extend(self.node_name().map(str::to_lowercase));
        let flag = |kind, flag| {
            let component = self.component(kind);
            component.and_then(|component| component.flags.one(flag))
        };
        for (kind, name) in [
            (ComponentKind::KubeApiserver, "advertise-address"),
            (ComponentKind::KubeApiserver, "bind-address"),
            (ComponentKind::Kubelet, "node-ip"),
            (ComponentKind::Kubelet, "hostname-override"),
            (ComponentKind::Kubelet, "address"),
        ] {
            let values = flag(kind, name).into_iter();
            names.extend(
                values
                    .flat_map(|value| value.split(','))
                    .map(str::to_lowercase),
            );
        }
        for name in [
            "advertise-client-urls",
            "initial-advertise-peer-urls",
            "listen-client-urls",
            "listen-peer-urls",
        ] {
            let urls = flag(ComponentKind::Etcd, name).into_iter();
            let urls = urls.flat_map(|list| list.split(',')).filter_map(Url::parse);
            names.extend(urls.map(|url| url.host.to_lowercase()));
        }
        if let Some(node) = self.node() {
            let addresses = node.ip_addresses.iter().map(ToString::to_string);
            names.extend(node.addresses.iter().map(|name| name.to_lowercase()));
            names.extend(addresses);
        }
        names.retain(|name| !name.is_empty() && !is_loopback(name) && !is_wildcard(name));
        names
    }

    /// The elements of a flag that takes a list.
    pub(super) fn list(&self, kind: ComponentKind, flag: &'a str) -> Vec<&'a str> {
        let component = self.component(kind);
        component.map_or_else(Vec::new, |component| component.flags.list(flag).collect())
    }

    /// The TLS URLs of a flag.
    pub(super) fn urls(&self, kind: ComponentKind, flag: &'a str) -> Vec<Url> {
        address::tls_urls(self.list(kind, flag).into_iter())
    }

    /// A number that a flag gives.
    pub(super) fn port(&self, kind: ComponentKind, flag: &str, default: u16) -> u16 {
        let component = self.component(kind);
        component
            .and_then(|component| component.flags.one(flag))
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }
}
