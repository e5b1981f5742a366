//! Actions on the API: which object comes to hold what.

use super::error::LowerError;
use super::scene::Scene;
use crate::connections::Place;
use crate::model::ObjectReference;
use crate::rotation::api_change::ApiChange;
use crate::rotation::picture::{Holds, Keeper, Purpose};
use crate::rotation::root::Root;
use crate::rotation::successor;

/// A place of the API comes to trust this. It may hold what it held when it was seen, or already what it
/// is to hold.
pub(super) fn write(
    scene: &Scene<'_>,
    root: Root,
    object: &ObjectReference,
    holds: &Holds,
) -> Result<ApiChange, LowerError> {
    let place = Place::Api(object.clone());
    let pem = scene.pem(root, holds, &place)?;
    let now: String = scene
        .certificates(&place)
        .iter()
        .map(|it| it.to_pem())
        .collect();
    let mut expected = vec![now];
    // An earlier round may have written both.
    for other in [Holds::OldNew, Holds::NewOld] {
        expected.push(scene.pem(root, &other, &place)?);
    }
    expected.push(pem.clone());
    expected.retain(|it| !it.is_empty());
    let mut known: Vec<String> = Vec::new();
    expected.retain(|it| {
        let is_new = !known.contains(it);
        known.push(it.clone());
        is_new
    });
    Ok(ApiChange::WriteBundle {
        object: object.clone(),
        pem,
        expected,
    })
}

/// Restarts of the workloads that the picture shows for this root.
pub(super) fn restarts(scene: &Scene<'_>, root: Root) -> Result<Vec<ApiChange>, LowerError> {
    let purpose = match root {
        Root::ServiceAccountKey => Purpose::Present,
        _ => Purpose::Trust,
    };
    let mark = successor::generation(scene.now);
    let places = scene.root(root)?.places.iter();
    let stale = places.filter(|place| {
        place.kept_by == Keeper::Workload && place.purpose == purpose && place.holds == Holds::Old
    });
    Ok(stale
        .filter_map(|place| match &place.place {
            Place::Api(object) => Some(ApiChange::RestartWorkload {
                object: object.clone(),
                mark: mark.clone(),
            }),
            _ => None,
        })
        .collect())
}

/// The new service-account key, as token Secrets are held against it.
pub(super) fn key_sha256(scene: &Scene<'_>) -> Result<String, LowerError> {
    let new = scene.new_one(Root::ServiceAccountKey)?;
    Ok(new.fingerprint_sha256.clone())
}
