//! An orchestrator, a model, tools, and a client.

pub(crate) mod client;
mod tools;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use axum::Router;
use emulators::gemini::{Emulator, Keys, LoggedRequest, Mode, Script};
use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use service_kit::config::Reader;
use service_kit::keys::ApiKey;
use service_kit::serve::{Limits, Shutdown, serve};
use storage::{ApiKeyStore as _, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) use client::Answer;
pub(crate) use tools::ToolServer;

pub(crate) const KEY: &str = "test-key";
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A running orchestrator with a key that may do everything.
pub(crate) struct Orchestrator {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) model: Emulator,
    pub(crate) tools: ToolServer,
    data: std::sync::Arc<TempDir>,
    settings: Vec<(&'static str, String)>,
}

impl Orchestrator {
    /// With a model that follows these turns of a script.
    pub(crate) async fn start(turns: Value) -> Self {
        Self::with(turns, &[]).await
    }

    pub(crate) async fn with(turns: Value, settings: &[(&'static str, &str)]) -> Self {
        let script = Script::from_value(&json!({"turns": turns})).unwrap();
        let model = Emulator::new(Mode::Script(script), Keys::Only([KEY.to_owned()].into()));
        let model_address = listen(emulators::gemini::app(&model, Shutdown::manual())).await;
        let tools = ToolServer::start().await;
        let mut all = vec![
            ("GEMINI_API_URL", format!("http://{model_address}")),
            ("GEMINI_API_KEY", KEY.to_owned()),
            ("MCP_SERVER_URL", format!("http://{}", tools.address)),
        ];
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let data = std::sync::Arc::new(tempfile::tempdir().unwrap());
        let address = serve_with(&all, &data).await;
        let mut started = Self { address, key: String::new(), model, tools, data, settings: all };
        started.key = started.mint(Scopes::ALL, Bases::All).await;
        started
    }

    /// Another one on the same data: a second replica, or the first after a restart.
    pub(crate) async fn again(&self) -> Self {
        Self {
            address: serve_with(&self.settings, &self.data).await,
            key: self.key.clone(),
            model: self.model.clone(),
            tools: self.tools.clone(),
            data: self.data.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Its settings, for a process of its own.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = self.settings.clone();
        all.push(("DATA_DIR", self.data.path().display().to_string()));
        all
    }

    /// The same orchestrator, at another address.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    pub(crate) async fn mint(&self, scopes: Scopes, bases: Bases) -> String {
        let key = ApiKey::mint().unwrap();
        let record = key.record("test", scopes, &bases, SystemTime::now(), None);
        self.store().await.insert(&record).await.unwrap();
        key.expose().to_owned()
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(&SqliteStore::path_in(self.data.path())).await.unwrap()
    }

    /// What the model was asked, without listings and counts.
    pub(crate) fn asked(&self) -> Vec<Value> {
        let is_question = |request: &LoggedRequest| request.target.contains("enerateContent");
        let requests = self.model.requests(0);
        let bodies = requests.iter().filter(|request| is_question(request));
        bodies.map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    /// What the model was told with the results of its latest calls.
    pub(crate) fn results(&self) -> Vec<Value> {
        let asked = self.asked();
        let contents = asked.last().unwrap()["contents"].as_array().unwrap().clone();
        let has_results = |content: &&Value| content["parts"][0]["functionResponse"].is_object();
        let latest = contents.iter().rev().find(has_results).cloned().unwrap_or_default();
        let parts = latest["parts"].as_array().cloned().unwrap_or_default();
        parts.into_iter().map(|part| part["functionResponse"]["response"].clone()).collect()
    }
}

async fn serve_with(settings: &[(&'static str, String)], data: &TempDir) -> SocketAddr {
    let mut given: HashMap<&str, String> = settings.iter().cloned().collect();
    given.insert("DATA_DIR", data.path().display().to_string());
    let source = |name: &str| given.get(name).cloned();
    let mut reader = Reader::new(&source);
    let config = llm_orchestrator::Config::read(&mut reader);
    let config = reader.finish(config).unwrap();
    listen(llm_orchestrator::app(config).await.unwrap()).await
}

/// Serves a router on a port of its own.
pub(crate) async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, Limits::default(), Shutdown::manual()));
    address
}

/// A turn of a script that answers once.
pub(crate) fn says(text: &str) -> Value {
    json!({"reply": {"text": text}})
}

/// A turn of a script that calls tools.
pub(crate) fn calls(calls: Value) -> Value {
    json!({"reply": {"calls": calls}})
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
