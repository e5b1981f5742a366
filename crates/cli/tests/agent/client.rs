//! An agent on a host of a test, the client that asks it, and everything that went over the wire.

use crate::support::Tree;
use kubepki_core::plan::{Plan, RenewRequest, Selection, plan_renewal};
use kubepki_engine::ports::Progress;
use kubepki_fleet::remote::RemoteSession;
use kubepki_fleet::session::{
    CarryReport, CarryRequest, HostSession, Look, LookRequest, SessionError,
};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

pub const PKI: &str = "/etc/kubernetes/pki";

/// Bytes in both directions.
pub type Wire = Arc<Mutex<Vec<u8>>>;

/// A stream that is listened to.
pub struct Tapped<S> {
    stream: S,
    wire: Wire,
}

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.wire.lock().unwrap().extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Tapped<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(buffer)?;
        self.wire
            .lock()
            .unwrap()
            .extend_from_slice(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A running agent.
pub struct Agent {
    pub session: RemoteSession<Tapped<ChildStdout>, Tapped<ChildStdin>>,
    pub wire: Wire,
    pub child: Child,
}

/// Nobody is told anything.
pub struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

/// The command that serves a host, to be started in some way.
pub fn command(tree: &Tree, binary: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("--root")
        .arg(tree.root())
        .args(["agent", "--stdio"])
        .current_dir(tree.scratch())
        .env_remove("KUBEPKI_ROOT")
        .env_remove("KUBEPKI_CLUSTER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

impl Agent {
    /// The binary that is shipped.
    pub fn on(tree: &Tree) -> Self {
        Self::start(command(tree, env!("CARGO_BIN_EXE_kubepki")))
    }

    /// The one that dies at a point, when it is told to by these variables.
    pub fn faulty(tree: &Tree, environment: &[(&str, &str)]) -> Self {
        let mut command = command(tree, env!("CARGO_BIN_EXE_kubepki-faulty"));
        command.envs(environment.iter().copied());
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let wire = Wire::default();
        let answers = Tapped {
            stream: child.stdout.take().unwrap(),
            wire: wire.clone(),
        };
        let requests = Tapped {
            stream: child.stdin.take().unwrap(),
            wire: wire.clone(),
        };
        Self {
            session: RemoteSession::open(answers, requests).unwrap(),
            wire,
            child,
        }
    }

    pub fn look(&mut self) -> Look {
        let request = LookRequest {
            pki_folder: PKI.into(),
            examine: true,
            timeout_seconds: 1,
        };
        self.session.look(&request, &Silent).unwrap()
    }

    pub fn carry(&mut self, plan: &Plan) -> Result<CarryReport, SessionError> {
        self.session.carry(&carry_request(plan), &Silent)
    }

    pub fn settle(&mut self) -> Result<Option<CarryReport>, SessionError> {
        self.session.settle(Path::new(PKI), &Silent)
    }

    /// Ends the requests and waits for the agent's end.
    pub fn end(self) -> ExitStatus {
        let Self {
            session, mut child, ..
        } = self;
        drop(session);
        child.wait().unwrap()
    }
}

pub fn carry_request(plan: &Plan) -> CarryRequest {
    CarryRequest {
        plan: plan.clone(),
        brought: Vec::new(),
        sealed_keys: Vec::new(),
        sealed_identity: None,
        pki_folder: PathBuf::from(PKI),
        backup: true,
        backup_recipients: Vec::new(),
    }
}

/// The renewal of everything that was seen, or of these.
pub fn renewal(look: &Look, tree: &Tree, names: &[&str]) -> Plan {
    let selection = match names {
        [] => Selection::All,
        names => Selection::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    plan_renewal(&look.inventory, &RenewRequest::new(selection), tree.now).unwrap()
}
