//! Changes: read and checked as a whole before anything is sent, shown before they are made where that is called for.

pub(crate) mod consent;
mod execute;
mod links;
mod plan;
mod preview;
mod values;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::context::{Context, Output};
use crate::error::ToolError;
use crate::tools::Tool;
use consent::{Asking, Consent};
use plan::Plan;
use preview::Preview;

/// What a writing tool answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Output(Output),
    /// The user has to be asked, by the client, with this message; the state comes back with the answer.
    Ask {
        message: String,
        state: String,
    },
}

/// Reads the call, asks whom it has to ask, and makes the change.
pub(crate) async fn run(
    context: &mut Context,
    tool: Tool,
    arguments: &Arguments,
    asking: &Asking,
) -> Result<Reply, Failed> {
    let place = context.place(arguments).await?;
    let plan = Plan::read(context, &place, tool, arguments).await?;
    let consent = Consent::new(context, tool, arguments, &plan);
    let needs_word = plan.needs_word() || asking.is_always;
    if arguments.flag("preview") {
        let preview = Preview::of(context, &place, &plan).await?;
        // Who can ask the user asks when the change is to be made; a token would go around that.
        let token = (needs_word && !asking.can_ask()).then(|| consent.token());
        return Ok(Reply::Output(shown(&preview, &plan, token, None)));
    }
    // A token that is brought along is checked in any case: who has one believes that exactly this was agreed to.
    let has_token = arguments.text("confirm").is_some() && !asking.can_ask();
    let word = match needs_word || has_token {
        true => consent.word(context, &place, &plan, arguments, asking).await?,
        false => Word::NotNeeded,
    };
    let approved = match word {
        Word::NotNeeded => "not needed",
        Word::Given => "by the user",
        Word::Token => "by token",
        Word::Refused => return Ok(Reply::Output(declined(&plan))),
        Word::Ask { message, state } => return Ok(Reply::Ask { message, state }),
        Word::Preview(preview, note) => {
            return Ok(Reply::Output(shown(&preview, &plan, Some(consent.token()), note)));
        }
    };
    let output = execute::run(context, &place, &plan).await;
    let status = match &output {
        Ok(output) => output.structured["status"].as_str().unwrap_or_default(),
        Err(error) => error.code.as_str(),
    };
    tracing::info!(
        key_id = &*context.caller,
        tool = tool.name(),
        base.id = %plan.base,
        table.id = plan.table_id,
        rows = plan.len(),
        approved,
        status,
        "{} of {} rows: {status}",
        tool.name(),
        plan.len()
    );
    Ok(Reply::Output(output?))
}

/// What is known of the user's will.
enum Word {
    NotNeeded,
    /// By answering a question.
    Given,
    /// By repeating the call with its token.
    Token,
    Refused,
    Ask {
        message: String,
        state: String,
    },
    /// The client cannot ask: show what would change, and say why it is shown again.
    Preview(Preview, Option<&'static str>),
}

/// Why a writing call has no reply.
#[derive(Debug)]
pub(crate) enum Failed {
    Tool(ToolError),
    /// The state that came back is not ours: a fault of the protocol, not something that a model can mend.
    State,
}

impl From<ToolError> for Failed {
    fn from(error: ToolError) -> Self {
        Self::Tool(error)
    }
}

/// A preview as a result.
fn shown(preview: &Preview, plan: &Plan, token: Option<String>, note: Option<&str>) -> Output {
    let mut text = String::new();
    if let Some(note) = note {
        text.push_str(note);
        text.push_str("\n\n");
    }
    text.push_str("Preview, nothing was changed. ");
    text.push_str(&preview.text);
    let mut structured = json!({"status": "preview", "count": plan.len(), "changes": preview.changes});
    if let Some(token) = token {
        text.push_str(&format!(
            "\n\nTo go ahead, after the user has agreed to exactly this, repeat the call with the same arguments and confirm \
             \"{token}\" (good for ten minutes, once)"
        ));
        structured["confirm"] = Value::String(token);
    }
    Output::new(text, structured)
}

fn declined(plan: &Plan) -> Output {
    Output::new(
        "The user declined; nothing was changed. Do not try again unless the user asks for it",
        json!({"status": "declined", "count": 0, "of": plan.len()}),
    )
}
