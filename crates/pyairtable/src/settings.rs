use std::path::{Path, PathBuf};

use service_kit::config::{ConfigError, Reader, Secret, Source};

/// What the command-line tools need to know; the services read their own settings.
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Where a running gateway is looked for.
    pub(crate) gateway_url: String,
    /// What the tools present; without it, the local key's file.
    pub(crate) api_key: Option<Secret>,
}

impl Settings {
    pub(crate) fn from_source(source: Source<'_>) -> Result<Self, ConfigError> {
        let mut env = Reader::new(source);
        let settings = Self::read(&mut env);
        env.finish(Some(settings))
    }

    fn read(env: &mut Reader<'_>) -> Self {
        let data_dir = env.optional::<PathBuf>("DATA_DIR");
        let gateway_url = env.optional::<String>("AIRTABLE_GATEWAY_URL");
        let api_key = env.optional_secret("PYAIRTABLE_API_KEY");
        Self {
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            gateway_url: gateway_url.unwrap_or_else(|| "http://127.0.0.1:8002".to_owned()),
            api_key,
        }
    }

    /// The file with all durable state.
    pub(crate) fn database(&self) -> PathBuf {
        database_in(&self.data_dir)
    }
}

/// The SQLite file of a data directory: the same that the services open.
pub(crate) fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join("pyairtable.sqlite")
}
