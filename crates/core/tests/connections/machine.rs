//! One host as values, and the inventory that discovery would make of it.

use crate::authority::{NOW, Signed};
use kubepki_core::formats::flags::Flags;
use kubepki_core::formats::static_pod::PathMap;
use kubepki_core::layouts::component_files::{KEY_PAIRS, KUBECONFIGS, TRUST_BUNDLES};
use kubepki_core::model::{
    Authority as Bundle, Component, ComponentKind, Entry, Holder, Inventory, KeyState,
    KubeconfigTarget, KubeconfigTrust, KubeconfigUse, NodeName, Role, RunsAs, UsedBy,
};
use kubepki_x509::{Certificate, PublicKey};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A kubeconfig.
#[derive(Clone)]
pub struct KubeconfigFile {
    pub role: Role,
    pub server: String,
    pub tls_server_name: Option<String>,
    pub unverified: bool,
    pub trust: Vec<Certificate>,
    pub user: Option<Signed>,
}

/// One host.
#[derive(Clone)]
pub struct Machine {
    pub name: String,
    pub address: String,
    pub argv: BTreeMap<ComponentKind, Vec<String>>,
    pub certificates: BTreeMap<PathBuf, Signed>,
    pub bundles: BTreeMap<PathBuf, Vec<Certificate>>,
    pub kubeconfigs: BTreeMap<PathBuf, KubeconfigFile>,
}

impl Machine {
    pub fn start(&mut self, kind: ComponentKind, flags: &[(&str, &str)]) {
        let mut argv = vec![kind.executable().to_owned()];
        argv.extend(
            flags
                .iter()
                .map(|(flag, value)| format!("--{flag}={value}")),
        );
        self.argv.insert(kind, argv);
    }

    /// Gives a flag another value, or takes it away.
    pub fn set(&mut self, kind: ComponentKind, flag: &str, value: Option<&str>) {
        let argv = self.argv.get_mut(&kind).unwrap();
        argv.retain(|word| !word.starts_with(&format!("--{flag}=")));
        argv.extend(value.map(|value| format!("--{flag}={value}")));
    }

    pub fn kubeconfig(
        &mut self,
        path: &str,
        role: Role,
        server: &str,
        trust: Vec<Certificate>,
        user: Signed,
    ) {
        let file = KubeconfigFile {
            role,
            server: server.to_owned(),
            tls_server_name: None,
            unverified: false,
            trust,
            user: Some(user),
        };
        self.kubeconfigs.insert(path.into(), file);
    }

    fn component(&self, kind: ComponentKind, argv: &[String]) -> Component {
        Component {
            kind,
            runs_as: RunsAs::Process,
            flags: Flags::from_argv(argv),
            mounts: PathMap::of_host(),
            processes: Vec::new(),
            is_marked: false,
        }
    }

    pub fn inventory(&self) -> Inventory {
        let argv = self.argv.iter();
        let components: Vec<Component> = argv
            .map(|(kind, argv)| self.component(*kind, argv))
            .collect();
        let mut entries: Vec<Entry> = Vec::new();
        for (path, signed) in &self.certificates {
            entries.push(self.entry(&components, path, signed));
        }
        let mut kubeconfigs = Vec::new();
        for (path, file) in &self.kubeconfigs {
            let kubeconfig = kubeconfig_use(&components, path, file);
            entries.extend(kubeconfig.credential.clone());
            kubeconfigs.push(kubeconfig);
        }
        let authorities = self.bundles.iter();
        let authorities = authorities.map(|(path, bundle)| authority(&components, path, bundle));
        let hash = |path: &PathBuf| (path.clone(), Some("read".to_owned()));
        let files = self
            .certificates
            .keys()
            .chain(self.bundles.keys())
            .chain(self.kubeconfigs.keys());
        Inventory {
            host: self.name.clone(),
            observed_at: NOW,
            live: false,
            authorities: authorities.collect(),
            components,
            entries,
            embedded_trust: Vec::new(),
            kubeconfigs,
            etcd_clients: Vec::new(),
            service_account_keys: Vec::new(),
            successor_requests: Vec::new(),
            node_name: Some(NodeName::new(self.name.clone(), "the host's name")),
            static_pod_folders: Vec::new(),
            files: files.map(hash).collect(),
            file_times: BTreeMap::new(),
            kubeadm_configuration: None,
            declared: None,
            gaps: Vec::new(),
        }
    }

    fn entry(&self, components: &[Component], path: &Path, signed: &Signed) -> Entry {
        let mut role = match path.file_stem().unwrap().to_str().unwrap() {
            "healthcheck-client" => Role::EtcdHealthcheckClient,
            _ => Role::Other,
        };
        let mut used_by = Vec::new();
        for component in components {
            let rows = KEY_PAIRS
                .iter()
                .filter(|row| row.component == component.kind);
            for row in rows {
                if component.host_path(row.certificate).as_deref() == Some(path) {
                    role = row.role;
                    used_by.push(named(component, row.certificate));
                }
            }
        }
        entry(
            Holder::Files {
                certificate: path.to_owned(),
                key: Some(path.with_extension("key")),
            },
            role,
            used_by,
            signed,
        )
    }
}

fn named(component: &Component, flag: &str) -> UsedBy {
    UsedBy {
        component: component.kind,
        flag: flag.to_owned(),
    }
}

pub fn entry(holder: Holder, role: Role, used_by: Vec<UsedBy>, signed: &Signed) -> Entry {
    Entry {
        name: holder.path().display().to_string(),
        also_known_as: Vec::new(),
        role,
        holder,
        used_by,
        chain: signed.chain.clone(),
        key: present(&signed.key),
        kubeconfig: None,
        expected_authority: None,
        problem: None,
        embedded_copy: None,
        required: true,
    }
}

fn present(key: &PublicKey) -> KeyState {
    KeyState::Present {
        public_key: key.clone(),
        mode: 0o600,
    }
}

fn authority(components: &[Component], path: &Path, bundle: &[Certificate]) -> Bundle {
    let mut used_by = Vec::new();
    let mut role = match path.ends_with("etcd/ca.crt") {
        true => Role::EtcdCa,
        false => Role::ClusterCa,
    };
    for component in components {
        for row in TRUST_BUNDLES
            .iter()
            .filter(|row| row.component == component.kind)
        {
            if component.host_path(row.flag).as_deref() == Some(path) {
                role = row.authority.role();
                used_by.push(named(component, row.flag));
            }
        }
    }
    Bundle {
        name: path.display().to_string(),
        role,
        also_known_as: Vec::new(),
        certificate_path: path.to_owned(),
        certificates: bundle.to_vec(),
        key_path: None,
        key: KeyState::NotExpected,
        used_by,
        problem: None,
    }
}

fn kubeconfig_use(components: &[Component], path: &Path, file: &KubeconfigFile) -> KubeconfigUse {
    let mut used_by = Vec::new();
    for component in components {
        for row in KUBECONFIGS
            .iter()
            .filter(|row| row.component == component.kind)
        {
            if component.host_path(row.flag).as_deref() == Some(path) {
                used_by.push(named(component, row.flag));
            }
        }
    }
    let credential = file.user.as_ref().map(|user| {
        let holder = Holder::Kubeconfig {
            path: path.to_owned(),
            user: "user".to_owned(),
        };
        entry(holder, file.role, used_by.clone(), user)
    });
    KubeconfigUse {
        path: path.to_owned(),
        role: file.role,
        used_by,
        cluster: Some(KubeconfigTarget {
            name: "kubernetes".to_owned(),
            server: Some(file.server.clone()),
            tls_server_name: file.tls_server_name.clone(),
            unverified: file.unverified,
            trust: KubeconfigTrust::Embedded(Ok(file.trust.clone())),
        }),
        credential,
        other_credentials: Vec::new(),
        problem: None,
    }
}
