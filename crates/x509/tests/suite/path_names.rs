//! Cases about what one certificate says: names of servers, usages, and extensions that somebody
//! has to understand.

use kubepki_x509::{ExtendedKeyUsage, Extension, KeyUsage, Name, ObjectIdentifier, oid};

use crate::{
    path_cases::{Chain, Names, Table},
    path_workshop::{Profile, alternative_names, directory_name, tlv},
};

const MISMATCH: &str = "path-name-mismatch";
const USAGE: &str = "path-usage";
const CRITICAL: &str = "path-critical-extension";
const MALFORMED: &str = "path-certificate-malformed";

pub fn fill(table: &mut Table) {
    hosts(table);
    odd_hosts(table);
    usages(table);
    extensions(table);
}

fn named(table: &mut Table, asked: &str, found: &[&str], expected: &'static str) {
    let name = format!("{asked} asked of {}", found.join(" and "));
    table.server(&name, expected, asked, |n| {
        let root = n.root();
        Chain::new(n.leaf().names(found).by(&root), &[], &[&root])
    });
}

fn hosts(table: &mut Table) {
    for (asked, found) in [
        ("kubernetes", &["DNS:kubernetes"][..]),
        ("KUBERNETES.Default", &["DNS:kubernetes.dEfault"]),
        ("server.test.", &["DNS:server.test"]),
        ("a.server.test", &["DNS:*.server.test"]),
        ("a.server.test.", &["DNS:*.server.test"]),
        ("A_b.server.test", &["DNS:*.server.test"]),
        ("xn--mnchen-3ya.server.test", &["DNS:*.server.test"]),
        ("b", &["DNS:a", "DNS:b", "IP:10.0.0.1"]),
        ("under_score", &["DNS:under_score"]),
        ("10.0.0.1", &["IP:10.0.0.1"]),
        ("::1", &["IP:::1"]),
        ("[fd00::1]", &["IP:fd00::1"]),
        ("10.0.0.1", &["IP:::ffff:10.0.0.1"]),
        ("fd00::1", &["IP:fd00::1", "DNS:server.test"]),
    ] {
        named(table, asked, found, "valid");
    }
    for (asked, found) in [
        ("server.test", &["DNS:other.test"][..]),
        ("a.b.server.test", &["DNS:*.server.test"]),
        ("server.test", &["DNS:*.server.test"]),
        ("-a.server.test", &["DNS:*.server.test"]),
        ("10.0.0.1", &["IP:10.0.0.2", "DNS:server.test"]),
        ("10.0.0.1", &["DNS:server.test"]),
        ("10.0.0.1", &["DNS:10.0.0.1"]),
        ("server.test", &["IP:10.0.0.1"]),
        ("fd00::1", &["IP:fd00::2"]),
        ("server.test", &["URI:https://server.test/"]),
        ("server.test", &["email:root@server.test"]),
        ("10.0.0.1.", &["IP:10.0.0.1"]),
    ] {
        named(table, asked, found, MISMATCH);
    }
    let common_name = |n: &Names, profile: Profile| {
        let root = n.root();
        let profile = profile.subject(Name::common("server.test", &[]));
        Chain::new(profile.by(&root), &[], &[&root])
    };
    table.server("only the common name", MISMATCH, "server.test", |n| {
        common_name(n, n.leaf().without(oid::SUBJECT_ALT_NAME))
    });
    table.server("only the common name, not asked", MISMATCH, "b.test", |n| {
        common_name(n, n.leaf().without(oid::SUBJECT_ALT_NAME))
    });
    table.server(
        "the common name beside an address",
        MISMATCH,
        "server.test",
        |n| common_name(n, n.leaf().names(&["IP:10.0.0.1"])),
    );
    table.client("only the common name", "valid", |n| {
        common_name(n, n.leaf().without(oid::SUBJECT_ALT_NAME))
    });
    table.server("another name and expired", "path-expired", "b.test", |n| {
        let root = n.root();
        Chain::new(n.leaf().dates(-48, -24).by(&root), &[], &[&root])
    });
    table.server(
        "another name and by nobody known",
        MISMATCH,
        "b.test",
        |n| {
            let (root, other) = (n.root(), n.ca("other").self_signed());
            Chain::new(n.leaf().by(&root), &[], &[&other])
        },
    );
    table.server("another name and trusted itself", MISMATCH, "b.test", |n| {
        let leaf = n.leaf().self_signed();
        Chain::new(leaf.clone(), &[], &[&leaf])
    });
}

/// Names that no tool of ours would write.
fn odd_hosts(table: &mut Table) {
    for (asked, found, expected) in [
        ("server.test", "server.test.", MISMATCH),
        ("server.test.", "server.test.", "valid"),
        ("ab.server.test", "a*.server.test", MISMATCH),
        ("a.server.test", "a.*.test", MISMATCH),
        ("a.server.test", "*.*.test", MISMATCH),
        ("a..server.test", "*..server.test", MISMATCH),
        ("server", "*", "valid"),
        ("server.test", "*", MISMATCH),
        ("server.test", "", MISMATCH),
        ("server.test", ".server.test", MISMATCH),
        ("-server", "-server", "valid"),
        ("server test", "Server test", "valid"),
        ("*.server.test", "*.server.test", "valid"),
        ("server.test", " server.test", MISMATCH),
        ("server.test", "server.test:6443", MISMATCH),
    ] {
        table.server(
            &format!("{asked:?} asked of {found:?}"),
            expected,
            asked,
            |n| {
                let root = n.root();
                let names = alternative_names(false, &[tlv(0x82, found.as_bytes())]);
                Chain::new(n.leaf().with(names).by(&root), &[], &[&root])
            },
        );
    }
}

fn usages(table: &mut Table) {
    use ExtendedKeyUsage::{AnyExtendedKeyUsage, ClientAuth, CodeSigning, Other, ServerAuth};
    let other = Other(ObjectIdentifier::new_unwrap("1.2.3.4"));
    for (name, usages, server, client) in [
        ("servers", &[ServerAuth][..], "valid", USAGE),
        ("clients", &[ClientAuth], USAGE, "valid"),
        ("anything", &[AnyExtendedKeyUsage], "valid", "valid"),
        ("signing code", &[CodeSigning], USAGE, USAGE),
        ("something unknown", &[other], USAGE, USAGE),
        (
            "something unknown and anything",
            &[other, AnyExtendedKeyUsage],
            "valid",
            "valid",
        ),
        (
            "something unknown and clients",
            &[other, ClientAuth],
            USAGE,
            "valid",
        ),
    ] {
        let leaf = |n: &Names| {
            let root = n.root();
            Chain::new(n.leaf().usages(usages).by(&root), &[], &[&root])
        };
        let trusted = |n: &Names| {
            let leaf = n.leaf().usages(usages).self_signed();
            Chain::new(leaf.clone(), &[], &[&leaf])
        };
        let intermediate = |n: &Names| {
            let root = n.root();
            let ca = n.ca("intermediate").usages(usages).by(&root);
            Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
        };
        let root = |n: &Names| {
            let root = n.ca("root").usages(usages).self_signed();
            Chain::new(n.leaf().by(&root), &[], &[&root])
        };
        table.server(&format!("a leaf for {name}"), server, "server.test", leaf);
        table.client(&format!("a leaf for {name}"), client, leaf);
        table.server(
            &format!("an intermediate for {name}"),
            server,
            "server.test",
            intermediate,
        );
        table.client(&format!("an intermediate for {name}"), client, intermediate);
        table.server(&format!("a root for {name}"), server, "server.test", root);
        table.client(&format!("a root for {name}"), client, root);
        table.server(
            &format!("a trusted leaf for {name}"),
            server,
            "server.test",
            trusted,
        );
        table.client(&format!("a trusted leaf for {name}"), client, trusted);
    }
    table.both("a leaf without extended usages", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().without(oid::EXTENDED_KEY_USAGE);
        Chain::new(leaf.by(&root), &[], &[&root])
    });
    table.both("a leaf with an empty list of usages", "valid", |n| {
        let root = n.root();
        Chain::new(n.leaf().usages(&[]).by(&root), &[], &[&root])
    });
    table.both("critical extended usages", "valid", |n| {
        let root = n.root();
        let mut usages = Extension::extended_key_usage(&[ServerAuth, ClientAuth]);
        usages.critical = true;
        Chain::new(n.leaf().with(usages).by(&root), &[], &[&root])
    });
    table.both("one of two roots restricts usages", "valid", |n| {
        let profile = n.ca("root");
        let strict = profile.clone().usages(&[CodeSigning]).self_signed();
        let root = profile.self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&strict, &root])
    });
    table.both("a leaf's key for enciphering only", "valid", |n| {
        let root = n.root();
        let leaf = n
            .leaf()
            .with(Extension::key_usage(KeyUsage::KEY_ENCIPHERMENT));
        Chain::new(leaf.by(&root), &[], &[&root])
    });
}

fn extensions(table: &mut Table) {
    let unknown = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1");
    for (name, expected, change) in [
        (
            "an unknown critical extension",
            CRITICAL,
            (|p: Profile, oid| p.raw(oid, true, &[5, 0]))
                as fn(Profile, ObjectIdentifier) -> Profile,
        ),
        ("an unknown extension", "valid", |p, oid| {
            p.raw(oid, false, &[5, 0])
        }),
        ("critical policy constraints", CRITICAL, |p, _| {
            let policy_constraints = ObjectIdentifier::new_unwrap("2.5.29.36");
            p.raw(policy_constraints, true, &[0x30, 3, 0x80, 1, 0])
        }),
        ("a critical policy", "valid", |p, _| {
            let policy = tlv(0x30, &tlv(0x30, &[6, 4, 0x55, 0x1d, 0x20, 0]));
            p.raw(oid::CERTIFICATE_POLICIES, true, &policy)
        }),
        ("an unreadable key usage", MALFORMED, |p, _| {
            p.raw(oid::KEY_USAGE, true, &[5, 0])
        }),
        ("an unreadable extended key usage", MALFORMED, |p, _| {
            p.raw(oid::EXTENDED_KEY_USAGE, false, &[5, 0])
        }),
        ("unreadable basic constraints", MALFORMED, |p, _| {
            p.raw(oid::BASIC_CONSTRAINTS, true, &[5, 0])
        }),
        ("empty name constraints", MALFORMED, |p, _| {
            p.raw(oid::NAME_CONSTRAINTS, true, &[0x30, 0])
        }),
        (
            "a list of revoked certificates with a relative name",
            MALFORMED,
            |p, _| {
                let point = tlv(0x30, &tlv(0x30, &tlv(0xa0, &tlv(0xa1, &[]))));
                p.raw(oid::CRL_DISTRIBUTION_POINTS, false, &point)
            },
        ),
        (
            "an address of a list of revoked certificates",
            "valid",
            |p, _| {
                let uri = tlv(0xa0, &tlv(0x86, b"http://a.test/crl"));
                let point = tlv(0x30, &tlv(0x30, &tlv(0xa0, &uri)));
                p.raw(oid::CRL_DISTRIBUTION_POINTS, false, &point)
            },
        ),
        ("an extension twice", MALFORMED, |mut p, oid| {
            p = p.raw(oid, false, &[5, 0]);
            p.extensions.extend_from_within(p.extensions.len() - 1..);
            p
        }),
    ] {
        table.both(&format!("a leaf with {name}"), expected, |n| {
            let root = n.root();
            Chain::new(change(n.leaf(), unknown).by(&root), &[], &[&root])
        });
        table.both(&format!("an intermediate with {name}"), expected, |n| {
            let root = n.root();
            let ca = change(n.ca("intermediate"), unknown).by(&root);
            Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
        });
        // Programs differ in what they do with a file of trusted certificates that has one which
        // they cannot read; none of them trusts it.
        if expected != MALFORMED {
            table.both(&format!("a root with {name}"), expected, |n| {
                let root = change(n.ca("root"), unknown).self_signed();
                Chain::new(n.leaf().by(&root), &[], &[&root])
            });
        }
    }
    for (name, expected, names) in [
        (
            "critical names that nobody compares",
            CRITICAL,
            directory_name(true),
        ),
        ("names that nobody compares", "valid", directory_name(false)),
        (
            "critical names",
            "valid",
            alternative_names(true, &[tlv(0x82, b"server.test")]),
        ),
        (
            "an address of 5 octets",
            MALFORMED,
            alternative_names(false, &[tlv(0x87, &[1; 5])]),
        ),
        (
            "a name in Latin-1",
            MALFORMED,
            alternative_names(false, &[tlv(0x82, b"m\xfcnchen")]),
        ),
        (
            "a URI that is none",
            MALFORMED,
            alternative_names(false, &[tlv(0x86, b":foo")]),
        ),
        (
            "a URI with an odd host",
            MALFORMED,
            alternative_names(false, &[tlv(0x86, b"https://a..b/")]),
        ),
        (
            "a URI with a port",
            "valid",
            alternative_names(
                false,
                &[
                    tlv(0x86, b"https://a.b:6443/c?d#e"),
                    tlv(0x82, b"server.test"),
                ],
            ),
        ),
    ] {
        let server = if name == "names that nobody compares" {
            MISMATCH
        } else {
            expected
        };
        let make = |n: &Names| {
            let root = n.root();
            Chain::new(n.leaf().with(names.clone()).by(&root), &[], &[&root])
        };
        table.server(&format!("a leaf with {name}"), server, "server.test", make);
        table.client(&format!("a leaf with {name}"), expected, make);
    }
    for (name, tag, text) in [
        ("UTF8String that is no UTF-8", 0x0c, &b"\xff"[..]),
        ("PrintableString with an underscore", 0x13, b"a_b"),
        ("IA5String that is not ASCII", 0x16, b"\xe9"),
        ("VisibleString", 0x1a, b"a"),
    ] {
        table.both(
            &format!("a leaf with a subject of a {name}"),
            MALFORMED,
            |n| {
                let root = n.root();
                let attribute = [oid::COMMON_NAME.der(), tlv(tag, text)].concat();
                let subject = tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)));
                let leaf = n.leaf().subject(Name::from_der(&subject).unwrap());
                Chain::new(leaf.by(&root), &[], &[&root])
            },
        );
    }
    table.both("a leaf without a subject", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().subject(Name::from_attributes(&[]));
        let leaf = leaf.with(alternative_names(true, &[tlv(0x82, b"server.test")]));
        Chain::new(leaf.by(&root), &[], &[&root])
    });
}
