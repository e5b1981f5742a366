//! The layout that a user declares: read where the user's shell is, for this host or for those of a
//! cluster document.

use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_adapters::host::LocalHost;
use kubepki_core::cluster_document::ClusterHost;
use kubepki_core::founding::{Declarations, DeclaredLayout, Folders};
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_sealed::{Sealed, danger};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Reads a layout; `-` is standard input, by which one is handed to a verb on another host.
pub fn read(file: &Path) -> Result<DeclaredLayout, CliError> {
    let (path, contents) = if file == Path::new(STANDARD_INPUT) {
        let mut text = Vec::new();
        std::io::stdin().take(FILE_LIMIT).read_to_end(&mut text)?;
        (file.to_owned(), Sealed::new(text))
    } else {
        let path = std::path::absolute(file)?;
        let contents = LocalHost::live()
            .read(&path, FILE_LIMIT)
            .map_err(|error| host_error(&error))?;
        (path, contents)
    };
    let text = std::str::from_utf8(danger::open(&contents)).map_err(|error| {
        CliError::new("not-a-layout", format!("not a layout: {error}")).location(path.display())
    })?;
    let layout = DeclaredLayout::from_yaml(text);
    layout.map_err(|error| CliError::new(error.code(), &error).location(path.display()))
}

/// What is declared of this host, for discovery: relative paths begin in `pki_folder`.
pub fn of_this_host(
    context: &Context,
    pki_folder: &Path,
) -> Result<Option<Declarations>, CliError> {
    let Some(layout) = context.layout() else {
        return Ok(None);
    };
    let declared = layout.checked(&Folders::of(pki_folder.to_owned()));
    let declared = declared.map_err(|error| CliError::new(error.code(), &error))?;
    Ok(Some(declared))
}

/// The layouts of hosts.
#[derive(Clone, Debug, Default)]
pub struct Layouts {
    /// The one that was typed, for all.
    typed: Option<Arc<DeclaredLayout>>,
    /// Those that hosts of the document have, by their files.
    of_files: BTreeMap<PathBuf, Arc<DeclaredLayout>>,
}

impl Layouts {
    /// Those of these hosts, whose paths are absolute.
    pub fn of(context: &Context, hosts: &[ClusterHost]) -> Result<Self, CliError> {
        let layouts = Self {
            typed: context.layout().cloned().map(Arc::new),
            of_files: BTreeMap::new(),
        };
        layouts.with(hosts)
    }

    /// With those of further hosts.
    pub fn with(mut self, hosts: &[ClusterHost]) -> Result<Self, CliError> {
        let files = hosts.iter().filter_map(|host| host.layout.as_ref());
        for file in files.filter(|_| self.typed.is_none()) {
            if !self.of_files.contains_key(file) {
                let layout = Arc::new(read(file)?);
                self.of_files.insert(file.clone(), layout);
            }
        }
        Ok(self)
    }

    /// The host's: the one that was typed, else its own.
    pub fn of_host(&self, host: &ClusterHost) -> Option<&DeclaredLayout> {
        let own = || self.of_files.get(host.layout.as_ref()?);
        self.typed.as_ref().or_else(own).map(Arc::as_ref)
    }
}
