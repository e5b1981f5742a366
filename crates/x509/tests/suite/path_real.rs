//! The same cases before real Go programs: kubectl judges servers, etcd judges clients. What they
//! say is crypto/x509's own text, and it must say what we say: the same verdict, the same reason,
//! and the same candidate where a CA is unknown. (Integration tier.)

#![expect(
    clippy::disallowed_methods,
    reason = "starts the programs that are asked"
)]

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use kubepki_x509::{
    Certificate, SignatureError,
    path::{IssuerRejection, PathError, ServerName},
};

use crate::{
    path_cases::{Case, Side, Table},
    path_peers::{Server, connect},
    path_random::{self, Keys},
    path_workshop::{Made, Profile},
};

/// How many PKIs by chance are asked about besides the table.
const RANDOM: u64 = 300;

fn program(name: &str) -> PathBuf {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    assets
        .expect("KUBEBUILDER_ASSETS names the folder of kubectl and etcd")
        .join(name)
}

fn cases(of: impl Fn(&Side) -> bool) -> Vec<Case> {
    let keys = Keys::new();
    let random = (0..RANDOM).map(|seed| path_random::case(&keys, 1_000_000 + seed));
    let cases = Table::all().cases.into_iter().chain(random);
    cases.filter(|case| of(&case.side)).collect()
}

#[test]
#[ignore = "needs kubectl: cargo xtask test --tier integration"]
fn real_kubectl_judges_servers_as_we_do() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(|side| *side != Side::Client);
    let kubectl = program("kubectl");
    let next = Mutex::new(cases.iter().enumerate());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((number, case)) = { next.lock().unwrap().next() } {
                    let said = ask_kubectl(&kubectl, folder.path(), number, case);
                    if let Some(difference) = difference(case, &said) {
                        wrong.lock().unwrap().push(difference);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    println!("kubectl and we agree on {} servers", cases.len());
}

/// Empty if kubectl accepts the server.
fn ask_kubectl(kubectl: &Path, folder: &Path, number: usize, case: &Case) -> String {
    let Side::Server(name) = &case.side else {
        unreachable!()
    };
    let roots = folder.join(format!("{number}.crt"));
    fs_err::write(&roots, pem(&case.roots)).unwrap();
    let host =
        name.starts_with(|first: char| first.is_ascii_alphanumeric() || ":[".contains(first));
    let server = if host && !name.contains(' ') && !name.contains("..") {
        Server::start(case)
    } else {
        Server::start_openssl(case, folder, number)
    };
    let output = Command::new(kubectl)
        .env_clear()
        .env("HOME", folder)
        .arg(format!("--server=https://{}", server.address))
        .arg(format!("--certificate-authority={}", roots.display()))
        .arg(format!("--tls-server-name={name}"))
        // Without credentials it asks for a user's name.
        .args(["--token=none", "get", "--raw", "/"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    server.stop();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() {
        String::new()
    } else {
        format!("{said} ")
    }
}

#[test]
#[ignore = "needs etcd: cargo xtask test --tier integration"]
fn real_etcd_judges_clients_as_we_do() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(|side| *side == Side::Client);
    // Each case has names of its own, so everybody's roots can be trusted at once.
    let mut roots: Vec<Certificate> = Vec::new();
    for root in cases.iter().flat_map(|case| &case.roots) {
        if !roots.contains(root) {
            roots.push(root.clone());
        }
    }
    let authority = Profile::authority("etcd-ca").self_signed();
    let etcd = Etcd::start(folder.path(), &authority, &roots);
    let mut asked = HashMap::new();
    for (number, case) in cases.iter().enumerate() {
        let known = |port| asked.contains_key(&port);
        let (accepted, port) = connect(case, etcd.address, &authority.certificate, known);
        // etcd's log drops what is said more than 100 times in a second.
        std::thread::sleep(Duration::from_millis(15));
        asked.insert(port, (number, accepted));
    }
    let log = etcd.log(
        asked
            .iter()
            .filter(|(_, (_, accepted))| !accepted)
            .map(|(port, _)| *port),
    );
    let mut wrong = Vec::new();
    for (port, (number, accepted)) in &asked {
        let case = &cases[*number];
        let said = match log
            .iter()
            .find(|line| line.contains(&format!("127.0.0.1:{port}\"")))
        {
            Some(line) if !accepted => line.as_str(),
            None if *accepted => "",
            _ => "says another thing in its log than on the wire",
        };
        wrong.extend(difference(case, said));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    println!("etcd and we agree on {} clients", cases.len());
}

/// What Go should have said and did not; none if we agree.
fn difference(case: &Case, said: &str) -> Option<String> {
    let found = case.validate();
    let agreed = match &found {
        Ok(_) => said.is_empty(),
        Err(error) => expected_of_go(error)
            .iter()
            .any(|wanted| said.contains(wanted)),
    };
    if agreed {
        return None;
    }
    let ours = found.map_or_else(
        |error| format!("{error:?}: {error}"),
        |_| "valid".to_owned(),
    );
    Some(format!("{}:\n  Go: {said}\n  we: {ours}", case.name))
}

/// Go's words for our errors; one of them.
fn expected_of_go(error: &PathError) -> Vec<String> {
    let texts: &[&str] = match error {
        PathError::Malformed { .. } => &[
            "failed to parse certificate from server",
            "failed to parse client certificate",
        ],
        PathError::UnhandledCriticalExtension { .. } => &["x509: unhandled critical extension"],
        PathError::NotYetValid { .. } => &[" is before "],
        PathError::Expired { .. } => &[" is after "],
        PathError::NameMismatch {
            only_common_name: Some(_),
            ..
        } => &["x509: certificate relies on legacy Common Name field"],
        PathError::NameMismatch {
            asked: ServerName::Ip(_),
            ..
        } => &[
            "because it doesn't contain any IP SANs",
            "x509: certificate is valid for ",
        ],
        PathError::NameMismatch { .. } => &[
            "x509: certificate is valid for ",
            "x509: certificate is not valid for any names",
        ],
        PathError::UnknownAuthority { rejected, .. } => {
            let text = "x509: certificate signed by unknown authority";
            return match rejected.first() {
                Some((candidate, reason))
                    if !matches!(reason, IssuerRejection::OtherSpelling(_)) =>
                {
                    let name = candidate.subject().common_name().unwrap();
                    let hint = hint(reason);
                    let escaped = format!(
                        "{text} (possibly because of \\\"{hint}\\\" while trying to verify candidate \
                         authority certificate \\\"{name}\\\")"
                    );
                    vec![escaped.replace('\\', ""), escaped]
                }
                // Nothing follows, in a log or on a terminal.
                _ => vec![format!("{text}\""), format!("{text} ")],
            };
        }
        PathError::NotAuthorizedToSign { .. } => {
            &["x509: certificate is not authorized to sign other certificates"]
        }
        PathError::TooManyIntermediates { .. } => {
            &["x509: too many intermediates for path length constraint"]
        }
        PathError::NameConstraintViolated { .. } => &[
            "x509: a root or intermediate certificate is not authorized to sign for this name",
            "x509: cannot parse dnsName",
            "x509: cannot parse rfc822Name",
        ],
        PathError::TooManyConstraints { .. } => &["x509: unknown error"],
        PathError::IncompatibleUsage { .. } => {
            &["x509: certificate specifies an incompatible key usage"]
        }
        PathError::TooManyCandidates { .. } => &["x509: signature check attempts limit reached"],
        _ => &[],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn hint(reason: &IssuerRejection) -> &'static str {
    match reason {
        IssuerRejection::NotCertificateAuthority | IssuerRejection::MayNotSignCertificates(_) => {
            "x509: invalid signature: parent certificate cannot sign this kind of certificate"
        }
        IssuerRejection::WeakSignature(algorithm) => match algorithm.to_string().as_str() {
            "ecdsa-with-SHA1" => {
                "x509: cannot verify signature: insecure algorithm ECDSA-SHA1 (temporarily override with GODEBUG=x509sha1=1)"
            }
            "sha1WithRSAEncryption" => {
                "x509: cannot verify signature: insecure algorithm SHA1-RSA (temporarily override with GODEBUG=x509sha1=1)"
            }
            _ => "x509: cannot verify signature: insecure algorithm MD5-RSA",
        },
        IssuerRejection::Signature(kubepki_x509::IssuedByError::Signature {
            error: SignatureError::KeyMismatch { .. },
            ..
        }) => {
            "x509: signature algorithm specifies an RSA public key, but have public key of type *ecdsa.PublicKey"
        }
        _ => "x509: ECDSA verification failure",
    }
}

fn pem(certificates: &[Certificate]) -> String {
    certificates.iter().map(Certificate::to_pem).collect()
}

struct Etcd {
    process: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Etcd {
    fn start(folder: &Path, authority: &Made, clients: &[Certificate]) -> Self {
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
        };
        let (address, peers) = (free(), free());
        let server = Profile::leaf("etcd").by(authority);
        let key = kubepki_x509::pem::encode("PRIVATE KEY", &server.key.pkcs8());
        fs_err::write(folder.join("clients.crt"), pem(clients)).unwrap();
        fs_err::write(folder.join("etcd.crt"), server.certificate.to_pem()).unwrap();
        fs_err::write(folder.join("etcd.key"), key).unwrap();
        let log = folder.join("etcd.log");
        let process = Command::new(program("etcd"))
            .current_dir(folder)
            .args(["--data-dir=data", "--logger=zap", "--log-outputs=stderr"])
            .arg(format!("--listen-client-urls=https://{address}"))
            .arg(format!("--advertise-client-urls=https://{address}"))
            .arg(format!("--listen-peer-urls=http://{peers}"))
            .arg(format!("--initial-advertise-peer-urls=http://{peers}"))
            .arg(format!("--initial-cluster=default=http://{peers}"))
            .args(["--cert-file=etcd.crt", "--key-file=etcd.key"])
            .args(["--client-cert-auth", "--trusted-ca-file=clients.crt"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs_err::File::create(&log).unwrap().into_file())
            .spawn()
            .unwrap();
        let etcd = Self {
            process,
            log,
            address,
        };
        etcd.wait("its endpoint", || TcpStream::connect(address).is_ok());
        etcd
    }

    /// Every line about a refused connection, once there is one for each of `ports`.
    fn log(&self, ports: impl Iterator<Item = u16>) -> Vec<String> {
        let read = || fs_err::read_to_string(&self.log).unwrap();
        let ports: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}\"")).collect();
        self.wait("a line for each refused client", || {
            let log = read();
            ports.iter().all(|port| log.contains(port))
        });
        let log = read();
        let refused = log
            .lines()
            .filter(|line| line.contains("rejected connection"));
        refused
            .filter(|line| !line.contains("EOF"))
            .map(str::to_owned)
            .collect()
    }

    fn wait(&self, what: &str, there: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !there() {
            let log = fs_err::read_to_string(&self.log).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "etcd does not show {what}:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
