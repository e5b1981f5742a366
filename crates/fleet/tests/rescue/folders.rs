//! The world as folders, each served by a session of its own, and a cluster plan carried out on them.

use crate::machine::Node;
use crate::world::{HOSTS, World};
use jiff::Timestamp;
use kubepki_adapters::cri::CriContainers;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::host::services::LocalServices;
use kubepki_adapters::kube::KubeClient;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::diagnose::{
    DiagnoseOptions, Diagnosis, Evidence, HostEvidence, diagnose, together,
};
use kubepki_core::model::Severity;
use kubepki_core::plan::{ClusterPlan, Gate, Stage};
use kubepki_core::rescue::{HostState, Rescue, RescueEvidence, RescueRequest, rescue};
use kubepki_engine::ports::{
    Clock, ClusterChange, ClusterError, ClusterRead, EtcdAccess, Ports, Progress,
};
use kubepki_fleet::campaign::{
    Campaign, CampaignOptions, CampaignOutcome, CampaignProgress, Connect, HostFacts,
    KnownCertificates, Patience, Sessions,
};
use kubepki_fleet::local::{LocalSession, Outside};
use kubepki_fleet::session::{HostSession, Look, LookRequest, SessionError};
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The hosts of a world on a disk.
pub struct Folders {
    base: TempDir,
    now: Timestamp,
}

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: Duration) {}
}

/// A folder and a clock; nothing runs.
struct Folder {
    host: LocalHost,
    services: LocalServices,
    containers: CriContainers,
    tls: RustlsProbe,
    kube: KubeClient,
    clock: Fixed,
}

impl Outside for Folder {
    fn ports(&self) -> Ports<'_> {
        Ports {
            host: &self.host,
            services: &self.services,
            containers: &self.containers,
            tls: &self.tls,
            kube: &self.kube,
            clock: &self.clock,
        }
    }

    fn cluster(
        &self,
        _: &Sealed,
        _: &Path,
        _: Option<&str>,
    ) -> Result<Box<dyn ClusterRead>, ClusterError> {
        panic!("nothing is asked of a folder")
    }

    fn changing_cluster(
        &self,
        _: &Sealed,
        _: &Path,
        _: Option<&str>,
    ) -> Result<Box<dyn ClusterChange>, ClusterError> {
        panic!("nothing is changed by way of a folder")
    }

    fn etcd(&self) -> &dyn EtcdAccess {
        panic!("no etcd runs in a folder")
    }

    fn chance(&self) -> [u8; 4] {
        [1, 2, 3, 4]
    }
}

impl Connect for Folders {
    fn connect(&self, host: &str) -> Result<Box<dyn HostSession>, SessionError> {
        let session = LocalSession::open(Folder {
            host: LocalHost::at_root(&self.root(host)).unwrap(),
            services: LocalServices::new(),
            containers: CriContainers::new(),
            tls: RustlsProbe::new(),
            kube: KubeClient::new(),
            clock: Fixed(self.now),
        })?;
        Ok(Box::new(session))
    }
}

struct Silence;

impl Progress for Silence {
    fn say(&self, _: &str) {}
}

impl CampaignProgress for Silence {
    fn stage(&self, _: usize, _: usize, _: &Stage) {}
    fn host(&self, _: &str, _: &str) {}
    fn gate(&self, _: &Gate, _: bool, _: &str) {}
}

impl Folders {
    pub fn of(world: &World) -> Self {
        let folders = Self {
            base: TempDir::new().unwrap(),
            now: world.cluster.now,
        };
        for (name, machine) in HOSTS.iter().zip(&world.cluster.machines) {
            let root = folders.root(name);
            for (path, node) in &machine.nodes {
                let path = root.join(path.strip_prefix("/").unwrap());
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                match node {
                    Node::File { contents, mode, .. } => {
                        std::fs::write(&path, contents).unwrap();
                        let mode = std::fs::Permissions::from_mode(*mode);
                        std::fs::set_permissions(&path, mode).unwrap();
                    }
                    Node::Link(target) => symlink(target, &path).unwrap(),
                }
            }
        }
        folders
    }

    fn root(&self, host: &str) -> PathBuf {
        self.base.path().join(host)
    }

    fn look(&self) -> Vec<Look> {
        let request = LookRequest {
            pki_folder: PathBuf::from("/etc/kubernetes/pki"),
            examine: false,
            timeout_seconds: 1,
        };
        HOSTS
            .iter()
            .map(|host| {
                let mut session = self.connect(host).unwrap();
                session.look(&request, &Silence).unwrap()
            })
            .collect()
    }

    fn evidence(&self) -> Vec<HostEvidence> {
        self.look()
            .into_iter()
            .map(|look| HostEvidence {
                inventory: look.inventory,
                live: look.live,
            })
            .collect()
    }

    pub fn plan(&self, request: &RescueRequest) -> Rescue {
        let hosts = self.evidence();
        let states: Vec<HostState> = HOSTS
            .iter()
            .map(|name| HostState {
                name: (*name).to_owned(),
                ..HostState::default()
            })
            .collect();
        let evidence = RescueEvidence {
            hosts: &hosts,
            states: &states,
            unreachable: &[],
            nodes: None,
            cluster: None,
        };
        rescue(&evidence, request, self.now).unwrap()
    }

    pub fn carry_out(&self, plan: &ClusterPlan) -> CampaignOutcome {
        let looks = self.look();
        let facts: Vec<HostFacts> = HOSTS
            .iter()
            .zip(&looks)
            .map(|(host, look)| HostFacts::of(host, &look.inventory))
            .collect();
        let certificates = KnownCertificates::of(plan, looks.iter().map(|look| &look.inventory));
        let sessions = Sessions::new(self, 8);
        Campaign {
            plan,
            hosts: &facts,
            certificates: &certificates,
            sessions: &sessions,
            options: &CampaignOptions {
                max_parallel: 4,
                pki_folder: PathBuf::from("/etc/kubernetes/pki"),
                backup: false,
                backup_recipients: Vec::new(),
                patience: Patience::default(),
            },
            operator: None,
            identity: None,
            progress: &Silence,
        }
        .carry_out()
    }

    pub fn doctor(&self) -> Diagnosis {
        let hosts = HOSTS.iter().map(|host| (*host).to_owned());
        let hosts = together(hosts.zip(self.evidence()).collect(), None);
        diagnose(
            &Evidence {
                hosts: &hosts,
                cluster: None,
            },
            &DiagnoseOptions {
                now: self.now,
                thresholds: kubepki_core::assess::Thresholds::default(),
                only: &[],
                ignore: &[],
            },
        )
    }

    /// Every file of every host, the program's own left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for host in HOSTS {
            let root = self.root(host);
            collect(&root, &root, host, &mut found);
        }
        found
    }
}

fn collect(root: &Path, folder: &Path, host: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inner = path.strip_prefix(root).unwrap();
        if inner.starts_with("var/lib/kubepki") {
            continue;
        }
        let name = format!("{host}:/{}", inner.display());
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            collect(root, &path, host, found);
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            found.insert(name, target.display().to_string().into_bytes());
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// Carries a rescue out on folders: the doctor has nothing more to say, a second rescue has nothing to
/// do, and what is not named here has not changed by a byte. Answers which files have changed.
pub fn mends(world: &World, request: &RescueRequest) -> Vec<String> {
    let folders = Folders::of(world);
    let before = folders.files();
    let planned = folders.plan(request);
    assert!(planned.left.is_empty(), "{:#?}", planned.left);
    let outcome = folders.carry_out(&planned.plan);
    assert!(outcome.is_done(), "{outcome:#?}\n{:#?}", planned.plan);
    let diagnosis = folders.doctor();
    let grave: Vec<_> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .collect();
    assert!(grave.is_empty(), "{grave:#?}");
    let again = folders.plan(&RescueRequest::default());
    assert!(again.plan.is_empty(), "{:#?}", again.plan);
    assert!(again.left.is_empty(), "{:#?}", again.left);
    let after = folders.files();
    let mut changed: Vec<String> = after
        .iter()
        .filter(|(name, contents)| before.get(*name) != Some(contents))
        .map(|(name, _)| name.clone())
        .collect();
    changed.extend(
        before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .cloned(),
    );
    changed
}

/// A file name without what changes from run to run.
pub fn steady(name: &str) -> String {
    match name.find("kubelet-client-2") {
        Some(index) => format!("{}kubelet-client-DATE.pem", &name[..index]),
        None => name.to_owned(),
    }
}
