//! Each call of the API, from its body to its answer.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Map, Value, json};

use super::demo;
use super::echo;
use super::emulator::{Answer, Brain, Caller, Shared, lock};
use super::errors::{GeminiError, json_response};
use super::finish::Frame;
use super::markers;
use super::messages;
use super::models::{self, Kind, Model};
use super::prefixes::Chain;
use super::prompt::{Prompt, items};
use super::proto::{Message, normalise};
use super::reply::{End, Outcome, Reply, Usage};
use super::routes::Call;
use super::signature::Signer;
use super::wire::{self, Form};
use super::{embed, tokens, validate};

impl Shared {
    pub(super) async fn call(&self, caller: &Caller, call: Call, body: Bytes) -> Result<Answer, GeminiError> {
        let now = Timestamp::now();
        let value = match call {
            Call::ListModels => list_models(caller)?,
            Call::GetModel(name) => models::find(&name)
                .ok_or_else(|| GeminiError::no_model(&name, caller.version, "getModel"))?
                .to_json(),
            Call::Generate { model, stream } => {
                return self.generate(caller, &model, stream, &body).await;
            }
            Call::CountTokens(model) => self.count_tokens(caller, &model, &body)?,
            Call::Embed { model, batch } => embed(caller, &model, batch, &body)?,
            Call::CreateCache => self.create_cache(caller, &body, now)?,
            Call::ListCaches => {
                let (size, after) = page(caller, 1000)?;
                lock(&self.caches).list(&caller.key, size, after as u64, now)
            }
            Call::GetCache(id) => lock(&self.caches).get(&caller.key, &id, now)?.to_json(),
            Call::PatchCache(id) => {
                let body = read(&body, &messages::CACHED_CONTENT)?;
                lock(&self.caches).patch(&caller.key, &id, &body, now)?
            }
            Call::DeleteCache(id) => lock(&self.caches).delete(&caller.key, &id, now)?,
        };
        Ok(Answer::Plain(json_response(StatusCode::OK, &value)))
    }

    async fn generate(
        &self,
        caller: &Caller,
        model: &str,
        stream: bool,
        body: &Bytes,
    ) -> Result<Answer, GeminiError> {
        let mut body = read(body, &messages::GENERATE_CONTENT)?;
        let model = chat_model(model, caller, "generateContent")?;
        let cached = self.expand_cached(caller, model, &mut body)?;
        let prompt = Prompt::read(&body)?;
        validate::settings(&body, &prompt, model)?;
        validate::history(&prompt)?;
        let settings = self.settings();
        let signer = Signer { key: &caller.key, model: model.id };
        if settings.check_signatures && model.signs() {
            validate::signatures(&prompt, &signer)?;
        }
        let chain = chain(&body, &prompt, caller, model);
        if chain.tokens() > model.input_token_limit {
            return Err(GeminiError::too_many_tokens(chain.tokens(), model.input_token_limit));
        }
        self.admit(caller, model, chain.tokens())?;
        let mut input = Usage { prompt: chain.tokens(), ..Usage::default() };
        if settings.implicit_cache {
            input.cached = lock(&self.prefixes).cached(&chain, model.implicit_cache_tokens);
        }
        input.cached = input.cached.max(cached);
        let frame = Frame {
            prompt: &prompt,
            model,
            key: &caller.key,
            model_version: model.id,
            response_id: &response_id()?,
            input,
            place: chain.place(),
        };
        let form = match caller.query.get("alt").map(String::as_str) {
            _ if !stream => Form::Single,
            Some("sse") => Form::Events,
            _ => Form::List,
        };
        let (finished, reply) = match self.outcome(&prompt, caller, model)? {
            Outcome::Error(error) => {
                wait(settings.latency, caller).await?;
                return Err(error);
            }
            Outcome::Blocked(reason) => (frame.blocked(&reason), Reply::default()),
            Outcome::Reply(reply) if stream => (frame.stream(&reply), *reply),
            Outcome::Reply(reply) => (frame.whole(&reply), *reply),
        };
        self.count_usage(finished.usage);
        let mut reply = reply;
        let before_the_head = match reply.end {
            End::Hang { after_chunks, time } if after_chunks == 0 || !stream => {
                reply.end = End::Complete;
                time
            }
            _ => Duration::ZERO,
        };
        wait(settings.latency + reply.delay + before_the_head, caller).await?;
        if let (End::Fail { error, .. }, false) = (&reply.end, stream) {
            return Err(error.clone()); // there is no middle of a stream
        }
        let delay = settings.chunk_delay;
        Ok(Answer::Delivered(Box::new(move |entry| {
            wire::respond(&finished.chunks, &reply, form, delay, entry)
        })))
    }

    /// What the model says: the faults that were set, then markers in the user's text, then the mode.
    fn outcome(&self, prompt: &Prompt, caller: &Caller, model: &Model) -> Result<Outcome, GeminiError> {
        let fault =
            lock(&self.faults).as_mut().and_then(|faults| faults.maybe(prompt, model.id, &caller.key));
        if let Some(outcome) = fault {
            return Ok(outcome);
        }
        let text = prompt.last_user_text();
        let ordinary = || match &mut *lock(&self.brain) {
            Brain::Demo => demo::answer(prompt, today()).into(),
            Brain::Echo => echo::answer(prompt).into(),
            Brain::Script(play) => play.answer(prompt, model.id, &caller.key),
        };
        match markers::find(&text)? {
            Some(marker) if self.counts(&marker, &text) => Ok(marker.apply(ordinary)),
            _ => Ok(ordinary()),
        }
    }

    /// Whether a marker still applies: one with `:xN` does for the first N requests with this text.
    fn counts(&self, marker: &markers::Marker, text: &str) -> bool {
        let Some(times) = marker.times else { return true };
        let mut seen = lock(&self.markers);
        let seen = seen.entry(format!("{}\n{text}", marker.text)).or_default();
        *seen += 1;
        *seen <= times
    }

    fn admit(&self, caller: &Caller, model: &'static Model, tokens: u64) -> Result<(), GeminiError> {
        let quotas = self.settings().quotas;
        let day = california(Timestamp::now());
        lock(&self.limiter).admit((&caller.key, model.id), tokens, &quotas, Instant::now(), day)
    }

    fn count_usage(&self, usage: Usage) {
        let sum = &mut lock(&self.counters).usage;
        sum.prompt += usage.prompt;
        sum.cached += usage.cached;
        sum.candidates += usage.candidates;
        sum.thoughts += usage.thoughts;
        sum.tool_use += usage.tool_use;
    }

    /// Puts the contents that `cachedContent` names before the request's own; gives their tokens.
    fn expand_cached(
        &self,
        caller: &Caller,
        model: &Model,
        body: &mut Map<String, Value>,
    ) -> Result<u64, GeminiError> {
        let Some(name) = body.get("cachedContent").and_then(Value::as_str) else { return Ok(0) };
        if ["systemInstruction", "tools", "toolConfig"].iter().any(|key| body.contains_key(*key)) {
            return Err(GeminiError::invalid(
                "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n\
                 Proposed fix: move those values to CachedContent from GenerateContent request.",
            ));
        }
        let id = name.strip_prefix("cachedContents/").unwrap_or(name);
        let caches = lock(&self.caches);
        let cached = caches.get(&caller.key, id, Timestamp::now())?;
        if cached.model.id != model.id {
            return Err(GeminiError::invalid(format!(
                "Model used by GenerateContent request (models/{}) and CachedContent (models/{}) has to be the same.",
                model.id, cached.model.id
            )));
        }
        for (key, value) in &cached.body {
            if key == "contents" {
                let mut contents: Vec<Value> = items(Some(value)).cloned().collect();
                contents.extend(items(body.get("contents")).cloned());
                body.insert(key.clone(), contents.into());
            } else {
                body.insert(key.clone(), value.clone());
            }
        }
        Ok(cached.tokens)
    }

    fn count_tokens(&self, caller: &Caller, model: &str, body: &Bytes) -> Result<Value, GeminiError> {
        let mut body = read(body, &messages::COUNT_TOKENS)?;
        let model =
            models::find(model).ok_or_else(|| GeminiError::no_model(model, caller.version, "countTokens"))?;
        let mut cached = 0;
        if let Some(Value::Object(whole)) = body.get("generateContentRequest") {
            if body.contains_key("contents") {
                return Err(GeminiError::field(
                    "CountTokensRequest",
                    "only one of contents and generate_content_request may be set.",
                ));
            }
            body = whole.clone();
            cached = self.expand_cached(caller, model, &mut body)?;
        }
        let prompt = Prompt::read(&body)?;
        if prompt.contents.is_empty() {
            return Err(GeminiError::field("CountTokensRequest.contents", "contents is not specified"));
        }
        let total = chain(&body, &prompt, caller, model).tokens();
        self.admit(caller, model, 0)?;
        let mut answer = json!({
            "totalTokens": total,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}],
        });
        if cached > 0 {
            answer["cachedContentTokenCount"] = cached.into();
        }
        Ok(answer)
    }

    fn create_cache(&self, caller: &Caller, body: &Bytes, now: Timestamp) -> Result<Value, GeminiError> {
        let body = read(body, &messages::CACHED_CONTENT)?;
        let name = body.get("model").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(GeminiError::field(
                "CreateCachedContentRequest.cached_content.model",
                "model is not specified",
            ));
        }
        let bare = name.strip_prefix("models/").unwrap_or(name);
        let model = chat_model(bare, caller, "createCachedContent")?;
        if !model.explicit_cache {
            return Err(GeminiError::no_model(bare, caller.version, "createCachedContent"));
        }
        let prompt = Prompt::read(&body)?;
        validate::settings(&body, &prompt, model)?;
        let tokens = chain(&body, &prompt, caller, model).tokens();
        let least = model.implicit_cache_tokens;
        if tokens < least {
            return Err(GeminiError::invalid(format!(
                "Cached content is too small. total_token_count={tokens}, min_total_token_count={least}"
            )));
        }
        if tokens > model.input_token_limit {
            return Err(GeminiError::too_many_tokens(tokens, model.input_token_limit));
        }
        lock(&self.caches).create(&caller.key, model, tokens, body, now)
    }
}

/// Reads a body of one message type into its normal form.
fn read(body: &Bytes, message: &Message) -> Result<Map<String, Value>, GeminiError> {
    let object = match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(GeminiError::not_json("Root element must be a message.")),
        Err(error) => return Err(GeminiError::not_json(&format!("{error}."))),
    };
    normalise(object, message).map_err(|violations| GeminiError::violations(&violations))
}

fn chat_model(name: &str, caller: &Caller, method: &str) -> Result<&'static Model, GeminiError> {
    models::find(name)
        .filter(|model| model.generation().is_some())
        .ok_or_else(|| GeminiError::no_model(name, caller.version, method))
}

/// The prompt in the order in which it is cached: system instruction, tools, contents.
fn chain(body: &Map<String, Value>, prompt: &Prompt, caller: &Caller, model: &Model) -> Chain {
    let mut chain = Chain::new(&caller.key, model.id);
    if let (Some(json), Some(system)) = (body.get("systemInstruction"), &prompt.system) {
        chain.push(&json.to_string(), tokens::turn(system));
    }
    let declarations = items(body.get("tools")).flat_map(|tool| items(tool.get("functionDeclarations")));
    for (json, declaration) in declarations.zip(&prompt.tools) {
        chain.push(&json.to_string(), tokens::declaration(declaration));
    }
    for (json, content) in items(body.get("contents")).zip(&prompt.contents) {
        chain.push(&json.to_string(), tokens::turn(content));
    }
    chain
}

/// Waits as long as the answer takes; a caller's own limit ends it with 504.
async fn wait(time: Duration, caller: &Caller) -> Result<(), GeminiError> {
    if time.is_zero() {
        return Ok(());
    }
    match caller.timeout {
        Some(timeout) if timeout < time => {
            tokio::time::sleep(timeout).await;
            Err(GeminiError::deadline())
        }
        _ => {
            tokio::time::sleep(time).await;
            Ok(())
        }
    }
}

fn list_models(caller: &Caller) -> Result<Value, GeminiError> {
    let (size, after) = page(caller, 50)?;
    let all = models::all();
    let page: Vec<Value> = all.iter().skip(after).take(size).map(|model| model.to_json()).collect();
    let mut answer = json!({"models": page});
    if after + size < all.len() {
        answer["nextPageToken"] = (after + size).to_string().into();
    }
    Ok(answer)
}

/// `pageSize`, and where the page begins.
fn page(caller: &Caller, default: usize) -> Result<(usize, usize), GeminiError> {
    let number = |name: &str| match caller.query.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| {
            GeminiError::invalid(format!("Invalid value at '{}'", super::proto::snake_case(name)))
        }),
    };
    let size = number("pageSize")?.filter(|size| *size > 0).unwrap_or(default).min(1000);
    Ok((size, number("pageToken")?.unwrap_or_default()))
}

fn embed(caller: &Caller, model: &str, batch: bool, body: &Bytes) -> Result<Value, GeminiError> {
    let method = if batch { "batchEmbedContents" } else { "embedContent" };
    let unknown = || GeminiError::no_model(model, caller.version, method);
    let found = models::find(model).ok_or_else(unknown)?;
    let Kind::Embedding { dimensions } = found.kind else { return Err(unknown()) };
    let one = |request: &Value, place: &str| {
        let wanted = request["outputDimensionality"].as_u64().unwrap_or(dimensions as u64);
        if wanted == 0 || wanted > dimensions as u64 {
            return Err(GeminiError::field(
                &format!("{place}.output_dimensionality"),
                &format!("output_dimensionality must be between 1 and {dimensions}"),
            ));
        }
        if items(request["content"].get("parts")).next().is_none() {
            return Err(GeminiError::field(&format!("{place}.content"), "content is not specified"));
        }
        let texts: Vec<&str> =
            items(request["content"].get("parts")).filter_map(|part| part["text"].as_str()).collect();
        Ok(json!({"values": embed::vector(&texts.join("\n"), wanted as usize)}))
    };
    if !batch {
        let request = Value::Object(read(body, &messages::EMBED_CONTENT)?);
        return Ok(json!({"embedding": one(&request, "EmbedContentRequest")?}));
    }
    let body = read(body, &messages::BATCH_EMBED_CONTENTS)?;
    let requests: Vec<&Value> = items(body.get("requests")).collect();
    if requests.is_empty() {
        return Err(GeminiError::field("BatchEmbedContentsRequest.requests", "requests is not specified"));
    }
    if requests.len() > 100 {
        return Err(GeminiError::field(
            "BatchEmbedContentsRequest.requests",
            "at most 100 requests can be in one batch",
        ));
    }
    let embeddings = requests
        .iter()
        .enumerate()
        .map(|(index, request)| one(request, &format!("BatchEmbedContentsRequest.requests[{index}]")));
    Ok(json!({"embeddings": embeddings.collect::<Result<Vec<_>, _>>()?}))
}

/// 22 characters that tell answers apart.
fn response_id() -> Result<String, GeminiError> {
    use base64::Engine as _;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| GeminiError::internal())?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// In UTC, where Airtable's formulas count days too.
fn today() -> jiff::civil::Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

/// The date where Google counts days, and how far their end is.
fn california(now: Timestamp) -> (jiff::civil::Date, Duration) {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let zone =
        ZONE.get_or_init(|| TimeZoneDatabase::bundled().get("America/Los_Angeles").unwrap_or(TimeZone::UTC));
    let there = zone.to_offset(now).to_datetime(now);
    let midnight =
        there.date().tomorrow().and_then(|day| zone.to_timestamp(day.to_datetime(Time::midnight())));
    let left = midnight.map_or(0, |midnight| midnight.as_second() - now.as_second());
    (there.date(), Duration::from_secs(left.max(1) as u64))
}
