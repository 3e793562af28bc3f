//! What a run begins with, given the session so far and what the request says.

use std::time::SystemTime;

use llm_api::UserPart;
use service_kit::{ApiError, ErrorCode};

use crate::approvals::{id_in, is_expired, is_plain_yes};
use crate::openai::{ApprovalAnswer, Conversation};
use crate::turn::{History, Message, Opening};

/// What a request says beside its messages.
pub(super) struct Ask<'a> {
    pub approval: Option<&'a ApprovalAnswer>,
    /// The client keeps to a session, and need not repeat the conversation.
    pub names_session: bool,
    pub context: String,
    pub now: SystemTime,
}

pub(super) fn opening(
    history: &History,
    conversation: Conversation,
    ask: &Ask<'_>,
) -> Result<Opening, ApiError> {
    let asking = history.asking().map(|(_, pending)| pending);
    if let Some(answer) = ask.approval {
        return match asking.filter(|pending| pending.id == answer.id) {
            None => Err(no_such_approval()),
            Some(pending) if is_expired(pending, ask.now) => Err(ApiError::new(
                ErrorCode::Conflict,
                "the time to answer this question is over; ask for the change again",
            )
            .openai("conflict_error", "approval_expired")),
            Some(_) => Ok(Opening::Decision { approve: answer.is_yes() }),
        };
    }
    let Conversation { system, before, latest, results, last_answer } = conversation;
    // A yes answers what was said last, as the client says or else as we know: a question that was not shown, or that another
    // one has followed in the client's conversation, is not what the user agrees to.
    let said_last = last_answer.as_deref().unwrap_or(history.last_answer());
    if let [UserPart::Text(text)] = latest.as_slice()
        && is_plain_yes(text)
        && asking.is_some_and(|pending| {
            !is_expired(pending, ask.now) && id_in(said_last) == Some(pending.id.as_str())
        })
    {
        return Ok(Opening::Decision { approve: true });
    }
    let message = (!latest.is_empty()).then(|| Message {
        parts: latest,
        context: Some(ask.context.clone()),
        system: system.clone(),
    });
    let ids: Vec<_> = results.iter().map(|(id, _)| id.clone()).collect();
    if history.waits_for(&ids) {
        return Ok(Opening::Results { results, message });
    }
    // A client that names a session and sends what we said last goes on with it. One that says that we said something else
    // went another way, such as back to an earlier message: then its word counts.
    let goes_on = !history.is_empty()
        && last_answer.is_none_or(|answer| history.has_said(&answer))
        && (ask.names_session || asking.is_some());
    match message {
        Some(message) if goes_on || before.is_empty() => Ok(Opening::Message(message)),
        None if before.is_empty() => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            "the request is not valid",
        )
        .field("/messages", "empty", "there must be a message of the user")),
        message => {
            // The conversation's system prompt comes with it.
            let message = message.map(|message| Message { system: None, ..message });
            Ok(Opening::Imported { turns: before, system, message })
        }
    }
}

pub(super) fn no_such_approval() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "nothing waits for an answer under this id")
        .openai("invalid_request_error", "approval_not_found")
        .field("/approval/id", "not_found", "answered already, too old, or never asked")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use llm_api::{ModelTurn, Part, ToolCall, Turn};
    use serde_json::json;

    use super::*;
    use crate::events::{
        ApprovalRequested, Event, ModelTurnEnded, Pending, RunEnded, RunStatus, UserMessage,
    };
    use crate::openai::parse_messages;

    const RUN: &str = "run_1";

    fn said(text: &str) -> Event {
        let parts = vec![UserPart::Text(text.to_owned())];
        Event::UserMessage(UserMessage { run: RUN.to_owned(), parts, context: None, system: None })
    }

    fn model(part: Part) -> Event {
        Event::ModelTurn(ModelTurnEnded {
            run: RUN.to_owned(),
            attempt: 1,
            finish: "stop".to_owned(),
            model: "m".to_owned(),
            turn: ModelTurn::from_parts(vec![part]),
        })
    }

    fn ended(answer: &str) -> Event {
        let status = RunStatus::Completed;
        Event::RunEnded(RunEnded { run: RUN.to_owned(), status, detail: None, answer: answer.to_owned() })
    }

    fn call() -> Event {
        model(Part::ToolCall(ToolCall::new("fc_1", "delete_records", json!({}))))
    }

    /// A session in which a deletion waits, for ten seconds after 1970.
    fn asking() -> History {
        let approval = Pending {
            id: "K7Q3X9".to_owned(),
            tool: "delete_records".to_owned(),
            summary: "Delete 2?".to_owned(),
            question: "confirm".to_owned(),
            consent: json!({}),
            state: None,
            expires_at_ms: 10_000,
        };
        let requested = ApprovalRequested { run: RUN.to_owned(), call: 0, approval };
        History::of([
            said("delete them"),
            call(),
            Event::ApprovalRequested(requested),
            ended("Delete 2? (approval K7Q3X9)"),
        ])
    }

    fn conversation(messages: serde_json::Value) -> Conversation {
        let messages: Vec<_> = serde_json::from_value(messages).unwrap();
        parse_messages(&messages).unwrap()
    }

    fn user(text: &str) -> Conversation {
        conversation(json!([{"role": "user", "content": text}]))
    }

    fn ask(approval: Option<&ApprovalAnswer>, second: u64) -> Ask<'_> {
        let now = UNIX_EPOCH + Duration::from_secs(second);
        Ask { approval, names_session: true, context: String::new(), now }
    }

    #[test]
    fn a_plain_yes_goes_ahead_and_anything_else_is_a_new_message() {
        let yes = opening(&asking(), user("Yes"), &ask(None, 1)).unwrap();
        assert!(matches!(yes, Opening::Decision { approve: true }));
        for text in ["yes, but not the second", "no"] {
            assert!(matches!(opening(&asking(), user(text), &ask(None, 1)).unwrap(), Opening::Message(_)));
        }
    }

    #[test]
    fn a_yes_that_comes_too_late_is_a_message() {
        assert!(matches!(opening(&asking(), user("yes"), &ask(None, 10)).unwrap(), Opening::Message(_)));
    }

    #[test]
    fn a_yes_to_something_else_approves_nothing() {
        let other = json!([
            {"role": "user", "content": "a joke?"}, {"role": "assistant", "content": "Shall I tell you one?"}, {"role": "user", "content": "yes"},
        ]);
        let opened = opening(&asking(), conversation(other), &ask(None, 1)).unwrap();
        assert!(matches!(opened, Opening::Imported { .. }), "{opened:?}");
        let repeated = json!([
            {"role": "user", "content": "delete them"}, {"role": "assistant", "content": "Delete 2? (approval K7Q3X9)"}, {"role": "user", "content": "yes"},
        ]);
        let opened = opening(&asking(), conversation(repeated), &ask(None, 1)).unwrap();
        assert!(matches!(opened, Opening::Decision { approve: true }));
    }

    #[test]
    fn a_yes_to_a_question_that_was_never_shown_approves_nothing() {
        let mut killed = asking();
        killed.apply(&ended("Something else."));
        assert!(matches!(opening(&killed, user("yes"), &ask(None, 1)).unwrap(), Opening::Message(_)));
    }

    #[test]
    fn a_client_that_saw_only_the_beginning_of_an_answer_goes_on_with_its_session() {
        let partly = || {
            conversation(json!([
                {"role": "user", "content": "one"}, {"role": "assistant", "content": "I will "}, {"role": "user", "content": "go on"},
            ]))
        };
        let told = History::of([said("one"), model(Part::Text("1".to_owned())), ended("I will change it.")]);
        assert!(matches!(opening(&told, partly(), &ask(None, 0)).unwrap(), Opening::Message(_)));
        // Killed in the middle of a change: what the client saw is not known, what was sent must not be forgotten.
        let killed = History::of([said("one"), call()]);
        assert!(matches!(opening(&killed, partly(), &ask(None, 0)).unwrap(), Opening::Message(_)));
    }

    #[test]
    fn an_approval_counts_once_and_for_its_own_question() {
        let answer = |id: &str| {
            serde_json::from_value::<ApprovalAnswer>(json!({"id": id, "decision": "approve"})).unwrap()
        };
        let (right, wrong) = (answer("K7Q3X9"), answer("AAAAAA"));
        let none = || Conversation::default();
        assert!(matches!(
            opening(&asking(), none(), &ask(Some(&right), 1)).unwrap(),
            Opening::Decision { approve: true }
        ));
        assert!(opening(&asking(), none(), &ask(Some(&wrong), 1)).is_err());
        assert!(opening(&asking(), none(), &ask(Some(&right), 11)).is_err());
        assert!(opening(&History::default(), none(), &ask(Some(&right), 1)).is_err());
    }

    #[test]
    fn a_client_that_keeps_to_its_session_need_not_repeat_it_but_may() {
        let history = History::of([said("one"), model(Part::Text("1".to_owned())), ended("1")]);
        assert!(matches!(opening(&history, user("two"), &ask(None, 0)).unwrap(), Opening::Message(_)));
        let repeated = json!([{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}, {"role": "user", "content": "two"}]);
        let opened = opening(&history, conversation(repeated), &ask(None, 0)).unwrap();
        assert!(matches!(opened, Opening::Message(_)));
    }

    #[test]
    fn a_client_that_went_another_way_brings_its_own_conversation() {
        let history = History::of([said("one"), model(Part::Text("1".to_owned())), ended("1")]);
        let other = json!([{"role": "user", "content": "uno"}, {"role": "assistant", "content": "eins"}, {"role": "user", "content": "two"}]);
        let opened = opening(&history, conversation(other), &ask(None, 0)).unwrap();
        let Opening::Imported { turns, message: Some(_), .. } = opened else { panic!("{opened:?}") };
        assert_eq!(turns.len(), 2);
    }

    #[test]
    fn results_go_to_the_calls_that_wait_for_them() {
        let history = History::of([said("go"), call()]);
        let id = history.client_id(0).unwrap();
        let results = json!([
            {"role": "user", "content": "go"},
            {"role": "assistant", "tool_calls": [{"id": id, "function": {"name": "delete_records", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": id, "content": "done"},
        ]);
        let opened = opening(&history, conversation(results.clone()), &ask(None, 0)).unwrap();
        assert!(matches!(opened, Opening::Results { message: None, .. }));
        // Where the session is not known, the client's own conversation has to do.
        let opened = opening(&History::default(), conversation(results), &ask(None, 0)).unwrap();
        let Opening::Imported { turns, message: None, .. } = opened else { panic!("{opened:?}") };
        assert!(matches!(turns.last(), Some(Turn::ToolResults(_))));
    }

    #[test]
    fn a_request_without_a_message_is_refused() {
        assert!(opening(&History::default(), Conversation::default(), &ask(None, 0)).is_err());
    }
}
