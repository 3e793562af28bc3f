//! Services as processes of their own, which can be killed.
//!
//! With `PYAIRTABLE_BIN_DIR` they are the programs in that folder, as they are shipped. Without it, this test program starts
//! itself again and is the service: always of the same code as the test, and built with it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry;
use tokio::process::{Child, Command};

use super::client::{Call, Client};
use super::eventually;

/// Names the service that a copy of this program is to be.
const BECOME: &str = "PYAIRTABLE_TEST_BECOMES";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Service {
    Gateway,
    Tools,
    Chat,
    Airtable,
    Model,
}

impl Service {
    pub(crate) const ALL: [Self; 5] = [Self::Gateway, Self::Tools, Self::Chat, Self::Airtable, Self::Model];

    /// The program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => airtable_gateway::SERVICE,
            Self::Tools => mcp_server::SERVICE,
            Self::Chat => llm_orchestrator::SERVICE,
            Self::Airtable => "airtable-emulator",
            Self::Model => "gemini-emulator",
        }
    }

    /// Starts it in this folder with these settings and no others.
    pub(crate) fn start(self, folder: &Path, settings: &[(&str, String)]) -> Child {
        let mut command = match bin_dir() {
            Some(programs) => Command::new(Path::new(&programs).join(self.name())),
            None => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                let path = format!("{}::be_a_service", module_path!().split_once("::").expect("a module").1);
                command.args(["--exact", &path, "--nocapture"]);
                command
            }
        };
        command
            .current_dir(folder)
            .env_clear()
            .env(BECOME, self.name())
            .env("DATA_DIR", folder.join("data"))
            .env("LOG_LEVEL", "warn")
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command.spawn().expect("it starts")
    }
}

/// Waits until it answers `/ready` with 200.
pub(crate) async fn until_ready(address: SocketAddr) {
    let client = Client::new(address, "");
    eventually("ready", || async {
        let answer = client.try_send(Call::get("/ready")).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// `kill -9`, and gone.
pub(crate) async fn kill(child: &mut Child) {
    child.start_kill().expect("it runs");
    child.wait().await.expect("it ends");
}

#[expect(clippy::disallowed_methods, reason = "where the programs are is no setting of a service")]
fn bin_dir() -> Option<String> {
    std::env::var("PYAIRTABLE_BIN_DIR").ok()
}

/// No test: what a copy of this program runs that is to be a service.
#[test]
#[expect(clippy::disallowed_methods, reason = "told by the test that started the copy")]
fn be_a_service() {
    let Ok(name) = std::env::var(BECOME) else { return };
    let service = Service::ALL.into_iter().find(|service| service.name() == name).expect("a service");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(service));
}

async fn run(service: Service) {
    let source = environment().unwrap();
    let mut settings = Reader::new(&source);
    let shutdown = Shutdown::on_signal().unwrap();
    // As the programs' own `main` does it.
    let (listen, router) = match service {
        Service::Gateway => {
            let config = airtable_gateway::Config::read(&mut settings);
            let mut config = settings.finish(config).unwrap();
            telemetry::init(airtable_gateway::SERVICE, &config.log);
            config.shutdown = shutdown.clone();
            (
                bind(config.listen, airtable_gateway::LISTEN).await,
                airtable_gateway::app(config).await.unwrap(),
            )
        }
        Service::Tools => {
            let config = mcp_server::Config::read(&mut settings);
            let mut config = settings.finish(config).unwrap();
            telemetry::init(mcp_server::SERVICE, &config.log);
            config.shutdown = shutdown.clone();
            (bind(config.listen, mcp_server::LISTEN).await, mcp_server::app(config).await.unwrap())
        }
        Service::Chat => {
            let config = llm_orchestrator::Config::read(&mut settings);
            let mut config = settings.finish(config).unwrap();
            telemetry::init(llm_orchestrator::SERVICE, &config.log);
            config.shutdown = shutdown.clone();
            (
                bind(config.listen, llm_orchestrator::LISTEN).await,
                llm_orchestrator::app(config).await.unwrap(),
            )
        }
        Service::Airtable => {
            use emulators::airtable::{Config, Options, app};
            let config = Config::read(&mut settings, &Options::default());
            let config = settings.finish(config).unwrap();
            let listen = bind(config.listen, "AIRTABLE_EMULATOR_LISTEN").await;
            (listen, app(&config.emulator().await.unwrap().0, shutdown.clone()))
        }
        Service::Model => {
            use emulators::gemini::{Config, LISTEN, Options, app};
            let config = Config::read(&mut settings, &Options::default());
            let config = settings.finish(config).unwrap();
            let listen = bind(config.listen, LISTEN).await;
            (listen, app(&config.emulator().unwrap().0, shutdown.clone()))
        }
    };
    serve(listen.unwrap(), router, Limits::default(), shutdown).await;
}
