//! Whole clusters as values: authorities, and hosts with their components, files and kubeconfigs.

use crate::authority::{Authority, Leaf, leaf};
use crate::machine::Machine;
use kubepki_core::diagnose::HostEvidence;
use kubepki_core::model::{ComponentKind, Role};
use kubepki_x509::{Certificate, ExtendedKeyUsage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const SERVER: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth];
pub const BOTH: &[ExtendedKeyUsage] = &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];

/// How a cluster is laid out.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Hosts with a control plane, and hosts without.
    pub control_planes: usize,
    pub workers: usize,
    /// How many authorities share the work of three: 1, 2 (etcd's apart) or 3.
    pub authorities: usize,
    /// Whether they are intermediates below roots that are trusted.
    pub intermediates: bool,
    /// Whether bundles hold an older CA before the present one.
    pub older: bool,
    /// Where certificates lie.
    pub folder: String,
    /// Whether the API server verifies kubelets.
    pub verifies_kubelets: bool,
    /// Whether clients call the API server by a name that stands for all of them.
    pub balanced: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            control_planes: 1,
            workers: 0,
            authorities: 3,
            intermediates: false,
            older: false,
            folder: "/etc/kubernetes/pki".to_owned(),
            verifies_kubelets: false,
            balanced: false,
        }
    }
}

/// A cluster.
pub struct World {
    pub shape: Shape,
    pub authorities: Vec<Authority>,
    pub older: Vec<Certificate>,
    pub machines: Vec<Machine>,
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let make = |name: &str| match shape.intermediates {
            true => Authority::intermediate(name),
            false => Authority::root(name),
        };
        let names = ["kubernetes", "etcd-ca", "front-proxy-ca"];
        let authorities: Vec<Authority> = names
            .iter()
            .take(shape.authorities)
            .map(|name| make(name))
            .collect();
        let older = match shape.older {
            // The same name and another key: what a rotation leaves.
            true => vec![Authority::root("kubernetes").anchor],
            false => Vec::new(),
        };
        let mut world = Self {
            shape,
            authorities,
            older,
            machines: Vec::new(),
        };
        for index in 0..world.shape.control_planes + world.shape.workers {
            world.machines.push(world.machine(index));
        }
        world
    }

    pub fn cluster_ca(&self) -> &Authority {
        &self.authorities[0]
    }

    pub fn etcd_ca(&self) -> &Authority {
        self.authorities.get(1).unwrap_or(&self.authorities[0])
    }

    pub fn front_proxy_ca(&self) -> &Authority {
        self.authorities.last().unwrap()
    }

    /// A bundle with this authority's anchor.
    pub fn trust(&self, authority: &Authority) -> Vec<Certificate> {
        let mut bundle = self.older.clone();
        bundle.push(authority.anchor.clone());
        bundle
    }

    /// The authority that signed a chain.
    pub fn signer(&self, chain: &[Certificate]) -> &Authority {
        let signed =
            |authority: &&Authority| chain[0].verify_issued_by(authority.issuing()).is_ok();
        self.authorities.iter().find(signed).unwrap()
    }

    /// What a leaf of this world was asked to say.
    pub fn leaf_of(&self, certificate: &Certificate) -> &Leaf {
        let files = self
            .machines
            .iter()
            .flat_map(|machine| machine.certificates.values());
        let users = self
            .machines
            .iter()
            .flat_map(|machine| machine.kubeconfigs.values());
        let mut signed = files.chain(users.filter_map(|file| file.user.as_ref()));
        &signed
            .find(|signed| signed.chain[0] == *certificate)
            .unwrap()
            .leaf
    }

    fn machine(&self, index: usize) -> Machine {
        let is_control_plane = index < self.shape.control_planes;
        let name = match is_control_plane {
            true => format!("cp{}", index + 1),
            false => format!("w{}", index + 1),
        };
        let address = format!("10.0.0.{}", index + 11);
        let server = match self.shape.balanced {
            true => "https://api.example:6443".to_owned(),
            false if is_control_plane => format!("https://{address}:6443"),
            false => "https://10.0.0.11:6443".to_owned(),
        };
        let mut machine = Machine {
            name,
            address,
            argv: BTreeMap::new(),
            certificates: BTreeMap::new(),
            bundles: BTreeMap::new(),
            kubeconfigs: BTreeMap::new(),
        };
        self.kubelet(&mut machine, &server);
        if is_control_plane {
            self.etcd(&mut machine);
            self.api_server(&mut machine);
            self.controllers(&mut machine, &server);
        }
        machine
    }

    fn kubelet(&self, machine: &mut Machine, server: &str) {
        let cluster = self.cluster_ca();
        let ca = self.path("ca.crt");
        machine.bundles.insert(ca.clone(), self.trust(cluster));
        let node = format!("system:node:{}", machine.name);
        let client = cluster.client(&node, Some("system:nodes"));
        machine.kubeconfig(
            "/etc/kubernetes/kubelet.conf",
            Role::KubeletClient,
            server,
            self.trust(cluster),
            client,
        );
        let names = [machine.name.as_str(), machine.address.as_str()];
        let serving = cluster.issue(&leaf(&node, Some("system:nodes"), SERVER, &names));
        let serving_path = PathBuf::from("/var/lib/kubelet/pki/kubelet.crt");
        machine.certificates.insert(serving_path, serving);
        machine.start(
            ComponentKind::Kubelet,
            &[
                ("kubeconfig", "/etc/kubernetes/kubelet.conf"),
                ("client-ca-file", &ca.to_string_lossy()),
                ("rotate-certificates", "true"),
                ("tls-cert-file", "/var/lib/kubelet/pki/kubelet.crt"),
                ("tls-private-key-file", "/var/lib/kubelet/pki/kubelet.key"),
            ],
        );
    }

    fn etcd(&self, machine: &mut Machine) {
        let etcd = self.etcd_ca();
        let ca = self.path("etcd/ca.crt");
        machine.bundles.insert(ca.clone(), self.trust(etcd));
        let (name, address) = (machine.name.clone(), machine.address.clone());
        let names = [name.as_str(), "localhost", address.as_str(), "127.0.0.1"];
        for file in ["etcd/server.crt", "etcd/peer.crt"] {
            let made = etcd.issue(&leaf(&name, None, BOTH, &names));
            machine.certificates.insert(self.path(file), made);
        }
        let client = etcd.client("kube-etcd-healthcheck-client", None);
        machine
            .certificates
            .insert(self.path("etcd/healthcheck-client.crt"), client);
        let members: Vec<String> = (0..self.shape.control_planes)
            .map(|index| format!("cp{}=https://10.0.0.{}:2380", index + 1, index + 11))
            .collect();
        let path = |file: &str| self.path(file).to_string_lossy().into_owned();
        machine.start(
            ComponentKind::Etcd,
            &[
                ("cert-file", &path("etcd/server.crt")),
                ("key-file", &path("etcd/server.key")),
                ("trusted-ca-file", &path("etcd/ca.crt")),
                ("client-cert-auth", "true"),
                ("peer-cert-file", &path("etcd/peer.crt")),
                ("peer-key-file", &path("etcd/peer.key")),
                ("peer-trusted-ca-file", &path("etcd/ca.crt")),
                ("peer-client-cert-auth", "true"),
                ("initial-cluster", &members.join(",")),
                (
                    "initial-advertise-peer-urls",
                    &format!("https://{address}:2380"),
                ),
                ("advertise-client-urls", &format!("https://{address}:2379")),
                (
                    "listen-client-urls",
                    &format!("https://127.0.0.1:2379,https://{address}:2379"),
                ),
                ("listen-peer-urls", &format!("https://{address}:2380")),
            ],
        );
    }

    fn api_server(&self, machine: &mut Machine) {
        let (cluster, etcd, proxy) = (self.cluster_ca(), self.etcd_ca(), self.front_proxy_ca());
        let (name, address) = (machine.name.clone(), machine.address.clone());
        let names = [
            name.as_str(),
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "api.example",
            "10.96.0.1",
            address.as_str(),
        ];
        let serving = cluster.server("kube-apiserver", &names);
        let kubelet_client =
            cluster.client("kube-apiserver-kubelet-client", Some("system:masters"));
        let etcd_client = etcd.client("kube-apiserver-etcd-client", None);
        for (file, made) in [
            ("apiserver.crt", serving),
            ("apiserver-kubelet-client.crt", kubelet_client),
            ("apiserver-etcd-client.crt", etcd_client),
            (
                "front-proxy-client.crt",
                proxy.client("front-proxy-client", None),
            ),
        ] {
            machine.certificates.insert(self.path(file), made);
        }
        machine
            .bundles
            .insert(self.path("front-proxy-ca.crt"), self.trust(proxy));
        let path = |file: &str| self.path(file).to_string_lossy().into_owned();
        let mut flags = vec![
            ("advertise-address", address),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("client-ca-file", path("ca.crt")),
            ("etcd-cafile", path("etcd/ca.crt")),
            ("etcd-certfile", path("apiserver-etcd-client.crt")),
            ("etcd-keyfile", path("apiserver-etcd-client.key")),
            ("etcd-servers", "https://127.0.0.1:2379".to_owned()),
            (
                "kubelet-client-certificate",
                path("apiserver-kubelet-client.crt"),
            ),
            ("kubelet-client-key", path("apiserver-kubelet-client.key")),
            ("proxy-client-cert-file", path("front-proxy-client.crt")),
            ("proxy-client-key-file", path("front-proxy-client.key")),
            (
                "requestheader-allowed-names",
                "front-proxy-client".to_owned(),
            ),
            ("requestheader-client-ca-file", path("front-proxy-ca.crt")),
            ("secure-port", "6443".to_owned()),
            ("service-cluster-ip-range", "10.96.0.0/12".to_owned()),
            ("tls-cert-file", path("apiserver.crt")),
            ("tls-private-key-file", path("apiserver.key")),
        ];
        if self.shape.verifies_kubelets {
            flags.push(("kubelet-certificate-authority", path("ca.crt")));
        }
        let flags: Vec<(&str, &str)> = flags
            .iter()
            .map(|(flag, value)| (*flag, value.as_str()))
            .collect();
        machine.start(ComponentKind::KubeApiserver, &flags);
    }

    fn controllers(&self, machine: &mut Machine, server: &str) {
        let cluster = self.cluster_ca();
        let path = |file: &str| self.path(file).to_string_lossy().into_owned();
        for (kind, role, file, user) in [
            (
                ComponentKind::KubeControllerManager,
                Role::ControllerManager,
                "controller-manager.conf",
                "system:kube-controller-manager",
            ),
            (
                ComponentKind::KubeScheduler,
                Role::Scheduler,
                "scheduler.conf",
                "system:kube-scheduler",
            ),
        ] {
            let file = format!("/etc/kubernetes/{file}");
            machine.kubeconfig(
                &file,
                role,
                server,
                self.trust(cluster),
                cluster.client(user, None),
            );
            let mut flags = vec![
                ("kubeconfig", file.clone()),
                ("authentication-kubeconfig", file),
            ];
            if kind == ComponentKind::KubeControllerManager {
                flags.extend([
                    ("client-ca-file", path("ca.crt")),
                    ("root-ca-file", path("ca.crt")),
                    ("requestheader-client-ca-file", path("front-proxy-ca.crt")),
                ]);
            }
            let flags: Vec<(&str, &str)> = flags
                .iter()
                .map(|(flag, value)| (*flag, value.as_str()))
                .collect();
            machine.start(kind, &flags);
        }
        let admin = cluster.client("kubernetes-admin", Some("system:masters"));
        machine.kubeconfig(
            "/etc/kubernetes/admin.conf",
            Role::Admin,
            server,
            self.trust(cluster),
            admin,
        );
    }

    pub fn path(&self, file: &str) -> PathBuf {
        Path::new(&self.shape.folder).join(file)
    }

    /// What discovery would find.
    pub fn evidence(&self) -> Vec<HostEvidence> {
        let machines = self.machines.iter();
        machines
            .map(|machine| HostEvidence {
                inventory: machine.inventory(),
                live: None,
            })
            .collect()
    }
}
