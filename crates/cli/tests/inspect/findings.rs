//! Odd, old and broken certificates: shown and flagged, never a crash; and the exit codes.

use super::support::{CA_EXTENSIONS, Issue, SERVER_EXTENSIONS, Workplace, codes};
use serde_json::{Value, json};

fn only(here: &Workplace, file: &str) -> (Value, i32) {
    let (value, outcome) = here.json(&[file]);
    assert_eq!(value["items"].as_array().unwrap().len(), 1, "{value:#}");
    (value["items"][0].clone(), outcome.code)
}

#[test]
fn ends_decide_the_exit_code() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    let cases = [
        ("20270101000000Z", None, 0, "Valid"),
        ("20260620000000Z", Some("expires-soon"), 3, "Valid"),
        ("20260531235959Z", Some("expired"), 4, "Expired"),
    ];
    for (until, finding, code, state) in cases {
        let issue = Issue {
            by: Some("ca"),
            until,
            ..Issue::default()
        };
        here.issue("leaf", &issue);
        let (item, exit) = only(&here, "leaf.crt");
        assert_eq!(codes(&item).first().copied(), finding, "{until}");
        assert_eq!(
            (exit, item["state"].as_str()),
            (code, Some(state)),
            "{until}"
        );
    }
    here.issue(
        "leaf",
        &Issue {
            from: "20260601000001Z",
            by: Some("ca"),
            ..Issue::default()
        },
    );
    let (item, exit) = only(&here, "leaf.crt");
    assert_eq!((codes(&item), exit), (vec!["not-yet-valid"], 4));
    assert_eq!(item["state"], "NotYetValid");
}

#[test]
fn the_threshold_and_the_time_are_arguments() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    let run = |words: &[&str]| {
        here.kubepki(&[&["inspect", "ca.crt"], words].concat(), b"")
            .code
    };
    assert_eq!(run(&["--now", "2026-06-01"]), 0);
    assert_eq!(run(&["--now", "2026-06-01", "--warn", "10y"]), 3);
    assert_eq!(run(&["--now", "2035-12-20"]), 3);
    assert_eq!(run(&["--now", "2035-12-20", "--warn", "1d"]), 0);
    assert_eq!(
        run(&["--now", "2036-01-01T00:00:00Z"]),
        3,
        "the last second counts"
    );
    assert_eq!(run(&["--now", "2036-01-01T00:00:01Z"]), 4);
    assert_eq!(run(&["--now", "2025-12-31T23:59:59Z"]), 4);
}

#[test]
fn years_beyond_2049_and_no_end_at_all() {
    let here = Workplace::new();
    here.issue(
        "far",
        &Issue {
            until: "20801231235959Z",
            ..Issue::default()
        },
    );
    let (item, exit) = only(&here, "far.crt");
    assert_eq!(
        (item["notAfter"].as_str(), exit),
        (Some("2080-12-31T23:59:59Z"), 0)
    );
    here.issue(
        "never",
        &Issue {
            until: "99991231235959Z",
            ..Issue::default()
        },
    );
    let outcome = here.inspect(&["never.crt"]);
    assert!(outcome.stdout.contains("to  no end"), "{}", outcome.stdout);
    assert_eq!(outcome.code, 0);
}

#[test]
fn serial_numbers_of_every_kind() {
    let here = Workplace::new();
    here.key("some", "ec:P-256");
    let cases = [
        ("0", "00", vec!["zero-serial"], 0),
        ("-1", "-01", vec!["negative-serial"], 3),
        ("-32768", "-8000", vec!["negative-serial"], 3),
        ("0x7F", "7F", vec![], 0),
        (
            "0x0102030405060708090A0B0C0D0E0F101112131415161718",
            "0102030405060708090A0B0C0D0E0F101112131415161718",
            vec!["long-serial"],
            3,
        ),
    ];
    for (given, shown, findings, code) in cases {
        here.openssl_with(&[
            "req",
            "-x509",
            "-key",
            "some.key",
            "-subj",
            "/CN=x",
            "-set_serial",
            given,
            "-days",
            "36500",
            "-out",
            "some.crt",
            "-addext",
            "keyUsage=keyCertSign",
        ]);
        let (value, outcome) = here.json(&["some.crt", "--now", "2099-01-01"]);
        let item = &value["items"][0];
        assert_eq!(item["serialNumber"], shown, "{given}");
        assert_eq!(codes(item), findings, "{given}");
        assert_eq!(outcome.code, code, "{given}");
    }
}

#[test]
fn weak_keys_and_signatures() {
    let here = Workplace::new();
    here.issue(
        "ca",
        &Issue {
            key: "rsa:1024",
            digest: "sha1",
            extensions: CA_EXTENSIONS,
            ..Issue::default()
        },
    );
    let (ca, exit) = only(&here, "ca.crt");
    assert_eq!(ca["signatureAlgorithm"], "sha1WithRSAEncryption");
    assert_eq!((codes(&ca), exit), (vec!["weak-key", "weak-signature"], 3));
    assert_eq!(
        ca["findings"][1]["severity"], "info",
        "nobody checks an anchor's signature"
    );
    here.issue(
        "leaf",
        &Issue {
            by: Some("ca"),
            digest: "sha1",
            ..Issue::default()
        },
    );
    let items = here.items(&["leaf.crt", "ca.crt"]);
    assert_eq!(codes(&items[0]), ["weak-signature"]);
    assert_eq!(items[0]["findings"][0]["severity"], "warning");
    assert_eq!(
        items[0]["signedBy"]["location"]["path"], "ca.crt",
        "weak, but verified"
    );
}

#[test]
fn what_go_refuses_is_a_warning() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    let cases = [
        ("extendedKeyUsage=serverAuth", "no-subject-alt-name"),
        (
            "1.2.3.4=critical,ASN1:UTF8String:x",
            "unknown-critical-extension",
        ),
        ("subjectAltName=DER:0401", "extension-malformed"),
        ("keyUsage=DER:0401", "extension-malformed"),
        (
            "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature",
            "ca-cannot-sign",
        ),
    ];
    for (extensions, finding) in cases {
        here.issue(
            "leaf",
            &Issue {
                by: Some("ca"),
                extensions,
                ..Issue::default()
            },
        );
        let (item, exit) = only(&here, "leaf.crt");
        assert_eq!((codes(&item), exit), (vec![finding], 3), "{extensions}");
    }
    here.issue(
        "old",
        &Issue {
            extensions: "basicConstraints=CA:TRUE",
            ..Issue::default()
        },
    );
    let (item, exit) = only(&here, "old.crt");
    assert_eq!((codes(&item), exit), (vec!["ca-without-key-usage"], 0));
}

#[test]
fn the_gravest_finding_wins_and_an_error_outweighs_it() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.issue(
        "over",
        &Issue {
            until: "20260201000000Z",
            ..Issue::default()
        },
    );
    here.issue(
        "soon",
        &Issue {
            until: "20260610000000Z",
            ..Issue::default()
        },
    );
    assert_eq!(here.inspect(&["ca.crt", "soon.crt"]).code, 3);
    let (value, outcome) = here.json(&["ca.crt", "soon.crt", "over.crt"]);
    assert_eq!(outcome.code, 4);
    assert_eq!(
        value["summary"],
        json!({
            "items": 3, "kinds": {"Certificate": 3}, "expired": 1, "expiring": 1, "errors": 0,
            "worst": "critical",
        })
    );
    assert_eq!(here.inspect(&["over.crt", "missing.crt"]).code, 1);
}

#[test]
fn names_that_would_steer_a_terminal_are_made_visible() {
    let here = Workplace::new();
    let extensions = format!("{SERVER_EXTENSIONS}\n").replace("authorityKeyIdentifier=keyid\n", "");
    here.issue(
        "evil",
        &Issue {
            subject: "/CN=\u{1b}[31mred\u{1b}]0;title\u{7}",
            extensions: &extensions,
            ..Issue::default()
        },
    );
    for words in [
        &["evil.crt"][..],
        &["evil.crt", "-o", "table"],
        &["evil.crt", "-o", "json"],
    ] {
        let outcome = here.inspect(&[words, &["--color", "never"]].concat());
        assert!(outcome.stdout.contains("red"), "{}", outcome.stdout);
        assert!(
            !outcome.stdout.contains(['\u{1b}', '\u{7}']),
            "{:?}",
            outcome.stdout
        );
    }
}
