//! A name that is asked for and not in the certificate: is the certificate wrong, or whoever asks?
//!
//! Where others ask for the same name, or the server's own flags speak of it, the certificate lacks
//! it. Where one kubeconfig alone asks for what nobody else does, the kubeconfig is wrong.

use super::blame::Case;
use super::copies;
use super::draft::Draft;
use super::remedy;
use super::scene::leaf;
use crate::connections::{AskedName, Place, Slot};
use crate::findings::code;
use crate::layouts::{CommonNameRule, KUBEADM};
use crate::model::{ComponentKind, Severity};
use kubepki_x509::path::{PathError, ServerName};
use kubepki_x509::{Certificate, GeneralName};

/// Who is wrong where a certificate does not hold a name.
pub(super) fn mismatch(case: &Case<'_>, error: &PathError) -> Vec<Draft> {
    let PathError::NameMismatch {
        certificate, asked, ..
    } = error
    else {
        return Vec::new();
    };
    let Some(slot) = case.presented() else {
        return Vec::new();
    };
    let asker = case
        .connection
        .names
        .iter()
        .find(|name| name.name == *asked);
    let fails = |draft: Draft| draft.fact(case.refusal()).fails(&case.connection.id);
    if let Some(original) = copies::original(case.scene, slot, certificate) {
        let draft = copies::draft(case.scene, slot, &original)
            .mend(remedy::renew_slot(case.scene, slot))
            .fact(error.to_string());
        return vec![fails(draft)];
    }
    if let Some(asker) = asker
        && is_lone(case, slot, asker)
    {
        return vec![fails(wrong_address(asker, certificate))];
    }
    let draft = match foreign_node(case, slot, certificate) {
        Some(draft) => draft,
        None => lacking(case, slot, certificate, asked, asker),
    };
    vec![fails(draft.fact(error.to_string()))]
}

fn lacking(
    case: &Case<'_>,
    slot: &Slot,
    certificate: &Certificate,
    asked: &ServerName,
    asker: Option<&AskedName>,
) -> Draft {
    let held = listed(certificate);
    let by = asker.map_or_else(String::new, |asker| {
        format!(", which {} asks for", case.scene.on_host(&asker.asked_by))
    });
    let message = if certificate.subject_alt_names().is_empty() {
        format!(
            "has no subject alternative names, expected {}{by}",
            general(asked)
        )
    } else {
        format!("lacks {}{by}", general(asked))
    };
    let remedy = match (&slot.renewable_as, slot.place.host()) {
        (Some(name), Some(host)) => remedy::on(
            case.scene,
            host,
            format!("kubepki renew {name} --add-san {}", general(asked)),
        ),
        _ => remedy::renew_slot(case.scene, slot),
    };
    Draft::new(code::NAME_MISSING, Severity::Critical, &slot.place, message)
        .fact(format!("it is for {held}"))
        .mend(remedy)
}

/// Whether one kubeconfig or flag alone asks for this name, while the certificate has what all others
/// ask for.
fn is_lone(case: &Case<'_>, slot: &Slot, asker: &AskedName) -> bool {
    // Other flags (the Service's network) are the cluster's own names.
    let changeable = match &asker.asked_by {
        Place::KubeconfigCluster { .. } => true,
        Place::Flag { flag, .. } => flag == "etcd-servers",
        _ => false,
    };
    if !changeable || is_own(case, slot, &asker.name) {
        return false;
    }
    let held = leaf(match case.failure.presented {
        Some(id) => case.material.held(id),
        None => return false,
    })
    .map(Certificate::subject_alt_names)
    .unwrap_or_default();
    let others: Vec<&AskedName> = case
        .scene
        .connections_of(&slot.place)
        .into_iter()
        .flat_map(|connection| &connection.names)
        .filter(|name| name.asked_by != asker.asked_by)
        .collect();
    let supported = others.iter().any(|other| other.name == asker.name);
    let contradicted = others.iter().any(|other| other.name.matches(&held));
    !supported && contradicted
}

/// Whether the server goes by this name on its own account: its flags or its node speak of it.
fn is_own(case: &Case<'_>, slot: &Slot, name: &ServerName) -> bool {
    let text = name.to_string();
    if ["localhost", "127.0.0.1", "::1"].contains(&text.as_str())
        || text.starts_with("kubernetes.default")
        || text == "kubernetes"
    {
        return true;
    }
    let hosts = case.scene.evidence.hosts.iter();
    let of_server = |host: &str| slot.place.host().is_none_or(|own| own == host);
    let by_flag = hosts
        .filter(|host| of_server(&host.inventory.host))
        .any(|host| {
            let inventory = &host.inventory;
            let named = inventory.host == text
                || inventory
                    .node_name
                    .as_ref()
                    .is_some_and(|node| node.name == text);
            let of_flags = inventory
                .components
                .iter()
                .filter(|component| Some(component.kind) == slot.party.component)
                .any(|component| speaks_of(component.kind, &component.flags, &text));
            named || of_flags
        });
    let by_node = case.scene.evidence.cluster.is_some_and(|cluster| {
        let nodes = cluster.nodes.iter();
        nodes
            .filter(|node| {
                node.control_plane || slot.party.component == Some(ComponentKind::Kubelet)
            })
            .any(|node| node.addresses.contains(&text) || node.name == text)
    });
    by_flag || by_node
}

/// Flags in which a server speaks of its own names.
fn speaks_of(kind: ComponentKind, flags: &crate::formats::flags::Flags, name: &str) -> bool {
    let names: &[&str] = match kind {
        ComponentKind::Etcd => &[
            "advertise-client-urls",
            "listen-client-urls",
            "initial-advertise-peer-urls",
            "listen-peer-urls",
        ],
        ComponentKind::KubeApiserver => &["advertise-address", "bind-address", "external-hostname"],
        ComponentKind::Kubelet => &["node-ip", "hostname-override", "address"],
        _ => &["bind-address"],
    };
    names.iter().flat_map(|flag| flags.list(flag)).any(|value| {
        let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
        let host = match rest.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None if rest.matches(':').count() == 1 => rest.split(':').next().unwrap_or(rest),
            None => rest,
        };
        host.eq_ignore_ascii_case(name)
    })
}

fn wrong_address(asker: &AskedName, certificate: &Certificate) -> Draft {
    let held = listed(certificate);
    let place = &asker.asked_by;
    let code = match place {
        Place::KubeconfigCluster { .. } => code::WRONG_SERVER_NAME,
        _ => code::NAME_MISSING,
    };
    let remedy = match place {
        Place::KubeconfigCluster { path, cluster, .. } => format!(
            "kubectl config set-cluster {cluster} --server=https://NAME:PORT --kubeconfig {}, with one of the names in the certificate",
            path.display()
        ),
        place => format!("let {place} name the server as its certificate does"),
    };
    Draft::new(
        code,
        Severity::Critical,
        place,
        format!(
            "asks for {}, and the server's certificate is for {held}",
            asker.name
        ),
    )
    .fact("everybody else asks for names that are in the certificate")
    .mend(remedy)
}

/// A certificate that names another node: kubeadm's etcd certificates bear the node's name, the API
/// server's holds it among others.
fn foreign_node(case: &Case<'_>, slot: &Slot, certificate: &Certificate) -> Option<Draft> {
    let host = slot.place.host()?;
    let inventory = case.scene.inventory(host)?;
    let own = inventory
        .node_name
        .as_ref()
        .map_or(inventory.host.as_str(), |node| node.name.as_str());
    let by_node = slot
        .renewable_as
        .as_deref()
        .and_then(|name| KUBEADM.certificate(name))
        .is_some_and(|row| row.subject.common_name == CommonNameRule::NodeName);
    let common_name = certificate.subject().common_name()?;
    let other_by_subject = by_node && common_name != own && common_name != inventory.host;
    let names = certificate.subject_alt_names();
    let other_by_list = other_node(case, &names, own);
    let other = match (other_by_subject, other_by_list) {
        (true, _) => common_name,
        (false, Some(other)) => other,
        (false, None) => return None,
    };
    Some(
        Draft::new(
            code::COPIED_FROM_ANOTHER_NODE,
            Severity::Critical,
            &slot.place,
            format!(
                "is for {other} ({}), and this host is {own}",
                listed(certificate)
            ),
        )
        .mend(remedy::renew_slot(case.scene, slot)),
    )
}

fn other_node(case: &Case<'_>, names: &[GeneralName], own: &str) -> Option<String> {
    let holds = |name: &str| {
        names
            .iter()
            .any(|held| matches!(held, GeneralName::DnsName(held) if held == name))
    };
    if holds(own) {
        return None;
    }
    let hosts = case
        .scene
        .evidence
        .hosts
        .iter()
        .map(|host| host.inventory.host.as_str());
    let nodes = case
        .scene
        .evidence
        .cluster
        .into_iter()
        .flat_map(|cluster| &cluster.nodes)
        .map(|node| node.name.as_str());
    hosts
        .chain(nodes)
        .find(|name| *name != own && holds(name))
        .map(ToOwned::to_owned)
}

/// The path is good and the subject is not the one that is demanded.
pub(super) fn identity(case: &Case<'_>, slot: &Slot, expected: &str, found: &str) -> Draft {
    let fails = |draft: Draft| draft.fact(case.refusal()).fails(&case.connection.id);
    if let Some(certificate) = case.leaf()
        && let Some(original) = copies::original(case.scene, slot, certificate)
    {
        return fails(
            copies::draft(case.scene, slot, &original)
                .fact(format!("it is {found}, expected {expected}"))
                .mend(remedy::renew_slot(case.scene, slot)),
        );
    }
    let demanded_by = case
        .connection
        .identity
        .as_ref()
        .map(|identity| &identity.demanded_by);
    let conventional = slot
        .renewable_as
        .as_deref()
        .and_then(|name| KUBEADM.certificate(name))
        .and_then(|row| match row.subject.common_name {
            CommonNameRule::Fixed(name) => Some(name),
            _ => None,
        });
    let common_name = case.leaf().and_then(|leaf| leaf.subject().common_name());
    let published = demanded_by.and_then(|place| published_flag(case, place));
    let demanded_by = published.as_ref().or(demanded_by);
    if let Some(place @ (Place::Flag { .. } | Place::Api(_))) = demanded_by
        && conventional.is_some()
        && common_name.as_deref() == conventional
    {
        return fails(
            Draft::new(
                code::IDENTITY_REFUSED,
                Severity::Critical,
                place,
                format!("accepts {expected} only, and {} is {found}", slot.place),
            )
            .mend(format!(
                "let {place} hold {}",
                conventional.unwrap_or_default()
            )),
        );
    }
    fails(
        Draft::new(
            code::IDENTITY_REFUSED,
            Severity::Critical,
            &slot.place,
            format!("is {found}, expected {expected}"),
        )
        .facts(demanded_by.map(|place| format!("{place} demands it")))
        .mend(remedy::renew_slot(case.scene, slot)),
    )
}

/// The API server's flag, where what the API holds is what the server has published of it.
fn published_flag(case: &Case<'_>, place: &Place) -> Option<Place> {
    const FLAG: &str = "requestheader-allowed-names";
    let Place::Api(object) = place else {
        return None;
    };
    if object.name != "extension-apiserver-authentication" {
        return None;
    }
    let published = case
        .scene
        .evidence
        .cluster?
        .requestheader_allowed_names
        .as_ref()?;
    case.scene.evidence.hosts.iter().find_map(|host| {
        let server = host.inventory.component(ComponentKind::KubeApiserver)?;
        let told: Vec<&str> = server.flags.list(FLAG).collect();
        (told == *published).then(|| Place::Flag {
            host: host.inventory.host.clone(),
            component: ComponentKind::KubeApiserver,
            flag: FLAG.to_owned(),
        })
    })
}

fn listed(certificate: &Certificate) -> String {
    let names = certificate.subject_alt_names();
    if names.is_empty() {
        return "no names".to_owned();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn general(name: &ServerName) -> String {
    match name {
        ServerName::Dns(name) => format!("DNS:{name}"),
        ServerName::Ip(address) => format!("IP:{address}"),
    }
}
