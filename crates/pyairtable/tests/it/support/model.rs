//! The emulated model: what it is to say, and what it was asked.

use std::net::SocketAddr;

use emulators::gemini::{self, Emulator, Fate, Keys, LoggedRequest, Mode, Script};
use serde_json::{Value, json};
use service_kit::serve::Shutdown;

use super::system::{Running, run};

pub(crate) const MODEL_KEY: &str = "system-test-key";

pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    emulator: Emulator,
    running: Running,
}

impl Model {
    pub(crate) async fn start(address: SocketAddr, mode: Mode) -> Self {
        let emulator = Emulator::new(mode, Keys::Only([MODEL_KEY.to_owned()].into()));
        let shutdown = Shutdown::manual();
        let (address, running) = run(address, gemini::app(&emulator, shutdown.clone()), shutdown).await;
        Self { address, emulator, running }
    }

    /// Follows these turns from now on, and forgets what it was asked before.
    pub(crate) fn script(&self, turns: Value) {
        self.emulator.reset();
        let script = Script::from_value(&json!({"turns": turns})).unwrap_or_else(|error| panic!("{error}"));
        self.emulator.set_mode(Mode::Script(script));
    }

    /// What it was asked to answer, oldest first.
    pub(crate) fn asked(&self) -> Vec<Value> {
        let bodies = self.questions().into_iter().filter(|request| !request.body.is_empty());
        bodies.map(|request| serde_json::from_slice(&request.body).expect("JSON")).collect()
    }

    /// How each question ended.
    pub(crate) fn fates(&self) -> Vec<Fate> {
        self.questions().iter().map(|request| request.fate).collect()
    }

    /// Questions that it refused: a history that is not valid shows here.
    pub(crate) fn refused(&self) -> Vec<String> {
        let refused = self.questions().into_iter().filter(|request| request.status == Some(400));
        refused.map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect()
    }

    /// Results of tools in the latest question, in the order of the calls: `output` or `error` each.
    pub(crate) fn results(&self) -> Vec<Value> {
        let asked = self.asked();
        let contents = asked.last().expect("it was asked")["contents"].as_array().expect("contents").clone();
        let is_results = |content: &&Value| content["parts"][0]["functionResponse"].is_object();
        let latest = contents.iter().rev().find(is_results).cloned().unwrap_or_default();
        let parts = latest["parts"].as_array().cloned().unwrap_or_default();
        parts.into_iter().map(|part| part["functionResponse"]["response"].clone()).collect()
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }

    fn questions(&self) -> Vec<LoggedRequest> {
        self.emulator
            .requests(0)
            .into_iter()
            .filter(|request| request.target.contains("enerateContent"))
            .collect()
    }
}

/// A turn that says this, once.
pub(crate) fn says(text: &str) -> Value {
    json!({"reply": {"text": text}})
}

/// A turn that says this whenever nothing else fits.
pub(crate) fn always_says(text: &str) -> Value {
    json!({"times": "always", "reply": {"text": text}})
}

/// A turn that calls tools: names and arguments.
pub(crate) fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let calls: Vec<Value> =
        calls.into_iter().map(|(name, args)| json!({"name": name, "args": args})).collect();
    json!({"reply": {"calls": calls}})
}
