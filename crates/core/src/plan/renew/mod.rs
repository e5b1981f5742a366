//! Planning a renewal: from an inventory and what the user wants to a [`Plan`] or a [`Refusal`].
//!
//! Pure. Nothing is read and nothing is written here; `now` is an argument. The plan keeps what the
//! old certificate has (subject, names, usages, extensions, key type, files) unless told otherwise.

mod leaf;
mod planner;
mod refusal;
mod request;

pub use refusal::Refusal;
pub use request::{RenewRequest, Selection};

use super::document::Plan;
use crate::model::Inventory;
use jiff::Timestamp;
use planner::Planner;

/// Plans the renewal of what `request` selects.
pub fn plan_renewal(
    inventory: &Inventory,
    request: &RenewRequest,
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let mut planner = Planner {
        inventory,
        request,
        now,
        renewed_authorities: Vec::new(),
        issuances: Vec::new(),
        trust_updates: Vec::new(),
        changed: Vec::new(),
        basis: Vec::new(),
        notices: Vec::new(),
    };
    let selected = planner.select()?;
    if !request.names.is_empty() && selected.len() > 1 {
        return Err(Refusal::NamesOnMany {
            count: selected.len(),
        });
    }
    if request.renew_expired_ca {
        planner.renew_expired_authorities(&selected)?;
    }
    for entry in &selected {
        planner.renew(entry)?;
    }
    planner.update_trust(&selected);
    Ok(planner.finish())
}
