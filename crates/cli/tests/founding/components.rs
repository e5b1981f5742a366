//! Real Kubernetes programs and etcd, on free loopback ports, ended when dropped.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that runs.
pub struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// A program of `KUBEBUILDER_ASSETS`.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS")
        .expect("KUBEBUILDER_ASSETS names the folder of etcd, kube-apiserver and kubectl");
    PathBuf::from(folder).join(name)
}

/// A port that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Running {
    /// Starts a program; what it says goes into `NAME.log` of `folder`.
    pub fn start(name: &'static str, folder: &Path, flags: &[String]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).unwrap();
        let child = Command::new(program(name))
            .args(flags)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child, log }
    }

    /// Waits until `condition` holds; fails with the end of the log when the program has ended or a
    /// minute has passed.
    pub fn until(&mut self, what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > Duration::from_secs(60) {
                let log = std::fs::read_to_string(&self.log).unwrap();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(25)..].join("\n");
                panic!("{}: waited for {what}; ended: {ended:?}\n{last}", self.name);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
