//! Services controlled through commands. Stand-ins record their arguments and answer what the real
//! ones do: no systemd runs where these tests do.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kubepki_adapters::host::services::LocalServices;
use kubepki_engine::ports::{ServiceControl, UnitState};
use tempfile::TempDir;

/// A host whose commands do this.
struct Host {
    folder: TempDir,
}

impl Host {
    fn doing(script: &str) -> (Self, LocalServices) {
        let host = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let command = |name: &str| {
            let path = host.folder.path().join(name);
            let log = host.log();
            let log = log.display();
            let text = format!(
                "#!/bin/sh\nprintf '%s' {name} >>{log}\nprintf ' [%s]' \"$@\" >>{log}\n\
                 echo >>{log}\n{script}\n"
            );
            fs_err::write(&path, text).unwrap();
            fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let services = LocalServices::with_commands(
            &command("systemctl"),
            &command("journalctl"),
            &command("docker"),
        );
        (host, services)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn calls(&self) -> Vec<String> {
        fs_err::read_to_string(self.log())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn a_units_state_is_read() {
    let (host, services) =
        Host::doing("echo MainPID=812; echo LoadState=loaded; echo ActiveState=active");
    let state = services.unit_state("kubelet.service").unwrap();
    assert_eq!(
        state,
        UnitState {
            active: "active".to_owned(),
            main_pid: Some(812)
        }
    );
    assert_eq!(
        host.calls(),
        ["systemctl [show] [--property=LoadState,ActiveState,MainPID] [--] [kubelet.service]"]
    );

    let (_host, services) =
        Host::doing("echo MainPID=0; echo LoadState=loaded; echo ActiveState=failed");
    let state = services.unit_state("kubelet").unwrap();
    assert_eq!(
        state,
        UnitState {
            active: "failed".to_owned(),
            main_pid: None
        }
    );
}

#[test]
fn a_unit_that_does_not_exist_is_an_error() {
    let (_host, services) =
        Host::doing("echo MainPID=0; echo LoadState=not-found; echo ActiveState=inactive");
    let error = services.unit_state("etcd.service").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot ask the state of etcd.service: there is no such unit"
    );
    let (_host, services) =
        Host::doing("echo MainPID=0; echo LoadState=masked; echo ActiveState=inactive");
    let error = services.unit_state("etcd.service").unwrap_err();
    assert!(
        error.to_string().ends_with("systemd shows it as masked"),
        "{error}"
    );
}

#[test]
fn a_failed_state_is_cleared_before_a_restart() {
    let (host, services) = Host::doing("[ $1 != reset-failed ]");
    services.restart_unit("kubelet.service").unwrap();
    assert_eq!(
        host.calls(),
        [
            "systemctl [reset-failed] [--] [kubelet.service]",
            "systemctl [--no-ask-password] [restart] [--] [kubelet.service]"
        ]
    );
    let (_host, services) = Host::doing("echo 'Job for x.service failed.' >&2; exit 1");
    let error = services.restart_unit("x.service").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot restart x.service: Job for x.service failed."
    );
}

#[test]
fn units_and_containers_are_stopped_and_started() {
    let (host, services) = Host::doing("[ $1 != reset-failed ]");
    services.stop_unit("etcd.service").unwrap();
    services.start_unit("etcd.service").unwrap();
    services.stop_docker("etcd").unwrap();
    services.start_docker("etcd").unwrap();
    assert_eq!(
        host.calls(),
        [
            "systemctl [--no-ask-password] [stop] [--] [etcd.service]",
            "systemctl [reset-failed] [--] [etcd.service]",
            "systemctl [--no-ask-password] [start] [--] [etcd.service]",
            "docker [stop] [--] [etcd]",
            "docker [start] [--] [etcd]",
        ]
    );
    let (_host, services) = Host::doing("echo no such thing >&2; exit 1");
    let errors = [
        services.stop_unit("x").unwrap_err(),
        services.start_unit("x").unwrap_err(),
        services.stop_docker("x").unwrap_err(),
        services.start_docker("x").unwrap_err(),
    ];
    assert_eq!(
        errors.map(|error| error.to_string()),
        [
            "cannot stop x: no such thing",
            "cannot start x: no such thing",
            "cannot stop docker container x: no such thing",
            "cannot start docker container x: no such thing",
        ]
    );
}

#[test]
fn logs_and_docker_get_their_arguments() {
    let (host, services) = Host::doing("echo one; echo two");
    assert_eq!(
        services.unit_log("kubelet.service", 20).unwrap(),
        ["one", "two"]
    );
    services.restart_docker("kube-apiserver").unwrap();
    assert_eq!(
        host.calls(),
        [
            "journalctl [--no-pager] [--quiet] [--output=cat] [--lines=20] [--unit=kubelet.service]",
            "docker [restart] [--] [kube-apiserver]"
        ]
    );
}
