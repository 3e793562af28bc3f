use std::io;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

/// The exit code of a program that was interrupted from the terminal.
const EXIT_INTERRUPTED: i32 = 130;

/// A stop that can be asked for once, and waited for by everyone. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    requested: CancellationToken,
    cut: CancellationToken,
    detached: TaskTracker,
    failure: Arc<OnceLock<String>>,
}

impl Shutdown {
    /// A stop that only [`Shutdown::request`] asks for.
    pub fn manual() -> Self {
        Self::default()
    }

    /// A stop asked for by SIGINT (Ctrl-C) or SIGTERM. A second signal ends the process at once, with code 130.
    pub fn on_signal() -> io::Result<Self> {
        let shutdown = Self::default();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(listen(interrupt, terminate, shutdown.clone()));
        Ok(shutdown)
    }

    pub fn request(&self) {
        self.requested.cancel();
    }

    /// Asks for the stop because the process cannot do its work.
    pub fn fail(&self, reason: impl Into<String>) {
        let _ = self.failure.set(reason.into()); // the first reason counts
        self.request();
    }

    /// Why the process stops, unless it was just told to.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// What the process ends with after it has stopped: 1 if it failed, and then says why on standard error.
    pub fn exit_code(&self) -> ExitCode {
        match self.failure() {
            Some(reason) => {
                eprintln!("{reason}");
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        }
    }

    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Begins work that has to come to its end even if whoever asked for it leaves, such as a write that was sent: the
    /// servers that share this stop wait for it as they wait for their connections.
    pub fn spawn_detached<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.detached.spawn(work)
    }

    /// Waits until no detached work is left. More may be begun meanwhile, and later.
    pub(super) async fn detached_done(&self) {
        self.detached.close();
        self.detached.wait().await;
    }

    /// Ends what has not drained in time.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    pub(super) async fn cut_requested(&self) {
        self.cut.cancelled().await;
    }
}

async fn listen(mut interrupt: Signal, mut terminate: Signal, shutdown: Shutdown) {
    either(&mut interrupt, &mut terminate).await;
    info!("stopping: requests in flight are finished first; a second signal stops at once");
    shutdown.request();
    either(&mut interrupt, &mut terminate).await;
    std::process::exit(EXIT_INTERRUPTED);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
