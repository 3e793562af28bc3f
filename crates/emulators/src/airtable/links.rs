//! Links between records, kept on both sides: what one field shows, its inverse field shows from the other end.
//!
//! A link field without an inverse (a table linked to itself has one field only) keeps an index of who links where,
//! so that a deleted record leaves the cells of others without a search.

use super::cell::Cell;
use super::model::Base;

/// Who changes something, and when (milliseconds since 1970).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) user: u32,
    pub(crate) now: i64,
}

/// Makes a link cell hold exactly `wanted`, and the other side agree.
pub(crate) fn set(base: &mut Base, table: usize, slot: u32, field: usize, wanted: Vec<u32>, stamp: Stamp) {
    let Some(record) = base.tables[table].rows.get(slot) else { return };
    let before = record.cell(field).links().to_vec();
    if before == wanted {
        return;
    }
    let (removed, added) = (missing_from(&wanted, &before), missing_from(&before, &wanted));
    if let Some(record) = base.tables[table].rows.get_mut(slot) {
        record.set(field, if wanted.is_empty() { Cell::Empty } else { Cell::Links(wanted) });
        record.edited(field, stamp.user, stamp.now);
    }
    let end = End { table, field, slot };
    removed.into_iter().for_each(|other| end.other_side(base, other, Change::Remove, stamp));
    added.into_iter().for_each(|other| end.other_side(base, other, Change::Add, stamp));
}

/// Removes every link to and from a record that is about to be deleted.
pub(crate) fn detach(base: &mut Base, table: usize, slot: u32, stamp: Stamp) {
    for field in 0..base.tables[table].fields.len() {
        if base.tables[table].fields[field].kind.link().is_some() {
            set(base, table, slot, field, Vec::new(), stamp);
        }
    }
    for other in 0..base.tables.len() {
        for field in 0..base.tables[other].fields.len() {
            let link = base.tables[other].fields[field].kind.link();
            if !link.is_some_and(|link| link.table == table && link.inverse.is_none()) {
                continue;
            }
            let sources = base.tables[other].backlinks.get_mut(&field);
            for source in sources.and_then(|sources| sources.remove(&slot)).unwrap_or_default() {
                change_cell(base, other, source, field, slot, Change::Remove, stamp);
            }
        }
    }
}

/// Makes the index of who links where anew, from the cells.
pub(crate) fn index_sources(base: &mut Base) {
    for table in &mut base.tables {
        table.backlinks.clear();
        for (position, field) in table.fields.iter().enumerate() {
            if field.kind.link().is_none_or(|link| link.inverse.is_some()) {
                continue;
            }
            let sources = table.backlinks.entry(position).or_default();
            for slot in table.rows.by_creation_from(0) {
                let linked = table.rows.get(slot).map(|record| record.cell(position).links());
                for &other in linked.unwrap_or_default() {
                    sources.entry(other).or_default().push(slot);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Add,
    Remove,
}

/// The end of a link that was written.
struct End {
    table: usize,
    field: usize,
    slot: u32,
}

impl End {
    /// Makes the other end agree.
    fn other_side(&self, base: &mut Base, other: u32, change: Change, stamp: Stamp) {
        let Some(link) = base.tables[self.table].fields[self.field].kind.link() else { return };
        if let Some(inverse) = link.inverse {
            let linked = link.table;
            change_cell(base, linked, other, inverse, self.slot, change, stamp);
            return;
        }
        let backlinks = base.tables[self.table].backlinks.entry(self.field).or_default();
        let sources = backlinks.entry(other).or_default();
        match change {
            Change::Add => sources.push(self.slot),
            Change::Remove => sources.retain(|source| *source != self.slot),
        }
        if sources.is_empty() {
            backlinks.remove(&other);
        }
    }
}

/// Adds a slot to a link cell, or takes it out, on this side only.
fn change_cell(
    base: &mut Base,
    table: usize,
    slot: u32,
    field: usize,
    other: u32,
    change: Change,
    stamp: Stamp,
) {
    let Some(record) = base.tables[table].rows.get_mut(slot) else { return };
    let links = record.links_mut(field);
    match change {
        Change::Add => links.push(other),
        Change::Remove => links.retain(|linked| *linked != other),
    }
    if links.is_empty() {
        record.set(field, Cell::Empty);
    }
    record.edited(field, stamp.user, stamp.now);
}

/// Those of `all` that `some` lacks, in their order.
fn missing_from(some: &[u32], all: &[u32]) -> Vec<u32> {
    let some: std::collections::HashSet<u32> = some.iter().copied().collect();
    all.iter().copied().filter(|slot| !some.contains(slot)).collect()
}
