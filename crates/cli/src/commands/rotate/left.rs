//! What a rotation leaves to people, and what keeps a phase from being over.

use kubepki_core::rotation::{
    ArchivedKeys, Holds, Keeper, Phase, Picture, PlaceState, Position, Purpose, Root, RootPicture,
    RotationRequest, RotationRun, successor,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

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

/// A backup that holds, or held, an old private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OldKeyCopy {
    /// Whose.
    pub root: Root,
    /// Where.
    pub host: String,
    /// The archive.
    pub archive: PathBuf,
    /// What became of the key in it.
    pub keys: ArchivedKeys,
}

/// Where the old private keys still are when it is over, or were: archives of the runs that replaced them.
pub fn old_keys<'w>(
    picture: &Picture,
    request: &RotationRequest,
    runs: impl Iterator<Item = (&'w str, &'w RotationRun)>,
) -> Vec<OldKeyCopy> {
    let runs: Vec<(&str, &RotationRun)> = runs.collect();
    let at_rest = roots(picture, request).filter(|root| root.position == Position::AtRest);
    at_rest.flat_map(|root| of_root(root, &runs)).collect()
}

/// What is still to be known of them, root by root.
pub fn kept(copies: &[OldKeyCopy]) -> Vec<String> {
    let is_kept = |copy: &&OldKeyCopy| copy.keys != ArchivedKeys::Destroyed;
    let of = |root: Root| {
        copies
            .iter()
            .filter(is_kept)
            .filter(move |it| it.root == root)
    };
    let named = |copy: &OldKeyCopy| {
        let sealed = match copy.keys {
            ArchivedKeys::Sealed => " (sealed)",
            _ => "",
        };
        format!("{} {}{sealed}", copy.host, copy.archive.display())
    };
    let told = Root::ALL.into_iter().filter_map(|root| {
        let archives: Vec<String> = of(root).map(named).collect();
        (!archives.is_empty()).then(|| {
            format!(
                "{root}: the old private key is in no file in use any more, but in these backups, by which `kubepki rotate \
                 back` goes back (`kubepki rotate finish {root} --old-key destroy` takes it out): {}",
                archives.join(", ")
            )
        })
    });
    told.collect()
}

fn of_root(root: &RootPicture, runs: &[(&str, &RotationRun)]) -> Vec<OldKeyCopy> {
    let Some(now) = root.old.first().map(successor::short) else {
        return Vec::new();
    };
    let keys: Vec<(Option<&str>, &Path)> = root
        .places
        .iter()
        .filter(|state| state.purpose == Purpose::Sign)
        .filter_map(|state| Some((state.place.host(), state.place.path()?)))
        .filter(|(_, path)| is_a_keys(path))
        .collect();
    let holds = |host: &str, run: &RotationRun| {
        run.mark.rotation.split('+').any(|it| it == now)
            && run.written.iter().any(|written| {
                keys.iter().any(|(of, key)| {
                    *of == Some(host) && (written == key || *written == successor::previous(key))
                })
            })
    };
    let held = runs.iter().filter(|(host, run)| holds(host, run));
    held.filter_map(|(host, run)| {
        Some(OldKeyCopy {
            root: root.root,
            host: (*host).to_owned(),
            archive: run.archive.clone()?,
            keys: run.keys,
        })
    })
    .collect()
}

fn is_a_keys(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().contains("key"))
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
    use kubepki_core::connections::Place;
    use kubepki_core::plan::RotationMark;

    #[test]
    fn archives_that_hold_the_old_key_are_named() {
        let mut picture = half_way();
        let root = &mut picture.roots[0];
        root.position = Position::AtRest;
        root.old = root.new.take().into_iter().collect();
        let now = successor::short(&root.old[0]).to_owned();
        let key = PathBuf::from("/etc/kubernetes/pki/ca.key");
        root.places.push(PlaceState {
            place: Place::File {
                host: "cp1".to_owned(),
                path: key.clone(),
            },
            purpose: Purpose::Sign,
            kept_by: Keeper::Rotation,
            holds: Holds::Old,
            readers: Vec::new(),
            renewable_as: None,
        });
        let run = |id: &str, rotation: &str, written: &str, archive: &str| RotationRun {
            id: id.to_owned(),
            started_at: picture.observed_at,
            mark: RotationMark {
                rotation: rotation.to_owned(),
                phase: Phase::IssueFromNew,
                round: "signers".to_owned(),
            },
            archive: Some(archive.into()),
            keys: match archive {
                "/b/2.tar.age" => ArchivedKeys::Sealed,
                "/b/5.tar" => ArchivedKeys::Destroyed,
                _ => ArchivedKeys::Kept,
            },
            written: vec![written.into()],
            components: Vec::new(),
        };
        let previous = "/etc/kubernetes/pki/ca-previous.key";
        let (ca_key, ca) = ("/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/ca.crt");
        let runs = [
            run("1", &now, ca_key, "/b/1.tar"),
            run("2", &format!("ffff+{now}"), previous, "/b/2.tar.age"),
            run("3", &now, ca, "/b/3.tar"),
            run("4", "another", ca_key, "/b/4.tar"),
            run("5", &now, ca_key, "/b/5.tar"),
        ];
        let request = RotationRequest::new([Root::KubernetesCa]);
        let copies = old_keys(&picture, &request, runs.iter().map(|run| ("cp1", run)));
        assert_eq!(copies.len(), 3, "{copies:?}");
        let told = kept(&copies);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].ends_with("cp1 /b/1.tar, cp1 /b/2.tar.age (sealed)"),
            "{told:?}"
        );
    }

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
