//! Breakages of CA files: the wrong one in the right place is what engineers search longest for.

use crate::breakage::{Breakage, broken};

const CLUSTER: &str = "/etc/kubernetes/pki/ca.crt";
const CLUSTER_KEY: &str = "/etc/kubernetes/pki/ca.key";
const ETCD: &str = "/etc/kubernetes/pki/etcd/ca.crt";
const FRONT_PROXY: &str = "/etc/kubernetes/pki/front-proxy-ca.crt";

/// All that a CA signed fails with it, and none of it is to blame.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "etcds-ca-is-the-clusters",
        "cat $PKI/ca.crt >$PKI/etcd/ca.crt",
        &[("copy-of-other-file", ETCD)],
    ),
    broken(
        "the-clusters-ca-is-etcds",
        "cat $PKI/etcd/ca.crt >$PKI/ca.crt",
        &[("copy-of-other-file", CLUSTER)],
    ),
    broken(
        "etcds-and-the-clusters-ca-swapped",
        "cat $PKI/ca.crt >$SCRATCH/ca.crt; cat $PKI/etcd/ca.crt >$PKI/ca.crt
         cat $SCRATCH/ca.crt >$PKI/etcd/ca.crt",
        &[("swapped-files", CLUSTER), ("swapped-files", ETCD)],
    ),
    broken(
        "front-proxy-ca-is-the-clusters",
        "cat $PKI/ca.crt >$PKI/front-proxy-ca.crt",
        &[("copy-of-other-file", FRONT_PROXY)],
    ),
    broken(
        "front-proxy-ca-also-holds-the-clusters",
        "cat $PKI/ca.crt >>$PKI/front-proxy-ca.crt",
        &[(
            "client-ca-is-requestheader-ca",
            "kube-apiserver --requestheader-client-ca-file",
        )],
    ),
    broken(
        "etcds-ca-is-of-another-cluster",
        "authority elsewhere /CN=etcd-ca; cat $SCRATCH/elsewhere.crt >$PKI/etcd/ca.crt",
        &[("wrong-authority-file", ETCD)],
    ),
    broken(
        "the-clusters-ca-is-of-another-cluster",
        "authority imposter /CN=kubernetes; cat $SCRATCH/imposter.crt >$PKI/ca.crt",
        &[("wrong-authority-file", CLUSTER)],
    ),
    broken(
        "the-clusters-ca-key-of-another",
        "cat $(other_key) >$PKI/ca.key",
        &[("key-mismatch", CLUSTER_KEY)],
    ),
    broken(
        "the-clusters-ca-key-readable-by-others",
        "chmod 0644 $PKI/ca.key",
        &[("key-readable-by-others", CLUSTER_KEY)],
    ),
    broken(
        "the-clusters-ca-twice-in-the-signing-file",
        "authority imposter /CN=kubernetes; cat $SCRATCH/imposter.crt >>$PKI/ca.crt",
        &[("signing-file-bundle", CLUSTER)],
    ),
    broken(
        "front-proxy-ca-expired",
        "self_signed ended $PKI/front-proxy-ca.key /CN=front-proxy-ca -400 -10
         cat $SCRATCH/ended.crt >$PKI/front-proxy-ca.crt",
        &[("expired", FRONT_PROXY)],
    ),
    broken(
        "front-proxy-ca-ends-before-its-leaf",
        "self_signed ending $PKI/front-proxy-ca.key /CN=front-proxy-ca -1 200
         cat $SCRATCH/ending.crt >$PKI/front-proxy-ca.crt",
        &[("outlives-ca", "/etc/kubernetes/pki/front-proxy-client.crt")],
    ),
    broken(
        "front-proxy-ca-is-no-ca",
        "again $PKI/front-proxy-client.crt out=$SCRATCH/leaf.crt subject=/CN=front-proxy-ca end=3600 \
            key=$PKI/front-proxy-ca.key
         cat $SCRATCH/leaf.crt >$PKI/front-proxy-ca.crt",
        &[("not-a-ca", FRONT_PROXY)],
    ),
    broken(
        "front-proxy-ca-missing",
        "rm $PKI/front-proxy-ca.crt",
        &[("missing", FRONT_PROXY)],
    ),
    broken(
        "etcd-renewed-by-a-new-ca-and-the-old-one-still-trusted",
        "authority elsewhere /CN=etcd-ca; cat $SCRATCH/elsewhere.key >$PKI/etcd/ca.key
         for leaf in etcd/server etcd/peer etcd/healthcheck-client apiserver-etcd-client; do
             again $PKI/$leaf.crt ca=$SCRATCH/elsewhere
         done",
        &[("wrong-authority-file", ETCD)],
    ),
];
