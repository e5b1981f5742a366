//! Findings about keys and signatures.

kinds! {
    KEY_MISMATCH = "key-mismatch", Critical, "certificate and key do not belong together", ["status", "inspect", "doctor"] {
        meaning: "The private key beside the certificate is another one's. The component fails to start with `tls: private key does not match public key`; one that runs and re-reads keeps the old pair and says so in its log.",
        cause: "One of two files was renewed or copied and the other was not. A new certificate was installed with the old key.",
        known_by: "The public half of the key against the public key in the certificate. The key itself is not shown or kept.",
        remedy: "Renew the certificate: it gets a new key beside it. When the certificate is the newer one, bring back its own key instead.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/etcd/server.key: the key beside it belongs to another certificate",
    }
    KEY_MISSING = "key-missing", Critical, "the private key is not there", ["status", "doctor"] {
        meaning: "There is a certificate and no key, so nobody can present it.",
        cause: "Restored without keys (most backups leave them out), or removed.",
        known_by: "The flag that names the key, or the name beside the certificate.",
        remedy: "Renew the certificate: a new key is made on this host.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/apiserver.key: its key /etc/kubernetes/pki/apiserver.key does not exist",
    }
    KEY_UNREADABLE = "key-unreadable", Warning, "the private key cannot be read", ["status", "doctor"] {
        meaning: "Whether it belongs to the certificate cannot be told: this user may not read it.",
        cause: "Run as somebody else than root.",
        known_by: "Reading it, and the system's refusal.",
        remedy: "Run kubepki as root.",
        commands: ["sudo kubepki doctor"],
        example: "/etc/kubernetes/pki/apiserver.key: permission denied",
    }
    KEY_UNUSABLE = "key-unusable", Critical, "what lies there is no usable private key", ["status", "doctor"] {
        meaning: "The file can be read, and no component can use what is in it. A process that runs goes on with the key that it has read; it will not start again. For a CA's key it is a warning: nothing runs by it but kube-controller-manager's signer.",
        cause: "An empty file left by a full disk or an interrupted copy, a certificate pasted into the key's file, damage, or a passphrase, which no Kubernetes component can type.",
        known_by: "Reading it as its users would: it is no PEM private key, or it is encrypted.",
        remedy: "Renew the certificate, which makes a new key, or bring the old one back from a backup. A CA's key is brought back, or decrypted while it is used.",
        commands: ["kubepki renew NAME", "kubepki restore PATH"],
        example: "/etc/kubernetes/pki/front-proxy-client.key: no private key in it",
    }
    KEY_READABLE_BY_OTHERS = "key-readable-by-others", Warning, "others may read the private key", ["status", "doctor"] {
        meaning: "Every user of this host, and every container that mounts the folder, can take the key and be who it stands for. For a CA's key that is everybody.",
        cause: "Copied by `cp` or `scp` under an open umask, unpacked from an archive, `chmod -R`.",
        known_by: "The permission bits of the file.",
        remedy: "Close it. If strangers had access to the host, renew with a new key; for a CA, rotate it.",
        commands: ["chmod 600 PATH", "kubepki renew NAME --force"],
        example: "/etc/kubernetes/pki/ca.key: the key's mode is 0644, expected 0600",
    }
    WEAK_KEY = "weak-key", Warning, "the key is weak", ["status", "inspect", "doctor"] {
        meaning: "An RSA key below 2048 bits. Newer Go versions refuse keys below 1024 bits; guidelines refuse all of them.",
        cause: "Made years ago, by hand or by an appliance.",
        known_by: "The public key in the certificate.",
        remedy: "Renew with a stronger type.",
        commands: ["kubepki renew NAME --key-type ecdsa:p256"],
        example: "/etc/kubernetes/pki/apiserver.crt: RSA key of 1024 bits, expected at least 2048",
    }
    WEAK_SIGNATURE = "weak-signature", Warning, "the certificate is signed with a weak algorithm", ["status", "inspect", "doctor"] {
        meaning: "SHA-1 or MD5. Go refuses such signatures since 1.18, so components from Kubernetes 1.24 on fail with `x509: cannot verify signature: insecure algorithm`. On a root, which nobody verifies, it does not matter.",
        cause: "A hand-made CA with the defaults of an old OpenSSL.",
        known_by: "The signature algorithm in the certificate.",
        remedy: "Renew it; the new one is signed with SHA-256 or better. Do this before upgrading Kubernetes past 1.23.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/apiserver.crt: signed with sha1WithRSAEncryption",
    }
    CA_KEY_NOT_NEEDED = "ca-key-not-needed", Info, "a CA's key lies where nothing uses it", ["doctor"] {
        meaning: "Whoever has this file can make any identity of the cluster. Here nothing signs with it: neither the controller manager of this host nor a flag names it, or the host is a worker.",
        cause: "kubeadm leaves the keys of its CAs on every control-plane host; copies made while joining hosts by hand stay on workers.",
        known_by: "The key matches a CA of the cluster, and no flag on this host names it.",
        remedy: "On a worker: remove it. On control planes it is a choice; with the key kept elsewhere (an external CA) renewing takes requests and an installation.",
        commands: ["kubepki renew all --csr-dir DIR   # how renewing goes without the key"],
        example: "/etc/kubernetes/pki/ca.key: the key of ca lies on this host, and no flag names it",
    }
    SAME_KEY_TWO_AUTHORITIES = "same-key-two-authorities", Warning, "two CAs have the same key", ["doctor"] {
        meaning: "What one of them signs the other one's readers accept too. With the cluster's and the front proxy's CA that lets any client of the cluster claim to be anybody; with etcd's it opens the datastore.",
        cause: "One key pair was used for all CAs of a hand-made cluster, or one CA's files were copied over another's.",
        known_by: "The public keys in the two certificates are equal.",
        remedy: "Give each its own key: rotate the one with fewer certificates. A cluster made that way on purpose accepts it in its accepted risks.",
        commands: ["kubepki inspect /etc/kubernetes/pki"],
        example: "/etc/kubernetes/pki/front-proxy-ca.crt: has the same key as /etc/kubernetes/pki/ca.crt",
    }
    SHARED_KEY = "shared-key", Info, "two certificates have the same private key", ["doctor"] {
        meaning: "Whoever takes one can act as the other as well, and neither can be replaced alone after a theft. Everything works.",
        cause: "Certificates were renewed with `--key reuse`, or one request was signed several times for several uses.",
        known_by: "The public keys in the certificates are equal, and the certificates are not.",
        remedy: "Renew one of them with a new key.",
        commands: ["kubepki renew NAME --force"],
        example: "/etc/kubernetes/pki/etcd/peer.crt: has the same key as /etc/kubernetes/pki/etcd/server.crt",
    }
    SERVICE_ACCOUNT_KEY_UNVERIFIED = "service-account-key-unverified", Critical, "tokens are signed with a key that the API server does not verify by", ["doctor"] {
        meaning: "Every new service-account token is refused: pods get 401 Unauthorized, and soon DNS, CNI and all controllers stand still. Tokens signed before still work until they end.",
        cause: "`sa.key` was replaced and `sa.pub` was not, one control plane has another pair than the others, or `--service-account-key-file` names another file.",
        known_by: "The public half of the signing key (`--service-account-private-key-file`, `--service-account-signing-key-file`) is not among the keys of `--service-account-key-file`.",
        remedy: "Put the public half of the signing key into the file that verifies, old keys below it, on every control plane; then restart the API servers. They read it only when they start.",
        commands: ["openssl pkey -in /etc/kubernetes/pki/sa.key -pubout >> /etc/kubernetes/pki/sa.pub"],
        example: "/etc/kubernetes/pki/sa.pub: does not hold the public half of /etc/kubernetes/pki/sa.key, with which kube-controller-manager signs tokens",
    }
    ENCRYPTED = "encrypted", Info, "the private key is encrypted", ["inspect"] {
        meaning: "It can be read only with a passphrase, which no Kubernetes component can type.",
        cause: "Made with `openssl genrsa -aes256` or taken from a PKCS #12 file.",
        known_by: "The frame around the key.",
        remedy: "Nothing, if it is kept for safety. For a component, decrypt it in place.",
        commands: ["openssl pkey -in PATH -out PATH.new"],
        example: "ca.key: an encrypted private key",
    }
}
