//! The orchestrator's binary: settings, logs, listener, serve until told to stop.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use llm_orchestrator::{Config, LISTEN, SERVICE, app};
use service_kit::command;
use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry;

/// Chat over your bases: runs the model and the tools in a loop, keeps sessions, counts tokens and money.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the running orchestrator whether it is ready; exit code 0 or 1.
    Healthcheck,
    /// Check the settings without starting; exit code 78 if something is wrong.
    CheckConfig,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let source = match environment() {
        Ok(source) => source,
        Err(error) => return Ok(error.exit()),
    };
    if let Some(Command::CheckConfig) = arguments.command {
        return Ok(command::check_config(&source, Config::read));
    }
    let mut settings = Reader::new(&source);
    let config = Config::read(&mut settings);
    if let (Some(Command::Healthcheck), Some(config)) = (&arguments.command, &config) {
        return Ok(command::healthcheck(config.listen));
    }
    match settings.finish(config) {
        Ok(config) => run(config),
        Err(error) => Ok(error.exit()),
    }
}

#[tokio::main]
async fn run(mut config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(SERVICE, &config.log);
    config.shutdown = Shutdown::on_signal()?;
    let shutdown = config.shutdown.clone();
    let listener = bind(config.listen, LISTEN).await?;
    let router = app(config).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    serve(listener, router, Limits::default(), shutdown.clone()).await;
    Ok(shutdown.exit_code())
}
