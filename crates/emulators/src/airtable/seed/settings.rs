//! Limits and other settings of a seed.

use super::Problems;
use super::json::{At, Object};
use crate::airtable::files::Sources;
use crate::airtable::limits::Limits;
use crate::airtable::unconfirmed::Unconfirmed;

pub(super) fn limits(root: &Object<'_, '_>, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(object) = root.get("limits").and_then(|at| at.object(problems)) else { return limits };
    for (key, value) in object.rest(&[]) {
        if let Err(problem) = limits.set(&key, &value) {
            problems.add(&object.at(&key), problem);
        }
    }
    limits
}

pub(super) fn unconfirmed(root: &Object<'_, '_>, problems: &mut Problems) -> Unconfirmed {
    let Some(At { node, path }) = root.get("unconfirmed") else { return Unconfirmed::default() };
    let read = serde_json::from_value::<Unconfirmed>(node.to_value()).map_err(|error| error.to_string());
    let checked = read.and_then(|read| read.problem().map_or(Ok(read), Err));
    checked.unwrap_or_else(|problem| {
        problems.add(&path, problem);
        Unconfirmed::default()
    })
}

pub(super) fn attachment_sources(root: &Object<'_, '_>, problems: &mut Problems) -> Sources {
    let Some(text) = root.text("attachmentSources", problems) else { return Sources::default() };
    text.parse().unwrap_or_else(|problem: &str| {
        problems.add(&root.at("attachmentSources"), problem);
        Sources::default()
    })
}
