//! TLS servers: addresses as people write them, and what a handshake showed as items.

use kubepki_core::inspect::{Item, Location, Object, Source, TlsServerObject};
use kubepki_engine::ports::{Endpoint, ServedTls};
use std::sync::Arc;

/// Reads `host:port`, `[address]:port` or `https://host[:port]/…`.
pub fn parse(text: &str) -> Option<(String, u16)> {
    let (authority, default_port) = match text.strip_prefix("https://") {
        Some(rest) => (
            rest.split(['/', '?', '#']).next().unwrap_or(rest),
            Some(443),
        ),
        None => (text, None),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                after
                    .strip_prefix(':')
                    .or_else(|| after.is_empty().then_some(""))?,
            )
        }
        None => match authority.rsplit_once(':') {
            // more than one colon is an address without port and without brackets
            Some((host, port)) if !host.contains(':') => (host, port),
            Some(_) => return None,
            None => (authority, ""),
        },
    };
    let port = match (port, default_port) {
        ("", Some(port)) => port,
        (port, _) => port.parse().ok().filter(|port| *port > 0)?,
    };
    let is_host = !host.is_empty() && !host.contains(['/', ' ', '@', '*']);
    is_host.then(|| (host.to_owned(), port))
}

/// The server, then each certificate as it was served.
pub fn items(source: &Arc<Source>, endpoint: &Endpoint, served: ServedTls) -> Vec<Item> {
    let mut location = Location::start_of(Arc::clone(source));
    let server = TlsServerObject {
        server_name: endpoint.server_name.clone(),
        protocol: served.protocol,
        chain_length: served.chain.len(),
        asks_client_certificate: served.asks_client_certificate,
        acceptable_client_authorities: served.acceptable_client_authorities,
    };
    let mut items = vec![Item::new(
        location.clone(),
        Object::TlsServer(Box::new(server)),
    )];
    for certificate in served.chain {
        location.index += 1;
        items.push(Item::new(
            location.clone(),
            Object::Certificate(certificate),
        ));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let cases = [
            ("10.0.0.1:6443", Some(("10.0.0.1", 6443))),
            ("localhost:443", Some(("localhost", 443))),
            ("[::1]:2379", Some(("::1", 2379))),
            ("https://example.org", Some(("example.org", 443))),
            (
                "https://example.org:8443/healthz?x",
                Some(("example.org", 8443)),
            ),
            ("https://[fd00::1]/", Some(("fd00::1", 443))),
            ("example.org", None),
            ("::1:6443", None),
            ("host:0", None),
            ("host:65536", None),
            ("host:port", None),
            (":6443", None),
            ("a/b:6443", None),
            ("https://", None),
            ("https://user@host", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
