//! Where the rotation of a root stands: the first phase whose goal is not met by what the picture shows.
//!
//! A goal is asked of every place; one that never needed a change meets it as it is. What nobody whom the
//! rotation commands can change ([`Keeper::Outside`]) holds nothing up here: it is refused, or
//! acknowledged, where the script is made.

use super::phase::{Phase, Position};
use super::picture::{Holds, Keeper, PlaceState, Purpose, RootPicture};
use super::root::Root;
use crate::model::ComponentKind;

/// The position of a root's rotation; `api_servers` are the hosts with one.
pub fn position(root: &RootPicture, api_servers: &[String]) -> Position {
    if root.new.is_none() {
        return Position::AtRest;
    }
    let unmet = Phase::ALL
        .into_iter()
        .find(|phase| !is_done(root, *phase, api_servers));
    match unmet {
        None => Position::AtRest,
        Some(phase) => Position::In {
            phase,
            begun: is_begun(root, phase, api_servers),
        },
    }
}

/// Whether a phase's goal is met.
pub fn is_done(root: &RootPicture, phase: Phase, api_servers: &[String]) -> bool {
    let places = || {
        root.places
            .iter()
            .all(|place| meets(place, root.root, phase))
    };
    match phase {
        Phase::Prepare => {
            root.new.is_some() && root.signing_keys.iter().all(|it| has_new(root, it))
        }
        Phase::TrustBoth | Phase::IssueFromNew => places(),
        Phase::Settle => {
            root.root != Root::KubernetesCa
                || api_servers.iter().all(|it| root.settled.contains(it))
                || is_retiring(root)
        }
        Phase::RetireOld => root.leftovers.is_empty() && places(),
    }
}

/// Whether a place holds what it should when a phase is over.
pub fn meets(place: &PlaceState, root: Root, phase: Phase) -> bool {
    // What cannot be seen is a gap, and nothing that could be done here would change it.
    if place.kept_by == Keeper::Outside || matches!(place.holds, Holds::Unknown { .. }) {
        return true;
    }
    let is_loaded = || {
        place
            .readers
            .iter()
            .all(|reader| reader.loaded != Some(false))
    };
    let has_new = matches!(place.holds, Holds::OldNew | Holds::NewOld | Holds::New);
    let is_new = place.holds == Holds::New;
    match (phase, place.purpose) {
        (Phase::TrustBoth, Purpose::Trust) => has_new && is_loaded(),
        (Phase::IssueFromNew, Purpose::Sign) => is_new && is_loaded(),
        (Phase::IssueFromNew, Purpose::Present) => match place.kept_by {
            Keeper::ControllerManager => has_new,
            _ => is_new && is_started(place),
        },
        // In memory a second CA harms nobody, until the workload is next restarted.
        (Phase::RetireOld, Purpose::Trust) => {
            place.kept_by == Keeper::Workload || is_new && is_loaded()
        }
        (Phase::RetireOld, Purpose::Present) => {
            root != Root::ServiceAccountKey || place.kept_by == Keeper::Workload || is_new
        }
        _ => true,
    }
}

/// Whether those who read it only at their start have read it. Kept connections are another phase's.
fn is_started(place: &PlaceState) -> bool {
    let mut readers = place.readers.iter();
    readers.all(|reader| {
        let reload = crate::layouts::reload(reader.component, &reader.flag);
        reload != crate::layouts::Reload::Restart || reader.loaded != Some(false)
    })
}

fn has_new(root: &RootPicture, host: &String) -> bool {
    root.successor_keys.contains(host)
        || root.places.iter().any(|place| {
            place.purpose == Purpose::Sign
                && place.place.host() == Some(host)
                && place.holds == Holds::New
        })
}

/// Whether an API server believes clients of the new generation alone: nobody takes the old one away
/// before connections that began with it are closed.
fn is_retiring(root: &RootPicture) -> bool {
    root.places.iter().any(|place| {
        let mut readers = place.readers.iter();
        place.purpose == Purpose::Trust
            && place.holds == Holds::New
            && readers.any(|reader| {
                reader.component == ComponentKind::KubeApiserver && reader.flag == "client-ca-file"
            })
    })
}

fn is_begun(root: &RootPicture, phase: Phase, api_servers: &[String]) -> bool {
    let any = |purposes: &[Purpose], holds: &[Holds]| {
        root.places.iter().any(|place| {
            purposes.contains(&place.purpose)
                && place.kept_by != Keeper::Outside
                && holds.contains(&place.holds)
        })
    };
    match phase {
        Phase::Prepare => !root.successor_keys.is_empty() || !root.leftovers.is_empty(),
        Phase::TrustBoth => any(
            &[Purpose::Trust],
            &[Holds::OldNew, Holds::NewOld, Holds::New],
        ),
        Phase::IssueFromNew => any(
            &[Purpose::Present, Purpose::Sign],
            &[Holds::NewOld, Holds::New],
        ),
        Phase::Settle => api_servers.iter().any(|it| root.settled.contains(it)),
        Phase::RetireOld => any(&[Purpose::Trust], &[Holds::New]),
    }
}
