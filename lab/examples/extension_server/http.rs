//! As much of HTTP/1.1 (RFC 9112) as kube-apiserver's clients need: requests with a Content-Length,
//! answers in JSON, connections that are kept.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// More than any request of kube-apiserver to this server has.
const LARGEST: usize = 4 << 20;

/// A request as it came.
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a header field; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A status and a JSON document.
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// What it carries.
    pub body: Value,
}

/// Reads the next request; nothing more is `None`.
pub fn read(stream: &mut impl Read) -> Result<Option<Request>> {
    let mut buffer = Vec::new();
    let (mut request, head, length) = loop {
        if let Some(found) = head(&buffer)? {
            break found;
        }
        if !more(stream, &mut buffer)? {
            return Ok(None);
        }
    };
    while buffer.len() < head + length {
        if !more(stream, &mut buffer)? {
            bail!("the request ends before its body does");
        }
    }
    request.body = buffer.split_off(head);
    request.body.truncate(length);
    Ok(Some(request))
}

/// What stands before the body, its length, and the length of the body.
fn head(buffer: &[u8]) -> Result<Option<(Request, usize, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(buffer)? else {
        return Ok(None);
    };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_ascii_lowercase(), value)
        })
        .collect();
    let path = parsed.path.context("no path")?;
    let request = Request {
        method: parsed.method.context("no method")?.to_owned(),
        path: path.split('?').next().unwrap_or(path).to_owned(),
        headers,
        body: Vec::new(),
    };
    if request.header("transfer-encoding").is_some() {
        bail!("bodies without a length are not understood");
    }
    let length = request.header("content-length").unwrap_or("0").parse()?;
    Ok(Some((request, head, length)))
}

/// Reads what is there; `false` at the end.
fn more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Result<bool> {
    let mut chunk = [0; 16 << 10];
    let count = match stream.read(&mut chunk) {
        // Go ends kept connections without a close_notify
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        other => other?,
    };
    buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
    if buffer.len() > LARGEST {
        bail!("the request is larger than {LARGEST} bytes");
    }
    Ok(count > 0)
}

/// Writes an answer.
pub fn write(stream: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let body = answer.body.to_string();
    let head = format!(
        "HTTP/1.1 {} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        answer.status,
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}
