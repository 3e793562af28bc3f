//! The smallest whole service: `HELLO_LISTEN=127.0.0.1:8000 cargo run -p service-kit --example hello`.

use std::process::ExitCode;
use std::time::Duration;

use axum::extract::Query;
use axum::routing::get;
use axum::{Router, http};
use serde::Deserialize;
use service_kit::config::{Reader, environment};
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::Health;
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry::{self, LogSettings};

#[derive(Deserialize)]
struct Wait {
    ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let config = environment().and_then(|source| {
        let mut settings = Reader::new(&source);
        let logs = LogSettings::read(&mut settings);
        let listen = settings.required("HELLO_LISTEN");
        let config = logs.zip(listen);
        settings.finish(config)
    });
    let (logs, listen) = match config {
        Ok(config) => config,
        Err(error) => return error.exit(),
    };
    telemetry::init("hello", &logs);
    match run(listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(listen: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = Shutdown::on_signal()?;
    let listener = bind(listen, "HELLO_LISTEN").await?;
    println!("listening on {}", listener.local_addr()?);
    let routes = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/wait", get(wait))
        .route("/credential", get(show_off))
        .merge(Health::new("hello", env!("CARGO_PKG_VERSION"), shutdown.clone()).router());
    serve(listener, with_shared_layers(routes, [Subtree::OWN], "hello"), Limits::default(), shutdown).await;
    Ok(())
}

async fn wait(Query(wait): Query<Wait>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(wait.ms)).await;
    "done"
}

/// Logs what it should not, to show that the log does not keep it.
async fn show_off(headers: http::HeaderMap) -> &'static str {
    tracing::warn!("the headers are {headers:?}");
    "logged"
}
