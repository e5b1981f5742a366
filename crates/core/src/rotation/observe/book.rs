//! The places as they are found: each place once for each purpose, with everybody who reads it.

use crate::connections::Place;
use crate::model::Gap;
use crate::rotation::picture::{Holds, Keeper, PlaceState, Purpose, Reader};
use std::collections::HashMap;

/// A list that grows.
#[derive(Default)]
pub(super) struct Book {
    places: Vec<PlaceState>,
    /// Where each is in the list: a cluster may have tens of thousands of token Secrets.
    known: HashMap<(Place, Purpose), usize>,
    pub(super) gaps: Vec<Gap>,
}

impl Book {
    /// Adds a place; one that is known gets further readers.
    pub(super) fn add(&mut self, found: PlaceState) {
        if let Holds::Unknown { reason } = &found.holds {
            let object = match found.place.host() {
                Some(host) => format!("{host} {}", found.place),
                None => found.place.to_string(),
            };
            let gap = Gap::new(object, reason);
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
        }
        let key = (found.place.clone(), found.purpose);
        let index = *self.known.entry(key).or_insert(self.places.len());
        let Some(known) = self.places.get_mut(index) else {
            self.places.push(found);
            return;
        };
        for reader in found.readers {
            let is_known = known.readers.iter().any(|it| {
                it.host == reader.host && it.component == reader.component && it.flag == reader.flag
            });
            if !is_known {
                known.readers.push(reader);
            }
        }
        known.renewable_as = known.renewable_as.take().or(found.renewable_as);
        if known.kept_by == Keeper::Outside {
            known.kept_by = found.kept_by;
        }
    }

    pub(super) fn finish(self) -> Vec<PlaceState> {
        self.places
    }
}

/// A place that the rotation changes, with nobody who reads it yet.
pub(super) fn place(place: Place, purpose: Purpose, holds: Holds) -> PlaceState {
    PlaceState {
        place,
        purpose,
        kept_by: Keeper::Rotation,
        holds,
        readers: Vec::new(),
        renewable_as: None,
    }
}

/// The same, with readers.
pub(super) fn read_by(mut place: PlaceState, readers: Vec<Reader>) -> PlaceState {
    place.readers = readers;
    place
}
