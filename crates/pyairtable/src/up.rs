use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use emulators::airtable;
use service_kit::config::{Reader, Source, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::stores::Stores;
use service_kit::telemetry;
use tokio::net::TcpListener;

use crate::banner::{Banner, Sample};
use crate::local_key;
use crate::settings::{is_emulated, on_this_machine, program};

/// Starts the services in this process and serves until SIGINT or SIGTERM; then drains, gateway first: its last requests
/// still need the emulator.
pub(crate) async fn run(seed: Option<&Path>) -> anyhow::Result<ExitCode> {
    let source = environment()?;
    let is_emulated = is_emulated(&source);
    if seed.is_some() && !is_emulated {
        bail!(
            "--seed fills the emulated Airtable, which stays off while AIRTABLE_TOKEN or AIRTABLE_API_URL is set"
        );
    }
    // Both configurations are read before anything starts, so that all their problems are told at once.
    let options = airtable::Options { seed: seed.map(PathBuf::from), ..airtable::Options::default() };
    let (mut gateway, emulator) = read(&source, is_emulated.then_some("http://127.0.0.1:8902"), &options)?;
    telemetry::init("pyairtable", &gateway.log);
    let shutdown = Shutdown::on_signal().context("cannot listen for signals")?;

    let gateway_listener = bind(gateway.listen, airtable_gateway::LISTEN).await?;
    let emulator = if is_emulated {
        let running = start_emulator(emulator).await?;
        let url = format!("http://{}", running.address);
        gateway = read(&source, Some(&url), &options)?.0;
        Some(running)
    } else {
        None
    };

    // One set of stores for all services of this process.
    let place = gateway.stores.database_place();
    let stores = Stores::open(&gateway.stores, shutdown.clone())
        .await
        .with_context(|| format!("cannot open {place}"))?;
    stores.started().await?;
    let key = local_key::ensure(&gateway.data_dir, &*stores.keys, SystemTime::now()).await?;
    gateway.opened = Some(stores);

    let banner = Banner {
        gateway: on_this_machine(gateway_listener.local_addr()?),
        emulator: emulator.as_ref().map(|running| (running.address, running.sample.as_ref())),
        airtable: gateway.airtable.authority(),
        key: key.expose(),
        key_file: &local_key::path_in(&gateway.data_dir),
        program: &program(),
    };
    let banner = banner.to_string();
    gateway.shutdown = shutdown.clone();
    let router = airtable_gateway::app(gateway).await?;
    println!("{banner}");
    serve(gateway_listener, router, Limits::default(), shutdown).await;
    if let Some(running) = emulator {
        running.stop().await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Both configurations from one reader. `airtable_url` stands in for the setting while Airtable is emulated.
fn read(
    source: Source<'_>,
    airtable_url: Option<&str>,
    options: &airtable::Options,
) -> anyhow::Result<(airtable_gateway::Config, airtable::Config)> {
    let overlaid = |name: &str| match airtable_url {
        Some(url) if name == "AIRTABLE_API_URL" => Some(url.to_owned()),
        _ => source(name),
    };
    let mut settings = Reader::new(&overlaid);
    let gateway = airtable_gateway::Config::read(&mut settings);
    let emulator = airtable::Config::read(&mut settings, options);
    Ok(settings.finish(gateway.zip(emulator))?)
}

/// The emulated Airtable of this process.
struct RunningEmulator {
    address: SocketAddr,
    sample: Option<Sample>,
    shutdown: Shutdown,
    served: tokio::task::JoinHandle<()>,
}

impl RunningEmulator {
    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.request();
        self.served.await.context("the emulator ended badly")
    }
}

async fn start_emulator(config: airtable::Config) -> anyhow::Result<RunningEmulator> {
    let listener = bind(config.listen, "AIRTABLE_EMULATOR_LISTEN").await?;
    let address = on_this_machine(listener.local_addr()?);
    let sample = Sample::of(&config.seed);
    let token_file = airtable::token_file(&config.data_dir);
    let (emulator, _) =
        config.emulator().with_context(|| format!("cannot keep a token in {}", token_file.display()))?;
    let shutdown = Shutdown::manual();
    let served = tokio::spawn(serve_emulator(listener, emulator, shutdown.clone()));
    Ok(RunningEmulator { address, sample, shutdown, served })
}

async fn serve_emulator(listener: TcpListener, emulator: airtable::Emulator, shutdown: Shutdown) {
    serve(listener, airtable::app(&emulator, shutdown.clone()), Limits::default(), shutdown).await;
}
