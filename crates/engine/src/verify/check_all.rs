//! All the questions, in order.

use super::verdict::{Check, Subject, Verdict};
use super::{kubeconfigs, node, served};
use crate::ports::{Ports, Progress};
use jiff::Timestamp;
use kubepki_core::model::Inventory;
use kubepki_core::plan::Plan;

/// What is known of the time before and of the plan's course.
pub struct Circumstances<'a> {
    /// When the last file was in place: what reloads by itself is given time from here on.
    pub files_changed_at: Timestamp,
    /// Whether the node was ready before ([`super::node_is_ready`]); `None` when nobody could tell.
    pub node_was_ready: Option<bool>,
    /// Who is told what is being waited for.
    pub progress: &'a dyn Progress,
}

/// Asks the host whether it uses what `plan` has changed. `after` is the inventory taken since;
/// `before`, the one that the plan was made from, tells what did not run then either.
pub fn verify(
    ports: &Ports<'_>,
    before: Option<&Inventory>,
    after: &Inventory,
    plan: &Plan,
    circumstances: &Circumstances<'_>,
) -> Verdict {
    if !after.live || !ports.host.is_live() {
        let subject = Subject::new("the running host", "components use the files on disk");
        let why = "not asked: these files are not those of a running host; \
                   endpoints, API and node were left alone";
        return Verdict {
            checks: vec![Check::not_asked("not-live", subject, why)],
        };
    }
    let mut checks = served::checks(ports, before, after, plan, circumstances);
    // A plan that only has components take something up is one stage of many: the rest of the host
    // may well be down until a later one.
    if !plan.only_takes_up() {
        checks.extend(kubeconfigs::checks(ports, after, plan, circumstances));
        checks.extend(node::checks(ports, after, circumstances));
    }
    Verdict { checks }
}
