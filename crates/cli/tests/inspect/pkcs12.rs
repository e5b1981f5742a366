//! PKCS#12: with the right password, a wrong one, none, and one typed on a terminal.

use super::support::{Workplace, codes, kinds};
use serde_json::json;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn bundle(password: &str, extra: &str) -> Workplace {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    here.openssl(&format!(
        "pkcs12 -export -in web.crt -inkey web.key -certfile ca.crt -name web -passout pass:{password} -out web.p12 {extra}"
    ));
    here.write("password", format!("{password}\nsecond line\n"));
    here.write("wrong", "wrong\n");
    here
}

#[test]
fn the_password_comes_from_the_first_line_of_a_file() {
    for extra in [
        "",
        "-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1",
    ] {
        let here = bundle("geheim", extra);
        let items = here.items(&["web.p12", "--password-file", "password"]);
        assert_eq!(
            kinds(&items),
            ["Certificate", "Certificate", "PrivateKey"],
            "{extra}"
        );
        assert_eq!(
            items[0]["location"],
            json!({"path": "web.p12", "index": 1, "object": "web"})
        );
        assert_eq!(items[0]["keyMatches"], true);
        assert_eq!(items[0]["signedBy"]["name"], "CN=ca");
        assert_eq!(items[2]["belongsTo"]["index"], 1);
        assert_eq!(codes(&items[0]), [""; 0]);
    }
}

#[test]
fn a_wrong_password_is_told_from_a_damaged_file() {
    let here = bundle("geheim", "");
    let (value, outcome) = here.json(&["web.p12", "ca.crt", "--password-file", "wrong"]);
    assert_eq!(value["errors"][0]["code"], "pkcs12-wrong-password");
    assert_eq!(value["errors"][0]["location"], "web.p12");
    assert_eq!(
        kinds(value["items"].as_array().unwrap()),
        ["Certificate"],
        "the rest is shown"
    );
    assert_eq!(outcome.code, 1);
    assert!(!outcome.stderr.contains("geheim") && !outcome.stdout.contains("geheim"));
}

#[test]
fn no_password_is_needed_where_there_is_none() {
    let here = bundle("", "");
    assert_eq!(here.items(&["web.p12"]).len(), 3);
}

#[test]
fn without_a_terminal_a_missing_password_is_an_error_with_a_hint() {
    let here = bundle("geheim", "");
    let outcome = here.inspect(&["web.p12"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("needs a password"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome
            .stderr
            .contains("hint: give the password with --password-file")
    );
}

#[test]
fn on_a_terminal_the_password_is_asked_for_and_not_shown() {
    let here = bundle("geheim", "");
    let inspect = format!(
        "{} inspect web.p12 -o table --now {}",
        env!("CARGO_BIN_EXE_kubepki"),
        super::support::NOW
    );
    // `timeout` so that a question nobody expected fails the test instead of hanging it
    let mut child = Command::new("timeout")
        .args([
            "60",
            "script",
            "--quiet",
            "--return",
            "--command",
            &inspect,
            "/dev/null",
        ])
        .current_dir(here.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    let mut byte = [0];
    while !shown.ends_with(b"Password of web.p12: ") {
        assert_eq!(
            stdout.read(&mut byte).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&shown)
        );
        shown.extend(byte);
    }
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(b"geheim\n").unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    drop(keyboard);
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{shown}");
    assert!(shown.contains("kube-apiserver"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}
