//! Ports to adapters: what every verb that looks at a host needs, made in one place.

use super::layout;
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::output;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::cri::CriContainers;
use kubepki_adapters::etcd::LocalEtcd;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::host::services::LocalServices;
use kubepki_adapters::kube::{ClusterClient, KubeClient};
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::model::Inventory;
use kubepki_engine::apply::backup::Unlock;
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_engine::ports::{
    Clock, ClusterChange, ClusterError, ClusterRead, Containers, EtcdAccess, HostRead, HostWrite,
    Ports, Progress, ServiceControl,
};
use kubepki_fleet::local;
use kubepki_sealed::Sealed;
use std::path::Path;
use std::sync::Mutex;

/// What is on the host.
pub fn inventory(
    context: &Context,
    host: &dyn HostRead,
    pki_folder: &Path,
) -> Result<Inventory, CliError> {
    let options = options(context, pki_folder)?;
    // What is looked at is looked at now; --now moves the judging alone.
    discover(host, &options, SystemClock.now()).map_err(|error| host_error(&error))
}

/// The error for a host that is none of a Kubernetes cluster.
pub fn nothing_found() -> CliError {
    CliError::new(
        "nothing-found",
        "no certificate of a Kubernetes cluster was found on this host",
    )
    .hint("is this a Kubernetes node? name another folder with --ca-dir, another host's disk with --root")
}

/// The options of discovery.
pub fn options(context: &Context, pki_folder: &Path) -> Result<DiscoverOptions, CliError> {
    let pki_folder = context.host_path(pki_folder)?;
    Ok(DiscoverOptions {
        declared: layout::of_this_host(context, &pki_folder)?,
        pki_folder,
    })
}

/// Every adapter of one host.
pub struct Outside {
    changing: Changing,
    tls: RustlsProbe,
    kube: KubeClient,
    etcd: LocalEtcd,
    clock: SystemClock,
}

/// The adapters that change something.
struct Changing {
    host: Box<dyn HostWrite>,
    services: Box<dyn ServiceControl>,
    containers: Box<dyn Containers>,
}

impl Outside {
    /// The adapters for the host that the verb is about.
    pub fn new(context: &Context) -> Self {
        Self {
            changing: changing(context),
            tls: RustlsProbe::new(),
            kube: KubeClient::new(),
            etcd: LocalEtcd::new(),
            clock: SystemClock,
        }
    }

    /// The host.
    pub fn host(&self) -> &dyn HostWrite {
        self.changing.host.as_ref()
    }

    /// All of them as ports.
    pub fn ports(&self) -> Ports<'_> {
        Ports {
            host: self.changing.host.as_ref(),
            services: self.changing.services.as_ref(),
            containers: self.changing.containers.as_ref(),
            tls: &self.tls,
            kube: &self.kube,
            clock: &self.clock,
        }
    }
}

impl local::Outside for Outside {
    fn ports(&self) -> Ports<'_> {
        Self::ports(self)
    }

    fn cluster(
        &self,
        kubeconfig: &Sealed,
        folder: &Path,
        server: Option<&str>,
    ) -> Result<Box<dyn ClusterRead>, ClusterError> {
        let client = ClusterClient::new(kubeconfig, folder, server)?;
        Ok(Box::new(client))
    }

    fn changing_cluster(
        &self,
        kubeconfig: &Sealed,
        folder: &Path,
        server: Option<&str>,
    ) -> Result<Box<dyn ClusterChange>, ClusterError> {
        let client = ClusterClient::new(kubeconfig, folder, server)?;
        Ok(Box::new(client))
    }

    fn etcd(&self) -> &dyn EtcdAccess {
        &self.etcd
    }

    fn chance(&self) -> [u8; 4] {
        chance()
    }
}

#[cfg(not(feature = "fault-injection"))]
fn changing(context: &Context) -> Changing {
    Changing {
        host: Box::new(context.host().clone()),
        services: Box::new(LocalServices::new()),
        containers: Box::new(CriContainers::new()),
    }
}

/// Only in tests: every effect may be the last.
#[cfg(feature = "fault-injection")]
fn changing(context: &Context) -> Changing {
    use kubepki_engine::fault_injection::{
        FaultingContainers, FaultingHost, FaultingServices, Faults,
    };
    let faults = Faults::from_environment().unwrap_or_else(|error| {
        context.report(&CliError::usage(error));
        std::process::exit(i32::from(crate::exit_code::ExitCode::Usage.number()))
    });
    Changing {
        host: Box::new(FaultingHost::new(context.host().clone(), faults.clone())),
        services: Box::new(FaultingServices::new(LocalServices::new(), faults.clone())),
        containers: Box::new(FaultingContainers::new(CriContainers::new(), faults)),
    }
}

/// Says on standard error what is being done.
pub struct Talk<'a>(pub &'a Context);

impl Progress for Talk<'_> {
    fn say(&self, text: &str) {
        self.0.note(format_args!("  {text}"));
    }
}

/// Says what is being looked at: on a terminal, in one line that goes again; in words with `-v`.
pub struct Murmur<'a> {
    context: &'a Context,
    line: Mutex<output::Progress>,
}

impl<'a> Murmur<'a> {
    /// Silent for the first second.
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            line: Mutex::new(context.progress("looking", None)),
        }
    }
}

impl Progress for Murmur<'_> {
    fn say(&self, text: &str) {
        self.context.detail(1, format_args!("  {text}"));
        if let Ok(mut line) = self.line.lock() {
            line.doing(text);
        }
    }
}

/// Randomness for the name of a run.
pub fn chance() -> [u8; 4] {
    let serial = kubepki_keys::random_serial();
    let mut chance = [0; 4];
    for (to, from) in chance.iter_mut().zip(serial.octets().iter().rev()) {
        *to = *from;
    }
    chance
}

/// How an archive is opened: with the identity file, when one is given.
pub fn unlock(identity: Option<&Path>) -> Result<Unlock, CliError> {
    let Some(path) = identity else {
        return Ok(Unlock::Nothing);
    };
    LocalHost::live()
        .read(path, 1 << 20)
        .map(|contents: Sealed| Unlock::Identities(contents))
        .map_err(|error| host_error(&error))
}
