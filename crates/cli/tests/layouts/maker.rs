//! Makes a host by hand: authorities and certificates under any name, kubeconfigs, units.

use crate::support::{Issue, Tree, base64};
use std::collections::BTreeMap;

/// Usages of what is server and client.
pub const BOTH: &str = "serverAuth,clientAuth";

/// A host in the making.
pub struct Maker {
    pub tree: Tree,
    until_days: i64,
}

/// A certificate in files.
pub struct Leaf<'a> {
    pub certificate: String,
    pub key: String,
    /// The authority's name, as it was made.
    pub by: &'a str,
    pub subject: &'a str,
    pub usages: &'a str,
    pub names: &'a str,
}

impl Maker {
    /// On this host everything ended so many days ago.
    pub fn on(tree: Tree, days: i64) -> Self {
        Self {
            tree,
            until_days: -days,
        }
    }

    /// An authority that signs under `name`, with its certificate and its key at these paths.
    pub fn authority(&self, name: &str, subject: &str, certificate: &str, key: Option<&str>) {
        let base = format!("/made/{name}");
        self.tree.issue(&base, &Tree::kubeadm().authority(subject));
        self.tree.copy(format!("{base}.crt"), certificate);
        if let Some(key) = key {
            self.tree.copy(format!("{base}.key"), key);
        }
    }

    pub fn leaf(&self, leaf: &Leaf<'_>) {
        let mut extensions = format!(
            "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={}\n\
             basicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid",
            leaf.usages
        );
        if !leaf.names.is_empty() {
            extensions += &format!("\nsubjectAltName={}", leaf.names);
        }
        let by = format!("/made/{}", leaf.by);
        let issue = Issue {
            subject: leaf.subject,
            by: Some(&by),
            from_days: self.until_days - 365,
            until_days: self.until_days,
            extensions: &extensions,
            ..Issue::default()
        };
        self.tree.issue_into(&leaf.certificate, &leaf.key, &issue);
    }

    /// A leaf in `BASE.pem` and `BASE-key.pem`.
    pub fn pem(&self, base: &str, by: &str, subject: &str, usages: &str, names: &str) {
        self.leaf(&Leaf {
            certificate: format!("{base}.pem"),
            key: format!("{base}-key.pem"),
            by,
            subject,
            usages,
            names,
        });
    }

    /// A leaf in `BASE.crt` and `BASE.key`.
    pub fn crt(&self, base: &str, by: &str, subject: &str, usages: &str) {
        self.leaf(&Leaf {
            certificate: format!("{base}.crt"),
            key: format!("{base}.key"),
            by,
            subject,
            usages,
            names: "",
        });
    }

    /// A kubeconfig with these files in it.
    pub fn embedding(&self, path: &str, ca: &str, certificate: &str, key: &str) {
        let data = |path: &str| base64(self.tree.read(path));
        self.kubeconfig(
            path,
            &format!("certificate-authority-data: {}", data(ca)),
            &format!(
                "client-certificate-data: {}\n    client-key-data: {}",
                data(certificate),
                data(key)
            ),
        );
    }

    /// A kubeconfig that names these files.
    pub fn naming(&self, path: &str, ca: &str, certificate: &str, key: &str) {
        self.kubeconfig(
            path,
            &format!("certificate-authority: {ca}"),
            &format!("client-certificate: {certificate}\n    client-key: {key}"),
        );
    }

    fn kubeconfig(&self, path: &str, trust: &str, user: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: local\n  cluster:\n    {trust}\n    \
             server: https://127.0.0.1:6443\ncontexts:\n- name: default\n  context: {{cluster: local, \
             user: user}}\ncurrent-context: default\nusers:\n- name: user\n  user:\n    {user}\n"
        );
        self.tree.write_with_mode(path, text, 0o600);
    }

    pub fn unit(&self, name: &str, flags: &[&str]) {
        let flags = flags.join(" \\\n  ");
        self.tree.write(
            format!("/etc/systemd/system/{name}.service"),
            format!("[Service]\nExecStart=/opt/kube/bin/{name} \\\n  {flags}\nRestart=always\n"),
        );
    }

    /// The host, without what only its making needed.
    pub fn made(self) -> Tree {
        self.tree.remove("/made");
        self.tree
    }
}

/// What everything that the status lists is for, by path; and the layout's name.
pub fn roles(tree: &Tree) -> (String, BTreeMap<String, String>) {
    let status = tree.status();
    let rows = status["certificates"].as_array().unwrap().iter();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (
        word(&status["layout"]["name"]),
        rows.map(|row| (word(&row["path"]), word(&row["role"])))
            .collect(),
    )
}

/// Holds the list of everything against what the status lists.
#[track_caller]
pub fn assert_roles(tree: &Tree, layout: &str, expected: &[(&str, &str)]) {
    let (name, found) = roles(tree);
    assert_eq!(name, layout);
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(path, role)| ((*path).to_owned(), (*role).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

/// Everything is renewed, and a second time nothing is.
#[track_caller]
pub fn assert_renews(tree: &Tree) {
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let status = tree.kubepki(&["status", "-o", "json"]).expect(0).json();
    for row in status["certificates"].as_array().unwrap() {
        assert_eq!(row["signedByCa"], true, "{row:#}");
        assert_eq!(row["keyMatches"], true, "{row:#}");
    }
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_unchanged(&before);
}
