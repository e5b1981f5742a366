//! The runc configuration of a host: a container that boots systemd as a whole machine would.
//! Format: OCI runtime specification 1.0.2.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Capabilities in the order of their bits (linux/capability.h).
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID \
    SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER \
    SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE \
    SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN \
    SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// Folders of a host that are bind mounts, since overlayfs can't stack on overlayfs: name beside
/// the host's root, and where the host sees it.
pub const BOUND_FOLDERS: [(&str, &str); 3] = [
    ("containerd", "/var/lib/containerd"),
    ("kubelet", "/var/lib/kubelet"),
    ("etcd", "/var/lib/etcd"),
];

/// The configuration of the host in `folder`, named `name`, in the network namespace `namespace`,
/// with its processes in the cgroup `cgroup`.
pub fn config(folder: &Path, name: &str, namespace: &str, cgroup: &str) -> Result<Value> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let limits = fs_err::read_to_string("/proc/self/limits")?;
    let capabilities = held_capabilities(&status).context("no CapBnd in /proc/self/status")?;
    let open_files = open_files(&limits).context("no Max open files in /proc/self/limits")?;

    let mut mounts = vec![
        file_system("/proc", "proc", &[]),
        file_system("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755"]),
        file_system(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
            ],
        ),
        file_system("/dev/shm", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
        file_system("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        file_system("/sys", "sysfs", &["nosuid", "noexec", "nodev", "rw"]),
        file_system(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "rw"],
        ),
        file_system("/run", "tmpfs", &["nosuid", "nodev", "mode=755"]),
        file_system("/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
        // kubelet watches the kernel's log for out-of-memory kills
        bind(Path::new("/dev/kmsg"), "/dev/kmsg"),
    ];
    mounts.extend(BOUND_FOLDERS.map(|(beside, target)| bind(&folder.join(beside), target)));

    let mut namespaces: Vec<Value> = ["pid", "ipc", "uts", "mount", "cgroup"]
        .map(|kind| json!({ "type": kind }))
        .to_vec();
    namespaces.push(json!({ "type": "network", "path": format!("/var/run/netns/{namespace}") }));

    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "cwd": "/",
            "args": ["/lib/systemd/systemd", "--log-target=journal"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "container=docker",
            ],
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "inheritable": capabilities,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": open_files, "soft": open_files }],
        },
        "root": { "path": folder.join("root"), "readonly": false },
        "hostname": name,
        "mounts": mounts,
        "linux": {
            "resources": { "devices": [{ "allow": true, "access": "rwm" }] },
            "cgroupsPath": format!("/{cgroup}"),
            "namespaces": namespaces,
        },
    }))
}

fn file_system(target: &str, kind: &str, options: &[&str]) -> Value {
    json!({ "destination": target, "type": kind, "source": kind, "options": options })
}

fn bind(source: &Path, target: &str) -> Value {
    json!({ "destination": target, "type": "bind", "source": source, "options": ["rbind", "rw"] })
}

/// A container can be given no capability that this process lacks itself.
fn held_capabilities(status: &str) -> Option<Vec<String>> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))?;
    let held = u64::from_str_radix(line.trim(), 16).ok()?;
    let names = CAPABILITIES.split_whitespace().enumerate();
    Some(
        names
            .filter(|(bit, _)| held >> bit & 1 == 1)
            .map(|(_, n)| format!("CAP_{n}"))
            .collect(),
    )
}

/// The hard limit, but no more than what services are used to: some size a table by it.
fn open_files(limits: &str) -> Option<u64> {
    const ENOUGH: u64 = 1 << 20;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" {
        return Some(ENOUGH);
    }
    Some(hard.parse::<u64>().ok()?.min(ENOUGH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_held_capabilities_are_given() {
        let held = held_capabilities("Name:\tx\nCapBnd:\t0000000000000003\n").unwrap();
        assert_eq!(held, ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
        assert_eq!(
            held_capabilities("CapBnd:\t000001ffffffffff\n")
                .unwrap()
                .len(),
            41
        );
    }

    #[test]
    fn the_limit_of_open_files_is_bounded() {
        let line = |hard: &str| format!("Max open files            1024      {hard}      files\n");
        assert_eq!(open_files(&line("4096")), Some(4096));
        assert_eq!(open_files(&line("unlimited")), Some(1 << 20));
    }
}
