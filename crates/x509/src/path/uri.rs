//! The host of a URI, read as Go's `net/url` reads it: name constraints on URIs are about it.
//!
//! Not RFC 3986 in full: only what decides which host is found, and whether Go would read the
//! URI at all.

/// The authority's host and port, percent-decoded; empty where there is no authority.
///
/// # Errors
///
/// With the reason why Go cannot read the URI.
pub(super) fn host(uri: &str) -> Result<String, &'static str> {
    let (uri, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    if uri.bytes().any(|octet| octet < b' ' || octet == 0x7f) {
        return Err("it has control characters");
    }
    percent_decoded(fragment.as_bytes())?;
    if uri == "*" {
        return Ok(String::new());
    }
    let (scheme, rest) = scheme(uri)?;
    let rest = match rest.split_once('?') {
        Some((path, _)) => path,
        None => rest,
    };
    if !rest.starts_with('/') {
        if scheme {
            return Ok(String::new());
        }
        let segment = rest.split('/').next().unwrap_or_default();
        if segment.contains(':') {
            return Err("the first segment of its path has a colon");
        }
    }
    let authority = rest
        .strip_prefix("//")
        .filter(|after| scheme || !after.starts_with('/'));
    let (authority, path) = match authority {
        Some(after) => match after.find('/') {
            Some(slash) => after.split_at(slash),
            None => (after, ""),
        },
        None => ("", rest),
    };
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            user_is_readable(user)?;
            host
        }
        None => authority,
    };
    let host = host_decoded(host)?;
    percent_decoded(path.as_bytes())?;
    Ok(host)
}

/// Whether there is a scheme, and what follows it.
fn scheme(uri: &str) -> Result<(bool, &str), &'static str> {
    for (index, octet) in uri.bytes().enumerate() {
        match octet {
            b':' if index == 0 => return Err("its scheme is missing"),
            b':' => return Ok((true, uri.get(index + 1..).unwrap_or_default())),
            _ if octet.is_ascii_alphabetic() => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            _ => break,
        }
    }
    Ok((false, uri))
}

fn user_is_readable(user: &str) -> Result<(), &'static str> {
    let readable = user
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&octet));
    if !readable {
        return Err("its user has characters that it cannot have");
    }
    percent_decoded(user.as_bytes()).map(drop)
}

/// A host, or `host:port`, or `[address]:port`.
fn host_decoded(host: &str) -> Result<String, &'static str> {
    const PORT: &str = "its port is no number";
    if host.starts_with('[') {
        let end = host.rfind(']').ok_or("its address misses the bracket")?;
        let (address, port) = host.split_at(end + 1);
        if !is_port(port) {
            return Err(PORT);
        }
        // RFC 6874: %25 before a zone, in which more may be escaped than in a host.
        if let Some((address, zone)) = address.split_once("%25") {
            let decoded = [
                unescaped_host(address)?,
                "%".to_owned(),
                String::from_utf8_lossy(&percent_decoded(zone.as_bytes())?).into_owned(),
                unescaped_host(port)?,
            ];
            return Ok(decoded.concat());
        }
    } else if let Some(colon) = host.rfind(':')
        && !host.get(colon..).is_some_and(is_port)
    {
        return Err(PORT);
    }
    unescaped_host(host)
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_digit()),
        None => text.is_empty(),
    }
}

fn unescaped_host(host: &str) -> Result<String, &'static str> {
    let allowed = |octet: u8| {
        octet.is_ascii_alphanumeric() || octet > 0x7f || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&octet)
    };
    if !host.bytes().all(allowed) {
        return Err("its host has characters that it cannot have");
    }
    // In a host only the percent sign itself (RFC 6874) and what is not ASCII may be escaped.
    let escapes = host.split('%').skip(1);
    for escape in escapes {
        if escape.starts_with(|digit: char| ('0'..'8').contains(&digit))
            && !escape.starts_with("25")
        {
            return Err("its host has escapes that it cannot have");
        }
    }
    let decoded = percent_decoded(host.as_bytes())?;
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

fn percent_decoded(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    const ESCAPE: &str = "it has an escape that is none";
    let digit = |octet: Option<u8>| {
        let digit = char::from(octet.ok_or(ESCAPE)?)
            .to_digit(16)
            .ok_or(ESCAPE)?;
        u8::try_from(digit).map_err(|_| ESCAPE)
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut octets = text.iter().copied();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => digit(octets.next())? << 4 | digit(octets.next())?,
            _ => octet,
        });
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_as_in_go() {
        for (uri, expected) in [
            ("spiffe://cluster.local/ns/kube-system", "cluster.local"),
            (
                "https://user:pw@host.example:8443/x?y#z",
                "host.example:8443",
            ),
            ("https://a@b@c/", "c"),
            ("https://[fd00::1]:443/", "[fd00::1]:443"),
            ("https://[fe80::1%25en0]/", "[fe80::1%en0]"),
            ("urn:uuid:0-0", ""),
            ("mailto:a@b", ""),
            ("//host/path", "host"),
            ("///path", ""),
            ("file:///path", ""),
            ("relative/path", ""),
            ("", ""),
            ("*", ""),
            ("https://%C3%A9/", "é"),
            ("//%25", "%"),
        ] {
            assert_eq!(host(uri).as_deref(), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn what_go_cannot_read_is_refused() {
        for uri in [
            ":foo",
            "a b:c",
            "1:2",
            "http://a b/",
            "http://a:b/",
            "http://[::1/",
            "http://%41/",
            "http://a/%zz",
            "http://a/#%",
            "http://a\u{7f}",
            "http://u ser@a/",
            "http://[::1]x/",
        ] {
            assert!(host(uri).is_err(), "{uri}");
        }
    }
}
