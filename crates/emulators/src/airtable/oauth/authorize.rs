//! The authorization request: what an integration asks a person for, by way of the person's browser.
//! Source: <https://airtable.com/developers/web/api/oauth-reference#authorization-request>.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::client::Client;
use super::form::Form;
use crate::airtable::access::SCOPES;

/// Characters of `state`.
const STATE_LENGTH: RangeInclusive<usize> = 16..=1024;

/// The length of a SHA-256 in base64url.
const CHALLENGE_LENGTH: usize = 43;

/// A request in which everything is in order.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) client: Arc<Client>,
    /// One of the client's.
    pub(crate) redirect_uri: String,
    /// As asked for, in that order; each is one of the client's.
    pub(crate) scopes: Vec<String>,
    pub(crate) state: String,
    /// base64url of the SHA-256 of the verifier.
    pub(crate) challenge: String,
}

/// Why a person is not asked.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// It is not known where to send the person back to, so that the page says what is wrong.
    Page(&'static str),
    /// Back to the integration.
    Redirect(String),
}

/// Checks the query of a request. Parameters that nobody knows are ignored.
pub(crate) fn check(query: &str, clients: &[Arc<Client>]) -> Result<Wanted, Refusal> {
    let query = Form::parse(query.as_bytes());
    let Ok(Some(id)) = query.get("client_id") else {
        return Err(Refusal::Page("The request must name the integration once, as client_id."));
    };
    let Some(client) = clients.iter().find(|client| *client.id == *id) else {
        return Err(Refusal::Page("There is no integration with this client_id."));
    };
    let Ok(Some(redirect_uri)) = query.get("redirect_uri") else {
        return Err(Refusal::Page("The request must say once where to return to, as redirect_uri."));
    };
    if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return Err(Refusal::Page(
            "This redirect_uri is not registered for the integration, letter by letter.",
        ));
    }
    let state = query.get("state").ok().flatten();
    let refuse = |error: Error, why: &str| Refusal::Redirect(refused(redirect_uri, state, error, why));
    let missing = |name: &str| refuse(Error::InvalidRequest, &format!("{name} is missing"));
    let one = |name: &str| {
        query.get(name).map_err(|_| refuse(Error::InvalidRequest, &format!("{name} is given more than once")))
    };

    one("state")?;
    let Some(state) = state else { return Err(missing("state")) };
    if !STATE_LENGTH.contains(&state.chars().count()) || !state.bytes().all(is_unreserved) {
        let why = "state must have 16 to 1024 characters, of A-Z, a-z, 0-9, dot, underscore and hyphen";
        return Err(refuse(Error::InvalidRequest, why));
    }
    match one("response_type")? {
        None => return Err(missing("response_type")),
        Some("code") => {}
        Some(_) => return Err(refuse(Error::UnsupportedResponseType, "response_type must be code")),
    }
    match one("code_challenge_method")? {
        None => return Err(missing("code_challenge_method")),
        Some("S256") => {}
        Some(_) => return Err(refuse(Error::InvalidRequest, "code_challenge_method must be S256")),
    }
    let Some(challenge) = one("code_challenge")? else { return Err(missing("code_challenge")) };
    if challenge.len() != CHALLENGE_LENGTH
        || !challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        let why = "code_challenge must be the SHA-256 of the verifier in base64url without padding";
        return Err(refuse(Error::InvalidRequest, why));
    }
    let scopes = one("scope")?.map_or(Ok(Vec::new()), |text| scopes(text, client));
    let scopes = match scopes {
        Ok(scopes) if scopes.is_empty() => Err("at least one scope must be asked for".to_owned()),
        scopes => scopes,
    };
    Ok(Wanted {
        client: Arc::clone(client),
        redirect_uri: redirect_uri.to_owned(),
        scopes: scopes.map_err(|why| refuse(Error::InvalidScope, &why))?,
        state: state.to_owned(),
        challenge: challenge.to_owned(),
    })
}

/// Scopes with a space between every two; or what is wrong with them.
fn scopes(text: &str, client: &Client) -> Result<Vec<String>, String> {
    let scopes: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let mut seen = HashSet::new();
    for scope in &scopes {
        // Only what is a scope is repeated: a description must not have quotes in it, for one.
        if !SCOPES.contains(&scope.as_str()) {
            return Err("scope names something that is no scope of Airtable's".to_owned());
        }
        if !seen.insert(scope) {
            return Err(format!("{scope} is given more than once"));
        }
        if !client.scopes.contains(scope) {
            return Err(format!("the integration is not registered for {scope}"));
        }
    }
    Ok(scopes)
}

/// What `state`, and a verifier of PKCE, may consist of. `~` is not among it, unlike in RFC 7636.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// `error` of a redirect.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Error {
    InvalidRequest,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    Unable,
}

impl Error {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::Unable => "server_error",
        }
    }
}

/// Where to send the person back to if nothing comes of it. A state that is missing stays so.
pub(crate) fn refused(redirect_uri: &str, state: Option<&str>, error: Error, why: &str) -> String {
    let mut answer = vec![("error", error.name()), ("error_description", why)];
    answer.extend(state.map(|state| ("state", state)));
    with_query(redirect_uri, &answer)
}

/// Where to send the person back to with a code. The challenge itself is not repeated, since 2025.
pub(crate) fn granted(wanted: &Wanted, code: &str) -> String {
    let answer = [("code", code), ("code_challenge_method", "S256"), ("state", &wanted.state)];
    with_query(&wanted.redirect_uri, &answer)
}

/// The registered address keeps its own query, letter by letter.
fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let join = match uri.split_once('?') {
        None => "?",
        Some((_, own)) if own.is_empty() || own.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{join}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::airtable::access::Reach;
    use crate::airtable::oauth::client::Consent;

    const CALLBACK: &str = "https://app.example.com/cb?of=airtable";
    const GOOD: [(&str, &str); 7] = [
        ("client_id", "client-1"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "data.records:read schema.bases:read"),
        ("state", "0123456789abcdef"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];

    fn clients() -> Vec<Arc<Client>> {
        vec![Arc::new(Client {
            id: "client-1".into(),
            secret: None,
            name: "Test".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned(), "https://app.example.com/other".to_owned()],
            scopes: ["data.records:read", "data.records:write", "schema.bases:read"]
                .map(str::to_owned)
                .into(),
            consent: Consent::Ask,
            user: 0,
            bases: Reach::All,
        })]
    }

    fn query(pairs: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The good request with one parameter changed; `None` leaves it out.
    fn with(name: &str, value: Option<&str>) -> Result<Wanted, Refusal> {
        let pairs: Vec<_> = GOOD
            .iter()
            .filter_map(|(key, own)| Some((*key, if *key == name { value? } else { *own })))
            .collect();
        check(&query(&pairs), &clients())
    }

    /// `error` of the redirect.
    #[track_caller]
    fn error_of(answer: Result<Wanted, Refusal>) -> String {
        let Err(Refusal::Redirect(to)) = answer else { panic!("{answer:?}") };
        let query = to.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('&')).unwrap();
        let form = Form::parse(query.as_bytes());
        assert!(form.get("error_description").unwrap().is_some(), "{to}");
        form.get("error").unwrap().unwrap().to_owned()
    }

    #[test]
    fn a_good_request_is_taken_and_unknown_parameters_are_ignored() {
        let mut pairs = GOOD.to_vec();
        pairs.push(("prompt", "login"));
        let wanted = check(&query(&pairs), &clients()).unwrap();
        assert_eq!(wanted.scopes, ["data.records:read", "schema.bases:read"]);
        assert_eq!(
            granted(&wanted, "abc"),
            format!("{CALLBACK}&code=abc&code_challenge_method=S256&state=0123456789abcdef")
        );
    }

    #[test]
    fn without_a_client_and_its_address_nobody_is_sent_anywhere() {
        for (name, value) in [
            ("client_id", None),
            ("client_id", Some("")),
            ("client_id", Some("client-2")),
            ("redirect_uri", None),
            ("redirect_uri", Some("https://app.example.com/cb")),
            ("redirect_uri", Some("https://app.example.com/cb?of=airtable&")),
            ("redirect_uri", Some("https://APP.example.com/cb?of=airtable")),
            ("redirect_uri", Some("https://elsewhere.example.com/")),
        ] {
            assert!(matches!(with(name, value), Err(Refusal::Page(_))), "{name} {value:?}");
        }
        for name in ["client_id", "redirect_uri"] {
            let again = GOOD.iter().copied().find(|(key, _)| *key == name).unwrap();
            let pairs = [&GOOD[..], &[again]].concat();
            assert!(matches!(check(&query(&pairs), &clients()), Err(Refusal::Page(_))), "{name} twice");
        }
    }

    #[test]
    fn everything_else_is_told_to_the_integration() {
        let long = "s".repeat(1025);
        for (name, value, error) in [
            ("response_type", None, "invalid_request"),
            ("response_type", Some("token"), "unsupported_response_type"),
            ("state", None, "invalid_request"),
            ("state", Some("0123456789abcde"), "invalid_request"),
            ("state", Some(&*long), "invalid_request"),
            ("state", Some("0123456789abcde~"), "invalid_request"),
            ("state", Some("0123456789abcde "), "invalid_request"),
            ("state", Some("0123456789abcdeé"), "invalid_request"),
            ("scope", None, "invalid_scope"),
            ("scope", Some(""), "invalid_scope"),
            ("scope", Some(" "), "invalid_scope"),
            ("scope", Some("data.records:read data.records:read"), "invalid_scope"),
            ("scope", Some("data.records:read  schema.bases:read"), "invalid_scope"),
            ("scope", Some("data.records:read,schema.bases:read"), "invalid_scope"),
            ("scope", Some("webhook:manage"), "invalid_scope"),
            ("scope", Some("everything"), "invalid_scope"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some("short"), "invalid_request"),
            ("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("code_challenge_method", Some("s256"), "invalid_request"),
        ] {
            assert_eq!(error_of(with(name, value)), error, "{name} {value:?}");
        }
        for (name, value) in &GOOD[2..] {
            let pairs = [&GOOD[..], &[(name, value)]].concat();
            assert_eq!(error_of(check(&query(&pairs), &clients())), "invalid_request", "{name} twice");
        }
    }

    #[test]
    fn a_state_is_given_back_as_it_came_and_cannot_add_parameters() {
        let Err(Refusal::Redirect(to)) = with("state", Some("x&code=stolen\r\n")) else { panic!() };
        assert!(to.ends_with("&state=x%26code%3Dstolen%0D%0A"), "{to}");
        let Err(Refusal::Redirect(to)) = with("state", None) else { panic!() };
        assert!(!to.contains("state="), "{to}");
    }
}
