use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use service_kit::config::{ConfigError, Reader, Secret, Source};
use service_kit::stores::StoreSettings;

/// The two settings that say where Airtable is. While neither is set, `pyairtable up` emulates it.
const AIRTABLE_SETTINGS: [&str; 2] = ["AIRTABLE_TOKEN", "AIRTABLE_API_URL"];

/// What the command-line tools need to know; the services read their own settings.
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Where keys are kept.
    pub(crate) stores: StoreSettings,
    /// Where a running gateway is looked for.
    pub(crate) gateway_url: String,
    /// Where a running orchestrator is looked for.
    pub(crate) chat_url: String,
    /// Where the emulated Airtable is looked for; `None`: Airtable is not emulated by `up`.
    pub(crate) emulator: Option<SocketAddr>,
    /// What the tools present; without it, the local key's file.
    pub(crate) api_key: Option<Secret>,
}

impl Settings {
    pub(crate) fn from_source(source: Source<'_>) -> Result<Self, ConfigError> {
        let mut env = Reader::new(source);
        let settings = Self::read(&mut env, is_emulated(source));
        env.finish(settings)
    }

    fn read(env: &mut Reader<'_>, is_emulated: bool) -> Option<Self> {
        let data_dir = env.optional::<PathBuf>("DATA_DIR");
        let stores = StoreSettings::read(env);
        let gateway_url = env.optional::<String>("AIRTABLE_GATEWAY_URL");
        let chat_url = env.optional::<String>("LLM_ORCHESTRATOR_URL");
        let emulator = env.optional::<SocketAddr>("AIRTABLE_EMULATOR_LISTEN");
        let api_key = env.optional_secret("PYAIRTABLE_API_KEY");
        Some(Self {
            stores: stores?,
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            gateway_url: gateway_url.unwrap_or_else(|| "http://127.0.0.1:8002".to_owned()),
            chat_url: chat_url.unwrap_or_else(|| "http://127.0.0.1:8003".to_owned()),
            emulator: is_emulated
                .then(|| on_this_machine(emulator.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8902))))),
            api_key,
        })
    }
}

/// Whether nothing says where Airtable is.
pub(crate) fn is_emulated(source: Source<'_>) -> bool {
    let has_value = |name: &str| source(name).is_some_and(|value| !value.is_empty());
    !AIRTABLE_SETTINGS.iter().any(|name| has_value(name) || has_value(&format!("{name}_FILE")))
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
