//! Certificates that are lost: made anew after the user's layout, which says what stands in each file,
//! or after the profile of their role, where the user asks for it.

use super::planner::Planner;
use crate::assess::renewable::NotRenewable;
use crate::layouts::profiles::{Filled, Profile};
use crate::model::{Entry, Holder, Inventory};
use crate::plan::document::Origin;

impl Planner<'_> {
    /// What the entry is made after: there is no certificate, something names the file that it belongs
    /// into, and its key has a place.
    pub(super) fn pattern_of(&self, entry: &Entry) -> Option<Pattern<'_>> {
        let has_place = match &entry.holder {
            Holder::Files { key, .. } => key.is_some(),
            // The kubeconfig itself must be there: it alone knows the API server's address.
            Holder::Kubeconfig { user, .. } => !user.is_empty(),
            Holder::CertificateStore { .. } => false,
        };
        if !(has_place && entry.chain.is_empty() && entry.required) {
            return None;
        }
        if let Some(content) = self.declared(entry) {
            return Some(Pattern::Layout(content));
        }
        let profiles = self.request.profiles.as_ref()?;
        let profile = profiles.of(entry.role)?;
        (!entry.used_by.is_empty()).then_some(Pattern::Profile(profile))
    }

    /// What the layout says of the entry's file, where what is lost is to be made after it.
    fn declared(&self, entry: &Entry) -> Option<&Filled> {
        let declared = self.inventory.declared.as_ref()?;
        let content = declared.contents.get(entry.holder.path())?;
        self.request.after_layout.then_some(content)
    }

    pub(super) fn origin_of_pattern(&mut self, entry: &Entry, made: Filled) -> Origin {
        let (code, says) = match self.declared(entry) {
            Some(_) => ("made-from-layout", "the layout".to_owned()),
            None => (
                "made-from-profile",
                format!("the profile of {}", entry.role),
            ),
        };
        self.notice(
            code,
            &entry.name,
            format!(
                "there is no certificate to take anything from: it will say what {says} says, CN={}{}{}",
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

/// What a certificate that is lost is made after.
pub(super) enum Pattern<'a> {
    /// What the user's layout says of this very file.
    Layout(&'a Filled),
    /// What certificates of its role say.
    Profile(&'a Profile),
}

impl Pattern<'_> {
    /// What it will say; refused where this host does not tell everything that a profile needs.
    pub(super) fn on(&self, inventory: &Inventory) -> Result<Filled, NotRenewable> {
        match self {
            Self::Layout(content) => Ok((*content).clone()),
            Self::Profile(profile) => {
                profile
                    .on(inventory)
                    .map_err(|word| NotRenewable::NoCertificate {
                        reason: format!(
                            "its profile needs {{{word}}}, which no flag on this host tells: write it out in a file of your own for --profiles"
                        ),
                    })
            }
        }
    }
}
