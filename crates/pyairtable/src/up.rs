mod configs;
mod running;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use emulators::{airtable, gemini};
use service_kit::config::environment;
use service_kit::serve::{Shutdown, bind};
use service_kit::stores::Stores;
use service_kit::telemetry;
use tokio::net::TcpListener;

use crate::banner::{Banner, Sample};
use crate::local_key;
use crate::settings::{Emulated, on_this_machine, program};
use configs::{Addresses, Services};
use running::Running;

/// Starts the services in this process and serves until SIGINT or SIGTERM; then drains them in the order in which they
/// call each other, so that the last requests of each still find the next.
pub(crate) async fn run(seed: Option<&Path>) -> anyhow::Result<ExitCode> {
    let source = environment()?;
    let emulated = Emulated::by_settings(&source);
    if seed.is_some() && !emulated.airtable {
        bail!(
            "--seed fills the emulated Airtable, which stays off while AIRTABLE_TOKEN or AIRTABLE_API_URL is set"
        );
    }
    // All configurations are read before anything starts, so that all their problems are told at once.
    let options = airtable::Options { seed: seed.map(PathBuf::from), ..airtable::Options::default() };
    let (services, emulators) = configs::read_all(&source, emulated, &options)?;
    telemetry::init("pyairtable", &services.gateway.log);
    let shutdown = Shutdown::on_signal().context("cannot listen for signals")?;

    let gateway_listener = bind(services.gateway.listen, airtable_gateway::LISTEN).await?;
    let mcp_listener = bind(services.mcp.listen, mcp_server::LISTEN).await?;
    let chat_listener = bind(services.chat.listen, llm_orchestrator::LISTEN).await?;
    let (airtable, sample) = match emulators.airtable {
        Some(config) => {
            let sample = Sample::of(&config.seed, seed.is_none());
            (Some(start_airtable(config).await?), sample)
        }
        None => (None, None),
    };
    let gemini = match emulators.gemini {
        Some(config) => Some(start_gemini(config).await?),
        None => None,
    };

    let gateway_at = on_this_machine(gateway_listener.local_addr()?);
    let mcp_at = on_this_machine(mcp_listener.local_addr()?);
    let chat_at = on_this_machine(chat_listener.local_addr()?);
    let addresses = Addresses {
        airtable: airtable.as_ref().map(Running::url),
        gemini: gemini.as_ref().map(Running::url),
        gateway: format!("http://{gateway_at}"),
        mcp: format!("http://{mcp_at}"),
    };
    let mut services = configs::read_services(&source, &addresses)?;
    // One set of stores for all services of this process.
    let place = services.gateway.stores.database_place();
    let stores = Stores::open(&services.gateway.stores, shutdown.clone())
        .await
        .with_context(|| format!("cannot open {place}"))?;
    services.share(&stores);
    let data_dir = services.gateway.data_dir.clone();
    let mint = async || local_key::ensure(&data_dir, &*stores.keys, SystemTime::now()).await;
    // Embedded stores are there at once: then the key is too, before anything says that it is ready.
    let early = tokio::select! {
        biased;
        started = stores.started() => {
            started?;
            Some(mint().await?)
        }
        () = std::future::ready(()) => None,
    };
    let airtable_host = services.gateway.airtable.authority().to_owned();
    let (model, model_host) = (services.chat.model.clone(), services.chat.gemini.authority().to_owned());
    let Services { gateway, mcp, chat } = services;
    let gateway = start_gateway(gateway_listener, gateway).await?;
    let mcp = start_mcp(mcp_listener, mcp).await?;
    let chat = start_chat(chat_listener, chat).await?;
    let running = [Some(chat), Some(mcp), Some(gateway), gemini, airtable];

    // Stores elsewhere may take their time; meanwhile the services say of themselves that they are not ready.
    let key = match early {
        Some(key) => Some(key),
        None => tokio::select! {
            started = stores.started() => match started {
                Ok(()) => Some(mint().await?),
                Err(error) => {
                    stop(running).await?;
                    return Err(error.into());
                }
            },
            () = shutdown.requested() => None,
        },
    };
    if let Some(key) = key {
        let [_, _, _, gemini, airtable] = &running;
        let banner = Banner {
            gateway: gateway_at,
            mcp: mcp_at,
            chat: chat_at,
            airtable_emulator: airtable.as_ref().map(|running| (running.address, sample.as_ref())),
            gemini_emulator: gemini.as_ref().map(|running| running.address),
            airtable: &airtable_host,
            model: (&model, &model_host),
            key: key.expose(),
            key_file: &local_key::path_in(&data_dir),
            program: &program(),
        };
        println!("{banner}");
        shutdown.requested().await;
    }
    stop(running).await?;
    Ok(shutdown.exit_code())
}

/// In the order in which they call each other.
async fn stop(servers: [Option<Running>; 5]) -> anyhow::Result<()> {
    for server in servers.into_iter().flatten() {
        server.stop().await?;
    }
    Ok(())
}

async fn start_gateway(
    listener: TcpListener,
    mut config: airtable_gateway::Config,
) -> anyhow::Result<Running> {
    let shutdown = Shutdown::manual();
    config.shutdown = shutdown.clone();
    Running::start(listener, airtable_gateway::app(config).await?, shutdown)
}

async fn start_mcp(listener: TcpListener, mut config: mcp_server::Config) -> anyhow::Result<Running> {
    let shutdown = Shutdown::manual();
    config.shutdown = shutdown.clone();
    Running::start(listener, mcp_server::app(config).await?, shutdown)
}

async fn start_chat(listener: TcpListener, mut config: llm_orchestrator::Config) -> anyhow::Result<Running> {
    let shutdown = Shutdown::manual();
    config.shutdown = shutdown.clone();
    Running::start(listener, llm_orchestrator::app(config).await?, shutdown)
}

async fn start_airtable(config: airtable::Config) -> anyhow::Result<Running> {
    let listener = bind(config.listen, "AIRTABLE_EMULATOR_LISTEN").await?;
    let (emulator, _) = config.emulator().await?;
    emulator.listens_on(listener.local_addr()?);
    let shutdown = Shutdown::manual();
    Running::start(listener, airtable::app(&emulator, shutdown.clone()), shutdown)
}

async fn start_gemini(config: gemini::Config) -> anyhow::Result<Running> {
    let listener = bind(config.listen, gemini::LISTEN).await?;
    let key_file = gemini::key_file(&config.data_dir);
    let (emulator, _) =
        config.emulator().with_context(|| format!("cannot keep a key in {}", key_file.display()))?;
    let shutdown = Shutdown::manual();
    Running::start(listener, gemini::app(&emulator, shutdown.clone()), shutdown)
}
