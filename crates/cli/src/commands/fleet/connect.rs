//! From a host of the document to a session with it, or to one verb run on it.
//!
//! Every host is at the other end of two streams, and every one is an agent: over SSH, behind a
//! command, or, for `root:` and `local:`, another process of this very program. So what is proved with
//! folders holds for hosts, one that crashes takes no other with it, and a local host can be worked on
//! with `sudo` by a user who has no more rights than that.

use crate::commands::layout::Layouts;
use kubepki_adapters::ssh::{
    AGENT_FOLDER, Arrival, BecomeRoot, ChildGuard, Destination, Programs, ReachError, Route,
    Streams, arrive, start,
};
use kubepki_core::cluster_document::{Become, ClusterHost};
use kubepki_fleet::remote::RemoteSession;
use kubepki_fleet::session::{HostSession, SessionError};
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

/// A folder with programs for hosts of other architectures.
const AGENTS: &str = "KUBEPKI_AGENTS";

/// What a verb may print before the rest is thrown away.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// What reaching hosts needs, for all of them at once.
pub struct Connector {
    ssh_command: Vec<String>,
    layouts: Layouts,
    programs: Programs,
}

/// What a verb wrote on a host, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerbOutput {
    /// Its exit code; `None` when it was killed.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error, without control characters.
    pub stderr: String,
}

/// How a host is spoken to.
enum Way {
    /// The program has to be there first.
    Far(Route, BecomeRoot),
    /// Another process here, with these arguments first.
    Near(BecomeRoot, Vec<OsString>),
}

impl Connector {
    /// With this command for `ssh`, its own arguments included, and the layouts of hosts that have one.
    pub fn new(ssh_command: Vec<String>, layouts: Layouts) -> Self {
        let folder = std::env::var_os(AGENTS).map(PathBuf::from);
        Self {
            ssh_command,
            layouts,
            programs: Programs::new(folder.as_deref()),
        }
    }

    /// A session with a host.
    ///
    /// # Errors
    /// `host-unreachable`, `host-key-unknown`, `host-key-changed`, `login-refused`, `no-root`,
    /// `architecture-unsupported`, `agent-not-put`, `agent-not-runnable`, `ssh-unusable`,
    /// `agent-lost`, `agent-version`, `destination-refused`.
    pub fn connect(&self, host: &ClusterHost) -> Result<Box<dyn HostSession>, SessionError> {
        let streams = self.started(host, &["agent".to_owned(), "--stdio".to_owned()])?;
        let Streams {
            output,
            input,
            guard,
        } = streams;
        let session = match RemoteSession::open(output, input) {
            Ok(session) => session,
            Err(error) if error.code == "agent-lost" => return Err(never_began(error, &guard)),
            Err(error) => return Err(error),
        };
        // the guard lives in there, and as long as the session
        let mut session = session.explained_by(Box::new(move |lost| with_last_words(lost, &guard)));
        if let Some(layout) = self.layouts.of_host(host) {
            session.declare(layout)?;
        }
        Ok(Box::new(session))
    }

    /// Runs a verb on a host, for that host alone, and waits for its end. It can ask nothing: `--yes`
    /// is for the caller to add.
    ///
    /// # Errors
    /// As [`Connector::connect`]; a verb that fails is no error here.
    pub fn run_verb(
        &self,
        host: &ClusterHost,
        arguments: &[String],
    ) -> Result<VerbOutput, SessionError> {
        let mut all = ["--color", "never"].map(str::to_owned).to_vec();
        if host.reach.root.is_none() {
            // the host may have a document of its own
            all.push("--local".to_owned());
        }
        let layout = self.layouts.of_host(host);
        if layout.is_some() {
            all.extend(["--layout", "-"].map(str::to_owned));
        }
        all.extend_from_slice(arguments);
        let Streams {
            output,
            input,
            guard,
        } = self.started(host, &all)?;
        if let Some(layout) = layout {
            // a program that does not read it says why
            let _ = serde_json::to_writer(&input, layout);
        }
        drop(input);
        let mut output = output;
        let mut stdout = Vec::new();
        // what came before the connection broke is still worth showing
        let _ = output.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut stdout);
        let _ = std::io::copy(&mut output, &mut std::io::sink());
        let status = guard.finish().and_then(|status| status.code());
        let is_of_ssh = host.reach.root.is_none() && !host.reach.local;
        if status == Some(255) && is_of_ssh {
            return Err(shown(guard.why()));
        }
        let mut stderr = guard.said().join("\n");
        if !stderr.is_empty() {
            stderr.push('\n');
        }
        Ok(VerbOutput {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr,
        })
    }

    /// The program, running on the host with these arguments.
    fn started(&self, host: &ClusterHost, arguments: &[String]) -> Result<Streams, SessionError> {
        let arguments = arguments.iter().map(String::as_str);
        match self.way(host)? {
            Way::Far(route, becomes) => {
                let Arrival { streams, .. } =
                    arrive(&route, becomes, &self.programs, arguments).map_err(shown)?;
                Ok(streams)
            }
            Way::Near(becomes, first) => {
                let own = std::env::current_exe()
                    .unwrap_or_else(|_| self.programs.own().to_path_buf())
                    .into_os_string();
                let words = std::iter::once(own)
                    .chain(first)
                    .chain(arguments.map(OsString::from));
                let mut command = Route::Here.command(becomes, words);
                for variable in FOR_THIS_PROCESS {
                    command.env_remove(variable);
                }
                start(&Route::Here, command).map_err(shown)
            }
        }
    }

    fn way(&self, host: &ClusterHost) -> Result<Way, SessionError> {
        let becomes = match host.becomes {
            Some(Become::Sudo) => BecomeRoot::Sudo,
            Some(Become::Root) => BecomeRoot::Already,
            None => BecomeRoot::WhereNeeded,
        };
        let reach = &host.reach;
        if let Some(root) = &reach.root {
            // files of whoever has them: nobody has to be root unless it is said
            let becomes = match host.becomes {
                Some(Become::Sudo) => BecomeRoot::Sudo,
                _ => BecomeRoot::Already,
            };
            let first = vec!["--root".into(), root.clone().into_os_string()];
            return Ok(Way::Near(becomes, first));
        }
        if reach.local {
            return Ok(Way::Near(becomes, Vec::new()));
        }
        if let Some(prefix) = &reach.command {
            return Ok(Way::Far(Route::Prefix(prefix.clone()), becomes));
        }
        let text = reach.ssh.as_deref().unwrap_or(&host.name);
        let destination = Destination::parse(text)
            .map_err(|error| SessionError::new("destination-refused", error))?;
        let route = Route::Ssh {
            command: self.ssh_command.clone(),
            destination,
        };
        Ok(Way::Far(route, becomes))
    }
}

/// What says which hosts are meant: the process for one of them must not read it again.
const FOR_THIS_PROCESS: [&str; 3] = ["KUBEPKI_CLUSTER", "KUBEPKI_ROOT", "KUBEPKI_SSH_COMMAND"];

/// The session's error for a host that was not reached.
fn shown(error: ReachError) -> SessionError {
    let mut made = SessionError::new(error.code(), &error.message);
    made.hint = error.hint;
    with_lines(made, &error.said)
}

fn with_lines(error: SessionError, lines: &[String]) -> SessionError {
    if lines.is_empty() {
        error
    } else {
        error.detail("said", lines.join("\n"))
    }
}

/// The program was started and said no hello. What became root is asked first: for a host of this
/// machine nobody has yet.
fn never_began(lost: SessionError, guard: &ChildGuard) -> SessionError {
    let why = guard.why();
    if why.code() == "no-root" {
        return shown(why);
    }
    let lost = lost.hint(format!(
        "does the program run there? it is in {AGENT_FOLDER}"
    ));
    with_lines(lost, &why.said)
}

/// A connection that was lost later, with what `ssh` or the agent said last.
fn with_last_words(lost: SessionError, guard: &ChildGuard) -> SessionError {
    with_lines(lost, &guard.why().said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubepki_core::cluster_document::Reach;
    use std::collections::BTreeMap;

    fn host(reach: Reach) -> ClusterHost {
        ClusterHost {
            name: "cp1".to_owned(),
            reach,
            becomes: None,
            labels: BTreeMap::new(),
            layout: None,
        }
    }

    #[test]
    fn a_host_without_more_is_its_name_for_ssh() {
        let connector = Connector::new(vec!["ssh".to_owned()], Layouts::default());
        let Way::Far(Route::Ssh { destination, .. }, becomes) =
            connector.way(&host(Reach::default())).unwrap()
        else {
            panic!("not over ssh");
        };
        assert_eq!(destination.as_str(), "cp1");
        assert_eq!(becomes, BecomeRoot::WhereNeeded);
    }

    #[test]
    fn a_folder_needs_no_root_and_an_option_is_no_destination() {
        let connector = Connector::new(vec!["ssh".to_owned()], Layouts::default());
        let root = Reach {
            root: Some("/mnt".into()),
            ..Reach::default()
        };
        let Way::Near(becomes, first) = connector.way(&host(root)).unwrap() else {
            panic!("not here");
        };
        assert_eq!(becomes, BecomeRoot::Already);
        assert_eq!(first, ["--root", "/mnt"]);
        let option = Reach {
            ssh: Some("-oProxyCommand=id".to_owned()),
            ..Reach::default()
        };
        let error = connector.way(&host(option)).err().unwrap();
        assert_eq!(error.code, "destination-refused");
    }

    #[test]
    fn a_host_that_nobody_can_reach_is_told_with_its_code() {
        let connector = Connector::new(vec!["kubepki-no-such-ssh".to_owned()], Layouts::default());
        let error = connector.connect(&host(Reach::default())).err().unwrap();
        assert_eq!(error.code, "ssh-unusable");
        let command = |script: &str| Reach {
            command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
            ..Reach::default()
        };
        let refused = command("echo sudo: a password is required >&2; exit 1");
        let error = connector.connect(&host(refused)).err().unwrap();
        assert_eq!(error.code, "no-root");
        assert_eq!(
            error.details,
            [("said".to_owned(), "sudo: a password is required".to_owned())]
        );
    }
}
