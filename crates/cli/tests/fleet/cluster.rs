//! Three control planes and two workers as kubeadm leaves them, each in a folder, with a document that
//! names them. Only CA keys and the service-account key are on several hosts, as kubeadm has it.

use crate::support::files::{fixture, leaf_extensions};
use crate::support::{Issue, LEAFS, NODE, Output, Tree, base64};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Days that leafs are valid for, from when and until when.
#[derive(Clone, Copy)]
pub struct Validity(pub i64, pub i64);

/// Ended thirty days ago.
pub const EXPIRED: Validity = Validity(-395, -30);
/// Good for two hundred days more.
pub const VALID: Validity = Validity(-165, 200);

/// The hosts with their trees, and a folder for the user.
pub struct Cluster {
    pub hosts: Vec<(&'static str, Tree)>,
    pub folder: TempDir,
}

const CA: &str = "/etc/kubernetes/pki/ca";
const STORE: &str = "/var/lib/kubelet/pki";

impl Cluster {
    /// Three control planes and two workers.
    pub fn three_and_two(validity: Validity) -> Self {
        let cp1 = Tree::kubeadm().build();
        let mut hosts = vec![("cp1", cp1)];
        for (name, address) in [("cp2", "10.77.0.12"), ("cp3", "10.77.0.13")] {
            let tree = hosts[0].1.copied();
            rename(&tree, name, address);
            hosts.push((name, tree));
        }
        for (name, address) in [("w1", "10.77.0.21"), ("w2", "10.77.0.22")] {
            let tree = worker(&hosts[0].1, name);
            kubelet(&hosts[0].1, &tree, name, address, validity);
            hosts.push((name, tree));
        }
        for (name, tree) in hosts.iter().take(3) {
            let address = format!("10.77.0.1{}", &name[2..]);
            control_plane(tree, name, &address, validity);
        }
        let cluster = Self {
            hosts,
            folder: tempfile::tempdir().unwrap(),
        };
        cluster.write_document(|name, tree| format!("{{name: {name}, root: {tree}}}"));
        cluster
    }

    /// Writes `kubepki.yaml` with a line for every host.
    pub fn write_document(&self, line: impl Fn(&str, &str) -> String) {
        let hosts: String = self
            .hosts
            .iter()
            .map(|(name, tree)| format!("- {}\n", line(name, tree.root().to_str().unwrap())))
            .collect();
        let text =
            format!("apiVersion: kubepki.dev/v1alpha1\nkind: Cluster\nname: test\nhosts:\n{hosts}");
        fs::write(self.folder.path().join("kubepki.yaml"), text).unwrap();
    }

    pub fn tree(&self, name: &str) -> &Tree {
        let found = self.hosts.iter().find(|(host, _)| *host == name);
        &found.unwrap().1
    }

    /// Runs the binary where the document lies, without a terminal.
    pub fn kubepki(&self, words: &[&str]) -> Output {
        let output = Command::new("setsid")
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_kubepki"))
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every private key on every host: its PEM, and on which hosts it lies.
    pub fn private_keys(&self) -> BTreeMap<String, Vec<&'static str>> {
        let mut keys: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for (name, tree) in &self.hosts {
            for key in private_keys_below(&tree.root()) {
                let hosts = keys.entry(key).or_default();
                if !hosts.contains(name) {
                    hosts.push(name);
                }
            }
        }
        keys
    }
}

/// Every private key in the files below a folder, kubeconfigs' embedded ones decoded, archives read as
/// what they are: plain tar.
pub fn private_keys_below(folder: &Path) -> Vec<String> {
    let mut keys = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                keys.extend(pem_keys(&text));
                for line in text.lines() {
                    if let Some((_, data)) = line.split_once("client-key-data: ") {
                        let decoded = crate::support::unbase64(data.trim().trim_matches('"'));
                        keys.extend(pem_keys(&String::from_utf8_lossy(&decoded)));
                    }
                }
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn pem_keys(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        rest = &rest[start..];
        let Some(end) = rest.find("\n-----END ") else {
            break;
        };
        let block = &rest[..end];
        if block.lines().next().unwrap().contains("PRIVATE KEY") {
            keys.push(block.lines().skip(1).collect::<String>());
        }
        rest = &rest[end + 1..];
    }
    keys
}

/// Gives a copied control plane another name and address.
fn rename(tree: &Tree, name: &str, address: &str) {
    tree.write("/etc/hostname", format!("{name}\n"));
    for manifest in ["etcd", "kube-apiserver"] {
        let path = format!("/etc/kubernetes/manifests/{manifest}.yaml");
        let text = tree.text(&path);
        tree.write(
            &path,
            text.replace("10.77.0.11", address).replace(NODE, name),
        );
    }
    let path = "/etc/kubernetes/kubelet.conf";
    tree.write(path, tree.text(path).replace(NODE, name));
    let stale = tree.list(STORE);
    for file in stale {
        tree.remove(format!("{STORE}/{file}"));
    }
}

/// Issues every leaf of a control plane anew, for its own name and with keys of its own.
fn control_plane(tree: &Tree, name: &str, address: &str, validity: Validity) {
    for leaf in &LEAFS {
        let subject = tree.x509(
            &format!("{}.crt", leaf.base),
            &["-subject", "-nameopt", "RFC2253"],
        );
        let subject: String = subject
            .trim()
            .trim_start_matches("subject=")
            .split(',')
            .rev()
            .map(|part| format!("/{}", part.trim()))
            .collect();
        let names = names_of(leaf.name, name, address);
        let usage = match leaf.name {
            "apiserver" => "serverAuth",
            "etcd-server" | "etcd-peer" => "serverAuth,clientAuth",
            _ => "clientAuth",
        };
        tree.remove(format!("{}.key", leaf.base));
        issue(
            tree,
            leaf.base,
            &subject.replace(NODE, name),
            leaf.authority,
            &leaf_extensions(usage, &names),
            validity,
        );
    }
    for (file, subject) in [
        ("admin.conf", "/O=system:masters/CN=kubernetes-admin"),
        (
            "controller-manager.conf",
            "/CN=system:kube-controller-manager",
        ),
        ("scheduler.conf", "/CN=system:kube-scheduler"),
    ] {
        issue(
            tree,
            "/made/user",
            subject,
            CA,
            &leaf_extensions("clientAuth", ""),
            validity,
        );
        let path = format!("/etc/kubernetes/{file}");
        for (field, ending) in [
            ("client-certificate-data", "crt"),
            ("client-key-data", "key"),
        ] {
            let old = base64(tree.kubeconfig_value(&path, field));
            tree.replace(
                &path,
                &old,
                &base64(tree.read(format!("/made/user.{ending}"))),
            );
        }
        tree.remove("/made");
    }
    let stale = match tree.exists(STORE) {
        true => tree.list(STORE),
        false => Vec::new(),
    };
    for file in stale {
        tree.remove(format!("{STORE}/{file}"));
    }
    kubelet(tree, tree, name, address, validity);
}

fn names_of(leaf: &str, name: &str, address: &str) -> String {
    match leaf {
        "apiserver" => format!(
            "DNS:{name},DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:{address},IP:10.77.0.1"
        ),
        "etcd-server" | "etcd-peer" => {
            format!("DNS:{name},DNS:localhost,IP:{address},IP:127.0.0.1,IP:::1")
        }
        _ => String::new(),
    }
}

fn issue(tree: &Tree, base: &str, subject: &str, by: &str, extensions: &str, validity: Validity) {
    tree.issue(
        base,
        &Issue {
            subject,
            by: Some(by),
            from_days: validity.0,
            until_days: validity.1,
            extensions,
            ..Issue::default()
        },
    );
}

/// A node that has joined: a kubelet, and the CA's certificate without its key.
fn worker(cp1: &Tree, name: &str) -> Tree {
    let mut tree = Tree::empty();
    tree.now = cp1.now;
    tree.write("/etc/hostname", format!("{name}\n"));
    for (path, file) in [
        ("/usr/lib/systemd/system/kubelet.service", "kubelet.service"),
        (
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
            "10-kubeadm.conf",
        ),
        ("/var/lib/kubelet/kubeadm-flags.env", "kubeadm-flags.env"),
        ("/var/lib/kubelet/config.yaml", "kubelet-config.yaml"),
    ] {
        tree.write(path, fixture(file));
    }
    tree.write(format!("{CA}.crt"), cp1.read(format!("{CA}.crt")));
    let kubeconfig = cp1.text("/etc/kubernetes/kubelet.conf").replace(NODE, name);
    tree.write_with_mode("/etc/kubernetes/kubelet.conf", kubeconfig, 0o600);
    tree
}

/// The kubelet's certificates, signed by the CA of `cp1`.
fn kubelet(cp1: &Tree, tree: &Tree, name: &str, address: &str, validity: Validity) {
    let subject = format!("/O=system:nodes/CN=system:node:{name}");
    let names = format!("DNS:{name},IP:{address}");
    for (kind, usage, names) in [
        ("client", "clientAuth", ""),
        ("server", "serverAuth", &names),
    ] {
        issue(
            cp1,
            "/made/kubelet",
            &subject,
            CA,
            &leaf_extensions(usage, names),
            validity,
        );
        let pair = [cp1.read("/made/kubelet.crt"), cp1.read("/made/kubelet.key")].concat();
        cp1.remove("/made");
        let stamp = tree.day(validity.0).strftime("%Y-%m-%d-%H-%M-%S");
        let target = format!("{STORE}/kubelet-{kind}-{stamp}.pem");
        tree.write_with_mode(&target, pair, 0o600);
        tree.symlink(format!("{STORE}/kubelet-{kind}-current.pem"), target);
    }
}
