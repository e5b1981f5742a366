//! The name of the server that is meant, and whether a certificate is for it (RFC 6125 as Go's
//! `Certificate.VerifyHostname` reads it).

use std::{fmt, net::IpAddr, str::FromStr};

use crate::GeneralName;

/// The server that somebody means to talk to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerName {
    /// A DNS name, without its port.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// There is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a server is empty")]
pub struct ServerNameError;

impl ServerName {
    /// Whether one of `names`, a certificate's, is this server's.
    ///
    /// Addresses match addresses only, names match names only. Case does not matter. A wildcard
    /// stands for one whole label at the left. A trailing dot is dropped from the name asked for,
    /// never from a certificate's. Names that no host could have match only themselves.
    pub fn matches(&self, names: &[GeneralName]) -> bool {
        match self {
            Self::Ip(asked) => names.iter().any(|name| match name {
                GeneralName::IpAddress(found) => found.to_canonical() == asked.to_canonical(),
                _ => false,
            }),
            Self::Dns(asked) => {
                let valid = is_host_name(asked.strip_suffix('.').unwrap_or(asked), false);
                names.iter().any(|name| match name {
                    GeneralName::DnsName(found) if valid && is_host_name(found, true) => {
                        covers(found, asked)
                    }
                    GeneralName::DnsName(found) => is_same(found, asked),
                    _ => false,
                })
            }
        }
    }

    /// Whether a common name is this server's, as it was before Go 1.15.
    pub(super) fn is_common_name(&self, common_name: &str) -> bool {
        covers(common_name, &self.to_string())
    }
}

/// Reads an IP address, an IPv6 address in brackets, or a DNS name, as Go tells them apart.
impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unbracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        match unbracketed.unwrap_or(text).parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) if text.is_empty() => Err(ServerNameError),
            Err(_) => Ok(Self::Dns(text.to_owned())),
        }
    }
}

impl From<IpAddr> for ServerName {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// The name or address; IPv6 without brackets.
impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => formatter.write_str(&crate::text::escaped(name, "\\")),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}

/// Whether wildcards and trailing dots have a meaning in `name`: letters, digits, hyphens (not
/// first) and underscores; a first label `*` in a certificate's.
fn is_host_name(name: &str, wildcard: bool) -> bool {
    name.split('.').enumerate().all(|(index, label)| {
        let characters = label.bytes().enumerate().all(|(index, octet)| {
            octet.is_ascii_alphanumeric() || octet == b'_' || (octet == b'-' && index > 0)
        });
        !label.is_empty() && (characters || (wildcard && index == 0 && label == "*"))
    })
}

/// Whether `pattern`, maybe with a wildcard, covers `name`.
fn covers(pattern: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if pattern.is_empty() || name.is_empty() {
        return false;
    }
    let mut names = name.split('.');
    let same = pattern.split('.').enumerate().all(|(index, pattern)| {
        names.next().is_some_and(|label| {
            (index == 0 && pattern == "*") || pattern.eq_ignore_ascii_case(label)
        })
    });
    same && names.next().is_none()
}

/// Whether two names that no host could have are the same.
fn is_same(found: &str, asked: &str) -> bool {
    let nothing = |name: &str| name.is_empty() || name == ".";
    !nothing(found) && !nothing(asked) && found.eq_ignore_ascii_case(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(asked: &str, found: &str) -> bool {
        let found = match found.parse() {
            Ok(address) => GeneralName::IpAddress(address),
            Err(_) => GeneralName::DnsName(found.to_owned()),
        };
        asked.parse::<ServerName>().unwrap().matches(&[found])
    }

    #[test]
    fn names_match_as_in_go() {
        for (asked, found) in [
            ("kubernetes", "kubernetes"),
            ("KUBERNETES.default", "kubernetes.DEFAULT"),
            ("kubernetes.", "kubernetes"),
            ("kubernetes.", "kubernetes."),
            ("a.example.org", "*.example.org"),
            ("a.example.org.", "*.example.org"),
            ("under_score.example.org", "*.example.org"),
            ("-leading", "-leading"),
            ("a b", "A b"),
            ("*.example.org", "*.example.org"),
            ("a.", "a"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "::ffff:10.0.0.1"),
            ("[fd00::1]", "fd00::1"),
            ("fd00:0:0::1", "fd00::1"),
            ("x", "*"),
        ] {
            assert!(matches(asked, found), "{asked} is {found}");
        }
    }

    #[test]
    fn other_names_do_not() {
        for (asked, found) in [
            ("kubernetes", "kubernetes."),
            ("a.b.example.org", "*.example.org"),
            ("example.org", "*.example.org"),
            ("ab.example.org", "a*.example.org"),
            ("a.example.org", "a.*.org"),
            ("a", ""),
            (".", "."),
            ("-a.example.org", "*.example.org"),
            ("a..example.org", "*..example.org"),
            ("10.0.0.1", "10.0.0.2"),
            ("fd00::1", "fd00::2"),
        ] {
            assert!(!matches(asked, found), "{asked} is not {found}");
        }
        let name = GeneralName::DnsName("10.0.0.1".to_owned());
        assert!(!"10.0.0.1".parse::<ServerName>().unwrap().matches(&[name]));
    }

    #[test]
    fn addresses_are_told_from_names() {
        let dns = |text: &str| ServerName::Dns(text.to_owned());
        let ip = |text: &str| ServerName::Ip(text.parse().unwrap());
        for (text, name) in [
            ("10.0.0.1", ip("10.0.0.1")),
            ("[::1]", ip("::1")),
            ("::1", ip("::1")),
            ("010.0.0.1", dns("010.0.0.1")),
            ("fe80::1%eth0", dns("fe80::1%eth0")),
            ("node-1", dns("node-1")),
        ] {
            assert_eq!(text.parse(), Ok(name));
        }
        assert_eq!("".parse::<ServerName>(), Err(ServerNameError));
    }
}
