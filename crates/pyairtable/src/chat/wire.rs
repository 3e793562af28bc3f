//! The orchestrator's stream, as far as this command reads it: OpenAI's chunks and the run's events beside them.

use serde_json::{Value, json};

use super::failure::Failure;

/// What is said to the orchestrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Say {
    Message(String),
    /// The user's word on what a run would change.
    Decision {
        id: String,
        approve: bool,
    },
}

/// A request for a stream with the run's events and the usage at its end.
pub(crate) fn request(say: &Say, session: Option<&str>, model: Option<&str>) -> Value {
    let mut body = json!({
        "messages": [],
        "stream": true,
        "stream_options": {"include_usage": true},
        "include_run_events": true,
    });
    match say {
        Say::Message(text) => body["messages"] = json!([{"role": "user", "content": text}]),
        Say::Decision { id, approve } => {
            let decision = if *approve { "approve" } else { "decline" };
            body["approval"] = json!({"id": id, "decision": decision});
        }
    }
    if let Some(session) = session {
        body["session_id"] = session.into();
    }
    if let Some(model) = model {
        body["model"] = model.into();
    }
    body
}

/// Something that happened while the answer was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Text(String),
    ToolStarted {
        name: String,
        arguments: Value,
        json: Value,
    },
    ToolFinished {
        name: String,
        status: String,
        duration_ms: u64,
        preview: String,
        json: Value,
    },
    ApprovalRequired {
        approval: Approval,
        json: Value,
    },
    /// One that this version does not know.
    Other {
        json: Value,
    },
}

/// A change that waits for the user's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Approval {
    pub(crate) id: String,
    pub(crate) tool: String,
    /// What would change.
    pub(crate) summary: String,
}

/// What is known of the whole answer when it has ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) session: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) finish: Option<String>,
    pub(crate) usage: Value,
    pub(crate) cost: Value,
    pub(crate) run: Value,
    pub(crate) emulated: bool,
    pub(crate) approval: Option<Approval>,
}

impl Summary {
    /// Takes one chunk, and gives what happened in it.
    pub(crate) fn take(&mut self, chunk: &Value) -> Result<Vec<Event>, Failure> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let (code, message) = error_words(error);
            return Err(Failure::Interrupted { code, message });
        }
        let mut events = Vec::new();
        if let Some(event) = chunk.get("run_event").filter(|event| event.is_object()) {
            events.push(self.run_event(event));
        }
        let choice = &chunk["choices"][0];
        if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
            events.push(Event::Text(text.to_owned()));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.finish = text(&choice["finish_reason"]).or(self.finish.take());
        self.model = text(&chunk["model"]).or(self.model.take());
        self.session = text(&chunk["session_id"]).or(self.session.take());
        self.emulated |= chunk["emulated"].as_bool().unwrap_or(false);
        for (known, name) in [(&mut self.usage, "usage"), (&mut self.cost, "cost"), (&mut self.run, "run")] {
            if let Some(value) = chunk.get(name).filter(|value| !value.is_null()) {
                *known = value.clone();
            }
        }
        if self.approval.is_none() {
            self.approval = approval(&self.run["approval"]);
        }
        Ok(events)
    }

    /// Nobody charges for the answer: not Airtable alone was emulated, but the model.
    pub(crate) fn is_free(&self) -> bool {
        self.emulated && self.run["model_emulated"].as_bool().unwrap_or(false)
    }

    /// For machines: all that is known at the end.
    pub(crate) fn json(&self) -> Value {
        json!({
            "type": "done", "session_id": self.session, "model": self.model, "finish_reason": self.finish,
            "usage": self.usage, "cost": self.cost, "run": self.run, "emulated": self.emulated,
        })
    }

    fn run_event(&mut self, event: &Value) -> Event {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let json = event.clone();
        match event["type"].as_str() {
            Some("tool_started") => {
                Event::ToolStarted { name: text("name"), arguments: event["arguments"].clone(), json }
            }
            Some("tool_finished") => Event::ToolFinished {
                name: text("name"),
                status: text("status"),
                duration_ms: event["duration_ms"].as_u64().unwrap_or(0),
                preview: text("preview"),
                json,
            },
            Some("approval_required") => match approval(event) {
                Some(approval) => {
                    self.approval = Some(approval.clone());
                    Event::ApprovalRequired { approval, json }
                }
                None => Event::Other { json },
            },
            _ => Event::Other { json },
        }
    }
}

fn approval(value: &Value) -> Option<Approval> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Some(Approval { id: value["id"].as_str()?.to_owned(), tool: text("tool"), summary: text("summary") })
}

/// Code and message of an error in OpenAI's shape, or of a problem document.
pub(crate) fn error_words(error: &Value) -> (String, String) {
    let first =
        |names: &[&str]| names.iter().find_map(|name| error[*name].as_str()).unwrap_or_default().to_owned();
    match error.as_str() {
        Some(message) => (String::new(), message.to_owned()),
        None => (first(&["code", "type"]), first(&["message", "detail", "title"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_given() {
        let plain = request(&Say::Message("hi".to_owned()), None, None);
        assert_eq!(plain["messages"], json!([{"role": "user", "content": "hi"}]));
        for absent in ["session_id", "model", "approval"] {
            assert!(plain.get(absent).is_none(), "{absent}");
        }
        let decision = request(
            &Say::Decision { id: "K7".to_owned(), approve: false },
            Some("s"),
            Some("gemini-4-argon"),
        );
        assert_eq!(decision["approval"], json!({"id": "K7", "decision": "decline"}));
        assert_eq!((&decision["session_id"], &decision["model"]), (&json!("s"), &json!("gemini-4-argon")));
        assert_eq!(decision["messages"], json!([]));
    }

    #[test]
    fn chunks_add_up_to_a_summary() {
        let mut summary = Summary::default();
        let chunks = [
            json!({"model": "m", "choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}], "usage": null}),
            json!({"choices": [{"delta": {}}], "run_event": {"type": "tool_started", "name": "list_bases", "arguments": {}}}),
            json!({"choices": [{"delta": {}}], "run_event": {"type": "progress"}}),
            json!({"choices": [{"delta": {"content": "4"}}]}),
            json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "session_id": "s1", "emulated": true,
                   "cost": {"currency": "USD", "total": "0.1"}, "run": {"id": "r", "approval": {"id": "K", "tool": "t", "summary": "x"}}}),
            json!({"choices": [], "usage": {"prompt_tokens": 3}}),
            json!({}),
        ];
        let events: Vec<Event> = chunks.iter().flat_map(|chunk| summary.take(chunk).unwrap()).collect();
        assert!(matches!(
            events.as_slice(),
            [Event::ToolStarted { .. }, Event::Other { .. }, Event::Text(text)] if text == "4"
        ));
        assert_eq!(summary.finish.as_deref(), Some("stop"));
        assert_eq!(summary.approval.as_ref().unwrap().id, "K");
        let shown = summary.json();
        assert_eq!((&shown["session_id"], &shown["usage"]["prompt_tokens"]), (&json!("s1"), &json!(3)));
        assert_eq!((&shown["emulated"], &shown["model"]), (&json!(true), &json!("m")));
    }

    #[test]
    fn an_error_within_the_stream_ends_it() {
        let error =
            Summary::default().take(&json!({"error": {"message": "m", "code": "provider_unavailable"}}));
        assert!(
            matches!(error, Err(Failure::Interrupted { code, message }) if code == "provider_unavailable" && message == "m")
        );
        assert!(Summary::default().take(&json!({"error": null, "choices": []})).is_ok());
    }
}
