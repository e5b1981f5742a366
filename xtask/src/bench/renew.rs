//! `renew all` beside `kubeadm certs renew all`, each on its own fresh copy of one PKI.
//!
//! Both make ten keys and sign ten certificates. kubepki also plans, journals, keeps a backup and
//! syncs every file; nothing is restarted.

use anyhow::Result;

use super::Bench;
use super::measure::{Contender, in_turns};
use super::table;
use super::trees::{CONFIGURATION, Keys, Tree};

/// How long RSA keys take is chance; fewer rounds would measure luck.
const ROUNDS: u32 = 31;

/// With the RSA-2048 keys that kubeadm makes.
pub fn rsa(bench: &Bench) -> Result<()> {
    let tree = Tree::make(bench, "rsa", Keys::Rsa)?;
    let contenders = [kubeadm(bench, &tree), kubepki(bench, &tree, "kubepki", &[])];
    compare(bench, &tree, &contenders)
}

/// From RSA to ECDSA, then with a PKI that is ECDSA already.
pub fn ecdsa(bench: &Bench) -> Result<()> {
    println!("On the RSA PKI; kubepki changes the keys to P-256, which the RSA CAs sign:\n");
    let tree = Tree::make(bench, "rsa", Keys::Rsa)?;
    let contenders = [
        kubeadm(bench, &tree),
        kubepki(
            bench,
            &tree,
            "kubepki --key-type ecdsa:p256",
            &["--key-type", "ecdsa:p256"],
        ),
    ];
    compare(bench, &tree, &contenders)?;

    println!("On a PKI of P-256 (CAs too), which both keep; kubeadm on the RSA PKI as before:\n");
    let elliptic = Tree::make(bench, "ecdsa", Keys::Ecdsa)?;
    let contenders = [
        kubeadm(bench, &tree),
        kubepki(bench, &elliptic, "kubepki, ECDSA PKI", &[]),
    ];
    compare(bench, &elliptic, &contenders)?;

    println!("Both on the PKI of P-256:\n");
    let contenders = [
        kubeadm(bench, &elliptic),
        kubepki(bench, &elliptic, "kubepki", &[]),
        kubepki(bench, &elliptic, "kubepki --no-backup", &["--no-backup"]),
    ];
    compare(bench, &elliptic, &contenders)
}

fn compare(bench: &Bench, tree: &Tree, contenders: &[Contender<'_>]) -> Result<()> {
    let measured = in_turns(contenders, bench.turns(ROUNDS))?;
    for contender in contenders.iter().skip(1) {
        tree.check_renewed(&contender.name)?;
    }
    table::print(contenders, &measured);
    Ok(())
}

fn kubeadm<'a>(bench: &Bench, tree: &'a Tree) -> Contender<'a> {
    let root = tree.path("kubeadm").display().to_string();
    Contender::new(
        "kubeadm",
        &bench.kubeadm,
        &[
            "certs",
            "renew",
            "all",
            "--config",
            CONFIGURATION,
            "--rootfs",
            &root,
        ],
    )
    .prepared_by(move || tree.copy("kubeadm"))
}

fn kubepki<'a>(
    bench: &Bench,
    tree: &'a Tree,
    name: &'static str,
    options: &[&str],
) -> Contender<'a> {
    let root = tree.path(name).display().to_string();
    let mut arguments = vec![
        "renew",
        "all",
        "--force",
        "--yes",
        "--no-restart",
        "--root",
        &root,
    ];
    arguments.extend(options);
    Contender::new(name, &bench.program, &arguments).prepared_by(move || tree.copy(name))
}
