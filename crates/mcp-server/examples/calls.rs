//! How many tool calls a second a server answers, and how long they take: beside a bare echo of the protocol's library.
//!
//! ```text
//! calls echo 127.0.0.1:8091                                     # a server with one tool that does nothing
//! calls measure http://127.0.0.1:8091/mcp - echo '{}'           # it, by 32 connections for 10 s
//! calls measure http://127.0.0.1:8001/mcp pya_live_… list_records '{"base": "app…", "table": "Tasks", "limit": 10}'
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::BodyExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use service_kit::outbound::{HttpClient, full, http_client};
use service_kit::serve::{Limits, Shutdown, serve};

const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);
const VERSION: &str = "2026-07-28";

#[derive(Clone)]
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("echo")]).into())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["echo", address] => echo(address.parse()?).await,
        ["measure", url, key, tool, arguments] => {
            measure(url, key, tool, serde_json::from_str(arguments)?).await
        }
        _ => bail!("calls echo ADDRESS | calls measure URL KEY TOOL ARGUMENTS"),
    }
}

async fn echo(address: SocketAddr) -> anyhow::Result<()> {
    let settings = StreamableHttpServerConfig::default().with_json_response(true);
    let service = StreamableHttpService::new(|| Ok(Echo), Arc::new(LocalSessionManager::default()), settings);
    let router = axum::Router::new().route_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(address).await?;
    serve(listener, router, Limits::default(), Shutdown::on_signal()?).await;
    Ok(())
}

async fn measure(url: &str, key: &str, tool: &str, arguments: Value) -> anyhow::Result<()> {
    let uri: Uri = url.parse()?;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments,
        "_meta": {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}},
    }})
    .to_string();
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
    ]);
    headers.insert("mcp-protocol-version", HeaderValue::from_static(VERSION));
    headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
    headers.insert("mcp-name", HeaderValue::try_from(tool)?);
    if key != "-" {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
    }
    let begun = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(worker(uri.clone(), headers.clone(), body.clone(), begun)))
        .collect();
    let mut times: Vec<Duration> = Vec::new();
    for worker in workers {
        times.extend(worker.await??);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{tool}: {:.0} calls/s at {CONNECTIONS} connections; p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len() as f64 / MEASURED.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// Calls one after the other on a connection of its own; the times of those after the warm-up.
async fn worker(uri: Uri, headers: HeaderMap, body: String, begun: Instant) -> anyhow::Result<Vec<Duration>> {
    let client: HttpClient = http_client(&uri)?;
    let mut times = Vec::new();
    while begun.elapsed() < WARM_UP + MEASURED {
        let mut request = Request::post(uri.clone()).body(full(body.clone()))?;
        *request.headers_mut() = headers.clone();
        let started = Instant::now();
        let answer = client.request(request).await.context("the server does not answer")?;
        let status = answer.status();
        let answer = answer.into_body().collect().await?.to_bytes();
        if begun.elapsed() > WARM_UP {
            times.push(started.elapsed());
        }
        let is_error = answer.windows(14).any(|part| part == br#""isError":true"#);
        if !status.is_success() || is_error {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
    }
    Ok(times)
}
