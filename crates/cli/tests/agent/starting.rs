//! How an agent begins and ends.

use crate::client::{Agent, command};
use crate::support::Tree;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

#[test]
fn it_greets_and_ends_with_its_input() {
    let tree = Tree::empty();
    let mut agent = command(&tree, env!("CARGO_BIN_EXE_kubepki"));
    let output = agent.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"kubepki-agent 1\n"));
}

#[test]
fn what_is_no_request_ends_it_with_an_error_on_standard_error() {
    let tree = Tree::empty();
    let mut agent = command(&tree, env!("CARGO_BIN_EXE_kubepki"));
    let mut child = agent.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ls -l\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("begins like text: `ls -`"), "{stderr}");
}

#[test]
fn without_its_flag_it_is_a_wrong_command_line() {
    let tree = Tree::empty();
    let refused = tree.kubepki(&["agent"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("--stdio"), "{refused}");
}

#[test]
fn it_is_not_among_the_verbs_of_the_short_help_but_has_help() {
    let tree = Tree::empty();
    let short = tree.kubepki(&["-h"]).expect(0);
    assert!(!short.stdout.contains("agent"), "{short}");
    let own = tree.kubepki(&["agent", "--help"]).expect(0);
    assert!(own.stdout.contains("Private keys never leave"), "{own}");
}

/// With `--root` nobody needs to be root; without it everybody does.
#[test]
fn somebody_who_is_not_root_cannot_serve_this_machine() {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        println!("skipped: this test is root");
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_kubepki"))
        .args(["agent", "--stdio"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("expected root (0)"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_connection_that_hangs_up_does_not_end_it() {
    let tree = Tree::kubeadm().valid(200).build();
    let mut agent = Agent::on(&tree);
    let pid = agent.child.id().to_string();
    let hung_up = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    assert!(hung_up.success());
    // Both are seen by the same process, the signal first.
    assert_eq!(agent.look().inventory.host, "cp1");
    assert!(agent.end().success());
}

#[test]
fn banners_before_the_greeting_are_passed_over() {
    let tree = Tree::kubeadm().valid(200).build();
    let script = format!(
        "echo 'Welcome to cp1'; printf 'prompt$ '; exec {} --root {} agent --stdio",
        env!("CARGO_BIN_EXE_kubepki"),
        tree.root().display()
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (answers, requests) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let answers: Box<dyn Read + Send> = Box::new(answers);
    let session = kubepki_fleet::remote::RemoteSession::open(answers, requests).unwrap();
    drop(session);
    assert!(child.wait().unwrap().success());
}
