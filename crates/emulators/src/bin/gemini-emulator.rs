//! The Gemini emulator as a service of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use emulators::gemini::{self, Config, LISTEN, Options};
use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry::LogFormat;
use service_kit::{command, telemetry};

/// A Gemini to test against: Google's API without a model behind it
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the running emulator whether it is ready; exit code 0 or 1
    Healthcheck,
    /// Tell where each setting comes from and what is wrong with settings and script; exit code 0 or 78
    CheckConfig,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let source = match environment() {
        Ok(source) => source,
        Err(error) => return Ok(error.exit()),
    };
    if let Some(Command::CheckConfig) = cli.command {
        return Ok(command::check_config(&source, |settings| Config::read(settings, &cli.options)));
    }
    let mut settings = Reader::new(&source);
    if let Some(Command::Healthcheck) = cli.command {
        // The script does not matter for asking.
        let config = Config::read(&mut settings, &Options { script: None, ..cli.options });
        return Ok(settings
            .finish(config)
            .map_or_else(|error| error.exit(), |config| command::healthcheck(config.listen)));
    }
    let config = Config::read(&mut settings, &cli.options);
    match settings.finish(config) {
        Ok(config) => run(config),
        Err(error) => Ok(error.exit()),
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(gemini::SERVICE, &config.logs);
    let shutdown = Shutdown::on_signal().context("cannot listen for signals")?;
    let listener = bind(config.listen, LISTEN).await?;
    let address = listener.local_addr()?;
    let format = config.logs.format;
    let key_file = gemini::key_file(&config.data_dir);
    let (emulator, key) =
        config.emulator().with_context(|| format!("cannot keep a key in {}", key_file.display()))?;
    match format {
        LogFormat::Text => greet(address, &key, &key_file),
        LogFormat::Json => tracing::info!(%address, "the Gemini emulator listens on {address}"),
    }
    serve(listener, gemini::app(&emulator, shutdown.clone()), Limits::default(), shutdown).await;
    Ok(ExitCode::SUCCESS)
}

/// Tells a person what runs, and what to paste. Nobody may be listening: a closed output is no reason to stop.
fn greet(address: SocketAddr, key: &str, key_file: &Path) {
    let file = key_file.display();
    let _ = write!(
        std::io::stdout().lock(),
        "Gemini emulator on http://{address}. It is not Gemini: no model runs behind it.\n\
         API key, kept in {file}:\n  {key}\n\
         Try:\n  curl -H 'x-goog-api-key: {key}' -H 'Content-Type: application/json' \\\n    \
         -d '{{\"contents\":[{{\"parts\":[{{\"text\":\"Hello\"}}]}}]}}' \\\n    \
         http://{address}/v1beta/models/gemini-3.8-flash:generateContent\n"
    );
}
