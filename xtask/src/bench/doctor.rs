//! `doctor` on one control plane's files and served endpoints, beside `kubeadm certs
//! check-expiration`, which reads dates alone, and beside what one types to check the same chains:
//! `openssl verify` of each certificate and `openssl s_client` of each endpoint.
//!
//! The endpoints are `openssl s_server`s on loopback with the certificates of the tree, so that all
//! are asked the same. A whole host, with processes, is the lab's: `docs/benchmarks.md` says how.
//! After it come the two programs that measure the pure parts: paths and connections per second.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use kubepki_lab::Tool;

use super::Bench;
use super::measure::{Contender, in_turns};
use super::table;
use super::trees::{CONFIGURATION, Keys, Tree};
use crate::packages::cargo;

const ROUNDS: u32 = 51;

/// Certificates of the tree that are served, with the CA that an asker believes.
const SERVED: [(&str, &str); 3] = [
    ("apiserver", "ca"),
    ("etcd/server", "etcd/ca"),
    ("etcd/peer", "etcd/ca"),
];

/// Every certificate with its CA: seven files, three kubeconfigs. `$0` is the PKI's folder.
const VERIFY: &str = r#"set -e; cd "$0"
for leaf in apiserver apiserver-kubelet-client; do openssl verify -CAfile ca.crt $leaf.crt; done
openssl verify -CAfile front-proxy-ca.crt front-proxy-client.crt
for leaf in apiserver-etcd-client etcd/server etcd/peer etcd/healthcheck-client; do
  openssl verify -CAfile etcd/ca.crt $leaf.crt; done
for name in admin controller-manager scheduler; do
  sed -n 's/.*client-certificate-data: //p' ../$name.conf | base64 -d | openssl verify -CAfile ca.crt; done
"#;

/// On files, and with endpoints.
pub fn run(bench: &Bench) -> Result<()> {
    let tree = Tree::make(bench, "rsa", Keys::Rsa)?;
    tree.copy("read")?;
    let root = tree.path("read");
    let pki = root.join("etc/kubernetes/pki");
    let servers = SERVED
        .iter()
        .map(|(certificate, _)| Server::start(&pki, certificate))
        .collect::<Result<Vec<Server>>>()?;
    let endpoints: Vec<String> = servers.iter().map(Server::address).collect();
    let mut ask = VERIFY.to_owned();
    for ((_, authority), address) in SERVED.iter().zip(&endpoints) {
        ask.push_str(&format!(
            "openssl s_client -connect {address} -CAfile {authority}.crt -verify_return_error </dev/null\n"
        ));
    }
    let (root, pki) = (root.display().to_string(), pki.display().to_string());
    let joined = endpoints.join(",");
    check(bench, &root, &joined)?;
    let contenders = [
        Contender::new(
            "kubeadm certs check-expiration (dates)",
            &bench.kubeadm,
            &[
                "certs",
                "check-expiration",
                "--config",
                CONFIGURATION,
                "--rootfs",
                &root,
            ],
        ),
        Contender::new("10 × openssl verify", "sh", &["-c", VERIFY, &pki]),
        Contender::new(
            "kubepki doctor",
            &bench.program,
            &["doctor", "--root", &root],
        ),
        Contender::new(
            "10 × openssl verify, 3 × s_client",
            "sh",
            &["-c", &ask, &pki],
        ),
        Contender::new(
            "kubepki doctor --endpoints (3)",
            &bench.program,
            &["doctor", "--root", &root, "--endpoints", &joined],
        ),
    ];
    let measured = in_turns(&contenders, bench.turns(ROUNDS))?;
    println!("Files, compared with kubeadm and then with OpenSSL; then with endpoints:\n");
    table::print(&contenders, &measured);
    drop(servers);
    pure_parts()
}

/// Says what was looked at, and fails unless every endpoint answered and nothing was amiss: a doctor
/// that sees less is quicker.
fn check(bench: &Bench, root: &str, endpoints: &str) -> Result<()> {
    let told = Tool::new(&bench.program)
        .args([
            "doctor",
            "-o",
            "json",
            "--root",
            root,
            "--endpoints",
            endpoints,
        ])
        .run()?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let list = |name: &str| told.get(name).and_then(serde_json::Value::as_array);
    let gaps = list("gaps").context("the diagnosis has no gaps")?;
    let silent = gaps.iter().find(|gap| {
        let object = gap.get("object").and_then(serde_json::Value::as_str);
        object.is_none_or(|object| endpoints.split(',').any(|endpoint| endpoint == object))
    });
    if let Some(gap) = silent {
        bail!("doctor did not see everything: {gap}");
    }
    println!(
        "kubepki verified {} connections and asked {} endpoints.",
        list("connections").map_or(0, Vec::len),
        list("endpoints").map_or(0, Vec::len),
    );
    Ok(())
}

/// How much the planner of a rotation could ask per second.
fn pure_parts() -> Result<()> {
    for (package, example) in [
        ("kubepki-core", "connections_per_second"),
        ("kubepki-x509", "paths_per_second"),
    ] {
        let told = cargo()
            .words("run --quiet --release --package")
            .arg(package)
            .args(["--example", example])
            .run()?;
        println!("\n### {example}\n\n{told}");
    }
    Ok(())
}

/// An `openssl s_server`, ended with this value.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(pki: &Path, name: &str) -> Result<Self> {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .arg("-cert")
            .arg(pki.join(format!("{name}.crt")))
            .arg("-key")
            .arg(pki.join(format!("{name}.key")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start openssl s_server")?;
        let output = process.stdout.take().context("openssl's output")?;
        let mut lines = BufReader::new(output).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("ACCEPT ")?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        });
        let server = Server {
            process,
            port: port.unwrap_or(0),
        };
        // its output must not fill the pipe and stop it
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        if server.port == 0 {
            bail!("openssl s_server told no port");
        }
        Ok(server)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
