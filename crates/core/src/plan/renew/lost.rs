//! Certificates that are lost: made anew after the profile of their role, where the user asks for it.

use super::planner::Planner;
use crate::assess::renewable::NotRenewable;
use crate::layouts::profiles::{Filled, Profile};
use crate::model::{Entry, Holder, Inventory};
use crate::plan::document::Origin;

impl Planner<'_> {
    /// The profile after which the entry is made: there is no certificate, something names the file
    /// that it belongs into, and its key has a place.
    pub(super) fn profile_of(&self, entry: &Entry) -> Option<&Profile> {
        let profiles = self.request.profiles.as_ref()?;
        let has_place = match &entry.holder {
            Holder::Files { key, .. } => key.is_some(),
            // The kubeconfig itself must be there: it alone knows the API server's address.
            Holder::Kubeconfig { user, .. } => !user.is_empty(),
            Holder::CertificateStore { .. } => false,
        };
        let is_lost = entry.chain.is_empty() && entry.required && !entry.used_by.is_empty();
        (has_place && is_lost).then(|| profiles.of(entry.role))?
    }

    pub(super) fn origin_of_profile(&mut self, entry: &Entry, made: Filled) -> Origin {
        self.notice(
            "made-from-profile",
            &entry.name,
            format!(
                "there is no certificate to take anything from: it will say what the profile of {} says, CN={}{}{}",
                entry.role,
                made.common_name,
                if made.names.is_empty() { "" } else { ", " },
                made.names.join(", "),
            ),
        );
        Origin::Profile {
            common_name: made.common_name,
            organizations: made.organizations,
            usages: made.usages,
        }
    }
}

/// Refuses a profile of which this host does not tell everything.
pub(super) fn filled(profile: &Profile, inventory: &Inventory) -> Result<(), NotRenewable> {
    profile
        .on(inventory)
        .map(drop)
        .map_err(|word| NotRenewable::NoCertificate {
            reason: format!(
                "its profile needs {{{word}}}, which no flag on this host tells: write it out in a file of your own for --profiles"
            ),
        })
}
