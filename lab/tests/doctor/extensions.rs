//! Breakages between the API server and what it calls: aggregated APIs, admission and conversion
//! webhooks. First of all, that our own servers for this work.

use anyhow::{Context, Result};
use kubepki_lab::{Cluster, Extension, ExtensionServer};

use crate::breakage::{Breakage, broken};

const NAME: &str = "beside";
const ALL: [Extension; 4] = [
    Extension::Aggregated,
    Extension::Validating,
    Extension::Mutating,
    Extension::Conversion,
];

/// The four extensions, each proved to be called by the API server.
pub fn registered(cluster: &Cluster) -> Result<ExtensionServer<'_>> {
    let server = cluster.start_extension_server("cp1", NAME)?;
    for extension in ALL {
        server.register(extension)?;
    }
    let shown = server.shown()?;
    let listed = shown
        .iter()
        .rfind(|shown| shown.path.ends_with("/callers"))
        .context("nobody listed")?;
    assert_eq!(listed.common_name.as_deref(), Some("front-proxy-client"));
    assert_eq!(listed.user.as_deref(), Some("kubernetes-admin"));
    let file = cluster.host("cp1")?.shell(
        "openssl x509 -in /etc/kubernetes/pki/front-proxy-client.crt -outform der \
         | sha256sum | cut -d' ' -f1",
    )?;
    assert_eq!(listed.sha256.as_deref(), Some(file.trim()));
    assert!(
        shown.iter().any(|shown| shown.path == "/convert"),
        "{shown:?}"
    );
    Ok(server)
}

/// Removes them; the server is gone then.
pub fn stopped(cluster: &Cluster, server: ExtensionServer<'_>) -> Result<()> {
    server.stop(&ALL)?;
    let left = cluster
        .host("cp1")?
        .processes("/usr/local/bin/extension-server")?;
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

/// A CA that has not signed the servers' certificate, in the one place of its kind.
macro_rules! stale_bundle {
    ($name:literal, $code:literal, $kind:literal, $pointer:literal, $object:literal) => {
        broken(
            $name,
            concat!(
                "authority former /CN=beside-ca\n",
                "kubectl patch ",
                $kind,
                " --type json -p \"[{\\\"op\\\":\\\"replace\\\",\\\"path\\\":\\\"",
                $pointer,
                "\\\",\\\"value\\\":\\\"$(base64 -w0 $SCRATCH/former.crt)\\\"}]\""
            ),
            &[($code, $object)],
        )
        .mended_by(concat!(
            "kubectl patch ",
            $kind,
            " --type json -p \"[{\\\"op\\\":\\\"replace\\\",\\\"path\\\":\\\"",
            $pointer,
            "\\\",\\\"value\\\":\\\"$(base64 -w0 /opt/extensions/beside/ca.crt)\\\"}]\""
        ))
    };
}

/// Breakages of them.
pub const BREAKAGES: &[Breakage] = &[
    stale_bundle!(
        "a-validating-webhook-with-a-stale-bundle",
        "webhook-bundle-stale",
        "validatingwebhookconfiguration beside",
        "/webhooks/0/clientConfig/caBundle",
        "ValidatingWebhookConfiguration beside webhooks[validate.lab.kubepki.dev].clientConfig.caBundle"
    ),
    stale_bundle!(
        "a-mutating-webhook-with-a-stale-bundle",
        "webhook-bundle-stale",
        "mutatingwebhookconfiguration beside",
        "/webhooks/0/clientConfig/caBundle",
        "MutatingWebhookConfiguration beside webhooks[mutate.lab.kubepki.dev].clientConfig.caBundle"
    ),
    stale_bundle!(
        "an-aggregated-api-with-a-stale-bundle",
        "api-service-bundle-stale",
        "apiservice v1.lab.kubepki.dev",
        "/spec/caBundle",
        "APIService v1.lab.kubepki.dev spec.caBundle"
    ),
    stale_bundle!(
        "a-conversion-webhook-with-a-stale-bundle",
        "conversion-bundle-stale",
        "crd samples.converted.kubepki.dev",
        "/spec/conversion/webhook/clientConfig/caBundle",
        "CustomResourceDefinition samples.converted.kubepki.dev spec.conversion.webhook.clientConfig.caBundle"
    ),
    broken(
        "an-aggregated-api-that-nobody-verifies",
        "kubectl patch apiservice v1.lab.kubepki.dev --type merge \
             -p '{\"spec\":{\"insecureSkipTLSVerify\":true,\"caBundle\":null}}'",
        &[("unverified", "APIService v1.lab.kubepki.dev")],
    )
    .mended_by(
        "kubectl patch apiservice v1.lab.kubepki.dev --type merge -p \"{\\\"spec\\\":{
             \\\"insecureSkipTLSVerify\\\":null,
             \\\"caBundle\\\":\\\"$(base64 -w0 /opt/extensions/beside/ca.crt)\\\"}}\"",
    ),
    broken(
        "a-webhooks-certificate-without-its-services-name",
        "cd /opt/extensions/beside; cp tls.crt tls.key $SCRATCH
         again tls.crt ca=/opt/extensions/beside/ca names=DNS:elsewhere.extensions.svc",
        &[("backend-certificate", "Service extensions/beside")],
    )
    .mended_by("cp $SCRATCH/tls.crt $SCRATCH/tls.key /opt/extensions/beside"),
];
