//! Contents that are a kubeconfig: what it says, what is embedded in it, and which files it names.
//!
//! <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>

use super::contents::{Collector, base64_of};
use super::item::{KubeconfigCluster, KubeconfigObject, KubeconfigUser, Object};
use super::manifest::every_text;
use crate::formats::yaml::NodeRef;
use kubepki_sealed::danger;

/// Whether an object is a kubeconfig; `kind` may be missing, as kubectl allows.
pub(super) fn is_one(node: NodeRef<'_>) -> bool {
    let kind = node.get("kind").and_then(NodeRef::as_str);
    let has = |key| node.get(key).is_some_and(NodeRef::is_sequence);
    matches!(kind, Some("Config") | None) && (has("clusters") || has("users") || has("contexts"))
}

/// Adds the kubeconfig, then what is embedded in it.
pub(super) fn read(collector: &mut Collector<'_>, node: NodeRef<'_>) {
    let object = KubeconfigObject {
        current_context: text(node, "current-context"),
        contexts: named(node, "contexts")
            .map(|(_, name, _, entry)| {
                let field = |key| entry.at(&["context", key]).and_then(NodeRef::to_text);
                (
                    name,
                    field("cluster").unwrap_or_default(),
                    field("user").unwrap_or_default(),
                )
            })
            .collect(),
        clusters: named(node, "clusters")
            .map(|(_, name, cluster, _)| KubeconfigCluster {
                name,
                server: cluster.and_then(|cluster| text(cluster, "server")),
                certificate_authority: cluster
                    .and_then(|cluster| text(cluster, "certificate-authority")),
                has_certificate_authority_data: cluster
                    .is_some_and(|cluster| text(cluster, "certificate-authority-data").is_some()),
                insecure_skip_tls_verify: cluster
                    .and_then(|cluster| cluster.get("insecure-skip-tls-verify"))
                    .and_then(NodeRef::as_bool)
                    .unwrap_or(false),
            })
            .collect(),
        users: named(node, "users")
            .map(|(_, name, user, _)| KubeconfigUser {
                name,
                credentials: CREDENTIALS
                    .iter()
                    .filter(|key| {
                        user.and_then(|user| user.get(key))
                            .is_some_and(|v| !v.is_null())
                    })
                    .map(|key| (*key).to_owned())
                    .collect(),
                client_certificate: user.and_then(|user| text(user, "client-certificate")),
                client_key: user.and_then(|user| text(user, "client-key")),
            })
            .collect(),
    };
    collector.add(Object::Kubeconfig(Box::new(object)));
    for (number, name, cluster, _) in named(node, "clusters") {
        let Some(cluster) = cluster else { continue };
        place(
            collector,
            ["clusters", &number.to_string(), "cluster"],
            &name,
            |collector| {
                embedded(collector, cluster, "certificate-authority-data");
                reference(collector, cluster, "certificate-authority");
            },
        );
    }
    for (number, name, user, _) in named(node, "users") {
        let Some(user) = user else { continue };
        place(
            collector,
            ["users", &number.to_string(), "user"],
            &name,
            |collector| {
                embedded(collector, user, "client-certificate-data");
                embedded(collector, user, "client-key-data");
                reference(collector, user, "client-certificate");
                reference(collector, user, "client-key");
                reference(collector, user, "tokenFile");
                if let Some(token) = user.get("token") {
                    collector.at("token", |collector| every_text(collector, token));
                }
            },
        );
    }
}

/// Ways of proving who one is, in the order in which they are told.
const CREDENTIALS: [&str; 9] = [
    "client-certificate-data",
    "client-certificate",
    "client-key-data",
    "client-key",
    "token",
    "tokenFile",
    "username",
    "exec",
    "auth-provider",
];

/// The entries of one of the three lists: number, name, what is under the singular, the entry.
fn named<'d>(
    node: NodeRef<'d>,
    list: &'static str,
) -> impl Iterator<Item = (usize, String, Option<NodeRef<'d>>, NodeRef<'d>)> {
    let singular = list.trim_end_matches('s');
    node.get(list)
        .into_iter()
        .flat_map(NodeRef::items)
        .enumerate()
        .map(move |(number, entry)| {
            (
                number,
                text(entry, "name").unwrap_or_default(),
                entry.get(singular),
                entry,
            )
        })
}

fn place(
    collector: &mut Collector<'_>,
    [list, number, singular]: [&str; 3],
    name: &str,
    work: impl FnOnce(&mut Collector<'_>),
) {
    collector.called(Some(format!("{singular} {name}")), |collector| {
        collector.at(list, |collector| {
            collector.at(number, |collector| collector.at(singular, work));
        });
    });
}

fn embedded(collector: &mut Collector<'_>, node: NodeRef<'_>, key: &str) {
    let Some(value) = node
        .get(key)
        .and_then(NodeRef::as_str)
        .filter(|value| !value.is_empty())
    else {
        return;
    };
    collector.at(key, |collector| match base64_of(value) {
        Some(decoded) => {
            if !collector.read(danger::open(&decoded)) {
                collector.problem("unknown-format", &format!("{key} holds nothing known"));
            }
        }
        None => collector.problem("base64-malformed", &format!("{key} is not base64")),
    });
}

fn reference(collector: &mut Collector<'_>, node: NodeRef<'_>, key: &str) {
    if let Some(path) = text(node, key) {
        collector.at(key, |collector| collector.refer_to(&path));
    }
}

fn text(node: NodeRef<'_>, key: &str) -> Option<String> {
    node.get(key)
        .and_then(NodeRef::to_text)
        .filter(|text| !text.is_empty())
}
