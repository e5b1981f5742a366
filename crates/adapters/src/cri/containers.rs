//! [`CriContainers`]: the runtimes of this host, asked in order.

use std::path::{Path, PathBuf};

use kubepki_engine::ports::{Container, ContainerError, Containers};
use tonic::{Code, Status};

use super::api::{Runtime, words};
use super::log;

/// Where runtimes listen unless told otherwise, in the order they are asked.
const SOCKETS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    // Inside the kubelet, before 1.24.
    "/run/dockershim.sock",
    "/run/k3s/containerd/containerd.sock",
];

/// Asks the container runtimes of the host that this program runs on.
///
/// A host may have more than one: docker brings a containerd that knows nothing of the kubelet's
/// containers. So every runtime is asked until one knows the container.
///
/// It blocks, and runs its own small runtime inside; it is not to be called from asynchronous code.
#[derive(Clone, Debug)]
pub struct CriContainers {
    sockets: Vec<PathBuf>,
}

impl CriContainers {
    /// Asks at the usual sockets of containerd, CRI-O and cri-dockerd.
    pub fn new() -> Self {
        Self::at(SOCKETS.iter().map(PathBuf::from).collect())
    }

    /// Asks at these sockets instead, e.g. the kubelet's `--container-runtime-endpoint`.
    pub fn at(sockets: Vec<PathBuf>) -> Self {
        Self { sockets }
    }

    /// Puts a question to each runtime until one answers with something. `Ok(None)` from all that
    /// could be asked is an answer; none that could be asked is an error.
    fn ask<T>(
        &self,
        operation: &'static str,
        question: impl AsyncFn(&mut Runtime) -> Result<Option<T>, Status>,
    ) -> Result<Option<(T, &Path)>, ContainerError> {
        let failed = |socket: &Path, detail| ContainerError {
            operation,
            socket: socket.display().to_string(),
            detail,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(Path::new("any socket"), error.to_string()))?;

        let mut silent = Vec::new();
        let mut asked = false;
        for socket in self.sockets.iter().filter(|socket| socket.exists()) {
            let outcome = runtime.block_on(async {
                let mut runtime = match Runtime::connect(socket).await {
                    Ok(runtime) => runtime,
                    Err(detail) => return Ok(Err(detail)),
                };
                question(&mut runtime).await.map(Ok)
            });
            match outcome {
                Ok(Ok(Some(found))) => return Ok(Some((found, socket))),
                Ok(Ok(None)) => asked = true,
                Ok(Err(detail)) => silent.push(failed(socket, detail)),
                Err(status) => return Err(failed(socket, words(&status))),
            }
        }
        match (asked, silent.into_iter().next()) {
            (true, _) => Ok(None),
            (false, Some(error)) => Err(error),
            (false, None) => {
                let sockets: Vec<_> = self
                    .sockets
                    .iter()
                    .map(|socket| socket.display().to_string())
                    .collect();
                Err(ContainerError {
                    operation,
                    socket: sockets.join(", "),
                    detail: "there is no such socket".to_owned(),
                })
            }
        }
    }

    /// As [`Self::ask`], for a container that must exist.
    fn ask_about<T>(
        &self,
        operation: &'static str,
        id: &str,
        question: impl AsyncFn(&mut Runtime) -> Result<T, Status>,
    ) -> Result<(T, &Path), ContainerError> {
        let found = self.ask(operation, async |runtime| match question(runtime).await {
            Ok(answer) => Ok(Some(answer)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        })?;
        found.ok_or_else(|| ContainerError {
            operation,
            socket: "every runtime".to_owned(),
            detail: format!("there is no container {id}"),
        })
    }
}

impl Default for CriContainers {
    fn default() -> Self {
        Self::new()
    }
}

impl Containers for CriContainers {
    fn find(&self, name: &str) -> Result<Vec<Container>, ContainerError> {
        let found = self.ask("list containers", async |runtime| {
            let containers = runtime.containers(name).await?;
            Ok((!containers.is_empty()).then_some(containers))
        })?;
        let mut containers = found.map(|(containers, _)| containers).unwrap_or_default();
        containers
            .sort_by_key(|container| std::cmp::Reverse((container.created, container.attempt)));
        Ok(containers)
    }

    fn log(&self, id: &str, lines: usize) -> Result<Vec<String>, ContainerError> {
        let operation = "read a container's log";
        let (path, socket) =
            self.ask_about(operation, id, async |runtime| runtime.log_path(id).await)?;
        let failed = |detail| ContainerError {
            operation,
            socket: socket.display().to_string(),
            detail,
        };
        if path.is_empty() {
            return Err(failed(format!("the runtime keeps no log of {id}")));
        }
        log::last_lines(Path::new(&path), lines).map_err(|error| failed(error.to_string()))
    }

    fn stop(&self, id: &str, grace_seconds: u32) -> Result<(), ContainerError> {
        self.ask_about("stop a container", id, async |runtime| {
            runtime.stop(id, grace_seconds).await
        })?;
        Ok(())
    }
}
