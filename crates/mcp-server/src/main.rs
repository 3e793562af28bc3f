//! The server's binary: settings, logs, then HTTP on a port or messages on standard input and output.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use mcp_server::{Config, LISTEN, SERVICE, Transport, app, serve_stdio};
use service_kit::command;
use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry::{self, LogFormat};

/// Airtable for assistants: a Model Context Protocol server over the gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Speak on standard input and output instead of a port [default: MCP_MODE, else http]
    #[arg(long, value_enum, value_name = "TRANSPORT")]
    transport: Option<TransportName>,
    /// The same as --transport stdio
    #[arg(long, conflicts_with_all = ["http", "transport"])]
    stdio: bool,
    /// The same as --transport http
    #[arg(long, conflicts_with = "transport")]
    http: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TransportName {
    Http,
    Stdio,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the running server whether it is ready; exit code 0 or 1.
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
    let mut config = match settings.finish(config) {
        Ok(config) => config,
        Err(error) => return Ok(error.exit()),
    };
    match (arguments.transport, arguments.stdio, arguments.http) {
        (Some(TransportName::Stdio), ..) | (_, true, _) => config.transport = Transport::Stdio,
        (Some(TransportName::Http), ..) | (_, _, true) => config.transport = Transport::Http,
        _ => {}
    }
    run(config)
}

#[tokio::main]
async fn run(mut config: Config) -> anyhow::Result<ExitCode> {
    if config.transport == Transport::Stdio {
        config.log.format = LogFormat::Text; // JSON lines would stand among the messages
    }
    telemetry::init(SERVICE, &config.log);
    config.shutdown = Shutdown::on_signal()?;
    if config.transport == Transport::Stdio {
        serve_stdio(config).await?;
        // A read of standard input that is not a pipe cannot be called off; the runtime would wait for it.
        std::process::exit(0);
    }
    let shutdown = config.shutdown.clone();
    let listener = bind(config.listen, LISTEN).await?;
    let router = app(config).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    serve(listener, router, Limits::default(), shutdown.clone()).await;
    Ok(shutdown.exit_code())
}
