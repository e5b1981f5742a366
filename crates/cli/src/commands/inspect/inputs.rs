//! What the user named, one input at a time: files, folders below folders, globs, servers.
//!
//! Folders are walked lazily and in order of names, so that a hundred thousand files need no list
//! of a hundred thousand names beyond the folder they lie in. Links to files are followed, links to
//! folders below a named folder are not, and hidden names are passed over: the kubelet keeps its
//! volumes' real files in hidden folders and links to them.

use super::glob;
use super::server;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_core::inspect::Source;
use kubepki_engine::ports::{Endpoint, FileKind, HostErrorKind, HostRead as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing to read.
pub struct Input {
    /// How it is called in the output.
    pub source: Arc<Source>,
    /// Where to read it.
    pub from: From,
}

/// Where an input is read.
pub enum From {
    /// A file of the host.
    File {
        /// Absolute path of the host.
        path: PathBuf,
        /// Whether the user named it (then it must hold something) or a folder did.
        is_named: bool,
    },
    /// Standard input.
    StandardInput,
    /// A TLS server.
    Server(Endpoint),
}

/// Iterates over everything that was named.
pub struct Inputs<'a> {
    context: &'a Context,
    server_name: Option<&'a str>,
    /// Named and not yet looked at, the next one last.
    named: Vec<String>,
    /// Folders being walked, the innermost last.
    folders: Vec<Folder>,
}

struct Folder {
    shown: String,
    path: PathBuf,
    names: Names,
}

/// Names in one piece of text: one by one they would take several times as much, for as long as
/// their folder is being read.
struct Names {
    joined: String,
    next: usize,
}

impl Names {
    fn new(names: &[String]) -> Self {
        Self {
            joined: names.join("/"),
            next: 0,
        }
    }
}

impl Iterator for Names {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // no name is empty, and none holds a slash
        let rest = self
            .joined
            .get(self.next..)
            .filter(|rest| !rest.is_empty())?;
        let name = rest.split('/').next().unwrap_or(rest);
        self.next += name.len() + 1;
        Some(name.to_owned())
    }
}

impl<'a> Inputs<'a> {
    /// Inputs for the words of the command line.
    pub fn new(context: &'a Context, what: &[String], server_name: Option<&'a str>) -> Self {
        let named = what.iter().rev().cloned().collect();
        Self {
            context,
            server_name,
            named,
            folders: Vec::new(),
        }
    }

    fn next_named(&mut self, word: &str) -> Option<Result<Input, CliError>> {
        if word == "-" {
            let source = Arc::new(Source::StandardInput);
            return Some(Ok(Input {
                source,
                from: From::StandardInput,
            }));
        }
        if word.starts_with("https://") {
            return Some(self.server(word));
        }
        let path = match self.context.host_path(Path::new(word)) {
            Ok(path) => path,
            Err(error) => return Some(Err(error)),
        };
        match self.context.host().metadata(&path) {
            Ok(metadata) if metadata.kind == FileKind::Directory => {
                self.enter(word.trim_end_matches('/'), path).err().map(Err)
            }
            Ok(_) => Some(Ok(self.file(word.to_owned(), path, true))),
            Err(error) if error.kind == HostErrorKind::NotFound => {
                // a link that leads nowhere exists all the same
                if self.context.host().symlink_metadata(&path).is_ok() {
                    return Some(Err(host_error(&error).detail(
                        "link to",
                        self.context
                            .host()
                            .read_link(&path)
                            .map_or_else(|_| "?".into(), |target| target.display().to_string()),
                    )));
                }
                self.missing(word)
            }
            Err(error) => Some(Err(host_error(&error))),
        }
    }

    /// No file is called so: a server, a pattern, or a mistake.
    fn missing(&mut self, word: &str) -> Option<Result<Input, CliError>> {
        if server::parse(word).is_some() {
            return Some(self.server(word));
        }
        if !glob::is_pattern(word) {
            let error = CliError::new("not-found", format!("{word} does not exist"));
            return Some(Err(error.location(word)));
        }
        let found = glob::expand(self.context, word);
        if found.is_empty() {
            let error = CliError::new("not-found", format!("nothing matches {word}"));
            return Some(Err(error.location(word)));
        }
        self.named.extend(found.into_iter().rev());
        None
    }

    fn server(&self, word: &str) -> Result<Input, CliError> {
        let (host, port) = server::parse(word).ok_or_else(|| {
            CliError::usage(format!("{word} is no address of a TLS server"))
                .hint("write it like 10.0.0.1:6443, [fd00::1]:6443 or https://example.org")
        })?;
        let shown = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let server_name = self.server_name.map(str::to_owned);
        Ok(Input {
            source: Arc::new(Source::Endpoint(shown)),
            from: From::Server(Endpoint {
                host,
                port,
                server_name,
            }),
        })
    }

    fn enter(&mut self, shown: &str, path: PathBuf) -> Result<(), CliError> {
        let names = self
            .context
            .host()
            .list(&path)
            .map_err(|error| host_error(&error))?;
        let names = Names::new(&names);
        self.folders.push(Folder {
            shown: shown.to_owned(),
            path,
            names,
        });
        Ok(())
    }

    fn file(&self, shown: String, path: PathBuf, is_named: bool) -> Input {
        let host = self.context.host();
        let is_link = host
            .symlink_metadata(&path)
            .is_ok_and(|metadata| metadata.kind == FileKind::Symlink);
        let link_target = is_link
            .then(|| host.read_link(&path).ok())
            .flatten()
            .map(|target| target.display().to_string());
        let source = Arc::new(Source::File {
            path: shown,
            link_target,
            named_by: None,
        });
        Input {
            source,
            from: From::File { path, is_named },
        }
    }

    fn next_walked(&mut self) -> Option<Result<Input, CliError>> {
        while let Some(folder) = self.folders.last_mut() {
            let Some(name) = folder.names.next() else {
                self.folders.pop();
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let path = folder.path.join(&name);
            let shown = format!("{}/{name}", folder.shown);
            match self
                .context
                .host()
                .symlink_metadata(&path)
                .map(|metadata| metadata.kind)
            {
                Ok(FileKind::Directory) => {
                    if let Err(error) = self.enter(&shown, path) {
                        return Some(Err(error));
                    }
                }
                Ok(FileKind::Regular) => {
                    let source = Arc::new(Source::file(shown));
                    return Some(Ok(Input {
                        source,
                        from: From::File {
                            path,
                            is_named: false,
                        },
                    }));
                }
                Ok(FileKind::Symlink) => match self.context.host().metadata(&path) {
                    Ok(metadata) if metadata.kind == FileKind::Regular => {
                        return Some(Ok(self.file(shown, path, false)));
                    }
                    Ok(_) => {
                        self.context
                            .detail(1, format_args!("passed over {shown}: link to a folder"));
                    }
                    Err(error) => return Some(Err(host_error(&error))),
                },
                Ok(FileKind::Other) => {
                    self.context
                        .detail(1, format_args!("passed over {shown}: not a regular file"));
                }
                // gone since the folder was listed
                Err(error) if error.kind == HostErrorKind::NotFound => {}
                Err(error) => return Some(Err(host_error(&error))),
            }
        }
        None
    }
}

impl Iterator for Inputs<'_> {
    type Item = Result<Input, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.next_walked() {
                return Some(found);
            }
            let word = self.named.pop()?;
            if let Some(found) = self.next_named(&word) {
                return Some(found);
            }
        }
    }
}
