//! haproxy before the API servers of a lab, at the bridge's own address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::host::Host;
use crate::network::Subnet;
use crate::tool::Tool;
use crate::wait;

/// The load balancer of one lab.
pub(crate) struct Balancer {
    folder: PathBuf,
}

impl Balancer {
    /// The load balancer of the lab in `folder`.
    pub fn of(folder: &Path) -> Self {
        Balancer {
            folder: folder.to_owned(),
        }
    }

    /// Starts it before `control_planes`.
    pub fn start(&self, subnet: Subnet, control_planes: &[Host]) -> Result<()> {
        let server = |host: &Host| {
            format!(
                "  server {} {}:6443 check check-ssl verify none inter 500ms fall 1 rise 1 \
                 on-marked-down shutdown-sessions",
                host.name(),
                host.address(),
            )
        };
        let servers: Vec<String> = control_planes.iter().map(server).collect();
        let config = include_str!("files/haproxy.cfg")
            .replace("{{pidfile}}", &self.pid_file().display().to_string())
            .replace("{{endpoint}}", &endpoint(subnet))
            .replace("{{servers}}", &servers.join("\n"));
        fs_err::write(self.config_file(), config)?;
        let log = self.folder.join("haproxy.log");
        Tool::new("haproxy")
            .arg("-f")
            .arg(self.config_file())
            .run_logged(&log)
    }

    /// Ends it, if the process of the remembered id is it.
    pub fn stop(&self) -> Result<()> {
        let Ok(text) = fs_err::read_to_string(self.pid_file()) else {
            return Ok(());
        };
        let id = text.trim().to_owned();
        if self.is_ours(&id) {
            Tool::new("kill").arg(&id).output()?;
            wait::until("the end of haproxy", Duration::from_secs(10), || {
                Ok(!self.is_ours(&id))
            })?;
        }
        fs_err::remove_file(self.pid_file())?;
        Ok(())
    }

    /// Process ids are used again: the command line tells.
    fn is_ours(&self, id: &str) -> bool {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&self.config_file().display().to_string())
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("haproxy.pid")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("haproxy.cfg")
    }
}

/// Where a lab's API is reached.
pub(crate) fn endpoint(subnet: Subnet) -> String {
    format!("{}:6443", subnet.bridge())
}
