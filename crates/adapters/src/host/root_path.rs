//! Paths below another root: what `/etc/kubernetes` means when a host's `/` is a folder of ours.
//!
//! Every component is resolved by hand, as the kernel would after a `chroot`: absolute links start
//! again at the root, `..` stops at it, and more than [`MAX_LINKS`] links are refused
//! (path_resolution(7)). A tree that someone changes at the same moment could lead the walk astray;
//! a mounted disk has no such someone, and files are then opened without following links.

use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;

/// What to do with a link in the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// Follow it.
    Follow,
    /// Name the link itself.
    Keep,
}

/// The real path of the host path `path` below `root` (canonical). The last component may be
/// missing; every folder before it must exist.
pub fn resolve(root: &Path, path: &Path, last: LastLink) -> io::Result<PathBuf> {
    let mut real = root.to_path_buf();
    let mut depth = 0_usize;
    let mut links = 0_u32;
    let mut rest = VecDeque::new();
    prepend(path, &mut rest);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            if depth > 0 {
                real.pop();
                depth -= 1;
            }
            continue;
        }
        let candidate = real.join(&name);
        let is_last = rest.is_empty();
        match std::fs::symlink_metadata(&candidate) {
            Ok(found) if found.is_symlink() && !(is_last && last == LastLink::Keep) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = std::fs::read_link(&candidate)?;
                if target.is_absolute() {
                    real = root.to_path_buf();
                    depth = 0;
                }
                prepend(&target, &mut rest);
            }
            Ok(found) if !is_last && !found.is_dir() => return Err(Errno::NOTDIR.into()),
            Ok(_) => {
                real = candidate;
                depth += 1;
            }
            Err(error) if is_last && error.kind() == io::ErrorKind::NotFound => {
                return Ok(candidate);
            }
            Err(error) => {
                return Err(error
                    .raw_os_error()
                    .map_or(error, io::Error::from_raw_os_error));
            }
        }
    }
    Ok(real)
}

/// The host path of a real path that [`resolve`] returned.
pub fn as_host_names_it(root: &Path, real: &Path) -> PathBuf {
    let below = real.strip_prefix(root).unwrap_or(real);
    Path::new("/").join(below)
}

fn prepend(path: &Path, rest: &mut VecDeque<OsString>) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_os_string()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("disk/etc/real")).unwrap();
        let root = folder.path().join("disk").canonicalize().unwrap();
        std::fs::write(root.join("etc/real/file"), "inside").unwrap();
        std::fs::write(folder.path().join("outside"), "outside").unwrap();
        (folder, root)
    }

    #[test]
    fn absolute_links_start_at_the_root_of_the_tree() {
        let (_folder, root) = tree();
        symlink("/etc/real", root.join("absolute")).unwrap();
        let real = resolve(&root, Path::new("/absolute/file"), LastLink::Follow).unwrap();
        assert_eq!(real, root.join("etc/real/file"));
        assert_eq!(as_host_names_it(&root, &real), Path::new("/etc/real/file"));
    }

    #[test]
    fn parent_components_stop_at_the_root() {
        let (_folder, root) = tree();
        symlink("../../../../outside", root.join("etc/escape")).unwrap();
        for path in ["/../../outside", "/etc/escape", "/etc/../../outside"] {
            let real = resolve(&root, Path::new(path), LastLink::Follow).unwrap();
            assert_eq!(real, root.join("outside"), "{path}");
        }
    }

    #[test]
    fn a_link_in_the_last_component_is_kept_when_asked() {
        let (_folder, root) = tree();
        symlink("/etc/real/file", root.join("link")).unwrap();
        let kept = resolve(&root, Path::new("/link"), LastLink::Keep).unwrap();
        assert_eq!(kept, root.join("link"));
        let followed = resolve(&root, Path::new("/link"), LastLink::Follow).unwrap();
        assert_eq!(followed, root.join("etc/real/file"));
    }

    #[test]
    fn a_relative_link_is_read_from_its_own_folder() {
        let (_folder, root) = tree();
        symlink("real/../real/file", root.join("etc/link")).unwrap();
        let real = resolve(&root, Path::new("/etc/link"), LastLink::Follow).unwrap();
        assert_eq!(real, root.join("etc/real/file"));
    }

    #[test]
    fn a_loop_of_links_is_refused() {
        let (_folder, root) = tree();
        symlink("/b", root.join("a")).unwrap();
        symlink("/a", root.join("b")).unwrap();
        let error = resolve(&root, Path::new("/a"), LastLink::Follow).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn forty_links_are_followed_and_one_more_is_not() {
        let (_folder, root) = tree();
        symlink("/etc/real/file", root.join("link0")).unwrap();
        for number in 1..=40 {
            symlink(
                format!("link{}", number - 1),
                root.join(format!("link{number}")),
            )
            .unwrap();
        }
        assert!(resolve(&root, Path::new("/link39"), LastLink::Follow).is_ok());
        assert!(resolve(&root, Path::new("/link40"), LastLink::Follow).is_err());
    }

    #[test]
    fn a_missing_folder_is_an_error_and_a_missing_file_is_not() {
        let (_folder, root) = tree();
        assert!(resolve(&root, Path::new("/etc/new"), LastLink::Follow).is_ok());
        let error = resolve(&root, Path::new("/no/new"), LastLink::Follow).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = resolve(&root, Path::new("/etc/real/file/x"), LastLink::Follow).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOTDIR.raw_os_error()));
    }
}
