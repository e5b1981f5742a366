//! The model of a graph: a cell for each slot, a link for each connection, and how each stands before
//! anything is done, as the verifier of real certificates says.

use super::content::{Choices, Contents};
use super::model::{Cell, CellId, Link, Model, Owner, Part, Start};
use super::verdict::{Broken, Verdict};
use crate::connections::{
    Connection, ConnectionKind, Graph, Judgement, Material, Party, Place, Slot, SlotId, Use, verify,
};
use crate::layouts::Reload;
use crate::model::ComponentKind;
use crate::rotation::Root;
use jiff::Timestamp;
use kubepki_x509::path::SignatureMemo;
use std::collections::BTreeSet;

/// The ConfigMap into which API servers merge what they believe.
const MERGED: &str = "extension-apiserver-authentication";

/// Slots and connections of the graph.
pub(super) fn build(
    graph: &Graph,
    material: &Material,
    now: Timestamp,
    contents: &mut Contents,
    verdict: &mut Verdict,
) -> Model {
    let memo = SignatureMemo::new();
    let mut model = Model::default();
    let of_pods: BTreeSet<SlotId> = graph
        .connections
        .iter()
        .filter(|it| it.kind == ConnectionKind::PodToApiserver)
        .filter_map(|it| it.client_trusts)
        .collect();
    for (index, slot) in graph.slots.iter().enumerate() {
        let id = SlotId(index);
        let start = contents.of(material.held(id), &memo);
        let cell = cell(&mut model, slot, start, of_pods.contains(&id));
        model.add_cell(cell);
    }
    for connection in &graph.connections {
        let judged = verify(graph, material, connection, now, &memo);
        let sides = (started(&judged.server), started(&judged.client));
        for failure in judged.failures() {
            let place = |slot: Option<SlotId>| {
                let slot = slot.and_then(|slot| graph.slot(slot));
                slot.map_or_else(|| "what is presented".to_owned(), |it| it.place.to_string())
            };
            verdict.broken_before.push(Broken {
                connection: connection.id.clone(),
                reason: format!(
                    "{} is not accepted by {}",
                    place(failure.presented),
                    place(failure.trusted_by)
                ),
            });
        }
        if connection.kind == ConnectionKind::EtcdClient && connection.client.component.is_none() {
            note_assumption(verdict, connection);
        }
        let link = link(&mut model, contents, connection, sides);
        model.add_link(link);
    }
    model
}

fn note_assumption(verdict: &mut Verdict, connection: &Connection) {
    let notice = format!(
        "{} is taken to read its certificates and CA certificates again by itself",
        connection.client
    );
    if !verdict.notices.contains(&notice) {
        verdict.notices.push(notice);
    }
}

fn started(judgement: &Judgement) -> Start {
    match judgement {
        Judgement::Verified => Start::Held,
        Judgement::Failed(_) => Start::Failed,
        Judgement::Unknown(_) => Start::Unknown,
        Judgement::NotApplicable => Start::Nothing,
    }
}

fn cell(model: &mut Model, slot: &Slot, start: u32, is_of_pods: bool) -> Cell {
    let is = |component: ComponentKind, flag: &str| {
        slot.party.component == Some(component) && slot.flag.as_deref() == Some(flag)
    };
    let is_api = matches!(slot.place, Place::Api(_));
    let is_merged = matches!(&slot.place, Place::Api(object) if object.name == MERGED);
    let owner = match (process(model, &slot.party), is_api) {
        (Some(process), _) => Owner::Process(process),
        (None, true) if is_of_pods || is_of_etcd_in_pods(slot) => Owner::Pods,
        _ => Owner::Momentary,
    };
    let part = if is(ComponentKind::KubeControllerManager, "root-ca-file") {
        Part::RootCa
    } else if is(ComponentKind::KubeApiserver, "requestheader-client-ca-file") {
        Part::FrontProxies
    } else if is_merged && slot.party.component.is_none() {
        Part::Merged
    } else if is_of_pods && is_api {
        Part::Published
    } else {
        Part::Plain
    };
    Cell {
        holder: slot.party.to_string(),
        host: slot.party.host.clone(),
        component: slot.party.component,
        flag: slot.flag.clone(),
        place: Some(slot.place.clone()),
        entry: slot.renewable_as.clone(),
        purpose: slot.purpose,
        owner,
        part,
        reload: slot.reload,
        start,
        disk: Choices::one(start),
        loaded: Choices::one(start),
        written: 0,
    }
}

/// A Secret with certificates for etcd is mounted by somebody's pods.
fn is_of_etcd_in_pods(slot: &Slot) -> bool {
    slot.party.host.is_none()
        && slot.authority.is_some()
        && slot.authority == Root::EtcdCa.authority()
}

/// The process that is one end of a connection.
pub(super) fn process(model: &mut Model, party: &Party) -> Option<usize> {
    let (host, component) = (party.host.as_ref()?, party.component?);
    Some(model.process(host, component))
}

fn link(
    model: &mut Model,
    contents: &mut Contents,
    connection: &Connection,
    (server_start, client_start): (Start, Start),
) -> Link {
    let id = |slot: Option<SlotId>| slot.map(|slot| slot.0);
    let part = |model: &Model, cell: Option<CellId>| {
        cell.and_then(|it| model.cell(it)).map(|cell| cell.part)
    };
    let mut client_trusts = id(connection.client_trusts);
    let mut server_trusts = id(connection.server_trusts);
    // Pods go by what was published when they started, not by what the controller manager reads.
    if part(model, client_trusts) == Some(Part::RootCa)
        && connection.kind == ConnectionKind::PodToApiserver
    {
        client_trusts = client_trusts.map(|source| in_memory_of_pods(model, source));
    }
    // Aggregated servers go by what API servers merge, not by what one of them reads.
    if part(model, server_trusts) == Some(Part::FrontProxies)
        && connection.kind == ConnectionKind::ApiserverToAggregated
    {
        server_trusts = server_trusts.map(|source| merged(model, contents, source));
    }
    let client_presents = id(connection.client_presents);
    // Who re-reads what it presents makes new connections for it (the front proxy).
    let kept = client_presents
        .and_then(|cell| model.cell(cell))
        .filter(|cell| !matches!(cell.reload, Reload::Live { .. }))
        .map(|cell| cell.loaded.clone());
    Link {
        id: connection.id.clone(),
        serves: connection.serves.clone(),
        client: process(model, &connection.client),
        server: process(model, &connection.server),
        client_presents,
        client_trusts,
        server_presents: id(connection.server_presents),
        server_trusts,
        per_request: connection.server.component != Some(ComponentKind::Etcd),
        is_minor: connection.kind == ConnectionKind::ComponentPort,
        server_start,
        client_start,
        kept: kept.unwrap_or_default(),
    }
}

/// What running pods believe, where only the controller manager's own file is known.
fn in_memory_of_pods(model: &mut Model, source: CellId) -> CellId {
    let known = model.parts(Part::Published).into_iter().find(|it| {
        let cell = model.cell(*it);
        cell.is_some_and(|cell| cell.place.is_none())
    });
    if let Some(known) = known {
        let start = model.cell(source).map(|cell| cell.disk.clone());
        if let (Some(start), Some(cell)) = (start, model.cells.get_mut(known)) {
            cell.disk.add_all(&start);
            cell.loaded.add_all(&start);
        }
        return known;
    }
    let Some(source) = model.cell(source).cloned() else {
        return source;
    };
    model.add_cell(Cell {
        holder: "running pods".to_owned(),
        host: None,
        component: None,
        flag: None,
        place: None,
        entry: None,
        owner: Owner::Pods,
        part: Part::Published,
        reload: Reload::Restart,
        ..source
    })
}

fn merged(model: &mut Model, contents: &mut Contents, source: CellId) -> CellId {
    let Some(start) = model.cell(source).map(|cell| cell.start) else {
        return source;
    };
    if let Some(known) = model.parts(Part::Merged).first().copied() {
        if let Some(cell) = model.cells.get_mut(known) {
            let both = contents.merged(cell.start, start);
            cell.disk.add(both);
            cell.loaded.add(both);
        }
        return known;
    }
    model.add_cell(Cell {
        holder: "aggregated API servers".to_owned(),
        host: None,
        component: None,
        flag: None,
        place: None,
        entry: None,
        purpose: Use::Trust,
        owner: Owner::Momentary,
        part: Part::Merged,
        reload: Reload::Live { within_seconds: 70 },
        start,
        disk: Choices::one(start),
        loaded: Choices::one(start),
        written: 0,
    })
}
