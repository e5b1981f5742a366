//! Where the hosts of a cluster are written down already: its Nodes, kubeadm's stored configuration,
//! an Ansible inventory. Text in, a document and remarks out.

mod ansible;
mod kubeadm;
mod nodes;

pub use ansible::from_ansible;
pub use kubeadm::from_kubeadm;
pub use nodes::{NodeHost, from_nodes};

use super::{ClusterDocument, ClusterHost};
use crate::formats::yaml::YamlError;
use std::net::IpAddr;

/// What a source told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundHosts {
    /// The document.
    pub document: ClusterDocument,
    /// What could not be carried over, in sentences.
    pub notices: Vec<String>,
}

/// Why a source told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Neither YAML nor JSON.
    #[error(transparent)]
    Syntax(#[from] YamlError),
    /// Something else than was said.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A line that cannot be read.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What was expected and what was found.
        reason: String,
    },
    /// It is readable and names no host.
    #[error("no host is named in it")]
    NoHosts,
}

impl SourceError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(error) => error.code(),
            Self::Unexpected { .. } => "hosts-source-kind",
            Self::Line { .. } => "hosts-source-line",
            Self::NoHosts => "hosts-source-empty",
        }
    }
}

/// A destination as `ssh` understands it. Only with a port it must be a URL, and only there an IPv6
/// address stands in brackets.
pub(super) fn destination(user: Option<&str>, host: &str, port: Option<u16>) -> String {
    let host = host.trim_matches(['[', ']']);
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    match port.filter(|port| *port != 22) {
        None => format!("{user}{host}"),
        Some(port)
            if host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_ipv6()) =>
        {
            format!("ssh://{user}[{host}]:{port}")
        }
        Some(port) => format!("ssh://{user}{host}:{port}"),
    }
}

/// A name that a document may hold, of whatever the source calls the host.
pub(super) fn name_of(text: &str) -> String {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name: String = text
        .chars()
        .map(|letter| if is_letter(letter) { letter } else { '-' })
        .take(240)
        .collect();
    if name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        name
    } else {
        format!("host{name}")
    }
}

/// The document of these hosts, each name once.
pub(super) fn found(
    name: Option<String>,
    hosts: Vec<ClusterHost>,
    notices: Vec<String>,
) -> Result<FoundHosts, SourceError> {
    let mut each: Vec<ClusterHost> = Vec::new();
    for host in hosts {
        let is_known = each
            .iter()
            .any(|other| other.name == host.name || other.reach == host.reach);
        if !is_known {
            each.push(host);
        }
    }
    if each.is_empty() {
        return Err(SourceError::NoHosts);
    }
    Ok(FoundHosts {
        document: ClusterDocument::new(name, each),
        notices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_spelled_as_ssh_reads_them() {
        for (user, host, port, expected) in [
            (None, "10.0.0.5", None, "10.0.0.5"),
            (Some("root"), "fd00::5", None, "root@fd00::5"),
            (Some("root"), "cp1", Some(22), "root@cp1"),
            (None, "cp1", Some(2222), "ssh://cp1:2222"),
            (Some("u"), "[fd00::5]", Some(2222), "ssh://u@[fd00::5]:2222"),
        ] {
            assert_eq!(destination(user, host, port), expected);
        }
    }

    #[test]
    fn names_become_such_as_a_document_may_hold() {
        assert_eq!(name_of("node-1.example"), "node-1.example");
        assert_eq!(name_of("fd00::5"), "fd00--5");
        assert_eq!(name_of("::1"), "host--1");
    }
}
