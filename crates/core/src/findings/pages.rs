//! Rows of the catalogue as Markdown: one page for each, and an index. `docs/findings` is made of
//! them, and `kubepki explain` shows the same text on a terminal.

use super::{CATALOGUE, FindingKind};
use crate::model::Severity;
use std::fmt::Write as _;

/// Lines of prose are not longer, so that a page can be read on a narrow terminal too.
const WIDTH: usize = 80;

/// The page of one kind.
pub fn page(kind: &FindingKind) -> String {
    let mut page = format!(
        "# {}\n\n{} · **{}** · said by {}\n\n{}\n",
        kind.code,
        kind.title,
        word(kind.severity),
        verbs(kind),
        wrapped(kind.meaning)
    );
    for (heading, text) in [
        ("How it comes about", kind.cause),
        ("How it is known", kind.known_by),
        ("What mends it", kind.remedy),
    ] {
        // writing to a string cannot fail
        let _ = write!(page, "\n## {heading}\n\n{}\n", wrapped(text));
    }
    if !kind.commands.is_empty() {
        page.push_str("\n```sh\n");
        for command in kind.commands {
            page.push_str(command);
            page.push('\n');
        }
        page.push_str("```\n");
    }
    let _ = write!(
        page,
        "\n## Example\n\n```text\n{} {}\n```\n",
        word(kind.severity),
        kind.example
    );
    page
}

/// The list of all kinds.
pub fn index() -> String {
    let mut index = "# Findings\n\n".to_owned();
    index.push_str(&wrapped(
        "Everything that `kubepki status`, `kubepki doctor` and `kubepki inspect` find wrong has a \
         code that stays the same. Each has a page here: what it means, how it comes about, how it is \
         known, and what mends it. `kubepki explain CODE` shows the same page on the host, without \
         a network. Severities: critical does not work now, or will not at the next restart (exit \
         code 4); warning will hurt if left (exit code 3); info is worth knowing (exit code 0).",
    ));
    index.push('\n');
    for subject in CATALOGUE {
        let _ = write!(
            index,
            "\n## {}\n\n| code | severity | |\n|---|---|---|\n",
            subject.title
        );
        for kind in subject.kinds {
            let _ = writeln!(
                index,
                "| [`{code}`]({code}.md) | {} | {} |",
                word(kind.severity),
                kind.title,
                code = kind.code
            );
        }
    }
    index.push_str(
        "\nThese pages are written by `cargo xtask docs` from `crates/core/src/findings`.\n",
    );
    index
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn verbs(kind: &FindingKind) -> String {
    let verbs: Vec<String> = kind.verbs.iter().map(|verb| format!("`{verb}`")).collect();
    verbs.join(", ")
}

/// Text in lines of at most [`WIDTH`] characters; paragraphs stay paragraphs.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && longer > WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::all;

    #[test]
    fn prose_is_wrapped_and_nothing_is_lost() {
        for kind in all() {
            let text = wrapped(kind.meaning);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&text), words(kind.meaning));
        }
        assert_eq!(wrapped("one\n\ntwo three"), "one\n\ntwo three");
    }

    #[test]
    fn the_index_links_every_page() {
        let index = index();
        for kind in all() {
            assert!(index.contains(&format!("[`{0}`]({0}.md)", kind.code)));
        }
    }
}
