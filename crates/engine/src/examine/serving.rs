//! Which endpoints are asked for what they serve: the host's own, and those that were named.

use super::questions::{Rounds, ServedQuestion};
use super::{ExamineOptions, ExaminePorts};
use crate::ports::FILE_LIMIT;
use kubepki_core::formats::sni_key_pair::{SNI_FLAG, SniKeyPair, sni_key_pairs};
use kubepki_core::model::{Component, Inventory};
use kubepki_core::plan::endpoints;
use kubepki_sealed::danger;
use kubepki_x509::{GeneralName, pem};
use std::path::Path;

/// A host name below a wildcard that nobody has reason to use.
const BELOW_WILDCARD: &str = "kubepki";

/// Every address on which a component of the host serves.
pub(super) fn of_components(inventory: &Inventory, rounds: &mut Rounds<'_>) {
    for component in &inventory.components {
        for endpoint in endpoints::serving(component) {
            rounds.serve(
                &endpoint.host,
                endpoint.port,
                ServedQuestion {
                    component: Some(component.kind),
                    flag: Some(endpoint.flag.to_owned()),
                    server_name: None,
                    exposed_by: None,
                },
            );
        }
    }
}

/// Endpoints that were named.
pub(super) fn of_options(options: &ExamineOptions, rounds: &mut Rounds<'_>) {
    for named in &options.endpoints {
        rounds.serve(
            &named.host,
            named.port,
            ServedQuestion {
                component: None,
                flag: None,
                server_name: named.server_name.clone(),
                exposed_by: named.exposed_by.clone(),
            },
        );
    }
}

/// Further certificates of a component, each asked for by every name that it is chosen by.
pub(super) fn of_server_names(
    ports: &ExaminePorts<'_>,
    inventory: &Inventory,
    rounds: &mut Rounds<'_>,
) {
    for component in &inventory.components {
        let names: Vec<String> = sni_key_pairs(&component.flags)
            .iter()
            .flat_map(|pair| names(ports, component, pair))
            .collect();
        for endpoint in endpoints::serving(component) {
            for name in &names {
                rounds.serve(
                    &endpoint.host,
                    endpoint.port,
                    ServedQuestion {
                        component: Some(component.kind),
                        flag: Some(SNI_FLAG.to_owned()),
                        server_name: Some(name.clone()),
                        exposed_by: None,
                    },
                );
            }
        }
    }
}

/// The names that a client has to ask for to be shown this certificate. Addresses are left out:
/// no client sends one (RFC 6066 §3).
fn names(ports: &ExaminePorts<'_>, component: &Component, pair: &SniKeyPair) -> Vec<String> {
    let names = if pair.names.is_empty() {
        of_certificate(ports, component, pair)
    } else {
        pair.names.clone()
    };
    names
        .into_iter()
        .filter(|name| name.parse::<std::net::IpAddr>().is_err())
        .map(|name| match name.strip_prefix("*.") {
            Some(domain) => format!("{BELOW_WILDCARD}.{domain}"),
            None => name,
        })
        .collect()
}

fn of_certificate(
    ports: &ExaminePorts<'_>,
    component: &Component,
    pair: &SniKeyPair,
) -> Vec<String> {
    // What cannot be read is a gap of discovery's, and there is nothing to ask for.
    let path = component.mounts.host_path(Path::new(&pair.certificate));
    let contents = path.and_then(|path| ports.host.read(&path, FILE_LIMIT).ok());
    let chain = contents.and_then(|contents| pem::certificates(danger::open(&contents)).ok());
    let Some(certificate) = chain.and_then(|chain| chain.into_iter().next()) else {
        return Vec::new();
    };
    certificate
        .subject_alt_names()
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}
