//! From a Service and its Endpoints to the addresses behind one of its ports.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/service/#field-spec-ports>

use super::object::{Published, read};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    spec: ServiceSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceSpec {
    ports: Option<Vec<ServicePort>>,
    external_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServicePort {
    /// Absent when it is the only one.
    name: String,
    port: u16,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoints {
    subsets: Option<Vec<Subset>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subset {
    addresses: Option<Vec<Published>>,
    ports: Option<Vec<ServicePort>>,
}

/// Where a Service leads; the Endpoints are asked for by its port's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceLeads {
    /// To the Endpoints' port of this name.
    ToPort(String),
    /// To a name outside of the cluster.
    ToName(String),
}

/// Where a Service's port leads; `None` when it has no such port.
pub fn service_leads(service: &[u8], port: u16) -> Result<Option<ServiceLeads>, String> {
    let spec = read::<Service>(service)?.spec;
    if let Some(name) = spec.external_name.filter(|name| !name.is_empty()) {
        return Ok(Some(ServiceLeads::ToName(name)));
    }
    let mut ports = spec.ports.into_iter().flatten();
    let found = ports.find(|found| found.port == port);
    Ok(found.map(|found| ServiceLeads::ToPort(found.name)))
}

/// The ready addresses of an Endpoints object with the port of this name.
pub fn endpoint_addresses(endpoints: &[u8], port: &str) -> Result<Vec<(String, u16)>, String> {
    let mut all = Vec::new();
    for subset in read::<Endpoints>(endpoints)?.subsets.into_iter().flatten() {
        let mut ports = subset.ports.into_iter().flatten();
        let Some(found) = ports.find(|found| found.name == port) else {
            continue;
        };
        let addresses = subset.addresses.into_iter().flatten();
        all.extend(
            addresses
                .filter_map(Published::address)
                .map(|address| (address, found.port)),
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_followed_by_its_name() {
        let service = br#"{"spec":{"ports":[{"name":"metrics","port":8080,"targetPort":1},
            {"name":"https","port":443,"targetPort":"web"}],"clusterIP":"10.96.0.9"}}"#;
        let leads = service_leads(service, 443).unwrap().unwrap();
        assert_eq!(leads, ServiceLeads::ToPort("https".to_owned()));
        assert_eq!(service_leads(service, 444), Ok(None));
        let endpoints = br#"{"subsets":[
            {"addresses":[{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}],
             "notReadyAddresses":[{"ip":"10.0.0.3"}],
             "ports":[{"name":"metrics","port":8080},{"name":"https","port":8443}]},
            {"notReadyAddresses":[{"ip":"10.0.0.4"}],"ports":[{"name":"https","port":9443}]}]}"#;
        assert_eq!(
            endpoint_addresses(endpoints, "https").unwrap(),
            [("10.0.0.1".to_owned(), 8443), ("10.0.0.2".to_owned(), 8443)]
        );
        let only = br#"{"subsets":[{"addresses":[{"ip":"fd00::1"}],"ports":[{"port":443}]}]}"#;
        assert_eq!(
            endpoint_addresses(only, "").unwrap(),
            [("fd00::1".to_owned(), 443)]
        );
        assert_eq!(endpoint_addresses(b"{}", "").unwrap(), []);
    }

    #[test]
    fn an_external_name_is_where_it_leads() {
        let service = br#"{"spec":{"type":"ExternalName","externalName":"hooks.example.com"}}"#;
        let leads = service_leads(service, 443).unwrap().unwrap();
        assert_eq!(leads, ServiceLeads::ToName("hooks.example.com".to_owned()));
    }
}
