//! Running processes, read from a `proc` file system (proc(5)).
//!
//! What each process was started with is the most truthful source of which files a component
//! reads, and its start time tells whether it can have read a file that was written since. Kernel
//! threads and zombies have no arguments and are left out. Processes come and go while this reads;
//! one that vanishes half-way is simply not there.
//!
//! Not here: signals, and anything a process keeps to itself (environment, memory).

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use kubepki_engine::ports::{HostError, HostErrorKind, Process};
use rustix::time::{ClockId, clock_gettime};

use super::failure::{failed, refused};

/// Every process whose arguments can be read, by process id. `proc_root` is `/proc` for the host
/// that this program runs on.
pub fn processes(proc_root: &Path) -> Result<Vec<Process>, HostError> {
    let entries = fs::read_dir(proc_root).map_err(|error| failed("list", proc_root, &error))?;
    let boot = BootTime::read(proc_root)?;
    let own_mounts = fs::read_link(proc_root.join("self/ns/mnt")).ok();

    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", proc_root, &error))?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if let Some(process) = read_process(&entry.path(), pid, &boot, own_mounts.as_deref()) {
            found.push(process);
        }
    }
    found.sort_unstable_by_key(|process| process.pid);
    Ok(found)
}

/// One process, or nothing when it vanished, is a kernel thread or a zombie, or may not be read.
fn read_process(
    directory: &Path,
    pid: u32,
    boot: &BootTime,
    own_mounts: Option<&Path>,
) -> Option<Process> {
    let argv = arguments(&fs::read(directory.join("cmdline")).ok()?);
    if argv.is_empty() {
        return None;
    }
    let stat = fs::read(directory.join("stat")).ok()?;
    let started = boot.plus_ticks(start_ticks(&String::from_utf8_lossy(&stat))?)?;
    let unit = fs::read_to_string(directory.join("cgroup"))
        .ok()
        .and_then(|text| unit_of_control_group(&text));
    let in_host_namespace = match (own_mounts, fs::read_link(directory.join("ns/mnt"))) {
        (Some(own), Ok(theirs)) => own == theirs,
        // Another user's namespace link needs CAP_SYS_PTRACE. What systemd runs as a service is
        // on the host; what a container runtime runs has no unit of its own.
        _ => unit.is_some(),
    };
    Some(Process {
        pid,
        started,
        argv,
        in_host_namespace,
        unit,
    })
}

/// `cmdline` ends each argument with a NUL. A process that rewrote its title may leave trailing
/// NULs, which are no arguments; an empty argument in the middle is one.
fn arguments(cmdline: &[u8]) -> Vec<String> {
    let end = cmdline
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let (text, padding) = cmdline.split_at(end);
    if text.is_empty() {
        return Vec::new();
    }
    let mut argv: Vec<String> = text
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into())
        .collect();
    // `kubelet --flag ""` ends in two NULs: one ends `--flag`, the other the empty argument. More
    // than that is padding.
    if padding.len() == 2 {
        argv.push(String::new());
    }
    argv
}

/// Field 22 of `stat`, `starttime`. The second field is the name in parentheses and may hold
/// spaces and parentheses itself, so counting starts after the last one.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The service whose control group a process is in, for control groups of version 1 (the
/// `name=systemd` hierarchy) and version 2 (the line `0::`).
///
/// With the `cgroupfs` driver a runtime may put its containers below its own service's group
/// (`/system.slice/containerd.service/kubepods-…:cri-containerd:…`); their processes are not that
/// service's, and restarting it would not restart them.
fn unit_of_control_group(text: &str) -> Option<String> {
    let path_in = |wanted: fn(&str, &str) -> bool| {
        text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            wanted(id, controllers).then_some(path)
        })
    };
    // On a hybrid host both lines exist; systemd's own hierarchy is the one that it keeps exact.
    let path = path_in(|_, controllers| controllers == "name=systemd")
        .or_else(|| path_in(|id, controllers| id == "0" && controllers.is_empty()))?;
    if CONTAINER_GROUPS.iter().any(|mark| path.contains(mark)) {
        return None;
    }
    // The first service from the top is the system manager's; a `user@1000.service` has units of
    // its own below, which the system manager does not know.
    path.split('/')
        .find(|part| part.ends_with(".service"))
        .map(str::to_owned)
}

/// What container runtimes and the kubelet write into the names of their control groups.
const CONTAINER_GROUPS: [&str; 6] = [
    "kubepods",
    "cri-containerd",
    "/docker/",
    "docker-",
    "crio-",
    "libpod",
];

/// When the kernel's clock of process starts began.
struct BootTime {
    at: Timestamp,
    ticks_per_second: u64,
}

impl BootTime {
    fn read(proc_root: &Path) -> Result<Self, HostError> {
        let path = proc_root.join("stat");
        let text = fs::read_to_string(&path).map_err(|error| failed("read", &path, &error))?;
        let seconds = text
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|value| value.trim().parse::<i64>().ok())
            .and_then(|value| Timestamp::from_second(value).ok())
            .ok_or_else(|| refused("read", &path, HostErrorKind::Other, "it has no line btime"))?;
        Ok(Self {
            at: exact_boot_time(seconds).unwrap_or(seconds),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
        })
    }

    /// Start times are counted in ticks (100 a second), rounded down.
    fn plus_ticks(&self, ticks: u64) -> Option<Timestamp> {
        let seconds = i64::try_from(ticks.checked_div(self.ticks_per_second)?).ok()?;
        let rest = ticks.checked_rem(self.ticks_per_second)?;
        let nanoseconds = i32::try_from(rest * 1_000_000_000 / self.ticks_per_second).ok()?;
        self.at
            .checked_add(SignedDuration::new(seconds, nanoseconds))
            .ok()
    }
}

/// `btime` is a whole second, which is too coarse to tell whether a process started before or after
/// a file was written. Where the clocks of the running kernel agree with it (they are its source,
/// proc(5)), their difference is taken; where they do not, `proc_root` shows another kernel.
fn exact_boot_time(whole_seconds: Timestamp) -> Option<Timestamp> {
    let wall = clock_gettime(ClockId::Realtime);
    let since_boot = clock_gettime(ClockId::Boottime);
    let wall = Timestamp::new(wall.tv_sec, i32::try_from(wall.tv_nsec).ok()?).ok()?;
    let since_boot =
        SignedDuration::new(since_boot.tv_sec, i32::try_from(since_boot.tv_nsec).ok()?);
    let exact = wall.checked_sub(since_boot).ok()?;
    let apart = exact.duration_since(whole_seconds).abs();
    (apart <= SignedDuration::from_millis(1500)).then_some(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_empty_ones_in_the_middle_and_drop_padding() {
        assert_eq!(arguments(b""), Vec::<String>::new());
        assert_eq!(arguments(b"\0\0\0"), Vec::<String>::new());
        assert_eq!(arguments(b"kubelet\0--a=b\0"), ["kubelet", "--a=b"]);
        assert_eq!(arguments(b"kubelet\0\0--a\0"), ["kubelet", "", "--a"]);
        assert_eq!(arguments(b"kubelet\0--a\0\0"), ["kubelet", "--a", ""]);
        assert_eq!(arguments(b"nginx: master\0\0\0\0\0"), ["nginx: master"]);
        assert_eq!(arguments(b"no terminator"), ["no terminator"]);
        assert_eq!(arguments(b"caf\xe9\0"), ["caf\u{fffd}"]);
    }

    #[test]
    fn the_name_in_stat_may_hold_anything() {
        let rest = (3..=52)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(start_ticks(&format!("12 (kubelet) {rest}")), Some(22));
        assert_eq!(start_ticks(&format!("12 (a) b (c) {rest}")), Some(22));
        assert_eq!(start_ticks("12 (short) S 1"), None);
        assert_eq!(start_ticks(""), None);
    }

    #[test]
    fn units_are_found_in_both_versions_of_control_groups() {
        let unit = |text| unit_of_control_group(text);
        assert_eq!(
            unit("0::/system.slice/kubelet.service\n").as_deref(),
            Some("kubelet.service")
        );
        assert_eq!(
            unit("12:pids:/system.slice\n1:name=systemd:/system.slice/etcd.service\n").as_deref(),
            Some("etcd.service")
        );
        assert_eq!(
            unit("1:name=systemd:/system.slice/a.service\n0::/init.scope\n").as_deref(),
            Some("a.service")
        );
        assert_eq!(
            unit("0::/user.slice/user-0.slice/user@0.service/app.slice/etcd.service").as_deref(),
            Some("user@0.service")
        );
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope"), None);
        assert_eq!(unit("0::/"), None);
        assert_eq!(unit("nonsense"), None);
    }

    #[test]
    fn a_container_has_no_unit_even_below_its_runtimes_service() {
        let unit = |text| unit_of_control_group(text);
        assert_eq!(
            unit("0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-12.scope"),
            None
        );
        assert_eq!(
            unit("0::/system.slice/containerd.service/kubepods-burstable-pod1:cri-containerd:2"),
            None
        );
        assert_eq!(unit("1:name=systemd:/docker/0123"), None);
    }
}
