//! A session with this machine, or with a folder that stands for one (`--root`): the engine, asked in
//! the words of [`session`](crate::session).
//!
//! The agent serves one of these, and whoever works on the machine itself uses one directly. A plan
//! that comes from elsewhere is held against what the host's own discovery finds before anything is
//! read or written for it ([`Bounds`]).
//!
//! Not here: ports and randomness, which whoever wires the program hands in as an [`Outside`].

mod ask;
mod asked;
mod bounds;
mod carry;
mod declared;
mod edit_bounds;
mod failure;
mod halt;
mod keys;
mod look;
mod old_keys;
mod rotation;
mod spelling;

pub use bounds::{Bounds, OutsideDiscovery};
pub use failure::unsettled;
pub use look::RUNS;

use crate::protocol::PROTOCOL;
use crate::session::{
    ApiAnswer, ApiQuestion, CarryReport, CarryRequest, Hello, HostSession, IssuedCertificate,
    KeyOrder, Look, LookRequest, PreparedRequest, SealedKey, SessionError, SigningOrder,
};
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_core::plan::{EtcdAct, Plan};
use kubepki_core::rotation::{ApiChange, OldKey};
use kubepki_engine::discover::{DiscoverOptions, discover, host_name};
use kubepki_engine::execute::Prepared;
use kubepki_engine::ports::{
    ClusterChange, ClusterError, ClusterRead, EtcdAccess, Ports, Progress,
};
use kubepki_engine::transit::TransitIdentity;
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a session needs of the program around it.
pub trait Outside: Send {
    /// The ports of the host.
    fn ports(&self) -> Ports<'_>;

    /// A client of the cluster's API with the credentials of a kubeconfig, whose relative paths start
    /// in `folder`; `server` replaces the kubeconfig's.
    fn cluster(
        &self,
        kubeconfig: &Sealed,
        folder: &Path,
        server: Option<&str>,
    ) -> Result<Box<dyn ClusterRead>, ClusterError>;

    /// The same, to change what a rotation changes.
    fn changing_cluster(
        &self,
        kubeconfig: &Sealed,
        folder: &Path,
        server: Option<&str>,
    ) -> Result<Box<dyn ClusterChange>, ClusterError>;

    /// etcd, as this host reaches it.
    fn etcd(&self) -> &dyn EtcdAccess;

    /// Randomness for the name of a run.
    fn chance(&self) -> [u8; 4];
}

/// A session in this process.
pub struct LocalSession<O> {
    outside: O,
    hello: Hello,
    bounds: Bounds,
    /// The folder that the last request named.
    options: DiscoverOptions,
    /// What was declared.
    layout: Option<DeclaredLayout>,
    /// Keys that wait for their certificates, by the ids of their plans. They end with the session.
    prepared: BTreeMap<String, Prepared>,
    /// Opens keys that were sealed for this session. Ends with it.
    identity: Option<TransitIdentity>,
}

impl<O: Outside> LocalSession<O> {
    /// Begins a session.
    ///
    /// # Errors
    /// When the host does not tell its name.
    pub fn open(outside: O) -> Result<Self, SessionError> {
        let ports = outside.ports();
        let host = host_name(ports.host).map_err(|error| SessionError::from(&error))?;
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host,
            clock: ports.clock.now(),
            uid: ports.host.identity().0,
        };
        Ok(Self {
            outside,
            hello,
            bounds: Bounds::default(),
            options: DiscoverOptions::default(),
            layout: None,
            prepared: BTreeMap::new(),
            identity: None,
        })
    }

    /// Looks at the host's files, and learns from them what plans may name.
    fn discover(&mut self, pki_folder: &Path) -> Result<Inventory, SessionError> {
        self.options = self.options_for(pki_folder)?;
        let ports = self.outside.ports();
        let inventory = discover(ports.host, &self.options, ports.clock.now())
            .map_err(|error| SessionError::from(&error))?;
        let declared = self.options.declared.as_ref().map(declared::paths);
        let declared = declared.unwrap_or_default();
        self.bounds.learn(ports.host, &inventory, &declared);
        Ok(inventory)
    }

    /// The inventory by which a question is answered.
    fn current(&mut self) -> Result<Inventory, SessionError> {
        let folder: PathBuf = self.options.pki_folder.clone();
        self.discover(&folder)
    }

    fn options_for(&self, pki_folder: &Path) -> Result<DiscoverOptions, SessionError> {
        if !pki_folder.is_absolute() {
            return Err(SessionError::new(
                "usage",
                format_args!(
                    "the folder {} is relative, expected an absolute path of the host",
                    pki_folder.display()
                ),
            ));
        }
        let host = self.outside.ports().host;
        let layout = self.layout.as_ref();
        let declared = layout.map(|layout| declared::declarations(host, layout, pki_folder));
        Ok(DiscoverOptions {
            pki_folder: pki_folder.to_owned(),
            declared: declared.transpose()?,
        })
    }
}

impl<O: Outside> HostSession for LocalSession<O> {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn declare(&mut self, layout: &DeclaredLayout) -> Result<(), SessionError> {
        self.layout = Some(layout.clone());
        Ok(())
    }

    fn look(
        &mut self,
        request: &LookRequest,
        progress: &dyn Progress,
    ) -> Result<Look, SessionError> {
        self.look_at(request, progress)
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Vec<PreparedRequest>, SessionError> {
        self.prepare_for(plan)
    }

    fn sign(&mut self, orders: &[SigningOrder]) -> Result<Vec<IssuedCertificate>, SessionError> {
        self.sign_orders(orders)
    }

    fn carry(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError> {
        self.carry_out(request, progress)
    }

    fn settle(
        &mut self,
        pki_folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<CarryReport>, SessionError> {
        self.settle_interrupted(pki_folder, progress)
    }

    fn halt(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        self.halt_components(components, progress)
    }

    fn start(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        self.start_components(components, progress)
    }

    fn ask(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError> {
        self.answer(question)
    }

    fn change_api(
        &mut self,
        changes: &[ApiChange],
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        self.change_objects(changes, progress)
    }

    fn etcd(&mut self, act: &EtcdAct, progress: &dyn Progress) -> Result<String, SessionError> {
        self.act_on_etcd(act, progress)
    }

    fn retire_keys(
        &mut self,
        keys: &[PathBuf],
        how: &OldKey,
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        self.retire_old_keys(keys, how, progress)
    }

    fn recipient(&mut self) -> Result<String, SessionError> {
        Ok(self.own_recipient())
    }

    fn seal_keys(&mut self, orders: &[KeyOrder]) -> Result<Vec<SealedKey>, SessionError> {
        self.seal_for_others(orders)
    }
}
