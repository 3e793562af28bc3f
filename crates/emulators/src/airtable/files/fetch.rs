//! Fetching what an attachment's URL leads to, from this machine only.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{error::Elapsed, timeout};

use super::UNKNOWN_TYPE;
use super::store::{Full, Room};

/// Source: <https://airtable.com/developers/web/api/field-model#multiple-attachment>.
const MAX_REDIRECTS: usize = 3;

/// For all of it: a server of this machine is quick or stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the emulator's own API is. It answers this machine only, which a fetch would come from.
const ADMIN: &str = "/__emulator";

/// What is behind a URL, as far as can be said without asking.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// A server on this machine.
    Here(Place),
    /// The rest of the world, which is never asked.
    Elsewhere,
    /// Nothing that could be fetched.
    Nothing,
}

/// A server on this machine, and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    uri: Uri,
    addresses: Vec<SocketAddr>,
}

impl Source {
    pub(crate) fn of(url: &str) -> Self {
        // What follows a `#` is not sent.
        let Ok(uri) = url.split('#').next().unwrap_or_default().parse::<Uri>() else { return Self::Nothing };
        let Some(host) = uri.host() else { return Self::Nothing };
        let ips: Vec<IpAddr> = match host.trim_matches(['[', ']']) {
            host if host.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            host => host.parse().into_iter().collect(),
        };
        if ips.is_empty() || !ips.iter().all(IpAddr::is_loopback) {
            return Self::Elsewhere;
        }
        if uri.scheme() != Some(&Scheme::HTTP) || uri.path().starts_with(ADMIN) {
            return Self::Nothing;
        }
        let port = uri.port_u16().unwrap_or(80);
        let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Self::Here(Place { uri, addresses })
    }
}

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
        let Some(Source::Here(next)) = location.map(|to| Source::of(&resolve(&place.uri, to))) else {
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
    let target = place.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = target.parse().unwrap_or_default();
    let authority = place.uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static("localhost")));
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

/// A `Location`, which may leave out what is the same. RFC 3986 §5.2, but for dots: servers get them as they are.
fn resolve(from: &Uri, location: &str) -> String {
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let directory = from.path().rsplit_once('/').map_or("", |(directory, _)| directory);
    match location {
        whole if whole.contains("://") => whole.to_owned(),
        other if other.starts_with("//") => format!("http:{other}"),
        path if path.starts_with('/') => format!("http://{authority}{path}"),
        query if query.starts_with('?') => format!("http://{authority}{}{query}", from.path()),
        relative => format!("http://{authority}{directory}/{relative}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_of_this_machine_are_asked_and_never_the_emulators_own_api() {
        for url in ["http://127.0.0.1:1/a?b", "http://LOCALHOST:1", "http://[::1]:1/", "http://127.9.9.9/a#b"]
        {
            assert!(matches!(Source::of(url), Source::Here(_)), "{url}");
        }
        for url in [
            "http://example.com/a",
            "https://example.com/a",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://localhost@example.com/",
            "http://127.0.0.1:80@example.com/",
            "http://0.0.0.0/",
            "http://[::ffff:10.0.0.1]/",
            "http://2130706433/",
        ] {
            assert_eq!(Source::of(url), Source::Elsewhere, "{url}");
        }
        for url in [
            "https://127.0.0.1/a",
            "http://localhost:1/__emulator/requests",
            "http://",
            "http://a b/",
            "http:///x",
        ] {
            assert_eq!(Source::of(url), Source::Nothing, "{url}");
        }
    }

    #[test]
    fn a_location_may_leave_out_what_is_the_same() {
        let from: Uri = "http://127.0.0.1:1/a/b?c".parse().unwrap();
        for (location, url) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://127.0.0.1:1/y?z"),
            ("?z", "http://127.0.0.1:1/a/b?z"),
            ("y", "http://127.0.0.1:1/a/y"),
        ] {
            assert_eq!(resolve(&from, location), url);
        }
    }
}
