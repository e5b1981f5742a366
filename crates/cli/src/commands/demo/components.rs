//! A real etcd and kube-apiserver on the demonstration's files, on free loopback ports, for as long as
//! a question takes.

use super::host::DemoHost;
use super::manifests;
use crate::error::CliError;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_engine::ports::{ClientIdentity, Clock, Endpoint, HttpAnswer, TlsProbe, Trust};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::pem;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The question, as `kubectl get namespaces` asks it.
const NAMESPACES: &str = "/api/v1/namespaces";
/// What Go says of a certificate that has ended.
const EXPIRED: &str = "certificate has expired";
const PATIENCE: Duration = Duration::from_secs(60);
/// What a healthy API server needs is a hundredth of this.
const ANSWER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

/// The programs.
pub struct Programs {
    etcd: PathBuf,
    apiserver: PathBuf,
}

impl Programs {
    /// Both, from `KUBEBUILDER_ASSETS` or PATH; none where one is missing.
    pub fn find() -> Option<Self> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = assets
            .into_iter()
            .chain(std::env::split_paths(&path))
            .collect();
        let find = |name: &str| {
            let mut files = folders.iter().map(|folder| folder.join(name));
            files.find(|file| file.is_file())
        };
        Some(Self {
            etcd: find("etcd")?,
            apiserver: find("kube-apiserver")?,
        })
    }
}

/// A port of this machine that nobody listens on at the moment.
pub fn free_port() -> Result<u16, CliError> {
    let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| failed(format!("no free port: {error}")))
}

/// An etcd and a kube-apiserver that are started when a question is asked.
pub struct ControlPlane<'a> {
    programs: Programs,
    host: &'a DemoHost,
}

impl<'a> ControlPlane<'a> {
    /// Nothing is started yet.
    pub fn new(programs: Programs, host: &'a DemoHost) -> Self {
        Self { programs, host }
    }

    /// Where the API server listens.
    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.host.ports().api)
    }

    /// Starts both and asks with admin.conf until they have said that a certificate has expired.
    /// An answer would be an error.
    pub fn refusal(&self) -> Result<String, CliError> {
        let mut etcd = self.start_etcd()?;
        let mut apiserver = self.start_apiserver()?;
        let started = Instant::now();
        loop {
            let answer = self.ask();
            if let Ok(answer) = answer {
                return Err(failed(format!(
                    "expired, and yet it answers: {}",
                    answer.status
                )));
            }
            let said = [&apiserver, &etcd].into_iter().find_map(|program| {
                program
                    .says(EXPIRED)
                    .map(|line| format!("{}: {line}", program.name))
            });
            if let (Some(said), Err(refused)) = (said, answer) {
                return Ok(format!(
                    "GET {NAMESPACES} with admin.conf: {refused}\n        {said}"
                ));
            }
            if started.elapsed() > PATIENCE {
                return Err(failed(
                    "neither etcd nor kube-apiserver says why it refuses",
                ));
            }
            etcd.is_running();
            apiserver.is_running();
            SystemClock.sleep(PAUSE);
        }
    }

    /// Starts both and asks with admin.conf until it is answered with 200.
    pub fn welcome(&self) -> Result<String, CliError> {
        let mut etcd = self.start_etcd()?;
        let mut apiserver = self.start_apiserver()?;
        let started = Instant::now();
        loop {
            let refused = match self.ask() {
                Ok(answer) if answer.status == 200 => {
                    let seconds = started.elapsed().as_secs_f32();
                    return Ok(format!(
                        "GET {NAMESPACES} with admin.conf, {seconds:.1} s after the start"
                    ));
                }
                Ok(answer) => format!("status {}", answer.status),
                Err(refused) => refused,
            };
            if !etcd.is_running() || !apiserver.is_running() || started.elapsed() > PATIENCE {
                let ended = if etcd.is_running() { &apiserver } else { &etcd };
                return Err(
                    failed(format!("{} does not come up: {refused}", ended.name))
                        .detail("last log", ended.last_lines()),
                );
            }
            SystemClock.sleep(PAUSE);
        }
    }

    fn start_etcd(&self) -> Result<Running, CliError> {
        let flags = self.on_this_machine(manifests::etcd(self.host.ports()));
        self.start("etcd", &self.programs.etcd, flags)
    }

    fn start_apiserver(&self) -> Result<Running, CliError> {
        let mut flags = self.on_this_machine(manifests::apiserver(self.host.ports()));
        // Only for this machine, and without an endpoint that nobody could reach.
        flags.push("--bind-address=127.0.0.1".to_owned());
        flags.push("--endpoint-reconciler-type=none".to_owned());
        self.start("kube-apiserver", &self.programs.apiserver, flags)
    }

    /// The host's paths as this machine sees them.
    fn on_this_machine(&self, flags: Vec<String>) -> Vec<String> {
        let root = self.host.root().display().to_string();
        let mapped = flags.into_iter().map(|flag| {
            ["/etc/", "/var/"].iter().fold(flag, |flag, folder| {
                flag.replace(&format!("={folder}"), &format!("={root}{folder}"))
            })
        });
        mapped.collect()
    }

    fn start(
        &self,
        name: &'static str,
        program: &Path,
        flags: Vec<String>,
    ) -> Result<Running, CliError> {
        let refused = |error: std::io::Error| failed(format!("cannot start {name}: {error}"));
        let logs = self.host.root().join("var/log");
        std::fs::create_dir_all(&logs).map_err(refused)?;
        let log = logs.join(format!("{name}.log"));
        let out = File::create(&log).map_err(refused)?;
        let child = Command::new(program)
            .args(flags)
            .current_dir(self.host.root())
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(refused)?)
            .stderr(out)
            .spawn()
            .map_err(refused)?;
        Ok(Running { name, child, log })
    }

    /// Asks with what admin.conf holds now; the refusal is in words.
    fn ask(&self) -> Result<HttpAnswer, String> {
        let contents = self.host.read("/etc/kubernetes/admin.conf");
        let contents = contents.map_err(|error| error.message().to_owned())?;
        let kubeconfig = Kubeconfig::parse(&contents).map_err(|error| error.to_string())?;
        let user = kubeconfig.current_user();
        let certificate = user.and_then(|user| user.client_certificate.as_ref()?.embedded());
        let key = user.and_then(|user| user.client_key.as_ref()?.embedded());
        let cluster = kubeconfig.current_cluster();
        let trusts = cluster.and_then(|it| it.certificate_authority.as_ref()?.embedded());
        let (Some(certificate), Some(key), Some(trusts)) = (certificate, key, trusts) else {
            return Err("admin.conf lacks a certificate, a key or a CA".to_owned());
        };
        let certificates = |text| pem::certificates(text).map_err(|error| error.to_string());
        let identity = ClientIdentity {
            chain: certificates(certificate)?,
            key_pem: Sealed::new(danger::open(key).to_vec()),
        };
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.host.ports().api,
            server_name: None,
        };
        let trust = Trust::Bundle(certificates(trusts)?);
        RustlsProbe::new()
            .https_get(&endpoint, NAMESPACES, &trust, Some(&identity), ANSWER)
            .map_err(|error| error.to_string())
    }
}

/// A program that runs, and is ended by its process id when dropped.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn lines(&self) -> Vec<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The part of the first line with these words from where the reason begins.
    fn says(&self, words: &str) -> Option<String> {
        let line = self.lines().into_iter().find(|line| line.contains(words))?;
        let begin = ["x509: ", "tls: ", "remote error"]
            .iter()
            .filter_map(|it| line.find(it))
            .min();
        let reason = line.get(begin.unwrap_or(0)..).unwrap_or(&line);
        // What follows the quoted reason is etcd's and gRPC's own business.
        Some(
            reason
                .split(['"', '\\'])
                .next()
                .unwrap_or(reason)
                .to_owned(),
        )
    }

    fn last_lines(&self) -> String {
        let lines = self.lines();
        let last = lines
            .get(lines.len().saturating_sub(5)..)
            .unwrap_or_default();
        last.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(message: impl std::fmt::Display) -> CliError {
    CliError::new("demo-failed", message)
}
