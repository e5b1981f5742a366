//! The annotation that restarts a static pod.
//!
//! Any change of its manifest gives a static pod a new UID, and the kubelet starts a new one at
//! once, without the back-off that follows a container that was stopped. An annotation is the
//! change that means nothing else.

use jiff::Timestamp;

use super::static_pod::{StaticPod, StaticPodError};
use super::yaml;
use super::yaml_edit::{Editor, Step};

/// The annotation; its value is the time of the restart.
pub const RESTARTED_AT: &str = "kubepki.dev/restarted-at";

const METADATA: [Step<'_>; 1] = [Step::Key("metadata")];
const ANNOTATIONS: [Step<'_>; 2] = [Step::Key("metadata"), Step::Key("annotations")];

impl StaticPod {
    /// The manifest with the annotation of a restart `at` this time; all else stays byte for byte.
    pub fn with_restart(manifest: &[u8], at: Timestamp) -> Result<Vec<u8>, StaticPodError> {
        Self::parse(manifest)?;
        let mut editor = Editor::new(yaml::text_of(manifest)?)?;
        let at = at.to_string();
        if is_mapping(&editor)? {
            editor.set(&ANNOTATIONS, RESTARTED_AT, &at)?;
        } else {
            editor.set_mapping(&METADATA, "annotations", (RESTARTED_AT, &at))?;
        }
        Ok(editor.finish().as_bytes().to_vec())
    }

    /// The manifest without that annotation; the same bytes if it has none.
    pub fn without_restart(manifest: &[u8]) -> Result<Vec<u8>, StaticPodError> {
        let pod = Self::parse(manifest)?;
        if !pod.annotations.contains_key(RESTARTED_AT) {
            return Ok(manifest.to_vec());
        }
        let mut editor = Editor::new(yaml::text_of(manifest)?)?;
        if editor.is_only_line(&ANNOTATIONS, RESTARTED_AT)? {
            editor.remove(&METADATA, "annotations")?;
        } else {
            editor.remove(&ANNOTATIONS, RESTARTED_AT)?;
        }
        Ok(editor.finish().as_bytes().to_vec())
    }
}

/// Whether there are annotations, if only an empty mapping of them.
fn is_mapping(editor: &Editor) -> Result<bool, StaticPodError> {
    let documents = yaml::parse(editor.text())?;
    let annotations = documents
        .first()
        .and_then(|document| document.root().at(&["metadata", "annotations"]));
    Ok(annotations.is_some_and(|annotations| !annotations.is_null()))
}
