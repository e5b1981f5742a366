//! Files that are not what they should be.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const ONE: [&str; 3] = ["renew", "apiserver", "--yes"];
const CERTIFICATE: &str = "/etc/kubernetes/pki/apiserver.crt";
const KEY: &str = "/etc/kubernetes/pki/apiserver.key";

fn folder(tree: &Tree, path: &str) {
    tree.remove(path);
    tree.write(format!("{path}/inside"), "");
}

fn pipe(tree: &Tree, path: &str) {
    tree.remove(path);
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, tree.path(path), FileType::Fifo, mode, 0).unwrap();
}

/// What is wrong with a host.
type Damage = fn(&Tree);

#[test]
fn a_file_that_is_something_else() {
    let cases: [(&str, &str, Damage); 12] = [
        ("the certificate is a folder", "apiserver", |tree| {
            folder(tree, CERTIFICATE)
        }),
        ("the certificate is a pipe", "apiserver", |tree| {
            pipe(tree, CERTIFICATE)
        }),
        ("the certificate is binary junk", "apiserver", |tree| {
            tree.write(CERTIFICATE, b"\x00\xff\xfe\x80");
        }),
        ("the certificate is cut short", "apiserver", |tree| {
            let pem = tree.read(CERTIFICATE);
            tree.write(CERTIFICATE, &pem[..pem.len() / 2]);
        }),
        ("a byte of the certificate is wrong", "apiserver", |tree| {
            let mut pem = tree.read(CERTIFICATE);
            pem[100] = 0xff;
            tree.write(CERTIFICATE, pem);
        }),
        ("the certificate is too large", "apiserver", |tree| {
            tree.write(CERTIFICATE, vec![b' '; 17 << 20]);
        }),
        (
            "the certificate is a link to nowhere",
            "apiserver",
            |tree| {
                tree.symlink(CERTIFICATE, "/nowhere/apiserver.crt");
            },
        ),
        ("the certificate is a link to itself", "apiserver", |tree| {
            tree.symlink(CERTIFICATE, "apiserver.crt");
        }),
        ("the key is a folder", "apiserver", |tree| folder(tree, KEY)),
        ("the key is a pipe", "apiserver", |tree| pipe(tree, KEY)),
        ("the kubeconfig is a folder", "admin.conf", |tree| {
            folder(tree, "/etc/kubernetes/admin.conf");
        }),
        ("a byte of the kubeconfig is wrong", "admin.conf", |tree| {
            let path = "/etc/kubernetes/admin.conf";
            let mut text = tree.read(path);
            text[30] = 0xff;
            tree.write(path, text);
        }),
    ];
    let host = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    for (case, name, damage) in cases {
        let tree = host.copied();
        damage(&tree);
        ledger.refused(case, &tree, &["renew", name, "--yes"]);
    }
    ledger.compare("files");
}

/// A rename asks nothing of the file that it replaces, so root and others who may write the folder
/// are not stopped by 0400; the mode stays.
#[test]
fn a_read_only_file_is_replaced_and_stays_read_only() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.set_mode(CERTIFICATE, 0o444);
    tree.set_mode(KEY, 0o400);
    tree.kubepki(&ONE).expect(0);
    let mode = |path| tree.path(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(CERTIFICATE), mode(KEY)), (0o444, 0o400));
    tree.assert_pair(CERTIFICATE, KEY);
}

#[test]
fn ten_megabytes_of_pem_are_read_and_kept() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = "not a certificate, but somebody's notes about one\n".repeat(10 * 20_000);
    let pem = tree.text(CERTIFICATE);
    tree.write(CERTIFICATE, format!("{text}{pem}"));
    let bundle = tree.text("/etc/kubernetes/pki/ca.crt");
    let copies = (10 << 20) / bundle.len();
    tree.write("/etc/kubernetes/pki/ca.crt", bundle.repeat(copies));
    let begin = Instant::now();
    tree.kubepki(&ONE).expect(0);
    let took = begin.elapsed();
    assert!(
        tree.text(CERTIFICATE).starts_with(&text),
        "the text around it is kept"
    );
    assert_ne!(tree.text(CERTIFICATE), format!("{text}{pem}"));
    assert!(took < Duration::from_secs(20), "{took:?}");
}
