//! Certificates, authorities and kubeconfigs put in the place of others.

use crate::support::{Issue, KeyKind, Tree};

pub const PKI: &str = "/etc/kubernetes/pki";
pub const CA: &str = "/etc/kubernetes/pki/ca";
pub const ETCD_CA: &str = "/etc/kubernetes/pki/etcd/ca";

pub const APISERVER_NAMES: &str = "DNS:cp1,DNS:kubernetes,DNS:kubernetes.default,\
DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:10.77.0.11,\
IP:10.77.0.1";
pub const ETCD_NAMES: &str = "DNS:cp1,DNS:localhost,IP:10.77.0.11,IP:127.0.0.1,IP:::1";

/// A certificate in the place of another, with a new key.
pub struct Forged<'a> {
    pub base: &'a str,
    pub subject: &'a str,
    pub by: &'a str,
    pub usage: &'a str,
    pub names: &'a str,
    pub days: (i64, i64),
    pub key: KeyKind,
}

impl Default for Forged<'_> {
    fn default() -> Self {
        Self {
            base: "/etc/kubernetes/pki/apiserver",
            subject: "/CN=kube-apiserver",
            by: CA,
            usage: "serverAuth",
            names: APISERVER_NAMES,
            days: (-65, 300),
            key: KeyKind::EcP256,
        }
    }
}

/// Puts it there.
pub fn forge(tree: &Tree, forged: &Forged<'_>) {
    tree.remove(format!("{}.key", forged.base));
    let mut extensions = format!(
        "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={}\n\
         authorityKeyIdentifier=keyid",
        forged.usage
    );
    if !forged.names.is_empty() {
        extensions.push_str(&format!("\nsubjectAltName={}", forged.names));
    }
    let issue = Issue {
        subject: forged.subject,
        by: Some(forged.by),
        from_days: forged.days.0,
        until_days: forged.days.1,
        key: forged.key,
        extensions: &extensions,
        ..Issue::default()
    };
    tree.issue(forged.base, &issue);
}

/// A CA in the place of another, or beside them.
pub fn forge_authority(tree: &Tree, base: &str, subject: &str) {
    let issue = Issue {
        subject,
        from_days: -400,
        until_days: 3250,
        extensions: "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\n\
                     basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash",
        ..Issue::default()
    };
    tree.issue(base, &issue);
}

/// A certificate of etcd's peer.
pub fn peer(tree: &Tree, usage: &str, names: &str, subject: &str) {
    forge(
        tree,
        &Forged {
            base: "/etc/kubernetes/pki/etcd/peer",
            subject,
            by: ETCD_CA,
            usage,
            names,
            ..Forged::default()
        },
    );
}

/// A client's certificate.
pub fn client(tree: &Tree, base: &str, subject: &str, by: &str, days: (i64, i64)) {
    forge(
        tree,
        &Forged {
            base,
            subject,
            by,
            usage: "clientAuth",
            names: "",
            days,
            ..Forged::default()
        },
    );
}

/// The value of a field that stands once in a kubeconfig.
pub fn field(tree: &Tree, path: &str, name: &str) -> String {
    let text = tree.text(path);
    let line = text.lines().find(|line| line.trim().starts_with(name));
    line.unwrap().split(": ").nth(1).unwrap().to_owned()
}

/// Changes the value of such a field.
pub fn set(tree: &Tree, path: &str, name: &str, value: &str) {
    let old = field(tree, path, name);
    tree.replace(path, &old, value);
}

/// Exchanges two files.
pub fn swap(tree: &Tree, one: &str, other: &str) {
    let (first, second) = (tree.read(one), tree.read(other));
    tree.write(one, second);
    tree.write(other, first);
}
