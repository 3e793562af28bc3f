//! The conversation as all vendors share it, with each vendor's own words beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// One turn of a conversation. In JSON: `{"role": "user" | "model" | "tool_results", "content": …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", content = "content", rename_all = "snake_case")]
pub enum Turn {
    /// What the user says.
    User(Vec<UserPart>),
    /// What the model said.
    Model(ModelTurn),
    /// What became of the calls of the model turn just before, one for each call, in the calls' order.
    ToolResults(Vec<ToolResult>),
}

impl Turn {
    /// A user's turn of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User(vec![UserPart::Text(text.into())])
    }
}

/// A piece of what the user says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserPart {
    /// Words.
    Text(String),
    /// A file.
    InlineData {
        /// Such as `image/png`.
        mime_type: String,
        /// The file's bytes in base64.
        data: String,
    },
}

/// What the model said in one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelTurn {
    /// The neutral view: for people, and for vendors other than the one that said it.
    pub parts: Vec<Part>,
    /// The vendor's own words. `None`: the turn was made by hand or came from a client of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawTurn>,
}

impl ModelTurn {
    /// A turn that was not said by a model that we know: another vendor's, or an example.
    pub fn from_parts(parts: Vec<Part>) -> Self {
        Self { parts, raw: None }
    }

    /// The answer's text: all text parts, without thoughts.
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Thought(_) | Part::ToolCall(_) => None,
            })
            .collect()
    }

    /// The calls, in the order in which their results must be given.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            Part::Text(_) | Part::Thought(_) => None,
        })
    }
}

/// A piece of what the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A piece of the answer.
    Text(String),
    /// A summary of its reasoning; not part of the answer.
    Thought(String),
    /// A tool that it wants called.
    ToolCall(ToolCall),
}

/// A tool that the model wants called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within a conversation. Made here where the vendor gives none; see [`id_is_ours`](Self::id_is_ours).
    pub id: String,
    /// The tool's name, as it was declared.
    pub name: String,
    /// An object, if the model keeps to the schema. Check it.
    pub arguments: Value,
    /// The vendor never saw `id`, and must not be told it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub id_is_ours: bool,
    /// The name as the model wrote it, where that is not `name` (such as `default_api:list_bases`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_name: Option<String>,
    /// The vendor's sealed reasoning, in base64, for calls that travelled through a client of ours without their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl ToolCall {
    /// A call with an id that the vendor knows.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: Value) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            arguments,
            id_is_ours: false,
            written_name: None,
            signature: None,
        }
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// [`ToolCall::id`]. `None`: the results stand in the calls' order.
    pub call_id: Option<String>,
    /// The tool's name, as it was declared.
    pub name: String,
    /// Whether `content` is what was asked for, or says why there is none.
    pub ok: bool,
    /// Any JSON; it is put into the vendor's envelope here.
    pub content: Value,
}

/// Who makes the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Google's Gemini API.
    Gemini,
}

/// A model's turn in its vendor's own JSON, which goes back unchanged to the same vendor, model and key.
///
/// It holds what the neutral view cannot: sealed reasoning on parts of any kind, also on empty ones, whose place in the
/// turn counts. Another model or key refuses it, so it is then rebuilt from the neutral view.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RawTurn {
    /// Whose JSON it is.
    pub vendor: Vendor,
    /// The model that was asked.
    pub model: String,
    /// [`Key::id`](crate::Key::id) of the key that was used.
    pub key_id: String,
    /// The turn. As a string in our JSON, so that no store on the way can reformat it.
    #[serde(with = "json_text")]
    pub content: Box<RawValue>,
}

impl PartialEq for RawTurn {
    fn eq(&self, other: &Self) -> bool {
        let names = |turn: &Self| (turn.vendor, turn.model.clone(), turn.key_id.clone());
        names(self) == names(other) && self.content.get() == other.content.get()
    }
}

mod json_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use serde_json::value::RawValue;

    #[expect(clippy::borrowed_box, reason = "serde hands over the field as it is")]
    pub(super) fn serialize<S: Serializer>(
        content: &Box<RawValue>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(content.get())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<RawValue>, D::Error> {
        RawValue::from_string(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn turns_survive_a_store_that_keeps_json_values() {
        let content = r#"{ "parts":[{"text":"\u00e9","n":1.00}] }"#;
        let turns = vec![
            Turn::user("hi"),
            Turn::Model(ModelTurn {
                parts: vec![
                    Part::Thought("hm".to_owned()),
                    Part::Text("é".to_owned()),
                    Part::ToolCall(ToolCall::new("c1", "list_bases", json!({"b": 1, "a": 2}))),
                ],
                raw: Some(RawTurn {
                    vendor: Vendor::Gemini,
                    model: "gemini-3.8-flash".to_owned(),
                    key_id: "k".to_owned(),
                    content: RawValue::from_string(content.to_owned()).unwrap(),
                }),
            }),
            Turn::ToolResults(vec![ToolResult {
                call_id: Some("c1".to_owned()),
                name: "list_bases".to_owned(),
                ok: true,
                content: json!([]),
            }]),
        ];
        let stored = serde_json::to_value(&turns).unwrap();
        let back: Vec<Turn> = serde_json::from_value(stored).unwrap();
        assert_eq!(back, turns);
        let Turn::Model(model) = &back[1] else { panic!("{back:?}") };
        assert_eq!(model.raw.as_ref().unwrap().content.get(), content);
    }
}
