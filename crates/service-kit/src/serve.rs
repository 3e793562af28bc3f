//! Listening, serving, and stopping without losing a request.
//!
//! HTTP/1.1 only: our clients speak it, and each connection can then be watched as one conversation.

mod connection;
mod shutdown;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use shutdown::Shutdown;
pub(crate) use watched::AmbiguousLength;

use crate::telemetry::{metrics, otlp};

/// What a server allows its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of request line and headers together, in bytes; at least 8192.
    pub head_bytes: usize,
    pub max_headers: usize,
    /// From the first byte of a head to its last, and from connecting to the first byte.
    pub head_time: Duration,
    /// Between an answer and the next request.
    pub idle_time: Duration,
    /// How long a client may refuse to take any byte of an answer.
    pub stalled_write: Duration,
    /// How long requests in flight may take once a stop was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    /// Clients of Airtable send URLs of up to 16,000 characters, so heads may be long.
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            max_headers: 100,
            head_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(75),
            stalled_write: Duration::from_secs(60),
            drain: Duration::from_secs(20),
        }
    }
}

/// Why a service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{address} is taken by another program: stop it, or choose another address with {setting}")]
    Taken { address: SocketAddr, setting: &'static str },
    #[error("cannot listen on {address} (setting {setting})")]
    Other {
        address: SocketAddr,
        setting: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Listens on an address that came from `setting`.
pub async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, setting },
        _ => BindError::Other { address, setting, source },
    })
}

/// Serves until `shutdown` is asked for; then takes no more connections, lets requests in flight and detached work finish
/// for `limits.drain`, and returns. Several servers of one process share one `Shutdown`.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let connections = TaskTracker::new();
    let upkeep = tokio::spawn(metrics::upkeep());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let work = connection::run(stream, peer, router.clone(), limits, shutdown.clone());
                connections.spawn(work);
            }
            Err(error) => wait_after(&error).await,
        }
    }
    drop(listener);
    connections.close();
    let until = Instant::now() + limits.drain;
    if timeout_at(until, connections.wait()).await.is_err() {
        warn!("{} connections were still busy after {:?} and are cut", connections.len(), limits.drain);
        shutdown.cut();
        connections.wait().await;
    }
    if timeout_at(until, shutdown.detached_done()).await.is_err() {
        warn!("work that nobody waits for any more was still under way after {:?} and is cut", limits.drain);
    }
    upkeep.abort();
    info!("all connections are closed");
    otlp::flush().await;
}

/// A connection that died before it was accepted is nothing; anything else (such as too many open files) needs time to pass.
async fn wait_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        warn!("cannot accept a connection: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn set_options(stream: &TcpStream) {
    // Answers are small and come whole: waiting for more to send only delays them. Failing to say so does no harm.
    let _ = stream.set_nodelay(true);
}
