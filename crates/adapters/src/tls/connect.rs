//! Reaching an endpoint within a time limit: resolving its name, connecting, and a stream whose
//! every read and write ends at one deadline.
//!
//! Not here: TLS.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kubepki_engine::ports::Endpoint;

/// Why nothing accepted the connection; reads on after the endpoint's name.
pub(super) struct Unreachable(pub(super) String);

/// `host:port`, IPv6 addresses in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Connects to the first address of the endpoint that accepts.
pub(super) fn connect(
    endpoint: &Endpoint,
    deadline: Deadline,
) -> Result<DeadlineStream, Unreachable> {
    let mut addresses = resolve(endpoint, deadline)?.into_iter();
    let mut refusal = "has no address".to_owned();
    while let Some(address) = addresses.next() {
        // A silent first address (IPv6 without a route, say) must leave time for the others.
        let share = deadline.remaining() / u32::try_from(addresses.len() + 1).unwrap_or(1);
        if share.is_zero() {
            refusal = deadline.missed("did not accept a connection");
            break;
        }
        match TcpStream::connect_timeout(&address, share) {
            Ok(stream) => {
                // Small questions and answers: without this the second packet of a handshake may
                // wait 40 ms. A socket that cannot be set so still works.
                let _ = stream.set_nodelay(true);
                return Ok(DeadlineStream { stream, deadline });
            }
            Err(error) => {
                refusal = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "refuses connections".to_owned(),
                    io::ErrorKind::TimedOut => deadline.missed("did not accept a connection"),
                    _ => format!("cannot be reached: {error}"),
                };
            }
        }
    }
    Err(Unreachable(refusal))
}

fn resolve(endpoint: &Endpoint, deadline: Deadline) -> Result<Vec<SocketAddr>, Unreachable> {
    if let Ok(address) = endpoint.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    // The C library's resolver knows no limit of its own that fits here, so it is left behind in
    // its thread when it takes too long.
    let (send, receive) = mpsc::channel();
    let name = (endpoint.host.clone(), endpoint.port);
    thread::spawn(move || {
        let _ = send.send(name.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    });
    match receive.recv_timeout(deadline.remaining()) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Unreachable(format!("cannot be resolved: {error}"))),
        Err(_) => Err(Unreachable(deadline.missed("could not be resolved"))),
    }
}

/// One moment by which everything must be done.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub(super) fn after(limit: Duration) -> Self {
        // A limit too far away to be a moment is as good as a day.
        let now = Instant::now();
        let at = now
            .checked_add(limit)
            .unwrap_or(now + Duration::from_secs(86_400));
        Self { at, limit }
    }

    /// "`what` within 5s".
    pub(super) fn missed(&self, what: &str) -> String {
        format!("{what} within {:?}", self.limit)
    }

    fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

/// A connection whose reads and writes fail with `TimedOut` once the deadline has passed, however
/// slowly bytes trickle in.
pub(super) struct DeadlineStream {
    stream: TcpStream,
    deadline: Deadline,
}

impl DeadlineStream {
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The time left; none left is an error, since a socket takes zero for "no limit".
    fn time_left(&self) -> io::Result<Duration> {
        match self.deadline.remaining() {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

impl Read for DeadlineStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.time_left()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for DeadlineStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        self.stream.write(buffer).map_err(timed_out)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // The messages of one flight in one packet: a server may close after the first that it
        // does not like, and what is written then breaks the pipe.
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        self.stream.write_vectored(buffers).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Linux reports a socket's timeout as `EAGAIN`, which elsewhere means "ask again".
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
