//! The tokenizer, which is a rule that anybody can compute: see [`part`].

use serde_json::{Map, Value};

use super::prompt::{Content, Data, Declaration, Part};

/// What a turn costs beside its parts.
const PER_TURN: u64 = 4;

/// What a picture, a sound or a file costs, whatever its size.
const PER_MEDIUM: u64 = 258;

/// `ceil(bytes / 4)` of a text in UTF-8.
pub(super) fn text(text: &str) -> u64 {
    of_bytes(text.len())
}

pub(super) fn of_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// A text by its bytes; a function call or response by the bytes of its name and its compact JSON; a medium a fixed number;
/// a thought nothing, since models do not read theirs again.
pub(super) fn part(part: &Part) -> u64 {
    match &part.data {
        _ if part.thought => 0,
        Data::Text(text) => self::text(text),
        Data::Call { name, args, .. } => call(name, args),
        Data::Response { name, response, media, .. } => {
            of_bytes(name.len() + json_bytes(response)) + PER_MEDIUM * *media as u64
        }
        Data::Medium => PER_MEDIUM,
        Data::Other(value) => of_bytes(value.to_string().len()),
    }
}

pub(super) fn call(name: &str, args: &Map<String, Value>) -> u64 {
    of_bytes(name.len() + json_bytes(args))
}

/// Its parts, and four.
pub(super) fn turn(content: &Content) -> u64 {
    content.parts.iter().map(part).sum::<u64>() + PER_TURN
}

/// A declared function by the bytes of its compact JSON, as it was sent (but for names brought to camelCase).
pub(super) fn declaration(declaration: &Declaration) -> u64 {
    of_bytes(declaration.json_bytes)
}

fn json_bytes(object: &Map<String, Value>) -> usize {
    serde_json::to_string(object).map_or(0, |text| text.len())
}
