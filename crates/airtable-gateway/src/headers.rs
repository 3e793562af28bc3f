//! Which headers go on to Airtable, and which come back.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use service_kit::auth::Authenticator;

/// Of this connection only. Source: RFC 9110 §7.6.1.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Meant for us, or about the caller: none of Airtable's business.
const OURS: [&str; 20] = [
    "accept-encoding", // answers are read here, so they come plain
    "host",
    "content-length", // written anew, from the body
    "cookie",
    "expect",
    "forwarded",
    "priority",
    "tracestate",
    "traceparent",
    "x-api-key",
    "x-internal-api-key",
    // The caller's rights were judged by the method that it used.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-request-deadline-ms",
    "x-request-id",
    "x-real-ip",
    "via",
    "x-user-id",
    "x-tenant-id",
];

/// What a cache answers instead of the origin.
const CACHING: [HeaderName; 8] = [
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::PRAGMA,
    header::RANGE,
];

/// The caller's headers that travel on, with the current request's trace context. No credential of any kind.
pub(crate) fn to_airtable(client: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(client);
    for name in OURS {
        headers.remove(name);
    }
    for name in Authenticator::credential_headers() {
        headers.remove(name);
    }
    let strays: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("x-pyairtable-") || name.as_str().starts_with("x-forwarded-")
        })
        .cloned()
        .collect();
    for name in strays {
        headers.remove(name);
    }
    service_kit::telemetry::trace_context::inject(&mut headers);
    headers
}

/// Like [`to_airtable`], for a call that the cache answers.
pub(crate) fn to_airtable_for_cache(client: &HeaderMap) -> HeaderMap {
    let mut headers = to_airtable(client);
    for name in CACHING {
        headers.remove(name);
    }
    headers
}

/// Airtable's headers that travel back. Cookies belong to the gateway's token, not to the caller.
pub(crate) fn from_airtable(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(upstream);
    for name in
        [header::SET_COOKIE, header::SERVER, header::DATE, header::ALT_SVC, header::STRICT_TRANSPORT_SECURITY]
    {
        headers.remove(name);
    }
    headers
}

/// Whether a body is said to be plain JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let is_json = |kind: &HeaderValue| {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    };
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    kinds.next().is_some_and(is_json) && kinds.all(is_json) && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Everything but what belongs to one connection.
fn end_to_end(from: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = from
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers = from.clone();
    for name in HOP_BY_HOP.into_iter().chain(named.iter().map(String::as_str)) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(pair).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn no_credential_and_nothing_of_ours_goes_on() {
        let client = headers(&[
            ("host", "localhost:8002"),
            ("authorization", "Bearer pya_live_x"),
            ("x-api-key", "pya_live_x"),
            ("x-internal-api-key", "pya_live_x"),
            ("x-pyairtable-principal", "v1.x.y"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-http-method-override", "DELETE"),
            ("x-request-id", "1"),
            ("cookie", "a=b"),
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("user-agent", "Airtable.js/0.12.2"),
            ("x-airtable-application-id", "appA"),
            ("x-api-version", "0.1.0"),
            ("content-type", "application/json"),
            ("if-none-match", "\"x\""),
            ("accept-encoding", "gzip"),
        ]);
        let always = ["content-type", "user-agent", "x-airtable-application-id", "x-api-version"];
        assert_eq!(names(&to_airtable_for_cache(&client)), always);
        let mut more = [&always[..], &["if-none-match"]].concat();
        more.sort_unstable();
        assert_eq!(names(&to_airtable(&client)), more);
    }

    #[test]
    fn answers_keep_their_headers_but_not_the_connections_nor_cookies() {
        let upstream = headers(&[
            ("content-type", "application/json; charset=utf-8"),
            ("set-cookie", "brw=1"),
            ("transfer-encoding", "chunked"),
            ("x-pyairtable-emulated", "true"),
            ("airtable-uncompressed-content-length", "12"),
        ]);
        assert_eq!(
            names(&from_airtable(&upstream)),
            ["airtable-uncompressed-content-length", "content-type", "x-pyairtable-emulated"]
        );
    }
}
