//! What the emulator is started with: settings of the environment, and options of its command line.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret as _;
use service_kit::config::{Reader, Secret};
use service_kit::private_file;
use service_kit::telemetry::LogSettings;

use super::emulator::Emulator;
use super::files::{FileSettings, PublicUrl, Sources};
use super::kept::KeptError;
use super::limits::Limits;
use super::oauth::hex;
use super::seed::Seed;

/// Where the emulator listens unless told otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8902);

/// Everything the service needs to start.
#[derive(Debug)]
pub struct Config {
    /// `--listen`, else `AIRTABLE_EMULATOR_LISTEN`, else 127.0.0.1:8902.
    pub listen: SocketAddr,
    /// `DATA_DIR`, where the minted token is kept.
    pub data_dir: PathBuf,
    /// `AIRTABLE_EMULATOR_TOKEN`: accepted with full rights; without it, one is minted.
    pub token: Option<Secret>,
    /// `--data`, else `AIRTABLE_EMULATOR_DATA`: the file that keeps the bases; without it, memory.
    pub data: Option<PathBuf>,
    /// `--webhook-pings`
    pub webhook_pings: bool,
    /// `--attachment-sources`, `--attachment-memory` and `--public-url`, else the settings of those names.
    pub files: FileSettings,
    /// `--seed`, else the sample; its limits are already those that were asked for.
    pub seed: Seed,
    /// Those of the command line.
    pub limits: LimitOptions,
    /// How much is logged, and in which format.
    pub logs: LogSettings,
}

/// Why the emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The token's file can neither be read nor written.
    #[error("the token of the emulated Airtable cannot be kept in {}", path.display())]
    Token {
        /// That file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file of bases cannot be used.
    #[error("the emulated bases cannot be kept in {}", path.display())]
    Bases {
        /// That file.
        path: PathBuf,
        #[source]
        source: KeptError,
    },
}

/// Options of the command line; each wins over its setting.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Address to listen on [default: AIRTABLE_EMULATOR_LISTEN, else 127.0.0.1:8902]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Bases, users, tokens and limits to start with, as JSON [default: a sample base]
    #[arg(long, global = true, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Keep the bases in this SQLite file, made from the seed at first [default: AIRTABLE_EMULATOR_DATA, else in memory]
    #[arg(long, global = true, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Ping webhooks whose URL leads to this machine
    #[arg(long, global = true)]
    pub webhook_pings: bool,
    /// Fetch files of attachments that are written by their URLs: none, or loopback for servers of this machine
    /// [default: AIRTABLE_EMULATOR_ATTACHMENT_SOURCES, else the seed's attachmentSources, else none]
    #[arg(long, global = true, value_name = "SOURCES")]
    pub attachment_sources: Option<Sources>,
    /// Memory that files of attachments may take, in bytes [default: AIRTABLE_EMULATOR_ATTACHMENT_MEMORY, else 512 MiB]
    #[arg(long, global = true, value_name = "BYTES")]
    pub attachment_memory: Option<u64>,
    /// Where clients read files of attachments, without a path [default: AIRTABLE_EMULATOR_PUBLIC_URL, else where their
    /// requests were sent]
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// Limits of the command line; each wins over the seed's, and over those of a file of bases or a snapshot.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct LimitOptions {
    /// Requests to one base in any second; 0 is no limit [default: 5]
    #[arg(long, global = true, value_name = "N")]
    pub rate_per_base: Option<u32>,
    /// Requests of one user in any second; 0 is no limit [default: 50]
    #[arg(long, global = true, value_name = "N")]
    pub rate_per_user: Option<u32>,
    /// How long everything is refused after a violation [default: 30]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub penalty_seconds: Option<u32>,
    /// Send Retry-After with 429 (Airtable documents none)
    #[arg(long, global = true)]
    pub retry_after_header: bool,
}

impl LimitOptions {
    pub(super) fn apply(&self, limits: Limits) -> Limits {
        let rate = |option: Option<u32>, seeded: Option<u32>| match option {
            None => seeded,
            Some(0) => None,
            Some(rate) => Some(rate),
        };
        Limits {
            requests_per_second_per_base: rate(self.rate_per_base, limits.requests_per_second_per_base),
            requests_per_second_per_user: rate(self.rate_per_user, limits.requests_per_second_per_user),
            penalty: self
                .penalty_seconds
                .map_or(limits.penalty, |seconds| Duration::from_secs(seconds.into())),
            retry_after_header: self.retry_after_header || limits.retry_after_header,
            ..limits
        }
    }
}

impl Config {
    /// Reads the settings, and the seed that the options name. Options win.
    pub fn read(settings: &mut Reader<'_>, options: &Options) -> Option<Self> {
        let listen = settings.optional("AIRTABLE_EMULATOR_LISTEN");
        let data_dir = settings.optional("DATA_DIR");
        let data = settings.optional("AIRTABLE_EMULATOR_DATA");
        let token = settings.optional_secret("AIRTABLE_EMULATOR_TOKEN");
        let sources = settings.optional("AIRTABLE_EMULATOR_ATTACHMENT_SOURCES");
        let memory = settings.optional("AIRTABLE_EMULATOR_ATTACHMENT_MEMORY");
        let public_url = settings.optional("AIRTABLE_EMULATOR_PUBLIC_URL");
        let logs = LogSettings::read(settings);
        let seed = match &options.seed {
            None => Some(Seed::sample()),
            Some(path) => read_seed(path).map_err(|problem| settings.problem("--seed", problem)).ok(),
        }?;
        Some(Self {
            listen: options.listen.or(listen).unwrap_or(DEFAULT_LISTEN),
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            data: options.data.clone().or(data),
            webhook_pings: options.webhook_pings,
            files: FileSettings {
                sources: options.attachment_sources.or(sources).unwrap_or(seed.attachment_sources),
                max_bytes: options.attachment_memory.or(memory).unwrap_or(FileSettings::default().max_bytes),
                public_url: options.public_url.clone().or(public_url),
            },
            token,
            seed,
            limits: options.limits,
            logs: logs?,
        })
    }

    /// The emulator, which also accepts the token of the setting, else that of the data directory (full rights, minted by
    /// the first start); and that token.
    ///
    /// # Errors
    ///
    /// The token's file can neither be read nor written, or the file of bases cannot be used.
    pub async fn emulator(self) -> Result<(Emulator, String), StartError> {
        let token = match &self.token {
            Some(token) => token.current().expose_secret().to_owned(),
            None => {
                let path = token_file(&self.data_dir);
                private_file::read_or_create(&path, || Ok::<_, Infallible>(mint_token()))
                    .map_err(|source| StartError::Token { path, source })?
            }
        };
        let seed = self.seed.with_full_token(token.clone());
        let emulator = match &self.data {
            Some(path) => Emulator::kept(seed, path)
                .await
                .map_err(|source| StartError::Bases { path: path.clone(), source })?,
            None => Emulator::new(seed),
        };
        emulator.hold_limits(self.limits); // a file may have limits, too, and so may a snapshot
        emulator.ping_webhooks(self.webhook_pings);
        emulator.set_files(self.files);
        Ok((emulator, token))
    }
}

/// Where the minted token is kept, for whoever wants to call the emulator from the same machine.
pub fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("airtable-emulator-token")
}

fn read_seed(path: &Path) -> Result<Seed, String> {
    let json = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Seed::from_json(&json).map_err(|error| format!("{}: {error}", path.display()))
}

/// A token in the shape of Airtable's: `pat`, 14 characters, a dot, 64 hexadecimal digits.
fn mint_token() -> String {
    format!("pat{}.{}", hex::<7>(), hex::<32>())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn options_win_over_settings_and_settings_over_defaults() {
        let source = |name: &str| (name == "AIRTABLE_EMULATOR_LISTEN").then(|| "127.0.0.1:1".to_owned());
        let read = |options: &Options| {
            let mut settings = Reader::new(&source);
            let config = Config::read(&mut settings, options);
            settings.finish(config).unwrap()
        };
        assert_eq!(read(&Options::default()).listen, "127.0.0.1:1".parse().unwrap());
        let listen = "127.0.0.1:2".parse().unwrap();
        let limits =
            LimitOptions { rate_per_base: Some(0), penalty_seconds: Some(1), ..LimitOptions::default() };
        let config = read(&Options { listen: Some(listen), limits, ..Options::default() });
        assert_eq!(config.listen, listen);
        let limits = config.limits.apply(config.seed.limits());
        assert_eq!(limits.requests_per_second_per_base, None);
        assert_eq!(limits.penalty, Duration::from_secs(1));
        assert_eq!(limits.requests_per_second_per_user, Some(50));
    }

    #[test]
    fn all_settings_are_read_and_a_bad_seed_is_a_problem() {
        let asked = Mutex::new(Vec::new());
        let source = |name: &str| {
            asked.lock().unwrap().push(name.to_owned());
            None
        };
        let mut settings = Reader::new(&source);
        let options = Options { seed: Some("/nowhere/seed.json".into()), ..Options::default() };
        let config = Config::read(&mut settings, &options);
        let problems = settings.finish(config).unwrap_err();
        assert!(problems.to_string().contains("/nowhere/seed.json cannot be read"), "{problems}");
        for name in [
            "AIRTABLE_EMULATOR_LISTEN",
            "AIRTABLE_EMULATOR_TOKEN",
            "AIRTABLE_EMULATOR_DATA",
            "AIRTABLE_EMULATOR_ATTACHMENT_SOURCES",
            "AIRTABLE_EMULATOR_ATTACHMENT_MEMORY",
            "AIRTABLE_EMULATOR_PUBLIC_URL",
            "DATA_DIR",
            "LOG_LEVEL",
            "LOG_FORMAT",
        ] {
            assert!(asked.lock().unwrap().iter().any(|asked| asked == name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_token_that_is_given_is_used_and_none_is_minted() {
        let dir = tempfile::tempdir().unwrap();
        let source = |name: &str| match name {
            "AIRTABLE_EMULATOR_TOKEN" => Some("patGIVEN.token".to_owned()),
            "DATA_DIR" => Some(dir.path().display().to_string()),
            _ => None,
        };
        let config = Config::read(&mut Reader::new(&source), &Options::default()).unwrap();
        let (_, token) = config.emulator().await.unwrap();
        assert_eq!(token, "patGIVEN.token");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_token_is_minted_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = || Config {
            listen: DEFAULT_LISTEN,
            data_dir: dir.path().to_owned(),
            data: None,
            webhook_pings: false,
            files: FileSettings::default(),
            token: None,
            limits: LimitOptions::default(),
            seed: Seed::empty(),
            logs: LogSettings::read(&mut Reader::new(&|_: &str| None)).unwrap(),
        };
        let (_, first) = config().emulator().await.unwrap();
        let (_, second) = config().emulator().await.unwrap();
        assert_eq!(first, second);
        assert_eq!((first.len(), first.find('.')), (3 + 14 + 1 + 64, Some(17)));
    }
}
