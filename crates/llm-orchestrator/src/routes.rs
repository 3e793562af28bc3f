//! All routes, each with its rule.

mod chat;
mod info;
mod listen;
mod models;
mod sessions;

use axum::extract::Request;
use http::HeaderName;
use service_kit::auth::{Authenticator, Scope};
use service_kit::routes::{Built, Routes, Rule};
use utoipa_axum::routes;

use crate::state::AppState;

/// What the predecessor's services sent between each other.
const X_INTERNAL_API_KEY: HeaderName = HeaderName::from_static("x-internal-api-key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(crate) fn all(authenticator: Authenticator) -> Built<AppState> {
    let chat = Rule::Scope(Scope::LlmChat);
    Routes::new(authenticator)
        .documented(chat, routes!(chat::openai_chat))
        .documented(chat, routes!(models::list_models))
        .documented(chat, routes!(models::get_model))
        .documented(chat, routes!(chat::own_chat))
        .documented(chat, routes!(chat::own_chat_stream))
        .documented(chat, routes!(sessions::create_session, sessions::list_sessions))
        .documented(chat, routes!(sessions::get_session, sessions::delete_session))
        .documented(chat, routes!(sessions::list_messages))
        .documented(chat, routes!(sessions::list_sessions_of_user))
        .documented(chat, routes!(models::count_tokens))
        .documented(Rule::Public, routes!(info::info))
        .finish()
}

/// Lets `X-Internal-API-Key` stand for `X-API-Key`.
pub(crate) async fn accept_old_key_header(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if !headers.contains_key(X_API_KEY)
        && let Some(key) = headers.remove(X_INTERNAL_API_KEY)
    {
        headers.insert(X_API_KEY, key);
    }
    request
}
