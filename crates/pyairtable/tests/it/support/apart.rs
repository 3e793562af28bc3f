//! Gateway, tools' server and chat as processes of their own, between an emulated Airtable and an emulated model that stay in
//! the test, where they can be looked at and told what to do.

use std::path::Path;
use std::time::SystemTime;

use emulators::gemini::Mode;
use serde_json::Value;
use service_kit::auth::{Bases, Scopes};
use service_kit::keys::ApiKey;
use storage::{ApiKeyStore, PostgresStore, SessionStore as _, SqliteStore, UsageFilter, UsageTotals};
use tempfile::TempDir;
use tokio::process::Child;

use super::agents::Agents;
use super::chat::Chat;
use super::gate::Gate;
use super::mcp::Tools;
use super::model::{MODEL_KEY, Model};
use super::processes::{Service, kill, until_ready};
use super::seeds::TOKEN;
use super::system::{Emulator, anywhere};
use crate::process::Ports;

pub(crate) struct Apart {
    pub(crate) airtable: Emulator,
    /// Between the gateway and Airtable.
    pub(crate) gate: Gate,
    pub(crate) model: Model,
    pub(crate) ports: Ports,
    /// Of a key that may do everything.
    pub(crate) key: String,
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
    running: Vec<(Service, Child)>,
}

impl Apart {
    /// `more` are settings of all services, such as `DATABASE_URL`.
    pub(crate) async fn start(seed: Value, mode: Mode, more: &[(&'static str, String)]) -> Self {
        let airtable = Emulator::start(seed).await;
        let gate = Gate::before(airtable.address).await;
        let model = Model::start(anywhere(), mode).await;
        let (folder, ports) = (TempDir::new().expect("a folder"), Ports::free());
        let mut settings = ports.settings();
        settings.extend([
            ("AIRTABLE_API_URL", format!("http://{}", gate.address)),
            ("AIRTABLE_TOKEN", TOKEN.to_owned()),
            ("GEMINI_API_URL", format!("http://{}", model.address)),
            ("GEMINI_API_KEY", MODEL_KEY.to_owned()),
            ("PACING", "off".to_owned()),
        ]);
        settings.extend_from_slice(more);
        let mut apart =
            Self { airtable, gate, model, ports, key: String::new(), folder, settings, running: Vec::new() };
        for service in [Service::Gateway, Service::Tools, Service::Chat] {
            apart.begin(service).await;
        }
        apart.key = apart.key(&["records:read", "records:write", "schema:read", "llm:chat"], None).await;
        apart
    }

    /// Starts a service and waits until it is ready.
    pub(crate) async fn begin(&mut self, service: Service) {
        let child = service.start(self.folder.path(), &self.settings);
        self.running.push((service, child));
        until_ready(self.address(service)).await;
    }

    /// Starts another chat on the same data; where it listens.
    pub(crate) async fn another_chat(&mut self) -> Chat {
        let address = Ports::free().chat;
        let mut settings = self.settings.clone();
        settings.push(("LLM_ORCHESTRATOR_LISTEN", address.to_string()));
        self.running.push((Service::Chat, Service::Chat.start(self.folder.path(), &settings)));
        until_ready(address).await;
        Chat::new(address, &self.key)
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self, service: Service) {
        let at = self.running.iter().position(|(running, _)| *running == service).expect("it runs");
        kill(&mut self.running.remove(at).1).await;
    }

    pub(crate) async fn kill_and_begin(&mut self, service: Service) {
        self.kill(service).await;
        self.begin(service).await;
    }

    /// What a session has used, as the store has it.
    pub(crate) async fn usage(&self, session: &str) -> UsageTotals {
        let filter = UsageFilter { session: Some(session.to_owned()), ..UsageFilter::default() };
        match self.database() {
            Some(url) => postgres(url).await.usage(&filter).await,
            None => self.sqlite().await.usage(&filter).await,
        }
        .expect("usage can be read")
    }

    fn database(&self) -> Option<&str> {
        let found = self.settings.iter().find(|(name, _)| *name == "DATABASE_URL");
        found.map(|(_, url)| url.as_str())
    }

    async fn sqlite(&self) -> SqliteStore {
        let data: &Path = self.folder.path();
        SqliteStore::open(&SqliteStore::path_in(&data.join("data"))).await.expect("the store opens")
    }

    fn address(&self, service: Service) -> std::net::SocketAddr {
        match service {
            Service::Gateway => self.ports.gateway,
            Service::Tools => self.ports.mcp,
            Service::Chat => self.ports.chat,
            Service::Airtable => self.airtable.address,
            Service::Model => self.model.address,
        }
    }
}

impl Agents for Apart {
    fn airtable(&self) -> &Emulator {
        &self.airtable
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn chat_with(&self, key: &str) -> Chat {
        Chat::new(self.ports.chat, key)
    }

    fn tools_with(&self, key: &str) -> Tools {
        Tools::new(self.ports.mcp, key)
    }

    fn full_key(&self) -> &str {
        &self.key
    }

    async fn key(&self, scopes: &[&str], bases: Option<&[&str]>) -> String {
        let key = ApiKey::mint().expect("randomness");
        let scopes = scopes.iter().fold(Scopes::NONE, |all, name| all.with(name.parse().expect("a scope")));
        let bases = bases.map_or(Bases::All, |ids| Bases::only(ids.iter().copied()));
        let record = key.record("test", scopes, &bases, SystemTime::now(), None);
        match self.database() {
            Some(url) => postgres(url).await.insert(&record).await,
            None => self.sqlite().await.insert(&record).await,
        }
        .expect("the key is kept");
        key.expose().to_owned()
    }
}

async fn postgres(url: &str) -> PostgresStore {
    let store = PostgresStore::new(&url.parse().expect("an address"));
    store.prepare().await.expect("the database opens");
    store
}
