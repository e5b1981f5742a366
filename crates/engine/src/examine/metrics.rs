//! Metrics that speak of certificates: who is asked for them with whose certificate, and the text
//! format that they come in.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use super::questions::{MetricsQuestion, Question, Rounds};
use kubepki_core::connections::Place;
use kubepki_core::model::live::MetricFact;
use kubepki_core::model::{ComponentKind, Holder, Inventory, Role};
use kubepki_core::plan::endpoints;

/// Beginnings of the names that are kept.
pub(super) const NAMES: &[&str] = &[
    // kubelet: how long its certificates still live, and whether renewing them failed.
    "kubelet_certificate_manager_",
    "kubelet_server_expiration_renew_errors",
    // Whoever authenticates clients: how long the certificates that they presented still live.
    "apiserver_client_certificate_expiration_seconds",
    // kube-apiserver: handshakes that failed, and backends whose certificates newer versions refuse.
    "apiserver_tls_handshake_errors_total",
    "apiserver_kube_aggregator_x509_",
    "apiserver_webhooks_x509_",
];

/// The page.
pub(super) const PATH: &str = "/metrics";

/// Every component of the host that has such metrics, by whom they can be read.
pub(super) fn of_components(inventory: &Inventory, rounds: &mut Rounds<'_>) {
    let kubelet_client = kubelet_client(inventory);
    let with_role = |role| {
        inventory
            .entries
            .iter()
            .filter(move |entry| entry.role == role)
            .filter_map(|entry| place(inventory, &entry.holder))
    };
    // The one with the least rights first.
    let of_administrators: Vec<_> = with_role(Role::Admin)
        .chain(kubelet_client.clone())
        .chain(with_role(Role::SuperAdmin))
        .collect();
    for component in &inventory.components {
        let credentials = match component.kind {
            ComponentKind::Kubelet => kubelet_client.clone().into_iter().collect(),
            ComponentKind::KubeApiserver
            | ComponentKind::KubeControllerManager
            | ComponentKind::KubeScheduler => of_administrators.clone(),
            _ => Vec::new(),
        };
        let endpoint = endpoints::serving(component).into_iter().next();
        if let (Some(endpoint), false) = (endpoint, credentials.is_empty()) {
            let question = Question::Metrics(MetricsQuestion {
                component: component.kind,
                credentials,
            });
            rounds.push(&endpoint.host, endpoint.port, question);
        }
    }
}

/// The certificate with which the API server asks kubelets.
fn kubelet_client(inventory: &Inventory) -> Option<(Place, Option<Place>)> {
    let server = inventory.component(ComponentKind::KubeApiserver)?;
    let file = |flag| {
        server.host_path(flag).map(|path| Place::File {
            host: inventory.host.clone(),
            path,
        })
    };
    Some((
        file("kubelet-client-certificate")?,
        file("kubelet-client-key"),
    ))
}

fn place(inventory: &Inventory, holder: &Holder) -> Option<(Place, Option<Place>)> {
    let host = || inventory.host.clone();
    match holder {
        Holder::Kubeconfig { path, user } => Some((
            Place::KubeconfigUser {
                host: host(),
                path: path.clone(),
                user: user.clone(),
            },
            None,
        )),
        Holder::Files { certificate, key } => {
            let file = |path: &std::path::PathBuf| Place::File {
                host: host(),
                path: path.clone(),
            };
            Some((file(certificate), key.as_ref().map(file)))
        }
        Holder::CertificateStore { .. } => None,
    }
}

/// The metrics of a page, or of some of its lines. What cannot be read is left out.
pub(super) fn parse(component: ComponentKind, page: &str) -> Vec<MetricFact> {
    page.lines()
        .filter_map(|line| {
            let (name, labels, value) = sample(line)?;
            NAMES
                .iter()
                .any(|wanted| name.starts_with(wanted))
                .then(|| MetricFact {
                    component,
                    name: name.to_owned(),
                    labels: labels.to_owned(),
                    value,
                })
        })
        .collect()
}

/// `name{labels} value [time]`.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|character: char| character == '{' || character.is_whitespace())?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let end = end_of_labels(rest)?;
            let (labels, rest) = rest.split_at_checked(end)?;
            (labels.trim_end_matches(','), rest.strip_prefix('}')?)
        }
        None => ("", rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some((name, labels, value))
}

/// The closing brace; one inside quotes is part of a value.
fn end_of_labels(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &str) -> Vec<(String, String, f64)> {
        parse(ComponentKind::Kubelet, page)
            .into_iter()
            .map(|fact| (fact.name, fact.labels, fact.value))
            .collect()
    }

    #[test]
    fn wanted_samples_are_read_and_nothing_else() {
        let page = "# HELP kubelet_certificate_manager_client_ttl_seconds [ALPHA] Gauge\n\
            # TYPE kubelet_certificate_manager_client_ttl_seconds gauge\n\
            kubelet_certificate_manager_client_ttl_seconds 3.1104e+07\n\
            kubelet_certificate_manager_server_ttl_seconds +Inf 1600000000000\n\
            kubelet_http_requests_total{method=\"GET\"} 5\n\
            apiserver_client_certificate_expiration_seconds_bucket{le=\"+Inf\"} 17\r\n\
            apiserver_client_certificate_expiration_seconds_count 17\n";
        let fact = |name: &str, labels: &str, value| (name.to_owned(), labels.to_owned(), value);
        assert_eq!(
            read(page),
            [
                fact(
                    "kubelet_certificate_manager_client_ttl_seconds",
                    "",
                    31_104_000.0
                ),
                fact(
                    "kubelet_certificate_manager_server_ttl_seconds",
                    "",
                    f64::INFINITY
                ),
                fact(
                    "apiserver_client_certificate_expiration_seconds_bucket",
                    "le=\"+Inf\"",
                    17.0
                ),
                fact(
                    "apiserver_client_certificate_expiration_seconds_count",
                    "",
                    17.0
                ),
            ]
        );
    }

    #[test]
    fn labels_may_hold_anything() {
        let name = "apiserver_tls_handshake_errors_total";
        for (labels, kept) in [
            ("a=\"}\"", "a=\"}\""),
            ("a=\"x\\\"}y\",", "a=\"x\\\"}y\""),
            ("", ""),
        ] {
            let found = read(&format!("{name}{{{labels}}} 1"));
            assert_eq!(found, [(name.to_owned(), kept.to_owned(), 1.0)]);
        }
    }

    #[test]
    fn what_is_broken_is_left_out() {
        for line in [
            "",
            "{} 1",
            "x{a=\"",
            "NAME",
            "NAME one",
            "NAME{} ",
            "NAME{a=\"b\" 1",
        ] {
            let line = line.replace("NAME", "apiserver_tls_handshake_errors_total");
            assert_eq!(read(&line), [], "{line}");
        }
    }
}
