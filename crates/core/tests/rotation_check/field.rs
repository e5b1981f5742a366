//! A cluster as values, through a whole rotation: what discovery and a scan of the API would find of it
//! at any moment. `carry` does to it what a script says.

use crate::authority::{Authority, NOW, bundle};
use crate::world::{Shape, World};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::connections::{Graph, Material, Place, derive};
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::ComponentKind::{self, Etcd, KubeApiserver, KubeControllerManager};
use kubepki_core::model::cluster::{BundlePurpose, ClusterObservation, TokenSecret};
use kubepki_core::model::live::FileTime;
use kubepki_core::model::{
    Authority as Bundle, Inventory, KeyState, ObjectReference, Role, RunningProcess,
    ServiceAccountKey, ServiceAccountKeyContents, UsedBy,
};
use kubepki_core::rotation::observe::{add_workloads, picture};
use kubepki_core::rotation::{Leaders, Picture, Restart, Root, StaleWorkload, successor};
use kubepki_x509::{Certificate, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a host has besides its machine.
#[derive(Clone, Default)]
pub struct Extra {
    /// Roots whose successor lies here.
    pub next: BTreeSet<Root>,
    /// Roots whose own key is the successor here.
    pub installed: BTreeSet<Root>,
    /// Roots whose old pair was kept here.
    pub previous: BTreeSet<Root>,
    /// Public keys in `sa.pub`.
    pub sa_pub: Vec<PublicKey>,
    /// The public half of `sa.key`.
    pub sa_key: Option<PublicKey>,
    /// When components were started.
    pub started: BTreeMap<ComponentKind, i64>,
    /// When files were changed.
    pub changed: BTreeMap<PathBuf, i64>,
}

/// A cluster.
pub struct Field {
    pub world: World,
    pub extra: BTreeMap<String, Extra>,
    pub next: BTreeMap<Root, Authority>,
    /// The next successor, where somebody else makes it.
    pub given: Option<Authority>,
    pub sa_old: PublicKey,
    pub sa_new: Option<PublicKey>,
    /// `kube-root-ca.crt`, `ca.crt` of token Secrets.
    pub published: Vec<Certificate>,
    pub cluster_info: Vec<Certificate>,
    /// What API servers merged of their front proxies'.
    pub merged: Vec<Certificate>,
    /// Keys that signed the Secrets of the one ServiceAccount that has some.
    pub tokens: Vec<PublicKey>,
    /// Roots for which the one workload started too early.
    pub stale: BTreeSet<Root>,
    pub clock: i64,
    pub etcd_leader: Option<String>,
    /// Components that were stopped and not started.
    pub halted: BTreeSet<(String, ComponentKind)>,
    /// Whether the old service-account key is kept beside the new one.
    pub swaps: bool,
}

pub fn shape(control_planes: usize, workers: usize) -> Shape {
    Shape {
        control_planes,
        workers,
        balanced: true,
        ..Shape::default()
    }
}

impl Field {
    pub fn new(shape: Shape) -> Self {
        let mut world = World::new(shape);
        let folder = PathBuf::from(&world.shape.folder);
        let sa_old = crate::authority::stray_key();
        let mut extra = BTreeMap::new();
        for machine in &mut world.machines {
            let mut more = Extra::default();
            let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
            if let Some(argv) = machine.argv.get_mut(&KubeControllerManager) {
                argv.push(format!("--cluster-signing-cert-file={}", path("ca.crt")));
                argv.push(format!("--cluster-signing-key-file={}", path("ca.key")));
                argv.push(format!(
                    "--service-account-private-key-file={}",
                    path("sa.key")
                ));
            }
            if let Some(argv) = machine.argv.get_mut(&KubeApiserver) {
                argv.push(format!("--service-account-key-file={}", path("sa.pub")));
                argv.push(format!(
                    "--service-account-signing-key-file={}",
                    path("sa.key")
                ));
                more.sa_pub = vec![sa_old.clone()];
                more.sa_key = Some(sa_old.clone());
            }
            extra.insert(machine.name.clone(), more);
        }
        let cluster = world.trust(world.cluster_ca());
        let merged = world.trust(world.front_proxy_ca());
        Self {
            extra,
            next: BTreeMap::new(),
            given: None,
            tokens: vec![sa_old.clone()],
            sa_old,
            sa_new: None,
            published: cluster.clone(),
            cluster_info: cluster,
            merged,
            stale: BTreeSet::new(),
            clock: 0,
            etcd_leader: Some("cp1".to_owned()),
            halted: BTreeSet::new(),
            swaps: false,
            world,
        }
    }

    /// The file of a root's own certificates.
    pub fn ca_file(&self, root: Root) -> PathBuf {
        self.world.path(match root {
            Root::KubernetesCa => "ca.crt",
            Root::EtcdCa => "etcd/ca.crt",
            Root::FrontProxyCa => "front-proxy-ca.crt",
            Root::ServiceAccountKey => "sa.pub",
        })
    }

    pub fn old(&self, root: Root) -> &Authority {
        match root {
            Root::EtcdCa => self.world.etcd_ca(),
            Root::FrontProxyCa => self.world.front_proxy_ca(),
            _ => self.world.cluster_ca(),
        }
    }

    pub fn evidence(&self) -> Vec<HostEvidence> {
        let machines = self.world.machines.iter();
        machines
            .map(|machine| {
                let mut inventory = machine.inventory();
                self.complete(&mut inventory, &self.extra[&machine.name]);
                HostEvidence {
                    inventory,
                    live: None,
                }
            })
            .collect()
    }

    fn complete(&self, inventory: &mut Inventory, extra: &Extra) {
        for component in &mut inventory.components {
            let started = extra.started.get(&component.kind).copied().unwrap_or(0);
            component.processes = vec![RunningProcess {
                pid: 1,
                started: at(started),
            }];
        }
        let signs = inventory.component(Etcd).is_some();
        for authority in &mut inventory.authorities {
            let signing = inventory
                .components
                .iter()
                .filter(|it| it.kind == KubeControllerManager)
                .filter(|it| {
                    it.host_path("cluster-signing-cert-file").as_deref()
                        == Some(&authority.certificate_path)
                })
                .map(|it| UsedBy {
                    component: it.kind,
                    flag: "cluster-signing-cert-file".to_owned(),
                });
            authority.used_by.extend(signing);
            let root = Root::ALL
                .into_iter()
                .find(|root| self.ca_file(*root) == authority.certificate_path);
            let Some(root) = root.filter(|_| signs) else {
                continue;
            };
            let by = match extra.installed.contains(&root) {
                true => &self.next[&root],
                false => self.old(root),
            };
            authority.key_path = Some(authority.certificate_path.with_extension("key"));
            authority.key = present(by.issuing().public_key());
        }
        for root in extra
            .next
            .iter()
            .filter(|it| **it != Root::ServiceAccountKey)
        {
            inventory.authorities.push(self.successor(*root));
            let is_kept = extra.previous.contains(root);
            if !is_kept && extra.installed.contains(root) && inventory.host == "cp1" {
                inventory.authorities.push(self.previous(*root));
            }
        }
        for root in extra
            .previous
            .iter()
            .filter(|it| **it != Root::ServiceAccountKey)
        {
            inventory.authorities.push(self.previous(*root));
        }
        if let (Some(key), Some(_)) = (&extra.sa_key, extra.sa_pub.first()) {
            inventory.service_account_keys = self.service_account_keys(extra, key);
        }
        for path in inventory.files.keys() {
            let moment = at(extra.changed.get(path).copied().unwrap_or(0));
            let time = FileTime {
                path: path.clone(),
                modified: moment,
                changed: moment,
            };
            inventory.file_times.insert(path.clone(), time);
        }
        for file in ["sa.pub", "sa.key"] {
            let path = self.world.path(file);
            let moment = at(extra.changed.get(&path).copied().unwrap_or(0));
            let time = FileTime {
                path: path.clone(),
                modified: moment,
                changed: moment,
            };
            inventory.file_times.insert(path, time);
        }
    }

    fn successor(&self, root: Root) -> Bundle {
        let path = successor::successor(&self.ca_file(root));
        let made = &self.next[&root];
        Bundle {
            name: path.display().to_string(),
            role: Role::Other,
            also_known_as: Vec::new(),
            key_path: Some(path.with_extension("key")),
            certificate_path: path,
            certificates: [&made.anchor]
                .into_iter()
                .chain(&made.above)
                .cloned()
                .collect(),
            key: present(made.issuing().public_key()),
            used_by: Vec::new(),
            problem: None,
        }
    }

    /// The old pair, which one host keeps.
    fn previous(&self, root: Root) -> Bundle {
        let path = successor::previous(&self.ca_file(root));
        let old = self.old(root);
        Bundle {
            name: path.display().to_string(),
            role: Role::Other,
            also_known_as: Vec::new(),
            key_path: Some(path.with_extension("key")),
            certificate_path: path,
            certificates: vec![old.anchor.clone()],
            key: present(old.issuing().public_key()),
            used_by: Vec::new(),
            problem: None,
        }
    }

    fn service_account_keys(&self, extra: &Extra, key: &PublicKey) -> Vec<ServiceAccountKey> {
        let file = |file: &str, contents, used_by: &[(ComponentKind, &str)]| ServiceAccountKey {
            path: self.world.path(file),
            contents,
            used_by: used_by
                .iter()
                .map(|(component, flag)| UsedBy {
                    component: *component,
                    flag: (*flag).to_owned(),
                })
                .collect(),
        };
        let public = |keys: Vec<PublicKey>| ServiceAccountKeyContents::Public(keys);
        let private = |key: &PublicKey| ServiceAccountKeyContents::Private(present(key));
        let mut keys = vec![
            file(
                "sa.pub",
                public(extra.sa_pub.clone()),
                &[(KubeApiserver, "service-account-key-file")],
            ),
            file(
                "sa.key",
                private(key),
                &[
                    (KubeApiserver, "service-account-signing-key-file"),
                    (KubeControllerManager, "service-account-private-key-file"),
                ],
            ),
        ];
        if let (Some(new), true) = (&self.sa_new, extra.next.contains(&Root::ServiceAccountKey)) {
            keys.push(file("sa-next.pub", public(vec![new.clone()]), &[]));
            keys.push(file("sa-next.key", private(new), &[]));
        }
        if extra.previous.contains(&Root::ServiceAccountKey) {
            let old = public(vec![self.sa_old.clone()]);
            keys.push(file("sa-previous.pub", old, &[]));
        }
        keys
    }

    pub fn observation(&self, hosts: &[HostEvidence]) -> ClusterObservation {
        let config = |namespace: &str, name: &str, field: &str| {
            ObjectReference::namespaced("ConfigMap", namespace, name).at(field)
        };
        let secret = ObjectReference::namespaced("Secret", "shop", "web-token");
        let mut told: Vec<String> = Vec::new();
        for key in hosts
            .iter()
            .flat_map(|it| &it.inventory.service_account_keys)
        {
            if let ServiceAccountKeyContents::Public(keys) = &key.contents {
                told.extend(keys.iter().map(|key| hex::encode(key.sha256())));
            }
        }
        told.sort();
        told.dedup();
        let index = |key: &PublicKey| {
            let name = hex::encode(key.sha256());
            told.iter().position(|it| *it == name).into_iter().collect()
        };
        ClusterObservation {
            server: "https://10.0.0.11:6443".to_owned(),
            version: None,
            observed_at: NOW,
            server_time: None,
            bundles: vec![
                bundle(
                    BundlePurpose::KubeRootCa,
                    config("shop", "kube-root-ca.crt", "data[ca.crt]"),
                    &self.published,
                ),
                bundle(
                    BundlePurpose::TokenSecretCa,
                    secret.clone().at("data[ca.crt]"),
                    &self.published,
                ),
                bundle(
                    BundlePurpose::ClusterInfo,
                    config("kube-public", "cluster-info", "data[kubeconfig]"),
                    &self.cluster_info,
                ),
                bundle(
                    BundlePurpose::ExtensionRequestheaderCa,
                    config(
                        "kube-system",
                        "extension-apiserver-authentication",
                        "data[requestheader-client-ca-file]",
                    ),
                    &self.merged,
                ),
            ],
            certificates: Vec::new(),
            backends: Vec::new(),
            requests: Vec::new(),
            bootstrap_tokens: Vec::new(),
            token_secrets: self
                .tokens
                .iter()
                .map(|key| TokenSecret {
                    object: secret.clone(),
                    service_account: "web".to_owned(),
                    verified_by: index(key),
                    key_id: None,
                    has_token: true,
                })
                .collect(),
            service_account_keys: told.clone(),
            namespaces: vec!["shop".to_owned()],
            nodes: Vec::new(),
            exposed: Vec::new(),
            cluster_info_tokens: Vec::new(),
            requestheader_allowed_names: None,
            counts: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    /// What is there now, and the picture of it.
    pub fn seen(&self) -> (Graph, Material, Picture) {
        let hosts = self.evidence();
        let cluster = self.observation(&hosts);
        let evidence = Evidence {
            hosts: &hosts,
            cluster: Some(&cluster),
        };
        let (graph, material) = derive(&evidence);
        let leaders = Leaders {
            controller_manager: Some("cp1".to_owned()),
            scheduler: Some("cp1".to_owned()),
            etcd: self.etcd_leader.clone(),
        };
        let mut picture = picture(&evidence, &leaders);
        for root in &self.stale {
            let stale = StaleWorkload {
                object: ObjectReference::namespaced("Deployment", "shop", "web"),
                pods: 2,
                reason: "it started too early".to_owned(),
                restart: Restart::Rolling,
            };
            add_workloads(&mut picture, *root, &[stale]);
        }
        (graph, material, picture)
    }

    /// Hosts with this component.
    pub fn with(&self, kind: ComponentKind) -> Vec<String> {
        let machines = self.world.machines.iter();
        machines
            .filter(|it| it.argv.contains_key(&kind))
            .map(|it| it.name.clone())
            .collect()
    }
}

fn present(key: &PublicKey) -> KeyState {
    KeyState::Present {
        public_key: key.clone(),
        mode: 0o600,
    }
}

fn at(clock: i64) -> Timestamp {
    NOW + SignedDuration::from_mins(clock)
}

/// The name of a file as a place of the picture.
pub fn is_named(place: &Place, name: &str) -> bool {
    place
        .path()
        .and_then(Path::file_name)
        .is_some_and(|it| it == name)
}
