//! Findings about copies of a CA that live in the API, and certificates there.

kinds! {
    ROOT_CA_STALE = "root-ca-stale", Critical, "kube-root-ca.crt of a namespace does not hold the CA of the API server", ["doctor"] {
        meaning: "Pods of this namespace refuse the API server as soon as they dial again: `x509: certificate signed by unknown authority`. Those that run may go on for hours with a kept connection. A warning when only one of several CAs is lacking.",
        cause: "kube-controller-manager publishes it from `--root-ca-file`, which it reads only when it starts; or somebody edited or removed it while the publisher stood still.",
        known_by: "The certificate that the API server presents does not verify by the certificates in the ConfigMap, and does by those of other namespaces.",
        remedy: "See that the controller manager runs with the right `--root-ca-file` and was restarted since. Then delete the ConfigMap: it is made again within seconds. Restart the pods that have read the old one.",
        commands: ["kubectl delete configmap kube-root-ca.crt -n NAMESPACE", "kubectl rollout restart deployment -n NAMESPACE"],
        example: "ConfigMap shop/kube-root-ca.crt data[ca.crt]: holds CN=kubernetes (sha256:2fd4…), the API server is signed by sha256:96f6…",
    }
    TOKEN_SECRET_STALE = "token-secret-stale", Warning, "a service-account token Secret is older than the cluster's keys", ["doctor"] {
        meaning: "Its `ca.crt` lacks the CA, or its token is signed by a key that no API server verifies by. Whoever uses this Secret (old pods, CI systems, monitoring outside) is locked out.",
        cause: "The CA or the service-account key was replaced. The controller updates `ca.crt`; it never signs tokens again.",
        known_by: "The certificates in the Secret, and the token's signature against the service-account keys. The token itself is not kept.",
        remedy: "Make a second token Secret for the ServiceAccount, move its users to it, then delete this one. Do not empty the token in place: the old one is refused at once.",
        commands: ["kubectl get secret NAME -n NAMESPACE -o yaml | kubepki inspect -"],
        example: "Secret kube-system/ci-token: its token is signed by none of the keys in /etc/kubernetes/pki/sa.pub",
    }
    CLUSTER_INFO_STALE = "cluster-info-stale", Warning, "cluster-info does not hold the CA of the API server", ["doctor"] {
        meaning: "`kubeadm join` with a token fails: the discovery ConfigMap hands out a CA that the API server is not signed by, or whose hash is not the announced one. Nothing that runs is affected.",
        cause: "The CA was replaced, and this ConfigMap in `kube-public` is the copy that everybody forgets.",
        known_by: "The API server's certificate does not verify by the CA in its kubeconfig.",
        remedy: "Write the current CA into it; the bootstrap signer signs it again by itself. Then print the new hash for `kubeadm join`.",
        commands: ["kubepki ca-hash /etc/kubernetes/pki/ca.crt", "kubeadm init phase bootstrap-token"],
        example: "ConfigMap kube-public/cluster-info data[kubeconfig]: holds CN=kubernetes (sha256:2fd4…), the API server is signed by sha256:96f6…",
    }
    CLUSTER_INFO_UNSIGNED = "cluster-info-unsigned", Warning, "cluster-info is not signed for a bootstrap token", ["doctor"] {
        meaning: "`kubeadm join` with this token waits and then fails: `there is no JWS signed token in the cluster-info ConfigMap`.",
        cause: "The bootstrap signer of kube-controller-manager does not run (`--controllers` lacks `bootstrapsigner`), or stands still.",
        known_by: "The token may sign, has not ended, and there is no `jws-kubeconfig-ID` for it.",
        remedy: "Start kube-controller-manager with `--controllers=*,bootstrapsigner,tokencleaner`.",
        commands: ["kubectl get configmap cluster-info -n kube-public -o yaml"],
        example: "ConfigMap kube-public/cluster-info: not signed for bootstrap token abcdef",
    }
    AUTHENTICATION_CONFIG_STALE = "authentication-config-stale", Critical, "extension-apiserver-authentication lacks a CA", ["doctor"] {
        meaning: "Aggregated API servers learn from this ConfigMap whom the front proxy is signed by. Lacking it they refuse every call through the API server: `kubectl top`, custom metrics and other APIServices say Unauthorized.",
        cause: "The API server could not write it (RBAC was changed, the datastore was read-only), or only some API servers know the new CA.",
        known_by: "The front proxy's certificate does not verify by `requestheader-client-ca-file` in it, or its common name is not among the allowed names.",
        remedy: "Delete it once every API server has the right files: it is made again in less than a second. That is also the only way to get an old CA out of it, since API servers only add.",
        commands: ["kubectl delete configmap extension-apiserver-authentication -n kube-system"],
        example: "ConfigMap kube-system/extension-apiserver-authentication data[requestheader-client-ca-file]: does not hold the CA of front-proxy-client",
    }
    SECRET_EXPIRES = "secret-expires", Warning, "a certificate in the API has expired or soon will", ["status", "doctor"] {
        meaning: "Whoever serves or presents it fails with its end. Critical when it has ended or ends within `--critical` and nobody else renews it.",
        cause: "Put there by hand, by Helm or by a script, and forgotten.",
        known_by: "The validity of the certificate in the Secret or ConfigMap. Whether anybody uses it is not known.",
        remedy: "Renew it where it was made, and write it into the object. If nobody uses it, remove the object.",
        commands: ["kubectl get secret NAME -n NAMESPACE -o yaml | kubepki inspect -"],
        example: "Secret shop/web-tls data[tls.crt]: expires at 2026-12-01T08:00:00Z",
    }
    SECRET_KEY_MISMATCH = "secret-key-mismatch", Warning, "certificate and key in a Secret do not belong together", ["status", "doctor"] {
        meaning: "Whoever loads this pair refuses it: an ingress controller falls back to its fake certificate, a webhook server does not start.",
        cause: "Only one of `tls.crt` and `tls.key` was replaced.",
        known_by: "The public half of the key against the certificate. The key is not kept.",
        remedy: "Write both again.",
        commands: ["kubectl create secret tls NAME -n NAMESPACE --cert=CRT --key=KEY --dry-run=client -o yaml | kubectl replace -f -"],
        example: "Secret shop/web-tls: tls.key belongs to another certificate",
    }
    SECRET_UNREADABLE = "secret-unreadable", Info, "a certificate in the API cannot be read", ["status", "doctor"] {
        meaning: "What it says, and when it ends, is not known.",
        cause: "A PKCS #12 file or Java key store with a password of its own, or damaged data.",
        known_by: "Reading it as its users would.",
        remedy: "Look at it with its password, if it matters.",
        commands: ["kubepki inspect PATH --password-file FILE"],
        example: "Secret shop/keystore data[keystore.jks]: the password is not known",
    }
    ETCD_CLIENT_STALE = "etcd-client-stale", Critical, "a client of etcd in the API holds an old certificate or CA", ["doctor"] {
        meaning: "Monitoring, CNI or backup jobs that talk to etcd directly (Prometheus, Cilium, Calico) are refused, or refuse etcd.",
        cause: "etcd's CA or the client's certificate was replaced on the hosts, and the copy in a Secret was not.",
        known_by: "The certificate in the Secret against etcd's CA, and etcd's certificate against the CA beside it.",
        remedy: "Write the new certificate and CA into the Secret, and restart its users.",
        commands: ["kubectl create secret generic NAME -n NAMESPACE --from-file=ca.crt=/etc/kubernetes/pki/etcd/ca.crt --dry-run=client -o yaml"],
        example: "Secret monitoring/etcd-certs data[client.crt]: not signed by etcd's CA (CN=etcd-ca)",
    }
    KUBEADM_CERTS_LEFT = "kubeadm-certs-left", Info, "the Secret kubeadm-certs is still there", ["doctor"] {
        meaning: "It holds the cluster's CAs and keys, encrypted, for joining control planes. After a rotation a joining host would get the old ones.",
        cause: "`kubeadm init phase upload-certs`; it should go by itself after two hours.",
        known_by: "The Secret exists, and its token has ended or the CA changed since.",
        remedy: "Delete it; upload again when a control plane is to join.",
        commands: ["kubectl delete secret kubeadm-certs -n kube-system"],
        example: "Secret kube-system/kubeadm-certs: made before the CA in /etc/kubernetes/pki/ca.crt",
    }
}
