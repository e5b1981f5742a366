//! All hosts together: which of them an address means.

use super::address::{Url, is_loopback};
use super::builder::Builder;
use super::host::Host;
use crate::connections::{Held, Party, Place, Slot, SlotId, Use};
use crate::layouts::Reload;
use crate::model::ComponentKind;
use crate::model::cluster::ClusterObservation;
use std::collections::BTreeSet;

/// Everything that the graph is derived from.
pub(super) struct Scene<'a> {
    pub(super) hosts: Vec<Host<'a>>,
    pub(super) cluster: Option<&'a ClusterObservation>,
    /// The names of every host, computed once.
    names: Vec<BTreeSet<String>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(hosts: Vec<Host<'a>>, cluster: Option<&'a ClusterObservation>) -> Self {
        let names = hosts.iter().map(Host::names).collect();
        Self {
            hosts,
            cluster,
            names,
        }
    }

    /// One end of an id: with its host where there are several.
    pub(super) fn end(&self, name: &str, host: &str) -> String {
        if self.hosts.len() > 1 {
            format!("{name}@{host}")
        } else {
            name.to_owned()
        }
    }

    /// The hosts where this component runs.
    pub(super) fn running(&self, kind: ComponentKind) -> impl Iterator<Item = Host<'a>> {
        let hosts = self.hosts.iter().copied();
        hosts.filter(move |host| host.component(kind).is_some())
    }

    /// The host with this component that an address means to `from`, where that can be told.
    pub(super) fn meant(
        &self,
        address: &str,
        from: Option<Host<'a>>,
        kind: ComponentKind,
    ) -> Option<Host<'a>> {
        if is_loopback(address) {
            return from.filter(|host| host.component(kind).is_some());
        }
        let address = address.to_lowercase();
        let mut hosts = self.hosts.iter().zip(&self.names);
        hosts
            .find(|(host, names)| host.component(kind).is_some() && names.contains(&address))
            .map(|(host, _)| *host)
    }

    /// The trust of a server of which nothing is known.
    pub(super) fn unknown_trust(&self, builder: &mut Builder, server: &Party, url: &Url) -> SlotId {
        let slot = Slot {
            party: server.clone(),
            flag: None,
            place: Place::Endpoint {
                host: url.host.clone(),
                port: url.port,
            },
            key_place: None,
            purpose: Use::Trust,
            reload: Reload::Restart,
            authority: None,
            renewable_as: None,
        };
        builder.slot(slot, |_| {
            Held::Unknown("its host was not looked at".to_owned())
        })
    }
}

/// Somebody whose host was not looked at.
pub(super) fn elsewhere(kind: ComponentKind, host: Option<&str>) -> Party {
    Party {
        name: kind.to_string(),
        host: host.map(ToOwned::to_owned),
        component: Some(kind),
    }
}

/// What a client trusts that is told nothing: the system's authorities. They did not sign what an
/// authority of the cluster signed; of anything else nobody can tell here.
pub(super) fn system_trust(builder: &Builder, host: &Host<'_>, server: Option<SlotId>) -> Held {
    let own = server.is_some_and(|slot| match builder.held(slot) {
        Held::Credential(credential) => credential
            .chain
            .first()
            .is_some_and(|certificate| host.inventory.issuer_of(certificate).is_some()),
        _ => false,
    });
    if own {
        Held::Missing(
            "no CA certificates are named, so only the system's own are trusted".to_owned(),
        )
    } else {
        Held::Unknown("the system's own CA certificates are trusted".to_owned())
    }
}
