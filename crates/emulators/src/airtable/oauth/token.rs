//! The token request: who asks, and for what.
//! Source: <https://airtable.com/developers/web/api/oauth-reference#token-creation-request>.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::client::Client;
use super::form::{Form, Repeated};
use crate::airtable::body::is_called;

/// A refusal of the endpoints for tokens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenError {
    pub(crate) status: StatusCode,
    /// A word of RFC 6749, section 5.2.
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl TokenError {
    fn bad_request(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    /// A parameter is missing, doubled or malformed. Airtable lists no `invalid_scope` here; it falls under this.
    pub(crate) fn invalid_request(description: &'static str) -> Self {
        Self::bad_request("invalid_request", description)
    }

    /// The code or token is unknown, used, expired, revoked, or somebody else's.
    pub(crate) fn invalid_grant(description: &'static str) -> Self {
        Self::bad_request("invalid_grant", description)
    }

    fn unsupported_grant_type() -> Self {
        Self::bad_request("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
    }

    fn invalid_client(description: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description }
    }

    /// The same refresh token has just been used. Airtable documents the status only, so that the word is ours: one on which
    /// no client throws its newer token away.
    pub(crate) fn used_just_now() -> Self {
        Self {
            status: StatusCode::CONFLICT,
            error: "invalid_request",
            description: "the refresh token has just been used by another request",
        }
    }

    /// What was done could not be kept.
    pub(crate) fn server_error() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            description: "the request could not be carried out",
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.error, "error_description": self.description})
    }
}

impl From<Repeated> for TokenError {
    fn from(_: Repeated) -> Self {
        Self::invalid_request("a parameter is given more than once")
    }
}

/// What is asked of the token endpoint. What is missing is told after the code has been spent.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    Exchange { code: String, redirect_uri: Option<String>, verifier: Option<String> },
    Refresh { token: String, scope: Option<String> },
}

impl Wanted {
    pub(crate) fn read(form: &Form) -> Result<Self, TokenError> {
        let text = |name: &str| Ok::<_, TokenError>(form.get(name)?.map(str::to_owned));
        match form.get("grant_type")? {
            None => Err(TokenError::invalid_request("grant_type is missing")),
            Some("authorization_code") => Ok(Self::Exchange {
                code: text("code")?.ok_or_else(|| TokenError::invalid_request("code is missing"))?,
                redirect_uri: text("redirect_uri")?,
                verifier: text("code_verifier")?,
            }),
            Some("refresh_token") => Ok(Self::Refresh {
                token: text("refresh_token")?
                    .ok_or_else(|| TokenError::invalid_request("refresh_token is missing"))?,
                scope: text("scope")?,
            }),
            Some(_) => Err(TokenError::unsupported_grant_type()),
        }
    }
}

/// The parameters of a body that says it is a form.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Form, TokenError> {
    if !is_called(headers, "application/x-www-form-urlencoded") {
        return Err(TokenError::invalid_request("the body must be application/x-www-form-urlencoded"));
    }
    Ok(Form::parse(body))
}

/// The integration that sends the request: one with a secret by `Authorization: Basic`, one without by `client_id` alone.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    form: &Form,
    clients: &[Arc<Client>],
) -> Result<Arc<Client>, TokenError> {
    let named = form.get("client_id")?;
    let find = |id: &str| {
        let client = clients.iter().find(|client| *client.id == *id);
        client.ok_or_else(|| TokenError::invalid_client("there is no such integration"))
    };
    let Some(credentials) = headers.get(header::AUTHORIZATION) else {
        let named = named.ok_or_else(|| TokenError::invalid_request("client_id is missing"))?;
        let client = find(named)?;
        return match client.secret {
            None => Ok(Arc::clone(client)),
            Some(_) => {
                Err(TokenError::invalid_client("an integration with a secret must send Authorization: Basic"))
            }
        };
    };
    let (id, secret) = basic(credentials).ok_or_else(|| {
        TokenError::invalid_client("Authorization must be Basic, with client id and secret")
    })?;
    let client = find(&id)?;
    match &client.secret {
        Some(own) if *own == secret => {}
        Some(_) => return Err(TokenError::invalid_client("the secret is wrong")),
        None => {
            let why = "an integration without a secret must not send Authorization";
            return Err(TokenError::invalid_client(why));
        }
    }
    match named {
        Some(named) if named != id => {
            Err(TokenError::invalid_request("client_id is not the one of Authorization"))
        }
        _ => Ok(Arc::clone(client)),
    }
}

fn basic(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::airtable::access::Reach;
    use crate::airtable::oauth::client::Consent;

    fn clients() -> Vec<Arc<Client>> {
        let client = |id: &str, secret: Option<&str>| {
            Arc::new(Client {
                id: id.into(),
                secret: secret.map(str::to_owned),
                name: id.to_owned(),
                redirect_uris: Vec::new(),
                scopes: Vec::new(),
                consent: Consent::Ask,
                user: 0,
                bases: Reach::All,
            })
        };
        vec![client("public", None), client("secretive", Some("a:b"))]
    }

    fn who(authorization: Option<&str>, body: &str) -> Result<String, (u16, &'static str)> {
        let headers = authorization.map(|text| (header::AUTHORIZATION, text.parse().unwrap()));
        authenticate(&headers.into_iter().collect(), &Form::parse(body.as_bytes()), &clients())
            .map(|client| client.id.to_string())
            .map_err(|error| (error.status.as_u16(), error.error))
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn an_integration_shows_what_it_has_and_nothing_else() {
        let good = basic_of("secretive:a:b");
        assert_eq!(who(Some(&good), ""), Ok("secretive".to_owned()));
        assert_eq!(who(Some(&good), "client_id=secretive"), Ok("secretive".to_owned()));
        assert_eq!(who(None, "client_id=public"), Ok("public".to_owned()));
        let unknown = Err((401, "invalid_client"));
        for (authorization, body) in [
            (Some(basic_of("secretive:wrong")), ""),
            (Some(basic_of("secretive:")), ""),
            (Some(basic_of("secretive")), ""),
            (Some(basic_of("nobody:a:b")), ""),
            (Some(basic_of("public:")), "client_id=public"),
            (Some("Bearer patX.y".to_owned()), "client_id=public"),
            (Some("Basic ???".to_owned()), "client_id=secretive"),
            (None, "client_id=secretive"),
            (None, "client_id=secretive&client_secret=a%3Ab"),
            (None, "client_id=nobody"),
        ] {
            assert_eq!(who(authorization.as_deref(), body), unknown, "{authorization:?} {body}");
        }
        let malformed = Err((400, "invalid_request"));
        assert_eq!(who(None, ""), malformed);
        assert_eq!(who(None, "client_id=public&client_id=public"), malformed);
        assert_eq!(who(Some(&good), "client_id=public"), malformed);
    }

    #[test]
    fn a_request_says_what_it_wants() {
        let read = |body: &str| Wanted::read(&Form::parse(body.as_bytes())).map_err(|error| error.error);
        assert_eq!(
            read("grant_type=refresh_token&refresh_token=r&scope=a+b"),
            Ok(Wanted::Refresh { token: "r".to_owned(), scope: Some("a b".to_owned()) })
        );
        for body in [
            "",
            "grant_type=",
            "code=c",
            "grant_type=authorization_code",
            "grant_type=refresh_token",
            "grant_type=refresh_token&refresh_token=",
            "grant_type=refresh_token&refresh_token=a&refresh_token=b",
            "grant_type=authorization_code&grant_type=authorization_code&code=c",
        ] {
            assert_eq!(read(body), Err("invalid_request"), "{body}");
        }
        for kind in ["client_credentials", "password", "Refresh_Token"] {
            assert_eq!(read(&format!("grant_type={kind}&code=c")), Err("unsupported_grant_type"), "{kind}");
        }
    }

    #[test]
    fn a_body_is_a_form_and_says_so() {
        let ok = |kind: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            form(&headers, b"a=b").is_ok()
        };
        assert!(ok("application/x-www-form-urlencoded"));
        assert!(ok("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(
            !ok("application/json")
                && !ok("multipart/form-data")
                && !ok("application/x-www-form-urlencoded2")
        );
        assert!(form(&HeaderMap::new(), b"a=b").is_err());
    }
}
