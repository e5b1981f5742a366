//! What is awaited, as gates: who asks, and whom.

use super::error::LowerError;
use super::scene::Scene;
use super::successors::lies_on;
use super::targets;
use crate::model::ComponentKind;
use crate::plan::HostView;
use crate::plan::cluster_plan::Gate;
use crate::rotation::picture::{Holds, Picture};
use crate::rotation::plan::RotationRequest;
use crate::rotation::proof::{ProbeTarget, Proof};
use crate::rotation::root::Root;
use crate::rotation::script::Await;
use crate::rotation::successor::previous;
use jiff::Timestamp;
use std::path::PathBuf;

/// The gate of what is awaited; where no hosts are named, these are meant.
pub(super) fn gate(
    scene: &Scene<'_>,
    awaited: &Await,
    meant: &[String],
) -> Result<Gate, LowerError> {
    let hosts = |named: &[String]| -> Vec<String> {
        match named.is_empty() {
            true => meant.to_vec(),
            false => named.to_vec(),
        }
    };
    let with = |named: &[String], kind: ComponentKind| -> Vec<String> {
        let mut hosts = hosts(named);
        hosts.retain(|host| scene.picture.host(host).is_some_and(|it| it.runs(kind)));
        hosts
    };
    Ok(match awaited {
        Await::ApiServersReady { hosts } => Gate::ApiServersReady {
            hosts: with(hosts, ComponentKind::KubeApiserver),
        },
        Await::EtcdHealthy { hosts } => Gate::EtcdHealthy {
            hosts: with(hosts, ComponentKind::Etcd),
        },
        Await::NodesReady { hosts } => {
            let hosts = with(hosts, ComponentKind::Kubelet);
            let facts = hosts.iter().filter_map(|host| scene.picture.host(host));
            Gate::NodesReady {
                nodes: facts.filter_map(|it| it.node.clone()).collect(),
            }
        }
        Await::NewClientsAccepted { root, hosts: named } => {
            let targets = targets::judges(scene, *root, &hosts(named))?;
            if targets.is_empty() {
                return Ok(Gate::None);
            }
            let (host, certificate, key) = scene.new_signer(*root)?;
            Gate::Proved {
                host,
                proof: Proof::Client {
                    certificate,
                    key,
                    fingerprint_sha256: scene.new_one(*root)?.fingerprint_sha256.clone(),
                    accepted: true,
                    targets,
                },
            }
        }
        Await::OldClientsRefused { root, hosts: named } => {
            let targets = targets::judges(scene, *root, &hosts(named))?;
            refused(scene, *root, targets)?
        }
        Await::NewServed {
            root,
            components,
            hosts: named,
        } => {
            let targets = targets::servers(scene, *root, components, &hosts(named))?;
            if targets.is_empty() {
                return Ok(Gate::None);
            }
            Gate::Proved {
                host: asker(scene)?,
                proof: Proof::Served {
                    issuer_pem: scene.new_one(*root)?.pem.clone(),
                    targets,
                },
            }
        }
        Await::Published { holds } => published(scene, holds)?,
        Await::WorkloadsRolledOut => Gate::Proved {
            host: asker(scene)?,
            proof: Proof::WorkloadsRolledOut,
        },
    })
}

/// Going back: everybody refuses clients of the new generation again. `Gate::None` where nobody has the
/// key to try it with.
pub(in crate::rotation) fn new_clients_refused(
    picture: &Picture,
    hosts: &[HostView<'_>],
    root: Root,
    now: Timestamp,
) -> Gate {
    let request = RotationRequest::new([root]);
    let scene = Scene::begun(picture, hosts, None, &request, now);
    let everywhere: Vec<String> = hosts.iter().map(|it| it.name.to_owned()).collect();
    let asked = || -> Result<Gate, LowerError> {
        let targets = targets::judges(&scene, root, &everywhere)?;
        let (host, certificate, key) = scene.new_signer(root)?;
        let fingerprint_sha256 = scene.new_one(root)?.fingerprint_sha256.clone();
        Ok(match targets.is_empty() {
            true => Gate::None,
            false => Gate::Proved {
                host,
                proof: Proof::Client {
                    certificate,
                    key,
                    fingerprint_sha256,
                    accepted: false,
                    targets,
                },
            },
        })
    };
    asked().unwrap_or(Gate::None)
}

/// The host that kept the old pair for this asks. Where none did, nobody can: what trusts is told by
/// the files alone.
fn refused(scene: &Scene<'_>, root: Root, targets: Vec<ProbeTarget>) -> Result<Gate, LowerError> {
    if targets.is_empty() {
        return Ok(Gate::None);
    }
    for view in scene.hosts {
        for pair in scene.pairs(view.name, root)? {
            let (certificate, key) = (previous(pair.certificate), previous(pair.key));
            let is_kept = |path: &PathBuf| {
                let here = (view.name.to_owned(), path.clone());
                lies_on(view.inventory, path) || scene.touched.contains(&here)
            };
            if !(is_kept(&certificate) && is_kept(&key)) {
                continue;
            }
            let mut others = view.inventory.authorities.iter();
            let kept = others.find(|it| it.certificate_path == certificate);
            let kept = kept
                .and_then(|it| it.issuing())
                .or(pair.authority.issuing());
            let Some(old) = kept.filter(|it| scene.is_old(root, it)) else {
                continue;
            };
            return Ok(Gate::Proved {
                host: view.name.to_owned(),
                proof: Proof::Client {
                    certificate,
                    key,
                    fingerprint_sha256: hex::encode(old.fingerprint_sha256()),
                    accepted: false,
                    targets,
                },
            });
        }
    }
    Ok(Gate::None)
}

fn published(scene: &Scene<'_>, holds: &Holds) -> Result<Gate, LowerError> {
    let root = scene.root(Root::KubernetesCa)?;
    let new = scene
        .new_one(Root::KubernetesCa)?
        .fingerprint_sha256
        .clone();
    let mut old = root.old.iter().map(|it| it.fingerprint_sha256.clone());
    let (holds, lacks) = match holds {
        Holds::New => (vec![new], old.collect()),
        _ => (old.next().into_iter().chain([new]).collect(), Vec::new()),
    };
    Ok(Gate::Proved {
        host: asker(scene)?,
        proof: Proof::Published { holds, lacks },
    })
}

/// The first host with an API server.
fn asker(scene: &Scene<'_>) -> Result<String, LowerError> {
    let mut hosts = scene.picture.hosts_with(ComponentKind::KubeApiserver);
    let first = hosts.next().map(|host| host.name.clone());
    first.ok_or_else(|| LowerError::UnknownHost {
        host: "a host with an API server".to_owned(),
    })
}
