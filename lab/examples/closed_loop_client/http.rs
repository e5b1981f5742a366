//! As much of HTTP/1.1 (RFC 9112) as one client needs: a request, and an answer with a length or in
//! chunks, read to its end.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Longer than a server lets a request wait.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    server: String,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether the server wants no more requests on this connection.
    pub closes: bool,
}

impl Answer {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The beginning of what was said.
    pub fn start(&self) -> String {
        String::from_utf8_lossy(&self.body)
            .chars()
            .take(200)
            .collect()
    }
}

pub struct Unanswered {
    /// Whether nothing of an answer had come: the request can be made again.
    pub before_any_answer: bool,
    pub reason: Error,
}

impl Connection {
    pub fn open(server: &str, config: Arc<ClientConfig>) -> Result<Self> {
        let (host, _) = server.rsplit_once(':').context("the server has no port")?;
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(host.to_owned())?,
        };
        let tcp = TcpStream::connect(server).context("cannot connect")?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let mut connection = Connection {
            stream: StreamOwned::new(ClientConnection::new(config, name)?, tcp),
            server: server.to_owned(),
        };
        while connection.stream.conn.is_handshaking() {
            let StreamOwned { conn, sock } = &mut connection.stream;
            conn.complete_io(sock).context("the handshake failed")?;
        }
        Ok(connection)
    }

    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Answer, Unanswered> {
        let authorization = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{authorization}\
             Content-Length: {}\r\n\r\n{body}",
            self.server,
            body.len(),
        );
        let mut read = Vec::new();
        let sent = self
            .stream
            .write_all(request.as_bytes())
            .and_then(|()| self.stream.flush());
        let answered = sent
            .context("cannot send")
            .and_then(|()| self.answer(&mut read));
        answered.map_err(|reason| Unanswered {
            before_any_answer: read.is_empty(),
            reason,
        })
    }

    fn answer(&mut self, read: &mut Vec<u8>) -> Result<Answer> {
        let (status, length, chunked, closes, start) = loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(start) = head.parse(read)? {
                let value = |name: &str| {
                    head.headers
                        .iter()
                        .find(|header| header.name.eq_ignore_ascii_case(name))
                        .map(|header| String::from_utf8_lossy(header.value).to_lowercase())
                };
                break (
                    head.code.context("no status")?,
                    value("content-length").and_then(|text| text.parse::<usize>().ok()),
                    value("transfer-encoding").is_some_and(|text| text.contains("chunked")),
                    value("connection").is_some_and(|text| text.contains("close")),
                    start,
                );
            }
            self.more(read)?;
        };
        let mut rest = read.split_off(start);
        let body = match (length, chunked) {
            (Some(length), _) => {
                while rest.len() < length {
                    self.more(&mut rest)?;
                }
                rest
            }
            (None, true) => self.chunks(rest)?,
            (None, false) => Vec::new(),
        };
        Ok(Answer {
            status,
            body,
            closes,
        })
    }

    fn chunks(&mut self, mut rest: Vec<u8>) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&rest).map_err(|_| anyhow!("an odd chunk"))? {
                httparse::Status::Complete((start, length)) => {
                    let end = start + usize::try_from(length)?;
                    while rest.len() < end + 2 {
                        self.more(&mut rest)?;
                    }
                    body.extend(rest.get(start..end).unwrap_or_default());
                    rest.drain(..end + 2);
                    if length == 0 {
                        return Ok(body);
                    }
                }
                httparse::Status::Partial => self.more(&mut rest)?,
            }
        }
    }

    fn more(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let mut buffer = [0; 8192];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the connection was closed"),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                bail!("the connection was closed without a word")
            }
            Err(error) => return Err(error).context("cannot read"),
        };
        into.extend(buffer.get(..count).unwrap_or_default());
        Ok(())
    }
}
