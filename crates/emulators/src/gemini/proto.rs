//! Google's JSON form of its messages: names in both cases, and everything unknown or of a wrong type refused with its path.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

/// What a field holds.
pub(super) enum Kind {
    Text,
    Bool,
    /// Written as a number, as `3.0`, or as text.
    Int,
    Number,
    /// Standard or URL-safe base64, padded or not.
    Bytes,
    /// One of these words, in any case; and the type's name in complaints.
    Enum(&'static str, &'static [&'static str]),
    Message(&'static Message),
    /// A list; one value alone is a list of one.
    Repeated(&'static Kind),
    /// From the caller's own names to values of a kind.
    Map(&'static Kind),
    /// An object of the caller's, kept as it is.
    Object,
    /// Any JSON of the caller's, kept as it is.
    Free,
}

/// A message type.
pub(super) struct Message {
    /// Without the package.
    pub(super) name: &'static str,
    /// Names in camelCase.
    pub(super) fields: &'static [(&'static str, Kind)],
    /// Fields of which one alone may be given, and the group's name.
    pub(super) oneof: Option<(&'static str, &'static [&'static str])>,
}

/// Something that is wrong with a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Violation {
    /// In snake_case, such as `contents[0].parts[1]`; empty at the top.
    pub(super) field: String,
    pub(super) description: String,
}

impl Violation {
    pub(super) fn to_json(&self) -> Value {
        if self.field.is_empty() {
            json!({"description": self.description})
        } else {
            json!({"field": self.field, "description": self.description})
        }
    }
}

/// Brings a message into one form: camelCase names, nulls left out, integers as such, enums in upper case, bytes in
/// standard base64.
///
/// # Errors
///
/// Everything that is wrong, in the order of the text.
pub(super) fn normalise(
    value: Map<String, Value>,
    message: &Message,
) -> Result<Map<String, Value>, Vec<Violation>> {
    let mut reader = Reader { violations: Vec::new() };
    let out = reader.message(value, message, "");
    if reader.violations.is_empty() { Ok(out) } else { Err(reader.violations) }
}

/// Decodes base64 of either alphabet, padded or not.
pub(super) fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let standard: String = text
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    LENIENT.decode(standard).ok()
}

/// Standard base64, as Google answers.
pub(super) fn encode_bytes(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// `generationConfig` to `generation_config`.
pub(super) fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    fn complain(&mut self, field: &str, description: String) {
        self.violations.push(Violation { field: field.to_owned(), description });
    }

    fn message(&mut self, value: Map<String, Value>, message: &Message, path: &str) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in value {
            let known = message.fields.iter().find(|(camel, _)| *camel == name || snake_case(camel) == name);
            let Some((camel, kind)) = known else {
                let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
                let text = format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
                );
                self.complain(path, text);
                continue;
            };
            if value.is_null() {
                continue;
            }
            if let Some((group, members)) = message.oneof
                && members.contains(camel)
                && members.iter().any(|member| out.contains_key(*member))
            {
                self.complain(
                    path,
                    format!("Invalid value at '{path}' (oneof), oneof field '{group}' is already set. Cannot set '{camel}'"),
                );
                continue;
            }
            let snake = snake_case(camel);
            let inner = if path.is_empty() { snake } else { format!("{path}.{snake}") };
            if let Some(value) = self.value(value, kind, &inner) {
                out.insert((*camel).to_owned(), value);
            }
        }
        out
    }

    fn value(&mut self, value: Value, kind: &Kind, path: &str) -> Option<Value> {
        if let (Value::Array(_), false) = (&value, matches!(kind, Kind::Repeated(_) | Kind::Free)) {
            let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
            let place = if parent.is_empty() { String::new() } else { format!(" at '{parent}'") };
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Proto field is not repeating, cannot start list."
            );
            self.complain(parent, text);
            return None;
        }
        match kind {
            Kind::Repeated(kind) => {
                let items = match value {
                    Value::Array(items) => items,
                    one => vec![one],
                };
                let read = items
                    .into_iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.value(item, kind, &format!("{path}[{index}]")));
                Some(Value::Array(read.collect()))
            }
            Kind::Message(message) => match value {
                Value::Object(object) => Some(Value::Object(self.message(object, message, path))),
                other => self.wrong(path, &type_name(message.name), &other),
            },
            Kind::Map(kind) => match value {
                Value::Object(object) => {
                    let mut out = Map::new();
                    for (key, item) in object {
                        // Google counts the entries of a map, so that the caller's names stay out of the path.
                        let inner = format!("{path}[{}].value", out.len());
                        if let Some(item) = self.value(item, kind, &inner) {
                            out.insert(key, item);
                        }
                    }
                    Some(Value::Object(out))
                }
                other => self.wrong(path, "Map", &other),
            },
            Kind::Object => match value {
                Value::Object(_) => Some(value),
                other => self.wrong(path, "type.googleapis.com/google.protobuf.Struct", &other),
            },
            Kind::Free => Some(value),
            Kind::Text => match value {
                Value::String(_) => Some(value),
                other => self.wrong(path, "TYPE_STRING", &other),
            },
            Kind::Bool => match value {
                Value::Bool(_) => Some(value),
                other => self.wrong(path, "TYPE_BOOL", &other),
            },
            Kind::Int => match integer(&value) {
                Some(number) => Some(number.into()),
                None => self.wrong(path, "TYPE_INT32", &value),
            },
            Kind::Number => match number(&value) {
                Some(number) => Some(json!(number)),
                None => self.wrong(path, "TYPE_DOUBLE", &value),
            },
            Kind::Bytes => match value.as_str().and_then(decode_bytes) {
                Some(bytes) => Some(encode_bytes(&bytes).into()),
                None => self.wrong(path, "TYPE_BYTES", &value),
            },
            Kind::Enum(name, words) => {
                let wanted = value.as_str().unwrap_or_default();
                match words.iter().find(|word| word.eq_ignore_ascii_case(wanted)) {
                    Some(word) => Some((*word).into()),
                    None => self.wrong(path, &type_name(name), &value),
                }
            }
        }
    }

    fn wrong(&mut self, path: &str, kind: &str, value: &Value) -> Option<Value> {
        self.complain(path, format!("Invalid value at '{path}' ({kind}), {}", shortened(value)));
        None
    }
}

fn type_name(name: &str) -> String {
    format!("type.googleapis.com/google.ai.generativelanguage.v1beta.{name}")
}

fn shortened(value: &Value) -> String {
    const MOST_CHARS: usize = 200;
    let text = value.to_string();
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.parse().ok().or_else(|| whole(text.parse().ok()?)),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::GENERATE_CONTENT;
    use super::*;

    fn read(body: Value) -> Result<Value, Vec<Violation>> {
        let Value::Object(object) = body else { panic!("{body}") };
        normalise(object, &GENERATE_CONTENT).map(Value::Object)
    }

    #[track_caller]
    fn refused(body: Value) -> Vec<(String, String)> {
        read(body).unwrap_err().into_iter().map(|it| (it.field, it.description)).collect()
    }

    #[test]
    fn names_come_in_both_cases_and_leave_in_one_but_the_callers_own_are_kept() {
        let read = read(json!({
            "system_instruction": {"parts": {"text": "x"}},
            "tools": [{"functionDeclarations": [{"name": "f", "parameters_json_schema": {"type": "object", "x_y": 1}}]}],
            "generationConfig": {"topK": 3.0, "maxOutputTokens": 3.0, "seed": null,
                "thinkingConfig": {"include_thoughts": true, "thinking_level": "low"}},
            "contents": [{"parts": [{"function_call": {"name": "f", "args": {"snake_case": 1}}, "thoughtSignature": "-__-"}]}],
        }));
        assert_eq!(
            read.unwrap(),
            json!({
                "systemInstruction": {"parts": [{"text": "x"}]},
                "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "x_y": 1}}]}],
                "generationConfig": {"topK": 3.0, "maxOutputTokens": 3,
                    "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "LOW"}},
                "contents": [{"parts": [{"functionCall": {"name": "f", "args": {"snake_case": 1}}, "thoughtSignature": "+//+"}]}],
            })
        );
    }

    #[test]
    fn unknown_names_are_told_with_their_path_in_snake_case_and_all_at_once() {
        assert_eq!(
            refused(
                json!({"foo": 1, "generationConfig": {"bar": 1}, "contents": [{"parts": [{"text": "", "tex": ""}]}]})
            ),
            [
                (
                    "".to_owned(),
                    "Invalid JSON payload received. Unknown name \"foo\": Cannot find field.".to_owned()
                ),
                ("generation_config".to_owned(),
                 "Invalid JSON payload received. Unknown name \"bar\" at 'generation_config': Cannot find field.".to_owned()),
                ("contents[0].parts[0]".to_owned(),
                 "Invalid JSON payload received. Unknown name \"tex\" at 'contents[0].parts[0]': Cannot find field.".to_owned()),
            ]
        );
    }

    #[test]
    fn wrong_types_and_second_data_fields_are_told() {
        for (body, expected) in [
            (
                json!({"generationConfig": {"maxOutputTokens": "many"}}),
                "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), \"many\"",
            ),
            (json!({"contents": [{"role": 5}]}), "Invalid value at 'contents[0].role' (TYPE_STRING), 5"),
            (
                json!({"contents": [{"parts": [{"text": "", "functionCall": {"name": "f"}}]}]}),
                "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'functionCall'",
            ),
            (
                json!({"generationConfig": []}),
                "Invalid JSON payload received. Unknown name \"generation_config\": Proto field is not repeating, cannot start list.",
            ),
            (
                json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": "{}"}}]}]}),
                "Invalid value at 'contents[0].parts[0].function_call.args' (type.googleapis.com/google.protobuf.Struct), \"{}\"",
            ),
        ] {
            let problems = refused(body);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].1, expected);
        }
    }

    #[test]
    fn bytes_are_read_in_either_alphabet_padded_or_not() {
        for text in ["+//+", "-__-"] {
            assert_eq!(decode_bytes(text).unwrap(), [0xfb, 0xff, 0xfe], "{text}");
        }
        for text in ["AQ==", "AQ"] {
            assert_eq!(decode_bytes(text).unwrap(), [1], "{text}");
        }
        assert_eq!(decode_bytes("not base64!"), None);
    }
}
