//! Markers in the user's text that ask for trouble, such as `[[emu:503]]`: for trying a client without a script.

use std::time::Duration;

use super::errors::{GeminiError, Quota};
use super::reply::{Cut, End, FunctionCall, Outcome, Piece, Reply};

const KNOWN: &str = "429, 429:2s, 429:day, 500, 503, malformed, undeclared, block, block:REASON, safety, recitation, \
    midstream-error, hang:30s, cut, max_tokens, empty-thinking, empty; each with :xN for the first N requests only";

/// What a marker asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marker {
    /// As written, without brackets.
    pub(super) text: String,
    /// For so many requests; always without it.
    pub(super) times: Option<u32>,
    trouble: Trouble,
}

#[derive(Debug, Clone, PartialEq)]
enum Trouble {
    Instead(Outcome),
    /// The ordinary answer, ended otherwise.
    Ending(End),
    /// The ordinary answer, cut by the limit of output.
    Truncated,
}

/// The first marker of a text.
pub(super) fn find(text: &str) -> Result<Option<Marker>, GeminiError> {
    let Some((_, rest)) = text.split_once("[[emu:") else { return Ok(None) };
    let Some((marker, _)) = rest.split_once("]]") else { return Ok(None) };
    match parse(marker.trim()) {
        Some(marker) => Ok(Some(marker)),
        None => Err(GeminiError::stuck(format!(
            "[[emu:{marker}]] is no marker of the emulator; known are {KNOWN}"
        ))),
    }
}

/// The text without its markers.
pub(super) fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[[emu:") {
        let Some((_, after)) = after.split_once("]]") else { break };
        out.push_str(before);
        rest = after;
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn parse(text: &str) -> Option<Marker> {
    let mut words: Vec<&str> = text.split(':').collect();
    let times = match words.last().and_then(|word| word.strip_prefix('x')).map(str::parse) {
        Some(Ok(times)) => {
            words.pop();
            Some(times)
        }
        _ => None,
    };
    let instead = |outcome: Outcome| Some(Trouble::Instead(outcome));
    let empty = |finish: &str| instead(Reply::empty(finish).into());
    let trouble = match words.as_slice() {
        ["429"] => instead(exhausted(Quota::RequestsPerMinute, Duration::from_secs(26))),
        ["429", "day"] => instead(exhausted(Quota::RequestsPerDay, Duration::from_secs(26))),
        ["429", wait] => instead(exhausted(Quota::RequestsPerMinute, duration(wait)?)),
        ["500"] => instead(Outcome::Error(GeminiError::internal())),
        ["503"] => instead(Outcome::Error(GeminiError::overloaded())),
        ["malformed"] => {
            let reply = Reply {
                finish_message: Some("Malformed function call".to_owned()),
                ..Reply::empty("MALFORMED_FUNCTION_CALL")
            };
            instead(reply.into())
        }
        ["undeclared"] => {
            let call = FunctionCall {
                id: Default::default(),
                name: "no_such_function".to_owned(),
                args: serde_json::json!({}),
            };
            instead(Reply { pieces: vec![Piece::Call(call)], ..Reply::default() }.into())
        }
        ["block"] => instead(Outcome::Blocked("PROHIBITED_CONTENT".to_owned())),
        ["block", reason] => instead(Outcome::Blocked(reason.to_ascii_uppercase())),
        ["safety"] => empty("SAFETY"),
        ["recitation"] => empty("RECITATION"),
        ["empty"] => {
            let nothing = Reply { pieces: vec![Piece::Text(vec![String::new()])], ..Reply::default() };
            instead(nothing.into())
        }
        ["empty-thinking"] => {
            let thought = "Thinking about it takes all that was allowed. ".repeat(20);
            let reply = Reply { pieces: vec![Piece::Thought(vec![thought])], ..Reply::empty("MAX_TOKENS") };
            instead(reply.into())
        }
        ["max_tokens"] => Some(Trouble::Truncated),
        ["midstream-error"] => {
            Some(Trouble::Ending(End::Fail { after_chunks: 1, error: GeminiError::overloaded() }))
        }
        ["cut"] => Some(Trouble::Ending(End::Cut { after_chunks: 1, how: Cut::Connection })),
        ["hang", time] => Some(Trouble::Ending(End::Hang { after_chunks: 0, time: duration(time)? })),
        _ => None,
    }?;
    Some(Marker { text: text.to_owned(), times, trouble })
}

fn exhausted(quota: Quota, wait: Duration) -> Outcome {
    Outcome::Error(GeminiError::exhausted(quota, 10, "gemini-3.8-flash", Some(wait)))
}

/// `2s`, `1.5s`, `200ms`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

impl Marker {
    /// What comes instead of the ordinary outcome.
    pub(super) fn apply(self, ordinary: impl FnOnce() -> Outcome) -> Outcome {
        match self.trouble {
            Trouble::Instead(outcome) => outcome,
            Trouble::Ending(end) => match ordinary() {
                Outcome::Reply(reply) => Reply { end, ..*reply }.into(),
                other => other,
            },
            Trouble::Truncated => match ordinary() {
                Outcome::Reply(reply) => truncated(*reply).into(),
                other => other,
            },
        }
    }
}

/// The first half of the answer's text.
fn truncated(mut reply: Reply) -> Reply {
    for piece in &mut reply.pieces {
        if let Piece::Text(texts) = piece {
            let whole = texts.concat();
            *texts = vec![whole[..whole.floor_char_boundary(whole.len().div_ceil(2))].to_owned()];
        }
    }
    reply.pieces.retain(|piece| !matches!(piece, Piece::Call(_)));
    Reply { finish: Some("MAX_TOKENS".to_owned()), ..reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        find(text).unwrap().unwrap().apply(|| {
            Reply { pieces: vec![Piece::Text(vec!["Hello there".to_owned()])], ..Reply::default() }.into()
        })
    }

    #[test]
    fn a_marker_asks_for_trouble() {
        match outcome("hi [[emu:429:1.5s]]") {
            Outcome::Error(error) => assert_eq!(error.details[2]["retryDelay"], "1.5s"),
            other => panic!("{other:?}"),
        }
        assert_eq!(outcome("[[emu:block]]"), Outcome::Blocked("PROHIBITED_CONTENT".to_owned()));
        match outcome("[[emu:max_tokens]]") {
            Outcome::Reply(reply) => {
                assert_eq!(reply.pieces, [Piece::Text(vec!["Hello ".to_owned()])]);
                assert_eq!(reply.finish.as_deref(), Some("MAX_TOKENS"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(find("[[emu:503:x2]]").unwrap().unwrap().times, Some(2));
        assert_eq!(find("nothing here").unwrap(), None);
        assert!(find("[[emu:fly]]").unwrap_err().message.contains("midstream-error"));
        assert_eq!(strip("a [[emu:503]]b"), "a b");
    }
}
