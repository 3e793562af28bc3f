//! The loop without I/O: scripted answers here, any answers in `properties`.

mod properties;

use std::time::Duration;

use llm_api::{
    Finish, LlmError, ModelTurn, Part, Reply, ToolCall, ToolChoice, ToolDefinition, Turn, Usage, UserPart,
};
use serde_json::json;

use super::replies::CORRECTION;
use super::*;

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (kind, name) in [
        (ToolKind::Read, "list_tables"),
        (ToolKind::Read, "list_records"),
        (ToolKind::Write, "update_records"),
        (ToolKind::Write, "delete_records"),
        (ToolKind::Client, "open_window"),
    ] {
        let parameters = json!({"type": "object"});
        catalog.add(kind, ToolDefinition { name: name.to_owned(), description: String::new(), parameters });
    }
    catalog
}

fn limits() -> Limits {
    Limits { steps: 5, tool_calls: 6, time: Duration::from_secs(100), tokens: 10_000 }
}

fn at(seconds: u64) -> Moment {
    Moment { elapsed: Duration::from_secs(seconds), jitter: 0.5 }
}

fn run_over(history: History) -> Run {
    Run::new("run_1".to_owned(), "m".to_owned(), history, catalog(), limits(), ToolChoice::Auto)
}

/// A run that heard "go", and has asked the model.
fn begun() -> Run {
    let mut run = run_over(History::default());
    let done = run.advance(Input::Begin(message("go")), at(0));
    assert!(matches!(done.as_slice(), [Do::Record { .. }, Do::CallModel(_)]), "{done:?}");
    run
}

fn message(text: &str) -> Opening {
    let parts = vec![UserPart::Text(text.to_owned())];
    Opening::Message(Message { parts, context: Some("[today]".to_owned()), system: None })
}

fn reply(parts: Vec<Part>, finish: Finish) -> Input {
    let usage = Usage { input_fresh: 100, output_text: 10, ..Usage::default() };
    Input::Answered(Box::new(Reply {
        turn: ModelTurn::from_parts(parts),
        finish,
        usage,
        model_version: None,
        response_id: None,
        emulated: false,
        adjustments: Vec::new(),
    }))
}

fn text(text: &str) -> Input {
    reply(vec![Part::Text(text.to_owned())], Finish::Stop)
}

fn calls(names: &[&str]) -> Input {
    let parts = names
        .iter()
        .enumerate()
        .map(|(index, name)| Part::ToolCall(ToolCall::new(format!("fc_{index}"), *name, json!({}))));
    reply(parts.collect(), Finish::ToolCalls)
}

fn ok(call: usize) -> Input {
    ended(call, ToolOutcome::Ok { content: json!({"rows": []}), preview: String::new(), emulated: false })
}

fn ended(call: usize, outcome: ToolOutcome) -> Input {
    Input::ToolEnded { call, outcome, took: Duration::from_millis(1) }
}

fn asks() -> ToolOutcome {
    ToolOutcome::Asks(Box::new(Pending {
        id: "K7Q3X9".to_owned(),
        tool: "delete_records".to_owned(),
        summary: "Delete 2 records?".to_owned(),
        question: "confirm".to_owned(),
        consent: json!({"confirm": true}),
        state: Some("state".to_owned()),
        expires_at_ms: 0,
    }))
}

/// The calls that are to be made now.
fn planned(done: &[Do]) -> Vec<(usize, &str)> {
    let batches = done.iter().filter_map(|what| match what {
        Do::Call(batch) => Some(batch),
        _ => None,
    });
    batches.flatten().map(|call| (call.index, call.tool.as_str())).collect()
}

#[track_caller]
fn model_call(done: &[Do]) -> &ModelCall {
    match done.last() {
        Some(Do::CallModel(call)) => call,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn ending(done: &[Do]) -> &Ending {
    match done.last() {
        Some(Do::End(ending)) => ending,
        other => panic!("{other:?}"),
    }
}

fn events(done: &[Do]) -> Vec<&Event> {
    let records = done.iter().filter_map(|what| match what {
        Do::Record { events, .. } => Some(events),
        _ => None,
    });
    records.flatten().collect()
}

/// What was said by us, as part of the answer.
fn said(done: &[Do]) -> String {
    let texts = done.iter().filter_map(|what| match what {
        Do::Say(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn last_results(run: &Run) -> Vec<(bool, String)> {
    let Some(Turn::ToolResults(results)) =
        run.history().turns().iter().rev().find(|turn| matches!(turn, Turn::ToolResults(_)))
    else {
        return Vec::new();
    };
    results.iter().map(|result| (result.ok, result.content.to_string())).collect()
}

#[test]
fn a_question_is_answered() {
    let mut run = begun();
    let done = run.advance(text("42"), at(1));
    assert_eq!(ending(&done).status, RunStatus::Completed);
    assert_eq!(fault(run.history().turns()), None);
    let kinds: Vec<_> = events(&done).iter().map(|event| event.store().kind).collect();
    assert_eq!(kinds, ["model_turn", "run_ended"]);
    assert!(run.advance(text("again"), at(1)).is_empty(), "nothing happens after the end");
}

#[test]
fn reads_run_side_by_side_and_writes_alone_in_their_order() {
    let mut run = begun();
    let names = ["list_tables", "list_records", "update_records", "delete_records", "list_tables"];
    let done = run.advance(calls(&names), at(1));
    assert_eq!(planned(&done), [(0, "list_tables"), (1, "list_records")]);
    assert!(
        run.advance(ok(1), at(1)).iter().all(|what| !matches!(what, Do::Call(_))),
        "0 is still under way"
    );
    let done = run.advance(ok(0), at(1));
    assert_eq!(planned(&done), [(2, "update_records")]);
    let done = run.advance(ok(2), at(1));
    assert_eq!(planned(&done), [(3, "delete_records")]);
    let done = run.advance(ok(3), at(1));
    assert_eq!(planned(&done), [(4, "list_tables")]);
    let done = run.advance(ok(4), at(1));
    assert_eq!(model_call(&done).tool_choice, ToolChoice::Auto);
    assert_eq!(fault(run.history().turns()), None);
}

#[test]
fn a_call_is_noted_before_it_is_made() {
    let mut run = begun();
    let done = run.advance(calls(&["update_records"]), at(1));
    let [Do::Record { events, usage: Some(_) }, Do::Call(_)] = done.as_slice() else { panic!("{done:?}") };
    assert!(matches!(events.as_slice(), [Event::ModelTurn(_), Event::ToolStarted(_)]), "{events:?}");
}

#[test]
fn once_cells_were_seen_every_change_needs_the_user() {
    let asked = |names: &[&str]| {
        let mut run = begun();
        let mut done = run.advance(calls(names), at(1));
        for index in 0..names.len() - 1 {
            done = run.advance(ok(index), at(1));
        }
        let Some(Do::Call(batch)) = done.pop() else { panic!("{done:?}") };
        (batch[0].tool.clone(), batch[0].ask)
    };
    assert_eq!(asked(&["update_records"]), ("update_records".to_owned(), false));
    assert_eq!(asked(&["list_tables", "update_records"]), ("update_records".to_owned(), false));
    assert_eq!(asked(&["list_records", "update_records"]), ("update_records".to_owned(), true));
}

#[test]
fn a_conversation_that_was_brought_along_may_quote_cells() {
    let mut run = run_over(History::default());
    let turns =
        vec![Turn::user("a"), Turn::Model(ModelTurn::from_parts(vec![Part::Text("cell".to_owned())]))];
    let Opening::Message(latest) = message("b") else { panic!() };
    run.advance(Input::Begin(Opening::Imported { turns, system: None, message: Some(latest) }), at(0));
    let done = run.advance(calls(&["update_records"]), at(1));
    let Some(Do::Call(batch)) = done.last() else { panic!("{done:?}") };
    assert!(batch[0].ask);
}

#[test]
fn a_change_waits_for_the_user_and_is_made_when_the_user_agrees() {
    let mut run = begun();
    run.advance(calls(&["delete_records", "update_records"]), at(1));
    let done = run.advance(ended(0, asks()), at(1));
    let end = ending(&done);
    assert_eq!(
        (end.status, end.approval.as_ref().unwrap().id.as_str()),
        (RunStatus::AwaitingApproval, "K7Q3X9")
    );
    assert!(said(&done).contains("Delete 2 records?") && said(&done).contains("(approval K7Q3X9)"));

    let mut run = run_over(run.history().clone());
    let done = run.advance(Input::Begin(Opening::Decision { approve: true }), at(0));
    let Some(Do::Call(batch)) = done.last() else { panic!("{done:?}") };
    assert_eq!(batch[0].approved.as_ref().unwrap().state.as_deref(), Some("state"));
    assert!(matches!(events(&done)[0], Event::ApprovalDecided(_)), "used up before the call is made");
    let done = run.advance(ok(0), at(1));
    assert_eq!(planned(&done), [(1, "update_records")], "the rest of the turn goes on");
    model_call(&run.advance(ok(1), at(1)));
}

#[test]
fn a_declined_change_is_not_made_and_the_model_is_told() {
    let asked = || {
        let mut run = begun();
        run.advance(calls(&["delete_records", "update_records"]), at(1));
        run.advance(ended(0, asks()), at(1));
        run.history().clone()
    };
    for opening in [Opening::Decision { approve: false }, message("no, the others")] {
        let mut run = run_over(asked());
        let done = run.advance(Input::Begin(opening), at(0));
        model_call(&done);
        assert!(planned(&done).is_empty());
        let results = last_results(&run);
        assert!(results[0].1.contains("declined") && results[1].1.contains("not run"), "{results:?}");
        assert_eq!(fault(run.history().turns()), None);
    }
}

#[test]
fn what_was_interrupted_is_closed_with_what_is_known() {
    let mut run = begun();
    run.advance(calls(&["list_records", "update_records", "delete_records"]), at(1));
    run.advance(ok(0), at(1));
    // The process ends here, with the update sent; what was recorded is all there is.
    let mut run = run_over(run.history().clone());
    let done = run.advance(Input::Begin(message("and now?")), at(0));
    assert!(said(&done).contains("update_records was interrupted"), "the user is told");
    assert!(planned(&done).is_empty(), "nothing is repeated");
    let results = last_results(&run);
    assert!(results[0].0);
    assert!(results[1].1.contains("NOT KNOWN") && results[2].1.contains("not run"), "{results:?}");
    assert_eq!(fault(run.history().turns()), None);
    model_call(&done);
}

#[test]
fn the_last_permitted_step_runs_without_tools_and_says_so() {
    let mut run = begun();
    for _ in 0..3 {
        run.advance(calls(&["list_tables"]), at(1));
        let done = run.advance(ok(0), at(1));
        assert_eq!(model_call(&done).tool_choice, ToolChoice::Auto);
    }
    run.advance(calls(&["list_tables"]), at(1));
    let done = run.advance(ok(0), at(1));
    let call = model_call(&done);
    assert_eq!(call.tool_choice, ToolChoice::None);
    assert!(call.note.is_some());
    let done = run.advance(text("What I found so far"), at(1));
    assert_eq!(ending(&done).status, RunStatus::Limited);
    assert!(said(&done).contains("5 steps"), "{}", said(&done));
}

#[test]
fn calls_beyond_the_limit_are_not_made() {
    let mut run = begun();
    let done = run.advance(calls(&["list_tables"; 8]), at(1));
    assert_eq!(planned(&done).len(), 6);
    let mut done = Vec::new();
    for index in 0..6 {
        done = run.advance(ok(index), at(1));
    }
    assert_eq!(model_call(&done).tool_choice, ToolChoice::None);
    assert!(last_results(&run)[7].1.contains("at most 6 tool calls"));
}

#[test]
fn an_unknown_tool_and_arguments_that_are_none_go_back_to_the_model() {
    let mut run = begun();
    let parts = vec![
        Part::ToolCall(ToolCall::new("a", "drop_table", json!({}))),
        Part::ToolCall(ToolCall::new("b", "default_api:list_tables", json!("x"))),
    ];
    let done = run.advance(reply(parts, Finish::ToolCalls), at(1));
    model_call(&done);
    let results = last_results(&run);
    assert!(results[0].1.contains("there is no tool drop_table; there are: delete_records"), "{results:?}");
    assert!(results[1].1.contains("must be a JSON object"), "{results:?}");
}

#[test]
fn a_malformed_call_is_asked_for_again_then_corrected_then_given_up() {
    let malformed = || {
        reply(Vec::new(), Finish::Malformed { reason: "MALFORMED_FUNCTION_CALL".to_owned(), message: None })
    };
    let mut run = begun();
    let done = run.advance(malformed(), at(1));
    assert_eq!((model_call(&done).note, &model_call(&done).tool_choice), (None, &ToolChoice::Auto));
    let done = run.advance(malformed(), at(1));
    assert_eq!(
        (model_call(&done).note, &model_call(&done).tool_choice),
        (Some(CORRECTION), &ToolChoice::Required)
    );
    let done = run.advance(malformed(), at(1));
    assert!(matches!(ending(&done).failure, Some(Failure::Malformed { .. })));
    let counted = |done: &[Do]| done.iter().any(|what| matches!(what, Do::Record { usage: Some(_), .. }));
    assert!(counted(&done), "failed attempts cost too");
}

#[test]
fn who_wants_no_tool_calls_gets_none_also_after_malformed_answers() {
    let mut run = Run::new(
        "run_1".to_owned(),
        "m".to_owned(),
        History::default(),
        catalog(),
        limits(),
        ToolChoice::None,
    );
    let mut done = run.advance(Input::Begin(message("go")), at(0));
    for _ in 0..2 {
        assert_eq!(model_call(&done).tool_choice, ToolChoice::None);
        let finish = Finish::Malformed { reason: "MALFORMED_FUNCTION_CALL".to_owned(), message: None };
        done = run.advance(reply(Vec::new(), finish), at(1));
    }
    assert_eq!((model_call(&done).note, &model_call(&done).tool_choice), (None, &ToolChoice::None));
}

#[test]
fn an_empty_answer_is_no_answer() {
    let empty = || reply(Vec::new(), Finish::Stop);
    let mut run = begun();
    model_call(&run.advance(empty(), at(1)));
    model_call(&run.advance(reply(vec![Part::Thought("hm".to_owned())], Finish::Stop), at(1)));
    assert!(matches!(ending(&run.advance(empty(), at(1))).failure, Some(Failure::Empty)));
}

#[test]
fn calls_of_a_cut_off_answer_are_not_made() {
    let mut run = begun();
    let parts = vec![Part::ToolCall(ToolCall::new("a", "delete_records", json!({})))];
    let done = run.advance(reply(parts, Finish::Length), at(1));
    assert_eq!(ending(&done).status, RunStatus::Truncated);
    assert!(planned(&done).is_empty() && last_results(&run)[0].1.contains("cut off"));
    assert!(said(&done).contains("used up the room"));
}

#[test]
fn a_blocked_question_is_taken_out_and_what_was_done_for_it_is_told() {
    let mut run = begun();
    run.advance(calls(&["update_records"]), at(1));
    run.advance(ok(0), at(1));
    let done = run
        .advance(reply(Vec::new(), Finish::PromptBlocked { reason: "PROHIBITED_CONTENT".to_owned() }), at(1));
    assert_eq!(ending(&done).status, RunStatus::Blocked);
    assert!(ending(&done).refusal.as_ref().unwrap().contains("PROHIBITED_CONTENT"));
    assert!(run.history().is_empty());
    let mut run = run_over(run.history().clone());
    run.advance(Input::Begin(message("something else")), at(0));
    let told = serde_json::to_string(run.history().turns()).unwrap();
    assert!(told.contains("update_records: ok") && !told.contains("\"go\""), "{told}");
}

#[test]
fn a_busy_model_is_waited_for_as_it_advises_and_not_for_ever() {
    let busy = |seconds| LlmError::RateLimited {
        message: String::new(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let failed = |seconds| Input::Failed { error: busy(seconds), shown: String::new() };
    let mut run = begun();
    for _ in 0..4 {
        let done = run.advance(failed(3), at(1));
        assert!(matches!(done.last(), Some(Do::Wait(wait)) if *wait == Duration::from_secs(3)), "{done:?}");
        model_call(&run.advance(Input::Waited, at(4)));
    }
    assert!(matches!(ending(&run.advance(failed(3), at(20))).failure, Some(Failure::Model(_))));
    let mut run = begun();
    let done = run.advance(failed(90), at(20));
    assert!(matches!(ending(&done).failure, Some(Failure::Model(_))), "no time would be left");
}

#[test]
fn a_days_quota_is_not_asked_for_again() {
    let mut run = begun();
    let error = LlmError::QuotaExhausted { message: String::new() };
    let done = run.advance(Input::Failed { error, shown: String::new() }, at(1));
    assert!(matches!(ending(&done).failure, Some(Failure::Model(LlmError::QuotaExhausted { .. }))));
}

#[test]
fn an_answer_that_broke_off_is_asked_for_again_only_if_nobody_saw_it() {
    let cut = || LlmError::CutStream { usage: Usage::default() };
    let mut run = begun();
    model_call(&run.advance(Input::Failed { error: cut(), shown: String::new() }, at(1)));
    run.shown("Ada has");
    let done = run.advance(Input::Failed { error: cut(), shown: "Ada has".to_owned() }, at(1));
    assert!(matches!(ending(&done).failure, Some(Failure::Model(_))));
    assert!(matches!(run.history().turns().last(), Some(Turn::Model(turn)) if turn.text() == "Ada has"));
}

#[test]
fn a_conversation_that_is_too_long_loses_its_beginning_once() {
    let too_long =
        || Input::Failed { error: LlmError::ContextTooLong { message: String::new() }, shown: String::new() };
    let mut run = begun();
    assert!(ending(&run.advance(too_long(), at(1))).failure.is_some(), "one message cannot be shortened");
    let mut history = History::default();
    for _ in 0..4 {
        let mut run = run_over(history);
        run.advance(Input::Begin(message("one")), at(0));
        run.advance(text("1"), at(0));
        history = run.history().clone();
    }
    let mut run = run_over(history);
    run.advance(Input::Begin(message("last")), at(0));
    let done = run.advance(too_long(), at(1));
    model_call(&done);
    assert!(said(&done).contains("its beginning was left out"));
    assert_eq!((run.history().turns().len(), fault(run.history().turns())), (5, None));
}

#[test]
fn who_leaves_stops_everything_but_a_change_that_was_sent() {
    let mut run = begun();
    run.advance(calls(&["update_records", "list_tables"]), at(1));
    assert!(run.advance(Input::Left, at(1)).is_empty(), "the update is under way");
    let done = run.advance(ok(0), at(2));
    assert_eq!(ending(&done).status, RunStatus::Cancelled);
    assert!(ending(&done).changed);
    let results = last_results(&run);
    assert!(results[0].0 && results[1].1.contains("not run"), "{results:?}");
    assert_eq!(fault(run.history().turns()), None);
}

#[test]
fn an_answer_that_nobody_waits_for_is_counted_and_kept_as_far_as_it_was_shown() {
    let mut run = begun();
    let usage = Usage { input_fresh: 100, output_text: 3, ..Usage::default() };
    let done = run.advance(Input::Stopped { by: Leaving::Left, usage, shown: "Ada has".to_owned() }, at(1));
    let counted = done.iter().find_map(|what| match what {
        Do::Record { usage, .. } => usage.as_ref(),
        _ => None,
    });
    assert_eq!(counted.unwrap().usage, usage);
    assert_eq!(ending(&done).status, RunStatus::Cancelled);
    let Some(Turn::Model(kept)) = run.history().turns().last() else { panic!("{run:?}") };
    assert_eq!(kept.text(), "Ada has");
}

#[test]
fn a_change_without_an_answer_is_said_to_be_of_unknown_outcome() {
    let mut run = begun();
    run.advance(calls(&["update_records"]), at(1));
    let done = run.advance(ended(0, ToolOutcome::Unknown { why: "the connection to the tool broke" }), at(2));
    model_call(&done);
    assert!(said(&done).contains("not known whether update_records"));
    assert!(last_results(&run)[0].1.contains("NOT KNOWN"));

    let mut run = begun();
    run.advance(calls(&["update_records"]), at(1));
    let unclear = ToolOutcome::Unclear { content: "Do not repeat it".into(), preview: String::new() };
    let done = run.advance(ended(0, unclear), at(2));
    assert!(said(&done).contains("not known whether update_records"));
    assert_eq!(last_results(&run)[0], (false, "\"Do not repeat it\"".to_owned()));
}

#[test]
fn a_clients_own_tools_are_handed_over_after_the_servers() {
    let mut run = begun();
    let done = run.advance(calls(&["open_window", "list_tables"]), at(1));
    assert_eq!(planned(&done), [(1, "list_tables")]);
    let done = run.advance(ok(1), at(1));
    let end = ending(&done);
    assert_eq!(end.status, RunStatus::ClientTools);
    let id = end.client_calls[0].id.clone();
    assert_eq!(end.client_calls.len(), 1);

    let mut run = run_over(run.history().clone());
    let results = vec![(id, json!("opened"))];
    let done = run.advance(Input::Begin(Opening::Results { results, message: None }), at(0));
    model_call(&done);
    assert_eq!(last_results(&run)[0], (true, "\"opened\"".to_owned()));
    assert_eq!(fault(run.history().turns()), None);
}

#[test]
fn tokens_and_time_have_limits() {
    let mut run = begun();
    let usage = Usage { input_fresh: 6_000, ..Usage::default() };
    let Input::Answered(mut large) = calls(&["list_tables"]) else { panic!() };
    large.usage = usage;
    run.advance(Input::Answered(large), at(1));
    assert_eq!(
        model_call(&run.advance(ok(0), at(1))).tool_choice,
        ToolChoice::None,
        "the next call would be too much"
    );

    let mut run = begun();
    run.advance(calls(&["list_tables"]), at(1));
    assert_eq!(model_call(&run.advance(ok(0), at(85))).tool_choice, ToolChoice::None);
    let done = run.advance(Input::TimeUp, at(100));
    assert!(matches!(ending(&done).failure, Some(Failure::TimeUp)));
}
