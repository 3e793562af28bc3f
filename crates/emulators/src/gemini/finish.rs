//! From what a model has to say to the chunks that go out: stop sequences, the limit of output, ids, signatures, usage.

use serde_json::{Map, Value, json};

use super::models::Model;
use super::prompt::Prompt;
use super::proto::encode_bytes;
use super::reply::{CallId, Piece, Reply, SignaturePlace, Usage};
use super::signature::{Signed, Signer};
use super::tokens;

/// The chunks of an answer, each a complete response object; all but the last without a finish reason.
#[derive(Debug, PartialEq)]
pub(super) struct Finished {
    pub(super) chunks: Vec<Value>,
    pub(super) usage: Usage,
}

/// What an answer is made for.
pub(super) struct Frame<'a> {
    pub(super) prompt: &'a Prompt,
    pub(super) model: &'static Model,
    pub(super) key: &'a str,
    /// The name that the caller used.
    pub(super) model_version: &'a str,
    pub(super) response_id: &'a str,
    /// Prompt and cached tokens.
    pub(super) input: Usage,
    /// Stands for the conversation so far.
    pub(super) place: u64,
}

/// A part that goes out, and what it adds to the usage.
struct Emitted {
    part: Option<Value>,
    candidates: u64,
    thoughts: u64,
}

impl Frame<'_> {
    /// The answer as a stream.
    pub(super) fn stream(&self, reply: &Reply) -> Finished {
        let (pieces, finish) = self.limited(reply);
        let mut groups: Vec<Vec<Emitted>> = Vec::new();
        let mut in_calls = false;
        let mut calls = 0;
        for piece in &pieces {
            match piece {
                Piece::Thought(texts) => self.texts(texts, true, &mut groups),
                Piece::Text(texts) => self.texts(texts, false, &mut groups),
                Piece::Call(call) => {
                    let args = call.args.as_object().cloned().unwrap_or_default();
                    let mut body = Map::new();
                    if let Some(id) = self.call_id(&call.id, calls) {
                        body.insert("id".to_owned(), id.into());
                    }
                    body.insert("name".to_owned(), call.name.as_str().into());
                    body.insert("args".to_owned(), call.args.clone());
                    let mut part = json!({"functionCall": body});
                    if calls == 0 && self.model.signs() && reply.signature != SignaturePlace::None {
                        let signed = Signed::Call { name: &call.name, args: &args };
                        part["thoughtSignature"] = self.signature(signed).into();
                    }
                    let emitted = Emitted {
                        part: Some(part),
                        candidates: tokens::call(&call.name, &args),
                        thoughts: 0,
                    };
                    calls += 1;
                    // Parallel calls come together.
                    match groups.last_mut().filter(|_| in_calls) {
                        Some(group) => group.push(emitted),
                        None => groups.push(vec![emitted]),
                    }
                }
            }
            in_calls = matches!(piece, Piece::Call(_));
        }
        if calls == 0 && self.model.signs() && !pieces.is_empty() {
            self.sign_text(reply.signature, &mut groups);
        }
        self.chunks(reply, groups, &finish)
    }

    /// The answer in one piece: texts that follow each other are one part.
    pub(super) fn whole(&self, reply: &Reply) -> Finished {
        let mut joined = reply.clone();
        for piece in &mut joined.pieces {
            if let Piece::Thought(texts) | Piece::Text(texts) = piece {
                *texts = vec![texts.concat()];
            }
        }
        let streamed = self.stream(&joined);
        let Some(mut last) = streamed.chunks.last().cloned() else { return streamed };
        let parts: Vec<Value> = streamed
            .chunks
            .iter()
            .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().cloned())
            .flatten()
            .collect();
        if !parts.is_empty() {
            last["candidates"][0]["content"]["parts"] = parts.into();
        }
        Finished { chunks: vec![last], usage: streamed.usage }
    }

    /// Cuts at stop sequences and at the limit of output; gives the finish reason.
    fn limited(&self, reply: &Reply) -> (Vec<Piece>, String) {
        let mut finish = reply.finish.clone().unwrap_or_else(|| "STOP".to_owned());
        let generation = &self.prompt.generation;
        let mut pieces = reply.pieces.clone();
        if generation.no_thinking {
            pieces.retain(|piece| !matches!(piece, Piece::Thought(_)));
        }
        if let Some(stopped) = cut_at_stop(&pieces, &generation.stop) {
            pieces = stopped;
            finish = "STOP".to_owned();
        }
        let limit = generation.max_output_tokens.unwrap_or(u64::MAX).min(self.model.output_token_limit);
        let mut left = limit;
        let mut out = Vec::new();
        for piece in pieces {
            let cost = cost(&piece);
            if cost <= left {
                left -= cost;
                out.push(piece);
                continue;
            }
            finish = "MAX_TOKENS".to_owned();
            match piece {
                Piece::Thought(texts) => out.push(Piece::Thought(shortened(texts, left))),
                Piece::Text(texts) => out.push(Piece::Text(shortened(texts, left))),
                // Half a call is no call.
                Piece::Call(_) => {}
            }
            break;
        }
        out.retain(|piece| !matches!(piece, Piece::Text(texts) if texts.is_empty()));
        (out, finish)
    }

    fn texts(&self, texts: &[String], is_thought: bool, groups: &mut Vec<Vec<Emitted>>) {
        let mut bytes = 0;
        for text in texts {
            // Tokens of the whole, so that it does not matter where a text is cut.
            let before = tokens::of_bytes(bytes);
            bytes += text.len();
            let more = tokens::of_bytes(bytes) - before;
            let emitted = if is_thought {
                let part =
                    self.prompt.generation.include_thoughts.then(|| json!({"text": text, "thought": true}));
                Emitted { part, candidates: 0, thoughts: more }
            } else {
                Emitted { part: Some(json!({"text": text})), candidates: more, thoughts: 0 }
            };
            groups.push(vec![emitted]);
        }
    }

    /// Without calls the signature stands on the last part, or on one of its own behind it.
    fn sign_text(&self, place: SignaturePlace, groups: &mut Vec<Vec<Emitted>>) {
        let last = groups.iter_mut().flatten().filter_map(|emitted| emitted.part.as_mut()).next_back();
        match (place, last) {
            (SignaturePlace::None, _) | (_, None) => {}
            (SignaturePlace::Usual, Some(part)) if part.get("thought").is_none() => {
                part["thoughtSignature"] = self.signature(Signed::Text).into();
            }
            (SignaturePlace::Usual | SignaturePlace::EmptyPart, Some(_)) => {
                let part = json!({"text": "", "thoughtSignature": self.signature(Signed::Text)});
                groups.push(vec![Emitted { part: Some(part), candidates: 0, thoughts: 0 }]);
            }
        }
    }

    fn signature(&self, signed: Signed<'_>) -> String {
        encode_bytes(&Signer { key: self.key, model: self.model.id }.sign(signed, self.place))
    }

    fn call_id(&self, id: &CallId, number: u64) -> Option<String> {
        match id {
            CallId::Given(id) => Some(id.clone()),
            CallId::None => None,
            CallId::Minted => {
                self.model.signs().then(|| format!("fc_{:016x}", self.place.wrapping_add(number)))
            }
        }
    }

    fn chunks(&self, reply: &Reply, groups: Vec<Vec<Emitted>>, finish: &str) -> Finished {
        let replaced = reply.usage;
        let mut usage = self.input;
        usage.prompt = replaced.prompt.unwrap_or(usage.prompt);
        usage.cached = replaced.cached.unwrap_or(usage.cached).min(usage.prompt);
        usage.tool_use = replaced.tool_use.unwrap_or_default();
        let mut chunks: Vec<Value> = Vec::new();
        for group in groups {
            usage.candidates += group.iter().map(|emitted| emitted.candidates).sum::<u64>();
            usage.thoughts += group.iter().map(|emitted| emitted.thoughts).sum::<u64>();
            let parts: Vec<Value> = group.into_iter().filter_map(|emitted| emitted.part).collect();
            // Thoughts that are not shown count, and are seen in the next chunk's usage.
            if !parts.is_empty() {
                let content = json!({"parts": parts, "role": "model"});
                chunks.push(self.chunk(json!({"content": content, "index": 0}), usage));
            }
        }
        usage.candidates = replaced.candidates.unwrap_or(usage.candidates);
        usage.thoughts = replaced.thoughts.unwrap_or(usage.thoughts);
        if chunks.is_empty() {
            // Nothing was said: a candidate without parts.
            let mut candidate = json!({"index": 0});
            if reply.finish.is_none() || finish == "MAX_TOKENS" {
                candidate["content"] = json!({"role": "model"});
            }
            chunks.push(self.chunk(candidate, usage));
        }
        if let Some(last) = chunks.last_mut() {
            last["usageMetadata"] = usage.to_json();
            let candidate = &mut last["candidates"][0];
            candidate["finishReason"] = finish.into();
            if let Some(message) = &reply.finish_message {
                candidate["finishMessage"] = message.as_str().into();
            }
            if let Some(token) = &reply.continuation {
                candidate["continuationToken"] = encode_bytes(token).into();
            }
        }
        Finished { chunks, usage }
    }

    fn chunk(&self, candidate: Value, usage: Usage) -> Value {
        json!({
            "candidates": [candidate],
            "usageMetadata": usage.to_json(),
            "modelVersion": self.model_version,
            "responseId": self.response_id,
        })
    }

    /// The answer to a prompt that was blocked.
    pub(super) fn blocked(&self, reason: &str) -> Finished {
        let chunk = json!({
            "promptFeedback": {"blockReason": reason, "safetyRatings": []},
            "usageMetadata": self.input.to_json(),
            "modelVersion": self.model_version,
            "responseId": self.response_id,
        });
        Finished { chunks: vec![chunk], usage: self.input }
    }
}

fn cost(piece: &Piece) -> u64 {
    match piece {
        Piece::Thought(texts) | Piece::Text(texts) => tokens::of_bytes(texts.iter().map(String::len).sum()),
        Piece::Call(call) => match &call.args {
            Value::Object(args) => tokens::call(&call.name, args),
            other => tokens::of_bytes(call.name.len() + other.to_string().len()),
        },
    }
}

/// As much of a text as so many tokens hold.
fn shortened(texts: Vec<String>, tokens: u64) -> Vec<String> {
    let mut left = usize::try_from(tokens.saturating_mul(4)).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    for text in texts {
        let end = text.floor_char_boundary(left);
        left -= end;
        let is_whole = end == text.len();
        if end > 0 {
            out.push(text[..end].to_owned());
        }
        if !is_whole {
            break;
        }
    }
    out
}

/// The pieces before the first stop sequence in the answer's texts; `None` if there is none.
fn cut_at_stop(pieces: &[Piece], stops: &[String]) -> Option<Vec<Piece>> {
    for (index, piece) in pieces.iter().enumerate() {
        let Piece::Text(texts) = piece else { continue };
        let whole = texts.concat();
        let Some(end) = stops.iter().filter_map(|stop| whole.find(stop.as_str())).min() else { continue };
        let mut kept = pieces[..index].to_vec();
        let mut left = end;
        let mut out = Vec::new();
        for text in texts {
            let take = text.len().min(left);
            if take > 0 {
                out.push(text[..take].to_owned());
            }
            left -= take;
        }
        kept.push(Piece::Text(out));
        return Some(kept);
    }
    None
}
