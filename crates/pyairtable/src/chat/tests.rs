//! The conversation in a terminal: somebody types, presses Ctrl-C, says yes or no.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::*;

#[path = "../../tests/it/support/orchestrator.rs"]
mod orchestrator;

use orchestrator::{Orchestrator, Reply, asks, says, text};

#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shown {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Terminal {
    server: Orchestrator,
    /// Both streams, as they mix on a terminal.
    shown: Shown,
    pressed: UnboundedSender<()>,
    conversation: Option<Conversation>,
}

impl Terminal {
    /// Somebody who types these lines; then the end.
    async fn new(consent: Consent, lines: &[Line], replies: impl IntoIterator<Item = Reply>) -> Self {
        let server = Orchestrator::start(replies).await;
        let shown = Shown::default();
        let screen = Screen::new(Box::new(shown.clone()), Box::new(shown.clone()), Form::People, false, true);
        let (pressed, interrupts) = Interrupts::by_hand();
        let mut lines: VecDeque<Line> = lines.iter().cloned().collect();
        let mut prompts = shown.clone();
        let conversation = Conversation {
            client: Client::new(&server.url, "pya_test".to_owned().into()).unwrap(),
            screen,
            input: Input::new(move |prompt| {
                let line = lines.pop_front().unwrap_or(Line::End);
                writeln!(prompts, "{}{line:?}", prompt.text).unwrap();
                line
            }),
            interrupts,
            consent,
            session: None,
            model: None,
        };
        Self { server, shown, pressed, conversation: Some(conversation) }
    }

    async fn hold(&mut self) -> u8 {
        self.conversation.take().unwrap().hold(Mode::Typed).await
    }
}

fn typed(text: &str) -> Line {
    Line::Text(text.to_owned())
}

fn decisions(seen: &[Value]) -> Vec<Value> {
    seen.iter().filter_map(|body| body.get("approval").cloned()).collect()
}

#[tokio::test]
async fn questions_share_a_session_and_the_end_of_input_leaves() {
    let lines = [typed("one"), typed("  "), typed("two")];
    let mut terminal = Terminal::new(Consent::Ask, &lines, [says("First."), says("Second.")]).await;
    assert_eq!(terminal.hold().await, 0);
    let seen = terminal.server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].get("session_id"), &seen[1]["session_id"]), (None, &json!("s1")));
    assert!(terminal.server.head().contains("authorization: Bearer pya_test\r\n"));
    let shown = terminal.shown.text();
    assert!(
        shown.contains("First.\n1,210 tokens in, 86 out · $0.0005388 list price; nothing was charged"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_change_is_made_after_a_yes_only() {
    for (answer, decision) in [
        (typed("y"), "approve"),
        (typed(" YES "), "approve"),
        (typed("n"), "decline"),
        (typed(""), "decline"),
        (typed("yes please"), "decline"),
        (Line::Interrupted, "decline"),
        (Line::End, "decline"),
    ] {
        let lines = [typed("delete the old ones"), answer.clone()];
        let replies = [asks("K7Q3X9", "3 records of Tasks would be deleted"), says("So be it.")];
        let mut terminal = Terminal::new(Consent::Ask, &lines, replies).await;
        terminal.hold().await;
        let expected = json!({"id": "K7Q3X9", "decision": decision});
        assert_eq!(decisions(&terminal.server.seen()), [expected], "{answer:?}");
        let shown = terminal.shown.text();
        let (summary, prompt) =
            (shown.find("3 records of Tasks").unwrap(), shown.find("Go ahead? [y/N]").unwrap());
        assert!(summary < prompt, "{shown}");
    }
}

#[tokio::test]
async fn one_question_may_ask_more_than_once_but_not_for_ever() {
    let lines: Vec<Line> = std::iter::once(typed("x")).chain((0..100).map(|_| typed("y"))).collect();
    let replies = (0..100).map(|number| asks(&number.to_string(), "more"));
    let mut terminal = Terminal::new(Consent::Ask, &lines[..4], replies).await;
    terminal.hold().await;
    assert_eq!(decisions(&terminal.server.seen()).len(), 4, "three yes, and a no at the end of input");

    let replies = (0..100).map(|number| asks(&number.to_string(), "more"));
    let mut terminal = Terminal::new(Consent::Ask, &lines, replies).await;
    terminal.hold().await;
    assert!(terminal.shown.text().contains("one confirmation after the other"));
}

#[tokio::test]
async fn ctrl_c_stops_the_answer_and_a_second_one_leaves() {
    let replies = [Reply::hangs(&[text("I begin")])];
    let mut terminal =
        Terminal::new(Consent::Ask, &[typed("x"), Line::Interrupted, typed("never")], replies).await;
    let (shown, pressed) = (terminal.shown.clone(), terminal.pressed.clone());
    let presses = async {
        while !shown.text().contains("I begin") {
            tokio::task::yield_now().await;
        }
        pressed.send(()).unwrap();
    };
    let (code, ()) = tokio::join!(terminal.hold(), presses);
    assert_eq!(code, EXIT_INTERRUPTED);
    terminal.server.hung_up().await;
    assert!(terminal.shown.text().contains("I begin\nStopped."), "{}", terminal.shown.text());
    assert_eq!(terminal.server.seen().len(), 1);
}

#[tokio::test]
async fn ctrl_c_on_an_empty_line_asks_first() {
    let lines = [Line::Interrupted, typed("hi"), Line::Interrupted, Line::Interrupted];
    let mut terminal = Terminal::new(Consent::Ask, &lines, [says("Hello.")]).await;
    assert_eq!(terminal.hold().await, EXIT_INTERRUPTED);
    assert_eq!(terminal.server.seen().len(), 1);
    assert_eq!(terminal.shown.text().matches("Ctrl-C again, or Ctrl-D, leaves.").count(), 2);
}

#[tokio::test]
async fn a_failure_does_not_end_the_conversation() {
    let busy = r#"{"error":{"message":"a run is under way","type":"conflict_error","code":"session_busy"}}"#;
    let replies = [
        Reply::plain("409 Conflict", "content-type: application/json", busy),
        Reply::cut(&[text("half")]),
        says("Whole."),
    ];
    let mut terminal = Terminal::new(Consent::Ask, &[typed("a"), typed("b"), typed("c")], replies).await;
    assert_eq!(terminal.hold().await, 0);
    let shown = terminal.shown.text();
    for expected in [
        "pyairtable: a run is under way\n  -> another question",
        "half\npyairtable: the answer broke off",
        "Whole.\n",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
}
