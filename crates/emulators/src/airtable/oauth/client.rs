//! Integrations that are registered, and which addresses they may be registered with.

use std::sync::Arc;

use url::{Host, Url};

use crate::airtable::access::Reach;

/// An OAuth integration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Client {
    pub(crate) id: Arc<str>,
    /// `None`: a public client, which cannot keep one.
    pub(crate) secret: Option<String>,
    /// What the consent page calls it.
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<String>,
    /// What it may ask for.
    pub(crate) scopes: Vec<String>,
    pub(crate) consent: Consent,
    /// Who consents: a position in the list of users.
    pub(crate) user: u32,
    /// What is granted without asking, and what is ticked when a person is asked.
    pub(crate) bases: Reach,
}

/// Who answers the question whether the integration may.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Consent {
    /// A person, on the consent page.
    Ask,
    Granted,
    Denied,
}

impl Consent {
    pub(crate) const ALL: [Self; 3] = [Self::Ask, Self::Granted, Self::Denied];

    /// The word in a seed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}

/// Why Airtable would not register this address; `None`: it would.
/// Source: <https://airtable.com/developers/web/api/oauth-reference#redirect-uri>.
pub(crate) fn redirect_uri_problem(uri: &str) -> Option<&'static str> {
    let is_uri_text = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let Some(parsed) = Url::parse(uri).ok().filter(|_| uri.bytes().all(is_uri_text)) else {
        return Some("must be an absolute URL");
    };
    let Some(host) = parsed.host() else { return Some("must name a host") };
    let is_local = match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match parsed.scheme() {
        "https" => {}
        "http" if is_local => {}
        "http" => return Some("must be https, except for localhost"),
        _ => return Some("must be https"),
    }
    if !matches!(host, Host::Domain(_)) && !is_local {
        return Some("must not name an IP address, except for a loopback address");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || authority(uri).contains('@') {
        return Some("must not have user information");
    }
    if uri.contains('#') {
        return Some("must not have a fragment");
    }
    if uri.contains('*') {
        return Some("must not have wildcards");
    }
    if uri.to_ascii_lowercase().replace("%2e", ".").contains("..") {
        return Some("must not have \"..\" in it");
    }
    None
}

fn authority(uri: &str) -> &str {
    let rest = uri.split_once("//").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_may_be_registered() {
        for uri in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com:8443/a/b?c=d&e=f",
            "http://localhost:4000/airtable-oauth",
            "http://127.0.0.1:4000/cb",
            "http://[::1]/cb",
            "https://127.0.0.1/cb",
        ] {
            assert_eq!(redirect_uri_problem(uri), None, "{uri}");
        }
    }

    #[test]
    fn addresses_that_may_not_be_registered() {
        for uri in [
            "",
            "/callback",
            "app.example.com/callback",
            "http://app.example.com/callback",
            "http://localhost.example.com/callback",
            "ftp://app.example.com/",
            "myapp:callback",
            "javascript:alert(1)",
            "https:///callback#x",
            "https://user@app.example.com/",
            "https://user:word@app.example.com/",
            "https://@app.example.com/",
            "https://app.example.com/#here",
            "https://app.example.com/#",
            "https://192.0.2.1/",
            "https://[2001:db8::1]/",
            "https://3221225985/",
            "https://app.example.com/a/../b",
            "https://app.example.com/a/%2E%2e/b",
            "https://*.example.com/",
            "https://app.example.com/*",
            "https://app.example.com/a b",
            "https://app.example.com/\r\nSet-Cookie: a=b",
            "https://app.example.com/\"><script>",
            "https://büro.example.com/",
        ] {
            assert!(redirect_uri_problem(uri).is_some(), "{uri}");
        }
    }
}
