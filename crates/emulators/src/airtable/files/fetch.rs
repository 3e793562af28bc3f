//! Fetching what an attachment's URL leads to, from this machine only.

use std::io;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{error::Elapsed, timeout};

use super::UNKNOWN_TYPE;
use super::store::{Full, Room};
use crate::airtable::loopback::{Destination, Place};

/// Source: <https://airtable.com/developers/web/api/field-model#multiple-attachment>.
const MAX_REDIRECTS: usize = 3;

/// For all of it: a server of this machine is quick or stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content: Bytes,
    /// As the server said it.
    pub(crate) content_type: String,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("nobody answers there")]
    Connect(#[source] io::Error),
    #[error("the exchange broke off")]
    Broken(#[from] hyper::Error),
    #[error("the server answered {0}")]
    Status(http::StatusCode),
    #[error("a redirection leads away from this machine, or nowhere")]
    Astray,
    #[error("there are more than {MAX_REDIRECTS} redirections")]
    TooFar,
    #[error(transparent)]
    Full(#[from] Full),
    #[error("the file did not come in time")]
    Late(#[from] Elapsed),
}

/// Fetches a file; `room` grows with it.
pub(crate) async fn fetch(place: Place, room: &mut Room) -> Result<Fetched, FetchError> {
    timeout(PATIENCE, follow(place, room)).await?
}

async fn follow(mut place: Place, room: &mut Room) -> Result<Fetched, FetchError> {
    for _ in 0..=MAX_REDIRECTS {
        let response = ask(&place).await?;
        let status = response.status();
        if status.is_success() {
            return collect(response, room).await;
        }
        if !status.is_redirection() {
            return Err(FetchError::Status(status));
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(Destination::Here(next)) = location.map(|to| place.redirected(to)) else {
            return Err(FetchError::Astray);
        };
        place = next;
    }
    Err(FetchError::TooFar)
}

async fn ask(place: &Place) -> Result<Response<Incoming>, FetchError> {
    let stream = TcpStream::connect(&place.addresses[..]).await.map_err(FetchError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the exchange, whichever way that goes.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = place.target().parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers
        .insert(HOST, HeaderValue::from_str(&place.host()).unwrap_or(HeaderValue::from_static("localhost")));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(sender.send_request(request).await?)
}

async fn collect(response: Response<Incoming>, room: &mut Room) -> Result<Fetched, FetchError> {
    let said = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = said.filter(|said| !said.is_empty()).unwrap_or(UNKNOWN_TYPE).to_owned();
    let mut body = response.into_body();
    let mut content = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            room.grow(data.len())?;
            content.put(data);
        }
    }
    Ok(Fetched { content: content.freeze(), content_type })
}
