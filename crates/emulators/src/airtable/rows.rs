//! The records of one table: in the order of their creation, by id, and by slot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::comments::Comment;
use super::fields::attachment::{self, Attachment};
use super::ids::RecordId;

/// No user: a record whose author the seed does not tell.
pub(crate) const NOBODY: u32 = u32::MAX;

/// A record. Its serialised form is the emulator's own, for its own files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    /// The last edit of any field that is not computed; `None` if there was none.
    pub(crate) modified: Option<i64>,
    /// Positions in the list of users, or [`NOBODY`].
    pub(crate) created_by: u32,
    pub(crate) modified_by: u32,
    /// What an autoNumber field shows.
    pub(crate) number: u32,
    /// Cells that are not empty, by field.
    cells: Vec<(u16, Cell)>,
    /// When single fields were edited after creation, by field.
    edits: Vec<(u16, i64)>,
    /// In the order of their creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) comments: Vec<Comment>,
}

impl Record {
    pub(crate) fn new(id: RecordId, created: i64) -> Self {
        Self {
            id,
            created,
            modified: None,
            created_by: NOBODY,
            modified_by: NOBODY,
            number: 0,
            cells: Vec::new(),
            edits: Vec::new(),
            comments: Vec::new(),
        }
    }

    pub(crate) fn cell(&self, field: usize) -> &Cell {
        match self.position(field) {
            Ok(at) => &self.cells[at].1,
            Err(_) => &Cell::Empty,
        }
    }

    pub(crate) fn set(&mut self, field: usize, cell: Cell) {
        match (self.position(field), cell.is_empty()) {
            (Ok(at), true) => {
                self.cells.remove(at);
            }
            (Ok(at), false) => self.cells[at].1 = cell,
            (Err(_), true) => {}
            (Err(at), false) => self.cells.insert(at, (field as u16, cell)),
        }
    }

    /// The linked slots of a link field's cell, to be changed in place; the caller sets the cell empty if none is left.
    pub(crate) fn links_mut(&mut self, field: usize) -> &mut Vec<u32> {
        let at = match self.position(field) {
            Ok(at) => at,
            Err(at) => {
                self.cells.insert(at, (field as u16, Cell::Links(Vec::new())));
                at
            }
        };
        let cell = &mut self.cells[at].1;
        if !matches!(cell, Cell::Links(_)) {
            *cell = Cell::Links(Vec::new());
        }
        match cell {
            Cell::Links(slots) => slots,
            _ => unreachable!("it was just made one"),
        }
    }

    /// Forgets a field that is deleted; those that stood after it stand one place before.
    fn remove_field(&mut self, field: usize) {
        let field = field as u16;
        self.cells.retain(|(own, _)| *own != field);
        self.edits.retain(|(own, _)| *own != field);
        let cells = self.cells.iter_mut().map(|(own, _)| own);
        let edits = self.edits.iter_mut().map(|(own, _)| own);
        cells.chain(edits).filter(|own| **own > field).for_each(|own| *own -= 1);
    }

    /// Whether there is anything of a field, or of one after it.
    fn has_from(&self, field: usize) -> bool {
        let cells = self.cells.iter().map(|(own, _)| own);
        cells.chain(self.edits.iter().map(|(own, _)| own)).any(|own| usize::from(*own) >= field)
    }

    /// Cells that are not empty, by field.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (usize, &Cell)> {
        self.cells.iter().map(|(field, cell)| (usize::from(*field), cell))
    }

    pub(crate) fn shrink(&mut self) {
        self.cells.shrink_to_fit();
    }

    /// Notes that a user changed a cell.
    pub(crate) fn edited(&mut self, field: usize, user: u32, now: i64) {
        self.modified = Some(now);
        self.modified_by = user;
        match self.edits.iter_mut().find(|(edited, _)| usize::from(*edited) == field) {
            Some((_, at)) => *at = now,
            None => self.edits.push((field as u16, now)),
        }
    }

    /// When single fields were edited after creation, in the order of their positions.
    pub(crate) fn edits(&self) -> Vec<(usize, i64)> {
        let mut edits: Vec<_> = self.edits.iter().map(|(field, at)| (usize::from(*field), *at)).collect();
        edits.sort_unstable();
        edits
    }

    /// Says when a field was edited, as a seed knows it.
    pub(crate) fn set_edit(&mut self, field: usize, at: i64) {
        match self.edits.iter_mut().find(|(edited, _)| usize::from(*edited) == field) {
            Some((_, known)) => *known = at,
            None => self.edits.push((field as u16, at)),
        }
    }

    /// The last edit of one field; what a record was created with counts as edited then.
    pub(crate) fn field_modified(&self, field: usize) -> Option<i64> {
        let edited = self.edits.iter().find(|(at, _)| usize::from(*at) == field);
        match edited {
            Some((_, at)) => Some(*at),
            None => (!self.cell(field).is_empty()).then_some(self.created),
        }
    }

    fn position(&self, field: usize) -> Result<usize, usize> {
        self.cells.binary_search_by_key(&field, |(field, _)| usize::from(*field))
    }
}

/// Slots that are shared and compared as one.
const CHUNK: usize = 256;

type Slot = Option<Arc<Record>>;

/// All records of a table. Cloning is cheap: clones share the records until one side changes them.
///
/// A record keeps its slot for life and a slot is never used again, so links, listings that are under way, and the
/// order of creation are plain numbers. A deleted record leaves one empty word behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// All full but for the last one.
    chunks: Vec<Arc<Vec<Slot>>>,
    by_id: BTreeMap<RecordId, u32>,
    last_number: u32,
    edition: u64,
    recent: Recent,
    /// Slots whose records were added, changed or removed; `None`: nobody wants to know.
    changed: Option<BTreeSet<u32>>,
}

/// The last changes of a table's records.
#[derive(Debug, Clone, Default)]
struct Recent {
    /// Editions, ascending, and the slots whose change made them.
    changes: VecDeque<(u64, u32)>,
    /// The newest edition that is not among them any more.
    before: u64,
}

impl Recent {
    /// More would not pay: whoever asks for what has changed makes a list of slots, and is quicker with all of them then.
    const MOST: usize = 1024;

    fn note(&mut self, edition: u64, slot: u32) {
        self.changes.push_back((edition, slot));
        if self.changes.len() > Self::MOST
            && let Some((edition, _)) = self.changes.pop_front()
        {
            self.before = edition;
        }
    }

    fn since(&self, edition: u64) -> Option<BTreeSet<u32>> {
        let first = match self.changes.binary_search_by_key(&edition, |(edition, _)| *edition) {
            Ok(at) => at + 1,
            Err(_) if edition == self.before => 0,
            Err(_) => return None,
        };
        Some(self.changes.range(first..).map(|(_, slot)| *slot).collect())
    }
}

impl Rows {
    /// Records as they were, in ascending slots, and the number that was given last.
    pub(crate) fn restore(records: Vec<(u32, Record)>, last_number: u32) -> Self {
        let mut rows = Self { last_number, ..Self::default() };
        for (slot, record) in records {
            while rows.next_slot() < slot {
                rows.push(None);
            }
            rows.by_id.insert(record.id, slot);
            rows.push(Some(Arc::new(record)));
            rows.note(slot);
        }
        rows
    }

    /// The records as they are now, to be compared with what becomes of them. They are found by slot alone, and it costs a
    /// pointer for each chunk of them.
    pub(crate) fn past(&self) -> Self {
        Self { chunks: self.chunks.clone(), ..Self::default() }
    }

    /// Notes from now on which slots change.
    pub(crate) fn note_changes(&mut self) {
        self.changed.get_or_insert_default();
    }

    /// The slots that have changed since this was last asked, in ascending order.
    pub(crate) fn take_changes(&mut self) -> BTreeSet<u32> {
        self.changed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Slots whose records are not the very ones that they were, in ascending order. Records that a clone shares are told
    /// apart by their place in memory, and so are chunks of them: what has not changed costs next to nothing.
    pub(crate) fn differing(&self, before: Option<&Self>) -> Vec<u32> {
        let old = before.map_or(&[][..], |before| &before.chunks);
        let mut differing = Vec::new();
        for (at, chunk) in self.chunks.iter().enumerate() {
            let old = old.get(at);
            if old.is_some_and(|old| Arc::ptr_eq(old, chunk)) {
                continue;
            }
            for (within, new) in chunk.iter().enumerate() {
                let is_same = match (old.and_then(|old| old.get(within)).and_then(Option::as_ref), new) {
                    (None, None) => true,
                    (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                    _ => false,
                };
                if !is_same {
                    differing.push((at * CHUNK + within) as u32);
                }
            }
        }
        differing
    }

    /// What an autoNumber field showed for the newest record.
    pub(crate) fn last_number(&self) -> u32 {
        self.last_number
    }

    /// Numbers up to this one are given.
    pub(crate) fn raise_last_number(&mut self, number: u32) {
        self.last_number = self.last_number.max(number);
    }

    /// A number that no other state of any table's records has: where it is the same, so are they.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// The slots that have changed since an edition; `None`: it is too long ago, or none of these records'.
    pub(crate) fn changed_since(&self, edition: u64) -> Option<BTreeSet<u32>> {
        self.recent.since(edition)
    }

    fn note(&mut self, slot: u32) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.edition = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.recent.note(self.edition, slot);
        if let Some(changed) = &mut self.changed {
            changed.insert(slot);
        }
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)
    }

    /// A chunk that a clone shares is copied first: pointers, not records.
    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        let chunk = self.chunks.get_mut(slot as usize / CHUNK)?;
        Arc::make_mut(chunk).get_mut(slot as usize % CHUNK)
    }

    fn push(&mut self, slot: Slot) {
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(slot),
            None => self.chunks.push(Arc::new(vec![slot])),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The slot that the next record gets.
    pub(crate) fn next_slot(&self) -> u32 {
        let last = self.chunks.last().map_or(0, |chunk| chunk.len());
        (self.chunks.len().saturating_sub(1) * CHUNK + last) as u32
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Record> {
        self.slot(slot)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Record> {
        self.note(slot);
        self.slot_mut(slot)?.as_mut().map(Arc::make_mut)
    }

    /// The attachments of all records.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        let records = self.chunks.iter().flat_map(|chunk| chunk.iter()).filter_map(Option::as_deref);
        records.flat_map(|record| record.cells().flat_map(|(_, cell)| attachment::attachments(cell)))
    }

    /// Changes the cells of some fields in memory only: no file of bases has to know.
    pub(crate) fn complete(&mut self, fields: &[usize], mut change: impl FnMut(&mut Cell)) {
        let wanted = |(field, _): &(u16, Cell)| fields.contains(&usize::from(*field));
        for slot in 0..self.next_slot() {
            if self.get(slot).is_none_or(|record| !record.cells.iter().any(wanted)) {
                continue;
            }
            if let Some(record) = self.slot_mut(slot).and_then(Option::as_mut) {
                let cells = Arc::make_mut(record).cells.iter_mut();
                cells.filter(|cell| wanted(cell)).for_each(|(_, cell)| change(cell));
            }
        }
    }

    /// Forgets a field that is deleted; those that stood after it stand one place before.
    pub(crate) fn remove_field(&mut self, field: usize) {
        for slot in 0..self.next_slot() {
            if self.get(slot).is_some_and(|record| record.has_from(field))
                && let Some(record) = self.get_mut(slot)
            {
                record.remove_field(field);
            }
        }
    }

    pub(crate) fn find(&self, id: RecordId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// Adds a record at [`Self::next_slot`] and gives it the next number, unless it has one.
    pub(crate) fn insert(&mut self, mut record: Record) -> u32 {
        if record.number == 0 {
            record.number = self.last_number + 1;
        }
        self.last_number = self.last_number.max(record.number);
        let slot = self.next_slot();
        self.by_id.insert(record.id, slot);
        self.push(Some(Arc::new(record)));
        self.note(slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        self.note(slot);
        if let Some(record) = self.slot_mut(slot).and_then(Option::take) {
            self.by_id.remove(&record.id);
        }
    }

    /// Slots from an id on, in the order of ids: Airtable's order when nothing else is asked for.
    pub(crate) fn by_id_from(&self, first: Option<RecordId>) -> impl Iterator<Item = u32> {
        let from = first.map_or(Bound::Unbounded, Bound::Included);
        self.by_id.range((from, Bound::Unbounded)).map(|(_, slot)| *slot)
    }

    /// Slots from one on, in the order of creation: the order of a view that nobody has sorted.
    pub(crate) fn by_creation_from(&self, first: u32) -> impl Iterator<Item = u32> {
        (first..self.next_slot()).filter(|&slot| self.get(slot).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> RecordId {
        RecordId::parse(&format!("rec{n:014}")).unwrap()
    }

    #[test]
    fn records_are_found_by_id_by_slot_and_in_both_orders() {
        let mut rows = Rows::default();
        for n in [3, 1, 2] {
            rows.insert(Record::new(id(n), 0));
        }
        assert_eq!(rows.by_id_from(None).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(rows.by_id_from(Some(id(2))).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(rows.by_creation_from(0).collect::<Vec<_>>(), [0, 1, 2]);
        rows.remove(1);
        assert_eq!(rows.find(id(1)), None);
        assert_eq!(rows.by_creation_from(0).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(rows.insert(Record::new(id(1), 0)), 3, "slots are not used again");
        assert_eq!(rows.get(3).unwrap().number, 4);
    }

    #[test]
    fn restored_rows_are_those_that_were_and_go_on_in_the_same_way() {
        let mut rows = Rows::default();
        rows.note_changes();
        for n in [3, 1, 2, 5] {
            let mut record = Record::new(id(n), 7);
            record.set(0, Cell::Number(0.1 + 0.2));
            record.set(2, Cell::Choices([1, 4].into()));
            record.set(9, Cell::Date(jiff::civil::date(2026, 2, 28)));
            record.edited(2, 0, 9);
            rows.insert(record);
        }
        rows.remove(1);
        rows.remove(3);
        assert_eq!(rows.take_changes().into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(rows.take_changes().is_empty());
        let kept = rows.by_creation_from(0).map(|slot| {
            let text = serde_json::to_string(rows.get(slot).unwrap()).unwrap();
            (slot, serde_json::from_str(&text).unwrap())
        });
        let mut restored = Rows::restore(kept.collect(), rows.last_number());
        for slot in [0, 2] {
            assert_eq!(restored.get(slot), rows.get(slot));
        }
        assert_eq!((restored.len(), restored.find(id(1))), (2, None));
        let slot = restored.insert(Record::new(id(6), 0));
        assert_eq!(restored.get(slot).unwrap().number, 5, "numbers are not given twice");
    }

    #[test]
    fn a_clone_keeps_what_it_saw() {
        let mut rows = Rows::default();
        let slot = rows.insert(Record::new(id(1), 0));
        let before = rows.clone();
        rows.get_mut(slot).unwrap().set(0, Cell::text("new"));
        assert_eq!(before.get(slot).unwrap().cell(0), &Cell::Empty);
        assert_eq!(rows.get(slot).unwrap().cell(0), &Cell::text("new"));
    }

    #[test]
    fn what_has_changed_since_is_found_over_many_chunks() {
        let mut rows = Rows::default();
        for n in 0..1000 {
            rows.insert(Record::new(id(n), 0));
        }
        let past = rows.past();
        assert!(rows.differing(Some(&past)).is_empty());
        rows.get_mut(256).unwrap().set(0, Cell::Checked);
        rows.remove(511);
        rows.insert(Record::new(id(1000), 0));
        assert_eq!(rows.differing(Some(&past)), [256, 511, 1000]);
        assert_eq!(rows.differing(None).len(), 1000, "all that are there");
        assert_eq!(past.get(256).unwrap().cell(0), &Cell::Empty);
        assert_eq!((past.get(511).map(|record| record.id), past.next_slot()), (Some(id(511)), 1000));
    }

    #[test]
    fn what_has_changed_since_an_edition_is_known_for_some_time() {
        let mut rows = Rows::default();
        assert_eq!(rows.changed_since(0), Some(BTreeSet::new()));
        let slots: Vec<u32> = (0..3).map(|n| rows.insert(Record::new(id(n), 0))).collect();
        let edition = rows.edition();
        assert_eq!(rows.changed_since(0).map(Vec::from_iter), Some(slots));
        assert_eq!(rows.changed_since(edition), Some(BTreeSet::new()));
        let mut elsewhere = rows.clone();
        rows.remove(1);
        rows.get_mut(0).unwrap().set(0, Cell::Checked);
        rows.get_mut(0).unwrap().set(1, Cell::Checked);
        assert_eq!(rows.changed_since(edition), Some([0, 1].into()));
        elsewhere.remove(2);
        assert_eq!(elsewhere.changed_since(rows.edition()), None, "an edition of the other one");
        for _ in 0..Recent::MOST {
            rows.get_mut(0).unwrap();
        }
        assert_eq!(rows.changed_since(edition), None, "too many");
    }

    #[test]
    fn a_field_is_modified_when_edited_and_else_when_it_was_created_with_a_value() {
        let mut record = Record::new(id(1), 5);
        record.set(2, Cell::Checked);
        assert_eq!((record.field_modified(2), record.field_modified(3)), (Some(5), None));
        record.edited(3, 0, 9);
        assert_eq!((record.field_modified(3), record.modified), (Some(9), Some(9)));
    }
}
