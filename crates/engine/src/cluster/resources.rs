//! Which kinds of objects a scan asks for, under which names old and new clusters serve them.
//!
//! `deploy/rbac/kubepki-reader.yaml` grants what stands here, and nothing else.

use kubepki_core::cluster::{Collector, SECRET_FIELD_SELECTOR};
use kubepki_core::model::cluster::BackendKind;

/// A kind of objects.
pub(super) struct Resource {
    /// As RBAC and people name it: `secrets`, `ingresses.networking.k8s.io`.
    pub(super) name: &'static str,
    /// Groups and versions under which it may be served, the newest first.
    pub(super) served: &'static [&'static str],
    /// The last part of its path.
    pub(super) plural: &'static str,
    /// Whether its objects lie in namespaces.
    pub(super) namespaced: bool,
    /// Whether a cluster without it is a cluster all the same.
    pub(super) optional: bool,
    /// Whether it is only asked for with what exposes hosts.
    pub(super) exposed: bool,
    /// What is left out by the server.
    pub(super) field_selector: Option<&'static str>,
    /// Takes one object.
    pub(super) take: fn(&mut Collector<'_>, &[u8]),
}

const CORE: &[&str] = &["/api/v1"];

/// What most kinds are alike in.
const ONE: Resource = Resource {
    name: "",
    served: CORE,
    plural: "",
    namespaced: false,
    optional: false,
    exposed: false,
    field_selector: None,
    take: |_, _| {},
};

/// In the order in which they are asked for. Kubernetes 1.20 serves all that is not optional.
pub(super) const RESOURCES: [Resource; 13] = [
    Resource {
        name: "namespaces",
        plural: "namespaces",
        take: |collector, json| collector.namespace(json),
        ..ONE
    },
    Resource {
        name: "nodes",
        plural: "nodes",
        take: |collector, json| collector.node(json),
        ..ONE
    },
    Resource {
        name: "certificatesigningrequests.certificates.k8s.io",
        served: &[
            "/apis/certificates.k8s.io/v1",
            "/apis/certificates.k8s.io/v1beta1",
        ],
        plural: "certificatesigningrequests",
        take: |collector, json| collector.signing_request(json),
        ..ONE
    },
    // before the Secrets, so that those know who renews them
    Resource {
        name: "certificates.cert-manager.io",
        served: &["/apis/cert-manager.io/v1"],
        plural: "certificates",
        namespaced: true,
        optional: true,
        take: |collector, json| collector.managed_certificate(json),
        ..ONE
    },
    Resource {
        name: "configmaps",
        plural: "configmaps",
        namespaced: true,
        take: |collector, json| collector.config_map(json),
        ..ONE
    },
    Resource {
        name: "secrets",
        plural: "secrets",
        namespaced: true,
        field_selector: Some(SECRET_FIELD_SELECTOR),
        take: |collector, json| collector.secret(json),
        ..ONE
    },
    Resource {
        name: "validatingwebhookconfigurations.admissionregistration.k8s.io",
        served: &["/apis/admissionregistration.k8s.io/v1"],
        plural: "validatingwebhookconfigurations",
        take: |collector, json| {
            collector.webhook_configuration(BackendKind::ValidatingWebhook, json);
        },
        ..ONE
    },
    Resource {
        name: "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        served: &["/apis/admissionregistration.k8s.io/v1"],
        plural: "mutatingwebhookconfigurations",
        take: |collector, json| {
            collector.webhook_configuration(BackendKind::MutatingWebhook, json);
        },
        ..ONE
    },
    Resource {
        name: "apiservices.apiregistration.k8s.io",
        served: &["/apis/apiregistration.k8s.io/v1"],
        plural: "apiservices",
        take: |collector, json| collector.api_service(json),
        ..ONE
    },
    Resource {
        name: "customresourcedefinitions.apiextensions.k8s.io",
        served: &["/apis/apiextensions.k8s.io/v1"],
        plural: "customresourcedefinitions",
        take: |collector, json| collector.custom_resource_definition(json),
        ..ONE
    },
    Resource {
        name: "ingresses.networking.k8s.io",
        served: &[
            "/apis/networking.k8s.io/v1",
            "/apis/networking.k8s.io/v1beta1",
        ],
        plural: "ingresses",
        namespaced: true,
        exposed: true,
        take: |collector, json| collector.ingress(json),
        ..ONE
    },
    Resource {
        name: "gateways.gateway.networking.k8s.io",
        served: &[
            "/apis/gateway.networking.k8s.io/v1",
            "/apis/gateway.networking.k8s.io/v1beta1",
        ],
        plural: "gateways",
        namespaced: true,
        optional: true,
        exposed: true,
        take: |collector, json| collector.gateway(json),
        ..ONE
    },
    Resource {
        name: "services",
        plural: "services",
        namespaced: true,
        exposed: true,
        take: |collector, json| collector.load_balancer(json),
        ..ONE
    },
];

impl Resource {
    /// Paths to list below one group and version.
    pub(super) fn paths(&self, served: &str, namespaces: Option<&[String]>) -> Vec<String> {
        match namespaces.filter(|_| self.namespaced) {
            None => vec![format!("{served}/{}", self.plural)],
            Some(namespaces) => namespaces
                .iter()
                .map(|namespace| format!("{served}/namespaces/{namespace}/{}", self.plural))
                .collect(),
        }
    }
}
