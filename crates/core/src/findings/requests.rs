//! Findings about certificate signing requests and bootstrap tokens.

kinds! {
    REQUEST_PENDING = "request-pending", Warning, "a certificate signing request waits for approval", ["status", "doctor"] {
        meaning: "Somebody asked for a certificate, and nobody decided. For `kubernetes.io/kubelet-serving` Kubernetes has no approver of its own: until one approves, logs and exec of that node end with `tls: internal error`.",
        cause: "`serverTLSBootstrap` without an approver; a node without the right to have its client certificate approved.",
        known_by: "The request has no condition and is older than a few minutes.",
        remedy: "Look at who asks for which names, then approve or deny. Approve only what the node may be called.",
        commands: ["kubectl get csr NAME -o yaml | kubepki inspect -", "kubectl certificate approve NAME"],
        example: "CertificateSigningRequest csr-8vlp7: waits since 2026-11-21T08:00:00Z, asked by system:node:w1 for kubernetes.io/kubelet-serving",
    }
    REQUEST_NOT_ISSUED = "request-not-issued", Warning, "a request is approved and nothing is issued", ["status", "doctor"] {
        meaning: "The signer does not sign. Kubelets do not renew and nodes do not join, in silence.",
        cause: "kube-controller-manager has no readable CA key, or its signing file holds a bundle (see `signing-file-bundle`), or a signer of another name does not run.",
        known_by: "The request is approved, and its status holds no certificate.",
        remedy: "Look at the controller manager's `--cluster-signing-cert-file` and its log; requests that wait are issued as soon as it can sign.",
        commands: ["kubepki doctor --only signing-file-bundle,key-mismatch,expired", "kubectl logs -n kube-system kube-controller-manager-NODE | grep -i csr"],
        example: "CertificateSigningRequest csr-8vlp7: approved since 2026-11-21T08:00:00Z, and kubernetes.io/kube-apiserver-client-kubelet issued nothing",
    }
    BOOTSTRAP_TOKEN_EXPIRED = "bootstrap-token-expired", Info, "a bootstrap token has ended", ["status", "doctor"] {
        meaning: "Nodes cannot join with it. The token cleaner removes it; if it stays, the cleaner does not run.",
        cause: "Tokens of kubeadm live 24 hours.",
        known_by: "`expiration` of the Secret.",
        remedy: "Make a new one when a node is to join.",
        commands: ["kubeadm token create --print-join-command"],
        example: "Secret kube-system/bootstrap-token-abcdef: ended at 2026-11-21T08:00:00Z",
    }
    BOOTSTRAP_TOKEN_UNLIMITED = "bootstrap-token-unlimited", Warning, "a bootstrap token never ends", ["status", "doctor"] {
        meaning: "Whoever has it can add nodes to the cluster for ever.",
        cause: "`kubeadm token create --ttl 0`, or made by hand for autoscaling.",
        known_by: "The Secret has no `expiration`.",
        remedy: "Delete it, or give it an end.",
        commands: ["kubeadm token delete ID"],
        example: "Secret kube-system/bootstrap-token-abcdef: never ends, and may authenticate",
    }
}
