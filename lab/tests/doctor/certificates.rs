//! Breakages of the control plane's own certificates and keys.

use crate::breakage::{Breakage, broken};

const APISERVER: &str = "/etc/kubernetes/pki/apiserver.crt";
const KUBELET_CLIENT: &str = "/etc/kubernetes/pki/apiserver-kubelet-client.crt";
const ETCD_CLIENT: &str = "/etc/kubernetes/pki/apiserver-etcd-client.crt";
const FRONT_PROXY_CLIENT: &str = "/etc/kubernetes/pki/front-proxy-client.crt";
const ETCD_SERVER: &str = "/etc/kubernetes/pki/etcd/server.crt";
const ETCD_PEER: &str = "/etc/kubernetes/pki/etcd/peer.crt";
const HEALTHCHECK: &str = "/etc/kubernetes/pki/etcd/healthcheck-client.crt";

/// Where the files alone are broken, the processes still hold the good ones.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "apiserver-expired",
        "again $PKI/apiserver.crt start=-375 end=-10",
        &[("expired", APISERVER)],
    ),
    broken(
        "apiserver-expires-in-three-weeks",
        "again $PKI/apiserver.crt end=21",
        &[("expires-soon", APISERVER)],
    ),
    broken(
        "apiserver-not-yet-valid",
        "again $PKI/apiserver.crt start=2",
        &[("not-yet-valid", APISERVER)],
    ),
    broken(
        "apiserver-lacks-the-advertise-address",
        "again $PKI/apiserver.crt names=$(names $PKI/apiserver.crt | sed 's/,IP:10[.]7[0-9.]*[.]11\\b//')",
        &[("name-missing", APISERVER)],
    ),
    broken(
        "apiserver-lacks-the-service-address",
        "again $PKI/apiserver.crt names=$(names $PKI/apiserver.crt | sed 's/,IP:10[.]96[.]0[.]1//')",
        &[("name-missing", APISERVER)],
    ),
    broken(
        "apiserver-has-no-names-but-its-common-name",
        "again $PKI/apiserver.crt names= subject=/CN=kubernetes.default.svc",
        &[("name-missing", APISERVER)],
    ),
    broken(
        "apiserver-is-for-clients-only",
        "again $PKI/apiserver.crt usages=clientAuth",
        &[("usage-missing", APISERVER)],
    ),
    broken(
        "apiserver-by-a-ca-of-the-same-name",
        "authority imposter /CN=kubernetes; again $PKI/apiserver.crt ca=$SCRATCH/imposter",
        &[("not-signed-by-ca", APISERVER)],
    ),
    broken(
        "apiserver-by-an-intermediate-that-is-not-there",
        "authority root /CN=kubernetes; authority between /CN=between
         again $PKI/apiserver.crt ca=$SCRATCH/between",
        &[("not-signed-by-ca", APISERVER)],
    ),
    broken(
        "apiserver-is-the-kubelet-clients",
        "cp $PKI/apiserver-kubelet-client.crt $PKI/apiserver.crt
         cp $PKI/apiserver-kubelet-client.key $PKI/apiserver.key",
        &[("copy-of-other-file", APISERVER)],
    ),
    broken(
        "apiserver-key-of-another",
        "cat $(other_key) >$PKI/apiserver.key",
        &[("key-mismatch", "/etc/kubernetes/pki/apiserver.key")],
    ),
    broken(
        "apiserver-key-readable-by-others",
        "chmod 0644 $PKI/apiserver.key",
        &[(
            "key-readable-by-others",
            "/etc/kubernetes/pki/apiserver.key",
        )],
    ),
    broken(
        "apiserver-outlives-its-ca",
        "again $PKI/apiserver.crt end=7300",
        &[("outlives-ca", APISERVER)],
    ),
    broken(
        "kubelet-client-by-etcds-ca",
        "again $PKI/apiserver-kubelet-client.crt ca=$PKI/etcd/ca",
        &[("signed-by-other-ca", KUBELET_CLIENT)],
    ),
    broken(
        "kubelet-client-is-for-servers-only",
        "again $PKI/apiserver-kubelet-client.crt usages=serverAuth",
        &[("usage-missing", KUBELET_CLIENT)],
    ),
    broken(
        "kubelet-client-expired",
        "again $PKI/apiserver-kubelet-client.crt start=-375 end=-10",
        &[("expired", KUBELET_CLIENT)],
    ),
    broken(
        "etcd-client-by-the-clusters-ca",
        "again $PKI/apiserver-etcd-client.crt ca=$PKI/ca",
        &[("signed-by-other-ca", ETCD_CLIENT)],
    ),
    broken(
        "etcd-client-missing",
        "rm $PKI/apiserver-etcd-client.crt",
        &[("missing", ETCD_CLIENT)],
    ),
    broken(
        "etcd-server-of-another-host",
        "again $PKI/etcd/server.crt names=DNS:cp2,DNS:localhost,IP:10.99.0.12 subject=/CN=cp2",
        &[("copied-from-another-node", ETCD_SERVER)],
    ),
    broken(
        "etcd-server-expired",
        "again $PKI/etcd/server.crt start=-375 end=-10",
        &[("expired", ETCD_SERVER)],
    ),
    broken(
        "etcd-server-key-of-another",
        "cat $(other_key) >$PKI/etcd/server.key",
        &[("key-mismatch", "/etc/kubernetes/pki/etcd/server.key")],
    ),
    broken(
        "etcd-peer-is-for-servers-only",
        "again $PKI/etcd/peer.crt usages=serverAuth",
        &[("usage-missing", ETCD_PEER)],
    ),
    broken(
        "etcd-peer-by-another-etcd-ca",
        "authority elsewhere /CN=etcd-ca; again $PKI/etcd/peer.crt ca=$SCRATCH/elsewhere",
        &[("not-signed-by-ca", ETCD_PEER)],
    ),
    broken(
        "healthcheck-expired",
        "again $PKI/etcd/healthcheck-client.crt start=-375 end=-10",
        &[("expired", HEALTHCHECK)],
    ),
    broken(
        "healthcheck-with-a-weak-key",
        "cat $(other_key 1024) >$PKI/etcd/healthcheck-client.key; again $PKI/etcd/healthcheck-client.crt",
        &[("weak-key", HEALTHCHECK)],
    ),
    broken(
        "healthcheck-signed-with-sha1",
        "again $PKI/etcd/healthcheck-client.crt digest=sha1",
        &[("weak-signature", HEALTHCHECK)],
    ),
    broken(
        "front-proxy-client-expired",
        "again $PKI/front-proxy-client.crt start=-375 end=-10",
        &[("expired", FRONT_PROXY_CLIENT)],
    ),
    broken(
        "front-proxy-client-by-the-clusters-ca",
        "again $PKI/front-proxy-client.crt ca=$PKI/ca",
        &[("signed-by-other-ca", FRONT_PROXY_CLIENT)],
    ),
    broken(
        "front-proxy-client-with-another-name",
        "again $PKI/front-proxy-client.crt subject=/CN=aggregator",
        &[("identity-refused", FRONT_PROXY_CLIENT)],
    ),
    broken(
        "service-account-public-key-of-another",
        "openssl rsa -in $(other_key) -pubout -out $PKI/sa.pub",
        &[(
            "service-account-key-unverified",
            "/etc/kubernetes/pki/sa.pub",
        )],
    ),
    broken(
        "service-account-private-key-of-another",
        "cat $(other_key) >$PKI/sa.key",
        &[(
            "service-account-key-unverified",
            "/etc/kubernetes/pki/sa.key",
        )],
    ),
];
