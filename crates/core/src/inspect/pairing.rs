//! Which key lies beside which certificate, judged by names alone.
//!
//! `apiserver.crt` and `apiserver.key`, `server.pem` and `server-key.pem`, `tls.crt` and `tls.key`
//! in a Secret, `client-certificate-data` and `client-key-data` of a kubeconfig's user: two places
//! are beside each other when they lie in the same folder or object and their names agree up to
//! what says which of the two it is.

use super::location::{Location, Source};
use std::sync::Arc;

/// A place in which certificate and key belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PairPlace {
    container: String,
    stem: String,
}

/// The place of an item.
pub(super) fn place_of(location: &Location) -> PairPlace {
    let container_and_name = match (location.pointer_parent(), &*location.source) {
        (Some(parent), source) => {
            let pointer = location.pointer.as_deref().unwrap_or_default();
            let name = pointer.rsplit('/').next().unwrap_or(pointer);
            (format!("{source}#{parent}"), name)
        }
        (None, source @ Source::File { path, .. }) => {
            let folder = source.folder().unwrap_or_default();
            (folder.to_owned(), path.rsplit('/').next().unwrap_or(path))
        }
        (None, source) => (source.to_string(), ""),
    };
    PairPlace {
        container: container_and_name.0,
        stem: stem(container_and_name.1).to_owned(),
    }
}

/// Whether two sources may hold a certificate and its key; a caller that works in portions keeps
/// such sources together.
pub fn are_beside(one: &Source, other: &Source) -> bool {
    let place = |source: &Source| place_of(&Location::start_of(Arc::new(source.clone())));
    place(one) == place(other)
}

/// Paths at which the key of a certificate file is looked for, in this order.
pub fn key_paths_beside(path: &str) -> Vec<String> {
    let (folder, name) = match path.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), path),
    };
    let stem = stem(name);
    let names = if stem.is_empty() {
        vec!["key.pem".to_owned(), "tls.key".to_owned()]
    } else {
        vec![
            format!("{stem}.key"),
            format!("{stem}-key.pem"),
            format!("{stem}.key.pem"),
        ]
    };
    names
        .into_iter()
        .filter(|key| key != name)
        .map(|key| format!("{folder}{key}"))
        .collect()
}

/// A name without what says that it is a certificate or a key.
fn stem(name: &str) -> &str {
    let mut stem = name;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending)) {
        stem = shorter;
    }
    if WORDS.contains(&stem) { "" } else { stem }
}

const ENDINGS: [&str; 21] = [
    ".crt",
    ".cert",
    ".cer",
    ".pem",
    ".der",
    ".key",
    ".pub",
    ".csr",
    ".req",
    ".p12",
    ".pfx",
    "-key",
    "_key",
    "-cert",
    "_cert",
    "-crt",
    "-pub",
    "-data",
    "-certificate",
    "_certificate",
    "-csr",
];

const WORDS: [&str; 7] = ["key", "cert", "crt", "certificate", "csr", "pub", "privkey"];

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> PairPlace {
        place_of(&Location::start_of(Arc::new(Source::file(path))))
    }

    fn field(pointer: &str) -> PairPlace {
        let mut location = Location::start_of(Arc::new(Source::file("/a.yaml")));
        location.pointer = Some(pointer.into());
        place_of(&location)
    }

    #[test]
    fn files_are_beside_each_other_by_name() {
        let together = [
            ["/pki/apiserver.crt", "/pki/apiserver.key"],
            ["/pki/server.pem", "/pki/server-key.pem"],
            ["/pki/server-cert.pem", "/pki/server.key.pem"],
            ["/pki/sa.pub", "/pki/sa.key"],
            ["/pki/cert.pem", "/pki/key.pem"],
            ["tls.crt", "tls.key"],
        ];
        for [one, other] in together {
            assert_eq!(file(one), file(other), "{one} and {other}");
        }
        for [one, other] in [["/a/tls.crt", "/b/tls.key"], ["/pki/ca.crt", "/pki/sa.key"]] {
            assert_ne!(file(one), file(other), "{one} and {other}");
        }
    }

    #[test]
    fn fields_are_beside_each_other_by_name() {
        assert_eq!(
            field("/users/0/user/client-certificate-data"),
            field("/users/0/user/client-key-data")
        );
        assert_ne!(
            field("/users/0/user/client-certificate-data"),
            field("/users/1/user/client-key-data")
        );
        assert_eq!(field("/data/tls.crt"), field("/data/tls.key"));
        assert_ne!(field("/data/ca.crt"), field("/data/tls.key"));
    }

    #[test]
    fn keys_are_looked_for_beside_a_file() {
        assert_eq!(
            key_paths_beside("/pki/server.pem"),
            [
                "/pki/server.key",
                "/pki/server-key.pem",
                "/pki/server.key.pem"
            ]
        );
        assert_eq!(key_paths_beside("cert.pem"), ["key.pem", "tls.key"]);
        assert_eq!(key_paths_beside("a.key"), ["a-key.pem", "a.key.pem"]);
    }
}
