//! Workloads: their containers read a mounted `ca.crt` or token when they start, and tell nobody which.
//! What a rotation has restarted bears its mark; what came later is not told apart, and is restarted once
//! too often.

use super::book::{Book, place};
use crate::connections::Place;
use crate::model::cluster::ClusterObservation;
use crate::rotation::generations::{Authorities, Keys};
use crate::rotation::picture::{Generation, Holds, Keeper, Purpose};
use crate::rotation::root::Root;
use crate::rotation::successor;

/// Workloads as they trust the API server.
pub(super) fn trusting(book: &mut Book, cluster: &ClusterObservation, root: &Authorities) {
    let (_, new) = root.generations();
    add(book, cluster, (root.root, new.as_ref()), Purpose::Trust);
}

/// Workloads as they present tokens.
pub(super) fn presenting(book: &mut Book, cluster: &ClusterObservation, root: &Keys) {
    let (_, new) = root.generations();
    let root = Root::ServiceAccountKey;
    add(book, cluster, (root, new.as_ref()), Purpose::Present);
}

fn add(
    book: &mut Book,
    cluster: &ClusterObservation,
    (root, new): (Root, Option<&Generation>),
    purpose: Purpose,
) {
    for workload in &cluster.workloads {
        let marks = workload.mark.as_deref().unwrap_or_default();
        let is_restarted = new.is_some_and(|new| successor::is_marked(marks, root, new));
        let holds = match (is_restarted, purpose) {
            (false, _) => Holds::Old,
            (true, Purpose::Trust) => Holds::OldNew,
            (true, _) => Holds::New,
        };
        let mut found = place(Place::Api(workload.object.clone()), purpose, holds);
        found.kept_by = Keeper::Workload;
        book.add(found);
    }
}
