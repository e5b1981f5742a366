//! Planning a renewal: from an inventory and what the user wants to a [`Plan`] or a [`Refusal`].
//!
//! Pure. Nothing is read and nothing is written here; `now` is an argument. The plan keeps what the
//! old certificate has (subject, names, usages, extensions, key type, files) unless told otherwise.

pub(in crate::plan) mod around;
mod authority;
mod leaf;
mod lost;
pub(in crate::plan) mod planner;
mod refusal;
mod request;

pub(crate) use leaf::{destination, key_type_like};
pub(crate) use planner::origin;
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
    let mut planner = Planner::new(inventory, request, now, None);
    let selected = planner.select()?;
    let selected = planner.without_vendors(selected)?;
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
