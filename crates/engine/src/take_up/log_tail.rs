//! A component's last log lines, from wherever it logs: those that tell something.
//!
//! A Go program that gives up writes a stack for each of its goroutines (300 lines and more), or all
//! of its usage; the one line that says why stands before.

use crate::discover::docker;
use crate::ports::{HostRead, Ports};
use kubepki_core::model::{Component, RunsAs};
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// As many lines as an error shows.
pub const LINES: usize = 10;

/// How far back the reason is looked for.
const LOOKED_AT: usize = 1000;

/// Of the lines shown, as many may come from further back because they tell of an error.
const ERRORS: usize = 5;

/// The kubelet's links to the runtime's log files: `NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log`.
const POD_LOGS: &str = "/var/log/pods";

/// The kubelet has the runtime rotate at 10 MiB; docker's files have no limit of their own.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;

/// The component's last lines, oldest first; empty when there are none to be had. Never an error:
/// this is asked when something else has failed already.
pub fn of(ports: &Ports<'_>, component: &Component) -> Vec<String> {
    let lines = match &component.runs_as {
        RunsAs::SystemdUnit { unit } => {
            ports.services.unit_log(unit, LOOKED_AT).unwrap_or_default()
        }
        RunsAs::StaticPod { container, .. } => of_container(ports, container),
        RunsAs::DockerContainer { container } => {
            of_docker(ports.host, container).unwrap_or_default()
        }
        RunsAs::Process => Vec::new(),
    };
    telling(&lines)
}

/// The last lines that are no part of a stack; where errors stand before those, they come first.
fn telling(lines: &[String]) -> Vec<String> {
    let said: Vec<&String> = without_stacks(lines);
    let mut start = said.len().saturating_sub(LINES);
    let mut shown: Vec<&String> = Vec::new();
    let in_tail = said
        .iter()
        .skip(start)
        .filter(|line| is_error(line))
        .count();
    if in_tail < ERRORS {
        let earlier: Vec<&String> = said
            .iter()
            .take(start)
            .copied()
            .filter(|line| is_error(line))
            .collect();
        let kept = earlier.len().min(ERRORS - in_tail);
        shown.extend(earlier.into_iter().rev().take(kept).rev());
        start += kept;
    }
    shown.extend(said.into_iter().skip(start));
    shown.into_iter().cloned().collect()
}

/// A function of a stack stands above an indented place in the source.
fn without_stacks(lines: &[String]) -> Vec<&String> {
    let is_place = |line: &String| line.starts_with('\t');
    lines
        .iter()
        .enumerate()
        .filter(|(index, line)| {
            let names_function = lines.get(index + 1).is_some_and(is_place) && line.contains('(');
            let is_heading = line.starts_with("goroutine ") || line.starts_with("created by ");
            !(line.trim().is_empty() || is_place(line) || names_function || is_heading)
        })
        .map(|(_, line)| line)
        .collect()
}

/// As klog (`E1122 …`, `F1122 …`), etcd and the Go runtime write errors. What klog's goroutine dump
/// repeats is no new error.
fn is_error(line: &str) -> bool {
    let mut letters = line.chars();
    let is_klog = matches!(letters.next(), Some('E' | 'F'))
        && letters
            .by_ref()
            .take(4)
            .filter(char::is_ascii_digit)
            .count()
            == 4
        && letters.next() == Some(' ');
    let words = [
        "panic:",
        "[fatal]",
        "\"level\":\"fatal\"",
        " C | ",
        "Error: ",
    ];
    is_klog || words.iter().any(|word| line.contains(word))
}

fn of_container(ports: &Ports<'_>, container: &str) -> Vec<String> {
    // The newest container may not have said anything yet; why the one before it died is there.
    let said = ports
        .containers
        .find(container)
        .unwrap_or_default()
        .into_iter()
        .take(3)
        .filter_map(|found| ports.containers.log(&found.id, LOOKED_AT).ok())
        .find(|lines| !lines.is_empty());
    said.unwrap_or_else(|| from_files(ports.host, container).unwrap_or_default())
}

/// Where the runtime cannot be asked, its files can still be read.
fn from_files(host: &dyn HostRead, container: &str) -> Option<Vec<String>> {
    let mut files: Vec<_> = host
        .list(Path::new(POD_LOGS))
        .ok()?
        .into_iter()
        .flat_map(|pod| log_files(host, &Path::new(POD_LOGS).join(pod).join(container)))
        .filter_map(|path| Some((host.metadata(&path).ok()?, path)))
        .filter(|(metadata, _)| metadata.len > 0)
        .collect();
    files.sort_by_key(|(metadata, _)| metadata.modified);
    let (_, newest) = files.pop()?;
    lines_of(host, &newest)
}

/// docker keeps one file for a container, through all its restarts.
fn of_docker(host: &dyn HostRead, container: &str) -> Option<Vec<String>> {
    lines_of(host, &docker::log_of(host, container)?)
}

/// The last lines of a runtime's file.
fn lines_of(host: &dyn HostRead, file: &Path) -> Option<Vec<String>> {
    let contents = host.read_end(file, LOG_LIMIT).ok()?;
    let text = String::from_utf8_lossy(danger::open(&contents)).into_owned();
    let mut lines: Vec<String> = text.lines().rev().take(LOOKED_AT).map(message).collect();
    lines.reverse();
    Some(lines)
}

fn log_files(host: &dyn HostRead, folder: &Path) -> Vec<PathBuf> {
    host.list(folder)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "log"))
        .map(|name| folder.join(name))
        .collect()
}

/// A line of the CRI's format (`TIME stdout F TEXT`) or docker's (`{"log":"TEXT\n",…}`), without
/// what the runtime added.
fn message(line: &str) -> String {
    if line.starts_with('{')
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(line)
        && let Some(text) = value.get("log").and_then(serde_json::Value::as_str)
    {
        return text.trim_end().to_owned();
    }
    let mut fields = line.splitn(4, ' ');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(_), Some("stdout" | "stderr"), Some("F" | "P"), Some(text)) => text.to_owned(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, message, telling};

    #[test]
    fn the_reason_is_shown_and_the_stacks_are_not() {
        let mut log = vec![
            "I1122 01:58:00.000001 1 server.go:1] starting".to_owned(),
            "F1122 01:58:01.000001 1 server.go:156] unknown flag: --bogus".to_owned(),
        ];
        for _ in 0..100 {
            log.extend(
                [
                    "goroutine 72 [select]:",
                    "k8s.io/kubernetes/vendor/go.opencensus.io/stats/view.(*worker).start(0xc)",
                    "\t/tmp/k8s/view/worker.go:154 +0xad",
                    "created by k8s.io/kubernetes/vendor/go.opencensus.io/stats/view.init.0",
                    "\t/tmp/k8s/view/worker.go:32 +0x85",
                    "",
                ]
                .map(str::to_owned),
            );
        }
        log.push("kubelet.service: Main process exited, code=exited, status=255".to_owned());
        let shown = telling(&log);
        assert_eq!(shown.len(), 3, "{shown:#?}");
        assert!(shown[1].contains("--bogus"), "{shown:#?}");
    }

    #[test]
    fn an_error_before_much_else_comes_first() {
        let mut log: Vec<String> = vec!["F1122 01:58:01.000001 1 x.go:1] why".to_owned()];
        log.extend((0..50).map(|number| format!("      --flag-{number} string   usage")));
        let shown = telling(&log);
        assert_eq!(shown.len(), LINES);
        assert!(shown[0].ends_with("why"), "{shown:#?}");
        assert!(shown[9].contains("--flag-49"), "{shown:#?}");
    }

    #[test]
    fn what_the_runtime_adds_to_a_line_is_taken_off() {
        let cases = [
            (
                "2026-11-22T00:40:30.56Z stderr F 2026 I | mvcc: x",
                "2026 I | mvcc: x",
            ),
            (r#"{"log":"E1 failed\n","stream":"stderr"}"#, "E1 failed"),
            ("plain text of somebody", "plain text of somebody"),
            ("{broken", "{broken"),
        ];
        for (line, expected) in cases {
            assert_eq!(message(line), expected);
        }
    }
}
