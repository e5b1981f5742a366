//! Hosts in folders, and the smallest campaign there can be: one step after another, in this process.

use crate::machine::{Machine, Node};
use crate::pki;
use jiff::Timestamp;
use kubepki_adapters::cri::CriContainers;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::host::services::LocalServices;
use kubepki_adapters::kube::KubeClient;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::model::Inventory;
use kubepki_core::plan::{
    ClusterOptions, ClusterPlan, HostView, Origin, Plan, Refusal, RenewRequest, Signer, Step,
    plan_cluster_renewal,
};
use kubepki_engine::apply::backup::Unlock;
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_engine::execute::{
    Brought, ExecuteError, Execution, Order, Outcome, execute_brought, prepare, sign,
};
use kubepki_engine::ports::{Clock, HostWrite, Ports, Progress};
use kubepki_x509::{Certificate, pem};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

pub const CA: &str = "/etc/kubernetes/pki/ca.crt";
pub const CA_KEY: &str = "/etc/kubernetes/pki/ca.key";
pub const STORE: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// Runs of one second differ by their chance alone.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The time that the hosts live in.
pub struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        pki::now()
    }

    fn sleep(&self, _: Duration) {}
}

pub struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

/// One host in a folder.
pub struct Site {
    pub name: String,
    folder: TempDir,
}

impl Site {
    pub fn new(mut machine: Machine) -> Self {
        machine.live = false;
        machine.processes.clear();
        let site = Self {
            name: machine.name.clone(),
            folder: temporary(),
        };
        for (path, node) in &machine.nodes {
            let target = site.path(path);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            match node {
                Node::File { contents, mode, .. } => {
                    fs::write(&target, contents).unwrap();
                    fs::set_permissions(&target, fs::Permissions::from_mode(*mode)).unwrap();
                }
                Node::Link(to) => symlink(to, &target).unwrap(),
            }
        }
        site
    }

    /// The same host once more.
    pub fn copied(&self) -> Self {
        let copy = Self {
            name: self.name.clone(),
            folder: temporary(),
        };
        copy_folder(self.folder.path(), copy.folder.path());
        copy
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.folder
            .path()
            .join(path.strip_prefix("/").unwrap_or(path))
    }

    pub fn host(&self) -> LocalHost {
        LocalHost::at_root(self.folder.path()).unwrap()
    }

    pub fn inventory(&self) -> Inventory {
        discover(&self.host(), &DiscoverOptions::default(), pki::now()).unwrap()
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        let target = self.path(path);
        let target = match fs::read_link(&target) {
            Ok(to) => self.path(target.parent().unwrap().join(to)),
            Err(_) => target,
        };
        fs::read(&target).unwrap_or_else(|error| panic!("{}: {error}", target.display()))
    }

    pub fn certificate(&self, path: &str) -> Certificate {
        pem::certificates(&self.read(path)).unwrap().remove(0)
    }

    /// Every file with mode and contents, but what kubepki keeps for itself.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), self.folder.path(), &mut found);
        found.retain(|path, _| !path.starts_with("var/lib/kubepki"));
        found
    }

    /// Runs something on this host.
    pub fn executed<T>(&self, host: &dyn HostWrite, run: impl FnOnce(&Execution<'_>) -> T) -> T {
        let (services, containers) = (LocalServices::new(), CriContainers::new());
        let (tls, kube) = (RustlsProbe::new(), KubeClient::new());
        run(&Execution {
            ports: Ports {
                host,
                services: &services,
                containers: &containers,
                tls: &tls,
                kube: &kube,
                clock: &Standing,
            },
            options: DiscoverOptions::default(),
            backup: Some(kubepki_engine::apply::backup::Protection::Plain),
            unlock: Unlock::Nothing,
            process: 7,
            chance: NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes(),
            progress: &Silent,
        })
    }

    pub fn carry(&self, plan: &Plan, brought: Brought) -> Result<Outcome, ExecuteError> {
        let before = self.inventory();
        self.executed(&self.host(), |execution| {
            execute_brought(execution, &before, plan, brought)
        })
    }
}

fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir(&to).unwrap();
            copy_folder(&from, &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), &to).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let contents = match kind.is_symlink() {
            true => fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes(),
            false => fs::read(&path).unwrap(),
        };
        let mode = entry.metadata().unwrap().mode() & 0o7777;
        let name = path.strip_prefix(root).unwrap().to_owned();
        found.insert(name, (mode, contents));
    }
}

/// The hosts of a cluster.
pub struct Sites(pub Vec<Site>);

impl Sites {
    pub fn new(machines: impl IntoIterator<Item = Machine>) -> Self {
        Self(machines.into_iter().map(Site::new).collect())
    }

    pub fn site(&self, name: &str) -> &Site {
        self.0.iter().find(|site| site.name == name).unwrap()
    }

    pub fn plan(&self, request: &RenewRequest) -> Result<ClusterPlan, Refusal> {
        let inventories: Vec<Inventory> = self.0.iter().map(Site::inventory).collect();
        let views: Vec<HostView<'_>> = self
            .0
            .iter()
            .zip(&inventories)
            .map(|(site, inventory)| HostView {
                name: &site.name,
                inventory,
            })
            .collect();
        let options = ClusterOptions {
            batch: 2,
            ..ClusterOptions::default()
        };
        plan_cluster_renewal(&views, request, &options, pki::now())
    }

    /// What a plan needs from other hosts, signed and gathered.
    pub fn brought(&self, host: &str, plan: &Plan, issued: &Issued) -> Brought {
        let site = self.site(host);
        let prepared = prepare(&site.host(), plan).unwrap();
        let mut certificates = Vec::new();
        for (name, request) in prepared.requests() {
            let issuance = plan.issuances.iter().find(|it| it.name == name).unwrap();
            let Signer::Elsewhere { host: signer, .. } = &issuance.signer else {
                panic!("{name} was prepared and is not signed elsewhere");
            };
            let order = Order {
                host: host.to_owned(),
                issuance: issuance.clone(),
                old_certificate_pem: self.old(site, issuance),
                request_pem: request.to_pem(),
            };
            certificates.extend(sign(&self.site(signer).host(), &[order]).unwrap());
        }
        for issuance in &plan.issuances {
            if let Signer::Given {
                host: from,
                name,
                fingerprint_sha256,
            } = &issuance.signer
            {
                let chain = match fingerprint_sha256 {
                    Some(fingerprint) => vec![self.held(from, fingerprint)],
                    None => issued[&(from.clone(), name.clone())].clone(),
                };
                certificates.push((issuance.name.clone(), chain));
            }
        }
        Brought {
            prepared: Some(prepared),
            certificates,
            keys: Vec::new(),
        }
    }

    fn held(&self, host: &str, fingerprint: &str) -> Certificate {
        let inventory = self.site(host).inventory();
        let all = inventory.authorities.into_iter();
        all.flat_map(|authority| authority.certificates)
            .find(|certificate| hex(certificate) == *fingerprint)
            .unwrap()
    }

    pub fn old(&self, site: &Site, issuance: &kubepki_core::plan::Issuance) -> Option<String> {
        let Origin::Certificate { .. } = issuance.origin else {
            return None;
        };
        let entry = site.inventory().entry(&issuance.name)?.clone();
        entry.certificate().map(Certificate::to_pem)
    }

    /// Carries a cluster plan out, step by step.
    pub fn carry(&self, plan: &ClusterPlan) {
        let mut issued = Issued::new();
        for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
            let Step::Carry { host, plan } = step else {
                panic!("a renewal halts nothing");
            };
            let brought = self.brought(host, plan, &issued);
            let outcome = self
                .site(host)
                .carry(plan, brought)
                .unwrap_or_else(|error| panic!("{host}: {error}"));
            for (name, chain) in outcome.issued {
                issued.insert((host.clone(), name), chain);
            }
        }
    }
}

/// What steps issued, by host and name.
pub type Issued = BTreeMap<(String, String), Vec<Certificate>>;

pub fn hex(certificate: &Certificate) -> String {
    let bytes = certificate.fingerprint_sha256();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The plans of a cluster plan, with their hosts and stages.
pub fn plans(plan: &ClusterPlan) -> Vec<(usize, &str, &Plan)> {
    let mut plans = Vec::new();
    for (number, stage) in plan.stages.iter().enumerate() {
        for step in &stage.steps {
            if let Step::Carry { host, plan } = step {
                plans.push((number, host.as_str(), plan.as_ref()));
            }
        }
    }
    plans
}
