//! Addresses as flags and kubeconfigs spell them: whom a client means to talk to.

use kubepki_x509::path::ServerName;
use std::net::IpAddr;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Whether it is `https`.
    pub(super) tls: bool,
    /// Name or address, IPv6 without brackets.
    pub(super) host: String,
    /// The port, or the scheme's own.
    pub(super) port: u16,
}

impl Url {
    /// Reads `scheme://host:port/path`; without a scheme `https` is meant, as client-go has it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit('@').next()?;
        let default = if tls { 443 } else { 80 };
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        } else if let Some((host, port)) = authority.rsplit_once(':') {
            (host, Some(port))
        } else {
            (authority, None)
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => default,
        };
        let url = Self {
            tls,
            host: host.to_owned(),
            port,
        };
        (!host.is_empty()).then_some(url)
    }

    /// The name that is asked for in the server's certificate.
    pub(super) fn server_name(&self) -> Option<ServerName> {
        self.host.parse().ok()
    }
}

/// Every URL of a comma-separated list that speaks TLS.
pub(super) fn tls_urls<'a>(list: impl Iterator<Item = &'a str>) -> Vec<Url> {
    list.filter_map(Url::parse).filter(|url| url.tls).collect()
}

/// The members of etcd's `initial-cluster`: `name=url,name=url`.
pub(super) fn members<'a>(list: impl Iterator<Item = &'a str>) -> Vec<(String, Url)> {
    list.filter_map(|member| {
        let (name, url) = member.split_once('=')?;
        Some((name.trim().to_owned(), Url::parse(url)?))
    })
    .collect()
}

/// Whether the host itself is meant.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether an address to listen on stands for every address of the host.
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

/// The first address of a network: the API server's own Service has it.
pub(super) fn first_address(network: &str) -> Option<IpAddr> {
    let (address, prefix) = network.trim().split_once('/')?;
    let prefix: u32 = prefix.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) if prefix < 32 => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let first = (u32::from(address) & mask).checked_add(1)?;
            Some(IpAddr::V4(first.into()))
        }
        IpAddr::V6(address) if prefix < 128 => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            let first = (u128::from(address) & mask).checked_add(1)?;
            Some(IpAddr::V6(first.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_kubeconfigs_and_flags_spell_them() {
        let url = |tls, host: &str, port| {
            Some(Url {
                tls,
                host: host.to_owned(),
                port,
            })
        };
        for (text, expected) in [
            ("https://10.0.0.5:6443", url(true, "10.0.0.5", 6443)),
            ("https://api.example/k8s/c/1", url(true, "api.example", 443)),
            ("https://[fd00::1]:2379", url(true, "fd00::1", 2379)),
            ("https://[fd00::1]", url(true, "fd00::1", 443)),
            ("http://127.0.0.1:2381/", url(false, "127.0.0.1", 2381)),
            ("10.0.0.5:6443", url(true, "10.0.0.5", 6443)),
            ("unix:///run/etcd.sock", None),
            ("https://:6443", None),
            ("https://host:port", None),
        ] {
            assert_eq!(Url::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_address_of_a_network() {
        for (network, first) in [
            ("10.96.0.0/12", Some("10.96.0.1")),
            ("10.96.7.9/24", Some("10.96.7.1")),
            ("fd00:10:96::/112", Some("fd00:10:96::1")),
            ("0.0.0.0/0", Some("0.0.0.1")),
            ("10.0.0.1/32", None),
            ("10.0.0.1", None),
            ("x/8", None),
        ] {
            let first = first.map(|address| address.parse().unwrap());
            assert_eq!(first_address(network), first, "{network}");
        }
    }

    #[test]
    fn members_and_loopbacks() {
        let list = "a=https://10.0.0.1:2380,b=https://b.example:2380";
        let members = members(list.split(','));
        assert_eq!(members.len(), 2);
        assert_eq!(members[1].1.host, "b.example");
        assert!(is_loopback("localhost") && is_loopback("127.0.1.1") && is_loopback("::1"));
        assert!(!is_loopback("10.0.0.1") && is_wildcard("0.0.0.0") && is_wildcard("::"));
    }
}
