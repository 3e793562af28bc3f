//! `offset` tokens, `itr…/rec…`, and the listings under way that they belong to.
//!
//! The second half names the record that comes next. A listing is forgotten after some minutes without a request,
//! and the oldest ones when there are too many; its offsets are then refused and the client starts again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::orders::Orders;
use crate::airtable::ids::{BaseId, IteratorId, RecordId, TableId};

/// How many listings are kept.
const MAX_LISTINGS: usize = 10_000;

/// How many slots all sorted listings may hold together (four bytes each).
const MAX_SORTED_SLOTS: usize = 64 << 20;

/// How long all listings are not looked through again for forgotten ones: pages come more often than that.
const SWEEP: Duration = Duration::from_secs(1);

/// `itr…/rec…`
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offset {
    pub(crate) iterator: IteratorId,
    pub(crate) next: RecordId,
}

impl Offset {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (iterator, next) = text.split_once('/')?;
        Some(Self { iterator: IteratorId::parse(iterator)?, next: RecordId::parse(next)? })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.iterator, self.next)
    }
}

/// In which order a listing goes through the table.
#[derive(Debug, Clone)]
pub(crate) enum Walk {
    ById,
    ByCreation,
    /// Slots, filtered and sorted when the listing began.
    Sorted(Arc<[u32]>),
    /// What a view showed when the listing began, in its order; what is asked for beside that is filtered page by page.
    View(Arc<[u32]>),
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Anchor {
    /// Slot, or position in the sorted slots.
    pub(crate) at: u32,
    /// How many records the pages before had.
    pub(crate) served: usize,
}

/// A listing, as one request works on it.
#[derive(Debug)]
pub(crate) struct Listing {
    place: (BaseId, TableId),
    pub(crate) walk: Walk,
    /// `None` until a second page is needed.
    iterator: Option<IteratorId>,
}

#[derive(Debug)]
struct Kept {
    place: (BaseId, TableId),
    walk: Walk,
    anchors: HashMap<RecordId, Anchor>,
    last_used: Instant,
}

impl Kept {
    fn slots(&self) -> usize {
        match &self.walk {
            Walk::Sorted(slots) | Walk::View(slots) => slots.len(),
            Walk::ById | Walk::ByCreation => 0,
        }
    }

    fn is_forgotten(&self, now: Instant, life: Duration) -> bool {
        now.saturating_duration_since(self.last_used) > life
    }
}

/// All listings under way.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    state: Mutex<State>,
    pub(crate) orders: Orders,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<IteratorId, Kept>,
    /// What the sorted ones hold together.
    slots: usize,
    /// When those that are forgotten were last looked for.
    swept: Option<Instant>,
}

impl Listings {
    pub(crate) fn begin(&self, place: (BaseId, TableId), walk: Walk) -> Listing {
        Listing { place, walk, iterator: None }
    }

    /// The listing that an offset belongs to; the same offset may be asked for again.
    pub(crate) fn resume(
        &self,
        offset: &Offset,
        place: (BaseId, TableId),
        now: Instant,
        life: Duration,
    ) -> Option<(Anchor, Listing)> {
        let mut state = self.lock();
        let listing = state.kept.get_mut(&offset.iterator)?;
        if listing.place != place || listing.is_forgotten(now, life) {
            return None;
        }
        listing.last_used = now;
        let anchor = *listing.anchors.get(&offset.next)?;
        let resumed = Listing { place, walk: listing.walk.clone(), iterator: Some(offset.iterator) };
        Some((anchor, resumed))
    }

    /// Keeps a listing until its next page is asked for, and gives the offset for that.
    pub(crate) fn suspend(
        &self,
        listing: &mut Listing,
        next: RecordId,
        anchor: Anchor,
        now: Instant,
        life: Duration,
    ) -> Offset {
        let mut state = self.lock();
        let State { kept, slots, .. } = &mut *state;
        let iterator = *listing.iterator.get_or_insert_with(IteratorId::mint);
        let entry = kept.entry(iterator).or_insert_with(|| {
            let (place, walk) = (listing.place, listing.walk.clone());
            let new = Kept { place, walk, anchors: HashMap::new(), last_used: now };
            *slots += new.slots();
            new
        });
        entry.last_used = now;
        entry.anchors.insert(next, anchor);
        state.make_room(now, life);
        Offset { iterator, next }
    }

    pub(crate) fn reset(&self) {
        *self.lock() = State::default();
        self.orders.reset();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room(&mut self, now: Instant, life: Duration) {
        let is_full = self.kept.len() > MAX_LISTINGS || self.slots > MAX_SORTED_SLOTS;
        let is_due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP);
        if is_full || is_due {
            self.swept = Some(now);
            self.kept.retain(|_, listing| !listing.is_forgotten(now, life));
            self.slots = self.kept.values().map(Kept::slots).sum();
        }
        if self.kept.len() <= MAX_LISTINGS && self.slots <= MAX_SORTED_SLOTS {
            return;
        }
        // Ids ascend, so among listings not used lately the smaller one began earlier.
        let mut oldest: Vec<_> =
            self.kept.iter().map(|(id, listing)| (listing.last_used, *id, listing.slots())).collect();
        oldest.sort();
        for (_, id, slots) in oldest {
            if self.kept.len() <= MAX_LISTINGS * 9 / 10 && self.slots <= MAX_SORTED_SLOTS {
                break;
            }
            self.kept.remove(&id);
            self.slots -= slots;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(600);

    fn place() -> (BaseId, TableId) {
        (BaseId::parse("app00000000000001").unwrap(), TableId::parse("tbl00000000000001").unwrap())
    }

    #[test]
    fn an_offset_leads_back_to_its_place_as_often_as_it_is_used() {
        let (listings, now) = (Listings::default(), Instant::now());
        let mut listing = listings.begin(place(), Walk::Sorted([3, 1, 2].into()));
        let anchor = Anchor { at: 1, served: 1 };
        let offset = listings.suspend(&mut listing, RecordId::mint(), anchor, now, LIFE);
        let parsed = Offset::parse(&offset.to_string()).unwrap();
        assert_eq!(parsed, offset);
        for _ in 0..2 {
            let (resumed, listing) = listings.resume(&parsed, place(), now, LIFE).unwrap();
            assert_eq!(resumed, anchor);
            assert!(matches!(listing.walk, Walk::Sorted(_)));
        }
        let elsewhere = (place().0, TableId::mint());
        assert!(listings.resume(&parsed, elsewhere, now, LIFE).is_none(), "another table");
        let foreign = Offset { next: RecordId::mint(), ..parsed };
        assert!(
            listings.resume(&foreign, place(), now, LIFE).is_none(),
            "a record that no page ended before"
        );
    }

    #[test]
    fn a_listing_dies_after_minutes_without_a_request() {
        let (listings, now) = (Listings::default(), Instant::now());
        let mut listing = listings.begin(place(), Walk::ById);
        let offset = listings.suspend(&mut listing, RecordId::mint(), Anchor::default(), now, LIFE);
        assert!(listings.resume(&offset, place(), now + LIFE, LIFE).is_some());
        assert!(listings.resume(&offset, place(), now + LIFE * 3, LIFE).is_none());
    }

    #[test]
    fn what_is_forgotten_takes_no_memory() {
        let (listings, now) = (Listings::default(), Instant::now());
        let begin = |at: Instant| {
            let mut listing = listings.begin(place(), Walk::Sorted([3, 1, 2].into()));
            listings.suspend(&mut listing, RecordId::mint(), Anchor::default(), at, LIFE);
            let state = listings.lock();
            (state.kept.len(), state.slots)
        };
        assert_eq!((begin(now), begin(now + LIFE)), ((1, 3), (2, 6)));
        assert_eq!(begin(now + LIFE + SWEEP), (2, 6), "without the first");
        assert_eq!(begin(now + LIFE * 3), (1, 3), "the last one");
    }

    #[test]
    fn the_oldest_listings_make_room() {
        let (listings, now) = (Listings::default(), Instant::now());
        let offsets: Vec<_> = (0..MAX_LISTINGS + 1)
            .map(|n| {
                let mut listing = listings.begin(place(), Walk::ById);
                let at = now + Duration::from_millis(n as u64);
                listings.suspend(&mut listing, RecordId::mint(), Anchor::default(), at, LIFE)
            })
            .collect();
        assert!(listings.resume(&offsets[0], place(), now, LIFE).is_none());
        assert!(listings.resume(&offsets[MAX_LISTINGS], place(), now, LIFE).is_some());
    }

    #[test]
    fn anything_else_is_no_offset() {
        for bad in ["", "itr00000000000001", "itr00000000000001/app00000000000001", "x/rec00000000000001"] {
            assert_eq!(Offset::parse(bad), None, "{bad}");
        }
    }
}
