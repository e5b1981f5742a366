//! Processes of this machine, and a `proc` made by hand.

use std::process::{Child, Command};

use jiff::{SignedDuration, Timestamp};
use kubepki_adapters::host::LocalHost;
use kubepki_engine::ports::{HostRead, Process};

struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn process(pid: u32) -> Option<Process> {
    LocalHost::live()
        .processes()
        .unwrap()
        .into_iter()
        .find(|process| process.pid == pid)
}

#[test]
fn a_process_is_found_with_its_arguments_and_start() {
    let before = Timestamp::now();
    let child = Reaped(Command::new("sleep").args(["600.5", "0"]).spawn().unwrap());
    let after = Timestamp::now();

    // `spawn` returns when the old memory is given up, which is before the kernel knows where the
    // arguments lie in the new one.
    let found = loop {
        if let Some(found) = process(child.0.id()) {
            break found;
        }
        std::thread::yield_now();
    };
    assert_eq!(found.argv, ["sleep", "600.5", "0"]);
    assert!(found.in_host_namespace);
    // The kernel counts in hundredths of a second and rounds down.
    let tick = SignedDuration::from_millis(20);
    assert!(
        found.started >= before - tick,
        "{} before {before}",
        found.started
    );
    assert!(
        found.started <= after + tick,
        "{} after {after}",
        found.started
    );
}

#[test]
fn a_process_that_ended_is_no_longer_one() {
    let mut child = Command::new("true").spawn().unwrap();
    // A zombie until it is waited for: /proc has it, without arguments.
    while process(child.id()).is_some() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(process(child.id()), None);
}

#[test]
fn this_process_is_there_and_kernel_threads_are_not() {
    let found = LocalHost::live().processes().unwrap();
    assert!(
        found
            .iter()
            .any(|process| process.pid == std::process::id())
    );
    assert!(found.iter().all(|process| !process.argv.is_empty()));
    assert!(found.is_sorted_by_key(|process| process.pid));
}
