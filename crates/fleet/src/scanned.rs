//! A scan on its way: what thousands of bundles have in common is said once.
//!
//! Each namespace holds the cluster's CA, as does each token Secret. In memory they share it; written out
//! plainly a large cluster would not fit into a frame, and would not share it any more at the other
//! end.

use kubepki_core::model::cluster::ClusterObservation;
use kubepki_x509::Certificate;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::HashMap;

/// The observation without the certificates of its bundles; those, each once; and which bundle holds
/// which.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Packed {
    certificates: Vec<Certificate>,
    bundles: Vec<Vec<usize>>,
    rest: Box<ClusterObservation>,
}

pub(crate) fn serialize<S: Serializer>(
    observation: &ClusterObservation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut rest = Box::new(observation.clone());
    let mut known: HashMap<[u8; 32], usize> = HashMap::new();
    let mut certificates = Vec::new();
    let mut bundles = Vec::with_capacity(rest.bundles.len());
    for bundle in &mut rest.bundles {
        let held = std::mem::take(&mut bundle.certificates).into_iter();
        let held = held.map(|certificate| {
            *known
                .entry(certificate.fingerprint_sha256())
                .or_insert_with(|| {
                    certificates.push(certificate);
                    certificates.len() - 1
                })
        });
        bundles.push(held.collect());
    }
    let packed = Packed {
        certificates,
        bundles,
        rest,
    };
    packed.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Box<ClusterObservation>, D::Error> {
    let Packed {
        certificates,
        bundles,
        mut rest,
    } = Packed::deserialize(deserializer)?;
    if bundles.len() != rest.bundles.len() {
        return Err(de::Error::custom("a scan lacks bundles"));
    }
    for (bundle, held) in rest.bundles.iter_mut().zip(bundles) {
        bundle.certificates = held
            .into_iter()
            .map(|index| certificates.get(index).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| de::Error::custom("a scan lacks certificates"))?;
    }
    Ok(rest)
}
