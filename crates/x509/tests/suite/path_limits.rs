//! Cases about signatures, path lengths and dates.

use std::sync::Arc;

use kubepki_x509::{SignatureAlgorithm, oid};

use crate::{
    keys::Key,
    path_cases::{Chain, Table},
    path_workshop::{Profile, tlv},
};

const UNKNOWN: &str = "path-unknown-authority";
const TOO_LONG: &str = "path-too-long";
const EXPIRED: &str = "path-expired";
const NOT_YET: &str = "path-not-yet-valid";

pub fn fill(table: &mut Table) {
    signatures(table);
    lengths(table);
    dates(table);
}

fn signatures(table: &mut Table) {
    table.both("the leaf's signature is spoilt", UNKNOWN, |n| {
        let root = n.root();
        let leaf = Profile {
            tampered: true,
            ..n.leaf()
        };
        Chain::new(leaf.by(&root), &[], &[&root])
    });
    table.both("the intermediate's signature is spoilt", UNKNOWN, |n| {
        let root = n.root();
        let ca = Profile {
            tampered: true,
            ..n.ca("intermediate")
        }
        .by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
    });
    table.both("the root's own signature is spoilt", "valid", |n| {
        let root = Profile {
            tampered: true,
            ..n.ca("root")
        }
        .self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    for (name, algorithm) in [
        ("SHA-1", SignatureAlgorithm::EcdsaSha1),
        ("SHA-1 and RSA", SignatureAlgorithm::RsaPkcs1Sha1),
        ("MD5 and RSA", SignatureAlgorithm::RsaPkcs1Md5),
        (
            "RSA by a CA without such a key",
            SignatureAlgorithm::RsaPkcs1Sha256,
        ),
    ] {
        table.both(&format!("the leaf is signed with {name}"), UNKNOWN, |n| {
            let root = n.root();
            let leaf = Profile {
                algorithm,
                ..n.leaf()
            };
            Chain::new(leaf.by(&root), &[], &[&root])
        });
    }
    table.both("the root is signed with SHA-1", "valid", |n| {
        let algorithm = SignatureAlgorithm::EcdsaSha1;
        let root = Profile {
            algorithm,
            ..n.ca("root")
        }
        .self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    table.both(
        "the signature algorithm is another inside",
        "path-certificate-malformed",
        |n| {
            let root = n.root();
            let mut leaf = n.leaf().by(&root);
            let der = leaf.certificate.der();
            // The last octet of ecdsa-with-SHA256 is 2, of ecdsa-with-SHA384 3.
            let outer = der
                .windows(8)
                .rposition(|eight| eight == [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
            let mut der = der.to_vec();
            der[outer.unwrap() + 7] = 3;
            leaf.certificate = kubepki_x509::Certificate::from_der(&der).unwrap();
            Chain::new(leaf, &[], &[&root])
        },
    );
}

fn lengths(table: &mut Table) {
    table.both("path length 0 and a leaf", "valid", |n| {
        let root = n.ca("root").basic(true, Some(0)).self_signed();
        Chain::new(n.leaf().by(&root), &[], &[&root])
    });
    table.both("path length 0 and an intermediate", TOO_LONG, |n| {
        let root = n.ca("root").basic(true, Some(0)).self_signed();
        let ca = n.ca("intermediate").by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
    });
    table.both("path length 1 and two intermediates", TOO_LONG, |n| {
        let root = n.ca("root").basic(true, Some(1)).self_signed();
        let one = n.ca("one").by(&root);
        let two = n.ca("two").by(&one);
        Chain::new(n.leaf().by(&two), &[&one, &two], &[&root])
    });
    table.both(
        "an intermediate's path length 0 and another",
        TOO_LONG,
        |n| {
            let root = n.root();
            let one = n.ca("one").basic(true, Some(0)).by(&root);
            let two = n.ca("two").by(&one);
            Chain::new(n.leaf().by(&two), &[&one, &two], &[&root])
        },
    );
    table.both(
        "path length 1 and a self-issued intermediate between",
        TOO_LONG,
        |n| {
            let root = n.ca("root").basic(true, Some(1)).self_signed();
            let again = n.ca("root").by(&root);
            let one = n.ca("one").by(&again);
            Chain::new(n.leaf().by(&one), &[&again, &one], &[&root])
        },
    );
    table.both("a leaf with a path length", "valid", |n| {
        let root = n.root();
        Chain::new(n.leaf().basic(false, Some(0)).by(&root), &[], &[&root])
    });
    table.both("a path length beyond any number", "valid", |n| {
        let value = tlv(0x30, &[1, 1, 0xff, 2, 4, 0x7f, 0xff, 0xff, 0xff]);
        let root = n
            .ca("root")
            .raw(oid::BASIC_CONSTRAINTS, true, &value)
            .self_signed();
        let ca = n.ca("intermediate").by(&root);
        Chain::new(n.leaf().by(&ca), &[&ca], &[&root])
    });
}

fn dates(table: &mut Table) {
    let chain = |root: Profile, ca: Profile, leaf: Profile| {
        let root = root.self_signed();
        let ca = ca.by(&root);
        Chain::new(leaf.by(&ca), &[&ca], &[&root])
    };
    for (name, expected, from, until) in [
        ("has expired", EXPIRED, -48, -24),
        ("is not valid yet", NOT_YET, 24, 48),
        ("ends before it begins", NOT_YET, 24, -24),
    ] {
        table.both(&format!("the leaf {name}"), expected, |n| {
            chain(n.ca("root"), n.ca("one"), n.leaf().dates(from, until))
        });
        table.both(&format!("the intermediate {name}"), expected, |n| {
            chain(n.ca("root"), n.ca("one").dates(from, until), n.leaf())
        });
        table.both(&format!("the root {name}"), expected, |n| {
            chain(n.ca("root").dates(from, until), n.ca("one"), n.leaf())
        });
        table.both(&format!("the trusted leaf {name}"), expected, |n| {
            let leaf = n.leaf().dates(from, until).self_signed();
            Chain::new(leaf.clone(), &[], &[&leaf])
        });
    }
    table.both("leaf expired, root not valid yet", EXPIRED, |n| {
        chain(
            n.ca("root").dates(24, 48),
            n.ca("one"),
            n.leaf().dates(-48, -24),
        )
    });
    table.both("leaf expired and by nobody known", EXPIRED, |n| {
        let (root, other) = (n.ca("lost").self_signed(), n.root());
        Chain::new(n.leaf().dates(-48, -24).by(&root), &[], &[&other])
    });
    table.both("leaf outlives its CA", "valid", |n| {
        chain(
            n.ca("root").dates(-48, 24),
            n.ca("one"),
            n.leaf().dates(-96, 9600),
        )
    });
    table.both("valid for ever", "valid", |n| {
        let mut leaf = n.leaf();
        leaf.validity.not_after = jiff::Timestamp::MAX;
        chain(n.ca("root"), n.ca("one"), leaf)
    });
    table.both("an expired and a valid root with the key", "valid", |n| {
        let key = Arc::new(Key::generate());
        let old = n.ca("root").key(&key).dates(-48, -24).self_signed();
        let new = n.ca("root").key(&key).self_signed();
        Chain::new(n.leaf().by(&new), &[], &[&new, &old])
    });
}
