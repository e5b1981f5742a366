//! Findings about trust: who signed what, and who believes it.

kinds! {
    UNTRUSTED_ISSUER = "untrusted-issuer", Critical, "the certificate is not signed by a CA that the other side trusts", ["doctor"] {
        meaning: "The other side answers `x509: certificate signed by unknown authority` (or, as a server, `tls: bad certificate`, or 401). The certificate is the one to change: others accept the same CA file.",
        cause: "Renewed with the wrong CA, copied from another cluster, or left over from before the CA was replaced.",
        known_by: "Path validation as Go does it, with the files of both sides. Other certificates verify by the same bundle, so the bundle is right.",
        remedy: "Renew it: it is signed by the CA that its readers trust.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/apiserver-etcd-client.crt: signed by CN=etcd-ca of another key, which etcd does not trust",
    }
    WRONG_AUTHORITY_FILE = "wrong-authority-file", Critical, "the trust file holds the wrong CA", ["doctor"] {
        meaning: "The component trusts a CA that did not sign what it has to accept. Everything that it should believe is refused: `x509: certificate signed by unknown authority`.",
        cause: "Another CA's file was copied over it, a flag names the wrong file, or the CA was replaced everywhere but here.",
        known_by: "What it should accept verifies elsewhere, and the CA that signed it lies on this host with its key; this file holds another. If it is a copy of another file, that is named.",
        remedy: "Put the right CA into the file (or the right file into the flag), and restart the component if it does not re-read.",
        commands: ["kubepki inspect PATH", "kubepki restore PATH"],
        example: "/etc/kubernetes/pki/etcd/ca.crt: holds CN=kubernetes, expected the CA that signed etcd's certificates (CN=etcd-ca)",
    }
    SIGNED_BY_OTHER_CA = "signed-by-other-ca", Critical, "signed by another CA of this host", ["status", "doctor"] {
        meaning: "The certificate is sound, but signed by the CA of another part: etcd's where the cluster's belongs, for example. Whoever verifies it with the right one refuses it.",
        cause: "Made by hand with the wrong `-CA`, or copied from another folder.",
        known_by: "The signature verifies with the other CA and not with the expected one.",
        remedy: "Renew it: it is signed by the CA that its readers trust.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/apiserver.crt: signed by etcd-ca, expected ca",
    }
    NOT_SIGNED_BY_CA = "not-signed-by-ca", Critical, "none of this host's CAs signed it", ["status", "inspect", "doctor"] {
        meaning: "Whoever verifies it with this host's CA refuses it. Where the issuer's name is the CA's but the key is another, the CA was replaced by one of the same name: the most confusing case, since every tool shows the right names.",
        cause: "The CA was replaced and this certificate was not renewed; or it comes from another cluster.",
        known_by: "The signature, not the name.",
        remedy: "Renew it. If many certificates say this and the CA file is the newer one, the CA file is the mistake: bring back the old one.",
        commands: ["kubepki renew NAME", "kubepki restore /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/ca.key"],
        example: "/etc/kubernetes/pki/apiserver.crt: its issuer is named like ca (CN=kubernetes) but another key signed it",
    }
    CA_DATA_STALE = "ca-data-stale", Warning, "the kubeconfig lacks a CA of the bundle", ["status", "doctor"] {
        meaning: "The CA data embedded in the kubeconfig is older than the CA file. It works until the API server's certificate comes from the new CA; then this client fails with `x509: certificate signed by unknown authority`.",
        cause: "The CA bundle was extended for a rotation; or `kubeadm certs renew` ran in the middle of one, which writes only the first certificate of the bundle into kubeconfigs.",
        known_by: "The certificates embedded in it against those of the CA's file.",
        remedy: "Renew the kubeconfig: its CA data is brought up to date with it.",
        commands: ["kubepki renew NAME --force"],
        example: "/etc/kubernetes/admin.conf: the certificate-authority-data of cluster kubernetes lacks 1 of the 2 certificates in /etc/kubernetes/pki/ca.crt",
    }
    WRONG_CA_DATA = "wrong-ca-data", Critical, "the kubeconfig trusts a CA that did not sign the server", ["doctor"] {
        meaning: "This client refuses the API server: `x509: certificate signed by unknown authority`. Other clients are fine.",
        cause: "The kubeconfig is from another cluster or from before a rotation.",
        known_by: "The API server's certificate verifies by the cluster's CA and not by what is embedded here.",
        remedy: "Renew the kubeconfig, or write the cluster's CA into it.",
        commands: ["kubepki renew NAME --force", "kubectl config set-cluster kubernetes --embed-certs --certificate-authority=/etc/kubernetes/pki/ca.crt --kubeconfig PATH"],
        example: "/etc/kubernetes/controller-manager.conf: trusts CN=kubernetes (sha256:96f6…), but another key signed the API server's certificate",
    }
    CLIENT_CA_IS_REQUESTHEADER_CA = "client-ca-is-requestheader-ca", Critical, "clients and the front proxy are signed by one CA", ["doctor"] {
        meaning: "Whoever holds a client certificate of the cluster may set `X-Remote-User` and be anybody, unless `--requestheader-allowed-names` stops it. Kubernetes' documentation forbids it.",
        cause: "One CA for everything in a hand-made cluster, or `ca.crt` copied over `front-proxy-ca.crt`.",
        known_by: "`--client-ca-file` and `--requestheader-client-ca-file` hold the same key. With allowed names set the finding is a warning.",
        remedy: "Give the front proxy a CA of its own. Until then limit `--requestheader-allowed-names` to the common name of the front proxy's certificate.",
        commands: ["kubepki inspect /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/front-proxy-ca.crt"],
        example: "kube-apiserver --requestheader-client-ca-file: trusts the same CA as --client-ca-file (CN=kubernetes)",
    }
    FORMER_CA_COPY = "former-ca-copy", Info, "an earlier CA is still trusted here", ["doctor"] {
        meaning: "A CA that the cluster no longer signs with is still believed in this place. Needed in the middle of a rotation; afterwards whoever has its key can still get in here.",
        cause: "A rotation that was not finished, or a place that was forgotten.",
        known_by: "The certificate has the name of a CA of the cluster and another key, and nothing that is in use was signed by it.",
        remedy: "When the rotation is over, remove it from this place.",
        commands: [],
        example: "ConfigMap kube-public/cluster-info: also holds CN=kubernetes (sha256:2fd4…), which signed nothing in use",
    }
    UNVERIFIED = "unverified", Warning, "the server is not verified at all", ["doctor"] {
        meaning: "Whoever can answer at that address is believed: `insecureSkipTLSVerify` in an APIService, or no CA for kubelets.",
        cause: "Set while something did not work, and left. For kubelets it is kubeadm's default, and then not told.",
        known_by: "The field or the flag.",
        remedy: "Give the CA that signed the server's certificate, and remove the switch.",
        commands: [],
        example: "APIService v1beta1.metrics.k8s.io: insecureSkipTLSVerify is set: anybody who answers is believed",
    }
}
