//! One HTTP/1.1 question and its answer (RFC 9112): enough for health endpoints.
//!
//! The head is parsed by `httparse`. Bodies framed by a length, by chunks and by the end of the
//! connection are understood; what of them is kept, and how much, is [`super::body`]'s.
//!
//! Not here: redirects, compression, keeping connections.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::body::Body;

/// Longest head accepted.
const HEAD_LIMIT: usize = 64 * 1024;

/// Why there is no answer.
pub(super) enum HttpError {
    /// The connection failed.
    Connection(io::Error),
    /// The answer is no HTTP, or ends early; reads on after the endpoint's name.
    Malformed(String),
}

/// The question. Refused for a path that would smuggle in a header.
pub(super) fn request(authority: &str, path: &str) -> Result<Vec<u8>, String> {
    request_with(authority, path, &[])
}

/// The question with further header fields (RFC 9110 §5.1, §5.5).
pub(super) fn request_with(
    authority: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, String> {
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("cannot be asked for {path:?}: not an HTTP path"));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let mut further = String::new();
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_name) || !value.bytes().all(is_value) {
            return Err(format!("cannot be asked with {name:?}: not an HTTP header"));
        }
        further.push_str(&format!("{name}: {value}\r\n"));
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: kubepki/{version}\r\n\
         Accept: */*\r\n{further}Connection: close\r\n\r\n"
    )
    .into_bytes())
}

/// An answer whose body went elsewhere.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server's clock (RFC 9110 §6.6.1), where it tells in the form that is prescribed.
    pub(super) date: Option<Timestamp>,
}

/// Sends the question and reads the answer, its body into `body`.
pub(super) fn ask(
    connection: &mut (impl Read + Write),
    request: &[u8],
    body: &mut Body<'_>,
) -> Result<Answer, HttpError> {
    connection
        .write_all(request)
        .and_then(|()| connection.flush())
        .map_err(HttpError::Connection)?;
    let mut source = Source {
        connection,
        buffer: Vec::new(),
        ended: false,
    };
    loop {
        let head = source.head()?;
        // 1xx are announcements; the answer follows (RFC 9110 §15.2).
        if !(100..200).contains(&head.status) || head.status == 101 {
            source.body(&head, body)?;
            return Ok(Answer {
                status: head.status,
                date: head.date,
            });
        }
    }
}

struct Head {
    status: u16,
    date: Option<Timestamp>,
    framing: Framing,
}

enum Framing {
    Nothing,
    Length(usize),
    Chunks,
    UntilClose,
}

/// What has been read and not yet used.
struct Source<'a, C> {
    connection: &'a mut C,
    buffer: Vec<u8>,
    ended: bool,
}

impl<C: Read> Source<'_, C> {
    /// Reads some more; false at the end of the connection.
    fn fill(&mut self) -> Result<bool, HttpError> {
        let mut piece = [0; 8 * 1024];
        while !self.ended {
            match self.connection.read(&mut piece) {
                // TLS peers that close without close_notify read as an unexpected end. Where the
                // end matters the framing notices it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(HttpError::Connection(error)),
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.buffer.extend(piece.iter().take(count));
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn head(&mut self) -> Result<Head, HttpError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response
                .parse(&self.buffer)
                .map_err(|error| malformed(format!("does not speak HTTP ({error})")))?;
            if let httparse::Status::Complete(length) = parsed {
                let status = response.code.unwrap_or_default();
                let framing = framing(status, response.headers)?;
                let date = value(response.headers, "Date")
                    .and_then(|date| DateTimeParser::new().parse_timestamp(&date).ok());
                self.buffer.drain(..length);
                return Ok(Head {
                    status,
                    date,
                    framing,
                });
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(malformed("answers with an HTTP head beyond 64 KiB"));
            }
            if !self.fill()? {
                return Err(if self.buffer.is_empty() {
                    HttpError::Connection(io::ErrorKind::UnexpectedEof.into())
                } else {
                    malformed("closed the connection inside its HTTP head")
                });
            }
        }
    }

    fn body(&mut self, head: &Head, body: &mut Body<'_>) -> Result<(), HttpError> {
        match head.framing {
            Framing::Nothing => {}
            Framing::Length(length) => self.take(length, body)?,
            Framing::Chunks => {
                while let length @ 1.. = self.chunk_length()? {
                    self.take(length, body)?;
                    if body.is_full() {
                        break;
                    }
                    self.line_end()?;
                }
            }
            Framing::UntilClose => loop {
                body.push(&self.buffer);
                self.buffer.clear();
                if body.is_full() || !self.fill()? {
                    break;
                }
            },
        }
        body.end();
        Ok(())
    }

    /// Moves `length` bytes into `body`, or as many as it wants.
    fn take(&mut self, length: usize, body: &mut Body<'_>) -> Result<(), HttpError> {
        let mut missing = length;
        while missing > 0 && !body.is_full() {
            if self.buffer.is_empty() && !self.fill()? {
                let found = body.seen();
                return Err(malformed(format!(
                    "ended its HTTP body early, after {found} bytes"
                )));
            }
            let count = missing.min(self.buffer.len());
            body.push(self.buffer.get(..count).unwrap_or_default());
            self.buffer.drain(..count);
            missing -= count;
        }
        Ok(())
    }

    fn chunk_length(&mut self) -> Result<usize, HttpError> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.buffer.drain(..used);
                    return Ok(usize::try_from(length).unwrap_or(usize::MAX));
                }
                Ok(httparse::Status::Partial) if self.buffer.len() <= 1024 && self.fill()? => {}
                _ => return Err(malformed("sent a chunk of its HTTP body without a length")),
            }
        }
    }

    fn line_end(&mut self) -> Result<(), HttpError> {
        while self.buffer.len() < 2 && self.fill()? {}
        if !self.buffer.starts_with(b"\r\n") {
            return Err(malformed(
                "sent a chunk of its HTTP body that does not end where it says",
            ));
        }
        self.buffer.drain(..2);
        Ok(())
    }
}

/// RFC 9112 §6.3.
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, HttpError> {
    if status < 200 || status == 204 || status == 304 {
        return Ok(Framing::Nothing);
    }
    if let Some(encoding) = value(headers, "Transfer-Encoding") {
        return if encoding.eq_ignore_ascii_case("chunked") {
            Ok(Framing::Chunks)
        } else {
            Err(malformed(format!(
                "answers in transfer encoding {encoding:?}, which is not known"
            )))
        };
    }
    match value(headers, "Content-Length") {
        None => Ok(Framing::UntilClose),
        Some(length) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| malformed(format!("answers with Content-Length {length:?}"))),
    }
}

/// The first header of this name, as text.
fn value(headers: &[httparse::Header<'_>], name: &str) -> Option<String> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
}

fn malformed(detail: impl Into<String>) -> HttpError {
    HttpError::Malformed(detail.into())
}
