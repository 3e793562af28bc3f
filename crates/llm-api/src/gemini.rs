//! Google's Gemini API in its Google AI Studio form: `generateContent` and its stream.
//!
//! Source: <https://ai.google.dev/api/generate-content>

mod answer;
mod contents;
mod encode;
mod failure;
mod schema;
mod thinking;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::send::{self, ANSWER_LIMIT, full_body, key_id};
use crate::sse::{Decoder, Event};
use crate::{
    Adjustment, BaseUrl, HttpClient, Key, Limits, LlmError, Model, Reply, ReplyStream, Request, SoFar,
    StreamEvent,
};
use answer::Answer;

/// Where Google serves it.
pub const GOOGLE: &str = "https://generativelanguage.googleapis.com";

/// It has everything; `/v1` lags behind.
const VERSION: &str = "/v1beta";

/// All that RFC 3986 does not call unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Answers longer than so many continuations are given as they are.
const MOST_CONTINUATIONS: usize = 8;

/// One page holds all models today.
const MODELS_PER_PAGE: usize = 1000;
const MOST_MODEL_PAGES: usize = 20;

/// Set by the emulator on its answers.
const EMULATED: &str = "x-pyairtable-emulated";

/// A client of the Gemini API. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: HttpClient,
    base: BaseUrl,
    key: Key,
    limits: Limits,
}

impl Client {
    /// `base` is the only thing in which Google and the emulator differ; a version at its end does not matter.
    pub fn new(http: HttpClient, base: BaseUrl, key: Key) -> Self {
        let base = base.without_suffix(&["/v1beta", "/v1"]);
        Self { http, base, key, limits: Limits::default() }
    }

    /// With other limits on waiting.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Tells the current key from others; turns made with one key are not replayed with another.
    pub fn key_id(&self) -> String {
        self.key.id()
    }

    /// See [`Provider::stream`](crate::Provider::stream).
    pub fn stream(&self, request: &Request) -> ReplyStream {
        match Call::new(self, request) {
            Err(error) => ReplyStream::new(stream::iter([Err(error)]), Vec::new(), Arc::default()),
            Ok(call) => {
                let (adjustments, so_far) = (call.adjustments.clone(), call.so_far.clone());
                let events =
                    stream::unfold(call, async |mut call| call.next().await.map(|item| (item, call)));
                ReplyStream::new(events, adjustments, so_far)
            }
        }
    }

    /// See [`Provider::generate`](crate::Provider::generate).
    pub async fn generate(&self, request: &Request) -> Result<Reply, LlmError> {
        Call::new(self, request)?.whole().await
    }

    /// See [`Provider::count_tokens`](crate::Provider::count_tokens).
    pub async fn count_tokens(&self, request: &Request) -> Result<u64, LlmError> {
        let key = self.key.current();
        let body = encode::count(request, &key_id(&key))?;
        let target = model_target(&request.model, "countTokens");
        let (_, answer) = self.open(Method::POST, &target, Some(body.into()), &key, &request.model).await?;
        let answer: wire::TokenCount = parse(&send::whole(answer, self.limits).await?)?;
        // Zero-valued fields are left out.
        Ok(answer.total_tokens.unwrap_or(0))
    }

    /// See [`Provider::models`](crate::Provider::models).
    pub async fn models(&self) -> Result<Vec<Model>, LlmError> {
        let key = self.key.current();
        let mut models = Vec::new();
        let mut token = String::new();
        for _ in 0..MOST_MODEL_PAGES {
            let mut target = format!("{VERSION}/models?pageSize={MODELS_PER_PAGE}");
            if !token.is_empty() {
                target.push_str("&pageToken=");
                target.extend(utf8_percent_encode(&token, SEGMENT));
            }
            let (_, answer) = self.open(Method::GET, &target, None, &key, "").await?;
            let page: wire::ModelPage = parse(&send::whole(answer, self.limits).await?)?;
            models.extend(page.models.into_iter().map(model));
            token = page.next_page_token.unwrap_or_default();
            if token.is_empty() {
                break;
            }
        }
        Ok(models)
    }

    /// The one place that sends: address, key, status to error.
    async fn open(
        &self,
        method: Method,
        target: &str,
        body: Option<Bytes>,
        key: &SecretString,
        model: &str,
    ) -> Result<(HeaderMap, Incoming), LlmError> {
        let has_body = body.is_some();
        let mut request = HttpRequest::new(full_body(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = self.base.uri(target)?;
        let headers = request.headers_mut();
        headers.insert("x-goog-api-key", credential(key)?);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (head, body) = send::send(&self.http, request, self.limits).await?.into_parts();
        if head.status.is_success() {
            return Ok((head.headers, body));
        }
        let words = send::error_body(body).await;
        let error = failure::of_answer(head.status, &head.headers, &words, encode::model_id(model));
        Err(failure::without_key(error, key.expose_secret()))
    }
}

/// One question under way: sent once, and again for each continuation.
struct Call {
    client: Client,
    model: String,
    key: SecretString,
    body: Bytes,
    adjustments: Vec<Adjustment>,
    answer: Answer,
    emulated: bool,
    /// For the one who listens, since dropping this tells nothing.
    so_far: Arc<Mutex<SoFar>>,
    /// Bytes, over all continuations.
    received: usize,
    continuations: usize,
    phase: Phase,
    ready: VecDeque<StreamEvent>,
}

enum Phase {
    Send(Bytes),
    Read { body: Incoming, decoder: Box<Decoder> },
    Over,
}

impl Call {
    fn new(client: &Client, request: &Request) -> Result<Self, LlmError> {
        let key = client.key.current();
        let encoded = encode::generate(request, &key_id(&key))?;
        let body = Bytes::from(encoded.body);
        Ok(Self {
            client: client.clone(),
            model: encode::model_id(&request.model).to_owned(),
            key,
            body: body.clone(),
            adjustments: encoded.adjustments,
            answer: Answer::new(request.tools.iter().map(|tool| tool.name.clone()).collect()),
            emulated: false,
            so_far: Arc::default(),
            received: 0,
            continuations: 0,
            phase: Phase::Send(body),
            ready: VecDeque::new(),
        })
    }

    /// The next event of the stream; `None` after the last, or after an error.
    async fn next(&mut self) -> Option<Result<StreamEvent, LlmError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let step = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => return None,
                Phase::Send(body) => self.send(body).await,
                Phase::Read { body, decoder } => self.read(body, decoder).await,
            };
            match step {
                Ok(phase) => self.phase = phase,
                Err(error) => return Some(Err(self.interrupted(error))),
            }
        }
    }

    async fn send(&mut self, body: Bytes) -> Result<Phase, LlmError> {
        let body = self.ask(body, "streamGenerateContent?alt=sse").await?;
        Ok(Phase::Read { body, decoder: Box::new(Decoder::new(ANSWER_LIMIT)) })
    }

    async fn read(&mut self, mut body: Incoming, mut decoder: Box<Decoder>) -> Result<Phase, LlmError> {
        match send::next_bytes(&mut body, self.client.limits).await {
            Ok(Some(bytes)) => {
                self.received += bytes.len();
                if self.received > ANSWER_LIMIT {
                    return Err(LlmError::Protocol {
                        message: format!("it is longer than {ANSWER_LIMIT} bytes"),
                    });
                }
                decoder.push(&bytes).map_err(|error| LlmError::Protocol { message: error.to_string() })?;
                while let Some(event) = decoder.next_event() {
                    self.take(&event.data)?;
                }
                Ok(Phase::Read { body, decoder })
            }
            // The model had finished: nothing is missing, whatever became of the connection.
            Err(_) if self.answer.is_over() => self.finish(),
            Err(LlmError::Broken(_)) => Err(LlmError::CutStream { usage: self.answer.usage() }),
            Err(error) => Err(error),
            Ok(None) => {
                // The last empty line may be missing.
                let last = decoder.finish().ok().flatten();
                if let Some(Event { data, .. }) = last.filter(|event| is_whole_json(&event.data)) {
                    self.take(&data)?;
                }
                if self.answer.is_over() {
                    self.finish()
                } else {
                    Err(LlmError::CutStream { usage: self.answer.usage() })
                }
            }
        }
    }

    /// The whole answer in one piece.
    async fn whole(mut self) -> Result<Reply, LlmError> {
        let mut body = self.body.clone();
        loop {
            let answer = match self.ask(body, "generateContent").await {
                Ok(answer) => answer,
                Err(error) => return Err(self.interrupted(error)),
            };
            let step = match send::whole(answer, self.client.limits).await {
                Ok(bytes) => self.take(&String::from_utf8_lossy(&bytes)).and_then(|()| self.finish()),
                Err(LlmError::Broken(_)) => Err(LlmError::CutStream { usage: self.answer.usage() }),
                Err(error) => Err(error),
            };
            match step {
                Ok(Phase::Send(again)) => body = again,
                Ok(_) => break,
                Err(error) => return Err(self.interrupted(error)),
            }
        }
        let done = self.ready.into_iter().find_map(|event| match event {
            StreamEvent::Done(reply) => Some(*reply),
            _ => None,
        });
        done.ok_or_else(|| LlmError::Protocol { message: "it has no end".to_owned() })
    }

    async fn ask(&mut self, body: Bytes, method: &str) -> Result<Incoming, LlmError> {
        self.answer.begin(body.len());
        let target = model_target(&self.model, method);
        let (headers, body) =
            self.client.open(Method::POST, &target, Some(body), &self.key, &self.model).await?;
        self.answer.answered();
        self.emulated |= headers.get(EMULATED).is_some_and(|value| value == "true");
        self.note();
        Ok(body)
    }

    /// Takes a piece of the answer: an object, an error, or a list of either.
    fn take(&mut self, piece: &str) -> Result<(), LlmError> {
        if piece.trim().is_empty() {
            return Ok(());
        }
        let pieces = if piece.trim_start().starts_with('[') {
            parse::<Vec<wire::Piece>>(piece.as_bytes())
        } else {
            parse(piece.as_bytes()).map(|piece| vec![piece])
        };
        match pieces {
            Ok(pieces) if pieces.iter().all(|piece| piece.error.is_none()) => {
                for piece in pieces {
                    self.answer.take(piece, &mut self.ready);
                }
                self.note();
                Ok(())
            }
            other => {
                let not_a_piece =
                    || LlmError::Protocol { message: "it holds an error without words".to_owned() };
                let error = failure::of_piece(piece, &self.model)
                    .unwrap_or_else(|| other.err().unwrap_or_else(not_a_piece));
                Err(failure::without_key(error, self.key.expose_secret()))
            }
        }
    }

    fn note(&self) {
        let so_far = SoFar { usage: self.answer.usage(), emulated: self.emulated };
        *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = so_far;
    }

    /// Ends this answer: with a request to continue it, or with the last event.
    fn finish(&mut self) -> Result<Phase, LlmError> {
        if let Some(token) = self.answer.continuation()
            && self.continuations < MOST_CONTINUATIONS
        {
            self.continuations += 1;
            return Ok(Phase::Send(encode::continued(&self.body, token).into()));
        }
        let answer = std::mem::take(&mut self.answer);
        let adjustments = std::mem::take(&mut self.adjustments);
        let reply = answer.reply(&self.model, &key_id(&self.key), self.emulated, adjustments)?;
        self.ready.push_back(StreamEvent::Done(Box::new(reply)));
        Ok(Phase::Over)
    }

    /// An error, with what was used before it.
    fn interrupted(&self, error: LlmError) -> LlmError {
        match error {
            error @ (LlmError::CutStream { .. } | LlmError::Interrupted { .. }) => error,
            // Something that is not the API answered; it will not send a bill.
            error @ LlmError::Protocol { .. } if !self.answer.has_begun() => error,
            other => other.after(self.answer.usage()),
        }
    }
}

fn credential(key: &SecretString) -> Result<HeaderValue, LlmError> {
    let mut value = HeaderValue::try_from(key.expose_secret()).map_err(|_| LlmError::Unsendable {
        message: "its API key holds characters that no key has".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn model_target(model: &str, method: &str) -> String {
    format!("{VERSION}/models/{}:{method}", utf8_percent_encode(encode::model_id(model), SEGMENT))
}

fn model(listed: wire::ListedModel) -> Model {
    Model {
        id: encode::model_id(&listed.name).to_owned(),
        display_name: listed.display_name,
        input_token_limit: listed.input_token_limit,
        output_token_limit: listed.output_token_limit,
        generates: listed.supported_generation_methods.iter().any(|method| method == "generateContent"),
    }
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, LlmError> {
    serde_json::from_slice(json)
        .map_err(|error| LlmError::Protocol { message: format!("not the JSON expected: {error}") })
}

fn is_whole_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
