//! A real control plane on loopback: etcd, kube-apiserver, and where wanted kube-controller-manager.
//! `KUBEBUILDER_ASSETS` names the folder that holds them (integration tier).

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kubepki_sealed::Sealed;

use crate::certificates::{CA, CLIENT, Key, Made, SERVER, Wish, Workshop, wish};

const PATIENCE: Duration = Duration::from_secs(120);

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A control plane, stopped when dropped.
pub struct ControlPlane {
    running: Vec<Stopped>,
    assets: PathBuf,
    pub workshop: Workshop,
    pub authority: Made,
    pub front_proxy: Made,
    pub accounts: Made,
    /// A second service-account key, which the API server trusts and nobody signs with at first.
    pub accounts_next: Made,
    pub admin: Made,
    pub url: String,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl ControlPlane {
    /// etcd and an API server with RBAC, ready.
    pub fn start() -> Self {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        // names the folder of etcd and kube-apiserver
        let assets = assets.unwrap();
        let workshop = Workshop::new();
        let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
        let front_proxy = workshop.authority("front-proxy-ca", wish("/CN=front-proxy-ca", CA));
        let server = workshop.issue("server", &authority, wish("/CN=kube-apiserver", SERVER));
        let [accounts, accounts_next] = ["sa", "sa-next"].map(|name| {
            let wish = Wish {
                key: Key::Pkcs1,
                ..wish("/CN=accounts", CLIENT)
            };
            workshop.authority(name, wish)
        });
        let admin = wish("/O=system:masters/CN=admin", CLIENT);
        let admin = workshop.issue("admin", &authority, admin);
        let [etcd, peer, port] = [(); 3].map(|()| free_port());
        let mut plane = Self {
            running: Vec::new(),
            assets,
            workshop,
            authority,
            front_proxy,
            accounts,
            accounts_next,
            admin,
            url: format!("https://127.0.0.1:{port}"),
        };
        plane.run(
            "etcd",
            &format!(
                "data-dir=etcd-files listen-client-urls=http://127.0.0.1:{etcd} \
                 advertise-client-urls=http://127.0.0.1:{etcd} \
                 listen-peer-urls=http://127.0.0.1:{peer} \
                 initial-advertise-peer-urls=http://127.0.0.1:{peer} \
                 initial-cluster=default=http://127.0.0.1:{peer}"
            ),
        );
        let [ca, front, crt, key, sa, next] = [
            &plane.authority.certificate,
            &plane.front_proxy.certificate,
            &server.certificate,
            &server.key,
            &plane.accounts.key,
            &plane.accounts_next.key,
        ]
        .map(|path| path.display().to_string());
        plane.run(
            "kube-apiserver",
            &format!(
                "etcd-servers=http://127.0.0.1:{etcd} secure-port={port} bind-address=127.0.0.1 \
                 advertise-address=127.0.0.1 service-cluster-ip-range=10.96.0.0/16 \
                 endpoint-reconciler-type=none authorization-mode=Node,RBAC client-ca-file={ca} \
                 tls-cert-file={crt} tls-private-key-file={key} \
                 requestheader-client-ca-file={front} \
                 requestheader-allowed-names=front-proxy-client \
                 requestheader-username-headers=X-Remote-User \
                 requestheader-group-headers=X-Remote-Group \
                 requestheader-extra-headers-prefix=X-Remote-Extra- \
                 service-account-issuer=https://kubernetes.default.svc \
                 service-account-key-file={sa} \
                 service-account-key-file={next} service-account-signing-key-file={sa}"
            ),
        );
        plane.write("admin.conf", &plane.kubeconfig_of(&plane.admin));
        plane.until("the API server is ready", |plane| {
            plane.ask("get --raw /readyz").contains("ok")
                && plane
                    .ask("get clusterroles cluster-admin")
                    .contains("cluster-admin")
        });
        plane
    }

    /// Adds kube-controller-manager, which fills namespaces with CAs and makes tokens.
    pub fn manage(&mut self) {
        let trust = self.authority.certificate.clone();
        let key = self.accounts.key.clone();
        self.manage_with(&trust, &key);
    }

    /// Starts kube-controller-manager again, with another bundle or another key for tokens.
    pub fn manage_anew(&mut self, trust: &Path, accounts: &Path) {
        // it was the last to be started
        self.running.truncate(2);
        self.manage_with(trust, accounts);
    }

    fn manage_with(&mut self, trust: &Path, accounts: &Path) {
        let [ca, key, sa, trust] = [
            &self.authority.certificate,
            &self.authority.key,
            accounts,
            trust,
        ]
        .map(|path| path.display().to_string());
        let port = free_port();
        self.run(
            "kube-controller-manager",
            &format!(
                "kubeconfig=admin.conf bind-address=127.0.0.1 secure-port={port} port=0 \
                 leader-elect=false controllers=*,bootstrapsigner root-ca-file={trust} \
                 service-account-private-key-file={sa} cluster-signing-cert-file={ca} \
                 cluster-signing-key-file={key}"
            ),
        );
    }

    fn run(&mut self, program: &str, flags: &str) {
        let folder = self.workshop.path();
        let log = File::create(folder.join(format!("{program}.log"))).unwrap();
        let child = Command::new(self.assets.join(program))
            .args(flags.split_whitespace().map(|flag| format!("--{flag}")))
            .current_dir(folder)
            .env("HOME", folder)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.push(Stopped(child));
    }

    /// What kubectl says as admin; empty when it is refused.
    pub fn ask(&self, words: &str) -> String {
        let output = Command::new(self.assets.join("kubectl"))
            .args(["--kubeconfig", "admin.conf", "--request-timeout=20s"])
            .args(words.split_whitespace())
            .current_dir(self.workshop.path())
            .env("HOME", self.workshop.path())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        match output.status.success() {
            true => String::from_utf8(output.stdout).unwrap(),
            false => String::new(),
        }
    }

    /// Creates what is in these manifests, as admin.
    pub fn create(&self, manifests: &str) {
        self.write("manifests", manifests);
        let output = Command::new(self.assets.join("kubectl"))
            .args([
                "--kubeconfig",
                "admin.conf",
                "create",
                "--validate=false",
                "-f",
                "manifests",
            ])
            .current_dir(self.workshop.path())
            .env("HOME", self.workshop.path())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            let log = |name: &str| {
                let text = fs_err::read_to_string(self.workshop.path().join(name));
                let text = text.unwrap_or_default();
                let lines: Vec<_> = text.lines().collect();
                lines[lines.len().saturating_sub(20)..].join("\n")
            };
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}\n{}\n{}",
                log("kube-apiserver.log"),
                log("kube-controller-manager.log")
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn write(&self, name: &str, text: &str) {
        fs_err::write(self.workshop.path().join(name), text).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.workshop.path()
    }

    /// A kubeconfig that names a client's certificate beside itself.
    pub fn kubeconfig_of(&self, client: &Made) -> String {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.kubeconfig(&format!(
            "{{client-certificate: {}, client-key: {}}}",
            name(&client.certificate),
            name(&client.key)
        ))
    }

    /// A kubeconfig with a user.
    pub fn kubeconfig(&self, user: &str) -> String {
        let url = &self.url;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
             clusters: [{{name: x, cluster: {{server: '{url}', certificate-authority: ca.crt}}}}]\n\
             users: [{{name: x, user: {user}}}]\n"
        )
    }

    pub fn sealed(text: &str) -> Sealed {
        text.as_bytes().to_vec().into()
    }
}
