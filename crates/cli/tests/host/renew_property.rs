//! Whatever is wrong with a host, one renewal mends what a renewal can mend, and a second one finds
//! nothing to do: arbitrary mishaps, several at once.

use crate::renew_kubelet::embed;
use crate::support::{Issue, KeyKind, LEAFS, Tree, base64};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::FileFailurePersistence;

const PKI: &str = "/etc/kubernetes/pki";
const LINK: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

type Mishap = (&'static str, fn(&Tree));

const MISHAPS: [Mishap; 14] = [
    ("windows line ends", |tree| {
        for name in ["apiserver.crt", "apiserver.key", "ca.crt"] {
            let path = format!("{PKI}/{name}");
            tree.write(&path, tree.text(&path).replace('\n', "\r\n"));
        }
    }),
    ("a key of another certificate", |tree| {
        tree.copy(
            format!("{PKI}/etcd/peer.key"),
            format!("{PKI}/etcd/server.key"),
        );
    }),
    ("a missing key", |tree| {
        tree.remove(format!("{PKI}/front-proxy-client.key"))
    }),
    ("a file that is no key", |tree| {
        tree.write(format!("{PKI}/etcd/peer.key"), "lost\n")
    }),
    ("a link that is a file", |tree| {
        let contents = tree.read(LINK);
        tree.remove(LINK);
        tree.write_with_mode(LINK, contents, 0o600);
    }),
    ("an embedded certificate of the kubelet", |tree| {
        embed(tree);
    }),
    ("another signer", |tree| {
        tree.issue(
            "/made/imposter",
            &Tree::kubeadm().authority("/CN=kubernetes"),
        );
        leaf(tree, "/made/imposter", 300);
    }),
    ("one that lasts longer than its authority", |tree| {
        leaf(tree, "/etc/kubernetes/pki/ca", 5000)
    }),
    ("a bundle of two authorities", |tree| {
        tree.issue("/made/next", &Tree::kubeadm().authority("/CN=next"));
        let path = format!("{PKI}/ca.crt");
        let bundle = [tree.read(&path), tree.read("/made/next.crt")].concat();
        tree.write(path, bundle);
    }),
    ("stale authority data", |tree| {
        tree.issue("/made/former", &Tree::kubeadm().authority("/CN=kubernetes"));
        let path = "/etc/kubernetes/scheduler.conf";
        let old = base64(tree.kubeconfig_value(path, "certificate-authority-data"));
        tree.replace(path, &old, &base64(tree.read("/made/former.crt")));
    }),
    ("a linked certificate", |tree| {
        let path = format!("{PKI}/apiserver-etcd-client.crt");
        tree.rename(&path, "/srv/real.crt");
        tree.symlink(path, "/srv/real.crt");
    }),
    ("a key that others can read", |tree| {
        tree.set_mode(format!("{PKI}/etcd/ca.key"), 0o644)
    }),
    ("no health check certificate", |tree| {
        tree.remove(format!("{PKI}/etcd/healthcheck-client.crt"));
        tree.remove(format!("{PKI}/etcd/healthcheck-client.key"));
    }),
    ("no serving certificate of the kubelet", |tree| {
        let link = "/var/lib/kubelet/pki/kubelet-server-current.pem";
        tree.remove(tree.link_target(link));
        tree.remove(link);
    }),
];

fn leaf(tree: &Tree, by: &str, until_days: i64) {
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some(by),
        until_days,
        key: KeyKind::EcPkcs8,
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..Issue::default()
    };
    tree.remove(format!("{PKI}/apiserver.key"));
    tree.issue("/etc/kubernetes/pki/apiserver", &issue);
}

/// Findings that a renewal should have mended: not the mode of a file, not that a CA ends before
/// what it signed, and not that something is absent that nobody names.
fn findings(status: &serde_json::Value) -> Vec<String> {
    let rows = ["certificates", "certificateAuthorities"]
        .iter()
        .flat_map(|list| status[list].as_array().unwrap());
    let findings = rows.flat_map(|row| row["findings"].as_array().unwrap());
    findings
        .filter(|finding| {
            let code = finding["code"].as_str().unwrap();
            let stays = ["key-readable-by-others", "outlives-ca"].contains(&code);
            !stays && finding["severity"] != "info"
        })
        .map(ToString::to_string)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        max_shrink_iters: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_renewal_mends_and_a_second_finds_nothing(
        mishaps in subsequence(MISHAPS.to_vec(), 0..=6),
        left in prop_oneof![Just(-400i64), Just(-1), Just(3), Just(200), Just(364)],
        authorities_left in prop_oneof![Just(-2i64), Just(20), Just(3000)],
    ) {
        let names: Vec<&str> = mishaps.iter().map(|(name, _)| *name).collect();
        let tree = Tree::kubeadm().valid(left).authorities_end(authorities_left).build();
        for (_, happen) in &mishaps {
            happen(&tree);
        }
        let words = ["renew", "all", "--renew-expired-ca", "--yes"];
        let first = tree.kubepki(&words);
        prop_assert_eq!(first.code, 0, "{:?}: {}", names, first);
        let status = tree.kubepki(&["status", "--warn", "1d", "--critical", "1d", "-o", "json"]);
        let left: Vec<String> = findings(&status.json());
        prop_assert!(left.is_empty(), "{:?}: {:?} after {}", names, left, first);
        for leaf in &LEAFS {
            let (crt, ca) = (format!("{}.crt", leaf.base), format!("{}.crt", leaf.authority));
            if tree.exists(&crt) {
                tree.assert_pair(&crt, &format!("{}.key", leaf.base));
                tree.assert_signed(&crt, &ca);
            }
        }
        let before = tree.snapshot();
        let second = tree.kubepki(&words);
        prop_assert_eq!(second.code, 0, "{:?}: {}", names, second);
        let changed = tree.changed(&before);
        prop_assert!(changed.is_empty(), "{:?}: {:?} by {}", names, changed, second);
    }
}
