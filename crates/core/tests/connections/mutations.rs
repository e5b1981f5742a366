//! What can be done to one slot, and which connections then have to fail: exactly those that use it
//! that way.

use crate::authority::{Authority, gone_by, stray_key};
use crate::world::World;
use kubepki_core::connections::{
    Connection, Credential, Graph, Held, KeyMatch, Material, SlotId, TrustBundle, Use,
};
use kubepki_x509::ExtendedKeyUsage;
use kubepki_x509::path::CertificatePool;
use std::sync::Arc;

/// What is done to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    OtherAuthority,
    Expired,
    NamesDropped,
    ServerUsageDropped,
    ClientUsageDropped,
    KeySwapped,
    Missing,
    BundleEmptied,
    BundleOfAnother,
    BundleMissing,
}

pub const OF_CREDENTIALS: [Mutation; 7] = [
    Mutation::OtherAuthority,
    Mutation::Expired,
    Mutation::NamesDropped,
    Mutation::ServerUsageDropped,
    Mutation::ClientUsageDropped,
    Mutation::KeySwapped,
    Mutation::Missing,
];

pub const OF_BUNDLES: [Mutation; 3] = [
    Mutation::BundleEmptied,
    Mutation::BundleOfAnother,
    Mutation::BundleMissing,
];

impl Mutation {
    /// Those that can be done to this slot.
    pub fn of(graph: &Graph, slot: SlotId) -> &'static [Self] {
        match graph.slot(slot).unwrap().purpose {
            Use::Present => &OF_CREDENTIALS,
            Use::Trust => &OF_BUNDLES,
        }
    }

    /// The slot's contents after it.
    pub fn applied(self, world: &World, held: &Held) -> Held {
        match held {
            Held::Credential(credential) => self.applied_to_credential(world, credential),
            Held::Trust(_) => match self {
                Self::BundleEmptied => bundle(Vec::new()),
                Self::BundleOfAnother => bundle(vec![Authority::root("kubernetes").anchor]),
                _ => Held::Missing("it was removed".to_owned()),
            },
            other => other.clone(),
        }
    }

    fn applied_to_credential(self, world: &World, credential: &Credential) -> Held {
        let chain = &credential.chain;
        let signer = world.signer(chain);
        let mut leaf = world.leaf_of(&chain[0]).clone();
        let other = Authority::root("kubernetes");
        let (chain, key) = match self {
            Self::OtherAuthority => (other.issue(&leaf).chain, KeyMatch::Matches),
            Self::KeySwapped => {
                let differs = stray_key() != *chain[0].public_key();
                assert!(differs);
                (chain.clone(), KeyMatch::Differs)
            }
            Self::Missing => return Held::Missing("it was removed".to_owned()),
            _ => {
                let dropped = |usage: ExtendedKeyUsage| {
                    let mut left = leaf.usages.clone();
                    left.retain(|found| *found != usage);
                    // Without any usage a certificate is for everything.
                    if left.is_empty() {
                        left.push(ExtendedKeyUsage::CodeSigning);
                    }
                    left
                };
                match self {
                    Self::Expired => leaf.validity = gone_by(),
                    Self::NamesDropped => leaf.names.clear(),
                    Self::ServerUsageDropped => {
                        leaf.usages = dropped(ExtendedKeyUsage::ServerAuth);
                    }
                    _ => leaf.usages = dropped(ExtendedKeyUsage::ClientAuth),
                }
                (signer.issue(&leaf).chain, KeyMatch::Matches)
            }
        };
        Held::Credential(Arc::new(Credential { chain, key }))
    }

    /// Whether a connection has to fail once it is done to `slot`.
    pub fn breaks(self, material: &Material, connection: &Connection, slot: SlotId) -> bool {
        let known = |slot: Option<SlotId>| {
            slot.is_some_and(|slot| !matches!(material.held(slot), Held::Unknown(_)))
        };
        let as_server = connection.server_presents == Some(slot) && known(connection.client_trusts);
        let as_client = connection.client_presents == Some(slot) && known(connection.server_trusts);
        let trusted_by_client =
            connection.client_trusts == Some(slot) && known(connection.server_presents);
        let trusted_by_server =
            connection.server_trusts == Some(slot) && known(connection.client_presents);
        match self {
            Self::OtherAuthority | Self::Expired | Self::KeySwapped | Self::Missing => {
                as_server || as_client
            }
            Self::NamesDropped => as_server && !connection.names.is_empty(),
            Self::ServerUsageDropped => as_server,
            Self::ClientUsageDropped => as_client,
            Self::BundleEmptied | Self::BundleOfAnother | Self::BundleMissing => {
                trusted_by_client || trusted_by_server
            }
        }
    }
}

fn bundle(certificates: Vec<kubepki_x509::Certificate>) -> Held {
    let pool = CertificatePool::new(certificates);
    Held::Trust(Arc::new(TrustBundle { pool }))
}
