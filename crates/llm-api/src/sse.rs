//! Server-sent events: a decoder that takes bytes as they come, in time linear in their number.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use std::collections::VecDeque;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; `None` is "message".
    pub name: Option<String>,
    /// The `data:` lines, joined by newlines. Bytes that are not UTF-8 became U+FFFD.
    pub data: String,
    /// The `id:` field of this event.
    pub id: Option<String>,
}

/// An event is longer than the decoder's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit.
    pub limit: usize,
}

/// Turns bytes into events.
///
/// Lines end at CR, LF or CRLF, and nowhere else: U+2028 stands unescaped in JSON strings. Each byte is looked at once
/// and copied at most twice, however the bytes are split up.
#[derive(Debug)]
pub struct Decoder {
    /// The line so far, where it began in an earlier piece.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    name: Option<String>,
    id: Option<String>,
    ready: VecDeque<Event>,
    limit: usize,
    /// The last byte was a CR: an LF right after it belongs to it.
    after_cr: bool,
    /// How many bytes of a byte order mark have been seen; `None`: the stream's start is past.
    mark: Option<usize>,
    #[cfg(test)]
    steps: usize,
}

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Decoder {
    /// `limit`: the most bytes that a line, or the data of one event, may have.
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            name: None,
            id: None,
            ready: VecDeque::new(),
            limit,
            after_cr: false,
            mark: Some(0),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Takes the next bytes. After an error the decoder is of no more use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let mut rest = self.past_mark(bytes)?;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                self.count(rest.len());
                return self.keep(rest);
            };
            self.count(end + 1);
            self.after_cr = rest[end] == b'\r';
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.line.is_empty() {
                self.take_line(line)?;
            } else {
                self.keep(line)?;
                let mut whole = std::mem::take(&mut self.line);
                self.take_line(&whole)?;
                whole.clear();
                self.line = whole; // its room is used again
            }
            rest = after;
        }
        Ok(())
    }

    /// The next whole event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// Ends the stream, and gives what would have been the last event if an empty line had followed. The standard drops
    /// it; callers who can tell a whole event from half of one may use it.
    pub fn finish(mut self) -> Result<Option<Event>, TooLong> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line)?;
        }
        self.dispatch();
        Ok(self.ready.pop_back())
    }

    /// What follows a byte order mark at the very start of the stream.
    fn past_mark<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], TooLong> {
        let mut rest = bytes;
        while let (Some(seen), Some(&byte)) = (self.mark, rest.first()) {
            if byte == BYTE_ORDER_MARK[seen] {
                rest = &rest[1..];
                self.mark = (seen + 1 < BYTE_ORDER_MARK.len()).then_some(seen + 1);
            } else {
                self.mark = None;
                self.keep(&BYTE_ORDER_MARK[..seen])?; // it only looked like one
            }
        }
        Ok(rest)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + piece.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), TooLong> {
        if line.is_empty() {
            self.dispatch();
            return Ok(());
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                if self.data.len() + value.len() + 1 > self.limit {
                    return Err(TooLong { limit: self.limit });
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
                self.count(value.len());
            }
            b"event" => self.name = Some(text(value.to_vec())).filter(|name| !name.is_empty()),
            b"id" if !value.contains(&0) => self.id = Some(text(value.to_vec())),
            // A comment has an empty field name. `retry` is for those who reconnect; anything else is unknown.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        let (name, id) = (self.name.take(), self.id.take());
        if std::mem::take(&mut self.has_data) {
            self.ready.push_back(Event { name, data: text(std::mem::take(&mut self.data)), id });
        }
    }

    #[cfg(test)]
    fn count(&mut self, bytes: usize) {
        self.steps += bytes;
    }

    #[cfg(not(test))]
    #[inline]
    fn count(&mut self, _bytes: usize) {}
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let mut decoder = Decoder::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece).unwrap();
            events.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        events
    }

    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        let data: Vec<String> = decode([stream.as_bytes()]).into_iter().map(|event| event.data).collect();
        assert_eq!(data, expected, "{stream:?}");
        let bytewise: Vec<String> =
            decode(stream.as_bytes().chunks(1)).into_iter().map(|event| event.data).collect();
        assert_eq!(bytewise, expected, "{stream:?} in single bytes");
    }

    #[test]
    fn lines_end_at_each_kind_of_line_break_and_nowhere_else() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("data: a\r\n\ndata: b\n\r\n", &["a", "b"]);
        check("data: a\u{2028}b\u{85}c\u{b}\n\n", &["a\u{2028}b\u{85}c\u{b}"]);
    }

    #[test]
    fn data_lines_are_joined_and_one_blank_is_optional() {
        check("data:a\ndata: b\ndata:  c\n\n", &["a\nb\n c"]);
        check("data\n\n", &[""]);
        check("data:\ndata:\n\n", &["\n"]);
        check("data: a", &[]);
        check("data: a\n", &[]);
    }

    #[test]
    fn comments_and_unknown_fields_are_passed_over() {
        check(": keep-alive\n\ndata: a\n: more\nretry: 5\nwhat: ever\n\n:\n\n", &["a"]);
    }

    #[test]
    fn a_byte_order_mark_is_dropped_at_the_start_only() {
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]);
        check("\u{feff}\n\ndata: a\n\n", &["a"]);
        let not_a_mark = [b"\xef\xbbdata: a\n\ndata: b\n\n".as_slice()];
        assert_eq!(decode(not_a_mark)[0].data, "b");
    }

    #[test]
    fn names_and_ids_belong_to_their_event() {
        let events = decode([b"event: x\nid: 7\ndata: a\n\ndata: b\n\nevent: y\n\ndata: c\n\n".as_slice()]);
        let names: Vec<_> = events
            .iter()
            .map(|event| (event.name.as_deref(), event.id.as_deref(), event.data.as_str()))
            .collect();
        assert_eq!(names, [(Some("x"), Some("7"), "a"), (None, None, "b"), (None, None, "c")]);
    }

    #[test]
    fn the_end_gives_up_an_event_that_lacks_its_empty_line() {
        for stream in
            ["data: a\n\ndata: {\"x\":1}\n", "data: a\n\ndata: {\"x\":1}", "data: a\n\ndata: {\"x\":1}\r"]
        {
            let mut decoder = Decoder::new(100);
            decoder.push(stream.as_bytes()).unwrap();
            assert_eq!(decoder.next_event().unwrap().data, "a");
            assert_eq!(decoder.finish().unwrap().unwrap().data, "{\"x\":1}");
        }
        let mut decoder = Decoder::new(100);
        decoder.push(b"data: a\n\n").unwrap();
        decoder.next_event();
        assert_eq!(decoder.finish().unwrap(), None);
    }

    #[test]
    fn what_is_longer_than_the_limit_is_refused_and_not_kept() {
        let mut decoder = Decoder::new(10);
        decoder.push(b"data: 1234").unwrap();
        assert_eq!(decoder.push(b"5"), Err(TooLong { limit: 10 }));
        assert!(decoder.line.len() <= 10);

        let mut decoder = Decoder::new(10);
        let lines = (0..10).try_for_each(|_| decoder.push(b"data: 1\n"));
        assert_eq!(lines, Err(TooLong { limit: 10 }));

        let mut decoder = Decoder::new(10);
        for _ in 0..100 {
            decoder.push(b"data: 1234\n\n").unwrap();
        }
        assert_eq!(decoder.ready.len(), 100);
    }

    #[test]
    fn a_long_event_in_single_bytes_takes_linear_work() {
        let size = 1 << 20;
        let mut decoder = Decoder::new(2 * size);
        let stream = format!("data: {}\r\n\r\n", "x".repeat(size));
        for byte in stream.as_bytes().chunks(1) {
            decoder.push(byte).unwrap();
        }
        assert_eq!(decoder.next_event().unwrap().data.len(), size);
        assert!(decoder.steps <= 2 * stream.len() + 16, "{} steps for {} bytes", decoder.steps, stream.len());
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_end_the_stream() {
        assert_eq!(decode([b"data: a\xffb\n\n".as_slice()])[0].data, "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn any_split_of_a_stream_gives_the_same_events(
            lines in prop::collection::vec(
                prop_oneof![
                    "data: ?[aé\u{2028}\u{1f600}: ]{0,8}",
                    "(event|id|retry): ?[a-z0-9]{0,4}",
                    ":[ a-z]{0,4}",
                    Just(String::new()),
                    "\u{feff}?[a-z:é]{0,5}",
                ],
                0..24,
            ),
            breaks in prop::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 24),
            cuts in prop::collection::vec(0_usize..400, 0..40),
        ) {
            let stream: String =
                lines.iter().zip(&breaks).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            prop_assert_eq!(decode(pieces), decode([bytes]));
            prop_assert_eq!(decode(bytes.chunks(1)), decode([bytes]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode([bytes.as_slice()]);
        }
    }
}
