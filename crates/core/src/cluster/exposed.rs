//! Hosts that the cluster exposes with TLS: Ingresses, Gateways, Services of type LoadBalancer.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/ingress/#tls>
//! <https://gateway-api.sigs.k8s.io/guides/tls/>

use super::collector::Collector;
use super::object::{Published, read};
use crate::model::ObjectReference;
use crate::model::cluster::ExposedHost;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ingress {
    metadata: Metadata,
    spec: IngressSpec,
    status: BalancedStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressSpec {
    tls: Option<Vec<IngressTls>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IngressTls {
    hosts: Option<Vec<String>>,
    secret_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BalancedStatus {
    load_balancer: LoadBalancer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Option<Vec<Published>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Gateway {
    metadata: Metadata,
    spec: GatewaySpec,
    status: GatewayStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GatewaySpec {
    listeners: Option<Vec<Listener>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listener {
    hostname: Option<String>,
    port: u16,
    protocol: String,
    tls: Option<ListenerTls>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListenerTls {
    certificate_refs: Option<Vec<SecretReference>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretReference {
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GatewayStatus {
    addresses: Option<Vec<Published>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    metadata: Metadata,
    spec: ServiceSpec,
    status: BalancedStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: String,
    ports: Option<Vec<Port>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port {
    name: String,
    port: u16,
    protocol: Option<String>,
    app_protocol: Option<String>,
}

const HTTPS: u16 = 443;

impl Collector<'_> {
    /// An Ingress: each host of its `tls`, on 443.
    pub fn ingress(&mut self, json: &[u8]) {
        self.counted("Ingress");
        let ingress: Ingress = match read(json) {
            Ok(ingress) => ingress,
            Err(reason) => return self.unreadable("Ingress", reason),
        };
        let object = ingress.metadata.reference("Ingress");
        let published = addresses(ingress.status.load_balancer.ingress);
        for tls in ingress.spec.tls.into_iter().flatten() {
            let secret = tls.secret_name.filter(|name| !name.is_empty());
            let secret = secret.map(|name| {
                ObjectReference::namespaced("Secret", &ingress.metadata.namespace, &name)
            });
            for host in tls.hosts.into_iter().flatten() {
                self.expose(&object, Some(host), &published, HTTPS, secret.clone());
            }
        }
    }

    /// A Gateway: its listeners that end TLS, or hand it on.
    pub fn gateway(&mut self, json: &[u8]) {
        self.counted("Gateway");
        let gateway: Gateway = match read(json) {
            Ok(gateway) => gateway,
            Err(reason) => return self.unreadable("Gateway", reason),
        };
        let object = gateway.metadata.reference("Gateway");
        let published = addresses(gateway.status.addresses);
        for listener in gateway.spec.listeners.into_iter().flatten() {
            if !matches!(listener.protocol.as_str(), "HTTPS" | "TLS") {
                continue;
            }
            let references = listener.tls.and_then(|tls| tls.certificate_refs);
            let mut references = references.into_iter().flatten();
            let first = references
                .find(|found| found.kind.as_deref().is_none_or(|kind| kind == "Secret"))
                .map(|found| {
                    let namespace = found.namespace.as_deref();
                    let namespace = namespace.unwrap_or(&gateway.metadata.namespace);
                    ObjectReference::namespaced("Secret", namespace, &found.name)
                });
            let host = listener.hostname.filter(|host| !host.is_empty());
            self.expose(&object, host, &published, listener.port, first);
        }
    }

    /// A Service of type LoadBalancer: its ports that look like TLS.
    pub fn load_balancer(&mut self, json: &[u8]) {
        self.counted("Service");
        let service: Service = match read(json) {
            Ok(service) => service,
            Err(reason) => return self.unreadable("Service", reason),
        };
        if service.spec.kind != "LoadBalancer" {
            return;
        }
        let object = service.metadata.reference("Service");
        let published = addresses(service.status.load_balancer.ingress);
        if published.is_empty() {
            return; // nothing leads there yet
        }
        let ports = service.spec.ports.into_iter().flatten();
        for port in ports.filter(Port::looks_like_tls) {
            self.expose(&object, None, &published, port.port, None);
        }
    }

    fn expose(
        &mut self,
        object: &ObjectReference,
        host: Option<String>,
        published: &[String],
        port: u16,
        secret: Option<ObjectReference>,
    ) {
        let addresses = match (published.is_empty(), &host) {
            (false, _) => published.to_vec(),
            // a wildcard is no name that leads anywhere
            (true, Some(host)) if !host.starts_with('*') => vec![host.clone()],
            (true, _) => Vec::new(),
        };
        self.observation.exposed.push(ExposedHost {
            object: object.clone(),
            host,
            addresses,
            port,
            secret,
        });
    }
}

impl Metadata {
    fn reference(&self, kind: &str) -> ObjectReference {
        ObjectReference::namespaced(kind, &self.namespace, &self.name)
    }
}

impl Port {
    /// A Service does not say what its ports speak, unless somebody says so.
    fn looks_like_tls(&self) -> bool {
        let is_tcp = self.protocol.as_deref().is_none_or(|name| name == "TCP");
        let says_so = |text: &str| text.contains("https") || text.contains("tls");
        is_tcp
            && (matches!(self.port, 443 | 6443 | 8443)
                || says_so(&self.name)
                || self.app_protocol.as_deref().is_some_and(says_so))
    }
}

fn addresses(published: Option<Vec<Published>>) -> Vec<String> {
    published
        .into_iter()
        .flatten()
        .filter_map(Published::address)
        .collect()
}
