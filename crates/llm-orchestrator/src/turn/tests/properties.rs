//! Whatever a model, a tool, a client or a machine does.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Something that a model, a tool or a client does, whatever the state.
#[derive(Debug, Clone)]
enum Happens {
    Answer(Vec<u8>, u8),
    Fails(u8, bool),
    Tool(u8),
    Leaves,
    Late,
    /// The process ends, and the user asks again.
    Crash(u8),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (prop::collection::vec(0..8_u8, 0..5), 0..8_u8).prop_map(|(parts, finish)| Happens::Answer(parts, finish)),
        2 => (0..7_u8, any::<bool>()).prop_map(|(kind, shown)| Happens::Fails(kind, shown)),
        6 => (0..5_u8).prop_map(Happens::Tool),
        1 => Just(Happens::Leaves),
        1 => Just(Happens::Late),
        1 => (0..4_u8).prop_map(Happens::Crash),
    ]
}

fn any_reply(parts: &[u8], finish: u8) -> Input {
    let names =
        ["list_tables", "list_records", "update_records", "delete_records", "open_window", "no_such_tool"];
    let parts = parts.iter().enumerate().map(|(index, kind)| match kind {
        6 => Part::Text("text".to_owned()),
        7 => Part::Thought("thought".to_owned()),
        kind => Part::ToolCall(ToolCall::new(format!("fc_{index}"), names[usize::from(*kind)], json!({}))),
    });
    let word = || "WORD".to_owned();
    let finish = match finish {
        0 | 1 => Finish::ToolCalls,
        2 => Finish::Stop,
        3 => Finish::Length,
        4 => Finish::ContentFilter { reason: word() },
        5 => Finish::PromptBlocked { reason: word() },
        6 => Finish::Malformed { reason: word(), message: None },
        _ => Finish::Other(word()),
    };
    let malformed = matches!(finish, Finish::Malformed { .. });
    reply(parts.filter(|_| !malformed).collect(), finish)
}

fn any_error(kind: u8) -> LlmError {
    let message = String::new;
    match kind {
        0 => LlmError::RateLimited { message: message(), retry_after: None },
        1 => LlmError::CutStream { usage: Usage::default() },
        2 => LlmError::ContextTooLong { message: message() },
        3 => LlmError::SignatureRejected { message: message() },
        4 => LlmError::QuotaExhausted { message: message() },
        5 => LlmError::Protocol { message: message() },
        _ => LlmError::Overloaded { message: message(), retry_after: None },
    }
}

fn any_outcome(kind: u8) -> ToolOutcome {
    match kind {
        0 | 1 => ToolOutcome::Ok { content: json!({"rows": []}), preview: String::new(), emulated: false },
        2 => ToolOutcome::Error { content: "no such table".into(), preview: String::new() },
        3 => asks(),
        _ => ToolOutcome::Unknown { why: "it broke" },
    }
}

fn any_opening(kind: u8, history: &History) -> Opening {
    match kind {
        1 if history.asking().is_some() => Opening::Decision { approve: true },
        2 if history.asking().is_some() => Opening::Decision { approve: false },
        3 if history.open().is_some() => {
            let id = history.client_id(0).unwrap_or_default();
            Opening::Results { results: vec![(id, Value::Null)], message: None }
        }
        _ => message("next"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens: each request to the model is valid for every vendor, what was recorded gives the same conversation
    /// again, changes run alone, and every run ends.
    #[test]
    fn every_reachable_history_is_valid(script in prop::collection::vec(happens(), 1..60)) {
        let mut record: Vec<Event> = Vec::new();
        let mut run = run_over(History::default());
        let mut under_way: Vec<PlannedCall> = Vec::new();
        let mut pending: Vec<Do> = run.advance(Input::Begin(message("go")), at(0));
        let mut waits_for_model = false;
        let mut has_ended;
        for happens in script {
            has_ended = false;
            for what in std::mem::take(&mut pending) {
                match what {
                    Do::Record { events, .. } => record.extend(events),
                    Do::Say(_) => {}
                    Do::Wait(_) => { waits_for_model = true; }
                    Do::CallModel(_) => {
                        waits_for_model = true;
                        prop_assert!(run.history().open().is_none());
                        prop_assert_eq!(fault(run.history().turns()), None);
                        prop_assert!(!matches!(run.history().turns().last(), None | Some(Turn::Model(_))), "it is the model's turn");
                    }
                    Do::Call(batch) => {
                        prop_assert!(under_way.is_empty());
                        prop_assert!(batch.len() == 1 || batch.iter().all(|call| !call.writes));
                        under_way = batch;
                    }
                    Do::End(_) => has_ended = true,
                }
            }
            // What is stored is what is known.
            let again = History::of(record.iter().map(|event| {
                let NewEventParts { kind, body } = stored(event);
                Event::read(storage::EventRecord { seq: 1, kind, body, at: std::time::SystemTime::UNIX_EPOCH }).unwrap()
            }));
            prop_assert_eq!(again.turns(), run.history().turns());
            prop_assert_eq!(again.is_tainted(), run.history().is_tainted());

            let input = match (&happens, has_ended) {
                (Happens::Crash(kind), _) | (Happens::Tool(kind), true) => {
                    under_way.clear();
                    waits_for_model = false;
                    let opening = any_opening(*kind, &again);
                    run = run_over(again);
                    pending = run.advance(Input::Begin(opening), at(0));
                    continue;
                }
                (_, true) => {
                    run = run_over(again);
                    pending = run.advance(Input::Begin(message("next")), at(0));
                    waits_for_model = false;
                    continue;
                }
                (Happens::Answer(parts, finish), false) if waits_for_model => any_reply(parts, *finish),
                (Happens::Fails(kind, shown), false) if waits_for_model => {
                    let shown = if *shown { "partial".to_owned() } else { String::new() };
                    Input::Failed { error: any_error(*kind), shown }
                }
                (Happens::Tool(kind), false) if !under_way.is_empty() => {
                    let call = under_way.remove(0);
                    // Only what changes something asks, or is of unknown outcome.
                    let kind = if call.writes { *kind } else { kind % 3 };
                    ended(call.index, any_outcome(kind))
                }
                (Happens::Leaves | Happens::Late, false) if waits_for_model => {
                    let by = if matches!(happens, Happens::Leaves) { Leaving::Left } else { Leaving::TimeUp };
                    Input::Stopped { by, usage: Usage::default(), shown: "partial".to_owned() }
                }
                (Happens::Leaves, false) => Input::Left,
                (Happens::Late, false) => Input::TimeUp,
                _ => continue,
            };
            waits_for_model = false;
            pending = run.advance(input, at(1));
        }
    }
}

struct NewEventParts {
    kind: String,
    body: Value,
}

fn stored(event: &Event) -> NewEventParts {
    let stored = event.store();
    NewEventParts { kind: stored.kind, body: stored.body }
}
