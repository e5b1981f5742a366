//! The lock that keeps two runs apart: `flock` on a file, with the holder's name written into it.
//!
//! The kernel drops the lock with its last descriptor, so a killed run leaves none behind; what is
//! written in the file is only a name for the message, never the lock itself.

use super::failure::{failed, failed_with, refused};
use kubepki_engine::ports::{HostError, HostErrorKind, HostLock};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// [`holder`] takes the lock for an instant to look; a run that begins then must not be turned away.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

struct Held {
    file: File,
}

impl HostLock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing is not enough: a child between its fork and its exec still has the descriptor.
        let _ = fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Takes the lock on the file at `real`, which the host names `path`.
pub fn take(real: &Path, path: &Path, name: &str) -> Result<Box<dyn HostLock>, HostError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::open(real, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| failed_with("lock", path, error))?;
    let mut file = File::from(opened);
    let mut attempt = 1;
    while let Err(error) = fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK {
            return Err(failed_with("lock", path, error));
        }
        if attempt == ATTEMPTS {
            let holder = read_name(&mut file);
            let detail = format!("another run holds it: {holder}");
            return Err(refused("lock", path, HostErrorKind::Locked, detail));
        }
        attempt += 1;
        std::thread::sleep(PAUSE);
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(name.as_bytes()))
        .map_err(|error| failed("lock", path, &error))?;
    Ok(Box::new(Held { file }))
}

/// Who holds the lock now.
pub fn holder(real: &Path, path: &Path) -> Result<Option<String>, HostError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = match fs::open(real, flags, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed_with("read", path, error)),
    };
    match fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => Ok(Some(read_name(&mut file))),
        Err(error) => Err(failed_with("read", path, error)),
    }
}

fn read_name(file: &mut File) -> String {
    let mut name = String::new();
    let read = file.take(1024).read_to_string(&mut name);
    match (read, name.trim()) {
        (Ok(_), written) if !written.is_empty() => written.to_owned(),
        _ => "it has not yet written its name".to_owned(),
    }
}
