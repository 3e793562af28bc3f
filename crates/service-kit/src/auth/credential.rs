use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::Principal;
use crate::keys::PREFIX;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who presents a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// One of our own keys, or a principal that another service vouches for.
    Known(Principal),
    /// A bearer token that is not one of our keys (it lacks the prefix). Nobody checked it.
    Foreign(SecretString),
}

/// What a request's headers present, unchecked.
pub(super) enum Presented<'a> {
    Nothing,
    /// Has our prefix, but may be mistyped or unknown.
    OurKey(&'a str),
    Foreign(&'a str),
    /// Repeated or unreadable headers.
    Unusable,
}

/// `Authorization: Bearer` decides where it is there; `X-API-Key` is for those who cannot set it.
pub(super) fn presented(headers: &HeaderMap) -> Presented<'_> {
    let token = match only(headers, &AUTHORIZATION) {
        Ok(Some(value)) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Presented::Unusable,
        },
        Ok(None) => match only(headers, &X_API_KEY) {
            Ok(Some(value)) => value.trim(),
            Ok(None) => return Presented::Nothing,
            Err(Repeated) => return Presented::Unusable,
        },
        Err(Repeated) => return Presented::Unusable,
    };
    match token {
        "" => Presented::Nothing,
        token if token.starts_with(PREFIX) => Presented::OurKey(token),
        token => Presented::Foreign(token),
    }
}

/// A header that stands there twice, or holds more than visible ASCII.
pub(super) struct Repeated;

/// The header's only value.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Repeated),
        (Some(_), Some(_)) => Err(Repeated),
    }
}
