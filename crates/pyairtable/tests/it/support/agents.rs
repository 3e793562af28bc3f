//! The whole way from a question to Airtable, in this process: chat, tools, gateway, and both emulators.

use std::net::SocketAddr;

use serde_json::Value;
use service_kit::config::Reader;
use service_kit::serve::Shutdown;

use super::mcp::Tools;
use super::system::{Emulator, Gateway, Running, anywhere, run};

/// Airtable, the gateway and the tools' server.
pub(crate) struct ToolSystem {
    pub(crate) airtable: Emulator,
    pub(crate) gateway: Gateway,
    pub(crate) tools_at: SocketAddr,
    tools: Running,
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
