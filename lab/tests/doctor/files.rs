//! How PEM is written: what Kubernetes' programs stumble over, and what they do not mind. The second
//! kind must raise no alarm.

use crate::breakage::{Breakage, broken};

/// The names of the harmless begin with `harmless`.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "empty-key",
        ": >$PKI/front-proxy-client.key",
        &[("key-unusable", "/etc/kubernetes/pki/front-proxy-client.key")],
    ),
    broken(
        "no-pem-at-all",
        "head -c 900 /dev/urandom >$PKI/etcd/peer.key",
        &[("key-unusable", "/etc/kubernetes/pki/etcd/peer.key")],
    ),
    broken(
        "a-certificate-cut-short",
        "head -n 9 $PKI/etcd/healthcheck-client.crt >$SCRATCH/short
         cat $SCRATCH/short >$PKI/etcd/healthcheck-client.crt",
        &[(
            "unreadable",
            "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
        )],
    ),
    broken(
        "a-key-where-the-certificate-belongs",
        "cat $PKI/etcd/peer.key >$PKI/etcd/peer.crt",
        &[("unreadable", "/etc/kubernetes/pki/etcd/peer.crt")],
    ),
    broken(
        "a-kubeconfig-that-is-no-yaml",
        "echo '{ nothing' >/etc/kubernetes/scheduler.conf",
        &[("unreadable", "/etc/kubernetes/scheduler.conf")],
    ),
    broken(
        "harmless-carriage-returns",
        "sed -i 's/$/\\r/' $PKI/apiserver.crt $PKI/ca.crt $PKI/etcd/server.crt",
        &[],
    ),
    broken(
        "harmless-text-around-certificates",
        "{ openssl x509 -in $PKI/apiserver.crt -text; echo; echo 'the end'; } >$SCRATCH/text
         cat $SCRATCH/text >$PKI/apiserver.crt",
        &[],
    ),
    broken(
        "harmless-issuer-behind-the-leaf",
        "cat $PKI/ca.crt >>$PKI/apiserver.crt",
        &[],
    ),
    broken(
        "harmless-renewal-by-the-same-ca",
        "again $PKI/etcd/healthcheck-client.crt",
        &[],
    ),
    broken(
        "harmless-second-service-account-key",
        "openssl rsa -in $(other_key) -pubout >>$PKI/sa.pub",
        &[],
    ),
    broken(
        "harmless-copies-beside",
        "cp $PKI/apiserver.crt $PKI/apiserver.crt.bak; cp -a $PKI/etcd $PKI/etcd.old",
        &[],
    ),
];
