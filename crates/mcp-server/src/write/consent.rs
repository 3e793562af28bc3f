//! The user's word: asked for by the client where it can ask, else given by repeating the call with a token.
//!
//! Both are signed, bound to caller, tool, arguments and the change itself, good for ten minutes, and used once.

use std::sync::Arc;

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema, InputRequest, InputRequests,
    InputResponses,
};
use rmcp::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::Claims;
use tokio::time::Instant;

use super::plan::Plan;
use super::preview::Preview;
use super::{Failed, Word};
use crate::arguments::Arguments;
use crate::context::{Context, Place, TIME};
use crate::error::{Code, ToolError};
use crate::seal::{LIFE, Unsealed, bound_to};
use crate::tools::Tool;

/// The name of our one question, and of its one field.
const CONFIRM: &str = "confirm";

/// Arguments that say how to make a change, not what change.
const HOW: [&str; 2] = ["confirm", "preview"];

/// How the user can be asked, and what was answered already.
pub(crate) struct Asking {
    pub(crate) way: Way,
    /// The caller wants the user asked before every change.
    pub(crate) is_always: bool,
    pub(crate) state: Option<String>,
    pub(crate) answers: Option<InputResponses>,
    pub(crate) claims: Arc<dyn Claims>,
}

/// How the client asks its user.
pub(crate) enum Way {
    /// By an answer that needs input (2026-07-28).
    ByResult,
    /// By a request of ours while the call waits (before 2026-07-28).
    ByRequest(Peer<RoleServer>),
    /// Not at all.
    None,
}

impl Asking {
    pub(super) fn can_ask(&self) -> bool {
        !matches!(self.way, Way::None)
    }
}

/// What is sealed into states and tokens.
#[derive(Serialize, Deserialize)]
struct Sealed {
    plan: String,
    /// Told apart from every other, so that it is used once.
    nonce: String,
}

/// Asking for, and checking, the user's word for one change.
pub(super) struct Consent {
    bound: Vec<u8>,
    digest: String,
    sealer: crate::seal::Sealer,
}

impl Consent {
    pub(super) fn new(context: &Context, tool: Tool, arguments: &Arguments, plan: &Plan) -> Self {
        let bound = bound_to(&[&context.caller, "tools/call", tool.name(), &arguments.fingerprint(&HOW)]);
        Self { bound, digest: plan.digest(), sealer: context.sealer.clone() }
    }

    /// What a client that cannot ask repeats the call with.
    pub(super) fn token(&self) -> String {
        self.seal("token")
    }

    /// Finds out whether the user agrees to this change.
    pub(super) async fn word(
        &self,
        context: &mut Context,
        place: &Place,
        plan: &Plan,
        arguments: &Arguments,
        asking: &Asking,
    ) -> Result<Word, Failed> {
        match &asking.way {
            Way::ByResult => self.by_result(context, place, plan, asking).await,
            Way::ByRequest(peer) => self.by_request(context, place, plan, peer).await,
            Way::None => self.by_token(context, place, plan, arguments, asking).await,
        }
    }

    async fn by_result(
        &self,
        context: &Context,
        place: &Place,
        plan: &Plan,
        asking: &Asking,
    ) -> Result<Word, Failed> {
        if let Some(state) = &asking.state {
            match self.open(state, "state") {
                Ok(sealed) => match asking.answers.as_ref().and_then(|answers| answer(answers.get(CONFIRM)?))
                {
                    Some(true) if sealed.plan == self.digest => {
                        self.claim(&sealed, asking).await?;
                        return Ok(Word::Given);
                    }
                    Some(false) => return Ok(Word::Refused),
                    // No answer that can be read, or what would change is no longer what was shown: ask again.
                    _ => {}
                },
                Err(Unsealed::Expired) => {}
                Err(Unsealed::NotOurs) => return Err(Failed::State),
            }
        }
        let preview = Preview::of(context, place, plan).await?;
        Ok(Word::Ask { message: message(&preview), state: self.seal("state") })
    }

    async fn by_request(
        &self,
        context: &mut Context,
        place: &Place,
        plan: &Plan,
        peer: &Peer<RoleServer>,
    ) -> Result<Word, Failed> {
        let preview = Preview::of(context, place, plan).await?;
        let answered = peer.create_elicitation_with_timeout(form(message(&preview)), Some(LIFE)).await;
        // The person's time is not the call's.
        context.asker.extend(Instant::now() + TIME);
        match answered {
            Ok(result) => {
                let ticked = result.content.as_ref().and_then(|content| content.get(CONFIRM)?.as_bool());
                let agreed = result.action == ElicitationAction::Accept && ticked == Some(true);
                Ok(if agreed { Word::Given } else { Word::Refused })
            }
            Err(error) => {
                tracing::debug!("the user could not be asked: {error}");
                Err(ToolError::new(
                    Code::ConfirmationInvalid,
                    "the user was asked and did not answer, so nothing was changed",
                )
                .into())
            }
        }
    }

    async fn by_token(
        &self,
        context: &Context,
        place: &Place,
        plan: &Plan,
        arguments: &Arguments,
        asking: &Asking,
    ) -> Result<Word, Failed> {
        let Some(token) = arguments.text("confirm") else {
            return Ok(Word::Preview(Preview::of(context, place, plan).await?, None));
        };
        let sealed = self.open(token, "token").map_err(|unsealed| {
            let message = match unsealed {
                Unsealed::Expired => "confirm: the token is older than ten minutes, so nothing was changed",
                Unsealed::NotOurs => {
                    "confirm: the token is not one for exactly this call, so nothing was changed. Repeat the call with the \
                     arguments that it was given for"
                }
            };
            let next = match plan.needs_word() || asking.is_always {
                true => "For a new preview and token, call without confirm",
                false => "This change needs no token; to see it before it is made, set preview",
            };
            ToolError::new(Code::ConfirmationInvalid, message).then(next)
        })?;
        if sealed.plan != self.digest {
            let preview = Preview::of(context, place, plan).await?;
            let note = "What would change is no longer what was shown, so nothing was changed.";
            return Ok(Word::Preview(preview, Some(note)));
        }
        self.claim(&sealed, asking).await?;
        Ok(Word::Token)
    }

    /// Uses it up; fails if it was used before, or if nobody can say.
    async fn claim(&self, sealed: &Sealed, asking: &Asking) -> Result<(), ToolError> {
        match asking.claims.claim(&format!("mcp-confirm:{}", sealed.nonce), LIFE).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ToolError::new(
                Code::ConfirmationInvalid,
                "this confirmation was used already; nothing was changed now. Look whether the change is there before asking \
                 for it again",
            )),
            Err(error) => {
                tracing::warn!("confirmations cannot be checked: {error}");
                Err(ToolError::new(
                    Code::Unavailable,
                    "confirmations cannot be checked at the moment, so nothing was changed. Try again in a moment",
                ))
            }
        }
    }

    fn seal(&self, what: &str) -> String {
        let mut random = [0; 16];
        // Without randomness there would be no TLS, nor keys: nothing of this would run.
        getrandom::fill(&mut random).expect("the operating system has randomness");
        let sealed = Sealed { plan: self.digest.clone(), nonce: hex::encode(random) };
        self.sealer.seal(&sealed, &self.bound_for(what))
    }

    fn open(&self, text: &str, what: &str) -> Result<Sealed, Unsealed> {
        self.sealer.open(text, &self.bound_for(what))
    }

    /// A state is no token: who can ask must not be handed the other way.
    fn bound_for(&self, what: &str) -> Vec<u8> {
        [&self.bound, what.as_bytes()].concat()
    }
}

/// What the client shows its user.
fn message(preview: &Preview) -> String {
    format!("{}\n\nGo ahead?", preview.text)
}

/// The question as a form with one box.
fn form(message: String) -> ElicitRequestParams {
    let schema = ElicitationSchema::builder()
        .required_bool_with(CONFIRM, |field| field.description("Make this change"))
        .build()
        .expect("a form with one box is a form");
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema }
}

/// The question as part of an answer.
pub(crate) fn input_requests(message: String) -> InputRequests {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(message)));
    InputRequests::from([(CONFIRM.to_owned(), request)])
}

/// Yes, no, or nothing that can be read.
fn answer(response: &Value) -> Option<bool> {
    match response.get("action")?.as_str()? {
        "accept" => response.get("content")?.get(CONFIRM)?.as_bool(),
        "decline" | "cancel" => Some(false),
        _ => None,
    }
}
