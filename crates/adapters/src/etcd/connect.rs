//! Streams to a member: TCP with TLS, plain TCP, or a socket in the file system.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use crate::tls::JudgedClient;

/// Where a connection leads.
#[derive(Clone)]
pub(super) enum Way {
    /// Over the network.
    Network {
        host: String,
        port: u16,
        tls: Option<Arc<JudgedClient>>,
    },
    /// A socket of this machine.
    Socket(PathBuf),
}

/// Any of the streams.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens connections for a gRPC channel.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Way);

type Connecting =
    Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Stream>>>> + Send + 'static>>;

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let way = self.0.clone();
        Box::pin(async move { way.open().await.map(TokioIo::new) })
    }
}

impl Way {
    async fn open(self) -> io::Result<Box<dyn Stream>> {
        let (host, port, tls) = match self {
            Self::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Network { host, port, tls } => (host, port, tls),
        };
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        let Some(client) = tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(host)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&client.configuration));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            // Says which check failed, where the library says "invalid certificate".
            Err(error) => Err(client.refusal().map_or(error, io::Error::other)),
        }
    }
}
