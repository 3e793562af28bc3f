use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{Scope, Scopes};
use crate::error::{ApiError, ErrorCode};

/// Who calls, with the rights that the credential gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The key's public id; also what limits, caches and logs tell callers apart by.
    pub key_id: Arc<str>,
    /// What the key's owner calls it.
    pub name: Arc<str>,
    pub scopes: Scopes,
    pub bases: Bases,
}

/// The bases that a principal may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bases {
    All,
    /// These ids and no others; empty means none.
    Only(Arc<BTreeSet<String>>),
}

impl Principal {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether this base is within reach. Says nothing about scopes.
    pub fn may_reach(&self, base_id: &str) -> bool {
        match &self.bases {
            Bases::All => true,
            Bases::Only(ids) => ids.contains(base_id),
        }
    }

    /// 403 unless the scope is there.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.may(scope) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::Forbidden, format!("this key lacks the scope {scope}")))
        }
    }

    /// 403 unless the base is within reach. The answer does not tell whether the base exists.
    pub fn require_base(&self, base_id: &str) -> Result<(), ApiError> {
        if self.may_reach(base_id) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::Forbidden, "this key may not reach the base"))
        }
    }
}

impl Bases {
    pub fn only<T: Into<String>>(ids: impl IntoIterator<Item = T>) -> Self {
        Self::Only(Arc::new(ids.into_iter().map(Into::into).collect()))
    }

    pub fn is_limited(&self) -> bool {
        matches!(self, Self::Only(_))
    }

    /// As it is stored: `None` for all.
    pub fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Only(ids) => Some(ids.iter().cloned().collect()),
        }
    }

    pub(crate) fn from_names(names: Option<Vec<String>>) -> Self {
        names.map_or(Self::All, Self::only)
    }
}

/// The principal that [`crate::routes::Routes`] put there by the route's rule.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::new(ErrorCode::Internal, "this route does not know who is calling"))
    }
}

impl std::str::FromStr for Bases {
    type Err = Infallible;

    /// Comma-separated ids; `*` is all.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut ids = text.split(',').map(str::trim).filter(|id| !id.is_empty()).peekable();
        if ids.peek() == Some(&"*") { Ok(Self::All) } else { Ok(Self::only(ids)) }
    }
}
