//! The emulator as a whole: its state, and the way of a request through it.
//!
//! Order of checks: route, key, JSON, fields, model, settings, history, signatures, tokens, quota; then the model answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use service_kit::edge::RouteLabel;

use super::caches::Caches;
use super::errors::GeminiError;
use super::log::{LoggedRequest, OpenEntry, RequestLog};
use super::prefixes::Prefixes;
use super::quota::{Limiter, Quotas};
use super::reply::Usage;
use super::routes::{Call, Version};
use super::script::{Play, Script};

/// Of a request's body. Google takes 20 MB, pictures in base64 included; our limit is a little above.
pub(super) const MAX_BODY_BYTES: usize = 24 << 20;

/// An emulated Gemini. Clones share their state.
#[derive(Clone)]
pub struct Emulator {
    pub(super) shared: Arc<Shared>,
}

/// What answers.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Answers questions about bases by fixed rules, with the tools that were declared.
    Demo,
    /// Repeats what the user said.
    Echo,
    /// Answers as a script says.
    Script(Script),
}

/// Which API keys are accepted.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Every key that is not empty.
    Any,
    Only(HashSet<String>),
}

/// What can be changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// From the request to the first byte of the answer.
    pub latency: Duration,
    /// Between chunks of a stream.
    pub chunk_delay: Duration,
    /// Whether thought signatures are required and checked.
    pub check_signatures: bool,
    /// Whether beginnings of prompts that were seen before are counted as cached.
    pub implicit_cache: bool,
    pub quotas: Quotas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            chunk_delay: Duration::ZERO,
            check_signatures: true,
            implicit_cache: true,
            quotas: Quotas::default(),
        }
    }
}

pub(super) struct Shared {
    keys: Keys,
    start: (Mode, Settings),
    pub(super) brain: Mutex<Brain>,
    /// Turns that come before everything else.
    pub(super) faults: Mutex<Option<Play>>,
    /// How often markers that count have been seen.
    pub(super) markers: Mutex<HashMap<String, u32>>,
    settings: Mutex<Settings>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) prefixes: Mutex<Prefixes>,
    pub(super) caches: Mutex<Caches>,
    pub(super) counters: Mutex<Counters>,
    pub(super) log: Arc<Mutex<RequestLog>>,
}

/// A mode at work.
pub(super) enum Brain {
    Demo,
    Echo,
    Script(Box<Play>),
}

impl Brain {
    fn new(mode: Mode) -> Self {
        match mode {
            Mode::Demo => Self::Demo,
            Mode::Echo => Self::Echo,
            Mode::Script(script) => Self::Script(Box::new(Play::new(script))),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Echo => "echo",
            Self::Script(_) => "script",
        }
    }
}

/// What happened since the start or the last reset.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// By the pattern of the path.
    pub(super) calls: BTreeMap<&'static str, u64>,
    pub(super) statuses: BTreeMap<u16, u64>,
    /// Of all generated answers, as they told it.
    pub(super) usage: Usage,
}

/// Who calls, and how.
pub(super) struct Caller {
    pub(super) key: String,
    pub(super) version: Version,
    pub(super) query: HashMap<String, String>,
    /// What the caller gave us: `X-Server-Timeout`.
    pub(super) timeout: Option<Duration>,
}

impl Emulator {
    pub fn new(mode: Mode, keys: Keys) -> Self {
        Self::with_settings(mode, keys, Settings::default())
    }

    pub fn with_settings(mode: Mode, keys: Keys, settings: Settings) -> Self {
        let shared = Shared {
            keys,
            brain: Mutex::new(Brain::new(mode.clone())),
            start: (mode, settings),
            faults: Mutex::default(),
            markers: Mutex::default(),
            settings: Mutex::new(settings),
            limiter: Mutex::default(),
            prefixes: Mutex::default(),
            caches: Mutex::default(),
            counters: Mutex::default(),
            log: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Answers otherwise from now on.
    pub fn set_mode(&self, mode: Mode) {
        *lock(&self.shared.brain) = Brain::new(mode);
    }

    /// Answers as at the start again.
    pub(super) fn restart_mode(&self) {
        self.set_mode(self.shared.start.0.clone());
    }

    /// Turns that come before everything else, until they are used up.
    pub fn set_faults(&self, script: Option<Script>) {
        *lock(&self.shared.faults) = script.map(Play::new);
    }

    pub fn settings(&self) -> Settings {
        *lock(&self.shared.settings)
    }

    pub fn set_settings(&self, settings: Settings) {
        *lock(&self.shared.settings) = settings;
    }

    /// The requests that are remembered, in order of arrival; those after a sequence number only (0 for all).
    pub fn requests(&self, since: u64) -> Vec<LoggedRequest> {
        lock(&self.shared.log).since(since).cloned().collect()
    }

    /// Makes everything what it was at the start: mode, settings, script, faults, counters, log, cached contents.
    pub fn reset(&self) {
        let (mode, settings) = self.shared.start.clone();
        self.set_mode(mode);
        self.set_settings(settings);
        self.set_faults(None);
        lock(&self.shared.markers).clear();
        lock(&self.shared.limiter).reset();
        lock(&self.shared.prefixes).reset();
        lock(&self.shared.caches).reset();
        *lock(&self.shared.counters) = Counters::default();
        lock(&self.shared.log).reset();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers everything that is not the emulator's own: Google's API, and paths that it does not have.
pub(super) async fn answer(State(emulator): State<Emulator>, request: Request) -> Response<Body> {
    let shared = &emulator.shared;
    let (parts, body) = request.into_parts();
    let query = parse_query(parts.uri.query().unwrap_or_default());
    let target = shown_target(&parts.uri, &query);
    let entry = RequestLog::open(&shared.log, parts.method.as_str(), target, &parts.headers);
    let call = Call::parse(&parts.method, parts.uri.path());
    let label = call.as_ref().map_or("(none)", |(_, call)| call.label());
    *lock(&shared.counters).calls.entry(label).or_default() += 1;
    // Without `alt=sse` a stream is a list, and so are its errors.
    let is_list = matches!(&call, Some((_, Call::Generate { stream: true, .. })))
        && query.get("alt").is_none_or(|alt| alt != "sse");
    let answer = async {
        let (version, call) = call.ok_or_else(GeminiError::no_route)?;
        let key = shared.authenticate(&parts.headers, &query)?;
        let timeout =
            parts.headers.get("x-server-timeout").and_then(|value| value.to_str().ok()?.parse().ok());
        let caller = Caller { key, version, query, timeout: timeout.map(Duration::from_secs) };
        let body = read_body(body).await?;
        entry.body(&body);
        shared.call(&caller, call, body).await
    };
    let answer = answer.await.unwrap_or_else(|error| Answer::Plain(error.response(is_list)));
    let status = match &answer {
        Answer::Plain(response) => response.status().as_u16(),
        Answer::Delivered(_) => 200,
    };
    *lock(&shared.counters).statuses.entry(status).or_default() += 1;
    entry.answered(status);
    let mut response = match answer {
        Answer::Plain(response) => {
            entry.delivered();
            response
        }
        Answer::Delivered(deliver) => deliver(entry),
    };
    response.extensions_mut().insert(RouteLabel(label.into()));
    response
}

/// A response that is ready, or one that takes the log's entry with it, since it may take its time.
pub(super) enum Answer {
    Plain(Response<Body>),
    Delivered(Box<dyn FnOnce(OpenEntry) -> Response<Body> + Send>),
}

impl Shared {
    fn authenticate(
        &self,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
    ) -> Result<String, GeminiError> {
        let header = headers.get("x-goog-api-key").and_then(|value| value.to_str().ok());
        let key = header.or(query.get("key").map(String::as_str)).map(str::trim).unwrap_or_default();
        if key.is_empty() {
            return Err(GeminiError::no_key());
        }
        match &self.keys {
            Keys::Any => {}
            Keys::Only(keys) if keys.contains(key) => {}
            Keys::Only(_) => return Err(GeminiError::bad_key()),
        }
        Ok(key.to_owned())
    }

    pub(super) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }
}

async fn read_body(body: Body) -> Result<Bytes, GeminiError> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(GeminiError::body_too_large(MAX_BODY_BYTES)),
        Err(_) => Err(GeminiError::not_json("The body ended early.")),
    }
}

fn parse_query(query: &str) -> HashMap<String, String> {
    form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.trim_start_matches('$').to_owned(), value.into_owned()))
        .collect()
}

/// The target as it came, an API key in it masked.
fn shown_target(uri: &http::Uri, query: &HashMap<String, String>) -> String {
    let Some(raw) = uri.query().filter(|_| query.contains_key("key")) else { return uri.to_string() };
    let masked: Vec<String> = raw
        .split('&')
        .map(|pair| if pair.starts_with("key=") { "key=***".to_owned() } else { pair.to_owned() })
        .collect();
    format!("{}?{}", uri.path(), masked.join("&"))
}

/// An error of the shared edge (a body too large, a deadline) in Google's form.
pub(super) fn in_googles_form(response: Response<Body>) -> Response<Body> {
    let Some(error) = response.extensions().get::<service_kit::ApiError>() else { return response };
    let status = error.status();
    let google = GeminiError::new(status.as_u16(), error.message().to_owned());
    let mut rendered = google.response(false);
    *rendered.status_mut() = StatusCode::from_u16(status.as_u16()).unwrap_or(status);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.extend(rendered.headers().clone());
    Response::from_parts(parts, rendered.into_body())
}
