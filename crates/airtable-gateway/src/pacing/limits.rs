//! What Airtable allows, and what of it is ours.

use tokio::time::Instant;

use super::Lane;

/// Requests that Airtable takes per second and base.
///
/// Source: <https://airtable.com/developers/web/api/rate-limits>
pub(super) const BASE_SLOTS: usize = 5;

/// Requests that Airtable takes per second from all tokens of one user. Same source.
pub(super) const OWNER_SLOTS: usize = 50;

/// What of Airtable's limits is ours, and from when on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Between how many processes they are divided; at least 1.
    share: usize,
    /// Nobody is sent before; `None`: at once.
    pub(super) from: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::shared_by(1)
    }
}

impl Limits {
    /// The part of one of so many processes.
    pub(super) fn shared_by(processes: usize) -> Self {
        Self { share: processes.max(1), from: None }
    }

    /// The same, from then on.
    pub(super) fn from(self, from: Instant) -> Self {
        Self { from: Some(from), ..self }
    }

    /// How much longer than Airtable counts a slot has to be kept: where there are more processes than slots, each has one
    /// that it uses less often.
    pub(super) fn stretch(&self, lane: &Lane) -> u32 {
        u32::try_from(self.share.div_ceil(slots_of(lane))).unwrap_or(u32::MAX)
    }

    /// How many of so many slots are ours; at least one, which is then stretched.
    pub(super) fn of(&self, slots: usize) -> usize {
        (slots / self.share).max(1)
    }
}

/// Slots of a lane, for all processes together.
pub(super) fn slots_of(lane: &Lane) -> usize {
    if matches!(lane, Lane::Base(_)) { BASE_SLOTS } else { OWNER_SLOTS }
}
