//! Findings about files: missing, damaged, in the wrong place.

kinds! {
    MISSING = "missing", Critical, "a file that is named does not exist", ["status", "doctor"] {
        meaning: "A component's flag or a kubeconfig names a file that is not there. What runs goes on with what it has loaded; at its next restart it will not start. What nobody names but kubeadm's table lists is only worth knowing (info).",
        cause: "Removed by hand or by a clean-up, restored only in part, a typing error in a flag, a volume that is not mounted into the pod.",
        known_by: "The flag, the mounts of its container, and the file system.",
        remedy: "Bring it back from a backup. A certificate can also be made anew as kubeadm would; a CA cannot without its key. If the flag is wrong, mend the flag.",
        commands: ["kubepki backup list", "kubepki restore PATH", "kubepki init --only NAME --advertise-address ADDRESS"],
        example: "/etc/kubernetes/pki/apiserver-etcd-client.crt: no certificate found",
    }
    UNREADABLE = "unreadable", Critical, "a file cannot be read as what it should be", ["status", "doctor"] {
        meaning: "The file is there, but holds no certificate, kubeconfig or key that can be read: empty, damaged, something else, or not to be read by this user. The component refuses to start with it.",
        cause: "A disk that was full while it was written, an edit by hand, a merge of two PEM files without a line break between them, base64 that was encoded twice.",
        known_by: "Reading it as the component would.",
        remedy: "Look at what is in it, then bring back or renew what belongs there.",
        commands: ["kubepki inspect PATH", "kubepki restore PATH"],
        example: "/etc/kubernetes/scheduler.conf: not a kubeconfig: line 1: expected a value",
    }
    SWAPPED_FILES = "swapped-files", Critical, "two files have changed places", ["doctor"] {
        meaning: "This file holds what belongs into another, and the other holds what belongs here. Each is sound by itself, so looking at one alone shows nothing.",
        cause: "Copied by hand in the wrong order, mostly etcd's and the cluster's `ca.crt`, or `server` and `peer`.",
        known_by: "Both contents are recognised by their keys and by who verifies with them, and fit the other's place.",
        remedy: "Exchange the two files again, each with its key.",
        commands: ["kubepki inspect PATH OTHER-PATH"],
        example: "/etc/kubernetes/pki/ca.crt: holds the CA of /etc/kubernetes/pki/etcd/ca.crt, which holds this one's",
    }
    COPY_OF_OTHER_FILE = "copy-of-other-file", Critical, "the file is a copy of another that does not belong here", ["doctor"] {
        meaning: "Byte for byte this is another certificate of the same host. Whoever uses it presents the wrong identity or trusts the wrong CA.",
        cause: "Copied to the wrong name by hand or by a script.",
        known_by: "The fingerprint is the same as that of the other file, and that one is where it belongs.",
        remedy: "Renew what belongs here, or bring it back from a backup.",
        commands: ["kubepki renew NAME", "kubepki restore PATH"],
        example: "/etc/kubernetes/pki/front-proxy-ca.crt: is a copy of /etc/kubernetes/pki/ca.crt",
    }
    PEM_NOT_ON_ITS_OWN_LINES = "pem-not-on-its-own-lines", Warning, "a PEM block shares a line with other text", ["inspect"] {
        meaning: "Go, and with it every Kubernetes component, passes over a block whose BEGIN or END line holds anything else. The certificate is in the file and is not seen.",
        cause: "Two files were joined with `cat` where the first had no line break at its end.",
        known_by: "The lines of the file.",
        remedy: "Put a line break before `-----BEGIN` and after the last dash of `-----END …-----`.",
        commands: ["kubepki inspect PATH"],
        example: "ca.crt: PEM block \"CERTIFICATE\" shares a line with other text, so Kubernetes components do not see it",
    }
    PEM_UNFINISHED_LINE = "pem-unfinished-line", Warning, "the file does not end with a line break", ["inspect"] {
        meaning: "Nothing is wrong yet. Whoever appends another certificate to this file joins two lines, and then Kubernetes components do not see the second.",
        cause: "Written by an editor or a template that leaves out the last line break.",
        known_by: "The last byte of the file.",
        remedy: "Add the line break before something is appended.",
        commands: ["echo >> PATH"],
        example: "ca.crt: PEM block \"CERTIFICATE\" ends without a line break",
    }
    FLAG_MISSING = "flag-missing", Warning, "a flag that secures a connection is not set", ["doctor"] {
        meaning: "The component runs without the flag that would make it check the other side, or present itself. The connection works, but believes anybody, or is refused by whoever demands a certificate.",
        cause: "A hand-made unit or manifest in which the flag was left out, or removed while looking for another fault.",
        known_by: "The flags of the manifest or unit, or of the process where they differ.",
        remedy: "Set the flag to the file that holds the right CA or certificate, and restart the component.",
        commands: [],
        example: "etcd --peer-client-cert-auth: not set: any client is accepted as a peer",
    }
}
