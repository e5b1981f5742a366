//! What the user wants renewed, and how.

use crate::layouts::Profiles;
use crate::plan::lifetime::{EndRule, StartRule};
use crate::plan::names::NameEdits;
use jiff::SignedDuration;
use std::path::PathBuf;

/// Which certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every renewable one.
    All,
    /// These names or paths.
    Named(Vec<String>),
}

/// What the user wants.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// Which certificates.
    pub selection: Selection,
    /// Only those with less than this left.
    pub only_expiring: Option<SignedDuration>,
    /// Also those that need no renewal.
    pub force: bool,
    /// Start of validity.
    pub start: StartRule,
    /// End of validity.
    pub end: EndRule,
    /// Keep the key that is there.
    pub reuse_key: bool,
    /// Another type of key, e.g. `ecdsa:p256`; `None` keeps the type.
    pub key_type: Option<String>,
    /// Subject alternative names.
    pub names: NameEdits,
    /// Leave every component alone.
    pub no_restart: bool,
    /// Renew an expired CA with its own key first.
    pub renew_expired_ca: bool,
    /// Write certification requests here where the CA's key is kept elsewhere.
    pub csr_dir: Option<PathBuf>,
    /// Take signed certificates from here.
    pub install: Option<PathBuf>,
    /// What to make certificates of that are lost; without it they stay so.
    pub profiles: Option<Profiles>,
    /// Make what is lost after the layout that the user declared, where it names the file.
    pub after_layout: bool,
}

impl RenewRequest {
    /// A plain `renew` of these.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            only_expiring: None,
            force: false,
            start: StartRule::default(),
            end: EndRule::default(),
            reuse_key: false,
            key_type: None,
            names: NameEdits::default(),
            no_restart: false,
            renew_expired_ca: false,
            csr_dir: None,
            install: None,
            profiles: None,
            after_layout: false,
        }
    }

    /// Whether nothing is asked that would change a certificate beside its dates.
    pub(super) fn is_plain(&self) -> bool {
        !self.reuse_key
            && self.key_type.is_none()
            && self.names.is_empty()
            && self.start.is_default()
    }
}
