//! A list from its first page to its last.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use crate::ports::{ClusterError, ClusterErrorKind, ClusterRead, PageRequest};

/// What to list.
pub(crate) struct List<'a> {
    pub(crate) path: &'a str,
    pub(crate) field_selector: Option<&'a str>,
    pub(crate) page_size: u32,
}

/// How a list went.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Objects given.
    pub(crate) objects: u64,
    /// Objects that were too large to be given.
    pub(crate) passed_over: u64,
    /// Why it ended before its last object.
    pub(crate) refusal: Option<ClusterError>,
}

/// How often a list that has become too old is gone on with.
const PATIENCE: u32 = 10;

/// Gives every object of a list. A list that has become too old is gone on with where it was: what
/// was there all the time is seen, and nothing is seen twice.
pub(crate) fn list(
    cluster: &dyn ClusterRead,
    list: &List<'_>,
    each: &mut dyn FnMut(&[u8]),
) -> Listed {
    let mut listed = Listed::default();
    let mut place: Option<String> = None;
    let mut patience = PATIENCE;
    loop {
        let request = PageRequest {
            path: list.path,
            field_selector: list.field_selector,
            limit: list.page_size,
            continue_from: place.as_deref(),
        };
        let objects = &mut listed.objects;
        let mut counted = |json: &[u8]| {
            *objects += 1;
            each(json);
        };
        match cluster.page(&request, &mut counted) {
            Ok(page) => {
                listed.passed_over += page.passed_over;
                // a server that sends us back to the same place would do so for ever
                if page.next.is_none() || page.next == place {
                    return listed;
                }
                place = page.next;
            }
            Err(error) => {
                let next = match &error.kind {
                    ClusterErrorKind::Expired { next: Some(next) } if patience > 0 => next.clone(),
                    _ => {
                        listed.refusal = Some(error);
                        return listed;
                    }
                };
                patience -= 1;
                place = Some(next);
            }
        }
    }
}
