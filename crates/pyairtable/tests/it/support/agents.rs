//! The whole way from a question to Airtable, in this process: chat, tools, gateway, and both emulators.

use std::net::SocketAddr;

use emulators::gemini::Mode;
use serde_json::Value;
use service_kit::config::Reader;
use service_kit::serve::Shutdown;

use super::chat::Chat;
use super::mcp::Tools;
use super::model::{MODEL_KEY, Model};
use super::system::{Emulator, Gateway, Running, anywhere, run};

/// What scenarios need of a system, however it runs.
pub(crate) trait Agents {
    fn airtable(&self) -> &Emulator;
    fn model(&self) -> &Model;
    /// The chat, for somebody with this key.
    fn chat_with(&self, key: &str) -> Chat;
    fn tools_with(&self, key: &str) -> Tools;
    /// A key that may do everything.
    fn full_key(&self) -> &str;
    /// A new key; `bases` of `None` means every base.
    async fn key(&self, scopes: &[&str], bases: Option<&[&str]>) -> String;

    fn chat(&self) -> Chat {
        self.chat_with(self.full_key())
    }

    fn tools(&self) -> Tools {
        self.tools_with(self.full_key())
    }
}

/// Airtable, the gateway and the tools' server.
pub(crate) struct ToolSystem {
    pub(crate) airtable: Emulator,
    pub(crate) gateway: Gateway,
    pub(crate) tools_at: SocketAddr,
    pub(crate) tools: Running,
}

impl ToolSystem {
    pub(crate) async fn start(seed: Value, settings: &[(&str, &str)]) -> Self {
        let airtable = Emulator::start(seed).await;
        let gateway = Gateway::start(airtable.address, settings).await;
        let at = format!("http://{}", gateway.address);
        let given = gateway.settings(settings, &[("AIRTABLE_GATEWAY_URL", &at)]);
        let source = |name: &str| given.get(name).cloned();
        let mut reader = Reader::new(&source);
        let config = mcp_server::Config::read(&mut reader);
        let mut config = reader.finish(config).expect("the settings are right");
        let shutdown = Shutdown::manual();
        config.shutdown = shutdown.clone();
        let router = mcp_server::app(config).await.expect("the tools' server starts");
        let (tools_at, tools) = run(anywhere(), router, shutdown).await;
        Self { airtable, gateway, tools_at, tools }
    }

    /// Somebody who may do everything.
    pub(crate) fn tools(&self) -> Tools {
        self.tools_with(&self.gateway.full_key)
    }

    pub(crate) fn tools_with(&self, key: &str) -> Tools {
        Tools::new(self.tools_at, key)
    }

    pub(crate) async fn stop(self) {
        self.tools.stop().await;
        self.gateway.stop().await;
        self.airtable.stop().await;
    }
}

/// All of it: [`ToolSystem`], a model and the chat.
pub(crate) struct ChatSystem {
    pub(crate) tools: ToolSystem,
    pub(crate) model: Model,
    pub(crate) chat_at: SocketAddr,
    pub(crate) chat: Running,
}

impl ChatSystem {
    pub(crate) async fn start(seed: Value, mode: Mode, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = [("PACING", "off")].iter().chain(settings).copied().collect();
        let tools = ToolSystem::start(seed, &settings).await;
        let model = Model::start(anywhere(), mode).await;
        let (model_at, tools_at) =
            (format!("http://{}", model.address), format!("http://{}", tools.tools_at));
        let own = [
            ("GEMINI_API_URL", model_at.as_str()),
            ("GEMINI_API_KEY", MODEL_KEY),
            ("MCP_SERVER_URL", &tools_at),
        ];
        let given = tools.gateway.settings(&own, &settings);
        let source = |name: &str| given.get(name).cloned();
        let mut reader = Reader::new(&source);
        let config = llm_orchestrator::Config::read(&mut reader);
        let mut config = reader.finish(config).expect("the settings are right");
        let shutdown = Shutdown::manual();
        config.shutdown = shutdown.clone();
        let router = llm_orchestrator::app(config).await.expect("the chat starts");
        let (chat_at, chat) = run(anywhere(), router, shutdown).await;
        Self { tools, model, chat_at, chat }
    }

    pub(crate) async fn stop(self) {
        self.chat.stop().await;
        assert_eq!(
            self.model.refused(),
            Vec::<String>::new(),
            "every history that the model was given was valid"
        );
        self.model.stop().await;
        self.tools.stop().await;
    }
}

impl Agents for ChatSystem {
    fn airtable(&self) -> &Emulator {
        &self.tools.airtable
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn chat_with(&self, key: &str) -> Chat {
        Chat::new(self.chat_at, key)
    }

    fn tools_with(&self, key: &str) -> Tools {
        self.tools.tools_with(key)
    }

    fn full_key(&self) -> &str {
        &self.tools.gateway.full_key
    }

    async fn key(&self, scopes: &[&str], bases: Option<&[&str]>) -> String {
        self.tools.gateway.key(scopes, bases).await
    }
}
