//! Findings about kubelets, which renew their certificates themselves when they can.

kinds! {
    NOT_A_SYMLINK = "not-a-symlink", Warning, "the kubelet's current certificate is a file instead of a link", ["status", "doctor"] {
        meaning: "The kubelet cannot rotate it: `expected kubelet-client-current.pem to be a symlink but it is a file`. It works until the certificate ends; then the node is NotReady.",
        cause: "Restored or copied by a tool that follows links (`cp -L`, `scp`, many backups).",
        known_by: "The kind of the file.",
        remedy: "Renew it: a dated file and the link are made.",
        commands: ["kubepki renew kubelet-client"],
        example: "/var/lib/kubelet/pki/kubelet-client-current.pem: is a regular file: the kubelet cannot rotate it, expected a symbolic link",
    }
    BROKEN_LINK = "broken-link", Critical, "the kubelet's link leads nowhere", ["doctor"] {
        meaning: "At its next start the kubelet finds no certificate and falls back to its bootstrap kubeconfig; without one it ends with `unable to load bootstrap kubeconfig`.",
        cause: "Old `kubelet-client-*.pem` files were cleaned up, the current one among them.",
        known_by: "The target of the link does not exist.",
        remedy: "Renew it on a host with the CA's key. On a worker, join again or install a certificate that was signed elsewhere.",
        commands: ["kubepki renew kubelet-client", "kubepki renew kubelet-client --csr-dir DIR   # without the CA's key"],
        example: "/var/lib/kubelet/pki/kubelet-client-current.pem: leads to kubelet-client-2025-11-20-08-00-00.pem, which does not exist",
    }
    EMBEDDED_KUBELET_CERTIFICATE = "embedded-kubelet-certificate", Info, "the kubelet's kubeconfig embeds a certificate", ["status", "doctor"] {
        meaning: "The kubelet looks at this one first when it starts, does not rotate it, and gives up when it has expired, however good the one in its store is.",
        cause: "kubeadm before 1.17 wrote the first control plane's kubelet.conf so.",
        known_by: "kubelet.conf holds `client-certificate-data`.",
        remedy: "Renew it: kubelet.conf is pointed at the store. A kubelet that does not rotate (`rotateCertificates` is not set, as on nodes that were made by hand) goes by its kubeconfig alone, and what that embeds is renewed in its place.",
        commands: ["kubepki renew kubelet-client --force"],
        example: "/etc/kubernetes/kubelet.conf: the kubelet's kubeconfig embeds a certificate, which will never be rotated",
    }
    ROTATION_OFF = "rotation-off", Warning, "the kubelet does not renew its client certificate", ["doctor"] {
        meaning: "The certificate ends a year after the node joined, and the node with it.",
        cause: "`rotateCertificates: false` in its configuration or `--rotate-certificates=false`, mostly from an old template.",
        known_by: "The kubelet's configuration and flags.",
        remedy: "Set `rotateCertificates: true` and restart the kubelet.",
        commands: ["systemctl restart kubelet"],
        example: "/var/lib/kubelet/config.yaml: rotateCertificates is false",
    }
    SELF_SIGNED_SERVING = "self-signed-serving", Info, "the kubelet serves a certificate that it signed itself", ["doctor"] {
        meaning: "kubeadm's default: the API server does not verify kubelets. With `--kubelet-certificate-authority` set, logs and exec would fail. It is not renewed by itself.",
        cause: "`serverTLSBootstrap` is not set.",
        known_by: "The kubelet's serving certificate is signed by its own key.",
        remedy: "Set `serverTLSBootstrap: true`, restart the kubelet and approve its request, if the API server is to verify kubelets.",
        commands: ["kubectl get csr", "kubectl certificate approve NAME"],
        example: "/var/lib/kubelet/pki/kubelet.crt: is signed by itself, and the API server does not verify kubelets",
    }
    BOOTSTRAP_TOKEN = "bootstrap-token", Info, "a bootstrap kubeconfig is still there", ["status", "doctor"] {
        meaning: "It was needed to join. It may be needed again when the kubelet's certificate is lost, if its token still lives; otherwise it is a forgotten credential and a forgotten copy of the CA.",
        cause: "kubeadm removes it after the node joined; other installers do not.",
        known_by: "Its user is a bootstrap token.",
        remedy: "Remove it once the kubelet has its certificate.",
        commands: ["rm /etc/kubernetes/bootstrap-kubelet.conf"],
        example: "/etc/kubernetes/bootstrap-kubelet.conf: its user is a bootstrap token: nothing needs it once the kubelet has its certificate",
    }
    RENEWAL_FAILS = "renewal-fails", Warning, "the kubelet tries to renew and fails", ["doctor"] {
        meaning: "It asks, and gets nothing. The node works until its certificate ends.",
        cause: "Nobody approves serving requests; or kube-controller-manager cannot sign (see `signing-file-bundle`, `signer-not-trusted`).",
        known_by: "The kubelet's metrics, such as `kubelet_certificate_manager_client_expiration_renew_errors`, or a certificate past nine tenths of its life.",
        remedy: "Look at the requests, then at the controller manager's log.",
        commands: ["kubectl get csr --sort-by=.metadata.creationTimestamp", "kubepki doctor --api --only request-pending,request-not-issued,signing-file-bundle"],
        example: "kubelet: kubelet_certificate_manager_client_expiration_renew_errors is 14",
    }
}
