//! Forgetting stored answers. Writes through the gateway do it by themselves; this is for changes made elsewhere.

use airtable_api::BaseId;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::extract::{ApiQuery, from_json};
use service_kit::{ApiError, ErrorCode};
use utoipa::{IntoParams, ToSchema};

use super::own::{How, Own, base_id, body_bytes};
use crate::versions::Effects;

/// What to forget; nothing named means everything.
#[derive(Default, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Scope {
    /// The predecessor's way of naming it: a base id somewhere in it counts, all else means everything.
    pattern: Option<String>,
    /// Everything about this base.
    base_id: Option<String>,
    /// Of this base; a table's answers depend on other tables, so the whole base is forgotten.
    table_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Invalidated {
    status: &'static str,
    message: String,
    /// Answers that were stored. Null for a single base: they are out of reach at once and fall out of memory later.
    removed: Option<u64>,
}

/// Makes stored answers unreachable, at once.
#[utoipa::path(
    post, path = "/api/v1/airtable/cache/invalidate", tag = "cache", params(Scope), request_body = Scope,
    responses((status = 200, description = "`{status, message, removed}`", body = Object)),
)]
pub(super) async fn invalidate(own: Own, query: ApiQuery<Scope>, body: Body) -> Result<Response, ApiError> {
    let body = body_bytes(body).await?;
    let mut scope = query.0;
    if !body.is_empty() {
        let said: Scope = from_json(&body)?;
        scope = Scope {
            pattern: said.pattern.or(scope.pattern),
            base_id: said.base_id.or(scope.base_id),
            table_id: said.table_id.or(scope.table_id),
        };
    }
    if scope.table_id.is_some() && scope.base_id.is_none() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "table_id needs base_id"));
    }
    let base = match &scope.base_id {
        Some(base) => Some(base_id(base)?),
        None => scope.pattern.as_deref().and_then(base_in),
    };
    let (effects, message) = match &base {
        Some(base) => {
            own.principal.require_base(base.as_str())?;
            (Effects::on_schema(base), format!("answers about {base} are forgotten"))
        }
        None if own.principal.bases.is_limited() => {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "this key is limited to bases: name one as base_id",
            ));
        }
        None => (Effects::on_everything(), "all answers are forgotten".to_owned()),
    };
    let stored = own.app.reads.usage().entries;
    own.app.reads.invalidate(&effects).await;
    let removed = base.is_none().then_some(stored);
    own.json(StatusCode::OK, &Invalidated { status: "success", message, removed }, How::default())
}

fn base_in(pattern: &str) -> Option<BaseId> {
    pattern.match_indices(BaseId::PREFIX).find_map(|(at, _)| BaseId::parse(pattern.get(at..at + 17)?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_found_in_an_old_pattern() {
        assert_eq!(base_in("airtable:records:appAAAAAAAAAAAAAA:*").unwrap().as_str(), "appAAAAAAAAAAAAAA");
        assert_eq!(base_in("airtable:app*"), None);
        assert_eq!(base_in("app\u{e9}"), None);
    }
}
