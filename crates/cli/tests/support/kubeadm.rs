//! A control plane as `kubeadm init` of v1.20 leaves it: its own manifests, unit and configuration
//! (the fixtures of the core), and certificates after its table, made by OpenSSL.

use super::files::{fixture, kubeconfig_text, leaf_extensions};
use super::issue::{Issue, KeyKind};
use super::prepared::prepared;
use super::tree::{Tree, base64};
use jiff::Timestamp;

/// The node's name.
pub const NODE: &str = "cp1";

/// One leaf of kubeadm's table.
pub struct Leaf {
    /// kubeadm's name.
    pub name: &'static str,
    /// Host path without ending.
    pub base: &'static str,
    /// Host path of its CA without ending.
    pub authority: &'static str,
    subject: &'static str,
    usage: &'static str,
    names: &'static str,
}

const CA: &str = "/etc/kubernetes/pki/ca";
const ETCD_CA: &str = "/etc/kubernetes/pki/etcd/ca";
const FRONT_PROXY_CA: &str = "/etc/kubernetes/pki/front-proxy-ca";
const ETCD_NAMES: &str = "DNS:cp1,DNS:localhost,IP:10.77.0.11,IP:127.0.0.1,IP:::1";

/// kubeadm's leafs in files.
pub const LEAFS: [Leaf; 7] = [
    Leaf {
        name: "apiserver",
        base: "/etc/kubernetes/pki/apiserver",
        authority: CA,
        subject: "/CN=kube-apiserver",
        usage: "serverAuth",
        names: "DNS:cp1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:10.77.0.11,IP:10.77.0.1",
    },
    Leaf {
        name: "apiserver-kubelet-client",
        base: "/etc/kubernetes/pki/apiserver-kubelet-client",
        authority: CA,
        subject: "/O=system:masters/CN=kube-apiserver-kubelet-client",
        usage: "clientAuth",
        names: "",
    },
    Leaf {
        name: "apiserver-etcd-client",
        base: "/etc/kubernetes/pki/apiserver-etcd-client",
        authority: ETCD_CA,
        subject: "/O=system:masters/CN=kube-apiserver-etcd-client",
        usage: "clientAuth",
        names: "",
    },
    Leaf {
        name: "front-proxy-client",
        base: "/etc/kubernetes/pki/front-proxy-client",
        authority: FRONT_PROXY_CA,
        subject: "/CN=front-proxy-client",
        usage: "clientAuth",
        names: "",
    },
    Leaf {
        name: "etcd-server",
        base: "/etc/kubernetes/pki/etcd/server",
        authority: ETCD_CA,
        subject: "/CN=cp1",
        usage: "serverAuth,clientAuth",
        names: ETCD_NAMES,
    },
    Leaf {
        name: "etcd-peer",
        base: "/etc/kubernetes/pki/etcd/peer",
        authority: ETCD_CA,
        subject: "/CN=cp1",
        usage: "serverAuth,clientAuth",
        names: ETCD_NAMES,
    },
    Leaf {
        name: "etcd-healthcheck-client",
        base: "/etc/kubernetes/pki/etcd/healthcheck-client",
        authority: ETCD_CA,
        subject: "/O=system:masters/CN=kube-etcd-healthcheck-client",
        usage: "clientAuth",
        names: "",
    },
];

/// kubeadm's kubeconfigs: name, user, subject.
const KUBECONFIGS: [(&str, &str, &str); 3] = [
    (
        "admin.conf",
        "kubernetes-admin",
        "/O=system:masters/CN=kubernetes-admin",
    ),
    (
        "controller-manager.conf",
        "system:kube-controller-manager",
        "/CN=system:kube-controller-manager",
    ),
    (
        "scheduler.conf",
        "system:kube-scheduler",
        "/CN=system:kube-scheduler",
    ),
];

const MANIFESTS: [&str; 4] = [
    "etcd.yaml",
    "kube-apiserver.yaml",
    "kube-controller-manager.yaml",
    "kube-scheduler.yaml",
];

/// What kind of host to make.
#[derive(Debug)]
pub struct Builder {
    now: Option<Timestamp>,
    from_days: i64,
    until_days: i64,
    ca_until_days: i64,
    key: KeyKind,
    super_admin: bool,
    kubelet_serving: Serving,
}

#[derive(Debug)]
enum Serving {
    Store,
    SelfSigned,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            now: None,
            from_days: -395,
            until_days: -30,
            ca_until_days: 3250,
            key: KeyKind::EcP256,
            super_admin: false,
            kubelet_serving: Serving::Store,
        }
    }
}

impl Builder {
    /// Leafs and kubeconfigs expired this many days ago.
    pub fn expired(mut self, days: i64) -> Self {
        (self.from_days, self.until_days) = (-days - 365, -days);
        self
    }

    /// Leafs and kubeconfigs are valid for this many days more.
    pub fn valid(mut self, days: i64) -> Self {
        (self.from_days, self.until_days) = (days - 365, days);
        self
    }

    /// The CAs end this many days from now; negative: they have expired.
    pub fn authorities_end(mut self, days: i64) -> Self {
        self.ca_until_days = days;
        self
    }

    /// Times are counted from this one instead of from the clock.
    pub fn at(mut self, now: &str) -> Self {
        self.now = Some(now.parse().unwrap());
        self
    }

    /// Keys of RSA-2048, as kubeadm's default; EC otherwise, for speed.
    pub fn rsa(self) -> Self {
        self.keys(KeyKind::Rsa(2048))
    }

    /// The kind of every key.
    pub fn keys(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// With `super-admin.conf`, as kubeadm 1.29 and later.
    pub fn super_admin(mut self) -> Self {
        self.super_admin = true;
        self
    }

    /// The kubelet serves a certificate that it signed itself (`kubelet.crt`) instead of one from
    /// its certificate store.
    pub fn self_signed_kubelet(mut self) -> Self {
        self.kubelet_serving = Serving::SelfSigned;
        self
    }

    /// The host, made now or within the last minutes: its own `now` says when.
    pub fn build(self) -> Tree {
        prepared(&format!("{self:?}"), || self.make())
    }

    fn empty(&self) -> Tree {
        let mut tree = Tree::empty();
        tree.now = self.now.unwrap_or(tree.now);
        tree
    }

    fn make(&self) -> Tree {
        let tree = self.empty();
        self.configuration(&tree);
        self.authorities(&tree);
        for leaf in &LEAFS {
            let extensions = leaf_extensions(leaf.usage, leaf.names);
            tree.issue(
                leaf.base,
                &self.leaf(leaf.subject, leaf.authority, &extensions),
            );
        }
        for (name, user, subject) in KUBECONFIGS {
            self.kubeconfig(&tree, name, user, subject);
        }
        if self.super_admin {
            let subject = "/O=system:masters/CN=kubernetes-super-admin";
            self.kubeconfig(&tree, "super-admin.conf", "kubernetes-super-admin", subject);
        }
        self.kubelet(&tree);
        tree
    }

    fn leaf<'a>(&self, subject: &'a str, by: &'a str, extensions: &'a str) -> Issue<'a> {
        Issue {
            subject,
            by: Some(by),
            from_days: self.from_days,
            until_days: self.until_days,
            key: self.key,
            extensions,
            serial: None,
            as_requested: false,
        }
    }

    /// Makes a host with the kubelet's unit and configuration, and nothing of kubeadm's folder.
    pub fn before_kubeadm(self) -> Tree {
        let tree = self.empty();
        self.kubelet_configuration(&tree);
        tree
    }

    fn configuration(&self, tree: &Tree) {
        for name in MANIFESTS {
            tree.write_with_mode(
                format!("/etc/kubernetes/manifests/{name}"),
                fixture(name),
                0o600,
            );
        }
        self.kubelet_configuration(tree);
    }

    fn kubelet_configuration(&self, tree: &Tree) {
        let units = "/usr/lib/systemd/system";
        tree.write(
            format!("{units}/kubelet.service"),
            fixture("kubelet.service"),
        );
        tree.write(
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
            fixture("10-kubeadm.conf"),
        );
        tree.write(
            "/var/lib/kubelet/kubeadm-flags.env",
            fixture("kubeadm-flags.env"),
        );
        let config = String::from_utf8(fixture("kubelet-config.yaml")).unwrap();
        let config = match self.kubelet_serving {
            Serving::Store => config,
            Serving::SelfSigned => config.replace("serverTLSBootstrap: true\n", ""),
        };
        tree.write("/var/lib/kubelet/config.yaml", config);
    }

    fn authorities(&self, tree: &Tree) {
        for (base, subject) in [
            (CA, "/CN=kubernetes"),
            (ETCD_CA, "/CN=etcd-ca"),
            (FRONT_PROXY_CA, "/CN=front-proxy-ca"),
        ] {
            tree.issue(base, &self.authority(subject));
        }
        tree.write_with_mode("/etc/kubernetes/pki/sa.key", tree.key_pem(self.key), 0o600);
        let key = tree.path("/etc/kubernetes/pki/sa.key");
        let public = tree.openssl(&["pkey", "-in", key.to_str().unwrap(), "-pubout"]);
        tree.write_with_mode("/etc/kubernetes/pki/sa.pub", public, 0o644);
    }

    /// A CA as kubeadm v1.20 makes it: serial number 0, valid from before its leafs.
    pub fn authority<'a>(&self, subject: &'a str) -> Issue<'a> {
        Issue {
            subject,
            by: None,
            from_days: self.from_days.min(self.ca_until_days - 3650).min(-400),
            until_days: self.ca_until_days,
            key: self.key,
            extensions: "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\n\
                         basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash",
            serial: Some("00"),
            as_requested: false,
        }
    }

    fn kubeconfig(&self, tree: &Tree, name: &str, user: &str, subject: &str) {
        let base = format!("/made/{user}");
        let extensions = leaf_extensions("clientAuth", "");
        tree.issue(&base, &self.leaf(subject, CA, &extensions));
        let text = kubeconfig_text(
            user,
            &tree.read(format!("{CA}.crt")),
            &tree.read(format!("{base}.crt")),
            &tree.read(format!("{base}.key")),
        );
        tree.write_with_mode(format!("/etc/kubernetes/{name}"), text, 0o600);
        tree.remove("/made");
    }

    fn kubelet(&self, tree: &Tree) {
        let stamp = tree.day(self.from_days).strftime("%Y-%m-%d-%H-%M-%S");
        let store = "/var/lib/kubelet/pki";
        let subject = format!("/O=system:nodes/CN=system:node:{NODE}");
        let mut kinds = vec![("client", "clientAuth", "")];
        match self.kubelet_serving {
            Serving::Store => kinds.push(("server", "serverAuth", "DNS:cp1,IP:10.77.0.11")),
            Serving::SelfSigned => self.self_signed(tree, store),
        }
        for (kind, usage, names) in kinds {
            let extensions = leaf_extensions(usage, names);
            tree.issue("/made/kubelet", &self.leaf(&subject, CA, &extensions));
            let pair = [
                tree.read("/made/kubelet.crt"),
                tree.read("/made/kubelet.key"),
            ]
            .concat();
            tree.remove("/made");
            let target = format!("{store}/kubelet-{kind}-{stamp}.pem");
            tree.write_with_mode(&target, pair, 0o600);
            tree.symlink(format!("{store}/kubelet-{kind}-current.pem"), target);
        }
        let ca = base64(tree.read(format!("{CA}.crt")));
        let text = String::from_utf8(fixture("kubelet.conf")).unwrap();
        let text: String = text
            .split_inclusive('\n')
            .map(|line| match line.find("certificate-authority-data: ") {
                Some(start) => {
                    let key = &line[..start];
                    format!("{key}certificate-authority-data: {ca}\n")
                }
                None => line.to_owned(),
            })
            .collect();
        tree.write_with_mode("/etc/kubernetes/kubelet.conf", text, 0o600);
    }

    /// As the kubelet makes it: a leaf and the CA of the moment that signed it, whose key is gone.
    fn self_signed(&self, tree: &Tree, store: &str) {
        let moment = tree.day(self.from_days).as_second();
        let issuer = format!("/CN={NODE}-ca@{moment}");
        let authority = Issue {
            from_days: self.from_days,
            until_days: self.until_days,
            serial: None,
            ..self.authority(&issuer)
        };
        tree.issue("/made/ca", &authority);
        let subject = format!("/CN={NODE}@{moment}");
        let extensions = leaf_extensions("serverAuth", "DNS:cp1");
        tree.issue("/made/leaf", &self.leaf(&subject, "/made/ca", &extensions));
        let chain = [tree.read("/made/leaf.crt"), tree.read("/made/ca.crt")].concat();
        tree.write_with_mode(format!("{store}/kubelet.crt"), chain, 0o644);
        tree.write_with_mode(
            format!("{store}/kubelet.key"),
            tree.read("/made/leaf.key"),
            0o600,
        );
        tree.remove("/made");
    }
}
