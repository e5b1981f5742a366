//! Where the rotation of each root stands: in the first phase that has something left to do. It is the
//! planner's own answer, so that what is shown and what is done never differ.

use super::{Scene, planned};
use crate::rotation::picture::{Picture, RootPicture};
use crate::rotation::{Phase, Position, RotationRequest};

/// Writes the position of every root into a picture that is complete but for these.
pub fn place(picture: &mut Picture) {
    let positions: Vec<Position> = picture
        .roots
        .iter()
        .map(|root| position(picture, root))
        .collect();
    for (root, position) in picture.roots.iter_mut().zip(positions) {
        root.position = position;
    }
}

/// Where the rotation of one root stands.
pub fn position(picture: &Picture, root: &RootPicture) -> Position {
    if root.is_at_rest() {
        return Position::AtRest;
    }
    let request = RotationRequest::new([root.root]);
    let scene = Scene::new(picture, &request);
    let phase = Phase::ALL
        .into_iter()
        .find(|phase| !planned(&scene, *phase).is_empty());
    match phase {
        None => Position::AtRest,
        Some(phase) => Position::In {
            phase,
            begun: root.is_begun(phase),
        },
    }
}
