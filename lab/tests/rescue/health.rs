//! What "it is back" means: asked of the cluster itself, and in the end of the program under test,
//! whose doctor must have nothing left to say.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kubepki_lab::{EtcdObjects, Host, WORKLOAD_NAMESPACE, together, until};
use serde_json::Value;

use crate::field::Field;
use crate::symptoms;

/// Fails with the first thing that is not as it should be.
pub fn works(field: &Field<'_>) -> Result<()> {
    timed("nodes", || field.ready())?;
    timed("logs and commands", || {
        together(&field.control_planes, |host| {
            answers_and_reaches_every_pod(field, host)
        })
    })?;
    timed("etcd and files", || {
        together(&field.control_planes, |host| {
            let etcd = host.exec(["sh", "-c", symptoms::ETCD_HEALTH])?;
            if !etcd.success() {
                bail!("etcd is not healthy: {}", etcd.stderr);
            }
            Ok(())
        })?;
        together(&field.hosts, nothing_ends_soon)
    })?;
    timed("tokens", || tokens_of_pods_are_accepted(field))
}

/// Says how long a proof took.
pub fn timed<T>(what: &str, proof: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let proved = proof()?;
    println!("    {what}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(proved)
}

/// kubectl by this API server alone: nodes, and logs and a command of every pod.
fn answers_and_reaches_every_pod(field: &Field<'_>, host: &Host) -> Result<()> {
    for pod in &field.hosts {
        let name = pod.name();
        let logs = field.kubectl(host, &["logs", "-n", WORKLOAD_NAMESPACE, name])?;
        if logs.stdout.trim() != format!("started on {name}") {
            bail!("logs of {name}: {}{}", logs.stdout, logs.stderr);
        }
        let echo = ["--", "/usr/bin/dash", "-c", "echo heard"];
        let command = [&["exec", "-n", WORKLOAD_NAMESPACE, name], &echo[..]].concat();
        let answer = field.kubectl(host, &command)?;
        if answer.stdout.trim() != "heard" {
            bail!("a command in {name}: {}{}", answer.stdout, answer.stderr);
        }
    }
    Ok(())
}

/// OpenSSL's opinion of every file that begins with a certificate.
fn nothing_ends_soon(host: &Host) -> Result<()> {
    let ending = host.shell(
        "for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt \
         /var/lib/kubelet/pki/kubelet-client-current.pem; do \
         [ ! -e $file ] || openssl x509 -noout -checkend 86400 -in $file >/dev/null || echo $file; done",
    )?;
    if !ending.is_empty() {
        bail!("ended, or about to: {ending}");
    }
    Ok(())
}

/// What a pod was given: its token's Secret, with the CA certificate that it checks the API by.
fn tokens_of_pods_are_accepted(field: &Field<'_>) -> Result<()> {
    let first = field.control_plane(1)?;
    let of = |key: &str| {
        let fields = format!(
            "jsonpath={{.items[?(@.type=='kubernetes.io/service-account-token')].data.{key}}}"
        );
        let secrets = ["get", "secrets", "-n", WORKLOAD_NAMESPACE, "-o", &fields];
        let found = field.kubectl(first, &secrets)?;
        let one = found.stdout.split_whitespace().next().map(str::to_owned);
        one.with_context(|| format!("no {key} of a service account"))
    };
    let token = of("token")?;
    // published by the controller-manager some seconds after it has started
    until(
        "pods' tokens to be accepted by every API server",
        Duration::from_secs(60),
        || {
            let authority = of("ca\\.crt")?;
            for host in &field.control_planes {
                let script = format!(
                    "echo {authority} | base64 -d >/root/pods-ca.crt; curl --silent \
                     --output /dev/null --write-out '%{{http_code}}' --cacert /root/pods-ca.crt \
                     --header \"Authorization: Bearer $(echo {token} | base64 -d)\" \
                     https://{}:6443/apis || true",
                    host.address()
                );
                if host.shell(&script)? != "200" {
                    return Ok(false);
                }
            }
            Ok(true)
        },
    )
}

/// The program under test has nothing critical to say of any host.
pub fn the_doctor_is_silent(field: &Field<'_>) -> Result<()> {
    let doctor = field.access.kubepki(&["doctor", "-o", "json"])?;
    let document: Value = serde_json::from_str(&doctor.stdout)
        .with_context(|| format!("the doctor said no JSON: {}", doctor.stderr))?;
    let mut critical = Vec::new();
    criticals(&document, &mut critical);
    if !critical.is_empty() || doctor.status == 1 {
        bail!(
            "the doctor (status {}) still complains:\n{}\n{}",
            doctor.status,
            critical.join("\n"),
            doctor.stderr
        );
    }
    Ok(())
}

/// Wherever in the document they stand.
fn criticals(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if fields.get("severity").and_then(Value::as_str) == Some("critical") {
                found.push(value.to_string());
            }
            for field in fields.values() {
                criticals(field, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                criticals(item, found);
            }
        }
        _ => {}
    }
}

/// Everything that lies in etcd, when nothing changes it any more by itself.
pub fn objects(field: &Field<'_>) -> Result<EtcdObjects> {
    let first = field.control_plane(1)?;
    let mut last = first.etcd_objects()?;
    until(
        "the cluster to come to rest",
        Duration::from_secs(60),
        || {
            std::thread::sleep(Duration::from_secs(2));
            let now = first.etcd_objects()?;
            let rests = now.digest() == last.digest();
            last = now;
            Ok(rests)
        },
    )?;
    Ok(last)
}

/// That the objects of `before` are all there; mirror pods and what controllers publish come back by
/// themselves within a minute.
pub fn nothing_is_lost(
    field: &Field<'_>,
    before: &EtcdObjects,
    authorities_change: bool,
) -> Result<EtcdObjects> {
    let first = field.control_plane(1)?;
    let mut differences = Vec::new();
    let mut after = EtcdObjects::default();
    let same = until("nothing to be lost", Duration::from_secs(60), || {
        after = first.etcd_objects()?;
        differences = before.differences(&after, authorities_change);
        Ok(differences.is_empty())
    });
    same.with_context(|| differences.join("\n"))?;
    Ok(after)
}
