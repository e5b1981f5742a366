//! Cases about who issued what: candidates for an issuer, and what makes a CA.

use kubepki_x509::{Extension, KeyUsage, Name, SerialNumber, oid};

use crate::{
    path_cases::{Chain, Table},
    path_workshop::{Made, Profile},
};

const UNKNOWN: &str = "path-unknown-authority";
const NOT_A_CA: &str = "path-not-a-ca";
const EXPIRED: &str = "path-expired";

pub fn fill(table: &mut Table) {
    paths(table);
    candidates(table);
    authorities(table);
}

fn paths(table: &mut Table) {
    table.both("leaf by a trusted root", "valid", |n| {
        let root = n.root();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    table.both("one intermediate", "valid", |n| {
        let root = n.root();
        let ca = n.ca("intermediate").by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
    });
    table.both("intermediates in any order", "valid", |n| {
        let root = n.root();
        let one = n.ca("one").by(&root);
        let two = n.ca("two").by(&one);
        let three = n.ca("three").by(&two);
        Chain::new(n.leaf().by(&three), &[&one, &three, &two], &[&root])
    });
    table.both("eight intermediates", "valid", |n| {
        let root = n.root();
        let mut chain = vec![n.ca("0").by(&root)];
        for number in 1..8 {
            chain.push(n.ca(&number.to_string()).by(&chain[number - 1]));
        }
        let leaf = n.leaf().by(&chain[7]);
        Chain::new(leaf, &chain.iter().collect::<Vec<_>>(), &[&root])
    });
    table.both("an intermediate is missing", UNKNOWN, |n| {
        let root = n.root();
        let one = n.ca("one").by(&root);
        let two = n.ca("two").by(&one);
        Chain::new(n.leaf().by(&two), &[&two], &[&root])
    });
    table.both("the root is presented too", "valid", |n| {
        let root = n.root();
        let ca = n.ca("intermediate").by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca, &root], &[&root])
    });
    table.both("only another root is trusted", UNKNOWN, |n| {
        let (root, other) = (n.root(), n.ca("other").self_signed());
        Chain::new(n.leaf().by(&root), &[], &[&other])
    });
    table.both("the root is presented but not trusted", UNKNOWN, |n| {
        let (root, other) = (n.root(), n.ca("other").self_signed());
        Chain::new(n.leaf().by(&root), &[&root], &[&other])
    });
    table.both("an intermediate is trusted", "valid", |n| {
        let root = n.root();
        let ca = n.ca("intermediate").by(&root);
        Chain::new(n.leaf().by(&ca), &[], &[&ca])
    });
    table.both("the leaf itself is trusted", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().by(&root);
        Chain::new(leaf.clone(), &[], &[&leaf])
    });
    table.both("a self-signed leaf is trusted", "valid", |n| {
        let leaf = n.leaf().self_signed();
        Chain::new(leaf.clone(), &[], &[&leaf])
    });
    table.both("a self-signed leaf is not trusted", UNKNOWN, |n| {
        Chain::new(n.leaf().self_signed(), &[], &[&n.root()])
    });
    table.both("a CA presents its own certificate", "valid", |n| {
        let root = n.root();
        let leaf = n.ca("leaf").names(&["DNS:server.test"]).by(&root);
        Chain::new(leaf, &[], &[&root])
    });
    table.both("a trusted root presents itself", "valid", |n| {
        let root = n.ca("root").names(&["DNS:server.test"]).self_signed();
        Chain::new(root.clone(), &[], &[&root])
    });
    table.both("the leaf is presented twice", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().by(&root);
        Chain::new(leaf.clone(), &[&leaf, &leaf], &[&root])
    });
    table.both("two CAs certify each other", UNKNOWN, |n| {
        let (a, b) = (n.ca("a"), n.ca("b"));
        let (root_a, root_b) = (a.clone().self_signed(), b.clone().self_signed());
        let (a_by_b, b_by_a) = (a.by(&root_b), b.by(&root_a));
        Chain::new(n.leaf().by(&a_by_b), &[&a_by_b, &b_by_a], &[&n.root()])
    });
}

fn candidates(table: &mut Table) {
    // Rotations: old and new CA with the same name.
    table.both("another CA of the same name", UNKNOWN, |n| {
        let (root, other) = (n.root(), n.root());
        Chain::new(n.leaf().by(&root), &[], &[&other])
    });
    table.both("two CAs of the same name, identified", "valid", |n| {
        let (root, other) = (n.root(), n.root());
        Chain::new(n.leaf().by(&root), &[], &[&other, &root])
    });
    let anonymous = |profile: Profile| Profile {
        identifies_issuer: false,
        ..profile.without(oid::SUBJECT_KEY_IDENTIFIER)
    };
    table.both(
        "two CAs of the same name, nothing identified",
        "valid",
        |n| {
            let root = anonymous(n.ca("root")).self_signed();
            let other = anonymous(n.ca("root")).self_signed();
            Chain::new(anonymous(n.leaf()).by(&root), &[], &[&other, &root])
        },
    );
    table.both(
        "two CAs of the same name, leaf identifies nothing",
        "valid",
        |n| {
            let (root, other) = (n.root(), n.root());
            Chain::new(anonymous(n.leaf()).by(&root), &[], &[&other, &root])
        },
    );
    table.both("the leaf identifies another key", "valid", |n| {
        let root = n.root();
        let leaf = n.leaf().with(Extension::authority_key_identifier(&[1; 20]));
        Chain::new(leaf.by(&root), &[], &[&root])
    });
    table.both("old root cross-signs the new one", "valid", |n| {
        let old = n.ca("root").self_signed();
        let new = n.ca("root").by(&old);
        Chain::new(n.leaf().by(&new), &[&new], &[&old])
    });
    table.both(
        "intermediate by two roots, the second trusted",
        "valid",
        |n| {
            let (old, new) = (n.ca("old").self_signed(), n.ca("new").self_signed());
            let profile = n.ca("intermediate");
            let (by_old, by_new) = (profile.clone().by(&old), profile.by(&new));
            Chain::new(n.leaf().by(&by_old), &[&by_old, &by_new], &[&new])
        },
    );
    table.both(
        "root re-issued with the same key, old one expired",
        "valid",
        |n| {
            let profile = n.ca("root");
            let old = profile.clone().dates(-48, -24).self_signed();
            let new = profile.self_signed();
            Chain::new(n.leaf().by(&new), &[], &[&old, &new])
        },
    );
    table.both(
        "root re-issued with the same key, only the old is trusted",
        EXPIRED,
        |n| {
            let profile = n.ca("root");
            let old = profile.clone().dates(-48, -24).self_signed();
            let new = profile.self_signed();
            Chain::new(n.leaf().by(&new), &[], &[&old])
        },
    );
    table.both("expired intermediate beside its renewal", "valid", |n| {
        let root = n.root();
        let profile = n.ca("intermediate");
        let old = profile.clone().dates(-48, -24).by(&root);
        let new = profile.by(&root);
        Chain::new(n.leaf().by(&old), &[&old, &new], &[&root])
    });
    table.both("a dead end among the intermediates", "valid", |n| {
        let (root, lost) = (n.root(), n.ca("lost").self_signed());
        let profile = n.ca("intermediate");
        let (dead, good) = (profile.clone().by(&lost), profile.by(&root));
        Chain::new(n.leaf().by(&good), &[&dead, &good], &[&root])
    });
    let crowd = |n: &crate::path_cases::Names, identified: bool| {
        let make = |_| {
            if identified {
                n.ca("root").self_signed()
            } else {
                anonymous(n.ca("root")).self_signed()
            }
        };
        let crowd: Vec<Made> = (0..101).map(make).collect();
        let profile = if identified {
            n.leaf()
        } else {
            anonymous(n.leaf())
        };
        let leaf = profile.by(&crowd[100]);
        Chain::new(leaf, &[], &crowd.iter().collect::<Vec<_>>())
    };
    table.both(
        "a hundred CAs of the same name before the right one",
        "path-too-many-candidates",
        |n| crowd(n, false),
    );
    table.both("a hundred CAs of the same name, identified", "valid", |n| {
        crowd(n, true)
    });
    table.both("issuer's name in other letters", UNKNOWN, |n| {
        let root = n.ca("root").self_signed();
        let name = root.certificate.subject().to_string().to_uppercase();
        let name = Name::common(name.trim_start_matches("CN="), &[]);
        Chain::new(n.leaf().signed(&name, &root.key, None), &[], &[&root])
    });
    table.both("issuer's name as another string type", UNKNOWN, |n| {
        let root = n.root();
        let der = root.certificate.subject().der();
        let utf8: Vec<u8> = der
            .iter()
            .map(|octet| if *octet == 0x13 { 0x0c } else { *octet })
            .collect();
        let name = Name::from_der(&utf8).unwrap();
        Chain::new(n.leaf().signed(&name, &root.key, None), &[], &[&root])
    });
}

fn authorities(table: &mut Table) {
    for (name, change, as_root, as_intermediate) in [
        (
            "says that it is no CA",
            (|p: Profile| p.basic(false, None)) as fn(Profile) -> Profile,
            UNKNOWN,
            UNKNOWN,
        ),
        (
            "says nothing of being a CA",
            |p| p.without(oid::BASIC_CONSTRAINTS),
            UNKNOWN,
            UNKNOWN,
        ),
        (
            "has version 1",
            |p| Profile {
                version_1: true,
                ..p
            },
            "valid",
            NOT_A_CA,
        ),
        (
            "may not sign certificates",
            |p| p.with(Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE)),
            UNKNOWN,
            UNKNOWN,
        ),
        (
            "says nothing of its key's usage",
            |p| p.without(oid::KEY_USAGE),
            "valid",
            "valid",
        ),
        (
            "has no usage of its key at all",
            |p| p.raw(oid::KEY_USAGE, true, &[3, 2, 7, 0]),
            "valid",
            "valid",
        ),
        (
            "has an empty basicConstraints",
            |p| p.raw(oid::BASIC_CONSTRAINTS, true, &[0x30, 0]),
            UNKNOWN,
            UNKNOWN,
        ),
        (
            "has serial number 0",
            |p| Profile {
                serial_number: SerialNumber::from_octets(&[0]),
                ..p
            },
            "valid",
            "valid",
        ),
        (
            "has a negative serial number",
            |p| Profile {
                serial_number: SerialNumber::from_octets(&[0x80, 1]),
                ..p
            },
            "valid",
            "valid",
        ),
        (
            "has a serial number of 30 octets",
            |p| Profile {
                serial_number: SerialNumber::from_octets(&[0x11; 30]),
                ..p
            },
            "valid",
            "valid",
        ),
    ] {
        table.both(&format!("the root {name}"), as_root, |n| {
            let root = change(n.ca("root")).self_signed();
            Chain::new(n.leaf().by(&root), &[], &[&root])
        });
        table.both(&format!("the intermediate {name}"), as_intermediate, |n| {
            let root = n.root();
            let ca = change(n.ca("intermediate")).by(&root);
            Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
        });
    }
    table.both(
        "the leaf has version 1 and no names",
        "path-name-mismatch",
        |n| {
            let root = n.root();
            let leaf = Profile {
                version_1: true,
                ..n.leaf()
            };
            Chain::new(leaf.by(&root), &[], &[&root])
        },
    );
    // A client needs no names.
    table.cases.last_mut().unwrap().expected = "valid";
}
