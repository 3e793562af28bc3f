use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use service_kit::config::{ConfigError, Reader, Secret, Source};
use service_kit::stores::StoreSettings;

/// The two settings that say where Airtable is. While neither is set, `pyairtable up` emulates it.
const AIRTABLE_SETTINGS: [&str; 2] = ["AIRTABLE_TOKEN", "AIRTABLE_API_URL"];

/// The two settings that say where the model is. While neither is set, `pyairtable up` emulates it.
const GEMINI_SETTINGS: [&str; 2] = ["GEMINI_API_KEY", "GEMINI_API_URL"];

/// What the command-line tools need to know; the services read their own settings.
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Where keys are kept.
    pub(crate) stores: StoreSettings,
    /// Where a running gateway is looked for.
    pub(crate) gateway_url: String,
    /// Where a running MCP server is looked for.
    pub(crate) mcp_url: String,
    /// Where a running orchestrator is looked for.
    pub(crate) chat_url: String,
    /// Where the emulated Airtable is looked for; `None`: Airtable is not emulated by `up`.
    pub(crate) airtable_emulator: Option<SocketAddr>,
    /// Where the emulated model is looked for; `None`: the model is not emulated by `up`.
    pub(crate) gemini_emulator: Option<SocketAddr>,
    /// What the tools present; without it, the local key's file.
    pub(crate) api_key: Option<Secret>,
}

impl Settings {
    pub(crate) fn from_source(source: Source<'_>) -> Result<Self, ConfigError> {
        let mut env = Reader::new(source);
        let settings = Self::read(&mut env, Emulated::by_settings(source));
        env.finish(settings)
    }

    fn read(env: &mut Reader<'_>, emulated: Emulated) -> Option<Self> {
        let data_dir = env.optional::<PathBuf>("DATA_DIR");
        let stores = StoreSettings::read(env);
        let gateway_url = env.optional::<String>("AIRTABLE_GATEWAY_URL");
        let mcp_url = env.optional::<String>("MCP_SERVER_URL");
        let chat_url = env.optional::<String>("LLM_ORCHESTRATOR_URL");
        let airtable_emulator = env.optional::<SocketAddr>("AIRTABLE_EMULATOR_LISTEN");
        let gemini_emulator = env.optional::<SocketAddr>("GEMINI_EMULATOR_LISTEN");
        let api_key = env.optional_secret("PYAIRTABLE_API_KEY");
        let here = |given: Option<SocketAddr>, port| {
            on_this_machine(given.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port))))
        };
        let url = |given: Option<String>, port| given.unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
        Some(Self {
            stores: stores?,
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            gateway_url: url(gateway_url, 8002),
            mcp_url: url(mcp_url, 8001),
            chat_url: url(chat_url, 8003),
            airtable_emulator: emulated.airtable.then(|| here(airtable_emulator, 8902)),
            gemini_emulator: emulated.model.then(|| here(gemini_emulator, 8903)),
            api_key,
        })
    }
}

/// What `pyairtable up` emulates because no setting says where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emulated {
    pub(crate) airtable: bool,
    pub(crate) model: bool,
}

impl Emulated {
    pub(crate) fn by_settings(source: Source<'_>) -> Self {
        let has_value = |name: &str| source(name).is_some_and(|value| !value.is_empty());
        let is_unset =
            |names: &[&str]| !names.iter().any(|name| has_value(name) || has_value(&format!("{name}_FILE")));
        Self { airtable: is_unset(&AIRTABLE_SETTINGS), model: is_unset(&GEMINI_SETTINGS) }
    }
}

/// Where a service that may listen everywhere is reached from here.
pub(crate) fn on_this_machine(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// How this program was called, so that lines to paste work from the same directory.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "pyairtable".to_owned())
}
