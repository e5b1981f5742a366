//! A real kube-apiserver with a real etcd: `KUBEBUILDER_ASSETS` names the folder that holds
//! them (integration tier).

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kubepki_adapters::kube::KubeClient;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{Endpoint, KubeApi, TlsProbe, Trust};

use crate::certificates::{CA, CLIENT, Key, Made, RECENT, SERVER, Wish, Workshop, wish};
use crate::tls_server::TIMEOUT;

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: PathBuf, folder: &Path, arguments: &[String]) -> Stopped {
    let log = folder.join(program.with_extension("log").file_name().unwrap());
    let log = File::create(log).unwrap();
    let child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Stopped(child)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_api_server_is_asked() {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let assets = assets.expect("KUBEBUILDER_ASSETS names the folder of etcd and kube-apiserver");
    let workshop = Workshop::new();
    let folder = workshop.path();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let server = workshop.issue("server", &authority, wish("/CN=kube-apiserver", SERVER));
    let rsa = |subject| Wish {
        key: Key::Pkcs1,
        ..wish(subject, CLIENT)
    };
    let accounts = workshop.authority("sa", rsa("/CN=accounts"));

    let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
    let etcd_url = format!("http://127.0.0.1:{etcd_port}");
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    let _etcd = start(
        assets.join("etcd"),
        folder,
        &[
            "--data-dir=etcd".to_owned(),
            format!("--listen-client-urls={etcd_url}"),
            format!("--advertise-client-urls={etcd_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ],
    );
    let path = |path: &Path| path.display().to_string();
    let _server = start(
        assets.join("kube-apiserver"),
        folder,
        &[
            format!("--etcd-servers={etcd_url}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            format!("--client-ca-file={}", path(&authority.certificate)),
            format!("--tls-cert-file={}", path(&server.certificate)),
            format!("--tls-private-key-file={}", path(&server.key)),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", path(&accounts.key)),
            format!("--service-account-signing-key-file={}", path(&accounts.key)),
        ],
    );

    let kubeconfig = |authority: &Made, client: Option<&Made>| {
        let user = client.map_or_else(
            || "{}".to_owned(),
            |made| {
                let (certificate, key) = (path(&made.certificate), path(&made.key));
                format!("{{client-certificate: {certificate}, client-key: {key}}}")
            },
        );
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
             clusters: [{{name: x, cluster: {{server: 'https://kubernetes:{port}', \
             certificate-authority: {}}}}}]\nusers: [{{name: x, user: {user}}}]\n",
            path(&authority.certificate)
        );
        text.into_bytes().into()
    };
    let url = format!("https://127.0.0.1:{port}");
    let api = KubeClient::new();
    let admin = workshop.issue(
        "admin",
        &authority,
        wish("/O=system:masters/CN=admin", CLIENT),
    );
    let admin_config = kubeconfig(&authority, Some(&admin));

    // The bootstrap of roles ends some time after the port opens.
    let deadline = Instant::now() + Duration::from_secs(90);
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
    };
    let trust = Trust::Bundle(authority.chain());
    loop {
        let ready = RustlsProbe::new().https_get(
            &endpoint,
            "/readyz",
            &trust,
            Some(&admin.identity()),
            TIMEOUT,
        );
        match ready {
            Ok(answer) if answer.status == 200 => break,
            other => assert!(
                Instant::now() < deadline,
                "{other:?}\n{}",
                fs_err::read_to_string(folder.join("kube-apiserver.log")).unwrap_or_default()
            ),
        }
        std::thread::sleep(Duration::from_millis(200));
    }

    let served = RustlsProbe::new().served(&endpoint, TIMEOUT).unwrap();
    assert_eq!(served.chain, [server.read()]);
    assert!(served.asks_client_certificate);
    assert!(
        served
            .acceptable_client_authorities
            .contains(authority.read().subject())
    );

    let reached = api.reach(&admin_config, Some(&url)).unwrap();
    assert_eq!(
        (reached.server.as_str(), reached.status),
        (url.as_str(), 201)
    );
    assert!(reached.version.unwrap().starts_with("v1."));
    let lease = api.lease_holder(&admin_config, Some(&url), "kube-system", "kube-scheduler");
    assert_eq!(lease.unwrap(), None);
    assert_eq!(
        api.node_ready(&admin_config, Some(&url), "nobody").unwrap(),
        None
    );

    // Anyone who is someone may ask what they may do.
    let nobody = workshop.issue("nobody", &authority, wish("/CN=nobody", CLIENT));
    assert_eq!(
        api.reach(&kubeconfig(&authority, Some(&nobody)), Some(&url))
            .unwrap()
            .status,
        201
    );

    let expired = Wish {
        not_after: RECENT,
        ..wish("/O=system:masters/CN=admin", CLIENT)
    };
    let expired = workshop.issue("expired", &authority, expired);
    let other = workshop.authority("other", wish("/CN=kubernetes", CA));
    let foreign = workshop.issue(
        "foreign",
        &other,
        wish("/O=system:masters/CN=admin", CLIENT),
    );
    for client in [Some(&expired), Some(&foreign), None] {
        let error = api
            .reach(&kubeconfig(&authority, client), Some(&url))
            .unwrap_err();
        assert!(error.unauthorized, "{error}");
    }
    let error = api
        .reach(&kubeconfig(&other, Some(&admin)), Some(&url))
        .unwrap_err();
    assert!(
        !error.unauthorized && error.detail.contains("signed by another key"),
        "{error}"
    );
}
