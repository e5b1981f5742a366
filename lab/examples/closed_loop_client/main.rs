//! A client that asks one server again and again over a kept connection, the next request when the last
//! is answered, and writes down what it got: what a controller, a pod or a person's script would see.
//!
//! As client-go v0.20 does: client certificates are read again for a new connection, a token for every
//! request, the CA certificates with `--trust-at-start` only once; a kept connection that the server
//! closed before it answered anything is replaced and the request made again. A refused request is an
//! answer, so a client that is refused on a kept connection stays with it.
//! It speaks HTTP/1.1 only, and is no example for anything else.

mod credentials;
mod http;
mod journal;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::credentials::Credentials;
use crate::http::{Answer, Connection};
use crate::journal::Journal;

const USAGE: &str = "closed_loop_client --server ADDRESS:PORT[,…] --do get|write|watch|etcd --journal FILE \
    --stop FILE [--kubeconfig FILE | --ca FILE [--certificate FILE --key FILE] [--token FILE]] \
    [--namespace NAME] [--trust-at-start yes]";

/// Between two requests: a client that never rests would take the machine from the cluster.
const REST: Duration = Duration::from_millis(40);

/// How long a watch is asked for.
const WATCH_SECONDS: u64 = 20;

#[derive(Default)]
struct Arguments {
    /// The first that lets itself be connected to is asked, and kept.
    servers: Vec<String>,
    job: String,
    namespace: String,
    journal: PathBuf,
    stop: PathBuf,
    credentials: Credentials,
}

fn main() -> Result<()> {
    let arguments = arguments().context(USAGE)?;
    let mut client = Client {
        journal: Journal::open(&arguments.journal, &arguments.job)?,
        arguments,
        kept: None,
        number: 0,
    };
    while !client.arguments.stop.exists() {
        client.once()?;
        sleep(REST);
    }
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let mut read = Arguments {
        namespace: "default".to_owned(),
        ..Arguments::default()
    };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{flag} has no value"))?;
        match flag.as_str() {
            "--server" => read.servers = value.split(',').map(str::to_owned).collect(),
            "--do" => read.job = value,
            "--namespace" => read.namespace = value,
            "--journal" => read.journal = value.into(),
            "--stop" => read.stop = value.into(),
            _ => read.credentials.take(&flag, value)?,
        }
    }
    read.credentials.start()?;
    Ok(read)
}

struct Client {
    arguments: Arguments,
    journal: Journal,
    kept: Option<Connection>,
    number: u64,
}

impl Client {
    fn once(&mut self) -> Result<()> {
        self.number += 1;
        let namespace = format!("/api/v1/namespaces/{}", self.arguments.namespace);
        let folder = format!("{namespace}/configmaps");
        match self.arguments.job.as_str() {
            "get" => self.ask("GET", &namespace, "").map(drop),
            "write" => {
                let name = format!("loop-{}-{}", std::process::id(), self.number);
                let object = format!(
                    r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#
                );
                // what was not made cannot be deleted
                if self.ask("POST", &folder, &object)? {
                    self.ask("DELETE", &format!("{folder}/{name}"), "")?;
                }
                Ok(())
            }
            "watch" => self.watch(&format!("{folder}?watch=1&timeoutSeconds={WATCH_SECONDS}")),
            // the gateway of etcd's client port; the key is "\0", the range everything, only counted
            "etcd" => {
                let count = r#"{"key":"AA==","range_end":"AA==","count_only":true}"#;
                self.ask("POST", "/v3/kv/range", count).map(drop)
            }
            other => bail!("unknown job {other}"),
        }
    }

    /// Whether it was answered as it should be.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<bool> {
        let failed = match self.answer(method, path, body) {
            Ok((answer, again)) if answer.is_good() => {
                self.journal.good(again)?;
                return Ok(true);
            }
            Ok((answer, _)) => format!("HTTP {} {}", answer.status, answer.start()),
            Err(error) => format!("{error:#}"),
        };
        self.journal.failed(&failed)?;
        Ok(false)
    }

    /// The answer, and whether a dead connection was replaced for it.
    fn answer(&mut self, method: &str, path: &str, body: &str) -> Result<(Answer, bool)> {
        let token = self.arguments.credentials.token()?;
        if let Some(mut kept) = self.kept.take() {
            match kept.request(method, path, token.as_deref(), body) {
                Ok(answer) => {
                    self.keep(kept, &answer);
                    return Ok((answer, false));
                }
                Err(error) if error.before_any_answer => {}
                Err(error) => return Err(error.reason),
            }
            let answer = self.on_a_new_connection(method, path, token.as_deref(), body)?;
            return Ok((answer, true));
        }
        let answer = self.on_a_new_connection(method, path, token.as_deref(), body)?;
        Ok((answer, false))
    }

    fn on_a_new_connection(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Answer> {
        let mut connection = self.open()?;
        let answer = connection
            .request(method, path, token, body)
            .map_err(|error| error.reason)?;
        self.keep(connection, &answer);
        Ok(answer)
    }

    fn open(&self) -> Result<Connection> {
        let config = self.arguments.credentials.config()?;
        let mut refused = None;
        for server in &self.arguments.servers {
            match Connection::open(server, config.clone()) {
                Ok(connection) => return Ok(connection),
                Err(error) => refused = Some(error.context(server.clone())),
            }
        }
        Err(refused.context("no server is named")?)
    }

    fn keep(&mut self, connection: Connection, answer: &Answer) {
        if !answer.closes {
            self.kept = Some(connection);
        }
    }

    /// A watch ends when its time is over; one that was answered and ends before is broken.
    fn watch(&mut self, path: &str) -> Result<()> {
        let started = Instant::now();
        let token = self.arguments.credentials.token()?;
        let mut connection = match self.open() {
            Ok(connection) => connection,
            Err(error) => return self.journal.failed(&format!("{error:#}")),
        };
        match connection.request("GET", path, token.as_deref(), "") {
            Ok(answer) if !answer.is_good() => {
                self.journal
                    .failed(&format!("HTTP {} {}", answer.status, answer.start()))
            }
            Ok(_)
                if started.elapsed() + Duration::from_secs(1)
                    >= Duration::from_secs(WATCH_SECONDS) =>
            {
                self.journal.good(false)
            }
            Ok(_) => self.journal.failed("broken: ended early"),
            Err(error) if error.before_any_answer => {
                self.journal.failed(&format!("{:#}", error.reason))
            }
            Err(error) => self.journal.failed(&format!("broken: {:#}", error.reason)),
        }
    }
}
