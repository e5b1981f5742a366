//! CAs that cannot sign: no key, another key, a key that cannot be read, another CA of that name.

use crate::support::ledger::Ledger;
use crate::support::{Issue, KeyKind, Tree};

const CA_KEY: &str = "/etc/kubernetes/pki/ca.key";
const ONE: [&str; 3] = ["renew", "apiserver", "--yes"];
const ALL: [&str; 3] = ["renew", "all", "--yes"];

/// What the cluster's CA signs, and the CA itself.
const OF_THE_CA: [&str; 5] = [
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/apiserver.crt",
    "/etc/kubernetes/admin.conf",
    "/var/lib/kubelet/pki",
];

/// What is wrong with a host.
type Damage = fn(&Tree);

#[test]
fn a_ca_whose_key_is_of_no_use() {
    let cases: [(&str, Damage); 8] = [
        ("the CA key is missing", |tree| tree.remove(CA_KEY)),
        ("the CA key is that of another CA", |tree| {
            tree.remove(CA_KEY);
            tree.copy("/etc/kubernetes/pki/etcd/ca.key", CA_KEY);
        }),
        ("the CA key is encrypted", |tree| encrypt(tree, CA_KEY)),
        ("the CA key is encrypted PKCS#8", |tree| {
            encrypt_pkcs8(tree, CA_KEY)
        }),
        ("the CA key is junk", |tree| {
            tree.write(CA_KEY, b"\x00\xff\xfejunk\x80")
        }),
        ("the CA key is empty", |tree| tree.write(CA_KEY, "")),
        ("the CA key is cut short", |tree| {
            let pem = tree.read(CA_KEY);
            tree.write(CA_KEY, &pem[..pem.len() / 2]);
        }),
        ("the CA key is a folder", |tree| {
            tree.remove(CA_KEY);
            tree.write(format!("{CA_KEY}/inside"), "");
        }),
    ];
    let host = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    for (case, damage) in cases {
        let tree = host.copied();
        damage(&tree);
        ledger.refused(case, &tree, &ONE);
        ledger.done_in_part(case, &tree, &ALL, &OF_THE_CA);
    }
    ledger.compare("authorities");
}

fn encrypt(tree: &Tree, key: &str) {
    let path = tree.real(key);
    tree.openssl(&[
        "ec",
        "-in",
        &path,
        "-aes128",
        "-passout",
        "pass:secret",
        "-out",
        &path,
    ]);
}

fn encrypt_pkcs8(tree: &Tree, key: &str) {
    let path = tree.real(key);
    let words = [
        "pkcs8",
        "-topk8",
        "-in",
        &path,
        "-v2",
        "aes-256-cbc",
        "-passout",
        "pass:secret",
    ];
    let pem = tree.openssl(&words);
    tree.write(key, pem);
}

#[test]
fn a_certificate_of_another_ca_than_its_name_says() {
    let tree = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    // The requests, signed by a CA of the same name.
    let words = ["renew", "apiserver", "--csr-dir", "/requests", "--yes"];
    tree.kubepki(&words).expect(0);
    tree.remove("/var/lib/kubepki");
    let authority = Issue {
        subject: "/CN=kubernetes",
        from_days: -1,
        until_days: 3000,
        extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n\
                     subjectKeyIdentifier=hash",
        ..Issue::default()
    };
    tree.issue("/impostor", &authority);
    let names = "DNS:cp1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
                 DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:10.77.0.11,IP:10.77.0.1";
    let extensions = format!("extendedKeyUsage=serverAuth\nsubjectAltName={names}");
    let leaf = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/impostor"),
        from_days: -1,
        until_days: 300,
        key: KeyKind::EcP256,
        extensions: &extensions,
        ..Issue::default()
    };
    let signed = tree.sign(&tree.real("/requests/apiserver.csr"), None, &leaf);
    tree.write("/requests/apiserver.crt", signed);
    let install = ["renew", "apiserver", "--install", "/requests", "--yes"];
    ledger.refused(
        "the certificate to install is signed by an impostor",
        &tree,
        &install,
    );

    // A CA of the same name in the place of the real one, without and with its key.
    tree.copy("/impostor.crt", "/etc/kubernetes/pki/ca.crt");
    ledger.refused("ca.crt is another CA of that name", &tree, &ONE);
    let tree = Tree::kubeadm().expired(30).build();
    tree.issue("/impostor", &authority);
    tree.issue(
        "/etc/kubernetes/pki/apiserver-new",
        &Issue {
            by: Some("/impostor"),
            subject: "/CN=kube-apiserver",
            extensions: &extensions,
            ..Issue::default()
        },
    );
    for ending in ["crt", "key"] {
        let new = format!("/etc/kubernetes/pki/apiserver-new.{ending}");
        tree.rename(new, format!("/etc/kubernetes/pki/apiserver.{ending}"));
    }
    let status = tree.kubepki(&["status"]).expect(4);
    let told: Vec<_> = status
        .stdout
        .lines()
        .filter(|line| line.contains("apiserver:"))
        .collect();
    let is_told = |line: &&str| line.contains("named like ca") && line.contains("another key");
    assert!(told.iter().any(is_told), "{told:?}");
    ledger.compare("impostors");
}
