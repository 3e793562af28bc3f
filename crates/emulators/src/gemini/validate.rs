//! What Google refuses of a request that is well formed: settings that the model lacks, and histories out of order.

use serde_json::{Map, Value};

use super::errors::GeminiError;
use super::models::{Model, Thinking};
use super::prompt::{Content, Data, Mode, Prompt, Role, items};
use super::signature::{Refused, Signed, Signer};

const COUNTS: &str = "Please ensure that the number of function response parts is equal to the number of function call \
    parts of the function call turn.";
const RESPONSE_AFTER_CALL: &str =
    "Please ensure that function response turn comes immediately after a function call turn.";
const CALL_AFTER_USER: &str = "Please ensure that function call turn comes immediately after a user turn or after a \
    function response turn.";

/// Checks what the parsed request no longer shows: both kinds of a schema, both kinds of thinking, names of functions.
pub(super) fn settings(body: &Map<String, Value>, prompt: &Prompt, model: &Model) -> Result<(), GeminiError> {
    functions(body)?;
    for name in &prompt.calling.allowed {
        if !prompt.tools.iter().any(|tool| tool.name == *name) {
            return Err(GeminiError::field(
                "GenerateContentRequest.tool_config.function_calling_config.allowed_function_names",
                &format!("\"{name}\" is not among the declared functions."),
            ));
        }
    }
    if !prompt.calling.allowed.is_empty() && !matches!(prompt.calling.mode, Mode::Any | Mode::Validated) {
        return Err(GeminiError::invalid(
            "Please set allowed_function_names only when function calling mode is ANY.",
        ));
    }
    if prompt.calling.mode == Mode::Any && prompt.tools.is_empty() && prompt.cached.is_none() {
        return Err(GeminiError::invalid(
            "Function calling mode is ANY but no function_declarations are given.",
        ));
    }
    let Some(config) = body.get("generationConfig") else { return Ok(()) };
    generation(config, prompt, model)?;
    thinking(&config["thinkingConfig"], model)
}

fn functions(body: &Map<String, Value>) -> Result<(), GeminiError> {
    let mut seen: Vec<&str> = Vec::new();
    for (t, tool) in items(body.get("tools")).enumerate() {
        for (d, declaration) in items(tool.get("functionDeclarations")).enumerate() {
            let place = format!("GenerateContentRequest.tools[{t}].function_declarations[{d}]");
            let name = declaration["name"].as_str().unwrap_or_default();
            if !is_function_name(name) {
                return Err(GeminiError::field(
                    &format!("{place}.name"),
                    "[FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be alphanumeric \
                     (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
                ));
            }
            if seen.contains(&name) {
                return Err(GeminiError::invalid(format!("Duplicate function declaration found: {name}")));
            }
            seen.push(name);
            if declaration.get("parameters").is_some() && declaration.get("parametersJsonSchema").is_some() {
                return Err(GeminiError::field(
                    &place,
                    "only one of parameters and parameters_json_schema may be set.",
                ));
            }
            if let Some(parameters) = declaration.get("parameters") {
                object_schema(parameters, &format!("{place}.parameters"))?;
            }
        }
    }
    Ok(())
}

/// An object of the OpenAPI form must say what is in it.
fn object_schema(schema: &Value, place: &str) -> Result<(), GeminiError> {
    let properties = schema.get("properties").and_then(Value::as_object);
    if schema["type"] == "OBJECT" && properties.is_none_or(Map::is_empty) {
        return Err(GeminiError::field(
            &format!("{place}.properties"),
            "should be non-empty for OBJECT type",
        ));
    }
    for (name, property) in properties.into_iter().flatten() {
        object_schema(property, &format!("{place}.properties[{name}]"))?;
    }
    match schema.get("items") {
        Some(items) => object_schema(items, &format!("{place}.items")),
        None if schema["type"] == "ARRAY" => {
            Err(GeminiError::field(&format!("{place}.items"), "missing field."))
        }
        None => Ok(()),
    }
}

fn is_function_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.len() <= 128
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.:-".contains(letter))
}

fn generation(config: &Value, prompt: &Prompt, model: &Model) -> Result<(), GeminiError> {
    if config["candidateCount"].as_i64().is_some_and(|count| count != 1) {
        return Err(GeminiError::invalid("Multiple candidates is not enabled for this model"));
    }
    let place = "GenerateContentRequest.generation_config";
    if config["maxOutputTokens"].as_i64().is_some_and(|most| most < 0) {
        return Err(GeminiError::field(
            &format!("{place}.max_output_tokens"),
            "max_output_tokens must be positive.",
        ));
    }
    for (key, name, least, most) in [("temperature", "temperature", 0.0, 2.0), ("topP", "top_p", 0.0, 1.0)] {
        if config[key].as_f64().is_some_and(|number| !(least..=most).contains(&number)) {
            return Err(GeminiError::field(
                &format!("{place}.{name}"),
                &format!("{name} must be in the range [{least:.1}, {most:.1}]."),
            ));
        }
    }
    if items(config.get("stopSequences")).count() > 5 {
        return Err(GeminiError::field(
            &format!("{place}.stop_sequences"),
            "a maximum of 5 stop sequences may be set.",
        ));
    }
    if config.get("responseSchema").is_some() && config.get("responseJsonSchema").is_some() {
        return Err(GeminiError::field(
            place,
            "only one of response_schema and response_json_schema may be set.",
        ));
    }
    let mime = config["responseMimeType"].as_str().filter(|mime| !mime.is_empty());
    if let Some(mime) = mime
        && !["text/plain", "application/json", "text/x.enum"].contains(&mime)
    {
        return Err(GeminiError::field(
            &format!("{place}.response_mime_type"),
            "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`.",
        ));
    }
    if prompt.generation.schema.is_some() && !matches!(mime, Some("application/json" | "text/x.enum")) {
        return Err(GeminiError::field(
            place,
            "response schema is only supported with response_mime_type `application/json` or `text/x.enum`.",
        ));
    }
    if prompt.generation.json && !prompt.tools.is_empty() && !model.signs() {
        return Err(GeminiError::invalid(
            "Function calling with a response mime type: 'application/json' is unsupported",
        ));
    }
    Ok(())
}

fn thinking(config: &Value, model: &Model) -> Result<(), GeminiError> {
    let level = config["thinkingLevel"].as_str().filter(|level| *level != "THINKING_LEVEL_UNSPECIFIED");
    let budget = config["thinkingBudget"].as_i64();
    if level.is_some() && budget.is_some() {
        return Err(GeminiError::invalid("You can only set only one of thinking budget and thinking level."));
    }
    match (model.thinking, level, budget) {
        (Thinking::Levels(levels), Some(level), _) if !levels.contains(&level) => {
            Err(GeminiError::invalid(format!(
                "Thinking level {level} is not supported for this model. Please retry with other thinking level."
            )))
        }
        (Thinking::Budget { .. } | Thinking::None, Some(_), _) => {
            Err(GeminiError::invalid("Thinking level is not supported for this model."))
        }
        (Thinking::Levels(_), _, Some(_)) if model.id == "gemini-4-argon" => {
            Err(GeminiError::invalid("Thinking budget is not supported for this model."))
        }
        (Thinking::Budget { off: false, .. }, _, Some(0)) => {
            Err(GeminiError::invalid("Budget 0 is invalid. This model only works in thinking mode."))
        }
        (Thinking::Budget { least, most, .. }, _, Some(budget))
            if budget != -1 && budget != 0 && !(least..=most).contains(&budget) =>
        {
            Err(GeminiError::invalid(format!(
                "The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
            )))
        }
        (_, _, Some(budget)) if budget < -1 => {
            Err(GeminiError::invalid(format!("The thinking budget {budget} is invalid.")))
        }
        _ => Ok(()),
    }
}

/// Checks that there are contents, and that calls and responses follow each other.
pub(super) fn history(prompt: &Prompt) -> Result<(), GeminiError> {
    if prompt.contents.is_empty() {
        return Err(GeminiError::field("GenerateContentRequest.contents", "contents is not specified"));
    }
    let mut before: Option<&Content> = None;
    for (index, content) in prompt.contents.iter().enumerate() {
        if content.parts.is_empty() {
            return Err(GeminiError::field(
                &format!("GenerateContentRequest.contents[{index}].parts"),
                "contents.parts must not be empty.",
            ));
        }
        names(content, index)?;
        order(before, content)?;
        before = Some(content);
    }
    if let Some(last) = before
        && calls_functions(last)
    {
        return Err(GeminiError::invalid(COUNTS));
    }
    Ok(())
}

fn calls_functions(content: &Content) -> bool {
    content.calls().next().is_some()
}

fn names(content: &Content, index: usize) -> Result<(), GeminiError> {
    for (position, part) in content.parts.iter().enumerate() {
        let (kind, name) = match &part.data {
            Data::Call { name, .. } => ("function_call", name),
            Data::Response { name, .. } => ("function_response", name),
            _ => continue,
        };
        if name.is_empty() {
            return Err(GeminiError::field(
                &format!("GenerateContentRequest.contents[{index}].parts[{position}].{kind}.name"),
                "Name cannot be empty.",
            ));
        }
    }
    Ok(())
}

fn order(before: Option<&Content>, content: &Content) -> Result<(), GeminiError> {
    let after_calls = before.is_some_and(calls_functions);
    if calls_functions(content) {
        let fits = content.role == Role::Model && before.is_some_and(|before| before.role == Role::User);
        return if fits { Ok(()) } else { Err(GeminiError::invalid(CALL_AFTER_USER)) };
    }
    if content.is_response() {
        if !after_calls || content.role == Role::Model {
            return Err(GeminiError::invalid(RESPONSE_AFTER_CALL));
        }
        return before.map_or(Ok(()), |calls| answers(calls, content));
    }
    if after_calls { Err(GeminiError::invalid(COUNTS)) } else { Ok(()) }
}

/// Each response belongs to a call: by its id if it has one, else by its position; and is called the same.
fn answers(calls: &Content, responses: &Content) -> Result<(), GeminiError> {
    let calls: Vec<_> = calls.calls().collect();
    if responses.responses().count() != calls.len() {
        return Err(GeminiError::invalid(COUNTS));
    }
    let mut answered = vec![false; calls.len()];
    for (position, (id, name, _)) in responses.responses().enumerate() {
        let at = match id {
            Some(id) => calls.iter().position(|(call, _, _)| *call == Some(id)),
            None => Some(position),
        };
        // The texts of these two are our wording.
        let Some(at) = at else {
            let id = id.unwrap_or_default();
            return Err(GeminiError::invalid(format!(
                "Please ensure that function response parts match the function call parts of the function call turn: no call has the id \"{id}\"."
            )));
        };
        let called = calls[at].1;
        if called != name || answered[at] {
            return Err(GeminiError::invalid(format!(
                "Please ensure that function response parts match the function call parts of the function call turn: \"{name}\" does not answer \"{called}\"."
            )));
        }
        answered[at] = true;
    }
    Ok(())
}

/// Checks every signature that is there, and that the calls of the current turn have theirs.
pub(super) fn signatures(prompt: &Prompt, signer: &Signer<'_>) -> Result<(), GeminiError> {
    let current = prompt.last_question().map_or(0, |at| at + 1);
    for (index, content) in prompt.contents.iter().enumerate() {
        if content.role != Role::Model {
            continue;
        }
        let mut is_first_call = true;
        for part in &content.parts {
            let signed = match &part.data {
                Data::Call { name, args, .. } => {
                    let is_first = std::mem::take(&mut is_first_call);
                    if is_first && index >= current && part.signature.is_none() {
                        return Err(missing(name, index));
                    }
                    Signed::Call { name, args }
                }
                _ => Signed::Text,
            };
            if let Some(signature) = &part.signature {
                signer.check(signature, signed).map_err(|refused| {
                    GeminiError::invalid(match refused {
                        Refused::Corrupted => "Corrupted thought signature.",
                        Refused::Invalid => "Invalid thought signature.",
                    })
                })?;
            }
        }
    }
    Ok(())
}

fn missing(name: &str, index: usize) -> GeminiError {
    let position = index + 1;
    GeminiError::invalid(format!(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and \
         missing thought_signature may lead to degraded model performance. Additional data, function call \
         `default_api:{name}`, position {position}."
    ))
}
