//! The command line itself: usage errors, help, completions, man pages, schemas, the plugin name,
//! and `ca-hash`.

use super::support::{Workplace, assert_valid};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

#[test]
fn a_wrong_command_line_ends_with_two() {
    let here = Workplace::new();
    for words in [
        &["inspect"][..],
        &["inspect", "x", "--warn", "soon"],
        &["inspect", "x", "-o", "xml"],
        &["inspect", "x", "--now", "yesterday"],
        &["nonsense"],
        &["inspect", "x", "-v", "-q"],
        &["schema", "Nonsense"],
        &["man", "nonsense"],
    ] {
        let outcome = here.kubepki(words, b"");
        assert_eq!(outcome.code, 2, "{words:?}");
        assert!(
            outcome.stderr.starts_with("error: "),
            "{words:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn a_program_gets_its_usage_error_as_an_object() {
    let here = Workplace::new();
    let outcome = here.kubepki(&["inspect", "--nonsense", "-o", "json"], b"");
    let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_valid("error.json", &error);
    assert_eq!(error["code"], "usage");
    assert_eq!((outcome.stdout.as_str(), outcome.code), ("", 2));
}

#[test]
fn help_goes_to_standard_output_and_is_short_with_h() {
    let here = Workplace::new();
    let short = here.kubepki(&["inspect", "-h"], b"");
    let long = here.kubepki(&["inspect", "--help"], b"");
    assert_eq!((short.code, long.code), (0, 0));
    assert!(long.stdout.len() > 2 * short.stdout.len());
    assert!(long.stdout.contains("4  critical found") && long.stdout.contains("Examples:"));
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("help_inspect_short", short.stdout);
        insta::assert_snapshot!("help_inspect_long", long.stdout);
    });
}

#[test]
fn called_as_a_kubectl_plugin_it_says_so() {
    let here = Workplace::new();
    let plugin = here.path("kubectl-pki");
    symlink(env!("CARGO_BIN_EXE_kubepki"), &plugin).unwrap();
    let mut command = Command::new(&plugin);
    command.args(["inspect", "-h"]);
    let outcome = here.run(command, b"");
    assert!(
        outcome.stdout.contains("Usage: kubectl pki inspect "),
        "{}",
        outcome.stdout
    );
    let mut command = Command::new(&plugin);
    command.arg("--version");
    assert!(here.run(command, b"").stdout.starts_with("kubectl-pki "));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.write("large.pem", here.text("ca.crt").repeat(2000));
    let exe = env!("CARGO_BIN_EXE_kubepki");
    let mut command = Command::new("bash");
    let line =
        format!("{exe} inspect large.pem --now 2026-06-01 | head -1; exit ${{PIPESTATUS[0]}}");
    command.args(["-c", &line]);
    let outcome = here.run(command, b"");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_full_disk_is_an_error() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_kubepki"))
        .args(["inspect", "ca.crt", "--now", "2026-06-01"])
        .current_dir(here.path(""))
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn completions_know_every_verb_and_pass_the_shell() {
    let here = Workplace::new();
    for shell in ["bash", "zsh", "fish"] {
        let outcome = here.kubepki(&["completions", shell], b"");
        assert_eq!(outcome.code, 0);
        for word in ["inspect", "ca-hash", "completions", "password-file", "yaml"] {
            assert!(outcome.stdout.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            here.write("completion", &outcome.stdout);
            let mut command = Command::new("bash");
            command.args(["-n", "completion"]);
            assert_eq!(here.run(command, b"").code, 0);
        }
    }
}

#[test]
fn man_pages_of_every_verb() {
    let here = Workplace::new();
    let outcome = here.kubepki(&["man", "--dir", "pages"], b"");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for page in ["kubepki.1", "kubepki-inspect.1", "kubepki-ca-hash.1"] {
        let text = here.text(&format!("pages/{page}"));
        assert!(
            text.contains(".SH NAME") && text.contains("critical found"),
            "{page}"
        );
    }
    let printed = here.kubepki(&["man", "inspect"], b"");
    assert!(
        printed.stdout.contains("kubepki-inspect"),
        "{}",
        printed.stdout
    );
}

#[test]
fn schemas_are_valid_schemas_of_their_kind() {
    let here = Workplace::new();
    let kinds = here.kubepki(&["schema"], b"").stdout;
    assert!(kinds.lines().count() >= 3);
    for kind in kinds.lines() {
        let text = here.kubepki(&["schema", kind], b"").stdout;
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["title"], kind);
        assert!(jsonschema::meta::is_valid(&schema), "{kind}");
    }
}

#[test]
fn ca_hash_is_what_kubeadm_documents() {
    let here = Workplace::new();
    here.ca("ca", "/CN=kubernetes");
    here.ca("other", "/CN=other");
    // the recipe of the kubeadm documentation
    here.openssl("x509 -pubkey -in ca.crt -noout -out public.pem");
    here.openssl("pkey -pubin -in public.pem -outform DER -out public.der");
    let digest = String::from_utf8(here.openssl("dgst -sha256 -hex -r public.der")).unwrap();
    let expected = format!("sha256:{}\n", digest.split_whitespace().next().unwrap());
    assert_eq!(here.kubepki(&["ca-hash", "ca.crt"], b"").stdout, expected);
    assert_eq!(
        here.kubepki(&["ca-hash", "-"], &here.read("ca.crt")).stdout,
        expected
    );
    here.openssl("x509 -in ca.crt -outform DER -out ca.der");
    assert_eq!(here.kubepki(&["ca-hash", "ca.der"], b"").stdout, expected);

    here.write("bundle.crt", here.text("ca.crt") + &here.text("other.crt"));
    let outcome = here.kubepki(&["ca-hash", "bundle.crt", "-o", "json"], b"");
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_valid("ca-hashes.json", &value);
    assert_eq!(value["items"][0]["hash"], expected.trim());
    assert_eq!(value["items"][1]["subject"], "CN=other");
    assert_eq!(value["items"][1]["index"], json!(2));

    let outcome = here.kubepki(&["ca-hash", "ca.crt", "ca.key"], b"");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    here.server("leaf", "ca");
    let outcome = here.kubepki(&["ca-hash", "leaf.crt"], b"");
    assert!(outcome.stderr.contains("is no CA"), "{}", outcome.stderr);
}
