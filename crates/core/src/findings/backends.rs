//! Findings about servers that the API server calls: webhooks, aggregated API servers, conversions.

kinds! {
    WEBHOOK_BUNDLE_STALE = "webhook-bundle-stale", Critical, "a webhook's caBundle does not fit its server", ["doctor"] {
        meaning: "The API server refuses the webhook: `failed calling webhook …: x509: certificate signed by unknown authority`. With `failurePolicy: Fail` everything that it admits is blocked, Pods included: nothing new starts. With Ignore it is passed over in silence (a warning).",
        cause: "The webhook's certificate was renewed with another CA, and whatever should write the bundle (cert-manager's injector, a Helm hook, an operator) did not.",
        known_by: "What the server presents, or the Secret that it serves from, does not verify by the bundle.",
        remedy: "Write the server's CA into `caBundle`: by its operator where there is one, else by hand. In an emergency `failurePolicy: Ignore` lets the cluster work.",
        commands: ["kubectl get validatingwebhookconfiguration NAME -o yaml | kubepki inspect -", "kubectl rollout restart deployment cert-manager-cainjector -n cert-manager   # where cert-manager writes it"],
        example: "ValidatingWebhookConfiguration policy webhooks[policy.example.com].clientConfig.caBundle: holds CN=old-ca, policy.shop.svc:443 is signed by CN=new-ca",
    }
    API_SERVICE_BUNDLE_STALE = "api-service-bundle-stale", Critical, "an APIService's caBundle does not fit its server", ["doctor"] {
        meaning: "The aggregated API is not available: `FailedDiscoveryCheck … x509: certificate signed by unknown authority`. Namespaces then hang in Terminating, and `kubectl` is slow, since discovery fails.",
        cause: "The extension server made itself a new certificate, and the bundle is the old one.",
        known_by: "What the server presents does not verify by the bundle; the APIService's condition says the same.",
        remedy: "Write the server's CA into `spec.caBundle`.",
        commands: ["kubectl get apiservice NAME -o yaml | kubepki inspect -"],
        example: "APIService v1beta1.metrics.k8s.io spec.caBundle: holds CN=old-ca, metrics-server.kube-system.svc:443 is signed by CN=new-ca",
    }
    CONVERSION_BUNDLE_STALE = "conversion-bundle-stale", Critical, "a CRD's conversion caBundle does not fit its server", ["doctor"] {
        meaning: "Objects of this kind in another version cannot be read or written: `conversion webhook for … failed: x509: …`. Controllers that list them stand still, and the garbage collector with them.",
        cause: "The operator's certificate was renewed and the bundle in its CustomResourceDefinition was not, often because Helm does not update CRDs.",
        known_by: "What the server presents does not verify by the bundle.",
        remedy: "Write the server's CA into `spec.conversion.webhook.clientConfig.caBundle`.",
        commands: ["kubectl get crd NAME -o yaml | kubepki inspect -"],
        example: "CustomResourceDefinition widgets.example.com spec.conversion.webhook.clientConfig.caBundle: holds CN=old-ca, widgets.shop.svc:443 is signed by CN=new-ca",
    }
    BUNDLE_EXPIRES = "bundle-expires", Warning, "a CA in a bundle has expired or soon will", ["status", "doctor"] {
        meaning: "With its end everything that verifies by it alone fails. Critical when it has ended and no other CA is beside it.",
        cause: "Self-made CAs of operators and charts live a year or less.",
        known_by: "The validity of the certificates in the bundle.",
        remedy: "Renew the CA where it was made; restart the operator that injects it.",
        commands: ["kubectl get validatingwebhookconfiguration NAME -o yaml | kubepki inspect -"],
        example: "MutatingWebhookConfiguration injector webhooks[inject.example.com].clientConfig.caBundle: CN=injector-ca expires at 2026-12-01T08:00:00Z",
    }
    BUNDLE_UNREADABLE = "bundle-unreadable", Critical, "a bundle holds no certificate that can be read", ["status", "doctor"] {
        meaning: "The API server cannot verify the server: `unable to load root certificates: unable to parse bytes as PEM block`.",
        cause: "Encoded twice, empty, or a placeholder that nobody filled in.",
        known_by: "Reading the field as the API server would.",
        remedy: "Write PEM, once base64-encoded, into it.",
        commands: ["kubectl get validatingwebhookconfiguration NAME -o yaml"],
        example: "ValidatingWebhookConfiguration policy webhooks[policy.example.com].clientConfig.caBundle: no certificate found",
    }
    BACKEND_CERTIFICATE = "backend-certificate", Critical, "the certificate of a webhook or aggregated API server is refused", ["doctor"] {
        meaning: "The bundle is right; the server's own certificate has expired, or is not for `SERVICE.NAMESPACE.svc`, the name that the API server asks for.",
        cause: "The server does not re-read its Secret, or the certificate was made for another name.",
        known_by: "What the server presents, against the bundle and the Service's name.",
        remedy: "Renew the server's certificate for that name, and restart it.",
        commands: ["kubepki inspect ADDRESS:PORT --server-name SERVICE.NAMESPACE.svc"],
        example: "Service shop/policy: presents a certificate for policy.shop, expected policy.shop.svc",
    }
}
