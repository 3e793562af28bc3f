//! The last requests as they arrived, bodies included, in a ring that is bounded in entries and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;

/// How many requests are kept.
const MAX_ENTRIES: usize = 20_000;

/// How many bytes of bodies, targets and headers are kept.
const MAX_BYTES: usize = 64 << 20;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is being answered.
    Open,
    /// The last byte of the answer was handed out.
    Delivered,
    /// The client left before that.
    Cancelled,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedRequest {
    /// Counts arrivals from 1; starts anew with a reset.
    pub sequence: u64,
    pub time: Timestamp,
    pub method: String,
    /// Path and query; an API key in the query is masked.
    pub target: String,
    /// In the order of arrival; an API key is masked.
    pub headers: Vec<(String, String)>,
    /// Byte for byte as the client sent it.
    pub body: Bytes,
    /// `None`: there was no answer yet when it was cancelled.
    pub status: Option<u16>,
    pub fate: Fate,
    pub duration_micros: u64,
}

impl LoggedRequest {
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.target.len() + self.body.len() + headers
    }
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    bytes: usize,
    arrived: u64,
    dropped: u64,
    /// Raised by a reset, so that requests from before it find nothing of theirs.
    epoch: u64,
}

impl RequestLog {
    /// Notes an arrival.
    pub(super) fn open(
        log: &Arc<Mutex<Self>>,
        method: &str,
        target: String,
        headers: &HeaderMap,
    ) -> OpenEntry {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let is_secret = name == "x-goog-api-key" || name == "authorization";
                let value = if is_secret { "***".into() } else { String::from_utf8_lossy(value.as_bytes()) };
                (name.to_string(), value.into_owned())
            })
            .collect();
        let mut this = lock(log);
        this.arrived += 1;
        let entry = LoggedRequest {
            sequence: this.arrived,
            time: Timestamp::now(),
            method: method.to_owned(),
            target,
            headers,
            body: Bytes::new(),
            status: None,
            fate: Fate::Open,
            duration_micros: 0,
        };
        let open = OpenEntry {
            log: Arc::clone(log),
            epoch: this.epoch,
            sequence: this.arrived,
            fate: Fate::Cancelled,
            started: Instant::now(),
        };
        this.push(entry);
        open
    }

    /// Entries after `since` (0 for all) in order of arrival.
    pub(super) fn since(&self, since: u64) -> impl Iterator<Item = &LoggedRequest> {
        self.entries.iter().filter(move |entry| entry.sequence > since)
    }

    /// How many entries had to make room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn reset(&mut self) {
        *self = Self { epoch: self.epoch + 1, ..Self::default() };
    }

    fn push(&mut self, entry: LoggedRequest) {
        self.bytes += entry.size();
        self.entries.push_back(entry);
        self.make_room();
    }

    fn make_room(&mut self) {
        // The newest stays, whatever its size.
        while self.entries.len() > 1 && (self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
    }

    fn change(&mut self, epoch: u64, sequence: u64, change: impl FnOnce(&mut LoggedRequest)) {
        if epoch != self.epoch {
            return;
        }
        let first = self.entries.front().map_or(u64::MAX, |entry| entry.sequence);
        let Some(index) = sequence.checked_sub(first) else { return };
        if let Some(entry) = self.entries.get_mut(index as usize) {
            let before = entry.size();
            change(entry);
            self.bytes = self.bytes - before + entry.size();
            self.make_room();
        }
    }
}

/// A request that is being answered; dropped, it is over.
#[derive(Debug)]
pub(super) struct OpenEntry {
    log: Arc<Mutex<RequestLog>>,
    epoch: u64,
    sequence: u64,
    fate: Fate,
    started: Instant,
}

impl OpenEntry {
    pub(super) fn body(&self, body: &Bytes) {
        lock(&self.log).change(self.epoch, self.sequence, |entry| entry.body = body.clone());
    }

    /// The head of the answer is known.
    pub(super) fn answered(&self, status: u16) {
        lock(&self.log).change(self.epoch, self.sequence, |entry| entry.status = Some(status));
    }

    /// All of the answer was handed out.
    pub(super) fn delivered(mut self) {
        self.fate = Fate::Delivered;
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        let (fate, micros) = (self.fate, self.started.elapsed().as_micros() as u64);
        lock(&self.log).change(self.epoch, self.sequence, |entry| {
            entry.fate = fate;
            entry.duration_micros = micros;
        });
    }
}

fn lock(log: &Mutex<RequestLog>) -> std::sync::MutexGuard<'_, RequestLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(log: &Arc<Mutex<RequestLog>>, target: &str) -> OpenEntry {
        RequestLog::open(log, "POST", target.to_owned(), &HeaderMap::new())
    }

    #[test]
    fn it_is_told_what_became_of_each_request() {
        let log = Arc::default();
        let (first, second, third) = (open(&log, "/1"), open(&log, "/2"), open(&log, "/3"));
        second.answered(200);
        second.delivered();
        drop(first);
        third.answered(200);
        let fates: Vec<_> =
            lock(&log).since(0).map(|entry| (entry.target.clone(), entry.status, entry.fate)).collect();
        assert_eq!(
            fates,
            [
                ("/1".to_owned(), None, Fate::Cancelled),
                ("/2".to_owned(), Some(200), Fate::Delivered),
                ("/3".to_owned(), Some(200), Fate::Open),
            ]
        );
        lock(&log).reset();
        drop(third);
        assert_eq!(lock(&log).since(0).count(), 0, "what began before a reset stays away");
    }

    #[test]
    fn the_log_is_bounded_in_bytes() {
        let log = Arc::default();
        let body = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..70 {
            open(&log, "/").body(&body);
        }
        let log = lock(&log);
        assert_eq!((log.since(0).count(), log.dropped()), (63, 7));
    }
}
