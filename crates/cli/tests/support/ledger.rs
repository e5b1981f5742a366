//! Refusals, written down as people meet them.

use super::facts::Snapshot;
use super::tree::{Output, Tree};
use std::path::Path;

/// What several refusals said, for one snapshot.
#[derive(Default)]
pub struct Ledger {
    text: String,
}

impl Ledger {
    /// Runs a verb that must fail with code 1 and leave the host as it is.
    #[track_caller]
    pub fn refused(&mut self, case: &str, tree: &Tree, words: &[&str]) {
        let before = tree.snapshot();
        let output = tree.kubepki(words);
        assert_eq!(output.code, 1, "{case}: {output}");
        self.nothing_changed(case, tree, &before);
        self.note(case, words, &output);
    }

    /// Runs a verb that does part of its work, tells what not, and changes nothing of `kept`.
    #[track_caller]
    pub fn done_in_part(&mut self, case: &str, tree: &Tree, words: &[&str], kept: &[&str]) {
        let before = tree.snapshot();
        let output = tree.kubepki(words);
        assert_eq!(output.code, 1, "{case}: {output}");
        let changed = tree.changed(&before);
        for path in kept {
            let is_kept = !changed.iter().any(|changed| changed.starts_with(path));
            assert!(is_kept, "{case}: {path} changed: {output}");
        }
        self.note(case, words, &output);
    }

    /// Nothing on the host differs, and no run, archive or half of one was left behind.
    #[track_caller]
    pub fn nothing_changed(&self, case: &str, tree: &Tree, before: &Snapshot) {
        let changed = tree.changed(before);
        assert!(changed.is_empty(), "{case} changed {changed:?}");
        for folder in ["/var/lib/kubepki/backups", "/var/lib/kubepki/journal"] {
            if tree.path(folder).is_dir() {
                assert!(
                    tree.list(folder).is_empty(),
                    "{case} left {:?}",
                    tree.list(folder)
                );
            }
        }
    }

    /// Writes down what a run said on standard error, and notices on standard output.
    pub fn note(&mut self, case: &str, words: &[&str], output: &Output) {
        // One of those with the same reason is enough.
        let notice = output
            .stdout
            .lines()
            .find(|line| line.contains("apiserver: not renewed"));
        let notices = notice.map_or_else(String::new, |line| format!("{}\n", line.trim()));
        let said = format!("{notices}{}", output.stderr);
        self.note_text(case, words, &said, output.code);
    }

    /// The same for a run by other means.
    pub fn note_text(&mut self, case: &str, words: &[&str], said: &str, code: i32) {
        let words = words.join(" ");
        let entry = format!("== {case}\n$ kubepki {words}\n{said}[exit {code}]\n\n");
        self.text.push_str(&entry);
    }

    /// Compares everything with the snapshot of this name.
    pub fn compare(self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "<run>");
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>");
        settings.add_filter(r"process \d+", "process <pid>");
        settings.add_filter(r"sha256 [0-9a-f]{12}\b", "sha256 <digest>");
        // Which file is the first for which there is no room is the kernel's affair.
        settings.add_filter(
            r"cannot (create|write) \S+/\.\S+<run>",
            "cannot write <staged file>",
        );
        settings.add_filter(r"location  \S+/\.\S+<run>", "location  <staged file>");
        let program = concat!("tests/", env!("CARGO_CRATE_NAME"), "/snapshots");
        settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join(program));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.text.trim_end()));
    }
}
