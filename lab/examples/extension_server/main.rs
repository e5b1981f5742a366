//! An aggregated API, admission webhooks and a CRD conversion webhook in one small server: the other
//! side of connections that kube-apiserver makes and that no kubeadm cluster has by itself.
//!
//! The aggregated API authenticates the front proxy as k8s.io/apiserver does
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>): CA and names
//! come from the ConfigMap `extension-apiserver-authentication`, which is read again and again. The
//! serving certificate is read from its files at every handshake, so replacing them is enough.
//! It speaks HTTP/1.1 only, serves one thread per connection, and is no example for anything else.
#![expect(
    clippy::print_stderr,
    reason = "its journal of the unit is its only output"
)]

mod answers;
mod front_proxy;
mod http;
mod journal;
mod subject;
mod tls;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::front_proxy::FrontProxy;
use crate::journal::Journal;

const USAGE: &str = "extension_server --listen ADDRESS:PORT… --certificate FILE --key FILE \
    --journal FILE [--kubeconfig FILE]";

#[derive(Default)]
struct Arguments {
    listen: Vec<String>,
    certificate: PathBuf,
    key: PathBuf,
    journal: PathBuf,
    kubeconfig: Option<PathBuf>,
}

/// What every connection needs.
struct Server {
    front_proxy: FrontProxy,
    journal: Journal,
}

fn main() -> Result<()> {
    let arguments = arguments().context(USAGE)?;
    let server = Arc::new(Server {
        front_proxy: FrontProxy::start(arguments.kubeconfig),
        journal: Journal::open(&arguments.journal)?,
    });
    let config = Arc::new(tls::config(arguments.certificate, arguments.key)?);
    let mut listeners = Vec::new();
    for address in &arguments.listen {
        let listener =
            TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
        let (server, config) = (server.clone(), config.clone());
        listeners.push(thread::spawn(move || accept(&listener, &server, &config)));
    }
    for listener in listeners {
        if listener.join().is_err() {
            bail!("a listener panicked");
        }
    }
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let mut read = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{flag} has no value"))?;
        match flag.as_str() {
            "--listen" => read.listen.push(value),
            "--certificate" => read.certificate = value.into(),
            "--key" => read.key = value.into(),
            "--journal" => read.journal = value.into(),
            "--kubeconfig" => read.kubeconfig = Some(value.into()),
            _ => bail!("unknown flag {flag}"),
        }
    }
    if read.listen.is_empty() {
        bail!("nowhere to listen");
    }
    Ok(read)
}

fn accept(listener: &TcpListener, server: &Arc<Server>, config: &Arc<ServerConfig>) {
    for stream in listener.incoming().flatten() {
        let (server, config) = (server.clone(), config.clone());
        thread::spawn(move || {
            if let Err(error) = serve(stream, &server, config) {
                eprintln!("{error:#}");
            }
        });
    }
}

/// Answers one connection's requests until its other side has no more.
fn serve(stream: TcpStream, server: &Server, config: Arc<ServerConfig>) -> Result<()> {
    let peer = stream.peer_addr()?;
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, stream);
    while let Some(request) = http::read(&mut stream).with_context(|| format!("from {peer}"))? {
        let certificate = stream.conn.peer_certificates().and_then(<[_]>::first);
        let verdict = server.front_proxy.judge(&request, certificate);
        server.journal.note(&request, certificate, &verdict)?;
        let answer = answers::answer(&request, &verdict);
        match http::write(&mut stream, &answer) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}
