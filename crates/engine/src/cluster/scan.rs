//! One scan: which kinds are asked for, in which order, and what becomes of a refusal.

use super::keys::Keys;
use super::pages::{List, list};
use super::resources::{RESOURCES, Resource};
use crate::ports::{ClusterError, ClusterErrorKind, ClusterRead, Progress};
use jiff::Timestamp;
use kubepki_core::cluster::{
    BackendService, Collector, ServiceLeads, endpoint_addresses, service_leads,
};
use kubepki_core::model::cluster::{ClusterObservation, KnownKeys};
use kubepki_sealed::danger;

/// How to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// Objects in one page of a list.
    pub page_size: u32,
    /// Whether to read what exposes TLS hosts: Ingresses, Gateways, LoadBalancer Services.
    pub exposed: bool,
    /// Only these namespaces; `None` for all.
    pub namespaces: Option<Vec<String>>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            page_size: 500,
            exposed: false,
            namespaces: None,
        }
    }
}

/// Reads what matters to the PKI in one API. What is refused, or cannot be read, is a gap.
///
/// # Errors
///
/// When the API cannot be asked at all: it is not reached, or it refuses the credentials.
pub fn scan(
    cluster: &dyn ClusterRead,
    known: &KnownKeys,
    options: &ScanOptions,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<ClusterObservation, ClusterError> {
    progress.say(&format!("{}: asking for its version", cluster.server()));
    let version = cluster.version()?;
    let keys = Keys::new();
    let mut collector = Collector::new(cluster.server().to_owned(), now, known, &keys);
    collector.server(version.version, version.time);
    let mut has_answered = false;
    for resource in &RESOURCES {
        if resource.exposed && !options.exposed {
            continue;
        }
        progress.say(&format!("reading {}", resource.name));
        match read(cluster, resource, options, &mut collector) {
            Ok(()) => has_answered = true,
            // whoever is told nothing but the version is not told anything later either
            Err(error) if !has_answered && is_final(&error) => return Err(error),
            Err(error) => {
                has_answered |= error.kind == ClusterErrorKind::Forbidden;
                if error.kind == ClusterErrorKind::Forbidden {
                    read_by_name(cluster, resource, &mut collector);
                }
                collector.gap(resource.name, reason(&error));
            }
        }
    }
    progress.say("asking where webhooks and aggregated API servers are");
    find_backends(cluster, &mut collector);
    Ok(collector.finish())
}

/// Nothing else will be answered either.
fn is_final(error: &ClusterError) -> bool {
    use ClusterErrorKind::{Unauthorized, Unreachable};
    matches!(error.kind, Unauthorized | Unreachable)
}

/// Lists one kind, under the first of its names that is served.
fn read(
    cluster: &dyn ClusterRead,
    resource: &Resource,
    options: &ScanOptions,
    collector: &mut Collector<'_>,
) -> Result<(), ClusterError> {
    let mut outcome = Ok(());
    for served in resource.served {
        outcome = Ok(());
        for path in resource.paths(served, options.namespaces.as_deref()) {
            let request = List {
                path: &path,
                field_selector: resource.field_selector,
                page_size: options.page_size.max(1),
            };
            let listed = list(cluster, &request, &mut |json| {
                (resource.take)(collector, json);
            });
            if listed.passed_over > 0 {
                let reason = format!("{} objects are too large to be read", listed.passed_over);
                collector.gap(resource.name, reason);
            }
            match listed.refusal {
                None => {}
                Some(error) if listed.objects > 0 => {
                    let seen = listed.objects;
                    let reason = format!("only {seen} objects were seen: {}", reason(&error));
                    collector.gap(resource.name, reason);
                }
                Some(error) => {
                    let is_of_this_one = error.kind == ClusterErrorKind::Forbidden;
                    outcome = Err(error);
                    if !is_of_this_one {
                        break;
                    }
                }
            }
        }
        match &outcome {
            Err(error) if error.kind == ClusterErrorKind::NotFound => {}
            _ => return outcome,
        }
    }
    match outcome {
        Err(_) if resource.optional => Ok(()),
        outcome => outcome,
    }
}

/// What everyone may read by default, and what an administrator may grant one by one.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
const READ_BY_NAME: [&str; 2] = [
    "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
];

/// Where a kind may not be listed, the objects that matter most may still be read.
fn read_by_name(cluster: &dyn ClusterRead, resource: &Resource, collector: &mut Collector<'_>) {
    if resource.plural != "configmaps" {
        return;
    }
    for path in READ_BY_NAME {
        if let Ok(json) = cluster.object(path) {
            (resource.take)(collector, danger::open(&json));
        }
    }
}

/// More Services than this before webhooks and APIServices are not looked up.
const MOST_SERVICES: usize = 500;

fn find_backends(cluster: &dyn ClusterRead, collector: &mut Collector<'_>) {
    let services = collector.backend_services();
    if services.len() > MOST_SERVICES {
        let reason = format!("only {MOST_SERVICES} of {} were looked up", services.len());
        collector.gap("services of webhooks and APIServices", reason);
    }
    let mut is_refused = false;
    for service in services.iter().take(MOST_SERVICES) {
        let BackendService {
            namespace,
            name,
            port,
        } = service;
        match addresses(cluster, service) {
            Ok(addresses) => collector.backend_addresses(service, &addresses),
            // one refusal stands for all of them
            Err(Lookup::Forbidden(reason)) => {
                if !std::mem::replace(&mut is_refused, true) {
                    collector.gap("services and endpoints of webhooks and APIServices", reason);
                }
            }
            Err(Lookup::Other(reason)) => {
                collector.gap(format!("Service {namespace}/{name} port {port}"), reason);
            }
        }
    }
}

enum Lookup {
    Forbidden(String),
    Other(String),
}

fn addresses(
    cluster: &dyn ClusterRead,
    service: &BackendService,
) -> Result<Vec<(String, u16)>, Lookup> {
    let BackendService {
        namespace,
        name,
        port,
    } = service;
    let get = |kind: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/{kind}/{name}");
        cluster.object(&path).map_err(|error| match error.kind {
            ClusterErrorKind::Forbidden => Lookup::Forbidden(reason(&error)),
            ClusterErrorKind::NotFound => Lookup::Other(format!("there are no such {kind}")),
            _ => Lookup::Other(reason(&error)),
        })
    };
    let found = get("services")?;
    let leads = service_leads(danger::open(&found), *port).map_err(Lookup::Other)?;
    match leads {
        None => Err(Lookup::Other(format!("it has no port {port}"))),
        Some(ServiceLeads::ToName(name)) => Ok(vec![(name, *port)]),
        Some(ServiceLeads::ToPort(port)) => {
            let found = get("endpoints")?;
            endpoint_addresses(danger::open(&found), &port).map_err(Lookup::Other)
        }
    }
}

/// A refusal as a gap tells it: the server is named once, above.
fn reason(error: &ClusterError) -> String {
    error.detail.clone()
}
