//! Breakages of the kubelet's certificate store and configuration, and of workers.

use crate::breakage::{Breakage, broken};

const LINK: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";
const CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";
const CLUSTER_CA: &str = "/etc/kubernetes/pki/ca.crt";

/// The kubelet reads most of this at its start only.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "a-file-where-the-kubelets-link-belongs",
        "cp $LINK $SCRATCH/current; rm $LINK; cp $SCRATCH/current $LINK; chmod 0600 $LINK",
        &[("not-a-symlink", LINK)],
    ),
    broken(
        "a-kubelets-link-to-nothing",
        "ln -sfn $STORE/kubelet-client-2020-01-01-00-00-00.pem $LINK",
        &[("broken-link", LINK)],
    ),
    broken(
        "kubelet-client-certificate-expired",
        "cp $LINK $SCRATCH/pair.pem; again $SCRATCH/pair.pem key=$SCRATCH/pair.pem start=-375 end=-10 \
             out=$SCRATCH/new.crt
         { cat $SCRATCH/new.crt; openssl pkey -in $LINK; } >$SCRATCH/new.pem; cat $SCRATCH/new.pem >$LINK",
        &[("expired", LINK)],
    ),
    broken(
        "kubelet-client-certificate-of-another-node",
        "cp $LINK $SCRATCH/pair.pem
         again $SCRATCH/pair.pem key=$SCRATCH/pair.pem subject=/O=system:nodes/CN=system:node:w9 \
             out=$SCRATCH/new.crt
         { cat $SCRATCH/new.crt; openssl pkey -in $LINK; } >$SCRATCH/new.pem; cat $SCRATCH/new.pem >$LINK",
        &[("identity-refused", LINK)],
    ),
    broken(
        "kubelet-serves-another-certificate-than-its-file",
        "openssl req -x509 -newkey rsa:2048 -nodes -days 300 -subj /CN=cp1@1 \
             -addext subjectAltName=DNS:cp1 -addext extendedKeyUsage=serverAuth \
             -keyout $STORE/kubelet.key -out $STORE/kubelet.crt",
        &[("not-taken-up", SERVING)],
    ),
    broken(
        "kubelets-client-ca-missing",
        "sed -i 's|clientCAFile: .*|clientCAFile: /etc/kubernetes/pki/none.crt|' /var/lib/kubelet/config.yaml",
        &[("missing", "/etc/kubernetes/pki/none.crt")],
    ),
    broken(
        "kubelets-client-ca-is-etcds",
        "sed -i 's|clientCAFile: .*|clientCAFile: /etc/kubernetes/pki/etcd/ca.crt|' /var/lib/kubelet/config.yaml",
        &[("wrong-authority-file", "kubelet --client-ca-file")],
    ),
    broken(
        "kubelet-does-not-rotate",
        "sed -i 's|rotateCertificates: true|rotateCertificates: false|' /var/lib/kubelet/config.yaml",
        &[("rotation-off", CONFIGURATION)],
    ),
    broken(
        "a-worker-with-the-clusters-ca-key",
        "cp /root/ca.key $PKI/ca.key; chmod 0600 $PKI/ca.key",
        &[("ca-key-not-needed", "/etc/kubernetes/pki/ca.key")],
    )
    .on("w1"),
    broken(
        "a-worker-with-another-clusters-ca",
        "authority imposter /CN=kubernetes; cat $SCRATCH/imposter.crt >$PKI/ca.crt",
        &[("wrong-authority-file", CLUSTER_CA)],
    )
    .on("w1"),
    broken(
        "a-worker-with-a-stale-ca-in-its-kubeconfig",
        "authority imposter /CN=kubernetes
         embed /etc/kubernetes/kubelet.conf certificate-authority-data $SCRATCH/imposter.crt",
        &[("wrong-ca-data", "/etc/kubernetes/kubelet.conf")],
    )
    .on("w1"),
];
