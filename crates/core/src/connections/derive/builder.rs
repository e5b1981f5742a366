//! The graph as it grows: every slot once, every connection under an id of its own.

use crate::connections::{
    Connection, Credential, Graph, Held, KeyMatch, Material, Slot, SlotId, TrustBundle,
};
use crate::connections::{Party, Place, Use};
use kubepki_x509::Certificate;
use kubepki_x509::path::CertificatePool;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What makes two uses one slot: the same party reads the same place by the same flag.
type SlotKey = (Party, Option<String>, Place, bool);

/// A graph with what lies in its slots.
#[derive(Default)]
pub(super) struct Builder {
    graph: Graph,
    material: Material,
    slots: HashMap<SlotKey, SlotId>,
    ids: HashSet<String>,
    bundles: HashMap<Vec<Certificate>, Arc<TrustBundle>>,
}

impl Builder {
    /// The slot of this kind, with what lies in it; what is known already is kept.
    pub(super) fn slot(&mut self, slot: Slot, held: impl FnOnce(&mut Self) -> Held) -> SlotId {
        let key = (
            slot.party.clone(),
            slot.flag.clone(),
            slot.place.clone(),
            slot.purpose == Use::Present,
        );
        if let Some(known) = self.slots.get(&key) {
            return *known;
        }
        let held = held(self);
        let id = SlotId(self.graph.slots.len());
        self.graph.slots.push(slot);
        self.material.held.push(held);
        self.slots.insert(key, id);
        id
    }

    /// Adds a connection; one whose id is taken is told apart by a number.
    pub(super) fn connect(&mut self, mut connection: Connection) {
        let mut number = 1_usize;
        let wanted = connection.id.clone();
        while !self.ids.insert(connection.id.clone()) {
            number += 1;
            connection.id = format!("{wanted} ({number})");
        }
        self.graph.connections.push(connection);
    }

    /// Trust in these certificates; equal bundles are one.
    pub(super) fn trust(&mut self, certificates: &[Certificate]) -> Held {
        if let Some(bundle) = self.bundles.get(certificates) {
            return Held::Trust(Arc::clone(bundle));
        }
        let pool = CertificatePool::new(certificates.iter().cloned());
        let bundle = Arc::new(TrustBundle { pool });
        self.bundles
            .insert(certificates.to_vec(), Arc::clone(&bundle));
        Held::Trust(bundle)
    }

    /// What lies in a slot.
    pub(super) fn held(&self, slot: SlotId) -> &Held {
        self.material.held(slot)
    }

    pub(super) fn finish(self) -> (Graph, Material) {
        (self.graph, self.material)
    }
}

/// A credential.
pub(super) fn credential(chain: &[Certificate], key: KeyMatch) -> Held {
    Held::Credential(Arc::new(Credential {
        chain: chain.to_vec(),
        key,
    }))
}

impl Connection {
    /// A connection of which only the ends are known yet.
    pub(super) fn between(
        id: String,
        kind: super::ConnectionKind,
        serves: impl Into<String>,
        client: Party,
        server: Party,
    ) -> Self {
        Self {
            id,
            kind,
            serves: serves.into(),
            client,
            server,
            client_presents: None,
            client_trusts: None,
            server_presents: None,
            server_trusts: None,
            names: Vec::new(),
            identity: None,
            client_names: Vec::new(),
            address: None,
        }
    }
}
