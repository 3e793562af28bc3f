//! What the user sees: the answer on standard output, everything else on standard error; or JSON lines.

use std::io::{IsTerminal as _, Write};

use serde_json::Value;

use super::clean::{clean, clean_line};
use super::failure::Failure;
use super::wire::{Approval, Event, Summary};
use crate::settings::program;

/// Longest line about a tool call.
const LINE: usize = 160;

/// Where everything is shown.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    form: Form,
    colours: bool,
    /// The answer goes to the same place as the rest, and must not share a line with it.
    one_terminal: bool,
    /// Something of the answer stands on the last line.
    is_mid_line: bool,
    /// The answer so far.
    text: String,
}

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    People,
    /// Each event is a line of JSON on standard output.
    Json,
}

impl Screen {
    /// The process's own streams. `colours`: whether the user wants any.
    pub(crate) fn standard(form: Form, colours: bool) -> Self {
        let terminals = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
        Self::new(out, err, form, colours && terminals.1, terminals.0)
    }

    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        form: Form,
        colours: bool,
        one_terminal: bool,
    ) -> Self {
        Self { out, err, form, colours, one_terminal, is_mid_line: false, text: String::new() }
    }

    /// Something happened.
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match (self.form, event) {
            (Form::Json, Event::Text(text)) => self.json(&serde_json::json!({"type": "text", "text": text})),
            (
                Form::Json,
                Event::ToolStarted { json, .. }
                | Event::ToolFinished { json, .. }
                | Event::ApprovalRequired { json, .. }
                | Event::Other { json },
            ) => self.json(json),
            (Form::People, Event::Text(text)) => self.text(text),
            (Form::People, Event::ToolStarted { name, arguments, .. }) => {
                let arguments = if arguments.is_null() { String::new() } else { arguments.to_string() };
                self.note(&clean_line(&format!("· {name} {arguments}"), LINE))
            }
            (Form::People, Event::ToolFinished { name, status, duration_ms, preview, .. }) => {
                let colon = if preview.is_empty() { "" } else { ": " };
                let line = clean_line(&format!("{status} {name}, {duration_ms} ms{colon}{preview}"), LINE);
                self.note(&format!("  {line}"))
            }
            (Form::People, Event::ApprovalRequired { .. } | Event::Other { .. }) => Ok(()),
        }
    }

    /// The answer has ended: what it took.
    pub(crate) fn done(&mut self, summary: &Summary) -> Result<(), Failure> {
        if self.form == Form::Json {
            self.text.clear();
            return self.json(&summary.json());
        }
        self.end_answer()?;
        match summary.finish.as_deref() {
            Some("length") => self.note("The answer is cut off: it reached the bound on its length.")?,
            Some("content_filter") => self.note("The answer was withheld by the model's content filter.")?,
            _ => {}
        }
        self.note(&footer(summary))
    }

    /// What would change, unless the answer has said it.
    pub(crate) fn approval(&mut self, approval: &Approval) -> Result<(), Failure> {
        if self.form == Form::Json || self.text.contains(approval.summary.trim()) {
            return Ok(());
        }
        let text = format!("{} would change this:\n{}", approval.tool, approval.summary);
        self.write_note(&clean(&text))
    }

    /// The change waits; how to go on.
    pub(crate) fn waits(&mut self, session: Option<&str>) -> Result<(), Failure> {
        let session = session.map(|id| format!(" --session {id}")).unwrap_or_default();
        self.note(&format!(
            "Nothing was changed. To go ahead: {} chat{session} yes    (anything else declines; with --yes it would not have asked)",
            program()
        ))
    }

    /// The answer was stopped.
    pub(crate) fn cancelled(&mut self) -> Result<(), Failure> {
        if self.form == Form::Json {
            return self.json(&serde_json::json!({"type": "cancelled"}));
        }
        self.end_answer()?;
        self.note("Stopped. A change that was already on its way may have been made.")
    }

    pub(crate) fn failure(&mut self, failure: &Failure) -> Result<(), Failure> {
        if self.form == Form::Json {
            return self.json(&failure.json());
        }
        self.end_answer()?;
        let what = format!("pyairtable: {}\n  -> {}", clean(&failure.what()), clean(&failure.advice()));
        self.write_note(&what)
    }

    /// A line about what happens, in a colour that steps back. `line` must be clean.
    pub(crate) fn note(&mut self, line: &str) -> Result<(), Failure> {
        if self.form == Form::Json {
            return Ok(());
        }
        if self.colours {
            self.write_note(&format!("\u{1b}[2m{line}\u{1b}[0m"))
        } else {
            self.write_note(line)
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.text.push_str(text);
        let shown = clean(text);
        self.is_mid_line = !shown.ends_with('\n');
        self.out.write_all(shown.as_bytes()).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// The answer's last line ends, so that the next program's output, or ours, does not continue it.
    fn end_answer(&mut self) -> Result<(), Failure> {
        self.text.clear();
        if std::mem::take(&mut self.is_mid_line) {
            self.out.write_all(b"\n").and_then(|()| self.out.flush()).map_err(Failure::Output)?;
        }
        Ok(())
    }

    fn write_note(&mut self, text: &str) -> Result<(), Failure> {
        if self.one_terminal && std::mem::take(&mut self.is_mid_line) {
            self.out.write_all(b"\n").and_then(|()| self.out.flush()).map_err(Failure::Output)?;
        }
        writeln!(self.err, "{text}").and_then(|()| self.err.flush()).map_err(Failure::Output)
    }

    /// One line. What JSON leaves as it is but terminals obey is escaped as well.
    fn json(&mut self, value: &Value) -> Result<(), Failure> {
        let mut line = String::new();
        for character in value.to_string().chars() {
            match character {
                '\u{7f}'..='\u{9f}' => line.push_str(&format!("\\u{:04x}", u32::from(character))),
                other => line.push(other),
            }
        }
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Failure::Output)
    }
}

/// Tokens, cost, model, session; each as far as it is known.
fn footer(summary: &Summary) -> String {
    let mut parts = Vec::new();
    let count = |path: &str| summary.usage.pointer(path).and_then(Value::as_u64).filter(|&count| count > 0);
    if summary.usage.is_object() {
        let detail =
            |path, word| count(path).map(|count| format!(" ({} {word})", grouped(count))).unwrap_or_default();
        parts.push(format!(
            "{} tokens in{}, {} out{}",
            grouped(count("/prompt_tokens").unwrap_or(0)),
            detail("/prompt_tokens_details/cached_tokens", "cached"),
            grouped(count("/completion_tokens").unwrap_or(0)),
            detail("/completion_tokens_details/reasoning_tokens", "thinking"),
        ));
    }
    parts.push(match summary.cost["total"].as_str() {
        None => "cost unknown".to_owned(),
        Some(total) => {
            let currency = summary.cost["currency"].as_str().unwrap_or("USD");
            let amount = if currency == "USD" { format!("${total}") } else { format!("{total} {currency}") };
            if summary.is_free() { format!("{amount} list price; nothing was charged") } else { amount }
        }
    });
    parts.extend(summary.model.clone());
    if summary.emulated {
        parts.push("emulated".to_owned());
    }
    parts.extend(summary.session.as_ref().map(|session| format!("session {session}")));
    clean_line(&parts.join(" · "), 400)
}

/// 1210 as 1,210.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_line_says_what_it_took() {
        let mut summary = Summary {
            session: Some("s1".to_owned()),
            model: Some("gemini-3.8-flash".to_owned()),
            usage: json!({"prompt_tokens": 1_234_567, "completion_tokens": 86,
                "prompt_tokens_details": {"cached_tokens": 1024}, "completion_tokens_details": {"reasoning_tokens": 77}}),
            cost: json!({"currency": "USD", "total": "0.0005388"}),
            ..Summary::default()
        };
        assert_eq!(
            footer(&summary),
            "1,234,567 tokens in (1,024 cached), 86 out (77 thinking) · $0.0005388 · gemini-3.8-flash · session s1"
        );
        summary.emulated = true;
        assert!(footer(&summary).contains("$0.0005388 · gemini-3.8-flash · emulated"), "only Airtable was");
        summary.run = json!({"model_emulated": true});
        let free = "$0.0005388 list price; nothing was charged · gemini-3.8-flash · emulated";
        assert!(footer(&summary).contains(free));
        assert_eq!(footer(&Summary::default()), "cost unknown");
    }
}
