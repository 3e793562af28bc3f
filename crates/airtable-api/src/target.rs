//! Where a request goes: the origin (scheme, authority, optional path prefix) and the target (raw path and query).
//!
//! A target that came from a client is never rebuilt: `'`, `%2F`, `+`, a trailing `/` or a bare `?` mean something to
//! Airtable or to its clients, and every URL library normalises one of them.

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All that RFC 3986 does not call unreserved, so that a `/` in a table name stays in its segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Airtable's API, and the host that takes uploads of attachments, which are the only call that has another one.
///
/// Source: <https://airtable.com/developers/web/api/upload-attachment>
const API_HOST: &str = "api.airtable.com";
const UPLOAD_HOST: &str = "content.airtable.com";

/// A base URL that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Not a URL at all.
    #[error("is not a URL")]
    NotAUrl,
    /// The scheme is something else.
    #[error("must start with http:// or https://")]
    Scheme,
    /// A password does not belong in this setting.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// Queries and fragments would end up in the middle of every request.
    #[error("must not hold a query")]
    Query,
}

/// The server that requests go to, with the path that its API root stands under (usually none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl Origin {
    /// Parses a base URL such as `https://api.airtable.com`; a trailing slash does not matter.
    pub fn parse(url: &str) -> Result<Self, InvalidOrigin> {
        let uri: Uri = url.parse().map_err(|_| InvalidOrigin::NotAUrl)?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(InvalidOrigin::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidOrigin::Scheme);
        }
        let authority = parts.authority.filter(|a| !a.host().is_empty()).ok_or(InvalidOrigin::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(InvalidOrigin::UserInfo);
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() || url.contains('#') {
            return Err(InvalidOrigin::Query);
        }
        Ok(Self { scheme, authority, prefix: path.path().trim_end_matches('/').to_owned() })
    }

    /// True if requests are encrypted.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address itself, as a URI.
    pub fn to_uri(&self) -> Uri {
        self.uri(&Target(PathAndQuery::from_static("/"))).expect("an origin with a root path is a URI")
    }

    /// Host and port: what a log may show.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The whole URI. Without a path prefix the target's bytes are kept exactly.
    ///
    /// Fails only if prefix and target together are longer than a URI may be (64 KiB).
    pub fn uri(&self, target: &Target) -> Result<Uri, InvalidTarget> {
        let path = if self.prefix.is_empty() {
            target.0.clone()
        } else {
            let joined = format!("{}{}", self.prefix, target.as_str());
            PathAndQuery::from_maybe_shared(Bytes::from(joined)).map_err(|_| InvalidTarget::NotAPath)?
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(match self.authority.as_str() {
            API_HOST if target.uploads_attachment() => Authority::from_static(UPLOAD_HOST),
            _ => self.authority.clone(),
        });
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|_| InvalidTarget::NotAPath)
    }
}

/// A path that must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// A segment is `.` or `..`, plainly, percent-encoded (however often), or next to an encoded separator.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// Servers and libraries disagree whether `\` separates segments.
    #[error("the path holds a backslash where none may stand")]
    Backslash,
    /// Characters that no request line may hold, or far too long.
    #[error("not a valid path")]
    NotAPath,
}

/// A raw path and query, byte for byte as it travels in the request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(PathAndQuery);

impl Target {
    /// Takes a client's path as it is.
    pub fn raw(path: PathAndQuery) -> Self {
        Self(path)
    }

    /// Path and query, undecoded; a bare trailing `?` is kept.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The path, undecoded.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// `/v0/{base}/{record}/{field}/uploadAttachment`, which no table's name looks like.
    fn uploads_attachment(&self) -> bool {
        let path = self.path();
        match path.strip_suffix('/').unwrap_or(path).split('/').collect::<Vec<_>>()[..] {
            ["", "v0", _, record, _, "uploadAttachment"] => record.starts_with("rec"),
            _ => false,
        }
    }

    /// The query, undecoded, without its `?`; `None` when there is none.
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Splits the path on raw `/` and decodes each segment once. One trailing empty segment (a trailing slash) is left
    /// out; other empty segments stay, so that `//` is seen.
    ///
    /// Fails on every form of `.`, `..` and on backslashes that a server might take for a separator. A backslash within
    /// a longer name (`a%5Cb`) is only a character.
    pub fn segments(&self) -> Result<Vec<String>, InvalidTarget> {
        let path = self.path();
        if path.contains('\\') {
            return Err(InvalidTarget::Backslash);
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/').map(checked_segment).collect()
    }
}

/// Decodes one raw segment and refuses it if any number of further decodings makes it climb.
fn checked_segment(raw: &str) -> Result<String, InvalidTarget> {
    let decoded = decode_once(raw);
    let mut seen = decoded.clone();
    // Each decoding that changes anything shortens the text, so this ends.
    loop {
        if !seen.is_empty() && seen.chars().all(|c| c == '\\') {
            return Err(InvalidTarget::Backslash);
        }
        if seen.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return Err(InvalidTarget::DotSegment);
        }
        let further = decode_once(&seen);
        if further == seen {
            return Ok(decoded);
        }
        seen = further;
    }
}

/// Percent-decodes `raw` once; bytes that are not UTF-8 become U+FFFD, `+` stays.
pub fn decode_once(raw: &str) -> String {
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// Builds a target of our own: each segment is encoded, the query is form-encoded.
pub struct TargetBuilder {
    path: String,
    query: form_urlencoded::Serializer<'static, String>,
    climbs: bool,
}

impl TargetBuilder {
    /// `/v0` and the given segments, decoded.
    pub fn v0<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut path = "/v0".to_owned();
        let mut climbs = false;
        for segment in segments {
            climbs |= checked_segment(segment).is_err() || segment.is_empty();
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Self { path, query: form_urlencoded::Serializer::new(String::new()), climbs }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn pair(mut self, name: &str, value: &str) -> Self {
        self.query.append_pair(name, value);
        self
    }

    /// Adds a query parameter if there is a value.
    #[must_use]
    pub fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.pair(name, value),
            None => self,
        }
    }

    /// Fails if a segment is empty, `.`, `..` or the like: such a name cannot be put into a path.
    pub fn build(mut self) -> Result<Target, InvalidTarget> {
        if self.climbs {
            return Err(InvalidTarget::DotSegment);
        }
        let query = self.query.finish();
        if !query.is_empty() {
            self.path.push('?');
            self.path.push_str(&query);
        }
        let path = PathAndQuery::from_maybe_shared(Bytes::from(self.path));
        Ok(Target(path.map_err(|_| InvalidTarget::NotAPath)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Target {
        Target::raw(text.parse().unwrap())
    }

    #[test]
    fn a_base_url_is_scheme_authority_and_perhaps_a_prefix() {
        let origin = Origin::parse("https://api.airtable.com/").unwrap();
        assert_eq!(origin.uri(&target("/v0/x?")).unwrap().to_string(), "https://api.airtable.com/v0/x?");
        assert!(origin.is_https());
        let below = Origin::parse("http://127.0.0.1:1/under/").unwrap();
        assert_eq!(
            below.uri(&target("/v0/'?a=b+c")).unwrap().to_string(),
            "http://127.0.0.1:1/under/v0/'?a=b+c"
        );
    }

    #[test]
    fn uploads_go_to_airtables_host_for_uploads_and_nothing_else_does() {
        let upload = "/v0/appAAAAAAAAAAAAAA/recAAAAAAAAAAAAAA/A%2FB/uploadAttachment";
        let airtable = Origin::parse("https://api.airtable.com").unwrap();
        let host = |path: &str| airtable.uri(&target(path)).unwrap().host().unwrap().to_owned();
        assert_eq!(host(upload), "content.airtable.com");
        for path in [
            "/v0/appAAAAAAAAAAAAAA/uploadAttachment",
            "/v0/appAAAAAAAAAAAAAA/Tasks/recAAAAAAAAAAAAAA/uploadAttachment",
            "/v0/appAAAAAAAAAAAAAA/Tasks/uploadAttachment/comments",
        ] {
            assert_eq!(host(path), "api.airtable.com", "{path}");
        }
        let emulator = Origin::parse("http://127.0.0.1:1").unwrap();
        assert_eq!(emulator.uri(&target(upload)).unwrap().to_string(), format!("http://127.0.0.1:1{upload}"));
    }

    #[test]
    fn a_base_url_that_would_leak_or_break_is_refused() {
        assert_eq!(Origin::parse("ftp://h/").unwrap_err(), InvalidOrigin::Scheme);
        assert_eq!(Origin::parse("h:1").unwrap_err(), InvalidOrigin::Scheme);
        assert_eq!(Origin::parse("http://u:p@h/").unwrap_err(), InvalidOrigin::UserInfo);
        assert_eq!(Origin::parse("http://h/?a=1").unwrap_err(), InvalidOrigin::Query);
        assert_eq!(Origin::parse("").unwrap_err(), InvalidOrigin::NotAUrl);
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        let path = target("/v0/appA/Test%2FTable%202/recB/?x=/y");
        assert_eq!(path.segments().unwrap(), ["v0", "appA", "Test/Table 2", "recB"]);
        assert_eq!(target("/v0//appA").segments().unwrap(), ["v0", "", "appA"]);
    }

    #[test]
    fn dot_segments_are_refused_in_every_dress() {
        for path in [
            "/v0/appA/../appB",
            "/v0/./appA",
            "/v0/appA/..",
            "/v0/appA/%2e%2e/appB",
            "/v0/appA/.%2E/appB",
            "/v0/appA/%252e%252e/appB",
            "/v0/appA/%25252e./appB",
            "/v0/appA/..%2FappB",
            "/v0/appA/x%2F..%2F..%2FappB",
            "/v0/appA/..%5CappB",
            "/v0/appA/..%255CappB",
        ] {
            assert_eq!(target(path).segments(), Err(InvalidTarget::DotSegment), "{path}");
        }
        for path in ["/v0/appA/\\/x", "/v0\\..\\x", "/v0/appA/%5C", "/v0/appA/%5c%5C/x", "/v0/appA/%255C"] {
            assert_eq!(target(path).segments(), Err(InvalidTarget::Backslash), "{path}");
        }
    }

    #[test]
    fn a_table_may_have_almost_any_name() {
        for name in ["a.b", "...", "..x", "50%", "%2", "a\\b", "it's", "+", "a?b#c", "日本", "100%25", "a/b"]
        {
            let built = TargetBuilder::v0(["appA", name]).build().unwrap();
            assert_eq!(built.segments().unwrap()[2], name, "{}", built.as_str());
        }
        assert!(TargetBuilder::v0(["appA", ".."]).build().is_err());
        assert!(TargetBuilder::v0(["appA", ""]).build().is_err());
    }

    proptest! {
        #[test]
        fn a_built_path_reads_back_as_its_segments(name in "\\PC{1,40}") {
            if let Ok(built) = TargetBuilder::v0(["appA", &name, "rec"]).build() {
                prop_assert_eq!(built.segments().unwrap(), vec!["v0", "appA", &name, "rec"]);
            }
        }

        #[test]
        fn no_path_makes_the_splitter_panic(path in "/[ -~]{0,60}") {
            if let Ok(path) = path.parse::<PathAndQuery>() {
                let _ = Target::raw(path).segments();
            }
        }
    }
}
