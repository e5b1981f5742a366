//! What has to be so before a script is made: with evidence where it is not.

use super::given;
use super::places::SIGNING_FLAG;
use super::prepare::maker;
use super::refusal::Refusal;
use super::request::GivenKey;
use super::scene::Scene;
use super::trust_both::unstarted;
use crate::connections::Place;
use crate::rotation::picture::{Holds, Keeper, Picture, PlaceState, Purpose, RootPicture};
use crate::rotation::{Phase, RestartWorkloads, Root, RotationRequest};

/// Everything but the order of the phases.
pub(super) fn check(
    picture: &Picture,
    request: &RotationRequest,
    scene: &Scene<'_>,
    phase: Phase,
) -> Result<(), Refusal> {
    asked(picture, request)?;
    for root in &scene.roots {
        strangers(picture, request, root)?;
        authority(picture, request, root)?;
        places(request, root)?;
    }
    if scene.roots.iter().any(|root| needs_api(root)) && picture.asks_api().is_none() {
        return Err(Refusal::NoApiServer);
    }
    workloads(scene, phase)?;
    if phase == Phase::RetireOld {
        gaps(picture)?;
    }
    Ok(())
}

/// Nothing is retired beside what cannot be seen.
pub(super) fn gaps(picture: &Picture) -> Result<(), Refusal> {
    if picture.gaps.is_empty() {
        return Ok(());
    }
    let gaps = picture.gaps.iter();
    Err(Refusal::GapsLeft {
        gaps: gaps
            .map(|gap| format!("{} ({})", gap.object, gap.reason))
            .collect(),
    })
}

/// A place as it is acknowledged.
pub(super) fn spelled(place: &Place) -> String {
    match place.host() {
        Some(host) => format!("{host} {place}"),
        None => place.to_string(),
    }
}

fn asked(picture: &Picture, request: &RotationRequest) -> Result<(), Refusal> {
    let known = || listed(picture.roots.iter().map(|root| root.root));
    if request.roots.is_empty() {
        return Err(Refusal::NoRoot { known: known() });
    }
    for root in &request.roots {
        if picture.root(*root).is_none() {
            return Err(Refusal::RootNotFound {
                root: *root,
                known: known(),
            });
        }
    }
    let Some(given) = &request.given else {
        return Ok(());
    };
    if !request.roots.contains(&given.root) || given.root == Root::ServiceAccountKey {
        return Err(Refusal::GivenForAnother {
            root: given.root,
            roots: listed(request.roots.iter().copied()),
        });
    }
    match &given.key {
        GivenKey::OnHost { host, .. } if picture.host(host).is_none() => {
            Err(Refusal::KeyHostUnknown { host: host.clone() })
        }
        _ => Ok(()),
    }
}

/// No host is left out: whoever trusts the old one alone is lost with it. Workers know nothing of other
/// roots than the Kubernetes CA.
fn strangers(
    picture: &Picture,
    request: &RotationRequest,
    root: &RootPicture,
) -> Result<(), Refusal> {
    let concerned = picture.strangers.iter();
    let concerned = concerned.filter(|it| it.roots.contains(&root.root));
    let others: Vec<String> = concerned
        .map(|stranger| stranger.named.clone())
        // Not by `all`: that answers for copies of certificates, not for whole hosts.
        .filter(|named| !request.acknowledged.contains(named))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Refusal::HostsMissing {
        root: root.root,
        hosts: picture.hosts.len(),
        others,
    })
}

fn listed(roots: impl Iterator<Item = Root>) -> String {
    let names: Vec<&str> = roots.map(Root::as_str).collect();
    names.join(", ")
}

/// Whether its rotation changes or proves something in the API.
fn needs_api(root: &RootPicture) -> bool {
    root.places
        .iter()
        .any(|place| matches!(place.place, Place::Api(_)) && place.kept_by != Keeper::Outside)
}

/// TLS takes Ed25519 everywhere, but who opens the files does not: kubeadm's `pkiutil.TryLoadKeyFromDisk`
/// and kube-apiserver's `serviceaccount.JWTTokenGenerator` know RSA and ECDSA alone.
fn key_type(request: &RotationRequest, root: Root) -> Result<(), Refusal> {
    let Some(asked) = request.key_type.as_ref().filter(|it| *it == "ed25519") else {
        return Ok(());
    };
    let reason = match root {
        Root::ServiceAccountKey => {
            "kube-apiserver signs tokens with RSA and ECDSA keys only (`unknown private key type`)"
        }
        _ => {
            "kubeadm opens RSA and ECDSA keys only (`neither in RSA nor ECDSA format`) and could renew and join nothing any more"
        }
    };
    Err(Refusal::KeyTypeUnusable {
        root,
        key_type: asked.clone(),
        reason,
    })
}

fn authority(
    picture: &Picture,
    request: &RotationRequest,
    root: &RootPicture,
) -> Result<(), Refusal> {
    let name = || {
        let first = root.old.first();
        first.map_or_else(|| "unknown".to_owned(), |first| first.name.clone())
    };
    given::check(picture, request, root)?;
    if let Some(new) = &root.new {
        if root.successor_keys.is_empty()
            && root
                .signing_keys
                .iter()
                .any(|host| root.signs_with_old(host))
        {
            return Err(Refusal::SuccessorKeyLost {
                root: root.root,
                name: new.name.clone(),
            });
        }
        if let Some(subject) = &request.subject
            && root.is_authority()
            // One that an earlier phase of the same script makes has no name yet.
            && !new.fingerprint_sha256.is_empty()
            && !new.name.contains(subject.as_str())
        {
            return Err(Refusal::OtherRotation {
                root: root.root,
                found: new.name.clone(),
                expected: subject.clone(),
            });
        }
        if let Some(not_after) = new.not_after.filter(|end| *end <= picture.observed_at) {
            return Err(Refusal::SuccessorExpired {
                root: root.root,
                name: new.name.clone(),
                not_after,
            });
        }
    } else {
        key_type(request, root.root)?;
        if maker(request, root).is_none() {
            return Err(given::external(root));
        }
        if let Some(pending) = &root.request
            && request.given_for(root.root).is_none()
            && !request.by_request
        {
            return Err(Refusal::AwaitsCertificate {
                root: root.root,
                host: pending.host.clone(),
                subject: pending.subject.clone(),
            });
        }
        signers(root)?;
        validity(picture, request, root)?;
    }
    let expired = root.old.first().and_then(|old| old.not_after);
    if let Some(not_after) = expired.filter(|end| *end <= picture.observed_at)
        && !request.offline
        && !root.is_in_use()
    {
        return Err(Refusal::AuthorityExpired {
            root: root.root,
            name: name(),
            not_after,
        });
    }
    let shared = root.root == Root::ServiceAccountKey;
    if let Some(place) = root.kept(Purpose::Trust).find(|trust| {
        shared
            && root
                .kept(Purpose::Sign)
                .any(|sign| sign.place == trust.place)
    }) {
        return Err(Refusal::KeyFileShared {
            place: spelled(&place.place),
        });
    }
    Ok(())
}

/// Who is told to sign and cannot would be left with the old certificate, and every certificate that it
/// signs once it has the key would be refused.
fn signers(root: &RootPicture) -> Result<(), Refusal> {
    let mut hosts: Vec<String> = Vec::new();
    for place in root.kept(Purpose::Sign) {
        let mut readers = place.readers.iter();
        if let Some(host) = place.place.host()
            && readers.any(|reader| reader.flag == SIGNING_FLAG)
            && !root.signing_keys.iter().any(|holder| holder == host)
            && !hosts.iter().any(|known| known == host)
        {
            hosts.push(host.to_owned());
        }
    }
    if hosts.is_empty() {
        return Ok(());
    }
    Err(Refusal::SignerWithoutKey {
        root: root.root,
        hosts,
    })
}

fn validity(
    picture: &Picture,
    request: &RotationRequest,
    root: &RootPicture,
) -> Result<(), Refusal> {
    if request.given_for(root.root).is_some() || !root.is_authority() {
        return Ok(());
    }
    let now = picture.observed_at;
    let not_before = request.start.resolve(now)?;
    let not_after = request.end.resolve(now)?;
    if not_after <= now || not_after <= not_before {
        return Err(Refusal::EmptyValidity { not_after, now });
    }
    Ok(())
}

fn places(request: &RotationRequest, root: &RootPicture) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    let mut copies = Vec::new();
    for place in &root.places {
        let name = spelled(&place.place);
        if request.acknowledges(&name) {
            continue;
        }
        match &place.holds {
            Holds::Unknown { reason } if place.kept_by == Keeper::Rotation => {
                unknown.push(format!("{name} ({reason})"));
            }
            Holds::Neither { found } if place.kept_by == Keeper::Rotation => {
                unknown.push(format!("{name} (it holds {found})"));
            }
            Holds::Old if is_beyond_reach(place) && !copies.contains(&name) => copies.push(name),
            _ => {}
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::PlacesUnknown {
            root: root.root,
            places: unknown,
        });
    }
    if !copies.is_empty() {
        return Err(Refusal::NotAcknowledged {
            root: root.root,
            copies,
        });
    }
    Ok(())
}

fn is_beyond_reach(place: &PlaceState) -> bool {
    place.kept_by == Keeper::Outside
        || (place.kept_by == Keeper::Rotation
            && place.purpose == Purpose::Present
            && (place.renewable_as.is_none() || place.place.host().is_none()))
}

/// Those that the user restarts are waited for before anything new is presented to them, or before the
/// tokens that they hold are dropped.
fn workloads(scene: &Scene<'_>, phase: Phase) -> Result<(), Refusal> {
    if scene.request.restart_workloads != RestartWorkloads::List {
        return Ok(());
    }
    let (purpose, root) = match phase {
        Phase::IssueFromNew => (Purpose::Trust, Root::KubernetesCa),
        Phase::RetireOld => (Purpose::Present, Root::ServiceAccountKey),
        _ => return Ok(()),
    };
    let workloads: Vec<String> = scene
        .rotating()
        .filter(|it| it.root == root)
        .flat_map(|root| unstarted(root, purpose))
        .map(|place| spelled(&place.place))
        .collect();
    if workloads.is_empty() {
        return Ok(());
    }
    Err(Refusal::WorkloadsNotRestarted { workloads })
}
