//! The Nodes alone, for whoever waits until they are Ready: a scan reads a whole cluster.
//!
//! <https://kubernetes.io/docs/reference/node/node-status/#condition>

use super::keys::Keys;
use super::pages::{List, list};
use crate::ports::{ClusterError, ClusterRead};
use jiff::Timestamp;
use kubepki_core::cluster::Collector;
use kubepki_core::model::cluster::{KnownKeys, Node};

const PAGE_SIZE: u32 = 500;

/// Every Node of the cluster.
///
/// # Errors
/// When the list is refused, or ends before its last Node.
pub fn nodes(cluster: &dyn ClusterRead, now: Timestamp) -> Result<Vec<Node>, ClusterError> {
    let (known, keys) = (KnownKeys::default(), Keys::new());
    let mut collector = Collector::new(cluster.server().to_owned(), now, &known, &keys);
    let request = List {
        path: "/api/v1/nodes",
        field_selector: None,
        page_size: PAGE_SIZE,
    };
    let listed = list(cluster, &request, &mut |json| collector.node(json));
    match listed.refusal {
        Some(error) => Err(error),
        None => Ok(collector.finish().nodes),
    }
}
