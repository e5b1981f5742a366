//! Real kubeadm clusters on one machine: every host is a runc container that boots systemd with its
//! own containerd, kubelet and sshd in its own network namespace; control planes are real static
//! pods. It shares no code with the product, so the two can't be wrong together.
//!
//! `cargo xtask lab` is its command line, [`Lab`] what tests hold. Everything that can be made again
//! is in the [`Cache`]; nothing outside of it is changed, save for installing Debian packages.
#![expect(
    clippy::print_stderr,
    reason = "a lab takes minutes and tells what it does"
)]

mod age;
mod aged;
mod balancer;
mod bundle;
mod cache;
mod closed_loop;
mod cluster;
mod copies;
mod debian;
mod docker;
mod etcd_objects;
mod extension;
mod fixture;
mod fleet_age;
mod host;
mod image;
mod interrupt;
mod kubernetes;
mod layers;
mod mounts;
mod network;
mod power;
mod prober;
mod saved;
mod snapshot;
mod ssh_access;
mod together;
mod tool;
mod used;
mod wait;
mod workload;

pub use age::Aftermath;
pub use cache::{Cache, Stamp, hexadecimal};
pub use closed_loop::{ClosedLoop, Doors, LOOP_NAMESPACE, Record};
pub use cluster::{Cluster, Shape, administrator};
pub use copies::{copies_below, holds_copy, pem_body};
pub use debian::is_root;
pub use etcd_objects::EtcdObjects;
pub use extension::{
    AGGREGATED_GROUP, AGGREGATED_LIST, CONVERTED_GROUP, Extension, ExtensionServer, Shown,
};
pub use fixture::Lab;
pub use host::Host;
pub use kubernetes::{programs, repository};
pub use layers::{Layers, prepare, ssh_key};
pub use prober::{Prober, Probes};
pub use saved::Saved;
pub use snapshot::{COMPONENTS, Snapshot};
pub use ssh_access::SshAccess;
pub use together::together;
pub use tool::{Output, Tool, find_in_path};
pub use used::UsedLab;
pub use wait::until;
pub use workload::WORKLOAD_NAMESPACE;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Tells what takes a while, on standard error.
pub(crate) fn say(what: &str) {
    eprintln!("lab: {what}");
}

/// Builds the program under test, and answers where it is.
pub fn build_kubepki() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let messages = Tool::new(cargo)
        .words("build --quiet --package kubepki --message-format json")
        .folder(repository())
        .run()
        .context("cannot build kubepki")?;
    built_executable(&messages).context("cargo built no program in the package kubepki")
}

/// Builds an example of this package, and answers where it is.
fn build_example(name: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let messages = Tool::new(cargo)
        .words("build --quiet --package kubepki-lab --message-format json --example")
        .arg(name)
        .folder(repository())
        .run()
        .with_context(|| format!("cannot build {name}"))?;
    built_executable(&messages).with_context(|| format!("cargo built no {name}"))
}

/// The last program that cargo's messages name.
fn built_executable(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    })
}
