//! Who calls, with which rights, and with which token Airtable is asked.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use service_kit::auth::{Authenticator, Caller as Identified, Principal};
use service_kit::config::Secret;
use service_kit::{ApiError, ErrorCode};
use sha2::{Digest, Sha256};

use crate::pacing::Class;

/// A caller of the gateway.
#[derive(Clone)]
pub(crate) struct Caller {
    /// What it may do.
    pub rights: Rights,
    /// How Airtable is asked.
    pub credential: Credential,
    /// Who takes turns with others.
    pub principal: Arc<str>,
    /// How urgent its calls are.
    pub class: Class,
}

/// What a caller may do.
#[derive(Clone)]
pub(crate) enum Rights {
    /// What its gateway key allows.
    Key(Principal),
    /// What Airtable allows the caller's own token.
    Token,
}

/// A token for Airtable.
#[derive(Clone)]
pub(crate) struct Credential {
    /// Sent upstream, nowhere else.
    pub token: SecretString,
    /// Tells tokens apart in cache keys and queues: a digest, safe to keep.
    pub scope: Arc<str>,
}

impl Caller {
    /// A caller with a gateway key.
    pub(crate) fn of_key(principal: Principal, credential: Credential) -> Self {
        let turns = principal.key_id.clone();
        Self { rights: Rights::Key(principal), credential, principal: turns, class: Class::Interactive }
    }

    /// A caller with a token of its own.
    pub(crate) fn of_token(token: SecretString) -> Self {
        let credential = Credential::of_token(token);
        let turns = credential.scope.clone();
        Self { rights: Rights::Token, credential, principal: turns, class: Class::Interactive }
    }
}

impl Credential {
    /// The same token is the same scope.
    pub(crate) fn of_token(token: SecretString) -> Self {
        let digest = Sha256::digest(token.expose_secret().as_bytes());
        Self { scope: hex::encode(&digest[..16]).into(), token }
    }
}

/// Where the gateway's own token comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A setting.
    Setting(Secret),
    /// The emulator's, from a setting.
    Emulator(Secret),
    /// A file that the emulator makes when it first starts, which may be after us.
    EmulatorFile(PathBuf),
    /// There is none: only tokens that are passed through can be used.
    None,
}

impl TokenSource {
    /// The token as it is now. Fails (503) while there is none.
    pub fn current(&self) -> Result<SecretString, ApiError> {
        match self {
            Self::Setting(secret) | Self::Emulator(secret) => Ok(secret.current()),
            Self::EmulatorFile(path) => {
                service_kit::private_file::read(path).map(Into::into).map_err(|error| {
                    ApiError::new(
                        ErrorCode::Unavailable,
                        "the gateway has no Airtable token yet: set AIRTABLE_TOKEN, or start the emulator",
                    )
                    .caused_by(error)
                })
            }
            Self::None => Err(ApiError::new(
                ErrorCode::Unavailable,
                "the gateway has no Airtable token of its own; it only passes tokens on",
            )),
        }
    }
}

/// Finds out who calls.
#[derive(Clone)]
pub(crate) struct Callers {
    authenticator: Authenticator,
    token: TokenSource,
    passthrough: bool,
}

impl Callers {
    /// `passthrough`: bearer tokens that are not ours go on to Airtable.
    pub(crate) fn new(authenticator: Authenticator, token: TokenSource, passthrough: bool) -> Self {
        Self { authenticator, token, passthrough }
    }

    /// The caller of a request of Airtable's dialect. Fails with 401 if there is no usable credential.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let mut caller = match self.authenticator.identify(headers).await? {
            Identified::Known(principal) => self.known(principal)?,
            Identified::Foreign(token) if self.passthrough => Caller::of_token(token),
            Identified::Foreign(_) => {
                return Err(ApiError::new(ErrorCode::AuthenticationRequired, "the API key is not valid"));
            }
        };
        caller.class = class(headers);
        Ok(caller)
    }

    /// A principal that has been authenticated already.
    pub(crate) fn known(&self, principal: Principal) -> Result<Caller, ApiError> {
        Ok(Caller::of_key(principal, Credential::of_token(self.token.current()?)))
    }
}

/// RFC 9218: an urgency of 5 or more (of 0 to 7, 3 if not said) is background work.
pub(crate) fn class(headers: &HeaderMap) -> Class {
    let said = headers.get("priority").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let urgency = said.split(',').find_map(|part| part.trim().strip_prefix("u=")?.parse::<u8>().ok());
    if urgency.is_some_and(|urgency| urgency >= 5) { Class::Background } else { Class::Interactive }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_tells_tokens_apart_and_shows_none() {
        let (a, b) = (Credential::of_token("patA".into()), Credential::of_token("patB".into()));
        assert_ne!(a.scope, b.scope);
        assert_eq!(a.scope, Credential::of_token("patA".into()).scope);
        assert!(!a.scope.contains("patA"));
    }

    #[test]
    fn the_emulators_token_is_looked_up_when_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let source = TokenSource::EmulatorFile(dir.path().join("token"));
        assert!(source.current().is_err());
        std::fs::write(dir.path().join("token"), "patLATE\n").unwrap();
        assert_eq!(source.current().unwrap().expose_secret(), "patLATE");
    }

    #[test]
    fn low_urgency_is_background_work() {
        for (said, class) in [
            ("", Class::Interactive),
            ("u=3", Class::Interactive),
            ("i, u=6", Class::Background),
            ("u=x", Class::Interactive),
        ] {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("priority"), said.parse().unwrap())]);
            assert_eq!(super::class(&headers), class, "{said}");
        }
    }
}
