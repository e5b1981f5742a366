//! A scan of 20,000 Secrets on a real kube-apiserver, beside `kubectl get secrets -A -o json | jq`.
//!
//! The pipeline prints the name and the certificate of every TLS Secret, which is where looking at
//! them would begin; kubepki also looks into the others, opens keystores, compares keys and reads
//! the rest of the API. What the server takes is in the wall time of both, and in the processor time
//! and memory of neither.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kubepki_lab::{Tool, find_in_path};
use serde_json::{Value, json};

use super::Bench;
use super::certificates::{DISTINCT, distinct};
use super::measure::{Contender, Measured, Run, Turns, in_turns};
use super::table::{Spread, print_circumstances, ratio, seconds, unless, wall_ratios};

const ROUNDS: u32 = 7;
const NAMESPACES: usize = 20;
/// In each namespace: 600 TLS, 335 Opaque without certificates, 50 keystores, 15 releases of Helm.
const IN_EACH: [usize; 4] = [600, 335, 50, 15];
/// kubectl allows itself 50 requests a second.
const WRITERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);
const JQ: &str = r#".items[] | select(.type == "kubernetes.io/tls")
    | .metadata.namespace + "/" + .metadata.name + " " + (.data["tls.crt"] | @base64d)"#;

/// Fills an API server, then lets both read it.
pub fn run(bench: &Bench) -> Result<()> {
    if find_in_path("jq").is_none() {
        bail!("jq is not installed: apt-get install jq");
    }
    let plane = ControlPlane::start(bench)?;
    plane.fill(bench)?;
    let kubeconfig = plane.kubeconfig.clone();
    let kubectl = plane.kubectl.display().to_string();
    // its verdict on these certificates is its exit status, and none of the measurement's business
    let scan = format!(
        "\"$0\" status --root {} --api --kubeconfig {kubeconfig} -o json || [ $? -lt 64 ]",
        plane.empty
    );
    let program = bench.program.display().to_string();
    check(&program, &scan)?;
    let pipeline =
        "\"$0\" --kubeconfig \"$1\" get secrets --all-namespaces -o json | jq -r \"$2\" | wc -c";
    let contenders = [
        Contender::new(
            "kubectl and jq",
            "sh",
            &["-c", pipeline, &kubectl, &kubeconfig, JQ],
        )
        .with_memory(),
        Contender::new("kubepki", "sh", &["-c", &scan, &program]).with_memory(),
    ];
    // the API server is another program, and busy in every round
    let turns = Turns {
        undisturbed: false,
        ..bench.turns(ROUNDS)
    };
    let measured = in_turns(&contenders, turns)?;
    print(&contenders, &measured);
    println!("The API server and etcd are among the other programs.\n");
    Ok(())
}

/// Every certificate must have been seen, else its speed says nothing.
fn check(program: &str, scan: &str) -> Result<()> {
    let output = Command::new("sh").args(["-c", scan, program]).output()?;
    let seen: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let certificates = seen["cluster"]["certificates"]
        .as_array()
        .map_or(0, Vec::len);
    let [tls, _, stores, _] = IN_EACH;
    if certificates != NAMESPACES * (tls + stores) {
        bail!("only {certificates} certificates were seen");
    }
    Ok(())
}

fn print(contenders: &[Contender<'_>], measured: &Measured) {
    println!(
        "| | wall time: median (min–max) | ratio (min–max) | CPU time | peak memory (min–max) |"
    );
    println!("|---|---|---|---|---|");
    let Some(peer) = measured.runs.first() else {
        return;
    };
    for (index, (contender, runs)) in contenders.iter().zip(&measured.runs).enumerate() {
        let of = |value: fn(&Run) -> f64| Spread::of(runs.iter().map(value));
        let (wall, peak) = (of(|run| run.wall), of(|run| run.peak as f64 / 1024.0));
        println!(
            "| {} | {} ({}–{}) | {} | {} | {:.0} MiB ({:.0}–{:.0}) |",
            contender.name,
            seconds(wall.median),
            seconds(wall.least),
            seconds(wall.most),
            unless(index == 0, ratio(&wall_ratios(peer, runs))),
            seconds(of(|run| run.processor).median),
            peak.median,
            peak.least,
            peak.most,
        );
    }
    print_circumstances(measured);
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct ControlPlane {
    _running: Vec<Running>,
    kubectl: std::path::PathBuf,
    kubeconfig: String,
    /// A tree in which there is nothing, so that only the API is looked at.
    empty: String,
}

impl ControlPlane {
    fn start(bench: &Bench) -> Result<Self> {
        let folder = &bench.folder;
        let bin = bench.cache.bin();
        let [etcd, peer, port] = [free_port()?, free_port()?, free_port()?];
        Tool::new("openssl")
            .words("genrsa -out sa.key 2048")
            .folder(folder)
            .run()?;
        fs_err::write(folder.join("tokens.csv"), "bench,bench,1,system:masters\n")?;
        let url = format!("https://127.0.0.1:{port}");
        // an API server without a certificate makes one of its own
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
             clusters: [{{name: x, cluster: {{server: '{url}', insecure-skip-tls-verify: true}}}}]\n\
             users: [{{name: x, user: {{token: bench}}}}]\n"
        );
        let file = folder.join("kubeconfig");
        fs_err::write(&file, kubeconfig)?;
        let empty = folder.join("empty");
        fs_err::create_dir_all(&empty)?;
        let mut running = Vec::new();
        for (program, flags) in [
            (
                "etcd",
                format!(
                    "data-dir=etcd-files listen-client-urls=http://127.0.0.1:{etcd} \
                     advertise-client-urls=http://127.0.0.1:{etcd} \
                     listen-peer-urls=http://127.0.0.1:{peer} \
                     initial-advertise-peer-urls=http://127.0.0.1:{peer} \
                     initial-cluster=default=http://127.0.0.1:{peer}"
                ),
            ),
            (
                "kube-apiserver",
                format!(
                    "etcd-servers=http://127.0.0.1:{etcd} secure-port={port} cert-dir=made \
                     bind-address=127.0.0.1 advertise-address=127.0.0.1 \
                     endpoint-reconciler-type=none service-cluster-ip-range=10.96.0.0/16 \
                     token-auth-file=tokens.csv authorization-mode=RBAC \
                     service-account-issuer=https://kubernetes.default.svc \
                     service-account-key-file=sa.key service-account-signing-key-file=sa.key"
                ),
            ),
        ] {
            running.push(spawn(&bin.join(program), folder, &flags)?);
        }
        let plane = Self {
            _running: running,
            kubectl: bin.join("kubectl"),
            kubeconfig: file.display().to_string(),
            empty: empty.display().to_string(),
        };
        let deadline = Instant::now() + PATIENCE;
        while !plane.is_ready() {
            if Instant::now() > deadline {
                bail!("the API server is not ready after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(plane)
    }

    fn is_ready(&self) -> bool {
        let asked = Tool::new(&self.kubectl)
            .args(["--kubeconfig", &self.kubeconfig])
            .words("get --raw /readyz")
            .run();
        asked.is_ok_and(|answer| answer.contains("ok"))
    }

    fn fill(&self, bench: &Bench) -> Result<()> {
        let total = NAMESPACES * IN_EACH.iter().sum::<usize>();
        eprintln!("creating {total} Secrets");
        let distinct = distinct(&bench.cache)?;
        let store = bench.folder.join("store.p12");
        Tool::new("openssl")
            .words("pkcs12 -export -passout pass:changeit -in 0.crt -inkey leaf.key -out")
            .arg(&store)
            .folder(&distinct)
            .run()?;
        let sources = Sources {
            certificates: (0..DISTINCT)
                .map(|index| encoded(&distinct.join(format!("{index}.crt"))))
                .collect::<Result<_>>()?,
            key: encoded(&distinct.join("leaf.key"))?,
            store: encoded(&store)?,
        };
        let files: Vec<_> = (0..NAMESPACES)
            .map(|number| {
                let file = bench.folder.join(format!("secrets-{number}.json"));
                fs_err::write(&file, sources.namespace(number).to_string())?;
                Ok(file)
            })
            .collect::<Result<_>>()?;
        for some in files.chunks(WRITERS) {
            let writers: Vec<Child> = some
                .iter()
                .map(|file| {
                    Command::new(&self.kubectl)
                        .args([
                            "--kubeconfig",
                            &self.kubeconfig,
                            "create",
                            "--validate=false",
                        ])
                        .args(["-o", "name", "-f"])
                        .arg(file)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .spawn()
                })
                .collect::<std::io::Result<_>>()?;
            for mut writer in writers {
                if !writer.wait()?.success() {
                    bail!("kubectl could not create the Secrets");
                }
            }
        }
        Ok(())
    }
}

/// What Secrets are made of, in base64.
struct Sources {
    certificates: Vec<String>,
    key: String,
    store: String,
}

impl Sources {
    fn namespace(&self, number: usize) -> Value {
        let namespace = format!("team-{number}");
        let mut items = vec![json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
        })];
        let mut add = |name: String, kind: &str, data: Value| {
            items.push(json!({
                "apiVersion": "v1", "kind": "Secret", "type": kind, "data": data,
                "metadata": {"name": name, "namespace": namespace},
            }));
        };
        let [tls, opaque, stores, releases] = IN_EACH;
        let mut certificates = self.certificates.iter().cycle().skip(number * tls);
        for index in 0..tls {
            let certificate = certificates.next();
            let data = json!({"tls.crt": certificate, "tls.key": self.key});
            add(format!("tls-{index}"), "kubernetes.io/tls", data);
        }
        for index in 0..opaque {
            let data = json!({"username": "YWRtaW4=", "password": "aHVudGVyMmh1bnRlcjI="});
            add(format!("opaque-{index}"), "Opaque", data);
        }
        for index in 0..stores {
            let data = json!({"keystore.p12": self.store, "password": "Y2hhbmdlaXQ="});
            add(format!("store-{index}"), "Opaque", data);
        }
        for index in 0..releases {
            // 50 to 200 KiB that do not compress
            let length = (50 + index * 10) * 1024;
            let release = noise(number * releases + index, length);
            let name = format!("sh.helm.release.v1.app.v{index}");
            add(name, "helm.sh/release.v1", json!({"release": release}));
        }
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }
}

/// Letters of base64 that look like chance and are the same every time (xorshift64*).
fn noise(seed: usize, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = seed as u64 * 2 + 0x9e37_79b9_7f4a_7c15;
    (0..length)
        .map(|_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let index = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 58) as usize;
            char::from(LETTERS.get(index).copied().unwrap_or(b'A'))
        })
        .collect()
}

fn encoded(file: &Path) -> Result<String> {
    let encoded = Tool::new("base64").arg("-w0").arg(file).run()?;
    Ok(encoded.trim().to_owned())
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

fn spawn(program: &Path, folder: &Path, flags: &str) -> Result<Running> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
    let child = Command::new(program)
        .args(flags.split_whitespace().map(|flag| format!("--{flag}")))
        .current_dir(folder)
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(Running(child))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twenty_thousand_secrets() {
        let sources = Sources {
            certificates: vec!["a".to_owned(), "b".to_owned()],
            key: String::new(),
            store: String::new(),
        };
        let namespace = sources.namespace(3);
        let items = namespace["items"].as_array().unwrap();
        // and the namespace itself
        assert_eq!((items.len() - 1) * NAMESPACES, 20_000);
        assert_eq!(noise(1, 100).len(), 100);
        assert_eq!(noise(1, 100), noise(1, 100));
        assert_ne!(noise(1, 100), noise(2, 100));
    }
}
