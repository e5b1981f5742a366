//! Servers that the API server calls: webhooks, CRD conversion, aggregated API servers.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#contacting-the-webhook>
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>

use super::collector::{BackendService, Collector};
use super::contents::decode;
use super::object::{Condition, read};
use crate::model::ObjectReference;
use crate::model::cluster::{ApiBackend, BackendKind, BundlePurpose};
use kubepki_sealed::danger;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WebhookConfiguration {
    metadata: Named,
    webhooks: Option<Vec<Webhook>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Webhook {
    name: String,
    client_config: ClientConfig,
    failure_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClientConfig {
    url: Option<String>,
    service: Option<Service>,
    ca_bundle: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    namespace: String,
    name: String,
    port: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Definition {
    metadata: Named,
    spec: DefinitionSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DefinitionSpec {
    conversion: Option<Conversion>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conversion {
    strategy: String,
    webhook: Option<ConversionWebhook>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConversionWebhook {
    client_config: Option<ClientConfig>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiService {
    metadata: Named,
    spec: ApiServiceSpec,
    status: ApiServiceStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiServiceSpec {
    service: Option<Service>,
    ca_bundle: Option<String>,
    #[serde(rename = "insecureSkipTLSVerify")]
    insecure_skip_tls_verify: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiServiceStatus {
    conditions: Option<Vec<Condition>>,
}

impl Collector<'_> {
    /// A ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
    pub fn webhook_configuration(&mut self, kind: BackendKind, json: &[u8]) {
        let name = match kind {
            BackendKind::MutatingWebhook => "MutatingWebhookConfiguration",
            _ => "ValidatingWebhookConfiguration",
        };
        self.counted(name);
        let configuration: WebhookConfiguration = match read(json) {
            Ok(configuration) => configuration,
            Err(reason) => return self.unreadable(name, reason),
        };
        let object = ObjectReference::cluster_wide(name, &configuration.metadata.name);
        for webhook in configuration.webhooks.into_iter().flatten() {
            let field = format!("webhooks[{}].clientConfig.caBundle", webhook.name);
            // `Fail` is the default of admissionregistration.k8s.io/v1
            let blocks = webhook.failure_policy.as_deref() != Some("Ignore");
            let backend = Backend {
                object: object.clone().at(field),
                kind,
                blocks,
                ..Backend::new(webhook.client_config)
            };
            self.backend(backend);
        }
    }

    /// A CustomResourceDefinition, of which only the conversion matters.
    pub fn custom_resource_definition(&mut self, json: &[u8]) {
        let name = "CustomResourceDefinition";
        self.counted(name);
        let definition: Definition = match read(json) {
            Ok(definition) => definition,
            Err(reason) => return self.unreadable(name, reason),
        };
        let conversion = definition.spec.conversion;
        let webhook = conversion.filter(|conversion| conversion.strategy == "Webhook");
        let Some(client_config) = webhook
            .and_then(|conversion| conversion.webhook)
            .and_then(|webhook| webhook.client_config)
        else {
            return;
        };
        let object = ObjectReference::cluster_wide(name, &definition.metadata.name);
        self.backend(Backend {
            object: object.at("spec.conversion.webhook.clientConfig.caBundle"),
            kind: BackendKind::ConversionWebhook,
            ..Backend::new(client_config)
        });
    }

    /// An APIService; those without a Service are served by the API server itself.
    pub fn api_service(&mut self, json: &[u8]) {
        let name = "APIService";
        self.counted(name);
        let service: ApiService = match read(json) {
            Ok(service) => service,
            Err(reason) => return self.unreadable(name, reason),
        };
        let ApiServiceSpec {
            service: Some(target),
            ca_bundle,
            insecure_skip_tls_verify,
        } = service.spec
        else {
            return;
        };
        let mut conditions = service.status.conditions.into_iter().flatten();
        let available = conditions.find(|condition| condition.kind == "Available");
        let object = ObjectReference::cluster_wide(name, &service.metadata.name);
        self.backend(Backend {
            object: object.at("spec.caBundle"),
            kind: BackendKind::ApiService,
            unverified: insecure_skip_tls_verify,
            available: available.map(|condition| match condition.status.as_str() {
                "False" => Err(condition.message),
                _ => Ok(()),
            }),
            ..Backend::new(ClientConfig {
                url: None,
                service: Some(target),
                ca_bundle,
            })
        });
    }

    /// Services that stand before backends, each once: their addresses are wanted.
    pub fn backend_services(&self) -> Vec<BackendService> {
        let mut services: Vec<_> = self
            .services
            .iter()
            .map(|(_, service)| service.clone())
            .collect();
        services.sort();
        services.dedup();
        services
    }

    /// Where a Service's backends are.
    pub fn backend_addresses(&mut self, service: &BackendService, addresses: &[(String, u16)]) {
        for (index, of) in &self.services {
            if of == service
                && let Some(backend) = self.observation.backends.get_mut(*index)
            {
                backend.addresses = addresses.to_vec();
            }
        }
    }

    fn backend(&mut self, backend: Backend) {
        let ClientConfig {
            url,
            service,
            ca_bundle,
        } = backend.client_config;
        let (ca_bundle, mut problem) = match ca_bundle.filter(|encoded| !encoded.is_empty()) {
            None => (None, None),
            Some(encoded) => match decode(&encoded) {
                None => (Some(Vec::new()), Some("caBundle is not base64".to_owned())),
                Some(pem) => {
                    let (certificates, problem) = self.read_bundle(danger::open(&pem));
                    (Some(self.keep_all(certificates, true)), problem)
                }
            },
        };
        let (mut server_name, mut addresses) = (String::new(), Vec::new());
        if let Some(service) = &service {
            server_name = format!("{}.{}.svc", service.name, service.namespace);
        } else if let Some((host, port)) = url.as_deref().and_then(host_and_port) {
            server_name.clone_from(&host);
            addresses.push((host, port));
        } else {
            problem.get_or_insert_with(|| "neither a Service nor a URL is named".to_owned());
        }
        if let Some(certificates) = &ca_bundle {
            self.bundle(
                backend.object.clone(),
                BundlePurpose::Backend,
                certificates.clone(),
                problem.clone(),
            );
        }
        if let Some(service) = service {
            let service = BackendService {
                namespace: service.namespace,
                name: service.name,
                port: service.port.unwrap_or(443),
            };
            self.services
                .push((self.observation.backends.len(), service));
        }
        self.observation.backends.push(ApiBackend {
            object: backend.object,
            kind: backend.kind,
            server_name,
            addresses,
            ca_bundle,
            unverified: backend.unverified,
            blocks: backend.blocks,
            available: backend.available,
            problem,
        });
    }
}

struct Backend {
    object: ObjectReference,
    kind: BackendKind,
    client_config: ClientConfig,
    unverified: bool,
    blocks: bool,
    available: Option<Result<(), String>>,
}

impl Backend {
    /// Whose failure is its callers' failure, which only an admission webhook can help.
    fn new(client_config: ClientConfig) -> Self {
        Self {
            object: ObjectReference::cluster_wide("", ""),
            kind: BackendKind::ApiService,
            client_config,
            unverified: false,
            blocks: true,
            available: None,
        }
    }
}

/// `https://host:port/path`; the port is 443 when none is given.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(address) => {
            let (host, rest) = address.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(443), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls() {
        for (url, expected) in [
            (
                "https://hook.example.com/validate?timeout=5s",
                Some(("hook.example.com", 443)),
            ),
            ("https://10.0.0.1:8443", Some(("10.0.0.1", 8443))),
            ("https://[fd00::1]:9443/x", Some(("fd00::1", 9443))),
            ("https://[fd00::1]/x", Some(("fd00::1", 443))),
            ("http://hook/", None),
            ("https://", None),
            ("https://hook:port/", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_and_port(url), expected, "{url}");
        }
    }
}
