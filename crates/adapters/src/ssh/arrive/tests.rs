//! The script itself, run by this machine's `sh`, and a stand-in for `ssh` that runs its last word.

use super::*;
use crate::ssh::Destination;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

/// Tells its version, else its arguments and what it is told.
const TALKER: &str = "#!/bin/sh\n[ \"$1\" = --version ] && { echo kubepki 0; exit; }\n\
    echo \"$@\"; cat\n";

struct Scene {
    folder: tempfile::TempDir,
    programs: Programs,
}

impl Scene {
    fn new(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, program).unwrap();
        let machine = std::env::consts::ARCH;
        Self {
            programs: Programs::with(&path, machine, None, None),
            folder,
        }
    }

    fn agents(&self) -> PathBuf {
        self.folder.path().join("var/agent")
    }

    fn arrive(&self, route: &Route, arguments: &[&str]) -> Result<Arrival, ReachError> {
        let agents = self.agents();
        let place = Place {
            folder: agents.to_str().unwrap(),
            root_only: false,
        };
        let arguments = arguments.iter().copied();
        arrive_at(
            &place,
            route,
            BecomeRoot::Already,
            &self.programs,
            arguments,
        )
    }

    fn names(&self) -> Vec<String> {
        names(&self.agents())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Says something to the program and answers all that it said.
fn talk(arrival: Arrival, words: &str) -> String {
    let Streams {
        mut output,
        mut input,
        guard,
    } = arrival.streams;
    input.write_all(words.as_bytes()).unwrap();
    drop(input);
    let mut all = String::new();
    output.read_to_string(&mut all).unwrap();
    assert!(guard.finish().unwrap().success());
    all
}

#[test]
fn it_is_brought_once_and_started_with_its_arguments() {
    let scene = Scene::new(TALKER);
    let first = scene.arrive(&Route::Here, &["agent", "--stdio"]).unwrap();
    assert_eq!(first.brought, TALKER.len() as u64);
    assert_eq!(talk(first, "hello\n"), "agent --stdio\nhello\n");
    let names = scene.names();
    assert_eq!(names.len(), 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&scene.agents()), 0o700);
    assert_eq!(mode(&scene.agents().join(&names[0])), 0o755);

    let second = scene.arrive(&Route::Here, &["a b", "it's"]).unwrap();
    assert_eq!(second.brought, 0);
    assert_eq!(talk(second, ""), "a b it's\n");
    assert_eq!(scene.names(), names);
}

#[test]
fn what_was_damaged_there_is_brought_again() {
    let scene = Scene::new(TALKER);
    talk(scene.arrive(&Route::Here, &[]).unwrap(), "");
    let path = scene.agents().join(&scene.names()[0]);
    let damaged = TALKER.replace("kubepki 0", "kubepki 1");
    std::fs::write(&path, damaged).unwrap();
    assert_ne!(scene.arrive(&Route::Here, &[]).unwrap().brought, 0);
    assert_eq!(std::fs::read_to_string(path).unwrap(), TALKER);
}

#[test]
fn what_arrives_damaged_is_not_put_there() {
    let mut scene = Scene::new(TALKER);
    let machine = std::env::consts::ARCH;
    scene.programs.for_host("Linux", machine).unwrap();
    // it was hashed, and is another now, of the same length
    std::fs::write(
        scene.programs.own(),
        TALKER.replace("kubepki 0", "kubepki 1"),
    )
    .unwrap();
    let error = scene.arrive(&Route::Here, &[]).err().unwrap();
    assert_eq!(error.code(), "agent-not-put");
    assert!(error.message.contains("arrived damaged"), "{error}");
    assert_eq!(scene.names(), Vec::<String>::new());
    // and the right one is taken afterwards
    scene.programs = Programs::with(scene.programs.own(), machine, None, None);
    assert_ne!(scene.arrive(&Route::Here, &[]).unwrap().brought, 0);
}

#[test]
fn a_cut_connection_leaves_nothing_in_use() {
    let scene = Scene::new(TALKER);
    let agents = scene.agents();
    let words = ["sh", "-c", SCRIPT, "kubepki", agents.to_str().unwrap()];
    let command = Route::Here.command(BecomeRoot::Already, words);
    let mut streams = child::start(&Route::Here, command).unwrap();
    let program = scene
        .programs
        .for_host("Linux", std::env::consts::ARCH)
        .unwrap();
    writeln!(
        streams.input,
        "{} {} {}",
        program.name(),
        program.size,
        program.sha256
    )
    .unwrap();
    streams.input.write_all(b"#!/bin/sh").unwrap();
    drop(streams.input);
    let mut said = String::new();
    streams.output.read_to_string(&mut said).unwrap();
    assert!(said.contains("kubepki-failed hash 9 bytes"), "{said}");
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[test]
fn a_program_that_does_not_run_there_is_not_put_there() {
    let scene = Scene::new("#!/bin/sh\necho cannot find libc; exit 1\n");
    let error = scene.arrive(&Route::Here, &[]).err().unwrap();
    assert_eq!(error.code(), "agent-not-runnable");
    assert!(error.message.ends_with("cannot find libc"), "{error}");
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_is_sent() {
    let scene = Scene::new(TALKER);
    // a file in its place: what root cannot write either
    std::fs::write(scene.folder.path().join("var"), "").unwrap();
    let error = scene.arrive(&Route::Here, &[]).err().unwrap();
    assert_eq!(error.code(), "agent-not-put");
    assert!(error.message.contains("cannot write to"), "{error}");
    assert!(error.message.contains("mkdir"), "{error}");
}

#[test]
fn many_that_bring_it_at_once_do_not_meet() {
    let scene = Scene::new(&format!("{TALKER}# {}", "x".repeat(1 << 20)));
    thread::scope(|scope| {
        let works: Vec<_> = (0..8)
            .map(|number| {
                let scene = &scene;
                scope.spawn(move || {
                    let words = number.to_string();
                    talk(scene.arrive(&Route::Here, &[&words]).unwrap(), "")
                })
            })
            .collect();
        for (number, work) in works.into_iter().enumerate() {
            assert_eq!(work.join().unwrap(), format!("{number}\n"));
        }
    });
    assert_eq!(scene.names().len(), 1);
}

#[test]
fn two_programs_are_kept_and_what_is_not_its_own_is_left_alone() {
    let scene = Scene::new(TALKER);
    std::fs::create_dir_all(scene.agents()).unwrap();
    std::fs::write(scene.agents().join("notes"), "").unwrap();
    for number in 0..4 {
        let own = scene.programs.own();
        std::fs::write(own, format!("{TALKER}# {number}\n")).unwrap();
        let programs = Programs::with(own, std::env::consts::ARCH, None, None);
        let next = Scene {
            folder: tempfile::tempdir().unwrap(),
            programs,
        };
        let agents = scene.agents();
        let place = Place {
            folder: agents.to_str().unwrap(),
            root_only: false,
        };
        let arrival = arrive_at(
            &place,
            &Route::Here,
            BecomeRoot::Already,
            &next.programs,
            [],
        );
        talk(arrival.unwrap(), "");
        // the newest by time: ls sorts by nanoseconds where there are any
        thread::sleep(Duration::from_millis(20));
    }
    let names = scene.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[2], "notes");
}

#[test]
fn a_stand_in_for_ssh_gets_one_line_and_may_talk_before() {
    let scene = Scene::new(TALKER);
    let ssh = scene.folder.path().join("ssh");
    std::fs::write(
        &ssh,
        "#!/bin/sh\necho Welcome, you\nfor word; do :; done\nexec sh -c \"$word\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let route = Route::Ssh {
        command: vec![ssh.to_str().unwrap().to_owned()],
        destination: Destination::parse("ops@cp1").unwrap(),
    };
    let arrival = scene.arrive(&route, &["a  b", "it's $HOME"]).unwrap();
    assert_eq!(arrival.machine, std::env::consts::ARCH);
    assert_eq!(talk(arrival, "hello\n"), "a  b it's $HOME\nhello\n");
}

#[test]
fn a_host_that_refuses_is_told_by_its_words() {
    let scene = Scene::new(TALKER);
    let prefix = |script: &str| Route::Prefix(["sh", "-c", script].map(str::to_owned).to_vec());
    let refused = prefix("echo sudo: a password is required >&2; exit 1");
    let error = scene.arrive(&refused, &[]).err().unwrap();
    assert_eq!(error.code(), "no-root");
    assert!(error.hint.unwrap().contains("NOPASSWD"));
    let closed = prefix("echo This account is currently not available.; exit 1");
    let error = scene.arrive(&closed, &[]).err().unwrap();
    assert_eq!(error.code(), "login-refused");
    let gone = prefix("echo kubepki-host 0 Linux x86_64; echo lost >&2; exit 255");
    let error = scene.arrive(&gone, &[]).err().unwrap();
    assert_eq!(error.code(), "host-unreachable");
    assert_eq!(error.said, ["lost"]);
    let other = prefix("echo kubepki-host 0 Linux sparc64; read line");
    let error = scene.arrive(&other, &[]).err().unwrap();
    assert_eq!(error.code(), "architecture-unsupported");
    assert!(error.message.contains("sparc64"), "{error}");
}

#[test]
fn another_user_than_root_is_refused() {
    let scene = Scene::new(TALKER);
    let route = Route::Prefix(
        ["sh", "-c", "echo kubepki-host 1000 Linux x86_64; read line"]
            .map(str::to_owned)
            .to_vec(),
    );
    let error = arrive(&route, BecomeRoot::Already, &scene.programs, [])
        .err()
        .unwrap();
    assert_eq!(error.code(), "no-root");
    assert!(error.message.contains("user 1000"), "{error}");
}
