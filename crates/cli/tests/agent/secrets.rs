//! No private key ever goes over the wire, in whatever form.

use crate::carrying::{elsewhere, renew_elsewhere, two_hosts};
use crate::client::{Agent, renewal};
use crate::support::{FileState, Tree, base64, unbase64};

/// The keys that lie on a host, DER, with where they lie.
pub fn keys(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let mut keys = Vec::new();
    for (path, state) in tree.snapshot() {
        let FileState::File { contents, .. } = state else {
            continue;
        };
        let text = String::from_utf8_lossy(&contents).into_owned();
        let embedded = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("client-key-data: "))
            .map(|data| String::from_utf8(unbase64(data)).unwrap());
        let pems: Vec<String> = embedded.chain([text.clone()]).collect();
        for pem in pems {
            for part in pem.split("-----BEGIN ").skip(1) {
                let (label, rest) = part.split_once("-----\n").unwrap();
                if label.contains("PRIVATE KEY") {
                    let body: String = rest.split("-----END").next().unwrap().lines().collect();
                    keys.push((path.display().to_string(), unbase64(&body)));
                }
            }
        }
    }
    keys
}

pub fn contains(wire: &[u8], needle: &[u8]) -> bool {
    wire.windows(needle.len()).any(|window| window == needle)
}

/// The key's secret part as it would look in base64 (wherever it begins), in hexadecimal, and as it is.
pub fn assert_unsaid(wire: &[u8], place: &str, der: &[u8]) {
    for from in 0..3 {
        let text = base64(&der[from..]);
        assert!(!contains(wire, &text.as_bytes()[8..56]), "{place}");
    }
    let hex: String = der[8..32]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(!contains(wire, hex.as_bytes()), "{place}");
    assert!(!contains(wire, &der[8..32]), "{place}");
}

#[test]
fn no_key_is_in_any_frame() {
    let (keeper, other) = two_hosts();
    let (mut signs, mut asks) = (Agent::on(&keeper), Agent::on(&other));
    let mut all = keys(&keeper);
    // What is renewed with its own key, with a new one here, and with one that only the agent had.
    let plan = renewal(&signs.look(), &keeper, &[]);
    renew_elsewhere(&mut signs, &mut asks, &elsewhere(&plan), &other.copied());
    signs.carry(&plan).unwrap();
    signs.look();
    asks.look();
    let (of_signs, of_asks) = (signs.wire.clone(), asks.wire.clone());
    assert!(signs.end().success() && asks.end().success());
    all.extend(keys(&keeper));
    all.extend(keys(&other));
    assert!(all.len() > 40, "{}", all.len());
    for wire in [of_signs, of_asks] {
        let wire = wire.lock().unwrap();
        assert!(wire.len() > 50_000, "{}", wire.len());
        assert!(contains(&wire, b"BEGIN CERTIFICATE"));
        assert!(!contains(&wire, b"PRIVATE KEY"));
        assert!(!contains(&wire, base64("-----BEGIN EC PRIVATE").as_bytes()));
        for (place, der) in &all {
            assert_unsaid(&wire, place, der);
        }
    }
}

/// The search above would find one.
#[test]
#[should_panic(expected = "somewhere")]
fn a_key_that_is_said_would_be_found() {
    let tree = Tree::kubeadm().expired(30).build();
    let (_, der) = keys(&tree).remove(0);
    let wire = format!("{{\"text\": \"{}\"}}", base64([&b"x"[..], &der].concat()));
    assert_unsaid(wire.as_bytes(), "somewhere", &der);
}
