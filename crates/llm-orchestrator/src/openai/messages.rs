//! The messages of a request, as turns of a conversation.

use llm_api::{ModelTurn, Part, ToolCall, ToolResult, Turn, UserPart};
use serde::Deserialize;
use serde_json::Value;
use service_kit::ApiError;

use super::request::invalid;
use crate::tools::is_tool_name;

/// One message, loosely: what is missing or wrong is said with its place.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    role: String,
    content: Option<Content>,
    name: Option<String>,
    tool_calls: Option<Vec<CallWire>>,
    tool_call_id: Option<String>,
    refusal: Option<String>,
    /// The predecessor of `tool_calls`.
    function_call: Option<FunctionWire>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct CallWire {
    id: String,
    function: FunctionWire,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct FunctionWire {
    name: String,
    arguments: String,
}

/// What the messages say.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Conversation {
    /// All system and developer messages.
    pub system: Option<String>,
    /// Everything before the latest message of the user. Valid for every vendor.
    pub before: Vec<Turn>,
    /// The latest message of the user; empty if the conversation ends with results of tools.
    pub latest: Vec<UserPart>,
    /// Results at the end: what an answer of ours that ended in calls is waiting for.
    pub results: Vec<(String, Value)>,
    /// The latest text of the assistant.
    pub last_answer: Option<String>,
}

/// Reads the messages. Refused, with the place: unknown roles and parts, calls without results, results without calls.
pub(crate) fn parse_messages(messages: &[Message]) -> Result<Conversation, ApiError> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    let mut last_answer = None;
    for (index, message) in messages.iter().enumerate() {
        let at = |rest: &str| format!("/messages/{index}{rest}");
        match message.role.as_str() {
            "system" | "developer" => system.push(text_of(message, &at("/content"))?),
            "user" => {
                all_answered(&turns, &at(""))?;
                let parts = user_parts(message, &at("/content"))?;
                match turns.last_mut() {
                    Some(Turn::User(before)) => before.extend(parts),
                    _ => turns.push(Turn::User(parts)),
                }
            }
            "assistant" => {
                all_answered(&turns, &at(""))?;
                let parts = assistant_parts(message, index)?;
                if let Some(Part::Text(text)) = parts.first() {
                    last_answer = Some(text.clone());
                }
                if parts.is_empty() {
                    continue;
                }
                match turns.last_mut() {
                    Some(Turn::Model(before)) => before.parts.extend(parts),
                    None => {
                        // A greeting. Conversations begin with the user.
                        turns.push(Turn::user("[the assistant began]"));
                        turns.push(Turn::Model(ModelTurn::from_parts(parts)));
                    }
                    _ => turns.push(Turn::Model(ModelTurn::from_parts(parts))),
                }
            }
            "tool" | "function" => tool_result(&mut turns, message, index)?,
            "" => return Err(invalid(&at("/role"), "is missing")),
            _ => return Err(invalid(&at("/role"), "must be system, developer, user, assistant or tool")),
        }
    }
    all_answered(&turns, "/messages")?;
    let mut conversation = Conversation {
        system: (!system.is_empty()).then(|| system.join("\n\n")),
        last_answer,
        ..Conversation::default()
    };
    match turns.last() {
        None => {}
        Some(Turn::User(_)) => {
            if let Some(Turn::User(parts)) = turns.pop() {
                conversation.latest = parts;
            }
        }
        Some(Turn::ToolResults(_)) => {}
        Some(Turn::Model(_)) => {
            return Err(invalid(
                "/messages",
                "the last message must be of the user, or the result of a tool",
            ));
        }
    }
    // Results right at the end, or before the user's latest message.
    if let Some(Turn::ToolResults(results)) = turns.last() {
        for result in results {
            let id = result.call_id.clone().unwrap_or_default();
            conversation.results.push((id, result.content.clone()));
        }
    }
    conversation.before = turns;
    Ok(conversation)
}

/// Results are given in the calls' order, whatever order they came in.
fn tool_result(turns: &mut Vec<Turn>, message: &Message, index: usize) -> Result<(), ApiError> {
    let at = |rest: &str| format!("/messages/{index}{rest}");
    let given = match turns.last() {
        Some(Turn::ToolResults(results)) => results.clone(),
        _ => Vec::new(),
    };
    let model = turns.iter().rev().find_map(|turn| match turn {
        Turn::Model(model) => Some(Some(model)),
        Turn::User(_) => Some(None),
        Turn::ToolResults(_) => None,
    });
    let calls: Vec<_> = model.flatten().into_iter().flat_map(ModelTurn::tool_calls).cloned().collect();
    let is_asked = |call: &&ToolCall| match &message.tool_call_id {
        Some(id) => call.id == *id,
        None => message.name.as_deref() == Some(call.name.as_str()),
    };
    let Some(call) = calls.iter().find(is_asked) else {
        return Err(invalid(
            &at("/tool_call_id"),
            "there is no call of this id in the assistant's message before it",
        ));
    };
    if given.iter().any(|result| result.call_id.as_ref() == Some(&call.id)) {
        return Err(invalid(&at("/tool_call_id"), "this call has a result already"));
    }
    let text = text_of(message, &at("/content"))?;
    let result = ToolResult {
        call_id: Some(call.id.clone()),
        name: call.name.clone(),
        ok: true,
        content: text.into(),
    };
    let place = |result: &ToolResult| calls.iter().position(|call| result.call_id.as_ref() == Some(&call.id));
    match turns.last_mut() {
        Some(Turn::ToolResults(results)) => {
            results.push(result);
            results.sort_by_key(place);
        }
        _ => turns.push(Turn::ToolResults(vec![result])),
    }
    Ok(())
}

/// Every call of the latest turn has its result.
fn all_answered(turns: &[Turn], pointer: &str) -> Result<(), ApiError> {
    let (asked, given) = match turns {
        [.., Turn::Model(model)] => (model.tool_calls().count(), 0),
        [.., Turn::Model(model), Turn::ToolResults(results)] => (model.tool_calls().count(), results.len()),
        _ => return Ok(()),
    };
    match asked == given {
        true => Ok(()),
        false => Err(invalid(
            pointer,
            "each call in an assistant's message must be followed by one tool message with its result",
        )),
    }
}

fn assistant_parts(message: &Message, index: usize) -> Result<Vec<Part>, ApiError> {
    let mut parts = Vec::new();
    let text = text_of(message, &format!("/messages/{index}/content"))?;
    let text = if text.is_empty() { message.refusal.clone().unwrap_or_default() } else { text };
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    let calls = message.tool_calls.iter().flatten().map(|call| (call.id.clone(), &call.function));
    let old = message.function_call.iter().map(|function| (format!("call_{index}"), function));
    for (number, (id, function)) in calls.chain(old).enumerate() {
        let at = |rest: &str| format!("/messages/{index}/tool_calls/{number}{rest}");
        if id.is_empty() {
            return Err(invalid(&at("/id"), "is missing"));
        }
        if !is_tool_name(&function.name) {
            return Err(invalid(&at("/function/name"), "must be 1 to 64 letters, digits, _ and -"));
        }
        let arguments = match function.arguments.trim() {
            "" => Value::Object(serde_json::Map::new()),
            text => serde_json::from_str::<Value>(text)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| invalid(&at("/function/arguments"), "must be a JSON object, as a string"))?,
        };
        let is_repeated = parts.iter().any(|part| matches!(part, Part::ToolCall(call) if call.id == id));
        if is_repeated {
            return Err(invalid(&at("/id"), "is the id of another call of this message"));
        }
        // The vendor has never seen the client's ids.
        let call = ToolCall { id_is_ours: true, ..ToolCall::new(id, &function.name, arguments) };
        parts.push(Part::ToolCall(call));
    }
    Ok(parts)
}

fn text_of(message: &Message, pointer: &str) -> Result<String, ApiError> {
    match &message.content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text.clone()),
        Some(Content::Parts(parts)) => {
            let mut texts = Vec::new();
            for (index, part) in parts.iter().enumerate() {
                let kind = part.get("type").and_then(Value::as_str);
                match (kind, part.get("text").or_else(|| part.get("refusal")).and_then(Value::as_str)) {
                    (Some("text" | "refusal"), Some(text)) => texts.push(text.to_owned()),
                    _ => return Err(invalid(&format!("{pointer}/{index}"), "only text can stand here")),
                }
            }
            Ok(texts.join("\n"))
        }
    }
}

fn user_parts(message: &Message, pointer: &str) -> Result<Vec<UserPart>, ApiError> {
    let parts = match &message.content {
        None => return Err(invalid(pointer, "is missing")),
        Some(Content::Text(text)) => return Ok(vec![UserPart::Text(text.clone())]),
        Some(Content::Parts(parts)) => parts,
    };
    if parts.is_empty() {
        return Err(invalid(pointer, "is empty"));
    }
    let member =
        |part: &Value, pointer: &str| part.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let at = |rest: &str| format!("{pointer}/{index}{rest}");
            let missing = |rest: &str| invalid(&at(rest), "is missing");
            match part.get("type").and_then(Value::as_str) {
                Some("text") => Ok(UserPart::Text(member(part, "/text").ok_or_else(|| missing("/text"))?)),
                Some("image_url") => {
                    let place = "/image_url/url";
                    data_url(&member(part, place).ok_or_else(|| missing(place))?).ok_or_else(|| {
                        invalid(&at(place), "must be a data URL with base64; addresses are not fetched")
                    })
                }
                Some("input_audio") => {
                    let data =
                        member(part, "/input_audio/data").ok_or_else(|| missing("/input_audio/data"))?;
                    let format = member(part, "/input_audio/format").unwrap_or_else(|| "wav".to_owned());
                    Ok(UserPart::InlineData { mime_type: format!("audio/{format}"), data })
                }
                Some("file") => {
                    let place = "/file/file_data";
                    data_url(&member(part, place).ok_or_else(|| missing(place))?)
                        .ok_or_else(|| invalid(&at(place), "must be a data URL with base64"))
                }
                _ => Err(invalid(&at("/type"), "must be text, image_url, input_audio or file")),
            }
        })
        .collect()
}

/// `data:image/png;base64,…`
fn data_url(url: &str) -> Option<UserPart> {
    use base64::Engine as _;
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mime_type = head.strip_suffix(";base64")?.split(';').next()?.to_owned();
    let is_base64 = base64::engine::general_purpose::STANDARD.decode(data).is_ok();
    (is_base64 && mime_type.contains('/')).then(|| UserPart::InlineData { mime_type, data: data.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::turn::fault;

    fn parse(messages: Value) -> Result<Conversation, String> {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        parse_messages(&messages)
            .map_err(|error| service_kit::dialect::openai_error(&error)["error"]["message"].to_string())
    }

    #[track_caller]
    fn check_error(messages: Value, place: &str) {
        let error = parse(messages).unwrap_err();
        assert!(error.contains(place), "{error}");
    }

    fn call(id: &str) -> Value {
        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}})
    }

    #[test]
    fn a_whole_conversation_becomes_turns_that_every_vendor_takes() {
        let parsed = parse(json!([
            {"role": "developer", "content": "Be brief."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "One"},
            {"role": "user", "content": [{"type": "text", "text": "Two"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]},
            {"role": "tool", "tool_call_id": "c2", "content": "second"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "first"}]},
            {"role": "assistant", "content": "Done"},
            {"role": "user", "content": "More"},
        ]))
        .unwrap();
        assert_eq!(parsed.system.as_deref(), Some("Be brief."));
        assert_eq!(parsed.latest, [UserPart::Text("More".to_owned())]);
        assert_eq!(parsed.last_answer.as_deref(), Some("Done"));
        assert_eq!(fault(&parsed.before), None);
        let Turn::ToolResults(results) = &parsed.before[4] else { panic!("{:?}", parsed.before) };
        assert_eq!(
            results.iter().map(|result| result.content.clone()).collect::<Vec<_>>(),
            ["first", "second"]
        );
    }

    #[test]
    fn results_at_the_end_are_told_apart() {
        let parsed = parse(json!([
            {"role": "user", "content": "Go"},
            {"role": "assistant", "tool_calls": [call("c1")]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
        ]))
        .unwrap();
        assert!(parsed.latest.is_empty());
        assert_eq!(parsed.results, [("c1".to_owned(), json!("x"))]);
    }

    #[test]
    fn what_breaks_the_order_is_refused_with_its_place() {
        let user = json!({"role": "user", "content": "x"});
        let calls = json!({"role": "assistant", "tool_calls": [call("c1"), call("c2")]});
        let result = json!({"role": "tool", "tool_call_id": "c1", "content": "x"});
        check_error(json!([user, result]), "messages[1].tool_call_id");
        check_error(json!([user, calls, user]), "messages[2]");
        check_error(json!([user, calls, result]), "messages: each call");
        check_error(json!([user, calls, result, result]), "messages[3].tool_call_id");
        check_error(json!([user, {"role": "assistant", "content": "x"}]), "the last message");
        check_error(json!([{"role": "robot", "content": "x"}]), "messages[0].role");
        check_error(json!([{"role": "user"}]), "messages[0].content");
        let remote = json!([{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]);
        check_error(json!([{"role": "user", "content": remote}]), "messages[0].content[0].image_url.url");
        let bad = json!({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]});
        check_error(json!([user, bad]), "messages[1].tool_calls[0].function.arguments");
    }
}
