//! The end of a container's log file.
//!
//! Runtimes write the CRI log format (`2016-10-06T00:17:09.669794202Z stdout F text`, where the tag
//! `P` says that the line goes on in the next entry); docker writes JSON objects.
//! See <https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>.
//!
//! Not here: rotated files. A container that has just logged its last words has them in this one.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// How much of the end is looked at.
const TAIL: u64 = 1 << 20;

/// The last lines, oldest first, without time, stream and tag.
pub(super) fn last_lines(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = fs_err::File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // The container may be writing faster than this reads.
    file.take(2 * TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let complete = match text.split_once('\n') {
        // Begun in the middle of an entry.
        Some((_, rest)) if start > 0 => rest,
        _ => &text,
    };
    Ok(join(complete.lines().filter_map(entry), lines))
}

struct Entry {
    stream: String,
    text: String,
    goes_on: bool,
}

fn entry(line: &str) -> Option<Entry> {
    if line.starts_with('{') {
        return docker_entry(line);
    }
    let mut fields = line.splitn(4, ' ');
    let (_time, stream, tags) = (fields.next()?, fields.next()?, fields.next()?);
    let text = fields.next().unwrap_or_default().to_owned();
    // Tags are separated by colons; the first tells whether the line is complete.
    let goes_on = tags.split(':').next() == Some("P");
    Some(Entry {
        stream: stream.to_owned(),
        text,
        goes_on,
    })
}

fn docker_entry(line: &str) -> Option<Entry> {
    #[derive(Deserialize)]
    struct DockerEntry {
        log: String,
        #[serde(default)]
        stream: String,
    }
    let DockerEntry { log, stream } = serde_json::from_str(line).ok()?;
    let text = log.strip_suffix('\n');
    Some(Entry {
        stream,
        goes_on: text.is_none(),
        text: text.map(str::to_owned).unwrap_or(log),
    })
}

/// Joins the pieces of each stream's lines and keeps the last `limit` lines.
fn join(entries: impl Iterator<Item = Entry>, limit: usize) -> Vec<String> {
    let mut open: Vec<Entry> = Vec::new();
    let mut lines = VecDeque::new();
    let mut keep = |line: String| {
        lines.push_back(line);
        if lines.len() > limit {
            lines.pop_front();
        }
    };
    for mut entry in entries {
        if let Some(begun) = open.iter().position(|begun| begun.stream == entry.stream) {
            let mut text = open.swap_remove(begun).text;
            text.push_str(&entry.text);
            entry.text = text;
        }
        if entry.goes_on {
            open.push(entry);
        } else {
            keep(entry.text);
        }
    }
    // A container that died inside a line.
    open.into_iter().for_each(|entry| keep(entry.text));
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, limit: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        fs_err::write(&path, text).unwrap();
        last_lines(&path, limit).unwrap()
    }

    #[test]
    fn entries_lose_time_stream_and_tag() {
        let log = "2020-01-01T00:00:00.1Z stdout F one\n\
                   2020-01-01T00:00:00.2Z stderr F two words\n\
                   2020-01-01T00:00:00.3Z stderr F \n\
                   2020-01-01T00:00:00.4Z stderr F\n";
        assert_eq!(of(log, 9), ["one", "two words", "", ""]);
        assert_eq!(of(log, 3), ["two words", "", ""]);
        assert_eq!(of("", 3), Vec::<String>::new());
    }

    #[test]
    fn pieces_are_joined_for_each_stream() {
        let log = "t stdout P on\nt stderr P E: \nt stdout P e \nt stderr F bad\n\
                   t stdout F line\nt stderr P cut off";
        assert_eq!(of(log, 9), ["E: bad", "one line", "cut off"]);
    }

    #[test]
    fn docker_writes_json() {
        let log = "{\"log\":\"one\\n\",\"stream\":\"stderr\",\"time\":\"t\"}\n\
                   {\"log\":\"tw\",\"stream\":\"stderr\",\"time\":\"t\"}\n\
                   {\"log\":\"o\\n\",\"stream\":\"stderr\",\"time\":\"t\"}\nnonsense\n";
        assert_eq!(of(log, 9), ["one", "two"]);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read() {
        let mut log = String::new();
        for number in 0..60_000 {
            log.push_str(&format!("2020-01-01T00:00:00.1Z stdout F line {number}\n"));
        }
        assert!(log.len() as u64 > 2 * TAIL);
        assert_eq!(of(&log, 2), ["line 59998", "line 59999"]);
        let all = of(&log, usize::MAX);
        assert!(
            all.iter().all(|line| line.starts_with("line ")),
            "begins inside an entry"
        );
    }
}
