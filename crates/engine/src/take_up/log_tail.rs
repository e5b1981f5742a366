//! A component's last log lines, from wherever it logs.

use crate::ports::{HostRead, Ports};
use kubepki_core::model::{Component, RunsAs};
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// As many lines as an error shows.
pub const LINES: usize = 10;

/// The kubelet's links to the runtime's log files: `NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log`.
const POD_LOGS: &str = "/var/log/pods";

/// The kubelet has the runtime rotate at 10 MiB; docker's files have no limit of their own.
const LOG_LIMIT: u64 = 256 * 1024 * 1024;

/// The component's last lines, oldest first; empty when there are none to be had. Never an error:
/// this is asked when something else has failed already.
pub fn of(ports: &Ports<'_>, component: &Component) -> Vec<String> {
    let mut lines = match &component.runs_as {
        RunsAs::SystemdUnit { unit } => ports.services.unit_log(unit, LINES).unwrap_or_default(),
        RunsAs::StaticPod { container, .. } | RunsAs::DockerContainer { container } => {
            of_container(ports, container)
        }
        RunsAs::Process => Vec::new(),
    };
    let surplus = lines.len().saturating_sub(LINES);
    lines.drain(..surplus);
    lines
}

fn of_container(ports: &Ports<'_>, container: &str) -> Vec<String> {
    // The newest container may not have said anything yet; why the one before it died is there.
    let said = ports
        .containers
        .find(container)
        .unwrap_or_default()
        .into_iter()
        .take(3)
        .filter_map(|found| ports.containers.log(&found.id, LINES).ok())
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
    let contents = host.read(&newest, LOG_LIMIT).ok()?;
    let text = String::from_utf8_lossy(danger::open(&contents)).into_owned();
    let mut lines: Vec<String> = text.lines().rev().take(LINES).map(message).collect();
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
    use super::message;

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
