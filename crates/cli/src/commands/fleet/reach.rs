//! The hosts of a document as a campaign knows them: by name.

use super::connect::Connector;
use super::document::{self, SelectedHosts};
use crate::error::CliError;
use kubepki_core::cluster_document::ClusterHost;
use kubepki_fleet::campaign::{Connect, Sessions};
use kubepki_fleet::session::{HostSession, SessionError};
use std::path::Path;

/// Sessions that are held open while nobody uses them: enough for the clusters that most have, and no
/// burden for those with a thousand nodes.
const KEPT: usize = 48;

/// All hosts of the document: those that were not selected may hold the keys that sign for them.
pub fn everybody(hosts: &SelectedHosts) -> Result<SelectedHosts, CliError> {
    let folder = hosts.document.parent().unwrap_or(Path::new("/"));
    let mut everybody = hosts.clone();
    everybody.roles.clear();
    let document = document::read(&hosts.document)?;
    for host in &document.hosts {
        if !hosts.hosts.iter().any(|known| known.name == host.name) {
            let host = document::beginning_in(folder, host.clone(), &document);
            everybody.hosts.push(host);
        }
    }
    everybody.layouts = everybody.layouts.with(&everybody.hosts)?;
    Ok(everybody)
}

/// Makes sessions with selected hosts.
pub struct Reach<'a> {
    hosts: &'a [ClusterHost],
    connector: Connector,
}

impl<'a> Reach<'a> {
    /// Of these hosts, with the `ssh` that the user chose.
    pub fn new(hosts: &'a SelectedHosts) -> Self {
        Self {
            hosts: &hosts.hosts,
            connector: Connector::new(hosts.ssh_command.clone(), hosts.layouts.clone()),
        }
    }

    /// How programs are started on hosts.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sessions of which some are kept open, for what comes back to a host.
    pub fn kept(&self) -> Sessions<'_> {
        Sessions::new(self, KEPT)
    }

    /// Sessions that end with their question: for a look at every host and nothing more.
    pub fn once(&self) -> Sessions<'_> {
        Sessions::new(self, 0)
    }
}

impl Connect for Reach<'_> {
    fn connect(&self, host: &str) -> Result<Box<dyn HostSession>, SessionError> {
        match self.hosts.iter().find(|known| known.name == host) {
            Some(known) => self.connector.connect(known),
            None => Err(SessionError::new(
                "host-not-selected",
                "it is needed and not among the selected hosts",
            )
            .hint("select it too, with --hosts")),
        }
    }
}
