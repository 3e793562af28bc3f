//! The last requests as they arrived, kept in a ring that is bounded in entries and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

/// How many requests are kept.
const MAX_ENTRIES: usize = 100_000;

/// How many bytes of request targets are kept; one may be 64 KiB long.
const MAX_TARGET_BYTES: usize = 32 << 20;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Counts arrivals from 1; survives no reset.
    pub(crate) sequence: u64,
    pub(crate) time: Timestamp,
    pub(crate) method: String,
    /// Path and query byte for byte as the client sent them.
    pub(crate) target: String,
    /// `None`: the client went away before it was answered.
    pub(crate) status: Option<u16>,
    pub(crate) duration_micros: u64,
}

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Entry>,
    target_bytes: usize,
    arrived: u64,
    dropped: u64,
}

impl RequestLog {
    /// Notes an arrival; the entry is written when the guard is dropped, answered or not.
    pub(crate) fn open(log: &Arc<Mutex<Self>>, method: &str, target: String) -> OpenEntry {
        let mut this = log.lock().unwrap_or_else(PoisonError::into_inner);
        this.arrived += 1;
        let entry = Entry {
            sequence: this.arrived,
            time: Timestamp::now(),
            method: method.to_owned(),
            target,
            status: None,
            duration_micros: 0,
        };
        OpenEntry { log: Arc::clone(log), entry, started: Instant::now() }
    }

    /// Entries after `since` (0 for all) in order of arrival.
    pub(crate) fn since(&self, since: u64) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().filter(|entry| entry.sequence > since).collect();
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }

    /// How many entries had to make room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn push(&mut self, entry: Entry) {
        self.target_bytes += entry.target.len();
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.target_bytes > MAX_TARGET_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.target_bytes -= oldest.target.len();
            self.dropped += 1;
        }
    }
}

/// A request that is being answered.
pub(crate) struct OpenEntry {
    log: Arc<Mutex<RequestLog>>,
    entry: Entry,
    started: Instant,
}

impl OpenEntry {
    pub(crate) fn answered(mut self, status: u16) {
        self.entry.status = Some(status);
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        self.entry.duration_micros = self.started.elapsed().as_micros() as u64;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(self.entry.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_order_of_arrival_and_those_that_were_never_answered() {
        let log = Arc::new(Mutex::new(RequestLog::default()));
        let first = RequestLog::open(&log, "GET", "/v0/a?".to_owned());
        RequestLog::open(&log, "POST", "/v0/b%2F".to_owned()).answered(200);
        drop(first);
        let log = log.lock().unwrap();
        let seen: Vec<_> =
            log.since(0).into_iter().map(|entry| (entry.target.as_str(), entry.status)).collect();
        assert_eq!(seen, [("/v0/a?", None), ("/v0/b%2F", Some(200))]);
        assert_eq!(log.since(1).len(), 1);
    }

    #[test]
    fn the_log_is_bounded_in_bytes() {
        let log = Arc::new(Mutex::new(RequestLog::default()));
        let target = "x".repeat(1 << 20);
        for _ in 0..40 {
            RequestLog::open(&log, "GET", target.clone()).answered(200);
        }
        let log = log.lock().unwrap();
        assert_eq!((log.since(0).len(), log.dropped()), (32, 8));
    }
}
