//! What a rotation leaves to people, and what keeps a phase from being over.

use kubepki_core::rotation::{
    Holds, Keeper, Phase, Picture, PlaceState, Position, Purpose, RootPicture, RotationRequest,
};

/// Of one kind this many are named.
const MOST: usize = 12;

/// What the rotation cannot do for the user, when it is over.
pub fn to_the_user(picture: &Picture, request: &RotationRequest) -> Vec<String> {
    let mut lines = Vec::new();
    for root in roots(picture, request) {
        let outside = root
            .places
            .iter()
            .filter(|state| state.kept_by == Keeper::Outside && state.holds != Holds::New);
        lines.extend(outside.map(|state| format!("{}: {}", named(state), held(&state.holds))));
        if root.position == Position::AtRest {
            lines.push(after(root));
        }
    }
    lines
}

fn after(root: &RootPicture) -> String {
    let key = "backups of these runs in /var/lib/kubepki/backups and the etcd snapshot still hold old secrets: \
               `kubepki backup prune` once nothing is to be taken back";
    match root.root.authority() {
        Some(_) => format!(
            "{}: kubeconfigs and pinned CAs outside these hosts (CI, laptops, monitoring) have to be handed out anew; {key}",
            root.root
        ),
        None => format!(
            "{}: tokens that were copied out of the cluster (CI, registries) have to be made anew; {key}",
            root.root
        ),
    }
}

/// Why a phase is not over: the places that do not hold yet what they should.
pub fn unfinished(picture: &Picture, request: &RotationRequest, phase: Phase) -> Vec<String> {
    let mut lines = Vec::new();
    for root in roots(picture, request) {
        let short = root.places.iter().filter(|state| is_short(state, phase));
        lines.extend(
            short
                .take(MOST)
                .map(|state| format!("{}: {}", named(state), held(&state.holds))),
        );
        if phase == Phase::RetireOld && !root.leftovers.is_empty() {
            lines.push(format!(
                "files of the successor of the {} lie on {}",
                root.root,
                root.leftovers.join(", ")
            ));
        }
    }
    lines.extend(
        picture
            .gaps
            .iter()
            .take(MOST)
            .map(|gap| format!("not seen: {}: {}", gap.object, gap.reason)),
    );
    lines
}

fn is_short(state: &PlaceState, phase: Phase) -> bool {
    let is_unread = state
        .readers
        .iter()
        .any(|reader| reader.loaded == Some(false));
    let is_old = match (phase, state.purpose) {
        (Phase::Prepare, _) => false,
        (Phase::TrustBoth, Purpose::Trust) => state.holds == Holds::Old,
        (Phase::TrustBoth, _) => false,
        (Phase::IssueFromNew | Phase::Settle, Purpose::Trust) => state.holds == Holds::Old,
        (Phase::IssueFromNew | Phase::Settle, _) => state.holds != Holds::New,
        (Phase::RetireOld, _) => state.holds != Holds::New,
    };
    is_old || is_unread || matches!(state.holds, Holds::Neither { .. } | Holds::Unknown { .. })
}

fn roots<'p>(
    picture: &'p Picture,
    request: &RotationRequest,
) -> impl Iterator<Item = &'p RootPicture> {
    picture
        .roots
        .iter()
        .filter(move |root| request.roots.contains(&root.root))
}

fn named(state: &PlaceState) -> String {
    match state.place.host() {
        Some(host) => format!("{host} {}", state.place),
        None => state.place.to_string(),
    }
}

fn held(holds: &Holds) -> String {
    match holds {
        Holds::Old => "holds the old one".to_owned(),
        Holds::OldNew | Holds::NewOld => "holds both".to_owned(),
        Holds::New => "holds the new one, which a process has not read yet".to_owned(),
        Holds::Neither { found } => format!("holds neither: {found}"),
        Holds::Unknown { reason } => format!("cannot be told: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::half_way;
    use kubepki_core::rotation::Root;

    #[test]
    fn what_is_still_old_keeps_the_phase_open() {
        let request = RotationRequest::new([Root::KubernetesCa]);
        let lines = unfinished(&half_way(), &request, Phase::TrustBoth);
        assert!(
            lines.contains(&"w1 /etc/kubernetes/pki/ca.crt: holds the old one".to_owned()),
            "{lines:#?}"
        );
        assert!(
            lines.iter().any(|line| line.contains("scheduler.conf")),
            "a process that has not read it: {lines:#?}"
        );
        assert!(
            !lines.iter().any(|line| line.contains("apiserver.crt")),
            "{lines:#?}"
        );
    }
}
