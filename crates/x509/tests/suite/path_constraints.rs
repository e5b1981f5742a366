//! Cases about name constraints.

use kubepki_x509::oid;

use crate::{
    path_cases::{Chain, Names, Table},
    path_workshop::{Profile, alternative_names, base, tlv},
};

const VIOLATED: &str = "path-name-constraint";
const MALFORMED: &str = "path-certificate-malformed";

/// 10.0.0.0/8 and fd00::/8.
const TEN: &str = "IP:0a000000ff000000";
const FD: &str = "IP:fd000000000000000000000000000000ff000000000000000000000000000000";

pub fn fill(table: &mut Table) {
    for (names, permitted, excluded, expected) in [
        // DNS
        (
            &["DNS:server.test"][..],
            &["DNS:test"][..],
            &[][..],
            "valid",
        ),
        (&["DNS:server.test"], &["DNS:server.test"], &[], "valid"),
        (&["DNS:server.test"], &["DNS:SERVER.Test"], &[], "valid"),
        (&["DNS:server.test"], &["DNS:.test"], &[], "valid"),
        (&["DNS:server.test"], &["DNS:"], &[], "valid"),
        (
            &["DNS:server.test"],
            &["DNS:other", "DNS:test"],
            &[],
            "valid",
        ),
        (&["DNS:server.test"], &["IP:0a000000ff000000"], &[], "valid"),
        (&["DNS:server.test"], &[], &["DNS:other.test"], "valid"),
        (&["DNS:server.test"], &[], &["DNS:er.test"], "valid"),
        (
            &["DNS:server.test", "DNS:*.server.test"],
            &["DNS:test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "DNS:*.server.test"],
            &[],
            &["DNS:a.server.test"],
            "valid",
        ),
        (&["DNS:server.test"], &["DNS:.server.test"], &[], VIOLATED),
        (&["DNS:server.test"], &["DNS:other.test"], &[], VIOLATED),
        (
            &["DNS:server.test", "DNS:other"],
            &["DNS:test"],
            &[],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "DNS:*.other"],
            &["DNS:test"],
            &[],
            VIOLATED,
        ),
        (
            &["DNS:server.test"],
            &["DNS:test"],
            &["DNS:server.test"],
            VIOLATED,
        ),
        (&["DNS:server.test"], &[], &["DNS:test"], VIOLATED),
        (&["DNS:server.test"], &[], &["DNS:.test"], VIOLATED),
        (&["DNS:server.test"], &[], &["DNS:"], VIOLATED),
        (
            &["DNS:server.test", "DNS:*.server.test"],
            &[],
            &["DNS:server.test"],
            VIOLATED,
        ),
        // Addresses
        (&["DNS:server.test", "IP:10.1.2.3"], &[TEN], &[], "valid"),
        (&["DNS:server.test", "IP:fd00::1"], &[TEN, FD], &[], "valid"),
        (&["DNS:server.test", "IP:fd00::1"], &[], &[TEN], "valid"),
        (&["DNS:server.test", "IP:11.1.2.3"], &[TEN], &[], VIOLATED),
        (&["DNS:server.test", "IP:fd00::1"], &[TEN], &[], VIOLATED),
        (&["DNS:server.test", "IP:10.1.2.3"], &[], &[TEN], VIOLATED),
        (
            &["DNS:server.test", "IP:10.1.2.3"],
            &[],
            &["IP:0000000000000000"],
            VIOLATED,
        ),
        // Mail
        (
            &["DNS:server.test", "email:root@a.test"],
            &["email:a.test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "email:root@a.TEST"],
            &["email:root@A.test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "email:root@b.a.test"],
            &["email:.a.test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "email:root@b.test"],
            &["email:a.test"],
            &[],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "email:Root@a.test"],
            &["email:root@a.test"],
            &[],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "email:root@a.test"],
            &[],
            &["email:a.test"],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "email:root@a.test"],
            &["email:.a.test"],
            &[],
            VIOLATED,
        ),
        // URIs
        (
            &["DNS:server.test", "URI:spiffe://a.test/x"],
            &["URI:a.test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "URI:https://b.a.test:1/x"],
            &["URI:.a.test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "URI:urn:x"],
            &["DNS:test"],
            &[],
            "valid",
        ),
        (
            &["DNS:server.test", "URI:spiffe://b.test/x"],
            &["URI:a.test"],
            &[],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "URI:spiffe://a.test/x"],
            &[],
            &["URI:a.test"],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "URI:https://10.0.0.1/"],
            &[],
            &["URI:a.test"],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "URI:https://[fd00::1]:1/"],
            &[],
            &["URI:a.test"],
            VIOLATED,
        ),
        (
            &["DNS:server.test", "URI:urn:x"],
            &[],
            &["URI:a.test"],
            VIOLATED,
        ),
        // What nobody compares
        (
            &["DNS:server.test"],
            &["dirName:directory"],
            &[],
            "path-critical-extension",
        ),
    ] {
        let bases = |texts: &[&str]| texts.iter().map(|text| base(text)).collect::<Vec<_>>();
        let constrained =
            |profile: Profile| profile.constraints(true, &bases(permitted), &bases(excluded));
        let name = format!(
            "{} where {} is permitted and {} excluded",
            names.join(" and "),
            permitted.join(" and "),
            excluded.join(" and ")
        );
        table.both(&name, expected, |n| {
            let root = constrained(n.ca("root")).self_signed();
            Chain::new(n.leaf().names(names).by(&root), &[], &[&root])
        });
    }
    placed(table);
    odd(table);
}

/// Where the constraints are, and whose names they are held against.
fn placed(table: &mut Table) {
    let test_only = |profile: Profile| profile.constraints(true, &[base("DNS:test")], &[]);
    table.both("constraints of an intermediate hold", "valid", |n| {
        let root = n.root();
        let ca = test_only(n.ca("intermediate")).by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
    });
    table.both(
        "constraints of an intermediate are violated",
        VIOLATED,
        |n| {
            let root = n.root();
            let ca = test_only(n.ca("intermediate")).by(&root);
            let leaf = n.leaf().names(&["DNS:server.test", "DNS:b"]);
            Chain::new(leaf.by(&ca), &[&ca], &[&root])
        },
    );
    table.both(
        "constraints of the root are violated below an intermediate",
        VIOLATED,
        |n| {
            let root = test_only(n.ca("root")).self_signed();
            let ca = n.ca("intermediate").by(&root);
            let leaf = n.leaf().names(&["DNS:server.test", "DNS:b"]);
            Chain::new(leaf.by(&ca), &[&ca], &[&root])
        },
    );
    table.both(
        "an intermediate widens what the root permits",
        VIOLATED,
        |n| {
            let root = n
                .ca("root")
                .constraints(true, &[base("DNS:a.test")], &[])
                .self_signed();
            let ca = test_only(n.ca("intermediate")).by(&root);
            Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
        },
    );
    table.both(
        "the names of an intermediate are not looked at",
        "valid",
        |n| {
            let root = test_only(n.ca("root")).self_signed();
            let ca = n.ca("intermediate").names(&["DNS:b"]).by(&root);
            Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
        },
    );
    table.both("a CA's own name violates its constraints", VIOLATED, |n| {
        let root = test_only(n.ca("root")).names(&["DNS:b"]).self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    table.both("constraints are not critical", VIOLATED, |n| {
        let root = n
            .ca("root")
            .constraints(false, &[base("DNS:a")], &[])
            .self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    table.both(
        "constraints that nobody compares are not critical",
        "valid",
        |n| {
            let root = n
                .ca("root")
                .constraints(false, &[base("dirName:a")], &[])
                .self_signed();
            Chain::new(n.leaf().by(&root), &[], &[&root])
        },
    );
    table.client("the common name is not constrained", "valid", |n| {
        let root = test_only(n.ca("root")).self_signed();
        let leaf = n.leaf().without(oid::SUBJECT_ALT_NAME);
        Chain::new(leaf.by(&root), &[], &[&root])
    });
    table.both("constraints of a leaf mean nothing", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().constraints(true, &[base("DNS:a")], &[]);
        Chain::new(leaf.by(&root), &[], &[&root])
    });
    table.both("a second root has no constraints", "valid", |n| {
        let profile = n.ca("root");
        let strict = profile
            .clone()
            .constraints(true, &[base("DNS:a")], &[])
            .self_signed();
        let root = profile.self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&strict, &root])
    });
    table.both(
        "too many constraints to compare",
        "path-too-many-constraints",
        |n| {
            let excluded: Vec<_> = (0..2000)
                .map(|number| base(&format!("DNS:x{number}")))
                .collect();
            let root = n.ca("root").constraints(true, &[], &excluded).self_signed();
            let names: Vec<_> = (0..126).map(|number| format!("DNS:y{number}")).collect();
            let mut names: Vec<_> = names.iter().map(String::as_str).collect();
            names.push("DNS:server.test");
            Chain::new(n.leaf().names(&names).by(&root), &[], &[&root])
        },
    );
}

/// Names and constraints that can hardly be compared.
fn odd(table: &mut Table) {
    let with = |n: &Names, name: Vec<u8>, constraint: &str| {
        let root = n
            .ca("root")
            .constraints(true, &[], &[base(constraint)])
            .self_signed();
        let names = alternative_names(false, &[tlv(0x82, b"server.test"), name]);
        Chain::new(n.leaf().with(names).by(&root), &[], &[&root])
    };
    for (name, constraint, expected) in [
        (tlv(0x82, b"a..b"), "DNS:c", VIOLATED),
        (tlv(0x82, b"a b"), "DNS:c", VIOLATED),
        (tlv(0x82, b"a."), "DNS:c", VIOLATED),
        (tlv(0x82, b"a."), TEN, VIOLATED),
        (tlv(0x82, b".a"), "DNS:a", VIOLATED),
        (tlv(0x82, b".a"), "DNS:c", "valid"),
        (tlv(0x82, b"a:b"), "DNS:c", "valid"),
        (tlv(0x81, b"root"), "DNS:c", VIOLATED),
        (tlv(0x81, b"\"a b\"@c"), "email:a@c", "valid"),
        (tlv(0x81, b"\"a\"@c"), "email:a@c", VIOLATED),
        (tlv(0x86, b"https://a%C3%A9/"), "URI:c", MALFORMED),
        (tlv(0x86, b"https://u@c:1/"), "URI:c", VIOLATED),
        (tlv(0x86, b"//c/"), "URI:c", VIOLATED),
        (tlv(0x86, b"relative"), "URI:c", VIOLATED),
        (tlv(0x86, b"https://[c]/"), "URI:c", VIOLATED),
        (tlv(0x87, &[10, 0, 0, 1]), FD, "valid"),
    ] {
        let shown = String::from_utf8_lossy(&name[2..]).into_owned();
        table.both(
            &format!("{:#x} {shown:?} beside excluded {constraint}", name[0]),
            expected,
            |n| with(n, name.clone(), constraint),
        );
    }
    for (name, constraint) in [
        ("a mask with holes", base("IP:0a000000ff00ff00")),
        (
            "a mask with a hole in an octet",
            base("IP:0a000000fd000000"),
        ),
        ("a range of 5 octets", base("IP:0a00000000")),
        ("a domain with an empty label", base("DNS:a..b")),
        ("a domain with a dot behind", base("DNS:a.")),
        ("a domain in Latin-1", tlv(0x82, b"m\xfcnchen")),
        ("a mailbox without a name", base("email:@a")),
        ("a URI's host that is an address", base("URI:10.0.0.1")),
    ] {
        table.both(
            &format!("an intermediate excludes {name}"),
            MALFORMED,
            |n| {
                let root = n.root();
                let ca =
                    n.ca("intermediate")
                        .constraints(false, &[], std::slice::from_ref(&constraint));
                let ca = ca.by(&root);
                Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
            },
        );
    }
}
