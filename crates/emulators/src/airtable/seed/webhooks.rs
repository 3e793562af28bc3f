//! Webhooks of a seed's base, with what they were told.

use std::collections::HashSet;

use airtable_formula::Timestamp;

use super::Problems;
use super::json::Object;
use crate::airtable::model::Base;
use crate::airtable::webhooks::{self, ReadHook};

pub(super) fn read(
    object: &Object<'_, '_>,
    base: &Base,
    now: Timestamp,
    problems: &mut Problems,
) -> Vec<ReadHook> {
    let mut hooks = Vec::new();
    let mut seen = HashSet::new();
    for at in object.items("webhooks", problems) {
        match webhooks::read(&at.node.to_value(), base, now, true) {
            Ok(hook) => {
                if !seen.insert(hook.id()) {
                    problems.add(&at.path, format!("{} is already the id of another webhook", hook.id()));
                }
                hooks.push(hook);
            }
            Err(wrong) => {
                for (place, what) in wrong {
                    let path =
                        if place.is_empty() { at.path.clone() } else { format!("{}.{place}", at.path) };
                    problems.add(&path, what);
                }
            }
        }
    }
    hooks
}
