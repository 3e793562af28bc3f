//! An answer of Airtable's as it is shared and kept: status, headers, body, and when it came.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airtable_api::Failure;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::call::{Call, Operation};
use crate::normal;

/// Names the layout of a kept answer; another one is a miss.
const FORMAT: u8 = 1;

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: StatusCode,
    /// End-to-end headers, with an `ETag` of ours.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When its head arrived, to the millisecond.
    pub received: SystemTime,
    pub life: Life,
}

/// How long an answer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Life {
    /// As it is. Zero: not kept.
    pub fresh: Duration,
    /// After that, while a new one is fetched.
    pub while_revalidate: Duration,
    /// After that, if no new one can be had.
    pub if_error: Duration,
}

/// How soon a change made elsewhere shows. Our own writes show at once.
const RECORDS: Life = Life::seconds(30, 60, 600);
const METADATA: Life = Life::seconds(300, 60, 3_600);

/// Pages of a listing carry an iterator of Airtable's that dies within minutes: they are not served past their time.
const PAGES: Life = Life::seconds(30, 0, 0);

/// Formulas that ask what time it is.
const VOLATILE: Life = Life::seconds(5, 0, 60);

/// "Not there" may be over soon, and nobody tells us.
const NOT_FOUND: Life = Life::seconds(5, 0, 0);

/// How long the URLs of attachments work after they were issued.
///
/// Source: <https://support.airtable.com/docs/airtable-attachment-url-behavior>
const ATTACHMENT_URLS: Duration = Duration::from_secs(2 * 3_600);

// Whatever an answer holds, it is forgotten an hour before the URLs in it may die.
const _: () = {
    let longest = [RECORDS, METADATA, PAGES, VOLATILE, NOT_FOUND];
    let mut at = 0;
    while at < longest.len() {
        assert!(longest[at].total().as_secs() + 3_000 <= ATTACHMENT_URLS.as_secs());
        at += 1;
    }
};

impl Life {
    const fn seconds(fresh: u64, while_revalidate: u64, if_error: u64) -> Self {
        Self {
            fresh: Duration::from_secs(fresh),
            while_revalidate: Duration::from_secs(while_revalidate),
            if_error: Duration::from_secs(if_error),
        }
    }

    /// Until it is of no use for anything.
    pub(crate) const fn total(&self) -> Duration {
        let longer = if self.while_revalidate.as_secs() > self.if_error.as_secs() {
            self.while_revalidate
        } else {
            self.if_error
        };
        Duration::from_secs(self.fresh.as_secs() + longer.as_secs())
    }

    /// The life of an answer to this call.
    fn of(call: &Call, normal_form: &str, status: StatusCode, body: &[u8]) -> Self {
        match status {
            StatusCode::OK if call.is_metadata() => METADATA,
            StatusCode::OK if normal::is_volatile(normal_form) => VOLATILE,
            StatusCode::OK if normal::has_offset(normal_form) || has_next_page(call, body) => PAGES,
            StatusCode::OK => RECORDS,
            StatusCode::NOT_FOUND => NOT_FOUND,
            StatusCode::FORBIDDEN if Failure::parse(body).is_not_found() => NOT_FOUND,
            _ => Self::default(),
        }
    }
}

/// Whether a listing goes on. Airtable writes `offset` last, so only the end is looked at.
fn has_next_page(call: &Call, body: &[u8]) -> bool {
    let listing = matches!(call.operation, Operation::ListRecords | Operation::ListComments);
    let end = &body[body.len().saturating_sub(256)..];
    let names_it = end.windows(8).any(|window| window == b"\"offset\"");
    listing && (names_it || body.starts_with(b"{\"offset\""))
}

impl Answer {
    /// Keeps `headers`, which must be end-to-end, and adds an `ETag`.
    pub(crate) fn new(
        call: &Call,
        normal_form: &str,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        received: SystemTime,
    ) -> Self {
        let life = Life::of(call, normal_form, status, &body);
        headers.remove(CONTENT_LENGTH);
        headers.insert(ETAG, etag(&body));
        Self { status, headers, body, received, life }
    }

    /// The same, not to be kept.
    pub(crate) fn unkept(&self) -> Self {
        Self { life: Life::default(), ..self.clone() }
    }

    /// How old it is; zero if the clock went back.
    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.received).unwrap_or_default()
    }

    /// Seconds for which it stays fresh; negative when it is not any more.
    pub(crate) fn ttl(&self, now: SystemTime) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.life.fresh) - seconds(self.age(now))
    }

    /// As bytes to keep: a copy that holds on to nothing else.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len() + 512);
        out.put_u8(FORMAT);
        out.put_u16(self.status.as_u16());
        out.put_u64(millis(self.received.duration_since(UNIX_EPOCH).unwrap_or_default()));
        for part in [self.life.fresh, self.life.while_revalidate, self.life.if_error] {
            out.put_u64(millis(part));
        }
        out.put_u16(u16::try_from(self.headers.len()).unwrap_or(u16::MAX));
        for (name, value) in self.headers.iter().take(usize::from(u16::MAX)) {
            put_short(&mut out, name.as_str().as_bytes());
            put_short(&mut out, value.as_bytes());
        }
        out.put_slice(&self.body);
        out.freeze()
    }

    /// Reads what [`Answer::encode`] wrote. `None` for anything else.
    pub(crate) fn decode(kept: Bytes) -> Option<Self> {
        let mut read = Read(kept);
        if read.take(1)?[0] != FORMAT {
            return None;
        }
        let status = StatusCode::from_u16(read.u16()?).ok()?;
        let received = UNIX_EPOCH.checked_add(Duration::from_millis(read.u64()?))?;
        let mut part = || read.u64().map(Duration::from_millis);
        let life = Life { fresh: part()?, while_revalidate: part()?, if_error: part()? };
        let mut headers = HeaderMap::new();
        for _ in 0..read.u16()? {
            let (name, value) = (read.short()?, read.short()?);
            let name = HeaderName::from_bytes(&name).ok()?;
            headers.append(name, HeaderValue::from_maybe_shared(value).ok()?);
        }
        Some(Self { status, headers, body: read.0, received, life })
    }
}

/// A strong `ETag`: the same bytes, the same tag.
pub(crate) fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    HeaderValue::try_from(format!("\"{}\"", hex::encode(&digest[..16])))
        .expect("hexadecimal digits in quotes")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn put_short(out: &mut BytesMut, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.put_u16(length);
    out.put_slice(&bytes[..usize::from(length)]);
}

/// A reader that shares the bytes it reads.
struct Read(Bytes);

impl Read {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (self.0.len() >= length).then(|| self.0.split_to(length))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?[..].try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?[..].try_into().ok()?))
    }

    fn short(&mut self) -> Option<Bytes> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(operation: Operation, form: &str, status: u16, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([
            (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
            (HeaderName::from_static("x-pyairtable-emulated"), HeaderValue::from_static("true")),
        ]);
        let received = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        let status = StatusCode::from_u16(status).unwrap();
        Answer::new(&Call::about(operation, None), form, status, headers, body.to_owned().into(), received)
    }

    #[test]
    fn a_kept_answer_reads_back_as_it_was() {
        let whole = answer(Operation::ListRecords, "", 200, r#"{"records":[]}"#);
        assert_eq!(Answer::decode(whole.encode()), Some(whole));
    }

    #[test]
    fn how_long_an_answer_is_kept_depends_on_what_it_is() {
        let life = |operation, form: &str, status, body: &str| answer(operation, form, status, body).life;
        let list = Operation::ListRecords;
        assert_eq!(life(list, "", 200, r#"{"records":[]}"#), RECORDS);
        assert_eq!(life(list, "", 200, r#"{"records":[],"offset":"itr/rec"}"#), PAGES);
        assert_eq!(life(list, r#"{"offset":"itr/rec"}"#, 200, r#"{"records":[]}"#), PAGES);
        assert_eq!(life(list, r#"{"filterByFormula":"NOW()"}"#, 200, r#"{"records":[]}"#), VOLATILE);
        assert_eq!(life(Operation::Schema, "", 200, r#"{"tables":[]}"#), METADATA);
        assert_eq!(life(list, "", 404, r#"{"error":"NOT_FOUND"}"#), NOT_FOUND);
        let hidden = r#"{"error":{"type":"INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND","message":"m"}}"#;
        assert_eq!(life(list, "", 403, hidden), NOT_FOUND);
        for (status, body) in [
            (403, r#"{"error":{"type":"INVALID_PERMISSIONS"}}"#),
            (401, "{}"),
            (422, "{}"),
            (500, ""),
            (429, ""),
        ] {
            assert_eq!(life(list, "", status, body), Life::default(), "{status}");
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_a_miss_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let _ = Answer::decode(bytes.into());
            let whole = answer(Operation::GetRecord, "", 200, "{}").encode();
            let _ = Answer::decode(whole.slice(..cut.min(whole.len())));
        }
    }
}
