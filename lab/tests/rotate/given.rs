//! A CA that somebody else made, in every way in which it may come: an intermediate whose key lies with the
//! operator, a key at any path of a control plane, a request that is answered; and other types of key. By
//! hand: `KUBEPKI_ROTATE_GIVEN=yes`, with `KUBEPKI_LAB_USE=NAME` for a lab of `up 1 1` or more.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kubepki_lab::{Cluster, UsedLab, pem_body};

use crate::afterwards;
use crate::field::Field;
use crate::roots::Before;

const CA: &str = "/etc/kubernetes/pki/ca.crt";

#[test]
#[ignore = "needs root and the lab, and is asked for by KUBEPKI_ROTATE_GIVEN"]
fn a_ca_that_somebody_else_made_takes_over() -> Result<()> {
    if std::env::var_os("KUBEPKI_ROTATE_GIVEN").is_none() {
        println!("skipped: KUBEPKI_ROTATE_GIVEN asks for it");
        return Ok(());
    }
    let mut lab = UsedLab::up(1, 1)?;
    lab.is_spent();
    let cluster: &Cluster = &lab;
    let field = Field::new(cluster)?;
    let made = field.first()?.folder().join("given");
    if made.exists() {
        fs_err::remove_dir_all(&made)?;
    }
    fs_err::create_dir_all(&made)?;
    authorities(&made)?;
    an_intermediate_of_the_operators(&field, &made)?;
    a_key_at_any_path(&field, &made)?;
    a_request_that_is_answered(&field, &made)?;
    other_types_of_key(&field)
}

/// A root, an intermediate below it with its chain, and a CA for front proxies: OpenSSL's.
fn authorities(folder: &Path) -> Result<()> {
    here(
        folder,
        r#"
ca="basicConstraints=critical,CA:TRUE"; usage="keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout root.key \
  -subj "/O=Example/CN=Example Root" -days 3650 -out root.crt -addext "$usage"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout int.key \
  -subj "/O=Example/CN=Example Kubernetes Issuing CA" -out int.csr
printf '%s,pathlen:0\n%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "$ca" "$usage" >int.ext
openssl x509 -req -in int.csr -CA root.crt -CAkey root.key -CAcreateserial -days 1825 -extfile int.ext -out int.crt
cat int.crt root.crt >chain.pem
openssl req -x509 -newkey rsa:2048 -nodes -keyout proxy.key -subj "/CN=Example front proxy" -days 3650 \
  -out proxy.crt -addext "$usage"
"#,
    )
}

/// Runs a script of the operator's.
fn here(folder: &Path, script: &str) -> Result<()> {
    let done = std::process::Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()?;
    ensure!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

fn named(folder: &Path, file: &str) -> Result<String> {
    let path = folder.join(file);
    Ok(path.to_str().context("an odd temporary folder")?.to_owned())
}

fn is_over(field: &Field<'_>, before: &Before, root: &str) -> Result<()> {
    afterwards::the_old_is_known_nowhere(field, before, root)?;
    afterwards::kubeadm_is_content(field)?;
    afterwards::everything_works(field)
}

/// With the operator's key: it is trusted alone, its root nowhere.
fn an_intermediate_of_the_operators(field: &Field<'_>, made: &Path) -> Result<()> {
    let before = Before::of(field)?;
    let (chain, key) = (named(made, "chain.pem")?, named(made, "int.key")?);
    let words = [
        "run",
        "kubernetes-ca",
        "--new-ca",
        &chain,
        "--new-ca-key",
        &key,
    ];
    field.rotate(&words)?;
    is_over(field, &before, "kubernetes-ca")?;
    let intermediate = fs_err::read_to_string(made.join("int.crt"))?;
    for host in &field.hosts {
        let found = fs_err::read_to_string(host.path(CA))?;
        ensure!(
            pem_body(&found) == pem_body(&intermediate),
            "{} trusts another CA than the given one",
            host.name()
        );
    }
    Ok(())
}

/// A key that root put where nobody looks for one.
fn a_key_at_any_path(field: &Field<'_>, made: &Path) -> Result<()> {
    let before = Before::of(field)?;
    let first = field.first()?;
    first.shell("mkdir -p -m 700 /srv/handed-over")?;
    first.copy(&made.join("proxy.key"), "/srv/handed-over/a key")?;
    let place = format!("{}:/srv/handed-over/a key", first.name());
    let certificate = named(made, "proxy.crt")?;
    let words = [
        "run",
        "front-proxy-ca",
        "--new-ca",
        &certificate,
        "--new-ca-key",
        &place,
    ];
    field.rotate(&words)?;
    is_over(field, &before, "front-proxy-ca")
}

/// The key is made on the control plane, and its request signed by the root above.
fn a_request_that_is_answered(field: &Field<'_>, made: &Path) -> Result<()> {
    let before = Before::of(field)?;
    let (request, answer) = (named(made, "asked.csr")?, named(made, "answer.pem")?);
    field.rotate(&["start", "kubernetes-ca", "--new-ca-csr", &request])?;
    let waits = field.rotated(&["next"])?;
    ensure!(
        waits.stderr.contains("waits for the certificate"),
        "{}{}",
        waits.stdout,
        waits.stderr
    );
    here(
        made,
        "openssl x509 -req -in asked.csr -CA root.crt -CAkey root.key -CAcreateserial -days 900 \
           -copy_extensions copyall -out asked.crt\n\
         cat asked.crt root.crt >answer.pem",
    )?;
    field.rotate(&["next", "--new-ca", &answer])?;
    field.rotate(&["run"])?;
    is_over(field, &before, "kubernetes-ca")
}

/// A CA of another type of key, for another time and by another name; leafs keep their own types.
fn other_types_of_key(field: &Field<'_>) -> Result<()> {
    let before = Before::of(field)?;
    let words = [
        "run",
        "kubernetes-ca",
        "--key-type",
        "ecdsa:p256",
        "--validity",
        "5y",
        "--subject",
        "another name",
    ];
    field.rotate(&words)?;
    is_over(field, &before, "kubernetes-ca")?;
    let first = field.first()?;
    let text = first.shell(&format!("openssl x509 -in {CA} -noout -text"))?;
    ensure!(text.contains("prime256v1"), "{text}");
    ensure!(text.contains("another name"), "{text}");
    let leaf = first.shell("openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -text")?;
    ensure!(leaf.contains("rsaEncryption"), "{leaf}");
    let before = Before::of(field)?;
    field.rotate(&[
        "run",
        "service-account-key",
        "--key-type",
        "rsa:4096",
        "--pause-after",
        "settle",
    ])?;
    field.cluster.restart_pods()?;
    field.rotate(&["run"])?;
    is_over(field, &before, "service-account-key")?;
    let key = first.shell("openssl pkey -pubin -in /etc/kubernetes/pki/sa.pub -noout -text")?;
    ensure!(key.contains("4096 bit"), "{key}");
    Ok(())
}
