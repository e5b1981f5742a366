//! What is mounted below a folder, and taking it away: an interrupted lab leaves mounts behind.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::tool::Tool;

/// Unmounts everything below `folder`, the innermost first.
pub fn unmount_below(folder: &Path) -> Result<()> {
    let table = fs_err::read_to_string("/proc/self/mountinfo")?;
    for target in below(&table, folder) {
        Tool::new("umount").arg("--lazy").arg(&target).run()?;
    }
    Ok(())
}

/// The targets below `folder`; later mounts come first, since they may stand on earlier ones.
fn below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let targets = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped);
    let mut found: Vec<PathBuf> = targets
        .filter(|target| target.starts_with(folder) && target != folder)
        .collect();
    found.reverse();
    found
}

/// proc(5): space, tab, newline and backslash are written in octal.
fn unescaped(field: &str) -> PathBuf {
    let plain = field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n");
    PathBuf::from(plain.replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_and_the_latest_first() {
        let table = "\
            21 1 254:0 / / rw - ext4 /dev/vda rw\n\
            30 21 0:5 / /lab/hosts/cp1/root rw - overlay overlay rw\n\
            31 30 0:6 / /lab/hosts/cp1/root/a\\040b rw - tmpfs tmpfs rw\n\
            32 21 0:7 / /lab/hosts2 rw - tmpfs tmpfs rw\n";
        let expected = ["/lab/hosts/cp1/root/a b", "/lab/hosts/cp1/root"].map(PathBuf::from);
        assert_eq!(below(table, Path::new("/lab/hosts")), expected);
    }
}
