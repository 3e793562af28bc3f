//! The gateway's settings.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use airtable_api::{InvalidOrigin, Origin};
use service_kit::InternalKey;
use service_kit::auth::OperatorKey;
use service_kit::config::Reader;
use service_kit::serve::Shutdown;
use service_kit::stores::{StoreSettings, Stores};
use service_kit::telemetry::LogSettings;

use crate::caller::TokenSource;

/// Where Airtable is.
const AIRTABLE: &str = "https://api.airtable.com";

/// The emulator's token, under `DATA_DIR`; made by the emulator.
const EMULATOR_TOKEN_FILE: &str = "airtable-emulator-token";

/// The name of the setting that says where to listen.
pub const LISTEN: &str = "AIRTABLE_GATEWAY_LISTEN";

/// Memory for answers, unless `CACHE_MAX_BYTES` says otherwise: some thousand pages.
const CACHE_BYTES: u64 = 64 << 20;

/// Everything that the gateway can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `AIRTABLE_GATEWAY_LISTEN`, default 127.0.0.1:8002.
    pub listen: SocketAddr,
    /// `AIRTABLE_API_URL`, default Airtable itself.
    pub airtable: Origin,
    /// `AIRTABLE_TOKEN`; else the emulator's token (`AIRTABLE_EMULATOR_TOKEN`, or its file), if `AIRTABLE_API_URL` is set.
    pub token: TokenSource,
    /// `INTERNAL_API_KEY`, or a file under `DATA_DIR`: what principals of other services are signed with.
    pub internal_key: InternalKey,
    /// `OPERATOR_API_KEY`: a key with all rights that is in no database.
    pub operator_key: Option<OperatorKey>,
    /// `DATA_DIR`, default `./data`.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`, `REDIS_URL`: where keys and what replicas share are kept.
    pub stores: StoreSettings,
    /// `GATEWAY_PASSTHROUGH`, default off: bearer tokens that are not ours go on to Airtable.
    pub passthrough: bool,
    /// `CACHE_MAX_BYTES`, default 64 MiB; 0 switches the cache off.
    pub cache_max_bytes: u64,
    /// `PACING`, default on.
    pub pacing: bool,
    /// `AIRTABLE_REPLICAS_MAX`, default 1: how many gateways may call Airtable with the same token. Each keeps to its part
    /// of Airtable's limits while there is no Redis to share them through.
    pub replicas_max: usize,
    /// `LOG_LEVEL` and `LOG_FORMAT`.
    pub log: LogSettings,
    /// Not a setting: once asked for, `/ready` says so.
    pub shutdown: Shutdown,
    /// Not a setting: the stores that this process has opened already; without them the gateway opens its own.
    pub opened: Option<Stores>,
}

impl Config {
    /// Reads all settings; notes every problem, then `None` if something indispensable is missing.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let listen = settings.optional(LISTEN);
        let url = settings.optional::<String>("AIRTABLE_API_URL");
        let token = settings.optional_secret("AIRTABLE_TOKEN");
        let emulator_token = settings.optional_secret("AIRTABLE_EMULATOR_TOKEN");
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        let internal_key = InternalKey::read(settings, &data_dir);
        let operator_key = OperatorKey::read(settings);
        let stores = StoreSettings::read(settings);
        let passthrough = settings.switch("GATEWAY_PASSTHROUGH").unwrap_or(false);
        let cache_max_bytes = settings.optional("CACHE_MAX_BYTES");
        let pacing = settings.switch("PACING").unwrap_or(true);
        let replicas_max = settings.optional::<NonZeroUsize>("AIRTABLE_REPLICAS_MAX");
        let log = LogSettings::read(settings);

        let token = match (token, &url, emulator_token) {
            (Some(token), ..) => TokenSource::Setting(token),
            (None, Some(_), Some(token)) => TokenSource::Emulator(token),
            (None, Some(_), None) => TokenSource::EmulatorFile(data_dir.join(EMULATOR_TOKEN_FILE)),
            (None, None, _) if passthrough => TokenSource::None,
            (None, None, _) => {
                settings.problem(
                    "AIRTABLE_TOKEN",
                    "is not set: give a personal access token of Airtable, or set AIRTABLE_API_URL to an emulator, or set GATEWAY_PASSTHROUGH=true to use the callers' own tokens",
                );
                TokenSource::None
            }
        };
        let airtable = match Origin::parse(url.as_deref().unwrap_or(AIRTABLE)) {
            Ok(origin) => Some(origin),
            Err(problem @ (InvalidOrigin::NotAUrl | InvalidOrigin::Scheme)) => {
                settings.problem("AIRTABLE_API_URL", format!("{problem}, such as {AIRTABLE}"));
                None
            }
            Err(problem) => {
                settings.problem("AIRTABLE_API_URL", problem.to_string());
                None
            }
        };
        Some(Self {
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8002))),
            airtable: airtable?,
            token,
            internal_key,
            operator_key,
            data_dir,
            stores: stores?,
            passthrough,
            cache_max_bytes: cache_max_bytes.unwrap_or(CACHE_BYTES),
            pacing,
            replicas_max: replicas_max.map_or(1, NonZeroUsize::get),
            log: log?,
            shutdown: Shutdown::manual(),
            opened: None,
        })
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
    fn a_token_is_enough() {
        let config = read(&[("AIRTABLE_TOKEN", "patX.y")]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8002");
        assert_eq!(config.airtable.authority(), "api.airtable.com");
        assert!(config.pacing && !config.passthrough);
        assert_eq!(config.cache_max_bytes, 64 << 20);
    }

    #[test]
    fn an_address_is_enough_because_the_emulator_leaves_its_token() {
        let config = read(&[("AIRTABLE_API_URL", "http://127.0.0.1:8902"), ("DATA_DIR", "/d")]).unwrap();
        assert!(
            matches!(config.token, TokenSource::EmulatorFile(path) if path == std::path::Path::new("/d/airtable-emulator-token"))
        );
    }

    #[test]
    fn the_emulators_token_may_be_given_and_counts_only_for_an_emulator() {
        let given = [("AIRTABLE_API_URL", "http://127.0.0.1:8902"), ("AIRTABLE_EMULATOR_TOKEN", "patE.e")];
        assert!(matches!(read(&given).unwrap().token, TokenSource::Emulator(_)));
        let both = [&given[..], &[("AIRTABLE_TOKEN", "patX.y")]].concat();
        assert!(matches!(read(&both).unwrap().token, TokenSource::Setting(_)));
        assert!(read(&[("AIRTABLE_EMULATOR_TOKEN", "patE.e")]).unwrap_err().contains("AIRTABLE_TOKEN"));
    }

    #[test]
    fn nothing_is_a_problem_unless_tokens_are_passed_on() {
        assert!(read(&[]).unwrap_err().contains("AIRTABLE_TOKEN"));
        assert!(read(&[("GATEWAY_PASSTHROUGH", "true")]).is_ok());
    }

    #[test]
    fn all_problems_are_told_at_once_and_without_values() {
        let error = read(&[
            ("AIRTABLE_GATEWAY_LISTEN", "everywhere"),
            ("AIRTABLE_API_URL", "http://user:hunter2@host"),
            ("REDIS_URL", "http://:hunter2@host"),
            ("DATABASE_URL", "mysql://u:hunter2@host/db"),
            ("CACHE_MAX_BYTES", "much"),
            ("PACING", "maybe"),
        ])
        .unwrap_err();
        for name in [
            "AIRTABLE_GATEWAY_LISTEN",
            "AIRTABLE_API_URL",
            "REDIS_URL",
            "DATABASE_URL",
            "CACHE_MAX_BYTES",
            "PACING",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
