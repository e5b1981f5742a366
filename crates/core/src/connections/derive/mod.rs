//! Which connections there are, and what lies in their slots on disk and in the API: from flags,
//! kubeconfigs and objects. Nothing is verified here.
//!
//! A connection whose other end was not looked at is kept with what is known of it. What a flag of a
//! component does not say is the component's default (Kubernetes v1.20 and later, etcd 3.4 and later).

mod address;
mod aggregated;
mod apiserver;
mod builder;
mod etcd;
mod etcd_clients;
mod host;
mod kubeconfigs;
mod kubelets;
mod pods;
mod ports;
mod scene;

use super::graph::{ConnectionKind, Graph};
use super::material::Material;
use crate::diagnose::Evidence;
use builder::Builder;
use host::Host;
use scene::Scene;

/// Every connection that the evidence shows, and what lies in its slots.
pub fn derive(evidence: &Evidence<'_>) -> (Graph, Material) {
    let hosts = evidence.hosts.iter().map(|host| Host {
        inventory: &host.inventory,
        cluster: evidence.cluster,
    });
    let scene = Scene::new(hosts.collect(), evidence.cluster);
    let mut builder = Builder::default();
    etcd::peers(&mut builder, &scene);
    etcd_clients::find(&mut builder, &scene);
    etcd::gateway(&mut builder, &scene);
    kubeconfigs::find(&mut builder, &scene);
    kubelets::find(&mut builder, &scene);
    aggregated::find(&mut builder, &scene);
    pods::find(&mut builder, &scene);
    ports::find(&mut builder, &scene);
    builder.finish()
}
