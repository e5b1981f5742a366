//! Connections that fail over the wire although nothing in the files says so.

use super::backends;
use super::draft::{Draft, Ledger};
use super::remedy::{self, ComponentWord};
use super::scene::{Scene, named};
use super::suspects::{SignerId, Signers, authority_of, sides};
use super::wire;
use crate::connections::{Connection, Held, Material, Place, Side, Slot, SlotId, Verdict};
use crate::findings::code;
use crate::model::Severity;

/// What the wire adds to what files and processes tell.
pub(super) fn check(
    scene: &Scene<'_>,
    loaded: &Material,
    loaded_verdicts: &[Verdict],
    signers: &Signers,
    ledger: &mut Ledger,
) {
    let all = scene
        .graph
        .connections
        .iter()
        .zip(scene.verdicts.iter().zip(loaded_verdicts));
    for (connection, (disk, now)) in all {
        let attempts = wire::attempts(scene, connection);
        let Some((side, reason)) = wire::refused(&attempts) else {
            if !attempts.is_empty() && !disk.holds() {
                let rest = format!(
                    "{} still holds: its processes go on with what they have read before",
                    connection.id
                );
                ledger.note(&connection.id, "over the wire ", &rest);
            }
            continue;
        };
        if !disk.holds() || !now.holds() || is_blamed(scene, connection, ledger) {
            ledger.note(
                &connection.id,
                "over the wire ",
                &format!("as well: {reason}"),
            );
            continue;
        }
        let draft = other_authority(scene, signers, connection, side, &reason)
            .unwrap_or_else(|| refusal(scene, loaded, connection, side, &reason));
        ledger.add(draft);
    }
}

/// Whether something that takes part in a connection was found to be wrong already; then the
/// connection fails because of it.
fn is_blamed(scene: &Scene<'_>, connection: &Connection, ledger: &mut Ledger) -> bool {
    let blamed: Vec<Place> = places(scene, connection)
        .into_iter()
        .filter(|place| {
            ledger.blames(place, Severity::Critical) || ledger.says(place, &[code::KEY_UNREADABLE])
        })
        .collect();
    for place in &blamed {
        let fact = format!("{} fails", connection.id);
        ledger.append(place, &fact, Some(&connection.id));
    }
    !blamed.is_empty()
}

fn places(scene: &Scene<'_>, connection: &Connection) -> Vec<Place> {
    let asked = connection.names.iter();
    let services = asked.filter_map(|asked| backends::service(&asked.name.to_string()));
    connection
        .slots()
        .filter_map(|id| scene.graph.slot(id))
        .flat_map(|slot| [Some(slot.place.clone()), slot.key_place.clone()])
        .flatten()
        .chain(services)
        .collect()
}

/// A kubeconfig that does not hold the CA that the rest of its host speaks for: where the server's
/// files are elsewhere, only the wire shows that it matters.
fn other_authority(
    scene: &Scene<'_>,
    signers: &Signers,
    connection: &Connection,
    side: Side,
    reason: &str,
) -> Option<Draft> {
    let (presents, trusts) = sides(connection, side);
    let slot = scene.graph.slot(trusts?)?;
    if side != Side::Server || !matches!(slot.place, Place::KubeconfigCluster { .. }) {
        return None;
    }
    let authority = authority_of(scene, presents, trusts)?;
    let bundle = scene.trusted(trusts?);
    let holds = |id: &SignerId| bundle.iter().any(|ca| SignerId::of(ca) == *id);
    // On a worker its own bundle is all that speaks for servers, and its certificate for clients.
    let reference = [Side::Server, Side::Client]
        .into_iter()
        .filter_map(|side| signers.reference(authority, side))
        .find(|reference| reference.is_used())?;
    if bundle.is_empty() || holds(&reference.id) {
        return None;
    }
    let held: Vec<String> = bundle.iter().map(named).collect();
    let expected = signers
        .certificate(&reference.id)
        .map_or_else(|| reference.id.name().to_string(), named);
    Some(
        Draft::new(
            code::WRONG_CA_DATA,
            Severity::Critical,
            &slot.place,
            format!("holds {}, expected {expected}", held.join(" and ")),
        )
        .fact(reference.told())
        .fact(format!("over the wire: {reason}"))
        .mend(format!("put the CA {expected} into {}", slot.place))
        .fails(&connection.id),
    )
}

/// The end whose memory cannot be seen is the likeliest: it has something else than its file.
fn refusal(
    scene: &Scene<'_>,
    loaded: &Material,
    connection: &Connection,
    side: Side,
    reason: &str,
) -> Draft {
    let (presents, trusts) = sides(connection, side);
    let unseen = [trusts, presents].into_iter().flatten().find_map(|id| {
        let slot = scene.graph.slot(id)?;
        let known = !matches!(scene.disk.held(id), Held::Unknown(_));
        match loaded.held(id) {
            Held::Unknown(why)
                if known && scene.host(slot.party.host.as_deref()?)?.live.is_some() =>
            {
                Some((id, slot, why.clone()))
            }
            _ => None,
        }
    });
    let whom = super::blame::refusal(scene, connection, side);
    if let Some((_, slot, why)) = unseen {
        return in_memory(scene, slot, &why)
            .fact(format!("over the wire: {reason}"))
            .fact(whom)
            .fails(&connection.id);
    }
    let place = object(scene, connection, side, presents);
    Draft::new(
        code::CONNECTION_FAILS,
        Severity::Critical,
        &place,
        format!("{whom} over the wire, and the files do not say why: {reason}"),
    )
    .fact("by the files of both sides the connection holds".to_owned())
    .mend("look at what the server presents: kubepki inspect HOST:PORT; a proxy or another process may answer there")
    .fails(&connection.id)
}

fn in_memory(scene: &Scene<'_>, slot: &Slot, why: &str) -> Draft {
    let draft = Draft::new(
        code::STALE_IN_MEMORY,
        Severity::Critical,
        &slot.place,
        format!(
            "{} does not hold what the file does",
            scene.party(&slot.party)
        ),
    )
    .fact(why.to_owned());
    match (slot.party.component, slot.place.host()) {
        (Some(component), Some(host)) => draft.mend(remedy::on(
            scene,
            host,
            remedy::restart(component, ComponentWord::Read),
        )),
        _ => draft.mend(format!("restart {}", slot.party)),
    }
}

fn object(
    scene: &Scene<'_>,
    connection: &Connection,
    side: Side,
    presents: Option<SlotId>,
) -> Place {
    let endpoint = connection.address.clone();
    let by_address = endpoint.map(|(host, port)| Place::Endpoint { host, port });
    let presented = presents
        .and_then(|id| scene.graph.slot(id))
        .map(|slot| slot.place.clone());
    let found = match side {
        Side::Server => by_address.or(presented),
        Side::Client => presented.or(by_address),
    };
    found.unwrap_or_else(|| Place::Endpoint {
        host: connection.server.name.clone(),
        port: 0,
    })
}
