//! The operator's program at work in a thread, and what it said when it ended.

use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use kubepki_lab::{Output, SshAccess};

/// It at work.
pub struct Operator {
    work: JoinHandle<Result<Output>>,
}

impl Operator {
    /// Begins with these words.
    pub fn begin(access: &SshAccess, words: &[&str]) -> Self {
        let there = access.clone();
        // notices a host without power within seconds and not within a minute
        let ssh = format!(
            "{} -o ServerAliveInterval=1 -o ServerAliveCountMax=5",
            access.command()
        );
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let work = std::thread::spawn(move || {
            let mut arguments = vec!["--ssh-command", &ssh, "rotate"];
            arguments.extend(words.iter().map(String::as_str));
            there.kubepki(&arguments)
        });
        Self { work }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.work.is_finished()
    }

    /// Waits for its end; prints what it said.
    pub fn end(self) -> Result<Said> {
        let output = self
            .work
            .join()
            .map_err(|_| anyhow!("the operator panicked"))??;
        let said = Said {
            status: output.status,
            text: format!("{}{}", output.stdout, output.stderr),
        };
        println!("--- ended with {}:\n{}", said.status, said.text);
        Ok(said)
    }
}

/// What it said.
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// Both outputs.
    pub text: String,
}

impl Said {
    /// Whether all went well.
    pub fn is_fine(&self) -> bool {
        self.status == 0
    }

    /// Whether it got SIGKILL.
    pub fn was_killed(&self) -> bool {
        self.status == -9
    }

    /// Its error, in a line.
    pub fn error(&self) -> &str {
        let error = self
            .text
            .lines()
            .find_map(|line| line.strip_prefix("error: "));
        error.unwrap_or("nothing")
    }

    /// Whether somebody who was killed still holds something: his program on a host goes on to its
    /// end, and his Lease ends by itself within a minute.
    pub fn is_held(&self) -> bool {
        ["another run is going on", "another rotation is under way"]
            .iter()
            .any(|words| self.error().contains(words))
    }
}

#[test]
fn what_is_held_is_told_from_what_failed() {
    let said = |text: &str| Said {
        status: 1,
        text: text.to_owned(),
    };
    let held =
        said("error: cp1: another rotation is under way: Lease x is held by y\n\nhint: wait");
    assert!(held.is_held(), "{}", held.error());
    let failed = said("proved: all\nerror: cp2: stopped in stage etcd\n");
    assert!(!failed.is_held());
    assert_eq!(failed.error(), "cp2: stopped in stage etcd");
    assert_eq!(said("nothing").error(), "nothing");
}
