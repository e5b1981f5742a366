//! Findings about CA certificates themselves.

kinds! {
    NOT_A_CA = "not-a-ca", Critical, "a CA file holds a certificate that is no CA", ["status", "doctor"] {
        meaning: "The certificate may not sign others (`basicConstraints` lacks CA:TRUE), so nothing verifies by it: `x509: certificate signed by unknown authority`, or `parent certificate cannot sign this kind of certificate`.",
        cause: "A server's certificate was copied over the CA's, or the CA was made without the extension.",
        known_by: "The extension `basicConstraints` of the certificate.",
        remedy: "Put the CA's own certificate back. Is its key still beside it? `kubepki inspect` shows what belongs to what.",
        commands: ["kubepki inspect PATH", "kubepki restore PATH"],
        example: "/etc/kubernetes/pki/ca.crt: CN=kube-apiserver is not a CA certificate",
    }
    CA_CANNOT_SIGN = "ca-cannot-sign", Warning, "the CA may not sign certificates", ["inspect", "doctor"] {
        meaning: "Its key usage lacks keyCertSign. Go refuses what it signed: `parent certificate cannot sign this kind of certificate`.",
        cause: "Made by hand with a server's key usages.",
        known_by: "The extension `keyUsage`.",
        remedy: "Replace the CA certificate by one with the same name and key and the right usages.",
        commands: ["kubepki inspect PATH"],
        example: "ca.crt: a CA certificate whose keyUsage lacks keyCertSign",
    }
    CA_WITHOUT_KEY_USAGE = "ca-without-key-usage", Info, "the CA says nothing about its key usages", ["inspect"] {
        meaning: "RFC 5280 wants keyUsage in a CA certificate; Go and OpenSSL accept it without.",
        cause: "Made with `openssl req -x509` and an old configuration.",
        known_by: "The extension is not there.",
        remedy: "Nothing needs to be done.",
        commands: [],
        example: "ca.crt: a CA certificate without keyUsage",
    }
    SIGNING_FILE_BUNDLE = "signing-file-bundle", Critical, "the file that kube-controller-manager signs with holds more than one certificate", ["doctor"] {
        meaning: "`--cluster-signing-cert-file` must hold exactly one. At its next start the controller manager ends with `expected 1 certificate, found 2`; one that runs approves requests and issues nothing, so kubelets do not renew and new nodes do not join.",
        cause: "`ca.crt` was made a bundle for a rotation, and kubeadm's manifest uses the same file for signing and for trusting.",
        known_by: "The certificates in the file that the flag names.",
        remedy: "Give the signer a file of its own with the one certificate whose key it has, name it in `--cluster-signing-cert-file`, and let `--root-ca-file` and `--client-ca-file` keep the bundle.",
        commands: ["openssl x509 -in /etc/kubernetes/pki/ca.crt -out /etc/kubernetes/pki/ca-signer.crt   # takes the first"],
        example: "/etc/kubernetes/pki/ca.crt: holds 2 certificates, and kube-controller-manager --cluster-signing-cert-file takes exactly 1",
    }
    SIGNING_KEY_MISSING = "signing-key-missing", Warning, "kube-controller-manager is told to sign with a key that is not there", ["doctor"] {
        meaning: "Whenever this controller manager comes to lead it ends at once (`error starting controllers`), until one leads on a host that has the key. Where none has it nobody signs: kubelets do not renew, new nodes do not join.",
        cause: "`kubepki rescue --new-ca` made a CA whose key lies on one host, since keys never travel; or the key of an external CA was taken away and the flag stayed.",
        known_by: "The file that `--cluster-signing-key-file` names, on each host.",
        remedy: "Carry the key over yourself, by a way that you trust. Nothing has to be restarted: the controller manager looks for it when it leads. Where the CA is somebody else's, let the flag name nothing.",
        commands: ["ssh cp1 sudo cat /etc/kubernetes/pki/ca.key | ssh cp2 'sudo install -m 0600 /dev/stdin /etc/kubernetes/pki/ca.key'"],
        example: "/etc/kubernetes/pki/ca.key: is not there, and kube-controller-manager --cluster-signing-key-file names it",
    }
    SIGNER_NOT_TRUSTED = "signer-not-trusted", Critical, "kube-controller-manager signs with a CA that the API server does not trust", ["doctor"] {
        meaning: "Kubelets get certificates that the API server refuses. It shows only when they renew: one node after the other falls to NotReady with 401 Unauthorized.",
        cause: "A rotation in the wrong order, or a flag that names another CA's files.",
        known_by: "The certificate of `--cluster-signing-cert-file` does not verify by `--client-ca-file`.",
        remedy: "Add the signer's CA to `--client-ca-file` on every API server first, or let the signer go back to the CA that they trust.",
        commands: [],
        example: "kube-controller-manager --cluster-signing-cert-file: signs with CN=kubernetes-ca, which kube-apiserver --client-ca-file does not hold",
    }
}
