//! Findings about time: certificates that have ended or will, and clocks.

kinds! {
    EXPIRED = "expired", Critical, "the certificate has expired", ["status", "inspect", "doctor"] {
        meaning: "Nobody who checks the date accepts it any more. A server certificate: every client of that server fails with `x509: certificate has expired or is not yet valid`. A client certificate: the API server answers 401 Unauthorized, etcd closes the handshake. A CA: everything that it signed is refused with it.",
        cause: "kubeadm's certificates live a year and are renewed by `kubeadm upgrade`; a cluster that is not upgraded for a year runs into this. The kubelet renews its own unless it was switched off for longer than the certificate lived.",
        known_by: "The end of validity in the certificate is before now, by this host's clock or `--now`. The doctor names the file, and every connection that fails because of it.",
        remedy: "Renew it: that works while the API is down, keeps names and usages, and restarts what does not re-read. Renew a CA with its own key only when that key is still secret; everything that it signed stays valid then.",
        commands: ["kubepki renew all", "kubepki renew all --renew-expired-ca   # when a CA has expired"],
        example: "/etc/kubernetes/pki/apiserver.crt: expired at 2026-11-21T08:00:00Z",
    }
    NOT_YET_VALID = "not-yet-valid", Critical, "the certificate is not valid yet", ["status", "inspect", "doctor"] {
        meaning: "Its validity begins in the future, as this host's clock has it. Everybody whose clock agrees refuses it, with the same words as for an expired one.",
        cause: "A clock: the host that signed it was ahead, or this one is behind (a dead battery, no NTP, a restored snapshot). Seldom a certificate made for later on purpose.",
        known_by: "The begin of validity in the certificate is after now.",
        remedy: "Look at the clocks first, `timedatectl` on both hosts. When the clock is right, renew the certificate; new ones begin five minutes in the past, and `--not-before` goes further back.",
        commands: ["timedatectl", "kubepki renew NAME --not-before=-1d"],
        example: "/etc/kubernetes/pki/ca.crt: not valid before 2026-10-31T23:55:00Z",
    }
    EXPIRES_SOON = "expires-soon", Warning, "the certificate expires soon", ["status", "inspect", "doctor"] {
        meaning: "It still works, but ends within `--warn` (30 days); within `--critical` (7 days) the finding is critical.",
        cause: "Time passes. Certificates that renew themselves (the kubelet's, at 70 to 90 percent of their life) only come this far when their renewal fails, and then that is what to look at.",
        known_by: "The end of validity in the certificate, against the two thresholds.",
        remedy: "Renew it at a quiet time. For a CA plan a rotation: renewing it with the same key is for emergencies.",
        commands: ["kubepki renew all --only-expiring 30d"],
        example: "/etc/kubernetes/pki/front-proxy-client.crt: expires at 2026-12-01T08:00:00Z",
    }
    OUTLIVES_CA = "outlives-ca", Warning, "the certificate outlives its CA", ["status", "doctor"] {
        meaning: "The certificate says that it is good for longer than the CA that signed it. From the CA's end on nobody accepts it, whatever its own date says.",
        cause: "Certificates of ten or a hundred years, made by installers, under a CA of ten; or a CA that was replaced by one with a shorter life.",
        known_by: "The end of validity of the certificate is after that of the CA whose key really signed it.",
        remedy: "Plan the CA's rotation by the CA's date, not by this one's. A renewed certificate ends with its CA at the latest.",
        commands: ["kubepki renew NAME"],
        example: "/etc/kubernetes/pki/apiserver.crt: ca ends first, at 2030-05-01T00:00:00Z",
    }
    CA_ENDS_BEFORE_LEAFS = "ca-ends-before-leafs", Warning, "the CA ends within a leaf's usual life", ["doctor"] {
        meaning: "The CA has less time left than the certificates that it signs are meant to live. Every renewal from now on gives shorter ones, until on the CA's last day everything ends together.",
        cause: "CAs of kubeadm live ten years, and clusters grow old.",
        known_by: "The rest of the CA's validity is shorter than the life of the certificates that it signed.",
        remedy: "Plan the rotation of this CA now, while everything works: the new one has to be trusted everywhere before it signs. Should time run out, a CA whose key is still secret can be renewed with the same key.",
        commands: ["kubepki status -o wide", "kubepki renew all --renew-expired-ca   # only once it has expired"],
        example: "/etc/kubernetes/pki/ca.crt: ends at 2027-03-01T00:00:00Z, before certificates of 365 days that are issued from now on",
    }
    NEVER_VALID = "never-valid", Critical, "the certificate was never valid", ["inspect"] {
        meaning: "Its validity ends before it begins. No clock makes it valid.",
        cause: "A mistake where it was made: the two dates exchanged, or an end computed with overflow.",
        known_by: "The two dates in the certificate.",
        remedy: "Renew it, or make it again where it was made.",
        commands: ["kubepki renew NAME"],
        example: "apiserver.crt: its validity ends 2024-01-01T00:00:00Z, before it begins 2025-01-01T00:00:00Z",
    }
    CLOCK_SKEW = "clock-skew", Warning, "the clocks of this host and of a server differ", ["doctor"] {
        meaning: "Two hosts disagree about the time. New certificates can be refused as `not yet valid` by the one that is behind, tokens can be refused before their time by the one that is ahead, and leader election and etcd become unsteady.",
        cause: "NTP is not running on one of them, is blocked, or a virtual machine was suspended and restored.",
        known_by: "The `Date` header of the server's answer against this host's clock at that moment. One second is the header's grain; differences of up to a few seconds are not told.",
        remedy: "Set the clock right on the host that is wrong, before anything is renewed there.",
        commands: ["timedatectl", "chronyc tracking"],
        example: "kube-apiserver at 10.0.0.2:6443: its clock is 412 s ahead of this host's",
    }
}
