//! One HTTP/1.1 question and its answer (RFC 9112): enough for health endpoints.
//!
//! The head is parsed by `httparse`. Bodies framed by a length, by chunks and by the end of the
//! connection are understood; what is more than 64 KiB is cut off.
//!
//! Not here: redirects, compression, keeping connections.

use std::io::{self, Read, Write};

use kubepki_engine::ports::HttpAnswer;

/// Longest body kept.
const BODY_LIMIT: usize = 64 * 1024;

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
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("cannot be asked for {path:?}: not an HTTP path"));
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: kubepki/{version}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
    .into_bytes())
}

/// Sends the question and reads the answer.
pub(super) fn ask(
    connection: &mut (impl Read + Write),
    request: &[u8],
) -> Result<HttpAnswer, HttpError> {
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
            let body = source.body(&head)?;
            return Ok(HttpAnswer {
                status: head.status,
                body: String::from_utf8_lossy(&body).into_owned(),
            });
        }
    }
}

struct Head {
    status: u16,
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
                self.buffer.drain(..length);
                return Ok(Head { status, framing });
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

    fn body(&mut self, head: &Head) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        match head.framing {
            Framing::Nothing => {}
            Framing::Length(length) => self.take(length, &mut body)?,
            Framing::Chunks => {
                while let length @ 1.. = self.chunk_length()? {
                    self.take(length, &mut body)?;
                    if body.len() >= BODY_LIMIT {
                        break;
                    }
                    self.line_end()?;
                }
            }
            Framing::UntilClose => {
                while self.buffer.len() < BODY_LIMIT && self.fill()? {}
                body.append(&mut self.buffer);
            }
        }
        body.truncate(BODY_LIMIT);
        Ok(body)
    }

    /// Moves `length` bytes into `body`, or as many as it may still hold.
    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), HttpError> {
        let wanted = length.min(BODY_LIMIT.saturating_sub(body.len()));
        while self.buffer.len() < wanted {
            if !self.fill()? {
                let found = body.len() + self.buffer.len();
                return Err(malformed(format!(
                    "ended its HTTP body early, after {found} bytes"
                )));
            }
        }
        body.extend(self.buffer.drain(..wanted));
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
    let value = |name: &str| {
        headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    if status < 200 || status == 204 || status == 304 {
        return Ok(Framing::Nothing);
    }
    if let Some(encoding) = value("Transfer-Encoding") {
        return if encoding.eq_ignore_ascii_case("chunked") {
            Ok(Framing::Chunks)
        } else {
            Err(malformed(format!(
                "answers in transfer encoding {encoding:?}, which is not known"
            )))
        };
    }
    match value("Content-Length") {
        None => Ok(Framing::UntilClose),
        Some(length) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| malformed(format!("answers with Content-Length {length:?}"))),
    }
}

fn malformed(detail: impl Into<String>) -> HttpError {
    HttpError::Malformed(detail.into())
}
