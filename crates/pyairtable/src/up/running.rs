use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use service_kit::serve::{Limits, Shutdown, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::settings::on_this_machine;

/// One server of this process.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    shutdown: Shutdown,
    served: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(listener: TcpListener, router: Router, shutdown: Shutdown) -> anyhow::Result<Self> {
        let address = on_this_machine(listener.local_addr()?);
        let served = tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
        Ok(Self { address, shutdown, served })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets requests in flight finish, for a bounded time.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.request();
        self.served.await.with_context(|| format!("the server on {} ended badly", self.address))
    }
}
