//! What the files of a rotation are called, one table for every layout, and the name of a new
//! generation. Names only: nothing here looks whether a file is there.
//!
//! Everything lies beside what it belongs to, so that no flag, mount or folder has to change:
//!
//! | its own | successor | controller manager's own signing certificate |
//! |---|---|---|
//! | `ca.crt`, `ca.key` | `ca-next.crt`, `ca-next.key` | `ca-signer.crt` |
//! | `ca.pem`, `ca-key.pem` | `ca-next.pem`, `ca-next-key.pem` | `ca-signer.pem` |
//! | `kube-ca.pem`, `kube-ca-key.pem` | `kube-ca-next.pem`, `kube-ca-next-key.pem` | `kube-ca-signer.pem` |
//! | `sa.pub`, `sa.key` | `sa-next.pub`, `sa-next.key` | |
//!
//! Where somebody else certifies the successor, the request lies beside its key as `ca-next.csr` until the
//! certificate has come back. On the one host that proves that old clients are refused, the old pair stays until then as
//! `ca-previous.crt` and `ca-previous.key`.

use super::picture::Generation;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// What a successor's name has more than the old one's.
const NEXT: &str = "-next";
/// What the name of a signing certificate alone has more than the bundle's.
const SIGNER: &str = "-signer";
/// What the name of the old pair has more, where it has to prove once more that it is refused.
const PREVIOUS: &str = "-previous";
/// How hand-made layouts and RKE end the name of a key.
const KEY_ENDING: &str = "-key";

/// The successor's file for a certificate, a public key or a private key.
pub fn successor(path: &Path) -> PathBuf {
    with(path, NEXT)
}

/// kube-controller-manager's own signing certificate, beside the bundle that it shared.
pub fn signer(certificate: &Path) -> PathBuf {
    with(certificate, SIGNER)
}

/// The request for a successor's certificate, where somebody else signs it.
pub fn request(certificate: &Path) -> PathBuf {
    successor(certificate).with_extension("csr")
}

/// The old pair's file, kept until it is proved that it is refused.
pub fn previous(path: &Path) -> PathBuf {
    with(path, PREVIOUS)
}

/// Whether a path is spelled as a successor's.
pub fn is_successor(path: &Path) -> bool {
    has(path, NEXT)
}

/// Whether a path is spelled as a signing certificate's.
pub fn is_signer(path: &Path) -> bool {
    has(path, SIGNER)
}

/// Whether a path is spelled as the old pair's.
pub fn is_previous(path: &Path) -> bool {
    has(path, PREVIOUS)
}

/// Whether a path is of a rotation's own files: a successor's, a signing certificate, or the old pair's.
pub fn is_of_a_rotation(path: &Path) -> bool {
    is_successor(path) || is_signer(path) || is_previous(path)
}

/// The common name of a new generation: the old one's without its own generation, and the time.
pub fn common_name(old: &str, now: Timestamp) -> String {
    format!("{}@{}", without_generation(old), generation(now))
}

/// The time as a generation's name: `20261122T114500Z`.
pub fn generation(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A common name without the generation that an earlier rotation gave it; an `@` that means something
/// else stays.
pub fn without_generation(name: &str) -> &str {
    match name.rsplit_once('@') {
        Some((base, suffix)) if !base.is_empty() && is_generation(suffix) => base,
        _ => name,
    }
}

fn is_generation(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_suffix('Z').and_then(|it| it.split_once('T')) {
        Some((date, time)) => date.len() == 8 && time.len() == 6 && digits(date) && digits(time),
        None => text.len() >= 9 && digits(text),
    }
}

/// The first 16 hexadecimal digits of a generation's fingerprint.
pub fn short(generation: &Generation) -> &str {
    let whole = generation.fingerprint_sha256.as_str();
    whole.get(..16).unwrap_or(whole)
}

/// Stem and ending of a file name: `ca` and `.crt`, `ca` and `-key.pem`.
fn parts(path: &Path) -> (String, String) {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem.to_owned(), format!(".{ending}")),
        _ => (name.into_owned(), String::new()),
    };
    match stem.strip_suffix(KEY_ENDING) {
        Some(base) if !base.is_empty() => (base.to_owned(), format!("{KEY_ENDING}{ending}")),
        _ => (stem, ending),
    }
}

fn with(path: &Path, mark: &str) -> PathBuf {
    let (stem, ending) = parts(path);
    path.with_file_name(format!("{stem}{mark}{ending}"))
}

fn has(path: &Path, mark: &str) -> bool {
    let (stem, _) = parts(path);
    stem.strip_suffix(mark).is_some_and(|base| !base.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_its_names() {
        for (old, next, alone) in [
            ("/etc/kubernetes/pki/ca.crt", "ca-next.crt", "ca-signer.crt"),
            ("/etc/kubernetes/pki/ca.key", "ca-next.key", "ca-signer.key"),
            ("/var/lib/kubernetes/ca.pem", "ca-next.pem", "ca-signer.pem"),
            (
                "/var/lib/kubernetes/ca-key.pem",
                "ca-next-key.pem",
                "ca-signer-key.pem",
            ),
            (
                "/etc/kubernetes/ssl/kube-ca.pem",
                "kube-ca-next.pem",
                "kube-ca-signer.pem",
            ),
            (
                "/etc/kubernetes/ssl/kube-ca-key.pem",
                "kube-ca-next-key.pem",
                "kube-ca-signer-key.pem",
            ),
            ("/a/sa.pub", "sa-next.pub", "sa-signer.pub"),
            (
                "/a/service-account-key.pem",
                "service-account-next-key.pem",
                "service-account-signer-key.pem",
            ),
            ("/a/.hidden", ".hidden-next", ".hidden-signer"),
        ] {
            let old = Path::new(old);
            assert_eq!(successor(old), old.with_file_name(next));
            assert_eq!(signer(old), old.with_file_name(alone));
            assert!(is_successor(&successor(old)) && !is_successor(old));
            assert!(is_signer(&signer(old)) && !is_signer(old));
        }
        assert!(!is_of_a_rotation(Path::new("/a/-next.crt")));
        assert!(!is_of_a_rotation(Path::new("/a/ca.crt")));
    }

    #[test]
    fn a_generation_takes_the_place_of_the_last_one() {
        let now = "2026-11-22T11:45:00Z".parse().unwrap();
        assert_eq!(
            common_name("kubernetes", now),
            "kubernetes@20261122T114500Z"
        );
        assert_eq!(
            common_name("kubernetes@20251122T114500Z", now),
            "kubernetes@20261122T114500Z"
        );
        assert_eq!(common_name("ca@1730000000", now), "ca@20261122T114500Z");
        assert_eq!(
            common_name("ops@example.org", now),
            "ops@example.org@20261122T114500Z"
        );
        assert_eq!(without_generation("@20261122T114500Z"), "@20261122T114500Z");
    }
}
