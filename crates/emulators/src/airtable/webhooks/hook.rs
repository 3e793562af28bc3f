//! One webhook: who is told, of what, and what it was told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::specification::Specification;
use crate::airtable::fields::date;
use crate::airtable::ids::WebhookId;

/// Payloads of one hook that are kept, so that one that nobody reads does not grow for ever: so many, and so many bytes.
const MOST_KEPT: usize = 50_000;
const MOST_BYTES: usize = 64 << 20;

/// How long a hook lives without being refreshed, and a payload at all, in milliseconds.
pub(crate) const LIFE: i64 = 7 * 24 * 60 * 60 * 1000;

/// A webhook. Times are milliseconds since 1970. Clones share the payloads.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(super) id: WebhookId,
    /// Its place among the hooks of its base, in the order of their creation; no two have the same.
    pub(super) place: u32,
    /// The integration that made it; `None`: it was made with a personal token.
    pub(super) owner: Option<Arc<str>>,
    pub(super) secret: [u8; 32],
    pub(super) notification_url: Option<String>,
    pub(super) notifies: bool,
    /// `false` for good: what it watched is gone.
    pub(super) works: bool,
    pub(super) expires: i64,
    pub(super) specification: Arc<Specification>,
    pub(super) last_success: Option<String>,
    pub(super) last_result: Value,
    pub(super) payloads: Payloads,
}

/// Without its secret.
impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook({}, {} payloads)", self.id, self.payloads.kept.len())
    }
}

impl Hook {
    pub(super) fn is_enabled(&self, now: i64) -> bool {
        self.works && now < self.expires
    }

    /// Integrations see their own hooks only.
    pub(super) fn is_seen_by(&self, integration: Option<&str>) -> bool {
        integration.is_none_or(|integration| self.owner.as_deref() == Some(integration))
    }

    pub(super) fn json(&self, now: i64) -> Value {
        json!({
            "id": self.id.to_string(),
            "areNotificationsEnabled": self.notifies,
            "cursorForNextPayload": self.payloads.next_number(),
            "isHookEnabled": self.is_enabled(now),
            "lastSuccessfulNotificationTime": self.last_success,
            "notificationUrl": self.notification_url,
            "expirationTime": date::iso(self.expires),
            "lastNotificationResult": self.last_result,
            "specification": {"options": self.specification.json},
        })
    }
}

/// What a hook was told, numbered without gaps.
#[derive(Clone)]
pub(super) struct Payloads {
    kept: VecDeque<Payload>,
    /// The number of the first one that is still kept.
    first: u64,
    bytes: usize,
}

#[derive(Clone)]
pub(super) struct Payload {
    made: i64,
    /// JSON.
    pub(super) text: Arc<str>,
}

impl Payloads {
    /// None yet; the next one has that number.
    pub(super) fn from_number(first: u64) -> Self {
        Self { kept: VecDeque::new(), first, bytes: 0 }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Those that are kept, with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &Payload)> {
        (self.first..).zip(&self.kept)
    }

    /// From a number on.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = (u64, &Payload)> {
        self.numbered().skip(number.saturating_sub(self.first) as usize)
    }

    /// Adds one and gives its number.
    pub(super) fn push(&mut self, made: i64, text: Arc<str>) -> u64 {
        let number = self.next_number();
        self.bytes += text.len();
        self.kept.push_back(Payload { made, text });
        number
    }

    /// Lets go of those that are too old or too many, and gives their numbers.
    pub(super) fn prune(&mut self, now: i64) -> std::ops::Range<u64> {
        let before = self.first;
        while let Some(oldest) = self.kept.front() {
            let too_many = self.kept.len() > MOST_KEPT || (self.bytes > MOST_BYTES && self.kept.len() > 1);
            if oldest.made + LIFE >= now && !too_many {
                break;
            }
            self.bytes -= oldest.text.len();
            self.first += 1;
            self.kept.pop_front();
        }
        before..self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_numbered_without_gaps_and_leave_when_they_are_old_or_too_large() {
        let mut payloads = Payloads::from_number(1);
        assert_eq!((payloads.push(0, "a".into()), payloads.push(LIFE, "b".into())), (1, 2));
        assert_eq!(payloads.prune(LIFE), 1..1);
        assert_eq!(payloads.prune(LIFE + 1), 1..2);
        assert_eq!(payloads.prune(2 * LIFE + 1), 2..3);
        assert_eq!((payloads.next_number(), payloads.numbered().count()), (3, 0), "numbers go on");
        let large: Arc<str> = "x".repeat(MOST_BYTES / 2 + 1).into();
        payloads.push(2 * LIFE, Arc::clone(&large));
        payloads.push(2 * LIFE, large);
        assert_eq!(payloads.prune(2 * LIFE), 3..4);
        assert_eq!(payloads.from(4).map(|(number, _)| number).collect::<Vec<_>>(), [4]);
        assert_eq!(payloads.from(1).count(), 1, "from before the first");
        assert_eq!(payloads.from(9).count(), 0);
    }
}
