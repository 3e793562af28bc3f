//! From a request to a run: whose session, what it begins with, which tools.

mod opening;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llm_api::{ToolChoice, UserPart};
use serde_json::json;
use service_kit::auth::Principal;
use service_kit::telemetry::trace_context;
use service_kit::{ApiError, ErrorCode};
use storage::SessionRecord;
use tokio::time::Instant;
use uuid::Uuid;

use crate::approvals;
use crate::error;
use crate::openai::{ChatRequest, Conversation, parse_messages};
use crate::prompt;
use crate::runner::{Job, Running, Settings};
use crate::sessions::{OpenSession, Sessions, no_such_session, session_of_call};
use crate::state::AppState;
use crate::turn::{Catalog, ToolKind};
use opening::{Ask, opening};

/// How long a question of ours to a client without a session can be answered.
const ANSWERABLE: Duration = Duration::from_secs(3600);

/// What must be left between the end of a run and the end of its request.
const MARGIN: Duration = Duration::from_secs(1);

/// A run that has begun.
pub(crate) struct Begun {
    pub run: String,
    pub session: String,
    pub model: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Parameters that nothing here takes.
    pub dropped: Vec<&'static str>,
    pub running: Running,
}

/// Begins the run that a request asks for. `streams`: its text is shown as it comes.
pub(crate) async fn begin(
    app: &AppState,
    principal: &Principal,
    request: &ChatRequest,
    streams: bool,
) -> Result<Begun, ApiError> {
    request.check()?;
    let now = SystemTime::now();
    let conversation = parse_messages(request.messages.as_deref().unwrap_or_default())?;
    let choice = request.tool_choice()?;
    let settings = Settings {
        model: app.models.resolve(request.model.as_deref()).await?,
        tool_choice: choice.choice,
        max_output_tokens: Some(max_output_tokens(app, request)),
        temperature: request.temperature,
        top_p: request.top_p,
        stop: request.stops(),
        seed: request.seed,
        thinking: request.thinking(app.settings.thinking_budget)?,
        response_format: request.response_format()?,
    };
    let client_tools = request.client_tools()?;
    let run = format!("run_{}", Uuid::now_v7().simple());

    let session = match session(app, principal, request, &conversation, now).await? {
        Some(record) => app.sessions.open(record, &run).await?,
        None => app.sessions.open_draft(Sessions::draft(principal, None, metadata(&conversation)), &run)?,
    };
    let prepared = async {
        let ask = Ask {
            approval: request.approval.as_ref(),
            names_session: request.session()?.is_some(),
            context: prompt::context(now, request.base_id.as_deref()),
            now,
        };
        let opening = opening(&session.history, conversation, &ask)?;
        let mut catalog = Catalog::default();
        let has_calls = session.history.has_calls();
        if settings.tool_choice != ToolChoice::None || has_calls {
            let tools = app.runner.tools.list(principal).await.map_err(error::no_tools)?;
            for (kind, definition) in &tools.tools {
                catalog.add(*kind, definition.clone());
            }
        }
        for definition in client_tools {
            catalog.add(ToolKind::Client, definition);
        }
        if let Some(allowed) = &choice.allowed {
            catalog.retain(|name| allowed.iter().any(|allowed| allowed == name));
        }
        check_choice(&settings.tool_choice, &catalog)?;
        Ok::<_, ApiError>((opening, catalog))
    };
    let (opening, catalog) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => {
            give_back(session).await;
            return Err(error);
        }
    };
    let id = session.id.clone();
    let model = settings.model.clone();
    let time = time_left(app.runner.limits.time);
    let mut runner = app.runner.clone();
    runner.limits.time = time;
    let principal = principal.clone();
    let running =
        runner.start(Job { run: run.clone(), principal, session, opening, catalog, settings, streams });
    let created = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Begun { run, session: id, model, created, dropped: request.dropped(), running })
}

/// The session that the request means; `None`: a new one, of whatever id.
async fn session(
    app: &AppState,
    principal: &Principal,
    request: &ChatRequest,
    conversation: &Conversation,
    now: SystemTime,
) -> Result<Option<SessionRecord>, ApiError> {
    if let Some(id) = request.session()? {
        return match app.sessions.store.find(id).await? {
            Some(session) if *session.owner == *principal.key_id => Ok(Some(session)),
            None if request.session_strict != Some(true) && request.approval.is_none() => {
                app.sessions.create(principal, Some(id.to_owned()), metadata(conversation)).await.map(Some)
            }
            _ => Err(no_such_session()),
        };
    }
    // A client without a session repeats what we said: the ids in it tell which run it goes on with.
    let since = now.checked_sub(ANSWERABLE).unwrap_or(UNIX_EPOCH);
    let asked_for = request.approval.as_ref().map(|answer| answer.id.as_str());
    let said = conversation.last_answer.as_deref().and_then(approvals::id_in);
    if let Some(id) = asked_for.or(said) {
        match app.sessions.asking(principal, since, id).await? {
            Some(session) => return Ok(Some(session)),
            None if asked_for.is_some() => return Err(opening::no_such_approval()),
            None => {}
        }
    }
    if let Some(id) = conversation.results.iter().find_map(|(id, _)| session_of_call(id))
        && let Some(session) = app.sessions.store.find(&id).await?
        && *session.owner == *principal.key_id
    {
        return Ok(Some(session));
    }
    Ok(None)
}

/// What a list of sessions shows.
fn metadata(conversation: &Conversation) -> serde_json::Value {
    let text = conversation.latest.iter().find_map(|part| match part {
        UserPart::Text(text) => Some(text.as_str()),
        UserPart::InlineData { .. } => None,
    });
    let title: String = text.unwrap_or_default().chars().take(80).collect();
    json!({"title": title})
}

async fn give_back(session: OpenSession) {
    session.into_parts().2.give_back().await;
}

fn max_output_tokens(app: &AppState, request: &ChatRequest) -> u32 {
    let asked = request.max_completion_tokens.or(request.max_tokens);
    let asked = asked.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
    asked.unwrap_or(u32::MAX).min(app.settings.max_output_tokens)
}

fn check_choice(choice: &ToolChoice, catalog: &Catalog) -> Result<(), ApiError> {
    let missing = match choice {
        ToolChoice::Only(names) => names.iter().find(|name| catalog.find(name).is_none()).cloned(),
        ToolChoice::Required if catalog.is_empty() => Some("any".to_owned()),
        _ => None,
    };
    match missing {
        None => Ok(()),
        Some(name) => Err(ApiError::new(ErrorCode::InvalidRequest, "the request is not valid").field(
            "/tool_choice",
            "not_found",
            format!("there is no tool of this name: {name}"),
        )),
    }
}

/// The run's time: what our limit and the caller's deadline leave.
fn time_left(limit: Duration) -> Duration {
    match trace_context::current() {
        Some(current) => {
            let left = current.deadline.saturating_duration_since(Instant::now());
            limit.min(left.saturating_sub(MARGIN))
        }
        None => limit,
    }
}
