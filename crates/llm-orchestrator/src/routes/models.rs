//! Which models there are, and how many tokens a text has.

use axum::Json;
use axum::extract::State;
use llm_api::{Model, ModelFacts, Request, Turn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::ApiError;
use service_kit::extract::{ApiJson, ApiPath};

use crate::error::{no_such_model, of_model};
use crate::models::ASSISTANT;
use crate::state::AppState;

/// When these ids came to be, for clients that want a number; the vendor does not say.
const CREATED: u64 = 1_764_028_800;

/// The models that a request can name.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai",
    responses((status = 200, description = "`{object: \"list\", data: [{id, object, created, owned_by}]}`", body = Object)),
)]
pub(super) async fn list_models(State(app): State<AppState>) -> Json<Value> {
    let models = app.models.list().await;
    let mut data = vec![assistant(&app)];
    if !models.iter().any(|model| model.id == app.models.default()) {
        data.push(view(&of_name(app.models.default())));
    }
    data.extend(models.iter().map(view));
    Json(json!({"object": "list", "data": data}))
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "openai", params(("model" = String, Path)),
    responses((status = 200, description = "`{id, object, created, owned_by}`", body = Object)),
)]
pub(super) async fn get_model(
    State(app): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<Value>, ApiError> {
    if id == ASSISTANT {
        return Ok(Json(assistant(&app)));
    }
    let models = app.models.list().await;
    match models.iter().find(|model| model.id == id) {
        Some(model) => Ok(Json(view(model))),
        None if id == app.models.default() => Ok(Json(view(&of_name(&id)))),
        None => Err(no_such_model(&id)),
    }
}

fn assistant(app: &AppState) -> Value {
    let facts = ModelFacts::find(app.models.default());
    json!({
        "id": ASSISTANT, "object": "model", "created": CREATED, "owned_by": "pyairtable",
        "name": "Airtable assistant", "context_length": facts.map(|facts| facts.context_tokens),
        "underlying_model": app.models.default(),
    })
}

fn of_name(id: &str) -> Model {
    let facts = ModelFacts::find(id);
    Model {
        id: id.to_owned(),
        display_name: facts.map(|facts| facts.display_name.clone()),
        input_token_limit: facts.map(|facts| facts.context_tokens),
        output_token_limit: facts.map(|facts| facts.max_output_tokens),
        generates: true,
    }
}

fn view(model: &Model) -> Value {
    json!({
        "id": model.id, "object": "model", "created": CREATED, "owned_by": "google",
        "name": model.display_name, "context_length": model.input_token_limit,
        "max_output_tokens": model.output_token_limit,
    })
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CountTokens {
    text: String,
    /// The default model, if it is not said.
    model: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TokenCount {
    token_count: u64,
    model: String,
}

/// How many tokens a text has for a model. Costs nothing.
#[utoipa::path(
    post, path = "/api/v1/models/count-tokens", tag = "chat", request_body = CountTokens,
    responses((status = 200, body = TokenCount)),
)]
pub(super) async fn count_tokens(
    State(app): State<AppState>,
    ApiJson(asked): ApiJson<CountTokens>,
) -> Result<Json<TokenCount>, ApiError> {
    let model = app.models.resolve(asked.model.as_deref()).await?;
    if asked.text.is_empty() {
        return Ok(Json(TokenCount { token_count: 0, model }));
    }
    let request = Request { model: model.clone(), turns: vec![Turn::user(asked.text)], ..Request::default() };
    let token_count = app.runner.provider.count_tokens(&request).await.map_err(|error| of_model(&error))?;
    Ok(Json(TokenCount { token_count, model }))
}
