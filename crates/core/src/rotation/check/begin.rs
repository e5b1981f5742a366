//! What only the picture tells of the beginning: service-account keys and tokens, who signs
//! certificates, and, in the middle of a rotation, what processes may not have read yet and what is
//! still presented on connections that were kept.

use super::content::{Choices, Content, Contents};
use super::model::{Cell, CellId, Link, Model, Owner, Part, Start};
use super::verdict::{Broken, Verdict};
use crate::connections::Use;
use crate::layouts::{Reload, reload};
use crate::model::ComponentKind::{KubeApiserver, KubeControllerManager};
use crate::rotation::{
    Holds, Keeper, Phase, Picture, PlaceState, Position, Purpose, Reader, Root, RootPicture,
};

/// Completes the model.
pub(super) fn complete(
    model: &mut Model,
    picture: &Picture,
    contents: &mut Contents,
    verdict: &mut Verdict,
) {
    for root in &picture.roots {
        for place in &root.places {
            not_read_yet(model, contents, root, place);
        }
        of_workloads(model, contents, root);
        kept(model, contents, root);
    }
    if let Some(root) = picture.root(Root::ServiceAccountKey) {
        tokens(model, contents, root, verdict);
    }
    if let Some(root) = picture.root(Root::KubernetesCa) {
        certificate_signers(model, contents, root);
    }
}

/// Whether every ServiceAccount with a token Secret has one that the new key signed.
pub(super) fn has_second_tokens(picture: &Picture) -> bool {
    let places = picture
        .root(Root::ServiceAccountKey)
        .into_iter()
        .flat_map(|it| &it.places);
    let mut in_secrets = places
        .filter(|it| it.purpose == Purpose::Present)
        .filter(|it| !matches!(it.kept_by, Keeper::Workload | Keeper::Outside))
        .peekable();
    in_secrets.peek().is_some()
        && in_secrets.all(|it| matches!(it.holds, Holds::NewOld | Holds::OldNew | Holds::New))
}

/// The first phase that is not over; `None` at rest.
fn phase(root: &RootPicture) -> Option<Phase> {
    match root.position {
        Position::AtRest => None,
        Position::In { phase, .. } => Some(phase),
    }
}

/// What a reader may still go by although something else lies there.
fn before(root: &RootPicture, place: &PlaceState, reader: &Reader) -> Option<Holds> {
    let phase = phase(root)?;
    let (last, before) = match (place.purpose, &place.holds) {
        // The new one comes first only where it took the old one's place, long after both were trusted.
        (Purpose::Trust, Holds::OldNew) => (Phase::TrustBoth, Holds::Old),
        (Purpose::Trust, Holds::New) => (Phase::RetireOld, Holds::OldNew),
        (_, Holds::New) => (Phase::IssueFromNew, Holds::Old),
        _ => return None,
    };
    match reader.loaded {
        Some(true) => None,
        Some(false) => Some(before),
        None => (phase <= last).then_some(before),
    }
}

fn not_read_yet(
    model: &mut Model,
    contents: &mut Contents,
    root: &RootPicture,
    place: &PlaceState,
) {
    if place.purpose == Purpose::Sign {
        return;
    }
    for reader in &place.readers {
        let Some(before) = before(root, place, reader) else {
            continue;
        };
        let before = contents.held(root.root, &before, place.purpose == Purpose::Trust);
        let process = model.known_process(&reader.host, reader.component);
        for id in model.at(&place.place) {
            if let Some(cell) = model.cells.get_mut(id)
                && matches!(cell.reload, Reload::Live { .. } | Reload::Restart)
                && cell.flag.as_ref().is_none_or(|flag| *flag == reader.flag)
                && process.is_some_and(|process| cell.owner == Owner::Process(process))
            {
                cell.loaded.add(before);
            }
        }
    }
}

/// What containers hold since their start.
fn of_workloads(model: &mut Model, contents: &mut Contents, root: &RootPicture) {
    if root.root != Root::KubernetesCa {
        return;
    }
    let workloads = root.places.iter();
    let held: Vec<Holds> = workloads
        .filter(|it| it.kept_by == Keeper::Workload && it.purpose == Purpose::Trust)
        .map(|it| it.holds.clone())
        .filter(|holds| !matches!(holds, Holds::Unknown { .. } | Holds::Neither { .. }))
        .collect();
    for holds in held {
        let id = contents.held(root.root, &holds, true);
        for cell in model.parts(Part::Published) {
            if let Some(cell) = model.cells.get_mut(cell)
                && !matches!(contents.content(cell.start), Content::Unknown)
            {
                cell.loaded.add(id);
            }
        }
    }
}

/// Connections on which an old certificate may still be presented.
fn kept(model: &mut Model, contents: &mut Contents, root: &RootPicture) {
    if !phase(root).is_some_and(|it| (Phase::IssueFromNew..=Phase::Settle).contains(&it)) {
        return;
    }
    let old = contents.held(root.root, &Holds::Old, false);
    let settled: Vec<usize> = root
        .settled
        .iter()
        .filter_map(|host| model.known_process(host, KubeApiserver))
        .collect();
    for index in 0..model.links.len() {
        let Some(link) = model.links.get(index) else {
            continue;
        };
        let presented = link.client_presents.and_then(|it| model.cell(it));
        let is_new = presented.is_some_and(|cell| {
            contents.is_new(cell.start, root.root) && !matches!(cell.reload, Reload::Live { .. })
        });
        let mut ends = [link.client, link.server].into_iter().flatten();
        let is_settled = ends.any(|end| settled.contains(&end));
        if is_new
            && !is_settled
            && let Some(link) = model.links.get_mut(index)
        {
            link.kept.add(old);
        }
    }
}

/// Tokens: whoever signs them, those that are out, and the API servers that verify them.
fn tokens(model: &mut Model, contents: &mut Contents, root: &RootPicture, verdict: &mut Verdict) {
    let mut out = Choices::default();
    for place in root.places.iter().filter(|it| it.purpose == Purpose::Sign) {
        for reader in &place.readers {
            let cell = read_by(model, contents, root, place, reader, Part::TokenSigner);
            out.add_all(
                &model
                    .cells
                    .get(cell)
                    .map(|it| it.loaded.clone())
                    .unwrap_or_default(),
            );
        }
    }
    // What only its owner can change was acknowledged, or nothing is planned.
    let presented = root
        .places
        .iter()
        .filter(|it| it.purpose == Purpose::Present && it.kept_by != Keeper::Outside);
    let mut in_secrets = Choices::default();
    for place in presented {
        let holds = match place.holds {
            Holds::Old => &[Holds::Old][..],
            Holds::New => &[Holds::New],
            Holds::OldNew | Holds::NewOld => &[Holds::Old, Holds::New],
            Holds::Neither { .. } | Holds::Unknown { .. } => &[],
        };
        for holds in holds {
            let id = contents.held(root.root, holds, false);
            match place.kept_by {
                Keeper::Workload => out.add(id),
                _ => in_secrets.add(id),
            };
        }
    }
    let pods = held_by_nobody(model, "tokens of pods", Part::Tokens, out);
    let secrets = (in_secrets != Choices::default())
        .then(|| held_by_nobody(model, "tokens in Secrets", Part::TokenSecrets, in_secrets));
    for place in root.places.iter().filter(|it| it.purpose == Purpose::Trust) {
        let readers = place.readers.iter();
        for reader in readers.filter(|it| it.component == KubeApiserver) {
            let trusts = read_by(model, contents, root, place, reader, Part::Plain);
            for (name, presents) in [
                ("ServiceAccount tokens", Some(pods)),
                ("token Secrets' tokens", secrets),
            ] {
                let Some(presents) = presents else { continue };
                let serves = "pods that talk to the API server";
                synthetic(
                    model,
                    contents,
                    &format!("{name}->kube-apiserver@{}", reader.host),
                    serves,
                    (presents, trusts),
                    verdict,
                );
            }
        }
    }
}

/// New certificates that a controller manager signs, towards the API servers.
fn certificate_signers(model: &mut Model, contents: &mut Contents, root: &RootPicture) {
    let flag = "cluster-signing-cert-file";
    let trusts = model.by_flag(&[(KubeApiserver, "client-ca-file")], Use::Trust, &[]);
    for place in root.places.iter().filter(|it| it.purpose == Purpose::Sign) {
        let readers = place.readers.iter();
        for reader in readers.filter(|it| it.component == KubeControllerManager && it.flag == flag)
        {
            let presents = read_by(
                model,
                contents,
                root,
                place,
                reader,
                Part::CertificateSigner,
            );
            for trusts in &trusts {
                let server = model.cell(*trusts).and_then(|cell| cell.host.clone());
                let id = format!(
                    "certificates signed by kube-controller-manager@{}->kube-apiserver@{}",
                    reader.host,
                    server.unwrap_or_default()
                );
                let serves = "kubelets whose certificates are signed anew, and nodes that join";
                synthetic(
                    model,
                    contents,
                    &id,
                    serves,
                    (presents, *trusts),
                    &mut Verdict::default(),
                );
            }
        }
    }
}

/// The cell of a reader that no connection of the graph has.
fn read_by(
    model: &mut Model,
    contents: &mut Contents,
    root: &RootPicture,
    place: &PlaceState,
    reader: &Reader,
    part: Part,
) -> CellId {
    let purpose = match place.purpose {
        Purpose::Trust => Use::Trust,
        Purpose::Present | Purpose::Sign => Use::Present,
    };
    let process = model.process(&reader.host, reader.component);
    let holds = match (&place.holds, purpose) {
        // Which of two it signs with cannot be told: it does not sign at all.
        (Holds::OldNew | Holds::NewOld, Use::Present) => Holds::Unknown {
            reason: "it holds two".to_owned(),
        },
        (holds, _) => holds.clone(),
    };
    let start = contents.held(root.root, &holds, purpose == Use::Trust);
    let mut loaded = Choices::one(start);
    if let Some(before) = before(root, place, reader) {
        loaded.add(contents.held(root.root, &before, purpose == Use::Trust));
    }
    model.add_cell(Cell {
        holder: format!("{} on {}", reader.component, reader.host),
        host: Some(reader.host.clone()),
        component: Some(reader.component),
        flag: Some(reader.flag.clone()),
        place: Some(place.place.clone()),
        entry: None,
        purpose,
        owner: Owner::Process(process),
        part,
        reload: reload(reader.component, &reader.flag),
        start,
        disk: Choices::one(start),
        loaded,
        written: 0,
    })
}

fn held_by_nobody(model: &mut Model, holder: &str, part: Part, loaded: Choices) -> CellId {
    let start = loaded.iter().next().unwrap_or_default();
    model.add_cell(Cell {
        holder: holder.to_owned(),
        host: None,
        component: None,
        flag: None,
        place: None,
        entry: None,
        purpose: Use::Present,
        owner: Owner::Pods,
        part,
        reload: Reload::Restart,
        start,
        disk: loaded.clone(),
        loaded,
        written: 0,
    })
}

fn synthetic(
    model: &mut Model,
    contents: &mut Contents,
    id: &str,
    serves: &str,
    (presents, trusts): (CellId, CellId),
    verdict: &mut Verdict,
) {
    let (Some(from), Some(to)) = (model.cell(presents), model.cell(trusts)) else {
        return;
    };
    let started = match contents.believed(from.start, to.start) {
        Some(true) => Start::Held,
        Some(false) => Start::Failed,
        None => Start::Unknown,
    };
    if started == Start::Failed {
        verdict.broken_before.push(Broken {
            connection: id.to_owned(),
            reason: format!("{} are not accepted by {}", from.holder, to.holder),
        });
    }
    let server = match to.owner {
        Owner::Process(process) => Some(process),
        Owner::Pods | Owner::Momentary => None,
    };
    model.add_link(Link {
        id: id.to_owned(),
        serves: serves.to_owned(),
        client: None,
        server,
        client_presents: Some(presents),
        client_trusts: None,
        server_presents: None,
        server_trusts: Some(trusts),
        // What pods present is followed as what they hold.
        per_request: false,
        is_minor: false,
        server_start: Start::Nothing,
        client_start: started,
        kept: Choices::default(),
    });
}
