//! Links of a seed, which need to stand on one side only.

use std::collections::{HashMap, HashSet};

use crate::airtable::ids::RecordId;
use crate::airtable::model::Base;
use crate::airtable::seed::Problems;

/// The cells of one link field, as the seed has them: for each record that has any, the ids and the path.
pub(super) type SeededLinks = Vec<(u32, Vec<RecordId>, String)>;

/// A field: the position of its table, and its own.
pub(super) type Place = (usize, usize);

/// Fills the link cells of both sides from what stands on either.
pub(super) fn link(base: &mut Base, seeded: HashMap<Place, SeededLinks>, problems: &mut Problems) {
    let mut ends: HashMap<Place, Vec<(u32, u32)>> = HashMap::new();
    for (place, cells) in seeded {
        let Some(linked) = base.tables[place.0].fields[place.1].kind.link().map(|link| link.table) else {
            continue;
        };
        let ends = ends.entry(place).or_default();
        let mut known = HashSet::new();
        for (slot, ids, path) in cells {
            for (index, id) in ids.into_iter().enumerate() {
                match base.tables[linked].rows.find(id) {
                    Some(other) if known.insert((slot, other)) => ends.push((slot, other)),
                    Some(_) => {}
                    None => problems
                        .add(&format!("{path}[{index}]"), format!("the linked table has no record {id}")),
                }
            }
        }
    }
    for table in 0..base.tables.len() {
        for field in 0..base.tables[table].fields.len() {
            let Some(link) = base.tables[table].fields[field].kind.link() else { continue };
            let mut pairs = ends.get(&(table, field)).cloned().unwrap_or_default();
            if let Some(inverse) = link.inverse {
                let own: HashSet<_> = pairs.iter().copied().collect();
                let theirs = ends.get(&(link.table, inverse)).map(Vec::as_slice).unwrap_or_default();
                pairs.extend(
                    theirs.iter().map(|&(other, slot)| (slot, other)).filter(|pair| !own.contains(pair)),
                );
            }
            set_links(base, table, field, &pairs);
        }
    }
}

fn set_links(base: &mut Base, table: usize, field: usize, pairs: &[(u32, u32)]) {
    let table_ref = &mut base.tables[table];
    for &(slot, other) in pairs {
        if let Some(record) = table_ref.rows.get_mut(slot) {
            record.links_mut(field).push(other);
        }
    }
    if table_ref.fields[field].kind.link().is_some_and(|link| link.inverse.is_none()) {
        let sources = table_ref.backlinks.entry(field).or_default();
        for &(slot, other) in pairs {
            sources.entry(other).or_default().push(slot);
        }
    }
}
