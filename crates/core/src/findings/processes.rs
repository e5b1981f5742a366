//! Findings about what running processes hold, which may be older than the files.

kinds! {
    NOT_TAKEN_UP = "not-taken-up", Warning, "a process still serves the old certificate", ["doctor"] {
        meaning: "The file is new and good, and the process goes on with what it has loaded. It works until the old certificate ends, and then stops without anybody having touched anything. Critical when the old one has ended or fails already.",
        cause: "The certificate was renewed and the component was not restarted, or restarted before the file changed. `kubeadm certs renew` restarts nothing.",
        known_by: "What the endpoint serves was compared with the file.",
        remedy: "Restart the component: for a static pod change its manifest (an annotation is enough) rather than delete the mirror pod, which restarts nothing. `kubepki renew NAME --force` does both at once.",
        commands: ["kubepki renew NAME --force", "systemctl restart kubelet   # for the kubelet"],
        example: "/etc/kubernetes/pki/apiserver.crt: kube-apiserver at 127.0.0.1:6443 serves sha256:96f6…, which is not the file's certificate",
    }
    STALE_IN_MEMORY = "stale-in-memory", Warning, "a process was started before its file changed and does not re-read it", ["doctor"] {
        meaning: "What the process holds cannot be asked, since it is used only where it calls others: the front proxy's certificate, the kubeconfig of the controller manager, a CA that etcd trusts. Its age says that it must be the old one. It works until that ends.",
        cause: "Renewed without a restart. kube-controller-manager and kube-scheduler never re-read the kubeconfig, etcd never its CAs, the API server never `--etcd-cafile` and the service-account keys.",
        known_by: "The start of the process, the last change of the file, and a table of what each component re-reads, measured on live processes.",
        remedy: "Restart the component that is named.",
        commands: ["kubepki renew NAME --force"],
        example: "/etc/kubernetes/controller-manager.conf: changed 2026-11-20T10:00:00Z, kube-controller-manager runs since 2026-03-01T00:00:00Z and reads it only when it starts",
    }
    EXPIRED_IN_MEMORY = "expired-in-memory", Critical, "a process uses a certificate that has expired, though the file is good", ["doctor"] {
        meaning: "The trap after a renewal: every file is right, and a connection fails. The front proxy's client certificate is the classic: `kubectl top` and every aggregated API say Unauthorized.",
        cause: "The certificate was renewed and the process was not restarted before the old one ended.",
        known_by: "The served certificate, a metric such as `kubelet_certificate_manager_client_ttl_seconds`, or the process's age against the end of the certificate that it must have loaded.",
        remedy: "Restart the component now.",
        commands: ["kubepki renew NAME --force", "systemctl restart kubelet   # for the kubelet"],
        example: "kube-apiserver: serves a certificate that expired at 2026-11-21T08:00:00Z; /etc/kubernetes/pki/apiserver.crt is good until 2027-11-20T08:00:00Z",
    }
    MEMORY_CERTIFICATE_ENDS = "memory-certificate-ends", Warning, "a certificate that only lives in memory ends soon", ["doctor"] {
        meaning: "kube-controller-manager (10257), kube-scheduler (10259) and the API server's loopback client make themselves a certificate of one year when they start, and never renew it. A process that runs longer loses it: health checks and metrics fail, and an API server cannot call itself.",
        cause: "A process that has been running for almost a year.",
        known_by: "The served certificate, or the age of the process.",
        remedy: "Restart the component; the certificate is made anew.",
        commands: ["kubepki doctor --only memory-certificate-ends"],
        example: "kube-scheduler (in memory): its self-made serving certificate ends at 2026-11-30T08:00:00Z",
    }
    CONNECTION_FAILS = "connection-fails", Critical, "a connection fails over the wire, and the files do not say why", ["doctor"] {
        meaning: "Both sides' files are right, no process is known to be old, and the handshake or the request is refused all the same.",
        cause: "Something between them: a load balancer or proxy that ends TLS, another process on the port, a firewall that answers, a host that is not this cluster's.",
        known_by: "The connection was tried with its client's own credentials and trust; the answer is in the evidence.",
        remedy: "Look at who answers at that address.",
        commands: ["kubepki inspect ADDRESS:PORT", "ss -ltnp"],
        example: "10.0.0.1:6443: presents CN=corp-proxy, which no file of this host knows",
    }
    SERVED_CERTIFICATE = "served-certificate", Warning, "an endpoint serves something else than it should", ["doctor"] {
        meaning: "An address that was named with `--endpoints`, or is exposed by the cluster, presents a certificate that its clients refuse: ended, of another name, or not the one in its Secret.",
        cause: "An ingress controller that serves its fake certificate since the Secret is missing or broken, a load balancer with a certificate of its own, DNS that leads elsewhere.",
        known_by: "A handshake with the right server name (SNI).",
        remedy: "Look at what is served, and at the Secret that should be.",
        commands: ["kubepki inspect HOST:443"],
        example: "shop.example.com:443: serves CN=Kubernetes Ingress Controller Fake Certificate, which is not for shop.example.com",
    }
    CLIENTS_ABOUT_TO_EXPIRE = "clients-about-to-expire", Info, "clients come with certificates that end soon", ["doctor"] {
        meaning: "The API server has answered requests of clients whose certificates had little time left. They are locked out when these end, and who they are the counter does not tell.",
        cause: "Kubeconfigs of people, CI systems and agents that nobody renews.",
        known_by: "The API server's metric `apiserver_client_certificate_expiration_seconds`, counted since it started.",
        remedy: "Look for them among the kubeconfigs of the hosts and the Secrets of the cluster; the audit log names who asked.",
        commands: ["kubepki status --api"],
        example: "kube-apiserver (in memory): 214 requests came with certificates that had 24 hours or less to live",
    }
}
