//! What a phase is planned on: the picture, the request, and those roots that take part.

use super::rounds::Rounds;
use crate::rotation::picture::{Holds, Picture, Purpose, RootPicture};
use crate::rotation::{Phase, RotationRequest};

/// A picture with what is asked of it.
pub(super) struct Scene<'a> {
    pub(super) picture: &'a Picture,
    pub(super) request: &'a RotationRequest,
    /// Roots that take part, in the order of [`crate::rotation::Root::ALL`].
    pub(super) roots: Vec<&'a RootPicture>,
    /// Roots that were asked for and stay at rest, because others are further.
    pub(super) left_at_rest: Vec<&'a RootPicture>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(picture: &'a Picture, request: &'a RotationRequest) -> Self {
        let mut asked: Vec<&RootPicture> = picture
            .roots
            .iter()
            .filter(|root| request.roots.contains(&root.root))
            .collect();
        asked.sort_by_key(|root| root.root);
        // One that was finished looks like one that was never begun: beside others that are further it
        // is not begun again.
        let is_further = asked.iter().any(|root| root.is_in_use());
        let (roots, left_at_rest) = asked
            .into_iter()
            .partition(|root| !is_further || !root.is_at_rest());
        Self {
            picture,
            request,
            roots,
            left_at_rest,
        }
    }

    /// Roots that have a successor.
    pub(super) fn rotating(&self) -> impl Iterator<Item = &'a RootPicture> {
        self.roots.iter().copied().filter(|root| root.new.is_some())
    }

    pub(super) fn rounds(&self, phase: Phase) -> Rounds<'a> {
        Rounds {
            picture: self.picture,
            phase,
            batch: self.request.batch,
        }
    }
}

impl RootPicture {
    /// Whether there is one generation, and nothing of a rotation.
    pub(super) fn is_at_rest(&self) -> bool {
        self.new.is_none() && self.leftovers.is_empty()
    }

    /// Whether anybody trusts, presents or signs with the successor.
    pub(super) fn is_in_use(&self) -> bool {
        self.new.is_some()
            && self
                .places
                .iter()
                .any(|place| place.holds.is_both() || place.holds == Holds::New)
    }

    /// Whether something of this phase is done.
    pub(super) fn is_begun(&self, phase: Phase) -> bool {
        let any = |purpose: Purpose, of: &dyn Fn(&Holds) -> bool| {
            self.kept(purpose).any(|place| of(&place.holds))
        };
        match phase {
            Phase::Prepare => self.new.is_some() || self.request.is_some(),
            Phase::TrustBoth => any(Purpose::Trust, &|holds| {
                *holds != Holds::Old && holds.is_told()
            }),
            Phase::IssueFromNew => {
                any(Purpose::Present, &|holds| *holds == Holds::New)
                    || any(Purpose::Sign, &|holds| *holds == Holds::New)
            }
            Phase::Settle => !self.settled.is_empty(),
            Phase::RetireOld => self.kept(Purpose::Trust).any(|place| {
                place.holds == Holds::New
                    && matches!(place.place, crate::connections::Place::File { .. })
            }),
        }
    }
}
