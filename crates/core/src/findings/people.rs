//! Findings about credentials as people and programs carry them, and about what people accept.

kinds! {
    SYSTEM_MASTERS = "system-masters", Info, "a long-lived credential in system:masters", ["doctor"] {
        meaning: "Members of this group may do everything, and no RBAC rule can take it away: such a certificate can be stopped only by replacing the CA.",
        cause: "kubeadm before 1.29 put `admin.conf` and the API server's kubelet client into it. Since then only `super-admin.conf`, which belongs into a safe.",
        known_by: "The organization in the subject. With a validity of more than a year left it is a warning.",
        remedy: "Give people credentials of their own in ordinary groups; keep one in `system:masters` for emergencies, off the hosts.",
        commands: ["kubepki kubeconfig --help"],
        example: "/etc/kubernetes/admin.conf: O=system:masters, CN=kubernetes-admin, until 2027-11-20T08:00:00Z",
    }
    INSECURE_SKIP_TLS_VERIFY = "insecure-skip-tls-verify", Warning, "a kubeconfig does not verify the server", ["inspect", "doctor"] {
        meaning: "Whoever answers at that address is believed, and gets the credentials.",
        cause: "Set while something did not work, and left.",
        known_by: "The field of that name in the kubeconfig.",
        remedy: "Write the CA into the kubeconfig and remove the field.",
        commands: ["kubectl config set-cluster CLUSTER --embed-certs --certificate-authority=/etc/kubernetes/pki/ca.crt --insecure-skip-tls-verify=false --kubeconfig PATH"],
        example: "config: cluster kubernetes is not verified at all",
    }
    UNKNOWN_CONTEXT = "unknown-context", Warning, "the current context does not exist", ["inspect"] {
        meaning: "kubectl uses no context at all and goes to localhost:8080.",
        cause: "The context was renamed or removed.",
        known_by: "`current-context` is not among the contexts.",
        remedy: "Choose one that is there.",
        commands: ["kubectl config use-context NAME --kubeconfig PATH"],
        example: "config: current-context prod is not among its contexts",
    }
    NEVER_EXPIRES = "never-expires", Info, "a token without an end", ["inspect"] {
        meaning: "Legacy service-account tokens are good until their Secret is deleted or the key that signed them is no longer trusted.",
        cause: "Made before Kubernetes 1.24, or by a Secret of type `kubernetes.io/service-account-token`.",
        known_by: "The token has no `exp`.",
        remedy: "Use projected tokens, which end and are renewed.",
        commands: ["kubectl create token SERVICE-ACCOUNT -n NAMESPACE"],
        example: "token: a token without an end",
    }
    UNSIGNED_TOKEN = "unsigned-token", Warning, "a token that nobody signed", ["inspect"] {
        meaning: "Its algorithm is `none`: anybody can write one. No API server accepts it.",
        cause: "Made for a test, or to attack a careless reader.",
        known_by: "The token's header.",
        remedy: "Do not use it, and find out who made it.",
        commands: [],
        example: "token: nobody signed it",
    }
    ACCEPTED_RISK_ENDED = "accepted-risk-ended", Info, "an accepted risk has come to its end", ["doctor"] {
        meaning: "A finding was accepted until a day that is past, so it is told again, beside this one.",
        cause: "The `until` of a risk in the list of accepted risks.",
        known_by: "The list, the finding, and the time.",
        remedy: "Mend what the finding is about, or accept it for longer, with a reason.",
        commands: ["kubepki schema AcceptedRisks"],
        example: "/etc/kubepki/accepted-risks.yaml: weak-key@/etc/old.crt was accepted until 2027-01-31T23:59:59Z, so it is told again",
    }
}
