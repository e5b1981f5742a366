//! Findings about names, usages and identities: the path is good and the certificate still refused.

kinds! {
    NAME_MISSING = "name-missing", Critical, "the server's certificate lacks a name that clients ask for", ["doctor"] {
        meaning: "Clients that connect by this name or address fail with `x509: certificate is valid for …, not …`. Those that use another name work, which makes it look like a network fault.",
        cause: "The host has a new address, a load balancer or a DNS name was added, the Service network was changed; or the certificate was renewed by a tool that did not keep the names.",
        known_by: "The subject alternative names of the certificate against every name that a kubeconfig, a flag, a Node or the Service asks for. The common name does not count (Go ignores it since 1.15).",
        remedy: "Renew it with the name added.",
        commands: ["kubepki renew apiserver --add-san DNS:api.example.com", "kubepki renew etcd-server --add-san IP:10.0.0.5"],
        example: "/etc/kubernetes/pki/apiserver.crt: lacks IP:10.96.0.1, which pods ask for (kubernetes.default)",
    }
    WRONG_SERVER_NAME = "wrong-server-name", Critical, "the kubeconfig asks for a server by a name that it does not have", ["doctor"] {
        meaning: "This one client fails with `x509: certificate is valid for …, not …`. Others reach the same server by its right name.",
        cause: "The kubeconfig was copied from another cluster, edited by hand, or names an address that the control plane no longer has.",
        known_by: "The server's certificate has the names that everybody else asks for; only this kubeconfig asks for another.",
        remedy: "Set the kubeconfig's `server` to a name that the certificate has. If the new name is right, add it to the certificate instead.",
        commands: ["kubectl config set-cluster kubernetes --server=https://ADDRESS:6443 --kubeconfig PATH", "kubepki renew apiserver --add-san DNS:NAME"],
        example: "/etc/kubernetes/scheduler.conf: its server is https://10.0.0.99:6443, and the API server's certificate is for 10.0.0.5, 10.96.0.1, cp1",
    }
    COPIED_FROM_ANOTHER_NODE = "copied-from-another-node", Critical, "the certificate belongs to another node", ["doctor"] {
        meaning: "It names another host, and neither this one's name nor an address of it. etcd checks the addresses of its peers and refuses the member; clients that come by this host's address fail; a kubelet cannot act as another node.",
        cause: "The whole pki folder was copied between control planes, where only the CAs and `sa.key` may be.",
        known_by: "The names in it against this host's name, addresses and flags. With several hosts or the API: the same certificate on two.",
        remedy: "Renew it with this host's names. `renew` keeps the names that are there, so give them, or make it anew as kubeadm would.",
        commands: ["kubepki renew etcd-peer --set-san DNS:cp2 --set-san DNS:localhost --set-san IP:10.0.0.6 --set-san IP:127.0.0.1", "kubepki init --only etcd-peer --advertise-address 10.0.0.6   # after moving the old pair away"],
        example: "/etc/kubernetes/pki/etcd/peer.crt: is for cp1 (10.0.0.5), and this host is cp2 (10.0.0.6)",
    }
    USAGE_MISSING = "usage-missing", Critical, "the certificate lacks a usage that it needs", ["doctor"] {
        meaning: "The other side answers `x509: certificate specifies an incompatible key usage`. A client needs clientAuth, a server serverAuth; etcd's peers are both, and so is etcd's server certificate, since its gateway calls itself with it.",
        cause: "Made by hand or by a CA whose profile grants only serverAuth.",
        known_by: "The extended key usages of the certificate and of the CAs above it; where a CA lists usages, a leaf cannot have others.",
        remedy: "`renew` keeps the usages, so make it anew as kubeadm would, after moving the old pair away. With an external CA, ask for both usages.",
        commands: ["kubepki init --only etcd-peer --advertise-address ADDRESS", "kubepki inspect PATH"],
        example: "/etc/kubernetes/pki/etcd/peer.crt: lacks clientAuth (it has serverAuth)",
    }
    IDENTITY_REFUSED = "identity-refused", Critical, "the certificate is good and names the wrong identity", ["doctor"] {
        meaning: "TLS succeeds, and then the server does not let it act: 403 Forbidden from the API server, `x-remote-*` ignored by an aggregated one, `client certificate authentication failed` from etcd.",
        cause: "A certificate of another component was copied, or it was issued without its organization (`system:nodes`, `system:masters`), or the front proxy's common name is not in `--requestheader-allowed-names`.",
        known_by: "Common name and organizations of the subject against what the server's flags or Kubernetes' conventions demand.",
        remedy: "`renew` keeps the subject, so put back the right certificate, or make it anew as kubeadm would.",
        commands: ["kubepki init --only controller-manager.conf --advertise-address ADDRESS   # after moving the old one away", "kubepki kubeconfig --help"],
        example: "/etc/kubernetes/controller-manager.conf: is CN=system:kube-scheduler, expected CN=system:kube-controller-manager",
    }
    PATH_INVALID = "path-invalid", Critical, "the chain from the certificate to its CA does not hold", ["doctor"] {
        meaning: "Somebody between the certificate and the root breaks the path: an intermediate is missing or has expired, a path length is exceeded, a CA's name constraints do not permit the names, or a critical extension is not known.",
        cause: "An intermediate CA whose certificate is not in the leaf's file behind the leaf, where servers and clients must present it.",
        known_by: "Path validation as Go does it.",
        remedy: "Append the intermediates to the certificate's file, the leaf first; the root belongs only into trust files.",
        commands: ["kubepki inspect PATH"],
        example: "/etc/kubernetes/pki/apiserver.crt: its issuer CN=corp-issuing-ca is neither presented nor trusted",
    }
    NO_SUBJECT_ALT_NAME = "no-subject-alt-name", Warning, "a server certificate without subject alternative names", ["inspect", "doctor"] {
        meaning: "Go ignores the common name since 1.15: `x509: certificate relies on legacy Common Name field`. No Kubernetes component accepts this server.",
        cause: "Made by hand with only `-subj`.",
        known_by: "The extension `subjectAltName` is not there.",
        remedy: "Renew it with its names.",
        commands: ["kubepki renew NAME --add-san DNS:NAME --add-san IP:ADDRESS"],
        example: "server.crt: a server certificate without subjectAltName, which Go refuses",
    }
    EXTENSION_MALFORMED = "extension-malformed", Warning, "an extension cannot be read", ["inspect"] {
        meaning: "Stricter readers refuse the whole certificate; Go refuses most malformed extensions while parsing.",
        cause: "A home-made CA program.",
        known_by: "Decoding it by RFC 5280.",
        remedy: "Make the certificate again with another program.",
        commands: ["kubepki renew NAME"],
        example: "server.crt: subjectAltName: IP address of 5 octets",
    }
    UNKNOWN_CRITICAL_EXTENSION = "unknown-critical-extension", Warning, "a critical extension that nobody knows", ["inspect"] {
        meaning: "Whoever does not know a critical extension must refuse the certificate: `x509: unhandled critical extension`.",
        cause: "A CA with extensions of its own, marked critical.",
        known_by: "The list of extensions.",
        remedy: "Have it issued without, or not critical.",
        commands: [],
        example: "server.crt: critical extension 1.3.6.1.4.1.99999.1 is not known",
    }
    ZERO_SERIAL = "zero-serial", Info, "serial number 0", ["inspect"] {
        meaning: "RFC 5280 wants a positive number. kubeadm before 1.30 made its CAs so, and everything accepts it.",
        cause: "kubeadm before 1.30.",
        known_by: "The serial number.",
        remedy: "Nothing needs to be done.",
        commands: [],
        example: "ca.crt: serial number 0, RFC 5280 wants a positive one",
    }
    NEGATIVE_SERIAL = "negative-serial", Warning, "a negative serial number", ["inspect"] {
        meaning: "Go 1.23 and later refuse the certificate, and with it Kubernetes from 1.32 on.",
        cause: "A program that wrote random octets without a leading zero.",
        known_by: "The serial number.",
        remedy: "Renew it before upgrading.",
        commands: ["kubepki renew NAME"],
        example: "apiserver.crt: serial number -1f3a is negative, Go 1.23 and later refuse it",
    }
    LONG_SERIAL = "long-serial", Warning, "a serial number of more than 20 octets", ["inspect"] {
        meaning: "RFC 5280 allows 20 octets; some readers refuse more.",
        cause: "A home-made CA program.",
        known_by: "The serial number.",
        remedy: "Renew it: the new one gets a number as it should be.",
        commands: ["kubepki renew NAME"],
        example: "apiserver.crt: serial number of 24 octets, expected at most 20",
    }
    REQUEST_SIGNATURE_INVALID = "request-signature-invalid", Critical, "a certification request is not signed by its own key", ["inspect"] {
        meaning: "No CA may issue it: whoever made the request cannot show that the key is theirs.",
        cause: "The request was edited, cut, or the key exchanged.",
        known_by: "The signature of the request against the key in it.",
        remedy: "Make the request again.",
        commands: ["kubepki renew NAME --csr-dir DIR"],
        example: "apiserver.csr: the signature does not verify",
    }
}
