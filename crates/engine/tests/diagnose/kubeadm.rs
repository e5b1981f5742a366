//! kubeadm's shape of a cluster: v1.20's control planes and workers, in memory, with processes that
//! serve what they have read.

use crate::machine::Machine;
use crate::pki::{self, Authority, BOTH, CLIENT, Pair, SERVER, Wish, authorities};
use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::connections::derive;
use kubepki_core::diagnose::{
    AcceptedRisk, DiagnoseOptions, Diagnosis, Evidence, HostEvidence, diagnose,
};
use kubepki_core::model::ComponentKind;
use kubepki_core::model::LiveObservation;
use kubepki_core::model::cluster::ClusterObservation;
use kubepki_core::model::live::{AttemptFact, AttemptOutcome, ServedChain, ServedFact};
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_engine::ports::Process;
use kubepki_x509::{Certificate, pem};
use std::path::PathBuf;

pub const PKI: &str = "/etc/kubernetes/pki";

/// A cluster: hosts with what their processes serve, and maybe its API.
#[derive(Clone)]
pub struct Cluster {
    pub machines: Vec<Machine>,
    pub live: Vec<Option<LiveObservation>>,
    pub api: Option<ClusterObservation>,
    pub now: Timestamp,
}

impl Cluster {
    /// One control plane, kubeadm v1.20, with running processes.
    pub fn kubeadm() -> Self {
        let mut cluster = Self {
            machines: vec![control_plane("cp1", "10.0.0.1", &["cp1"])],
            live: vec![None],
            api: None,
            now: pki::now(),
        };
        cluster.observe();
        cluster
    }

    /// Three of them.
    pub fn three() -> Self {
        let all = ["cp1", "cp2", "cp3"];
        let machines: Vec<Machine> = all
            .iter()
            .enumerate()
            .map(|(index, name)| control_plane(name, &format!("10.0.0.{}", index + 1), &all))
            .collect();
        let mut cluster = Self {
            live: vec![None; machines.len()],
            machines,
            api: None,
            now: pki::now(),
        };
        cluster.observe();
        cluster
    }

    /// A worker by itself.
    pub fn worker() -> Self {
        Self {
            live: vec![None],
            machines: vec![worker("w1", "10.0.0.9")],
            api: None,
            now: pki::now(),
        }
    }

    pub fn host(&mut self) -> &mut Machine {
        &mut self.machines[0]
    }

    /// Looks at what the processes serve now: as if they had just read their files.
    pub fn observe(&mut self) {
        let hosts: Vec<HostEvidence> = self
            .machines
            .iter()
            .map(|machine| HostEvidence {
                inventory: inventory(machine, self.now),
                live: None,
            })
            .collect();
        let (graph, _) = derive(&Evidence {
            hosts: &hosts,
            cluster: self.api.as_ref(),
        });
        for (index, machine) in self.machines.iter().enumerate() {
            let mut live = LiveObservation {
                served: served(machine),
                ..LiveObservation::default()
            };
            if index == 0 {
                live.attempts = graph
                    .connections
                    .iter()
                    .filter(|connection| connection.server_presents.is_some())
                    .map(|connection| AttemptFact {
                        connection: connection.id.clone(),
                        address: "127.0.0.1:1".to_owned(),
                        outcome: AttemptOutcome::Accepted { status: Some(200) },
                    })
                    .collect();
            }
            self.live[index] = Some(live);
        }
    }

    /// As `--root` sees it.
    pub fn files_only(mut self) -> Self {
        for machine in &mut self.machines {
            machine.live = false;
            machine.processes.clear();
        }
        self.live = vec![None; self.machines.len()];
        self
    }

    pub fn diagnose(&self) -> Diagnosis {
        self.diagnose_with(&[], &[])
    }

    pub fn diagnose_with(&self, only: &[String], ignore: &[AcceptedRisk]) -> Diagnosis {
        let hosts: Vec<HostEvidence> = self
            .machines
            .iter()
            .zip(&self.live)
            .map(|(machine, live)| HostEvidence {
                inventory: inventory(machine, self.now),
                live: live.clone(),
            })
            .collect();
        let evidence = Evidence {
            hosts: &hosts,
            cluster: self.api.as_ref(),
        };
        diagnose(
            &evidence,
            &DiagnoseOptions {
                now: self.now,
                thresholds: kubepki_core::assess::Thresholds::default(),
                only,
                ignore,
            },
        )
    }
}

pub fn inventory(machine: &Machine, now: Timestamp) -> kubepki_core::model::Inventory {
    discover(machine, &DiscoverOptions::default(), now).unwrap()
}

pub fn blank(name: &str, address: &str) -> Machine {
    Machine {
        name: name.to_owned(),
        address: address.to_owned(),
        nodes: Default::default(),
        processes: Vec::new(),
        live: true,
        written_at: pki::now() - pki::days(100),
    }
}

/// The leafs of a control plane: file base, whose, what.
pub fn leafs<'a>(
    machine: &'a Machine,
    names: &'a [String],
) -> Vec<(&'static str, &'static Authority, Wish<'a>)> {
    let all = authorities();
    let masters: &[&str] = &["system:masters"];
    let refs: &'a [&'a str] = Box::leak(
        names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .into_boxed_slice(),
    );
    let etcd_names = &refs[..5];
    let serving = &refs[5..];
    vec![
        (
            "apiserver",
            &all.cluster,
            Wish::new("kube-apiserver", SERVER, serving),
        ),
        (
            "apiserver-kubelet-client",
            &all.cluster,
            Wish::new("kube-apiserver-kubelet-client", CLIENT, &[]).of(masters),
        ),
        (
            "apiserver-etcd-client",
            &all.etcd,
            Wish::new("kube-apiserver-etcd-client", CLIENT, &[]).of(masters),
        ),
        (
            "front-proxy-client",
            &all.front_proxy,
            Wish::new("front-proxy-client", CLIENT, &[]),
        ),
        (
            "etcd/server",
            &all.etcd,
            Wish::new(&machine.name, BOTH, etcd_names),
        ),
        (
            "etcd/peer",
            &all.etcd,
            Wish::new(&machine.name, BOTH, etcd_names),
        ),
        (
            "etcd/healthcheck-client",
            &all.etcd,
            Wish::new("kube-etcd-healthcheck-client", CLIENT, &[]).of(masters),
        ),
    ]
}

/// etcd's five names, then the API server's.
pub fn names(machine: &Machine) -> Vec<String> {
    let (name, address) = (&machine.name, &machine.address);
    [
        format!("DNS:{name}"),
        "DNS:localhost".to_owned(),
        format!("IP:{address}"),
        "IP:127.0.0.1".to_owned(),
        "IP:::1".to_owned(),
        format!("DNS:{name}"),
        "DNS:kubernetes".to_owned(),
        "DNS:kubernetes.default".to_owned(),
        "DNS:kubernetes.default.svc".to_owned(),
        "DNS:kubernetes.default.svc.cluster.local".to_owned(),
        "DNS:api.example".to_owned(),
        "IP:10.96.0.1".to_owned(),
        format!("IP:{address}"),
    ]
    .to_vec()
}

pub fn control_plane(name: &str, address: &str, members: &[&str]) -> Machine {
    let mut machine = blank(name, address);
    let all = authorities();
    for (base, authority) in [
        ("ca", &all.cluster),
        ("etcd/ca", &all.etcd),
        ("front-proxy-ca", &all.front_proxy),
    ] {
        machine.write(&format!("{PKI}/{base}.crt"), authority.pem());
        machine.write(&format!("{PKI}/{base}.key"), authority.key());
    }
    machine.write(&format!("{PKI}/sa.key"), all.service_account.0.clone());
    machine.write_mode(
        &format!("{PKI}/sa.pub"),
        all.service_account.1.clone(),
        0o644,
    );
    let names = names(&machine);
    let copy = machine.clone();
    for (base, authority, wish) in leafs(&copy, &names) {
        put(&mut machine, base, &authority.issue(&wish));
    }
    for (file, user, organizations) in [
        ("admin.conf", "kubernetes-admin", &["system:masters"][..]),
        (
            "controller-manager.conf",
            "system:kube-controller-manager",
            &[],
        ),
        ("scheduler.conf", "system:kube-scheduler", &[]),
    ] {
        let wish = Wish::new(user, CLIENT, &[]).of(organizations);
        let pair = all.cluster.issue(&wish);
        write_kubeconfig(&mut machine, file, user, &all.cluster.pem(), &pair);
    }
    for (manifest, text) in crate::manifests::all(&machine, members) {
        machine.write(&format!("/etc/kubernetes/manifests/{manifest}.yaml"), text);
    }
    kubelet(&mut machine);
    machine
}

/// A node with a kubelet and the cluster's CA.
pub fn worker(name: &str, address: &str) -> Machine {
    let mut machine = blank(name, address);
    kubelet(&mut machine);
    machine.write(&format!("{PKI}/ca.crt"), authorities().cluster.pem());
    machine
}

pub fn put(machine: &mut Machine, base: &str, pair: &Pair) {
    machine.write(&format!("{PKI}/{base}.crt"), pair.pem());
    machine.write(&format!("{PKI}/{base}.key"), pair.key.clone());
}

/// A kubelet with its store, a self-signed serving certificate, and all processes of the machine.
fn kubelet(machine: &mut Machine) {
    let node = format!("system:node:{}", machine.name);
    let wish = Wish::new(&node, CLIENT, &[]).of(&["system:nodes"]);
    let pair = authorities().cluster.issue(&wish);
    let store = "/var/lib/kubelet/pki";
    let dated = format!("{store}/kubelet-client-2026-02-21-12-00-00.pem");
    machine.write(&dated, format!("{}{}", pair.pem(), pair.key));
    machine.nodes.insert(
        PathBuf::from(format!("{store}/kubelet-client-current.pem")),
        crate::machine::Node::Link(PathBuf::from(&dated)),
    );
    let serving = pki::self_signed(&format!("{}@1760000000", machine.name), 265);
    let (ca, key) = serving
        .key
        .split_at(serving.key.find("-----BEGIN PRIVATE").unwrap());
    machine.write(
        &format!("{store}/kubelet.crt"),
        format!("{}{ca}", serving.pem()),
    );
    machine.write(&format!("{store}/kubelet.key"), key);
    let ca = base64(authorities().cluster.pem());
    let link = format!("{store}/kubelet-client-current.pem");
    machine.write(
        "/etc/kubernetes/kubelet.conf",
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {node}@kubernetes\nclusters:\n- name: kubernetes\n  cluster:\n    certificate-authority-data: {ca}\n    server: https://api.example:6443\ncontexts:\n- name: {node}@kubernetes\n  context:\n    cluster: kubernetes\n    user: {node}\nusers:\n- name: {node}\n  user:\n    client-certificate: {link}\n    client-key: {link}\n"
        ),
    );
    machine.write(
        "/var/lib/kubelet/config.yaml",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n",
    );
    machine.write("/etc/hostname", format!("{}\n", machine.name));
    machine.write(
        "/lib/systemd/system/kubelet.service",
        "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml\n[Install]\nWantedBy=multi-user.target\n",
    );
    let mut commands: Vec<Vec<String>> = crate::manifests::commands(machine);
    commands.push(
        "/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml"
            .split(' ')
            .map(str::to_owned)
            .collect(),
    );
    machine.processes = commands
        .into_iter()
        .enumerate()
        .map(|(index, argv)| Process {
            pid: 100 + index as u32,
            started: machine.written_at + SignedDuration::from_secs(60),
            in_host_namespace: argv[0].ends_with("kubelet"),
            unit: argv[0]
                .ends_with("kubelet")
                .then(|| "kubelet.service".to_owned()),
            argv,
        })
        .collect();
}

pub fn base64(text: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub fn write_kubeconfig(machine: &mut Machine, file: &str, user: &str, ca: &str, pair: &Pair) {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {user}@kubernetes\nclusters:\n- name: kubernetes\n  cluster:\n    certificate-authority-data: {}\n    server: https://api.example:6443\ncontexts:\n- name: {user}@kubernetes\n  context:\n    cluster: kubernetes\n    user: {user}\nusers:\n- name: {user}\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        base64(ca),
        base64(pair.pem()),
        base64(&pair.key)
    );
    machine.write(&format!("/etc/kubernetes/{file}"), text);
}

/// What every endpoint of a machine serves by its files, with the client CAs that it lists.
fn served(machine: &Machine) -> Vec<ServedFact> {
    let names = |paths: &[&str]| {
        paths
            .iter()
            .flat_map(|path| certificates(machine, path))
            .map(|ca| ca.subject().clone())
            .collect::<Vec<_>>()
    };
    let fact = |component, flag: &str, port, path: &str, trusts: &[&str]| ServedFact {
        component: Some(component),
        flag: Some(flag.to_owned()),
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
        exposed_by: None,
        outcome: Ok(ServedChain {
            chain: certificates(machine, path),
            protocol: "TLSv1.3".to_owned(),
            asks_client_certificate: true,
            acceptable_client_authorities: names(trusts),
        }),
    };
    let mut facts = vec![fact(
        ComponentKind::Kubelet,
        "tls-cert-file",
        10250,
        "/var/lib/kubelet/pki/kubelet.crt",
        &["/etc/kubernetes/pki/ca.crt"],
    )];
    if machine
        .nodes
        .contains_key(&PathBuf::from(format!("{PKI}/apiserver.crt")))
    {
        let clients = [
            "/etc/kubernetes/pki/ca.crt",
            "/etc/kubernetes/pki/front-proxy-ca.crt",
        ];
        facts.push(fact(
            ComponentKind::KubeApiserver,
            "tls-cert-file",
            6443,
            "/etc/kubernetes/pki/apiserver.crt",
            &clients,
        ));
        let etcd = ["/etc/kubernetes/pki/etcd/ca.crt"];
        for (flag, port, base) in [
            ("cert-file", 2379, "server"),
            ("peer-cert-file", 2380, "peer"),
        ] {
            let path = format!("{PKI}/etcd/{base}.crt");
            facts.push(fact(ComponentKind::Etcd, flag, port, &path, &etcd));
        }
        for (component, port) in [
            (ComponentKind::KubeControllerManager, 10257),
            (ComponentKind::KubeScheduler, 10259),
        ] {
            let mut made = fact(component, "tls-cert-file", port, "/nowhere", &[]);
            if let Ok(chain) = &mut made.outcome {
                chain.chain = vec![pki::self_signed("localhost@1", 265).certificate];
            }
            facts.push(made);
        }
    }
    facts
}

pub fn certificates(machine: &Machine, path: &str) -> Vec<Certificate> {
    if !machine.nodes.contains_key(&PathBuf::from(path)) {
        return Vec::new();
    }
    pem::certificates(&machine.bytes(path)).unwrap_or_default()
}
