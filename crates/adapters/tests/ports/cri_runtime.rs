//! The container runtime interface over real gRPC on Unix sockets, with runtimes of both versions,
//! of none, and with silent ones.

use std::collections::HashMap;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use jiff::Timestamp;
use kubepki_adapters::cri::CriContainers;
use kubepki_engine::ports::Containers;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Runtime {
    log_path: String,
    stopped: Arc<Mutex<Vec<(String, i64)>>>,
}

macro_rules! runtime {
    ($version:ident, $generated:literal) => {
        mod $version {
            #[expect(unused_qualifications, clippy::all, reason = "generated code")]
            mod generated {
                include!(concat!(env!("OUT_DIR"), "/server/", $generated));
            }
            use super::*;
            pub use generated::runtime_service_server::{RuntimeService, RuntimeServiceServer};
            use generated::*;

            fn container(id: &str, created_at: i64, attempt: u32, running: bool) -> Container {
                Container {
                    id: id.to_owned(),
                    metadata: Some(ContainerMetadata {
                        name: "etcd".to_owned(),
                        attempt,
                    }),
                    state: if running { 1 } else { 2 },
                    created_at,
                    labels: HashMap::from(
                        [
                            ("io.kubernetes.container.name", "etcd"),
                            ("io.kubernetes.pod.name", "etcd-cp1"),
                            ("io.kubernetes.pod.namespace", "kube-system"),
                        ]
                        .map(|(key, value)| (key.to_owned(), value.to_owned())),
                    ),
                }
            }

            #[tonic::async_trait]
            impl RuntimeService for Runtime {
                async fn version(
                    &self,
                    _: Request<VersionRequest>,
                ) -> Result<Response<VersionResponse>, Status> {
                    Ok(Response::new(VersionResponse::default()))
                }

                async fn list_containers(
                    &self,
                    request: Request<ListContainersRequest>,
                ) -> Result<Response<ListContainersResponse>, Status> {
                    let wanted = request.into_inner().filter.unwrap().label_selector;
                    let mut containers = vec![
                        container("old", 1_600_000_000_000_000_000, 0, false),
                        container("new", 1_600_000_060_500_000_000, 1, true),
                    ];
                    containers.retain(|found| {
                        wanted
                            .iter()
                            .all(|(key, value)| found.labels.get(key) == Some(value))
                    });
                    Ok(Response::new(ListContainersResponse { containers }))
                }

                async fn container_status(
                    &self,
                    request: Request<ContainerStatusRequest>,
                ) -> Result<Response<ContainerStatusResponse>, Status> {
                    let id = request.into_inner().container_id;
                    if id != "new" {
                        return Err(Status::not_found(format!("container {id:?} not found")));
                    }
                    let status = ContainerStatus {
                        id,
                        log_path: self.log_path.clone(),
                    };
                    Ok(Response::new(ContainerStatusResponse {
                        status: Some(status),
                    }))
                }

                async fn stop_container(
                    &self,
                    request: Request<StopContainerRequest>,
                ) -> Result<Response<StopContainerResponse>, Status> {
                    let StopContainerRequest {
                        container_id,
                        timeout,
                    } = request.into_inner();
                    if container_id == "stuck" {
                        return Err(Status::unknown("context deadline exceeded"));
                    }
                    self.stopped.lock().unwrap().push((container_id, timeout));
                    Ok(Response::new(StopContainerResponse {}))
                }
            }
        }
    };
}

runtime!(v1, "runtime.v1.rs");
runtime!(v1alpha2, "runtime.v1alpha2.rs");

/// Serves on a new socket in the folder until the test ends.
fn serve(folder: &Path, name: &str, router: Router) -> PathBuf {
    let socket = folder.join(name);
    let listener = StdUnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let incoming = UnixListenerStream::new(UnixListener::from_std(listener).unwrap());
            router.serve_with_incoming(incoming).await.unwrap();
        });
    });
    socket
}

fn v1(runtime: &Runtime) -> Router {
    Server::builder().add_service(v1::RuntimeServiceServer::new(runtime.clone()))
}

fn v1alpha2(runtime: &Runtime) -> Router {
    Server::builder().add_service(v1alpha2::RuntimeServiceServer::new(runtime.clone()))
}

/// A gRPC server that knows nothing of containers, as docker's containerd.
fn neither() -> Router {
    Server::builder().add_routes(tonic::service::Routes::default())
}

#[test]
fn both_versions_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("0.log");
    fs_err::write(
        &log,
        "2020-01-01T00:00:00.1Z stderr F one\n2020-01-01T00:00:00.2Z stderr F two\n",
    )
    .unwrap();
    for (name, router) in [("v1", v1 as fn(&Runtime) -> Router), ("v1alpha2", v1alpha2)] {
        let runtime = Runtime {
            log_path: log.to_str().unwrap().to_owned(),
            ..Runtime::default()
        };
        let containers = CriContainers::at(vec![serve(folder.path(), name, router(&runtime))]);

        let found = containers.find("etcd").unwrap();
        assert_eq!(
            found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            ["new", "old"]
        );
        let newest = &found[0];
        assert_eq!(
            (
                newest.name.as_str(),
                newest.pod.as_str(),
                newest.namespace.as_str()
            ),
            ("etcd", "etcd-cp1", "kube-system")
        );
        assert_eq!((newest.running, newest.attempt), (true, 1));
        assert_eq!(
            newest.created,
            "2020-09-13T12:27:40.5Z".parse::<Timestamp>().unwrap()
        );
        assert!(!found[1].running);
        assert_eq!(containers.find("kube-apiserver").unwrap(), []);

        assert_eq!(containers.log("new", 1).unwrap(), ["two"]);
        let error = containers.log("gone", 1).unwrap_err().to_string();
        assert!(error.ends_with("there is no container gone"), "{error}");

        containers.stop("new", 30).unwrap();
        assert_eq!(*runtime.stopped.lock().unwrap(), [("new".to_owned(), 30)]);
        let error = containers.stop("stuck", 30).unwrap_err().to_string();
        assert!(error.ends_with("context deadline exceeded"), "{error}");
    }
}

#[test]
fn runtimes_are_asked_in_order_until_one_knows() {
    let folder = tempfile::tempdir().unwrap();
    let silent = folder.path().join("closed");
    drop(StdUnixListener::bind(&silent).unwrap());
    let containers = CriContainers::at(vec![
        folder.path().join("missing"),
        silent,
        serve(folder.path(), "neither", neither()),
        serve(folder.path(), "v1alpha2", v1alpha2(&Runtime::default())),
    ]);
    assert_eq!(containers.find("etcd").unwrap().len(), 2);
    let error = containers.log("new", 1).unwrap_err().to_string();
    assert!(
        error.ends_with("the runtime keeps no log of new"),
        "{error}"
    );
}

#[test]
fn no_runtime_at_all_is_an_error_that_says_what_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = CriContainers::at(vec![missing.clone()])
        .find("etcd")
        .unwrap_err();
    let words = format!(
        "cannot list containers at {}: there is no such socket",
        missing.display()
    );
    assert_eq!(error.to_string(), words);

    let neither = serve(folder.path(), "neither", neither());
    let error = CriContainers::at(vec![neither])
        .find("etcd")
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("it does not serve the CRI"), "{error}");

    let closed = folder.path().join("closed");
    drop(StdUnixListener::bind(&closed).unwrap());
    let error = CriContainers::at(vec![closed])
        .find("etcd")
        .unwrap_err()
        .to_string();
    assert!(
        error.to_lowercase().contains("connection refused"),
        "{error}"
    );
}
