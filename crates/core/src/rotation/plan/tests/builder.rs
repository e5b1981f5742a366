//! Pictures made by hand: kubeadm's layout with etcd stacked or apart, and a hand-made one.

use crate::connections::Place;
use crate::model::ComponentKind::{
    Etcd, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet,
};
use crate::model::{ComponentKind, ObjectReference};
use crate::rotation::picture::{
    Generation, Holds, HostFacts, Keeper, Leaders, Picture, PlaceState, Purpose, Reader,
    RootPicture,
};
use crate::rotation::{Position, Root};

/// What a cluster is like.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) control_planes: usize,
    pub(crate) workers: usize,
    /// Hosts that run etcd alone; none when it is stacked.
    pub(crate) etcd_hosts: usize,
    pub(crate) workloads: usize,
    /// Token Secrets' ServiceAccounts.
    pub(crate) accounts: usize,
    /// One CA file, and one authority, for everything (as in a hand-made layout).
    pub(crate) is_single_authority: bool,
    /// Whether kubelets run on control planes.
    pub(crate) has_kubelets: bool,
}

impl Cluster {
    pub(crate) fn kubeadm(control_planes: usize, workers: usize) -> Self {
        Self {
            control_planes,
            workers,
            etcd_hosts: 0,
            workloads: 2,
            accounts: 2,
            is_single_authority: false,
            has_kubelets: true,
        }
    }

    /// Three hosts of etcd under systemd, control planes without kubelets, one CA for everything.
    pub(crate) fn by_hand() -> Self {
        Self {
            etcd_hosts: 3,
            is_single_authority: true,
            has_kubelets: false,
            ..Self::kubeadm(2, 2)
        }
    }

    pub(crate) fn picture(&self) -> Picture {
        let mut hosts: Vec<HostFacts> = Vec::new();
        for number in 1..=self.control_planes {
            let mut components = vec![KubeApiserver, KubeControllerManager, KubeScheduler];
            if self.etcd_hosts == 0 {
                components.insert(0, Etcd);
            }
            if self.has_kubelets {
                components.push(Kubelet);
            }
            hosts.push(host(&format!("cp{number}"), components));
        }
        for number in 1..=self.etcd_hosts {
            hosts.push(host(&format!("etcd{number}"), vec![Etcd]));
        }
        for number in 1..=self.workers {
            hosts.push(host(&format!("w{number}"), vec![Kubelet]));
        }
        let mut roots = if self.is_single_authority {
            vec![self.single_authority(&hosts)]
        } else {
            vec![
                self.kubernetes(&hosts),
                Self::etcd(&hosts),
                Self::front_proxy(&hosts),
            ]
        };
        roots.push(self.service_accounts(&hosts));
        let first = |kind| {
            hosts
                .iter()
                .find(|host| host.runs(kind))
                .map(|host| host.name.clone())
        };
        Picture {
            observed_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            leaders: Leaders {
                controller_manager: first(KubeControllerManager),
                scheduler: hosts
                    .iter()
                    .rfind(|host| host.runs(KubeScheduler))
                    .map(|host| host.name.clone()),
                etcd: first(Etcd),
            },
            roots,
            hosts,
            strangers: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn kubernetes(&self, hosts: &[HostFacts]) -> RootPicture {
        let mut root = root(Root::KubernetesCa, "CN=kubernetes");
        for host in hosts {
            self.kubernetes_of(&mut root, host, PKI, "ca.crt", "ca.key");
        }
        self.objects(&mut root);
        root
    }

    fn kubernetes_of(
        &self,
        root: &mut RootPicture,
        host: &HostFacts,
        folder: &str,
        certificate: &str,
        key: &str,
    ) {
        let name = host.name.as_str();
        let at = |path: &str| format!("{folder}/{path}");
        let mut readers = Vec::new();
        if host.runs(KubeApiserver) {
            readers.push((KubeApiserver, "client-ca-file"));
        }
        if host.runs(KubeControllerManager) {
            readers.push((KubeControllerManager, "root-ca-file"));
            readers.push((KubeControllerManager, "client-ca-file"));
        }
        if host.runs(Kubelet) {
            readers.push((Kubelet, "client-ca-file"));
        }
        if !readers.is_empty() {
            root.places
                .push(file(name, &at(certificate), Purpose::Trust, &readers));
        }
        if host.runs(KubeControllerManager) {
            root.signing_keys.push(name.to_owned());
            root.places.push(file(
                name,
                &at(certificate),
                Purpose::Sign,
                &[(KubeControllerManager, "cluster-signing-cert-file")],
            ));
            root.places.push(file(
                name,
                &at(key),
                Purpose::Sign,
                &[(KubeControllerManager, "cluster-signing-key-file")],
            ));
        }
        let mut leaf = |path: &str, entry: &str, readers: &[(ComponentKind, &str)]| {
            let mut place = file(name, path, Purpose::Present, readers);
            place.renewable_as = Some(entry.to_owned());
            root.places.push(place);
        };
        if host.runs(KubeApiserver) {
            leaf(
                &at("apiserver.crt"),
                "apiserver",
                &[(KubeApiserver, "tls-cert-file")],
            );
            leaf(
                &at("apiserver-kubelet-client.crt"),
                "apiserver-kubelet-client",
                &[(KubeApiserver, "kubelet-client-certificate")],
            );
        }
        if host.runs(Kubelet) {
            leaf(
                "/var/lib/kubelet/pki/kubelet-client-current.pem",
                "kubelet-client",
                &[(Kubelet, "kubeconfig")],
            );
            leaf(
                "/var/lib/kubelet/pki/kubelet-server-current.pem",
                "kubelet-server",
                &[(Kubelet, "tls-cert-file")],
            );
        }
        let mut configs: Vec<(&str, Option<ComponentKind>)> = Vec::new();
        if host.runs(KubeControllerManager) {
            configs.push(("controller-manager.conf", Some(KubeControllerManager)));
            configs.push(("scheduler.conf", Some(KubeScheduler)));
            configs.push(("admin.conf", None));
        }
        if host.runs(Kubelet) {
            configs.push(("kubelet.conf", Some(Kubelet)));
        }
        for (config, reader) in configs {
            let readers: Vec<(ComponentKind, &str)> = reader
                .into_iter()
                .map(|kind| (kind, "kubeconfig"))
                .collect();
            let path = format!("/etc/kubernetes/{config}");
            root.places.push(state(
                Place::KubeconfigCluster {
                    host: name.to_owned(),
                    path: path.clone().into(),
                    cluster: "kubernetes".to_owned(),
                },
                Purpose::Trust,
                Some(name),
                &readers,
            ));
            if reader != Some(Kubelet) {
                let mut user = state(
                    Place::KubeconfigUser {
                        host: name.to_owned(),
                        path: path.into(),
                        user: "default".to_owned(),
                    },
                    Purpose::Present,
                    Some(name),
                    &readers,
                );
                user.renewable_as = Some(config.to_owned());
                root.places.push(user);
            }
        }
    }

    fn objects(&self, root: &mut RootPicture) {
        let field = |mut object: ObjectReference, field: &str| {
            object.field = Some(field.to_owned());
            object
        };
        let mut api = |object: ObjectReference, keeper: Keeper| {
            let mut place = state(Place::Api(object), Purpose::Trust, None, &[]);
            place.kept_by = keeper;
            root.places.push(place);
        };
        api(
            field(
                ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info"),
                "data[kubeconfig]",
            ),
            Keeper::Rotation,
        );
        api(
            field(
                ObjectReference::namespaced("ConfigMap", "default", "kube-root-ca.crt"),
                "data[ca.crt]",
            ),
            Keeper::ControllerManager,
        );
        api(
            field(extension(), "data[client-ca-file]"),
            Keeper::ApiServers,
        );
        for number in 1..=self.workloads {
            api(workload(number), Keeper::Workload);
        }
    }

    fn etcd(hosts: &[HostFacts]) -> RootPicture {
        let mut root = root(Root::EtcdCa, "CN=etcd-ca");
        for host in hosts {
            Self::etcd_of(&mut root, host, &format!("{PKI}/etcd/ca.crt"));
            if host.runs(Etcd) {
                root.signing_keys.push(host.name.clone());
                root.places.push(file(
                    &host.name,
                    &format!("{PKI}/etcd/ca.key"),
                    Purpose::Sign,
                    &[],
                ));
            }
        }
        root
    }

    fn etcd_of(root: &mut RootPicture, host: &HostFacts, authority: &str) {
        let name = host.name.as_str();
        let mut readers = Vec::new();
        if host.runs(Etcd) {
            readers.push((Etcd, "trusted-ca-file"));
            readers.push((Etcd, "peer-trusted-ca-file"));
        }
        if host.runs(KubeApiserver) {
            readers.push((KubeApiserver, "etcd-cafile"));
        }
        if !readers.is_empty() {
            let known = root.places.iter_mut().find(|place| {
                place.purpose == Purpose::Trust && place.place == at(name, authority)
            });
            let more = file(name, authority, Purpose::Trust, &readers);
            match known {
                Some(known) => known.readers.extend(more.readers),
                None => root.places.push(more),
            }
        }
        let mut leaf = |path: &str, entry: &str, readers: &[(ComponentKind, &str)]| {
            let mut place = file(name, &format!("{PKI}/{path}"), Purpose::Present, readers);
            place.renewable_as = Some(entry.to_owned());
            root.places.push(place);
        };
        if host.runs(Etcd) {
            leaf("etcd/server.crt", "etcd-server", &[(Etcd, "cert-file")]);
            leaf("etcd/peer.crt", "etcd-peer", &[(Etcd, "peer-cert-file")]);
            leaf(
                "etcd/healthcheck-client.crt",
                "etcd-healthcheck-client",
                &[],
            );
        }
        if host.runs(KubeApiserver) {
            leaf(
                "apiserver-etcd-client.crt",
                "apiserver-etcd-client",
                &[(KubeApiserver, "etcd-certfile")],
            );
        }
    }

    fn single_authority(&self, hosts: &[HostFacts]) -> RootPicture {
        let folder = "/var/lib/kubernetes";
        let mut root = root(Root::KubernetesCa, "CN=ca");
        for host in hosts {
            self.kubernetes_of(&mut root, host, folder, "ca.pem", "ca-key.pem");
            Self::etcd_of(&mut root, host, &format!("{folder}/ca.pem"));
        }
        self.objects(&mut root);
        root
    }

    fn front_proxy(hosts: &[HostFacts]) -> RootPicture {
        let mut root = root(Root::FrontProxyCa, "CN=front-proxy-ca");
        for host in hosts.iter().filter(|host| host.runs(KubeApiserver)) {
            let name = host.name.as_str();
            root.signing_keys.push(name.to_owned());
            root.places.push(file(
                name,
                &format!("{PKI}/front-proxy-ca.crt"),
                Purpose::Trust,
                &[
                    (KubeApiserver, "requestheader-client-ca-file"),
                    (KubeControllerManager, "requestheader-client-ca-file"),
                ],
            ));
            root.places.push(file(
                name,
                &format!("{PKI}/front-proxy-ca.key"),
                Purpose::Sign,
                &[],
            ));
            let mut place = file(
                name,
                &format!("{PKI}/front-proxy-client.crt"),
                Purpose::Present,
                &[(KubeApiserver, "proxy-client-cert-file")],
            );
            place.renewable_as = Some("front-proxy-client".to_owned());
            root.places.push(place);
        }
        let mut object = extension();
        object.field = Some("data[requestheader-client-ca-file]".to_owned());
        let mut place = state(Place::Api(object), Purpose::Trust, None, &[]);
        place.kept_by = Keeper::ApiServers;
        root.places.push(place);
        root
    }

    fn service_accounts(&self, hosts: &[HostFacts]) -> RootPicture {
        let mut root = root(Root::ServiceAccountKey, "sha256:0123");
        for host in hosts.iter().filter(|host| host.runs(KubeApiserver)) {
            let name = host.name.as_str();
            root.signing_keys.push(name.to_owned());
            root.places.push(file(
                name,
                &format!("{PKI}/sa.pub"),
                Purpose::Trust,
                &[(KubeApiserver, "service-account-key-file")],
            ));
            root.places.push(file(
                name,
                &format!("{PKI}/sa.key"),
                Purpose::Sign,
                &[
                    (KubeApiserver, "service-account-signing-key-file"),
                    (KubeControllerManager, "service-account-private-key-file"),
                ],
            ));
        }
        for number in 1..=self.accounts {
            let object = ObjectReference::namespaced(
                "ServiceAccount",
                "kube-system",
                &format!("account{number}"),
            );
            let mut place = state(Place::Api(object), Purpose::Present, None, &[]);
            place.kept_by = Keeper::ControllerManager;
            root.places.push(place);
        }
        for number in 1..=self.workloads {
            let mut place = state(Place::Api(workload(number)), Purpose::Present, None, &[]);
            place.kept_by = Keeper::Workload;
            root.places.push(place);
        }
        root
    }
}

const PKI: &str = "/etc/kubernetes/pki";

fn host(name: &str, components: Vec<ComponentKind>) -> HostFacts {
    HostFacts {
        static_pods: components
            .iter()
            .copied()
            .filter(|kind| *kind != Kubelet)
            .collect(),
        marked: Vec::new(),
        name: name.to_owned(),
        node: components.contains(&Kubelet).then(|| name.to_owned()),
        components,
        addresses: Vec::new(),
    }
}

fn root(root: Root, name: &str) -> RootPicture {
    RootPicture {
        root,
        old: vec![Generation {
            name: name.to_owned(),
            fingerprint_sha256: "aa".to_owned(),
            pem: String::new(),
            not_after: root
                .authority()
                .map(|_| "2036-01-01T00:00:00Z".parse().unwrap()),
        }],
        new: None,
        request: None,
        successor_keys: Vec::new(),
        signing_keys: Vec::new(),
        leftovers: Vec::new(),
        settled: Vec::new(),
        places: Vec::new(),
        position: Position::AtRest,
    }
}

fn at(host: &str, path: &str) -> Place {
    Place::File {
        host: host.to_owned(),
        path: path.into(),
    }
}

fn file(host: &str, path: &str, purpose: Purpose, readers: &[(ComponentKind, &str)]) -> PlaceState {
    state(at(host, path), purpose, Some(host), readers)
}

fn state(
    place: Place,
    purpose: Purpose,
    host: Option<&str>,
    readers: &[(ComponentKind, &str)],
) -> PlaceState {
    PlaceState {
        place,
        purpose,
        kept_by: Keeper::Rotation,
        holds: Holds::Old,
        readers: readers
            .iter()
            .map(|(component, flag)| Reader {
                host: host.unwrap_or_default().to_owned(),
                component: *component,
                flag: (*flag).to_owned(),
                loaded: crate::layouts::reload(*component, flag)
                    .eq(&crate::layouts::Reload::Restart)
                    .then_some(true),
            })
            .collect(),
        renewable_as: None,
    }
}

fn extension() -> ObjectReference {
    ObjectReference::namespaced(
        "ConfigMap",
        "kube-system",
        "extension-apiserver-authentication",
    )
}

fn workload(number: usize) -> ObjectReference {
    ObjectReference::namespaced("Deployment", "shop", &format!("front{number}"))
}
