//! What the emulator is started with: settings of the environment, and options of its command line.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use secrecy::ExposeSecret as _;
use service_kit::config::{Reader, Secret};
use service_kit::private_file;
use service_kit::telemetry::LogSettings;

use super::emulator::{Emulator, Keys, Mode, Settings};
use super::script::Script;

/// The setting that says where the emulator listens.
pub const LISTEN: &str = "GEMINI_EMULATOR_LISTEN";

/// Where it listens unless told otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8903);

/// Everything the service needs to start.
#[derive(Debug)]
pub struct Config {
    /// `--listen`, else `GEMINI_EMULATOR_LISTEN`, else 127.0.0.1:8903.
    pub listen: SocketAddr,
    /// `DATA_DIR`, where the minted key is kept.
    pub data_dir: PathBuf,
    /// `GEMINI_EMULATOR_KEY`: accepted; without it, one is minted.
    pub key: Option<Secret>,
    pub mode: Mode,
    /// Keys that are accepted beside the minted one.
    pub keys: Keys,
    pub settings: Settings,
    pub logs: LogSettings,
}

/// Options of the command line; each wins over its setting.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Address to listen on [default: GEMINI_EMULATOR_LISTEN, else 127.0.0.1:8903]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Answer as this script says
    #[arg(long, global = true, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// What answers without a script [default: demo]
    #[arg(long, global = true, value_enum, conflicts_with = "script")]
    pub mode: Option<ModeName>,
    /// Accept this API key beside the minted one; can be given several times
    #[arg(long, global = true, value_name = "KEY")]
    pub accept_key: Vec<String>,
    /// Accept every API key that is not empty
    #[arg(long, global = true)]
    pub accept_any_key: bool,
    /// Time from a request to its answer [default: 0]
    #[arg(long, global = true, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// Time between the chunks of a stream [default: 0]
    #[arg(long, global = true, value_name = "MS")]
    pub chunk_delay_ms: Option<u64>,
    /// Neither require nor check thought signatures
    #[arg(long, global = true)]
    pub no_signature_check: bool,
}

/// What answers without a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// Answers questions about bases by fixed rules, with the tools that were declared
    Demo,
    /// Repeats what the user said
    Echo,
}

impl Config {
    /// Reads `GEMINI_EMULATOR_LISTEN`, `DATA_DIR` and the log settings, and the script that the options name.
    pub fn read(settings: &mut Reader<'_>, options: &Options) -> Option<Self> {
        let listen = settings.optional(LISTEN);
        let data_dir = settings.optional("DATA_DIR");
        let key = settings.optional_secret("GEMINI_EMULATOR_KEY");
        let logs = LogSettings::read(settings);
        let mode = match (&options.script, options.mode) {
            (Some(path), _) => match read_script(path) {
                Ok(script) => Mode::Script(script),
                Err(problem) => {
                    settings.problem("--script", problem);
                    return None;
                }
            },
            (None, Some(ModeName::Echo)) => Mode::Echo,
            (None, Some(ModeName::Demo) | None) => Mode::Demo,
        };
        if options.accept_key.iter().any(|key| key.trim().is_empty()) {
            settings.problem("--accept-key", "must not be empty");
        }
        let keys = if options.accept_any_key {
            Keys::Any
        } else {
            Keys::Only(options.accept_key.iter().map(|key| key.trim().to_owned()).collect())
        };
        Some(Self {
            listen: options.listen.or(listen).unwrap_or(DEFAULT_LISTEN),
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            key,
            mode,
            keys,
            settings: Settings {
                latency: Duration::from_millis(options.latency_ms.unwrap_or_default()),
                chunk_delay: Duration::from_millis(options.chunk_delay_ms.unwrap_or_default()),
                check_signatures: !options.no_signature_check,
                ..Settings::default()
            },
            logs: logs?,
        })
    }

    /// The emulator, which also accepts the key of the setting, else that of the data directory (minted by the first start);
    /// and that key.
    ///
    /// # Errors
    ///
    /// The key's file can neither be read nor written.
    pub fn emulator(self) -> io::Result<(Emulator, String)> {
        let key = match &self.key {
            Some(key) => key.current().expose_secret().to_owned(),
            None => private_file::read_or_create(&key_file(&self.data_dir), mint_key)?,
        };
        let keys = match self.keys {
            Keys::Any => Keys::Any,
            Keys::Only(keys) => Keys::Only(keys.into_iter().chain([key.clone()]).collect::<HashSet<_>>()),
        };
        Ok((Emulator::with_settings(self.mode, keys, self.settings), key))
    }
}

/// Where the minted key is kept, for whoever wants to call the emulator from the same machine.
pub fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("gemini-emulator-key")
}

fn read_script(path: &Path) -> Result<Script, String> {
    let json = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Script::from_json(&json).map_err(|error| format!("{}: {error}", path.display()))
}

/// A key that says what it is for, so that nobody takes it for Google's.
fn mint_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("gemini-emulator-{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &Options) -> Result<Config, String> {
        let source = |name: &str| (name == LISTEN).then(|| "127.0.0.1:1".to_owned());
        let mut settings = Reader::new(&source);
        let config = Config::read(&mut settings, options);
        settings.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn options_win_over_settings_and_settings_over_defaults() {
        let config = read(&Options::default()).unwrap();
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.settings, Settings::default());
        let listen = "127.0.0.1:2".parse().unwrap();
        let options = Options { listen: Some(listen), latency_ms: Some(5), ..Options::default() };
        let config = read(&options).unwrap();
        assert_eq!((config.listen, config.settings.latency), (listen, Duration::from_millis(5)));
    }

    #[test]
    fn a_bad_script_is_a_problem_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script.json");
        std::fs::write(&path, r#"{"turns": [{"reply": {"txt": "x"}}]}"#).unwrap();
        let problem = read(&Options { script: Some(path), ..Options::default() }).unwrap_err();
        assert!(problem.contains("turns[0].reply.txt: is not known here"), "{problem}");
        let problem = read(&Options { script: Some("/nowhere".into()), ..Options::default() }).unwrap_err();
        assert!(problem.contains("/nowhere cannot be read"), "{problem}");
    }

    #[test]
    fn a_key_that_is_given_is_used_and_none_is_minted() {
        let dir = tempfile::tempdir().unwrap();
        let source = |name: &str| match name {
            "GEMINI_EMULATOR_KEY" => Some("given".to_owned()),
            "DATA_DIR" => Some(dir.path().display().to_string()),
            _ => None,
        };
        let config = Config::read(&mut Reader::new(&source), &Options::default()).unwrap();
        let (_, key) = config.emulator().unwrap();
        assert_eq!(key, "given");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_key_is_minted_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = || Config { data_dir: dir.path().to_owned(), ..read(&Options::default()).unwrap() };
        let (_, first) = config().emulator().unwrap();
        let (_, second) = config().emulator().unwrap();
        assert_eq!(first, second);
        assert!(first.starts_with("gemini-emulator-") && first.len() == 48, "{first}");
    }
}
