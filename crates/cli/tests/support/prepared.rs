//! Hosts that tests of the last minutes made already: asking OpenSSL for fifteen certificates takes
//! longer than most tests do with them.
//!
//! They lie below the folder that cargo gives to tests, readable by their owner only, one for each
//! kind of host and test program; those of an hour ago are removed. A second host of one kind in the
//! same test is made anew: two hosts never share a key.

use super::copy::{copy_folder, temporary_folder};
use super::tree::Tree;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Times are counted from when a host was made, so it must not have been long ago.
const SLOT_SECONDS: i64 = 600;

const KEPT: Duration = Duration::from_secs(3600);

/// Kinds that this process has had.
static HAD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A host of this kind: a copy of one that was made before, or `make`'s.
pub fn prepared(kind: &str, make: impl Fn() -> Tree) -> Tree {
    if !HAD.lock().unwrap().insert(kind.to_owned()) {
        return make();
    }
    let shelf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hosts");
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&shelf)
        .unwrap();
    let place = shelf.join(name(kind));
    if let Some(copy) = copy_of(&place) {
        return copy;
    }
    let made = make();
    remove_old(&shelf);
    // Complete, or not at all; of two that were made at once one is kept.
    let staged = tempfile::tempdir_in(&shelf).unwrap();
    copy_folder(&made.root(), &staged.path().join("host"));
    fs::write(staged.path().join("now"), made.now.to_string()).unwrap();
    let staged = staged.keep();
    if fs::rename(&staged, &place).is_err() {
        fs::remove_dir_all(staged).unwrap();
    }
    made
}

/// The program's own time of change belongs to it: it may make hosts in another way than its forerunner.
fn name(kind: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let changed = fs::metadata(&program).unwrap().modified().unwrap();
    let slot = Timestamp::now().as_second() / SLOT_SECONDS;
    let mut hasher = DefaultHasher::new();
    (kind, program, changed, slot).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn copy_of(place: &Path) -> Option<Tree> {
    let now = fs::read_to_string(place.join("now")).ok()?;
    let tree = Tree {
        folder: temporary_folder(),
        now: now.parse().unwrap(),
    };
    fs::create_dir_all(tree.scratch()).unwrap();
    copy_folder(&place.join("host"), &tree.root());
    Some(tree)
}

/// Others may do the same at this moment.
fn remove_old(shelf: &Path) {
    let is_old = |path: &PathBuf| {
        let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|at| {
            SystemTime::now()
                .duration_since(at)
                .is_ok_and(|age| age > KEPT)
        })
    };
    for entry in fs::read_dir(shelf).unwrap().filter_map(Result::ok) {
        if is_old(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
