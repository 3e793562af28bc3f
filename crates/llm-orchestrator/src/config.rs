//! The orchestrator's settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use llm_api::{BaseUrl, InvalidBaseUrl, Key, gemini};
use secrecy::SecretString;
use service_kit::InternalKey;
use service_kit::auth::OperatorKey;
use service_kit::config::{Reader, Secret};
use service_kit::private_file;
use service_kit::serve::Shutdown;
use service_kit::stores::{StoreSettings, Stores};
use service_kit::telemetry::LogSettings;

/// The emulator's key, under `DATA_DIR`; made by the emulator.
const EMULATOR_KEY_FILE: &str = "gemini-emulator-key";

/// Where the tools' server is, unless `MCP_SERVER_URL` says otherwise.
const MCP_SERVER: &str = "http://127.0.0.1:8001";

/// The model, unless `GEMINI_MODEL` says otherwise.
const MODEL: &str = "gemini-3.8-flash";

/// The name of the setting that says where to listen.
pub const LISTEN: &str = "LLM_ORCHESTRATOR_LISTEN";

/// Everything that the orchestrator can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `LLM_ORCHESTRATOR_LISTEN`, default 127.0.0.1:8003.
    pub listen: SocketAddr,
    /// `MCP_SERVER_URL`, default <http://127.0.0.1:8001>: the server whose tools the model may call.
    pub mcp_server: Uri,
    /// `GEMINI_API_URL`, default Google's.
    pub gemini: BaseUrl,
    /// `GEMINI_API_KEY`; else the emulator's key (`GEMINI_EMULATOR_KEY`, or its file), if `GEMINI_API_URL` is set.
    pub key: KeySource,
    /// `GEMINI_MODEL` or `DEFAULT_MODEL`: what `airtable-assistant` stands for.
    pub model: String,
    /// `INTERNAL_API_KEY`, or a file under `DATA_DIR`: what callers' rights are signed with.
    pub internal_key: InternalKey,
    /// `OPERATOR_API_KEY`: a key with all rights that is in no database.
    pub operator_key: Option<OperatorKey>,
    /// `DATA_DIR`, `DATABASE_URL`, `REDIS_URL`: where keys and sessions are kept.
    pub stores: StoreSettings,
    /// `SESSION_TTL` in seconds, default 30 days: sessions that nobody used for so long are removed.
    pub session_ttl: Duration,
    /// `LLM_MAX_STEPS`, default 12: calls of the model for one question.
    pub max_steps: u32,
    /// `LLM_MAX_TOOL_CALLS`, default 40, for one question.
    pub max_tool_calls: u32,
    /// `LLM_TURN_TIMEOUT_SECONDS`, default 300, for one question.
    pub turn_timeout: Duration,
    /// `LLM_MAX_TURN_TOKENS`, default 400,000: input and output for one question.
    pub max_turn_tokens: u64,
    /// `LLM_MAX_OUTPUT_TOKENS`, default 8,192, for one answer of the model; a request may ask for less.
    pub max_output_tokens: u32,
    /// `THINKING_BUDGET` in tokens; not set: what the model does by itself.
    pub thinking_budget: Option<u32>,
    /// `LOG_LEVEL` and `LOG_FORMAT`.
    pub log: LogSettings,
    /// Not a setting: once asked for, `/ready` says so.
    pub shutdown: Shutdown,
    /// Not a setting: the stores that this process has opened already; without them the orchestrator opens its own.
    pub opened: Option<Stores>,
}

/// Where the vendor's key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// `GEMINI_API_KEY`.
    Setting(Secret),
    /// `GEMINI_EMULATOR_KEY`.
    Emulator(Secret),
    /// The file that the emulator leaves its key in; looked at for each call, since it may come later.
    EmulatorFile(PathBuf),
}

impl KeySource {
    /// The key as it is at each call.
    pub(crate) fn key(&self) -> Key {
        match self.clone() {
            Self::Setting(secret) | Self::Emulator(secret) => Key::rotating(move || secret.current()),
            Self::EmulatorFile(path) => {
                Key::rotating(move || SecretString::from(private_file::read(&path).unwrap_or_default()))
            }
        }
    }
}

impl Config {
    /// Reads all settings; notes every problem, then `None` if something indispensable is missing.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let listen = settings.optional(LISTEN);
        let mcp_url = settings.optional::<String>("MCP_SERVER_URL");
        let gemini_url = settings.optional::<String>("GEMINI_API_URL");
        let key = settings.optional_secret("GEMINI_API_KEY");
        let emulator_key = settings.optional_secret("GEMINI_EMULATOR_KEY");
        let model = settings.optional::<String>("GEMINI_MODEL");
        let default_model = settings.optional::<String>("DEFAULT_MODEL");
        let stores = StoreSettings::read(settings);
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        let internal_key = InternalKey::read(settings, &data_dir);
        let operator_key = OperatorKey::read(settings);
        let session_ttl = seconds(settings, "SESSION_TTL", 2_592_000);
        let max_steps = at_least_one(settings, "LLM_MAX_STEPS", 12_u32);
        let max_tool_calls = at_least_one(settings, "LLM_MAX_TOOL_CALLS", 40_u32);
        let turn_timeout = seconds(settings, "LLM_TURN_TIMEOUT_SECONDS", 300);
        let max_turn_tokens = at_least_one(settings, "LLM_MAX_TURN_TOKENS", 400_000_u64);
        let max_output_tokens = at_least_one(settings, "LLM_MAX_OUTPUT_TOKENS", 8_192_u32);
        let thinking_budget = settings.optional("THINKING_BUDGET");
        let log = LogSettings::read(settings);

        let key = match (key, &gemini_url, emulator_key) {
            (Some(key), ..) => Some(KeySource::Setting(key)),
            (None, Some(_), Some(key)) => Some(KeySource::Emulator(key)),
            (None, Some(_), None) => Some(KeySource::EmulatorFile(data_dir.join(EMULATOR_KEY_FILE))),
            (None, None, _) => {
                settings.problem(
                    "GEMINI_API_KEY",
                    "is not set: give a key of Google's Gemini API, or set GEMINI_API_URL to an emulator",
                );
                None
            }
        };
        let gemini = base_url(settings, "GEMINI_API_URL", gemini_url.as_deref().unwrap_or(gemini::GOOGLE));
        let mcp_server = base_url(settings, "MCP_SERVER_URL", mcp_url.as_deref().unwrap_or(MCP_SERVER));
        Some(Self {
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8003))),
            mcp_server: mcp_server?.to_uri(),
            gemini: gemini?,
            key: key?,
            model: model.or(default_model).unwrap_or_else(|| MODEL.to_owned()),
            internal_key,
            operator_key,
            stores: stores?,
            session_ttl,
            max_steps,
            max_tool_calls,
            turn_timeout,
            max_turn_tokens,
            max_output_tokens,
            thinking_budget,
            log: log?,
            shutdown: Shutdown::manual(),
            opened: None,
        })
    }
}

fn base_url(settings: &mut Reader<'_>, name: &'static str, url: &str) -> Option<BaseUrl> {
    match BaseUrl::parse(url) {
        Ok(url) => Some(url),
        Err(problem @ (InvalidBaseUrl::NotAUrl | InvalidBaseUrl::Scheme)) => {
            settings.problem(name, format!("{problem}, such as {MCP_SERVER}"));
            None
        }
        Err(problem) => {
            settings.problem(name, problem.to_string());
            None
        }
    }
}

fn seconds(settings: &mut Reader<'_>, name: &'static str, default: u64) -> Duration {
    Duration::from_secs(at_least_one(settings, name, default))
}

fn at_least_one<T>(settings: &mut Reader<'_>, name: &'static str, default: T) -> T
where
    T: std::str::FromStr<Err: std::fmt::Display> + Default + PartialEq,
{
    match settings.optional::<T>(name) {
        Some(value) if value == T::default() => {
            settings.problem(name, "must be at least 1");
            default
        }
        Some(value) => value,
        None => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
        let source = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut reader = Reader::new(&source);
        let config = Config::read(&mut reader);
        reader.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_enough() {
        let config = read(&[("GEMINI_API_KEY", "AIza-x")]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8003");
        assert_eq!(config.gemini.authority(), "generativelanguage.googleapis.com");
        assert_eq!(config.mcp_server, "http://127.0.0.1:8001/");
        assert_eq!((config.model.as_str(), config.max_steps), ("gemini-3.8-flash", 12));
    }

    #[test]
    fn the_emulators_key_may_be_given() {
        let given =
            [("GEMINI_API_URL", "http://127.0.0.1:8903"), ("GEMINI_EMULATOR_KEY", "gemini-emulator-x")];
        assert!(matches!(read(&given).unwrap().key, KeySource::Emulator(_)));
        let both = [&given[..], &[("GEMINI_API_KEY", "AIza-x")]].concat();
        assert!(matches!(read(&both).unwrap().key, KeySource::Setting(_)));
    }

    #[test]
    fn an_address_is_enough_because_the_emulator_leaves_its_key() {
        let config = read(&[("GEMINI_API_URL", "http://127.0.0.1:8903"), ("DATA_DIR", "/d")]).unwrap();
        assert!(
            matches!(config.key, KeySource::EmulatorFile(path) if path == std::path::Path::new("/d/gemini-emulator-key"))
        );
    }

    #[test]
    fn the_models_older_name_is_accepted() {
        let settings = |more| [("GEMINI_API_KEY", "AIza-x"), ("DEFAULT_MODEL", "gemini-2.5-pro"), more];
        assert_eq!(read(&settings(("LOG_LEVEL", "info"))).unwrap().model, "gemini-2.5-pro");
        assert_eq!(read(&settings(("GEMINI_MODEL", "gemini-4-carbon"))).unwrap().model, "gemini-4-carbon");
    }

    #[test]
    fn all_problems_are_told_at_once_and_without_values() {
        let error = read(&[
            ("LLM_ORCHESTRATOR_LISTEN", "everywhere"),
            ("MCP_SERVER_URL", "ftp://hunter2"),
            ("GEMINI_API_URL", "http://user:hunter2@host"),
            ("LLM_MAX_STEPS", "0"),
            ("SESSION_TTL", "long"),
        ])
        .unwrap_err();
        for name in
            ["LLM_ORCHESTRATOR_LISTEN", "MCP_SERVER_URL", "GEMINI_API_URL", "LLM_MAX_STEPS", "SESSION_TTL"]
        {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
        assert!(read(&[]).unwrap_err().contains("GEMINI_API_KEY"));
    }
}
