//! Which program is put on a host: this very one where the architecture is the same, else one that lies
//! beside it or in a folder for that, as `kubepki-ARCHITECTURE` (as `uname -m` says it).

use super::failure::{ReachError, ReachErrorKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The program that runs, even after its file was replaced (proc(5)).
const OWN: &str = "/proc/self/exe";

/// A program to put on hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Of its bytes, hexadecimal.
    pub sha256: String,
    /// Whether it needs a loader and a C library of the host.
    pub dynamic: bool,
}

/// The programs of this machine, each read once.
#[derive(Debug)]
pub struct Programs {
    own: PathBuf,
    own_machine: String,
    folders: Vec<PathBuf>,
    known: Mutex<BTreeMap<String, Arc<Program>>>,
}

impl Programs {
    /// This very program, what lies beside it, and before both what lies in `folder`.
    pub fn new(folder: Option<&Path>) -> Self {
        let beside = std::env::current_exe().ok();
        let beside = beside.as_deref().and_then(Path::parent);
        Self::with(Path::new(OWN), std::env::consts::ARCH, folder, beside)
    }

    /// The same with another program of this machine's architecture.
    pub fn with(
        own: &Path,
        own_machine: &str,
        folder: Option<&Path>,
        beside: Option<&Path>,
    ) -> Self {
        Self {
            own: own.to_owned(),
            own_machine: own_machine.to_owned(),
            folders: [folder, beside]
                .into_iter()
                .flatten()
                .map(Path::to_owned)
                .collect(),
            known: Mutex::default(),
        }
    }

    /// This very program.
    pub fn own(&self) -> &Path {
        &self.own
    }

    /// The program for a host, by what `uname -s` and `uname -m` say there.
    pub fn for_host(&self, system: &str, machine: &str) -> Result<Arc<Program>, ReachError> {
        let unsupported =
            |message: String| ReachError::new(ReachErrorKind::ArchitectureUnsupported, message);
        if system != "Linux" {
            return Err(unsupported(format!(
                "the host runs {system}; expected Linux"
            )));
        }
        // held while it is read: many hosts ask for the same at once
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = known.get(machine) {
            return Ok(Arc::clone(program));
        }
        let path = self.path_for(machine).ok_or_else(|| {
            let folders = self
                .folders
                .iter()
                .map(|folder| folder.display().to_string());
            unsupported(format!(
                "the host's architecture is {machine}, this program's {}, and there is no file \
                 kubepki-{machine} in {}",
                self.own_machine,
                folders.collect::<Vec<_>>().join(" or ")
            ))
            .hint(format!(
                "put a kubepki that was built for {machine} beside this program as \
                 kubepki-{machine}, or into the folder that KUBEPKI_AGENTS names"
            ))
        })?;
        let program = read(&path).map_err(|error| {
            ReachError::new(
                ReachErrorKind::NotPut,
                format!("cannot read the program {}: {error}", path.display()),
            )
        })?;
        let program = Arc::new(program);
        known.insert(machine.to_owned(), Arc::clone(&program));
        Ok(program)
    }

    fn path_for(&self, machine: &str) -> Option<PathBuf> {
        // a machine's name is another's word: no path may be made of it
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        if !machine.chars().all(is_plain) {
            return None;
        }
        let named = self
            .folders
            .iter()
            .map(|folder| folder.join(format!("kubepki-{machine}")))
            .find(|path| path.is_file());
        named.or_else(|| (built_for(machine) == self.own_machine).then(|| self.own.clone()))
    }
}

/// What Rust calls the architecture that `uname -m` tells of.
fn built_for(machine: &str) -> &str {
    match machine {
        "i386" | "i486" | "i586" | "i686" => "x86",
        "armv6l" | "armv7l" | "armv8l" => "arm",
        "ppc64le" => "powerpc64",
        other => other,
    }
}

impl Program {
    /// Its name on hosts.
    pub fn name(&self) -> String {
        format!("kubepki-{}", self.sha256.get(..16).unwrap_or(&self.sha256))
    }
}

fn read(path: &Path) -> io::Result<Program> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut start = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let length = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        if start.is_empty() {
            start.extend_from_slice(bytes);
        }
        hash.update(bytes);
        size += bytes.len() as u64;
    }
    Ok(Program {
        path: path.to_owned(),
        size,
        sha256: hex::encode(hash.finalize()),
        dynamic: asks_for_a_loader(&start),
    })
}

/// Whether the program headers, which linkers put at the start of an ELF file, name a loader
/// (PT_INTERP, elf(5)). What is no ELF of this machine's kind does not.
fn asks_for_a_loader(start: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = start.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    let headers = || -> Option<(usize, usize, usize)> {
        let offset = usize::try_from(number(32, 8)?).ok()?;
        let size = usize::try_from(number(54, 2)?).ok()?;
        Some((offset, size, usize::try_from(number(56, 2)?).ok()?))
    };
    if !start.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let Some((offset, size, count)) = headers() else {
        return false;
    };
    (0..count).any(|index| {
        let at = index
            .checked_mul(size)
            .and_then(|length| length.checked_add(offset));
        at.and_then(|at| number(at, 4)) == Some(PT_INTERP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_goes_where_the_architecture_is_the_same() {
        let programs = Programs::with(Path::new(OWN), "x86_64", None, None);
        let program = programs.for_host("Linux", "x86_64").unwrap();
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(program.size, own.len() as u64);
        assert_eq!(program.sha256, hex::encode(Sha256::digest(&own)));
        assert_eq!(program.name(), format!("kubepki-{}", &program.sha256[..16]));
    }

    #[test]
    fn another_architecture_needs_a_file_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::with(Path::new(OWN), "x86_64", Some(folder.path()), None);
        let error = programs.for_host("Linux", "aarch64").unwrap_err();
        assert_eq!(error.code(), "architecture-unsupported");
        assert!(error.message.contains("kubepki-aarch64"), "{error}");
        assert!(error.hint.unwrap().contains("KUBEPKI_AGENTS"));
        std::fs::write(folder.path().join("kubepki-aarch64"), "program").unwrap();
        let program = programs.for_host("Linux", "aarch64").unwrap();
        assert_eq!(program.size, 7);
        assert!(!program.dynamic);
    }

    #[test]
    fn what_is_put_there_on_purpose_goes_before_this_program() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubepki-x86_64"), "static").unwrap();
        let programs = Programs::with(Path::new(OWN), "x86_64", Some(folder.path()), None);
        assert_eq!(programs.for_host("Linux", "x86_64").unwrap().size, 6);
    }

    #[test]
    fn other_systems_and_odd_names_are_refused() {
        let programs = Programs::new(None);
        for (system, machine) in [("Darwin", "arm64"), ("Linux", "../etc"), ("Linux", "s390x")] {
            let error = programs.for_host(system, machine).unwrap_err();
            assert_eq!(
                error.code(),
                "architecture-unsupported",
                "{system} {machine}"
            );
        }
        assert_eq!(built_for("armv7l"), "arm");
    }

    #[test]
    fn a_loader_is_seen_in_the_program_headers() {
        let mut elf = vec![0; 120];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 1);
        elf[64] = 1;
        assert!(!asks_for_a_loader(&elf));
        elf[64] = 3;
        assert!(asks_for_a_loader(&elf));
        assert!(!asks_for_a_loader(&elf[..40]));
        assert!(!asks_for_a_loader(b"#!/bin/sh\n"));
    }
}
