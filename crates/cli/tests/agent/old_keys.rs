//! Old private keys of roots in the backups of a host: an agent takes them out, or seals them, and nothing
//! else; what is missed then says why.

use crate::client::{Agent, Silent};
use crate::support::Tree;
use age::secrecy::ExposeSecret;
use kubepki_core::rotation::OldKey;
use kubepki_fleet::session::HostSession;
use std::path::PathBuf;

const CA: &str = "/etc/kubernetes/pki/ca";
const KEY: &str = "/etc/kubernetes/pki/ca.key";
const BACKUPS: &str = "/var/lib/kubepki/backups";

/// A host that was saved whole, and whose CA was exchanged since; and the old key.
fn rotated() -> (Tree, Vec<u8>) {
    let tree = Tree::kubeadm().expired(30).build();
    tree.kubepki(&["backup", "create"]).expect(0);
    let old = tree.read(KEY);
    tree.remove(KEY);
    tree.remove(format!("{CA}.crt"));
    tree.issue(CA, &Tree::kubeadm().authority("/CN=kubernetes@new"));
    assert_ne!(tree.read(KEY), old);
    (tree, old)
}

fn holds(tree: &Tree, old: &[u8]) -> bool {
    tree.list(BACKUPS).iter().any(|name| {
        let bytes = tree.read(format!("{BACKUPS}/{name}"));
        bytes.windows(old.len()).any(|part| part == old)
    })
}

fn retire(tree: &Tree, keys: &[&str], how: &OldKey) -> Result<Vec<String>, String> {
    let keys: Vec<PathBuf> = keys.iter().map(PathBuf::from).collect();
    let mut agent = Agent::on(tree);
    agent.look();
    let done = agent.session.retire_keys(&keys, how, &Silent);
    done.map_err(|error| error.code)
}

#[test]
fn an_old_key_goes_for_good_and_the_rest_of_the_archive_comes_back() {
    let (tree, old) = rotated();
    assert!(holds(&tree, &old));
    let told = retire(&tree, &[KEY], &OldKey::Destroy).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!holds(&tree, &old));
    let keys = ["/etc/kubernetes/pki/etcd/ca.key"];
    assert_eq!(
        retire(&tree, &keys, &OldKey::Destroy),
        Ok(Vec::new()),
        "another root's key is in use"
    );
    let refused = tree.kubepki(&["restore", "--yes"]).expect(1);
    assert!(refused.stderr.contains("was destroyed"), "{refused}");
    assert!(tree.read(KEY) != old);
    let diff = tree
        .kubepki(&["backup", "diff", "-o", "json"])
        .expect(0)
        .json();
    let items = diff["items"].as_array().unwrap();
    let of = |path: &str| items.iter().find(|item| item["path"] == path).unwrap();
    assert_eq!(of(KEY)["state"], "key-destroyed");
    tree.remove("/etc/kubernetes/scheduler.conf");
    let words = ["restore", "--yes", "/etc/kubernetes/scheduler.conf"];
    tree.kubepki(&words).expect(0);
    assert!(tree.exists("/etc/kubernetes/scheduler.conf"));
}

#[test]
fn a_sealed_key_comes_back_with_the_identity() {
    let (tree, old) = rotated();
    let identity = age::x25519::Identity::generate();
    let recipients = vec![identity.to_public().to_string()];
    retire(&tree, &[KEY], &OldKey::Seal { recipients }).unwrap();
    assert!(!holds(&tree, &old));
    assert!(tree.list(BACKUPS).iter().all(|name| name.ends_with(".age")));
    tree.kubepki(&["restore", "--yes", KEY]).expect(1);
    tree.write("/root/id", identity.to_string().expose_secret());
    let file = tree.path("/root/id").display().to_string();
    let certificate = format!("{CA}.crt");
    let words = ["restore", "--yes", "--identity", &file, KEY, &certificate];
    tree.kubepki(&words).expect(0);
    assert_eq!(tree.read(KEY), old);
}

#[test]
fn nothing_but_a_roots_own_key_can_be_meant() {
    let (tree, old) = rotated();
    tree.write_with_mode("/etc/ssl/private/web.key", &old, 0o600);
    for path in [
        "/etc/ssl/private/web.key",
        "/etc/kubernetes/pki/apiserver.key",
        "/etc/kubernetes/pki/sa.pub",
        "/etc/kubernetes/pki/ca.crt",
        "/var/lib/kubepki/backups",
    ] {
        let refused = retire(&tree, &[KEY, path], &OldKey::Destroy);
        assert_eq!(refused, Err("plan-outside-discovery".to_owned()), "{path}");
    }
    let nobody = OldKey::Seal {
        recipients: vec!["ssh-ed25519 AAAA".to_owned()],
    };
    assert_eq!(
        retire(&tree, &[KEY], &nobody),
        Err("age-key-invalid".to_owned())
    );
    assert!(holds(&tree, &old), "nothing is done of what is refused");
}
