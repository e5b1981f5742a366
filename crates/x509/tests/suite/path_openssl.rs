//! The same cases before OpenSSL, for a second opinion that shares no code and no rules with Go.
//!
//! Where the two judge differently by design, the reason is in the list below, with what both
//! say. Everything else must agree, and a difference that is no longer there must leave the list.

use std::collections::HashSet;

use kubepki_x509::Certificate;

use crate::{
    openssl::Openssl,
    path_cases::{Case, Side, Table},
};

/// A part of the names of cases (or the code of our error), whether OpenSSL accepts them where we
/// do the opposite, and why.
const DIFFERENCES: &[(&str, bool, &str)] = &[
    // Reading
    (
        "path-certificate-malformed",
        true,
        "Go reads certificates whole, OpenSSL what it needs",
    ),
    (
        "critical policy constraints",
        true,
        "OpenSSL applies policies, Go does since 1.24",
    ),
    (
        "critical names that nobody compares",
        true,
        "OpenSSL knows directory names",
    ),
    (
        "constraints that nobody compares are not critical",
        false,
        "OpenSSL knows directory names",
    ),
    // Issuers
    (
        "issuer's name in other letters",
        true,
        "RFC 5280 §7.1: case does not matter",
    ),
    (
        "issuer's name as another string type",
        true,
        "RFC 5280 §7.1: string types do not matter",
    ),
    (
        "the leaf identifies another key",
        false,
        "an identifier that differs rules an issuer out",
    ),
    (
        "two CAs of the same name, nothing",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "two CAs of the same name, leaf",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "intermediate by two roots",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "a dead end among",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "one of two roots restricts",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "a second root has no constraints",
        false,
        "the first issuer by name and date is final",
    ),
    (
        "the root says nothing of being a CA",
        true,
        "keyCertSign is enough unless it is strict",
    ),
    (
        "has no usage of its key at all",
        false,
        "no usage allows nothing",
    ),
    (
        "a self-issued intermediate between",
        true,
        "RFC 5280 §6.1.4: self-issued ones do not count",
    ),
    // Usages
    (
        " for anything",
        false,
        "anyExtendedKeyUsage is not enough for a purpose",
    ),
    (
        " and anything",
        false,
        "anyExtendedKeyUsage is not enough for a purpose",
    ),
    (
        "empty list of usages",
        false,
        "an empty list allows nothing",
    ),
    (
        "a CA presents its own",
        false,
        "the key usage of a leaf counts",
    ),
    (
        "a trusted root presents itself",
        false,
        "the key usage of a leaf counts",
    ),
    (
        "client: a leaf's key for enciphering",
        false,
        "the key usage of a leaf counts",
    ),
    // Hosts
    (
        "server: only the common name",
        true,
        "the common name counts if there are no DNS names",
    ),
    (
        "the common name beside",
        true,
        "the common name counts if there are no DNS names",
    ),
    (
        "server.test. asked of DNS:",
        false,
        "a trailing dot in the name asked for is not dropped",
    ),
    (
        "A_b.server.test",
        false,
        "wildcards stand for letters, digits and hyphens",
    ),
    (
        "-a.server.test",
        true,
        "wildcards stand for letters, digits and hyphens",
    ),
    ("a*.server.test", true, "wildcards may be a part of a label"),
    (
        "\"server\" asked of \"*\"",
        false,
        "a wildcard is no top-level domain",
    ),
    ("::ffff:", false, "mapped addresses are other addresses"),
    // Name constraints
    (
        "the names of an intermediate",
        false,
        "RFC 5280 §6.1.3: names of all certificates count",
    ),
    (
        "a CA's own name violates",
        true,
        "RFC 5280 §6.1.3: constraints begin below",
    ),
    ("path-too-many-constraints", true, "the limit is another"),
    (
        "URI:https://10.0.0.1/",
        true,
        "hosts of URIs are compared as text",
    ),
    (
        "URI:https://[fd00",
        true,
        "hosts of URIs are compared as text",
    ),
    (
        "beside excluded",
        true,
        "names are compared as text, readable or not",
    ),
];

#[test]
fn openssl_agrees_but_for_known_differences() {
    let openssl = Openssl::new();
    let (mut unknown, mut met) = (Vec::new(), HashSet::new());
    for (number, case) in Table::all().cases.iter().enumerate() {
        let (ours, said) = (case.validate().is_ok(), verify(&openssl, number, case));
        let accepts = said.is_empty();
        let known = DIFFERENCES.iter().find(|(part, direction, _)| {
            *direction == accepts && (case.name.contains(part) || case.expected == *part)
        });
        match known {
            _ if ours == accepts => {}
            Some((part, _, _)) => drop(met.insert(*part)),
            None => unknown.push(format!(
                "{}: we {}, OpenSSL: {said}",
                case.name, case.expected
            )),
        }
    }
    let gone: Vec<_> = DIFFERENCES
        .iter()
        .filter(|(part, _, _)| !met.contains(part))
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(gone.is_empty(), "no longer different: {gone:?}");
}

/// What OpenSSL objects to; nothing if it accepts.
fn verify(openssl: &Openssl, number: usize, case: &Case) -> String {
    let pem = |certificates: &[Certificate]| -> String {
        certificates.iter().map(Certificate::to_pem).collect()
    };
    let file = |kind: &str| format!("{number}.{kind}");
    openssl.write(&file("roots"), pem(&case.roots));
    openssl.write(&file("untrusted"), pem(&case.intermediates));
    openssl.write(&file("leaf"), case.leaf.certificate.to_pem());
    let (roots, untrusted, leaf) = (file("roots"), file("untrusted"), file("leaf"));
    // -partial_chain: whatever is trusted ends the path, as in Go.
    let mut arguments = vec![
        "verify",
        "-partial_chain",
        "-no-CAfile",
        "-no-CApath",
        "-no-CAstore",
    ];
    arguments.extend(["-trusted", &roots]);
    if !case.intermediates.is_empty() {
        arguments.extend(["-untrusted", &untrusted]);
    }
    match &case.side {
        Side::Client => arguments.extend(["-purpose", "sslclient"]),
        Side::Server(name) => {
            let address = name.trim_matches(['[', ']']);
            arguments.extend(["-purpose", "sslserver"]);
            match address.parse::<std::net::IpAddr>() {
                Ok(_) => arguments.extend(["-verify_ip", address]),
                Err(_) => arguments.extend(["-verify_hostname", name]),
            }
        }
    }
    arguments.push(&leaf);
    let output = openssl.output(&arguments);
    if output.status.success() {
        return String::new();
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let reason = said.lines().find(|line| line.starts_with("error "));
    reason.unwrap_or(&said).to_owned()
}
