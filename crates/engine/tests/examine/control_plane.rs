//! A real etcd and a real kube-apiserver (and what else is started) in a folder of their own.
//! `KUBEBUILDER_ASSETS` names the folder that holds the programs.

use crate::pki::{BOTH, CLIENT, Made, SERVER, authority, leaf};
use crate::scene::{HOST, Scene};
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::connections::{ConnectionKind, Place, Use};
use kubepki_core::model::live::{AttemptOutcome, LiveObservation};
use kubepki_core::model::{Entry, Holder, KeyState, Role};
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
use std::rc::Rc;
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
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Who is who.
pub struct Pki {
    pub etcd_ca: Made,
    pub ca: Made,
    pub etcd_member: Made,
    pub etcd_client: Made,
    pub serving: Made,
    pub by_name: Made,
    pub admin: Made,
}

/// A folder of files, what runs on them, and the scene that names them.
pub struct Control {
    running: Vec<Stopped>,
    folder: tempfile::TempDir,
    pub scene: Scene,
    pub pki: Rc<Pki>,
    /// Ports of etcd for clients and for peers, and of the API server.
    pub client: u16,
    pub peer: u16,
    pub api: u16,
}

impl Control {
    /// Starts etcd and kube-apiserver, and waits until they are ready.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (etcd_ca, ca) = (authority("etcd-ca"), authority("kubernetes"));
        let etcd_member = leaf(&etcd_ca, "etcd", BOTH, &["IP:127.0.0.1", "DNS:localhost"]);
        let etcd_client = leaf(&etcd_ca, "kube-apiserver-etcd-client", CLIENT, &[]);
        let names = ["IP:127.0.0.1", "DNS:kubernetes"];
        let serving = leaf(&ca, "kube-apiserver", SERVER, &names);
        let by_name = leaf(&ca, "by-name", SERVER, &["DNS:api.example"]);
        let admin = leaf(&ca, "kubernetes-admin@system:masters", CLIENT, &[]);
        let [client, peer, api] = free_ports();
        let mut control = Self {
            running: Vec::new(),
            folder,
            scene: Scene::new(),
            pki: Rc::new(Pki {
                etcd_ca,
                ca,
                etcd_member,
                etcd_client,
                serving,
                by_name,
                admin,
            }),
            client,
            peer,
            api,
        };
        control.write_files();
        let argv = control.etcd_argv();
        control.run(&argv);
        let argv = control.apiserver_argv();
        control.run(&argv);
        control.until_ready(api, "/readyz", "kube-apiserver");
        control
    }

    fn write_files(&mut self) {
        self.write("etcd-ca.crt", &self.pki.etcd_ca.pem());
        self.write("ca.crt", &self.pki.ca.pem());
        for (name, made) in [
            ("etcd", &self.pki.etcd_member),
            ("etcd-client", &self.pki.etcd_client),
            ("serving", &self.pki.serving),
            ("by-name", &self.pki.by_name),
            ("admin", &self.pki.admin),
        ] {
            self.pair(name, made);
        }
        let accounts = PrivateKey::generate(KeyType::Rsa(RsaSize::Bits2048)).unwrap();
        let accounts = accounts.to_pem(KeyEncoding::Pkcs1).unwrap();
        std::fs::write(self.path("sa.key"), danger::open(&accounts)).unwrap();
        self.scene.inventory.entries = vec![Entry {
            name: "admin.conf".to_owned(),
            also_known_as: Vec::new(),
            role: Role::Admin,
            holder: Holder::Files {
                certificate: self.path("admin.crt"),
                key: Some(self.path("admin.key")),
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
    }

    fn etcd_argv(&self) -> Vec<String> {
        let (client, peer, folder) = (self.client, self.peer, self.folder.path().display());
        argv(&format!(
            "etcd --data-dir=data --listen-client-urls=https://127.0.0.1:{client} \
             --advertise-client-urls=https://127.0.0.1:{client} \
             --listen-peer-urls=https://127.0.0.1:{peer} \
             --initial-advertise-peer-urls=https://127.0.0.1:{peer} \
             --initial-cluster=default=https://127.0.0.1:{peer} \
             --cert-file={folder}/etcd.crt --key-file={folder}/etcd.key --client-cert-auth=true \
             --trusted-ca-file={folder}/etcd-ca.crt --peer-client-cert-auth=true \
             --peer-cert-file={folder}/etcd.crt --peer-key-file={folder}/etcd.key \
             --peer-trusted-ca-file={folder}/etcd-ca.crt"
        ))
    }

    fn apiserver_argv(&self) -> Vec<String> {
        let (client, api, folder) = (self.client, self.api, self.folder.path().display());
        argv(&format!(
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
        ))
    }

    /// Starts one more program, as a component of the scene's host.
    pub fn run(&mut self, argv: &[String]) {
        self.running.push(start(self.folder.path(), argv));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.scene.component(&argv);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: &str) -> Place {
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
    pub fn connection(
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

    pub fn examine(&self) -> LiveObservation {
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

    /// Waits until a component answers 200 to the administrator.
    pub fn until_ready(&self, port: u16, path: &str, program: &str) {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port,
            server_name: None,
        };
        let identity = ClientIdentity {
            chain: vec![self.pki.admin.certificate.clone()],
            key_pem: self.pki.admin.key_pem().into_bytes().into(),
        };
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let answer = RustlsProbe::new().attempt(&Attempt {
                endpoint: &endpoint,
                identity: Some(&identity),
                expectation: None,
                question: Some(Question {
                    path,
                    lines: &[],
                    headers: &[],
                }),
                timeout: Duration::from_secs(20),
            });
            if matches!(answer, Attempted::Accepted(Some(Reply { status: 200, .. }))) {
                return;
            }
            let log = std::fs::read_to_string(self.path(&format!("{program}.log")));
            assert!(
                Instant::now() < deadline,
                "{answer:?}\n{}",
                log.unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub fn argv(text: &str) -> Vec<String> {
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

/// What became of an attempt, in a word.
pub fn word(live: &LiveObservation, id: &str) -> String {
    let fact = live.attempts.iter().find(|fact| fact.connection == id);
    match &fact.unwrap().outcome {
        AttemptOutcome::Accepted { status } => format!("accepted {}", status.unwrap_or_default()),
        AttemptOutcome::ServerRefused { reason } => format!("server refused: {reason}"),
        AttemptOutcome::ClientRefused { reason } => format!("client refused: {reason}"),
        AttemptOutcome::Unanswered(unanswered) => format!("unanswered: {}", unanswered.detail),
    }
}
