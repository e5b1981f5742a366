//! A real etcd and a real kube-apiserver, examined over the wire: `KUBEBUILDER_ASSETS` names the folder
//! that holds them (integration tier).

use crate::pki::{BOTH, CLIENT, Made, SERVER, authority, leaf};
use crate::scene::{HOST, Scene};
use jiff::Timestamp;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::connections::{ConnectionKind, Place, Use, derive};
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::live::{AttemptOutcome, LiveObservation};
use kubepki_core::model::{ComponentKind, Entry, Holder, KeyState, Role};
use kubepki_engine::examine::{ExaminePorts, examine};
use kubepki_engine::ports::{
    Attempt, Attempted, ClientIdentity, Endpoint, Question, Reply, TlsProbe,
};
use kubepki_keys::{KeyEncoding, KeyType, PrivateKey, RsaSize};
use kubepki_sealed::danger;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, argv: &[String]) -> Stopped {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let log = File::create(folder.join(format!("{}.log", argv[0]))).unwrap();
    let child = Command::new(assets.unwrap().join(&argv[0]))
        .args(&argv[1..])
        .current_dir(folder)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Stopped(child)
}

/// Different from each other: each is taken before the next is looked for.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A folder of files, and the scene that names them.
struct Control {
    folder: tempfile::TempDir,
    scene: Scene,
}

impl Control {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, contents: &str) -> Place {
        std::fs::write(self.path(name), contents).unwrap();
        Place::File {
            host: HOST.to_owned(),
            path: self.path(name),
        }
    }

    fn pair(&self, name: &str, made: &Made) -> (Place, Place) {
        let certificate = self.write(&format!("{name}.crt"), &made.pem());
        (
            certificate,
            self.write(&format!("{name}.key"), &made.key_pem()),
        )
    }

    /// A connection of `client` (`None`: of nobody) that trusts `bundle`.
    fn connection(
        &mut self,
        id: &str,
        kind: ConnectionKind,
        client: Option<&Made>,
        bundle: &Made,
        to: (u16, &str),
    ) {
        let presents = client.map(|made| {
            let (certificate, key) = self.pair(&format!("client-{id}"), made);
            self.scene.slot(Use::Present, certificate, Some(key))
        });
        let place = self.write(&format!("bundle-{id}.crt"), &bundle.pem());
        let trusts = self.scene.slot(Use::Trust, place, None);
        let (port, name) = to;
        let connection = self
            .scene
            .connection(id, kind, Some(("127.0.0.1", port)), &[name]);
        connection.client_presents = presents;
        connection.client_trusts = Some(trusts);
    }

    fn examine(&self) -> LiveObservation {
        let ports = ExaminePorts {
            host: &LocalHost::live(),
            tls: &RustlsProbe::new(),
            clock: &SystemClock,
        };
        let Scene {
            inventory,
            graph,
            options,
            ..
        } = &self.scene;
        examine(&ports, inventory, graph, options, &self.scene)
    }

    fn until_ready(&self, port: u16, admin: &Made) {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port,
            server_name: None,
        };
        let identity = ClientIdentity {
            chain: vec![admin.certificate.clone()],
            key_pem: admin.key_pem().into_bytes().into(),
        };
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let answer = RustlsProbe::new().attempt(&Attempt {
                endpoint: &endpoint,
                identity: Some(&identity),
                expectation: None,
                question: Some(Question {
                    path: "/readyz",
                    lines: &[],
                }),
                timeout: Duration::from_secs(20),
            });
            if matches!(answer, Attempted::Accepted(Some(Reply { status: 200, .. }))) {
                return;
            }
            let log = std::fs::read_to_string(self.path("kube-apiserver.log"));
            assert!(
                Instant::now() < deadline,
                "{answer:?}\n{}",
                log.unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn argv(text: &str) -> Vec<String> {
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

/// What became of an attempt, in a word.
fn word(live: &LiveObservation, id: &str) -> String {
    let fact = live.attempts.iter().find(|fact| fact.connection == id);
    match &fact.unwrap().outcome {
        AttemptOutcome::Accepted { status } => format!("accepted {}", status.unwrap_or_default()),
        AttemptOutcome::ServerRefused { reason } => format!("server refused: {reason}"),
        AttemptOutcome::ClientRefused { reason } => format!("client refused: {reason}"),
        AttemptOutcome::Unanswered(unanswered) => format!("unanswered: {}", unanswered.detail),
    }
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_control_plane_tells_who_is_believed() {
    let mut control = Control {
        folder: tempfile::tempdir().unwrap(),
        scene: Scene::new(),
    };
    let (etcd_ca, ca) = (authority("etcd-ca"), authority("kubernetes"));
    let namesake = authority("kubernetes");
    let local = ["IP:127.0.0.1", "DNS:localhost"];
    control.write("etcd-ca.crt", &etcd_ca.pem());
    control.write("ca.crt", &ca.pem());
    let etcd_member = leaf(&etcd_ca, "etcd", BOTH, &local);
    let etcd_client = leaf(&etcd_ca, "kube-apiserver-etcd-client", CLIENT, &[]);
    let serving = leaf(
        &ca,
        "kube-apiserver",
        SERVER,
        &["IP:127.0.0.1", "DNS:kubernetes"],
    );
    let by_name = leaf(&ca, "by-name", SERVER, &["DNS:api.example"]);
    let admin = leaf(&ca, "kubernetes-admin@system:masters", CLIENT, &[]);
    for (name, made) in [
        ("etcd", &etcd_member),
        ("etcd-client", &etcd_client),
        ("serving", &serving),
        ("by-name", &by_name),
        ("admin", &admin),
    ] {
        control.pair(name, made);
    }
    let accounts = PrivateKey::generate(KeyType::Rsa(RsaSize::Bits2048)).unwrap();
    let accounts = accounts.to_pem(KeyEncoding::Pkcs1).unwrap();
    std::fs::write(control.path("sa.key"), danger::open(&accounts)).unwrap();

    let [client, peer, api] = free_ports();
    let folder = control.folder.path().display().to_string();
    let etcd_argv = argv(&format!(
        "etcd --data-dir=data --listen-client-urls=https://127.0.0.1:{client} \
         --advertise-client-urls=https://127.0.0.1:{client} \
         --listen-peer-urls=https://127.0.0.1:{peer} \
         --initial-advertise-peer-urls=https://127.0.0.1:{peer} \
         --initial-cluster=default=https://127.0.0.1:{peer} \
         --cert-file={folder}/etcd.crt --key-file={folder}/etcd.key --client-cert-auth=true \
         --trusted-ca-file={folder}/etcd-ca.crt --peer-client-cert-auth=true \
         --peer-cert-file={folder}/etcd.crt --peer-key-file={folder}/etcd.key \
         --peer-trusted-ca-file={folder}/etcd-ca.crt"
    ));
    let api_argv = argv(&format!(
        "kube-apiserver --etcd-servers=https://127.0.0.1:{client} \
         --etcd-cafile={folder}/etcd-ca.crt --etcd-certfile={folder}/etcd-client.crt \
         --etcd-keyfile={folder}/etcd-client.key --secure-port={api} --bind-address=127.0.0.1 \
         --advertise-address=127.0.0.1 --endpoint-reconciler-type=none --cert-dir={folder} \
         --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC \
         --client-ca-file={folder}/ca.crt --tls-cert-file={folder}/serving.crt \
         --tls-private-key-file={folder}/serving.key \
         --tls-sni-cert-key={folder}/by-name.crt,{folder}/by-name.key \
         --service-account-issuer=https://kubernetes.default.svc \
         --service-account-key-file={folder}/sa.key \
         --service-account-signing-key-file={folder}/sa.key"
    ));
    let _etcd = start(control.folder.path(), &etcd_argv);
    let _api = start(control.folder.path(), &api_argv);
    for argv in [&etcd_argv, &api_argv] {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        control.scene.component(&argv);
    }
    control.scene.inventory.entries = vec![Entry {
        name: "admin.conf".to_owned(),
        also_known_as: Vec::new(),
        role: Role::Admin,
        holder: Holder::Files {
            certificate: control.path("admin.crt"),
            key: Some(control.path("admin.key")),
        },
        used_by: Vec::new(),
        chain: Vec::new(),
        key: KeyState::NotExpected,
        kubeconfig: None,
        embedded_copy: None,
        expected_authority: None,
        problem: None,
        required: true,
    }];

    let stranger = leaf(&ca, "stranger", BOTH, &[]);
    let elsewhere = leaf(&etcd_ca, "etcd-2", BOTH, &["IP:192.0.2.7"]);
    let foreign = leaf(&namesake, "kubernetes-admin@system:masters", CLIENT, &[]);
    let nobody = leaf(&ca, "nobody", CLIENT, &[]);
    let to_etcd = ConnectionKind::ApiserverToEtcd;
    let to_peer = ConnectionKind::EtcdPeer;
    let to_api = ConnectionKind::KubeconfigToApiserver;
    let local = "127.0.0.1";
    for (id, kind, made, bundle, port, name) in [
        (
            "etcd-right",
            to_etcd,
            Some(&etcd_client),
            &etcd_ca,
            client,
            local,
        ),
        (
            "etcd-stranger",
            to_etcd,
            Some(&stranger),
            &etcd_ca,
            client,
            local,
        ),
        ("etcd-nobody", to_etcd, None, &etcd_ca, client, local),
        (
            "etcd-other-bundle",
            to_etcd,
            Some(&etcd_client),
            &ca,
            client,
            local,
        ),
        (
            "etcd-other-name",
            to_etcd,
            Some(&etcd_client),
            &etcd_ca,
            client,
            "etcd.example",
        ),
        (
            "peer-right",
            to_peer,
            Some(&etcd_member),
            &etcd_ca,
            peer,
            local,
        ),
        (
            "peer-stranger",
            to_peer,
            Some(&stranger),
            &etcd_ca,
            peer,
            local,
        ),
        (
            "peer-elsewhere",
            to_peer,
            Some(&elsewhere),
            &etcd_ca,
            peer,
            local,
        ),
        ("api-right", to_api, Some(&admin), &ca, api, local),
        ("api-foreign", to_api, Some(&foreign), &ca, api, local),
        ("api-unprivileged", to_api, Some(&nobody), &ca, api, local),
        ("api-anonymous", to_api, None, &ca, api, "kubernetes"),
        (
            "api-other-bundle",
            to_api,
            Some(&admin),
            &namesake,
            api,
            local,
        ),
        ("api-other-name", to_api, Some(&admin), &ca, api, "10.0.0.1"),
    ] {
        control.connection(id, kind, made, bundle, (port, name));
    }

    control.until_ready(api, &admin);
    let started = Instant::now();
    let live = control.examine();
    let took = started.elapsed();

    for (id, expected) in [
        ("etcd-right", "accepted 200"),
        ("etcd-stranger", "client refused: "),
        ("etcd-nobody", "client refused: "),
        ("etcd-other-bundle", "server refused: "),
        ("etcd-other-name", "server refused: "),
        ("peer-right", "accepted "),
        ("peer-stranger", "client refused: "),
        ("peer-elsewhere", "client refused: "),
        ("api-right", "accepted 200"),
        ("api-foreign", "client refused: answers HTTP 401"),
        ("api-unprivileged", "accepted 200"),
        ("api-anonymous", "accepted 0"),
        ("api-other-bundle", "server refused: "),
        ("api-other-name", "server refused: "),
    ] {
        let found = word(&live, id);
        assert!(found.starts_with(expected), "{id}: {found}");
        eprintln!("{id}: {found}");
    }

    let served: Vec<_> = live
        .served
        .iter()
        .map(|fact| {
            let chain = &fact.outcome.as_ref().unwrap().chain;
            (fact.port, fact.server_name.as_deref(), chain[0].clone())
        })
        .collect();
    assert_eq!(
        served,
        [
            (client, None, etcd_member.certificate.clone()),
            (peer, None, etcd_member.certificate),
            (api, None, serving.certificate),
            (api, Some("api.example"), by_name.certificate),
        ]
    );

    let counted = live.metrics.iter().find(|fact| {
        fact.name == "apiserver_client_certificate_expiration_seconds_count"
            && fact.component == ComponentKind::KubeApiserver
    });
    assert!(counted.unwrap().value >= 1.0, "{:?}", live.metrics);
    let buckets = live
        .metrics
        .iter()
        .filter(|fact| fact.labels.starts_with("le="));
    assert!(buckets.count() > 5);

    let clocks: Vec<_> = live
        .clocks
        .iter()
        .map(|fact| (fact.server.clone(), fact.ahead_seconds))
        .collect();
    for port in [client, peer, api] {
        assert!(
            clocks.contains(&(format!("127.0.0.1:{port}"), 0)),
            "{clocks:?}"
        );
    }
    own_connections(&mut control);
    eprintln!(
        "asked {} endpoints and tried {} connections in {took:?} at {}",
        live.served.len(),
        live.attempts.len(),
        Timestamp::now()
    );
}

/// The same components, and the connections that are derived from their flags.
fn own_connections(control: &mut Control) {
    let hosts = [HostEvidence {
        inventory: control.scene.inventory.clone(),
        live: None,
    }];
    let (graph, material) = derive(&Evidence {
        hosts: &hosts,
        cluster: None,
    });
    control.scene.graph = graph;
    control.scene.options.material = Some(material);
    let live = control.examine();
    for id in [
        "kube-apiserver->etcd",
        "etcd gateway->etcd",
        "etcd@cp1->etcd@cp1",
    ] {
        assert_eq!(word(&live, id), "accepted 200", "{id}");
    }
}
