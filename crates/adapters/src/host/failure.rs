//! What the operating system refused, in the port's words.

use kubepki_engine::ports::{HostError, HostErrorKind};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// An [`io::Error`] as the port's error.
pub fn failed(operation: &'static str, path: &Path, error: &io::Error) -> HostError {
    refused(operation, path, kind_of(error), words_of(error))
}

/// An [`Errno`] as the port's error.
pub fn failed_with(operation: &'static str, path: &Path, errno: Errno) -> HostError {
    failed(operation, path, &errno.into())
}

/// A refusal of our own.
pub fn refused(
    operation: &'static str,
    path: &Path,
    kind: HostErrorKind,
    detail: impl Into<String>,
) -> HostError {
    HostError {
        operation,
        path: path.to_path_buf(),
        kind,
        detail: detail.into(),
    }
}

fn kind_of(error: &io::Error) -> HostErrorKind {
    let Some(errno) = Errno::from_io_error(error) else {
        return HostErrorKind::Other;
    };
    match errno {
        Errno::NOENT => HostErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => HostErrorKind::PermissionDenied,
        Errno::ROFS => HostErrorKind::ReadOnlyFilesystem,
        Errno::NOSPC | Errno::DQUOT => HostErrorKind::NoSpace,
        Errno::ISDIR | Errno::NOTDIR => HostErrorKind::WrongKind,
        Errno::EXIST => HostErrorKind::AlreadyExists,
        Errno::XDEV => HostErrorKind::CrossesDevices,
        _ => HostErrorKind::Other,
    }
}

/// `No such file or directory (os error 2)` reads `no such file or directory`.
fn words_of(error: &io::Error) -> String {
    let spoken = match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.to_string(),
    };
    let words = spoken.split(" (os error ").next().unwrap_or(&spoken);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown error".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_kind_and_words() {
        let cases = [
            (
                Errno::NOENT,
                HostErrorKind::NotFound,
                "no such file or directory",
            ),
            (
                Errno::ROFS,
                HostErrorKind::ReadOnlyFilesystem,
                "read-only file system",
            ),
            (
                Errno::NOSPC,
                HostErrorKind::NoSpace,
                "no space left on device",
            ),
            (Errno::ISDIR, HostErrorKind::WrongKind, "is a directory"),
            (
                Errno::PERM,
                HostErrorKind::PermissionDenied,
                "operation not permitted",
            ),
            (
                Errno::XDEV,
                HostErrorKind::CrossesDevices,
                "invalid cross-device link",
            ),
            (Errno::IO, HostErrorKind::Other, "input/output error"),
        ];
        for (errno, kind, words) in cases {
            let error = failed_with("read", Path::new("/etc/x"), errno);
            assert_eq!(error.kind, kind);
            assert_eq!(error.to_string(), format!("cannot read /etc/x: {words}"));
        }
    }
}
