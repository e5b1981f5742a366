//! Frames: messages on a stream of bytes. Each is its length (four bytes, big-endian) and so many
//! bytes of JSON (RFC 8259). Before the first comes one line of plain text, [`GREETING`].
//!
//! What lies at the other end of a remote shell may be something else: a login banner, a sudo lecture,
//! a profile that prints. What comes before the greeting is passed over and kept, to be shown when no
//! greeting comes. Not here: what the messages mean ([`protocol`](crate::protocol)).

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind, Read, Write};

/// The first words of the line that the agent begins with; the protocol's version follows.
pub const GREETING: &str = "kubepki-agent ";

/// The longest message. The look at a host with ten thousand certificates is some 40 MiB.
pub const FRAME_LIMIT: u32 = 256 << 20;

/// How much may be said before the greeting.
pub const NOISE_LIMIT: usize = 64 << 10;

/// How much of something that is no frame is shown.
const SHOWN: usize = 2000;

/// A stream that does not carry what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream ended between two frames.
    #[error("the connection was closed")]
    Closed,
    /// The stream ended inside a frame.
    #[error("the connection ended after {found} of {expected} bytes of a message")]
    Truncated {
        /// Bytes announced.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// No such message is ever sent.
    #[error("a message of {length} bytes was announced, expected at most {FRAME_LIMIT}{}", in_words(*length))]
    TooLong {
        /// Bytes announced.
        length: u32,
    },
    /// A message too long to be sent.
    #[error("a message of {length} bytes cannot be sent, at most {FRAME_LIMIT} can")]
    TooLongToSend {
        /// Its bytes.
        length: usize,
    },
    /// JSON of something else. The detail names the place and never quotes a value.
    #[error("a message cannot be understood: {detail}")]
    NotUnderstood {
        /// Category and place.
        detail: String,
    },
    /// What answers is no agent.
    #[error("no agent answers{}", said(.0))]
    NoGreeting(String),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Stream(#[from] io::Error),
}

impl FrameError {
    /// Whether the connection is gone, as against: something wrong was said on it.
    pub fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Closed | Self::Truncated { .. } | Self::Stream(_)
        )
    }
}

/// A length that is text is somebody talking between the frames.
fn in_words(length: u32) -> String {
    let bytes = length.to_be_bytes();
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if bytes.iter().all(is_text) {
        let text = String::from_utf8_lossy(&bytes);
        format!("; it begins like text: `{}`", text.escape_debug())
    } else {
        String::new()
    }
}

fn said(text: &str) -> String {
    if text.is_empty() {
        "; nothing was said at all".to_owned()
    } else {
        format!("; instead it says: {text}")
    }
}

/// Writes the greeting.
pub fn write_greeting(stream: &mut dyn Write, protocol: u32) -> io::Result<()> {
    stream.write_all(format!("{GREETING}{protocol}\n").as_bytes())?;
    stream.flush()
}

/// Reads up to the end of the greeting and returns the protocol's version. Nothing beyond its line is
/// taken from the stream.
pub fn read_greeting(stream: &mut dyn Read) -> Result<u32, FrameError> {
    let mut noise = Vec::new();
    let mut line = Vec::new();
    while noise.len() + line.len() < NOISE_LIMIT {
        let Some(byte) = next_byte(stream)? else {
            break;
        };
        if byte != b'\n' {
            line.push(byte);
            continue;
        }
        // A prompt without a line of its own may stand before it.
        let text = String::from_utf8_lossy(&line);
        let version = text
            .rsplit_once(GREETING)
            .and_then(|(_, version)| version.trim_end().parse().ok());
        if let Some(version) = version {
            return Ok(version);
        }
        noise.append(&mut line);
        noise.push(b'\n');
    }
    noise.append(&mut line);
    Err(FrameError::NoGreeting(shown(&noise)))
}

/// Byte by byte: what follows the line belongs to whoever reads next.
fn next_byte(stream: &mut dyn Read) -> Result<Option<u8>, FrameError> {
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The end of what was said, on one line, without what a terminal would obey.
fn shown(noise: &[u8]) -> String {
    let from = noise.len().saturating_sub(SHOWN);
    let text = String::from_utf8_lossy(noise.get(from..).unwrap_or_default()).into_owned();
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

/// A message as a frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).map_err(|error| not_understood(&error))?;
    let length = frame.len() - 4;
    let announced = u32::try_from(length)
        .ok()
        .filter(|length| *length <= FRAME_LIMIT)
        .ok_or(FrameError::TooLongToSend { length })?;
    for (to, from) in frame.iter_mut().zip(announced.to_be_bytes()) {
        *to = from;
    }
    Ok(frame)
}

/// Writes a message and flushes.
pub fn write_frame<T: Serialize>(stream: &mut dyn Write, message: &T) -> Result<(), FrameError> {
    let frame = encode(message)?;
    stream.write_all(&frame)?;
    Ok(stream.flush()?)
}

/// Reads a message. Memory is taken as bytes come, not as they are announced.
pub fn read_frame<T: DeserializeOwned>(stream: &mut dyn Read) -> Result<T, FrameError> {
    let mut length = [0; 4];
    match read_up_to(stream, &mut length)? {
        0 => return Err(FrameError::Closed),
        4 => {}
        found => {
            return Err(FrameError::Truncated {
                expected: 4,
                found: found as u64,
            });
        }
    }
    let length = u32::from_be_bytes(length);
    if length > FRAME_LIMIT {
        return Err(FrameError::TooLong { length });
    }
    let expected = u64::from(length);
    let mut json = Vec::new();
    let found = stream.take(expected).read_to_end(&mut json)? as u64;
    if found < expected {
        return Err(FrameError::Truncated { expected, found });
    }
    serde_json::from_slice(&json).map_err(|error| not_understood(&error))
}

fn read_up_to(stream: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, FrameError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// serde quotes values in its errors; where it happened has to do.
fn not_understood(error: &serde_json::Error) -> FrameError {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io => "it cannot be written",
        Category::Syntax => "it is no JSON",
        Category::Data => "it is JSON of something else",
        Category::Eof => "its JSON is cut off",
    };
    FrameError::NotUnderstood {
        detail: format!("{what} (line {}, column {})", error.line(), error.column()),
    }
}
