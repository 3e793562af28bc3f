use serde_json::{Value, json};

use super::*;
use crate::gemini::reply::{Piece, Reply};

fn script(value: Value) -> Script {
    Script::from_value(&value).unwrap_or_else(|error| panic!("{error}"))
}

fn prompt(contents: Value) -> Prompt {
    let body = json!({"contents": contents});
    Prompt::read(body.as_object().unwrap()).unwrap()
}

fn user(text: &str) -> Prompt {
    prompt(json!([{"role": "user", "parts": [{"text": text}]}]))
}

fn with_result(name: &str, response: Value) -> Prompt {
    prompt(json!([
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": name, "response": response}}]},
    ]))
}

#[track_caller]
fn said(outcome: Outcome) -> String {
    match outcome {
        Outcome::Reply(reply) => match reply.pieces.as_slice() {
            [Piece::Text(texts)] => texts.concat(),
            other => panic!("{other:?}"),
        },
        Outcome::Error(error) => format!("error: {}", error.message),
        Outcome::Blocked(reason) => format!("blocked: {reason}"),
    }
}

#[test]
fn turns_answer_in_order_and_a_script_that_has_run_out_says_so() {
    let turns = json!({"turns": [{"reply": {"text": "one"}}, {"times": 2, "reply": {"text": ["t", "wo"]}}]});
    let mut play = Play::new(script(turns));
    let mut ask = || said(play.answer(&user("hi"), "m", "k"));
    assert_eq!([ask(), ask(), ask()], ["one", "two", "two"]);
    assert_eq!(ask(), "error: the emulator's script has run out; the user said \"hi\"");
}

#[test]
fn conditions_choose_a_turn() {
    let turns = json!({"turns": [
        {"times": "always", "when": {"user": {"equals": "a"}}, "reply": {"text": "A"}},
        {"times": "always", "when": {"user": {"regex": "^b+$"}, "tool_result": false}, "reply": {"text": "B"}},
        {"times": "always", "when": {"tool_result": {"name": "f", "contains": "7"}, "step": 2}, "reply": {"text": "F"}},
        {"times": "always", "when": {"tool_result": {"error": true}}, "reply": {"text": "E"}},
        {"when": {"tools": ["f"]}, "reply": {"text": "declared"}},
    ]});
    let mut play = Play::new(script(turns));
    let mut ask = |prompt: Prompt| said(play.answer(&prompt, "m", "k"));
    assert_eq!(ask(user("a")), "A");
    assert_eq!(ask(user("bbb")), "B");
    assert_eq!(ask(with_result("f", json!({"output": 7}))), "F");
    assert_eq!(ask(with_result("g", json!({"error": "no"}))), "E");
    assert!(ask(user("c")).contains("no turn for this request"));
    let declared = json!({"contents": [{"parts": [{"text": "c"}]}], "tools": [{"functionDeclarations": [{"name": "f"}]}]});
    assert_eq!(ask(Prompt::read(declared.as_object().unwrap()).unwrap()), "declared");
}

#[test]
fn each_conversation_can_have_its_own_course_and_order_can_be_strict() {
    let turns = json!([{"reply": {"text": "one"}}, {"reply": {"text": "two"}}]);
    let mut play = Play::new(script(json!({"per": "conversation", "turns": turns})));
    let mut ask = |text: &str| said(play.answer(&user(text), "m", "k"));
    assert_eq!([ask("x"), ask("y"), ask("x"), ask("y")], ["one", "one", "two", "two"]);

    let turns = json!([{"name": "first", "when": {"user": "x"}, "reply": {"text": "one"}}, {"reply": {"text": "two"}}]);
    let mut play = Play::new(script(json!({"order": "strict", "turns": turns})));
    let mut ask = |text: &str| said(play.answer(&user(text), "m", "k"));
    assert!(ask("y").contains("the next is turns[0] (first), whose conditions do not hold"));
    assert_eq!([ask("x"), ask("y")], ["one", "two"]);
}

#[test]
fn values_are_taken_out_of_tool_results() {
    let turns = json!({"turns": [{"reply": {
        "text": "{{result.0.bases.0.name}} for {{user}}",
        "calls": [{"name": "g", "args": {"base": "{{result.f.bases.0.id}}", "all": "{{result.0.bases}}"}}],
    }}]});
    let mut play = Play::new(script(turns));
    let output = json!({"output": {"bases": [{"id": "app1", "name": "One"}]}});
    let Outcome::Reply(reply) = play.answer(&with_result("f", output), "m", "k") else { panic!() };
    assert_eq!(reply.pieces[0], Piece::Text(vec!["One for go".to_owned()]));
    let Piece::Call(call) = &reply.pieces[1] else { panic!() };
    assert_eq!(call.args, json!({"base": "app1", "all": [{"id": "app1", "name": "One"}]}));

    let mut play = Play::new(script(json!({"turns": [{"reply": {"text": "{{result.0.nothing}}"}}]})));
    let problem = said(play.answer(&with_result("f", json!({"output": "{\"a\": 1}"})), "m", "k"));
    assert!(problem.contains("{{result.0.nothing}}: there is no \"nothing\""), "{problem}");
}

#[test]
fn every_problem_of_a_script_is_told_with_its_path() {
    let bad = json!({
        "turn": [],
        "per": "day",
        "turns": [
            {"reply": {"text": 5}},
            {"when": {"user": {"regex": "("}, "stepp": 1}, "reply": {"text": "x", "json": {}}},
            {"times": 0, "reply": {"calls": [{"args": {}}, {"name": "f", "args": {"a": ["{{what}}"]}}]}},
            {"reply": {"error": {"code": 200, "quota": "hour"}}},
            {"reply": {"text": "x", "cut": {"how": "nicely"}}},
            {"reply": {}},
            {},
        ],
    });
    let told = Script::from_value(&bad).unwrap_err().to_string();
    for problem in [
        "turn: is not known here; known are turns, per, order",
        "per: must be all or conversation",
        "turns[0].reply.text: must be a string or a list of strings",
        "turns[1].when.user.regex: is no regular expression",
        "turns[1].when.stepp: is not known here",
        "turns[1].reply: has text and json, which exclude each other",
        "turns[2].times: must be a number from 1 on",
        "turns[2].reply.calls[0]: needs a name",
        "turns[2].reply.calls[1].args.a[0]: {{what}} is no template",
        "turns[3].reply.error.code: must be a status from 400 to 599",
        "turns[3].reply.error.quota: must be minute, tokens or day",
        "turns[4].reply.cut.how: must be connection, inside_chunk or body",
        "turns[5].reply: says nothing",
        "turns[6]: needs a reply",
    ] {
        assert!(told.contains(problem), "{problem}\nin {told}");
    }
}

#[test]
fn a_refused_quota_has_details_and_a_plain_429_has_none() {
    let turns = json!({"turns": [
        {"reply": {"error": {"code": 429, "quota": "day", "retry_after_ms": 1500}}},
        {"reply": {"error": {"code": 429}}},
        {"reply": {"block": "SAFETY"}},
        {"reply": {"malformed": true}},
    ]});
    let mut play = Play::new(script(turns));
    let mut ask = || play.answer(&user("x"), "gemini-3.8-flash", "k");
    match ask() {
        Outcome::Error(error) => {
            assert_eq!(error.details[2]["retryDelay"], "1.5s");
            assert!(error.details[0]["violations"][0]["quotaId"].as_str().unwrap().contains("PerDay"));
        }
        other => panic!("{other:?}"),
    }
    match ask() {
        Outcome::Error(error) => assert!(error.details.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(), Outcome::Blocked("SAFETY".to_owned()));
    let malformed = Reply {
        finish_message: Some("Malformed function call".to_owned()),
        ..Reply::empty("MALFORMED_FUNCTION_CALL")
    };
    assert_eq!(ask(), malformed.into());
}
