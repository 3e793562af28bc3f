use emulators::{airtable, gemini};
use service_kit::config::{ConfigError, Reader, Source};
use service_kit::stores::Stores;

use crate::settings::Emulated;

/// What the services of this process are told.
pub(super) struct Services {
    pub(super) gateway: airtable_gateway::Config,
    pub(super) mcp: mcp_server::Config,
    pub(super) chat: llm_orchestrator::Config,
}

/// The emulators that this process starts.
pub(super) struct Emulators {
    pub(super) airtable: Option<airtable::Config>,
    pub(super) gemini: Option<gemini::Config>,
}

/// Where the parts of this process find each other: known once they listen, and not for the user to set.
pub(super) struct Addresses {
    /// `None`: Airtable is where the settings say.
    pub(super) airtable: Option<String>,
    /// `None`: the model is where the settings say.
    pub(super) gemini: Option<String>,
    pub(super) gateway: String,
    pub(super) mcp: String,
}

impl Addresses {
    /// Stand-ins for reading settings before anything listens.
    fn unknown(emulated: Emulated) -> Self {
        let anywhere = || "http://127.0.0.1:1".to_owned();
        Self {
            airtable: emulated.airtable.then(anywhere),
            gemini: emulated.model.then(anywhere),
            gateway: anywhere(),
            mcp: anywhere(),
        }
    }

    fn overlay(&self, name: &str) -> Option<String> {
        match name {
            "AIRTABLE_API_URL" => self.airtable.clone(),
            "GEMINI_API_URL" => self.gemini.clone(),
            "AIRTABLE_GATEWAY_URL" => Some(self.gateway.clone()),
            "MCP_SERVER_URL" => Some(self.mcp.clone()),
            _ => None,
        }
    }

    /// The file form of a setting that we know better would make it a double one.
    fn hides(&self, name: &str) -> bool {
        name.strip_suffix("_FILE").is_some_and(|name| self.overlay(name).is_some())
    }
}

impl Services {
    /// One set of stores for all.
    pub(super) fn share(&mut self, stores: &Stores) {
        self.gateway.opened = Some(stores.clone());
        self.mcp.opened = Some(stores.clone());
        self.chat.opened = Some(stores.clone());
    }
}

/// Everything at once, so that all problems are.
pub(super) fn read_all(
    source: Source<'_>,
    emulated: Emulated,
    options: &airtable::Options,
) -> Result<(Services, Emulators), ConfigError> {
    let addresses = Addresses::unknown(emulated);
    let overlaid = overlaid(source, &addresses);
    let mut settings = Reader::new(&overlaid);
    let services = services(&mut settings);
    let airtable = airtable::Config::read(&mut settings, options);
    let gemini = gemini::Config::read(&mut settings, &gemini::Options::default());
    let emulators = airtable.zip(gemini).map(|(airtable, gemini)| Emulators {
        airtable: emulated.airtable.then_some(airtable),
        gemini: emulated.model.then_some(gemini),
    });
    settings.finish(services.zip(emulators))
}

pub(super) fn read_services(source: Source<'_>, addresses: &Addresses) -> Result<Services, ConfigError> {
    let overlaid = overlaid(source, addresses);
    let mut settings = Reader::new(&overlaid);
    let services = services(&mut settings);
    settings.finish(services)
}

fn services(settings: &mut Reader<'_>) -> Option<Services> {
    let gateway = airtable_gateway::Config::read(settings);
    let mcp = mcp_server::Config::read(settings);
    let chat = llm_orchestrator::Config::read(settings);
    Some(Services { gateway: gateway?, mcp: mcp?, chat: chat? })
}

fn overlaid<'a>(source: Source<'a>, addresses: &'a Addresses) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| match addresses.overlay(name) {
        Some(url) => Some(url),
        None if addresses.hides(name) => None,
        None => source(name),
    }
}
