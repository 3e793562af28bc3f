//! `pyairtable chat`: questions about bases, in the terminal.

mod clean;
mod client;
mod failure;
mod input;
mod screen;
mod wire;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use service_kit::config::environment;

use crate::local_key;
use crate::settings::Settings;
use client::Client;
use failure::Failure;
use input::{Input, Interrupts, Line, Prompt};
use screen::{Form, Screen};
use wire::{Approval, Say, Summary};

/// The exit code of an answer that waits for the user's word on a change.
const EXIT_ASKS: u8 = 3;

/// By custom 128 and the signal's number.
const EXIT_INTERRUPTED: u8 = 130;

/// More changes than anybody confirms one by one in one answer.
const MOST_APPROVALS: usize = 50;

#[derive(Args)]
#[command(after_help = "\
Without a question: a conversation in the terminal, or, from a pipe, one question per line.
The answer goes to standard output, everything else to standard error.
Before anything is deleted, or many rows are changed, it asks. Where nobody can be asked it stops with exit code 3, says what
would change and how to go ahead. --yes approves all of that unseen: a model that misunderstands then deletes what it likes.
Exit codes: 0 answered, 1 failed, 3 waits for a yes, 78 wrong settings, 130 interrupted.")]
pub(crate) struct Arguments {
    /// What to ask.
    question: Vec<String>,
    /// Go on with an earlier conversation; its id is shown after each answer.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The model to ask, instead of the orchestrator's own choice.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print each event as a line of JSON.
    #[arg(long)]
    json: bool,
    /// Approve every delete and bulk change without asking. Dangerous: nobody looks at what is about to be lost.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let source = environment()?;
    let settings = Settings::from_source(&source)?;
    let is_set = |name: &str| source(name).is_some_and(|value| !value.is_empty());
    let colours = !is_set("NO_COLOR") && source("TERM").is_none_or(|terminal| terminal != "dumb");
    let form = if arguments.json { Form::Json } else { Form::People };
    let mut screen = Screen::standard(form, colours);
    let client = match client(&settings)? {
        Ok(client) => client,
        Err(failure) => return Ok(failed(&mut screen, &failure)),
    };

    let is_typed = std::io::stdin().is_terminal();
    let question = arguments.question.join(" ");
    let mode = match (question.trim().is_empty(), is_typed) {
        (false, _) => Mode::Once(question),
        (true, true) => Mode::Typed,
        (true, false) => Mode::Piped,
    };
    let somebody_is_there = is_typed && std::io::stderr().is_terminal() && form == Form::People;
    let consent = match (arguments.yes, &mode) {
        (true, _) => Consent::Always,
        (false, Mode::Once(_) | Mode::Typed) if somebody_is_there => Consent::Ask,
        (false, _) => Consent::Later,
    };
    let conversation = Conversation {
        client,
        screen,
        input: if is_typed { Input::terminal(&settings.data_dir) } else { Input::pipe() },
        interrupts: Interrupts::listen()?,
        consent,
        session: arguments.session,
        model: arguments.model,
    };
    Ok(conversation.hold(mode).await.into())
}

/// The key is the setting's, else this machine's own.
fn client(settings: &Settings) -> anyhow::Result<Result<Client, Failure>> {
    let key = match &settings.api_key {
        Some(secret) => Some(secret.current()),
        None => local_key::read(&settings.data_dir)?.map(|key| key.expose().to_owned().into()),
    };
    Ok(match key {
        Some(key) => Client::new(&settings.chat_url, key),
        None => Err(Failure::NoKey { data_dir: settings.data_dir.clone() }),
    })
}

fn failed(screen: &mut Screen, failure: &Failure) -> ExitCode {
    // A screen that cannot be written to is the failure itself.
    let _ = screen.failure(failure);
    ExitCode::FAILURE
}

/// Where the questions come from.
#[derive(Debug)]
enum Mode {
    Once(String),
    Typed,
    Piped,
}

/// What becomes of a change that needs the user's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consent {
    /// The user is asked.
    Ask,
    /// It goes ahead.
    Always,
    /// It waits for the next line, or for another call of this command.
    Later,
}

/// How a question ended.
#[derive(Debug)]
enum Ended {
    Answered,
    Asks,
    Cancelled,
}

struct Conversation {
    client: Client,
    screen: Screen,
    input: Input,
    interrupts: Interrupts,
    consent: Consent,
    session: Option<String>,
    model: Option<String>,
}

impl Conversation {
    async fn hold(mut self, mode: Mode) -> u8 {
        let ended = match mode {
            Mode::Once(question) => self.once(question).await,
            Mode::Typed => self.typed().await,
            Mode::Piped => self.piped().await,
        };
        ended.unwrap_or_else(|failure| {
            let _ = self.screen.failure(&failure);
            1
        })
    }

    async fn once(&mut self, question: String) -> Result<u8, Failure> {
        Ok(match self.turn(question).await? {
            Ended::Answered => 0,
            Ended::Cancelled => EXIT_INTERRUPTED,
            Ended::Asks => {
                self.screen.waits(self.session.as_deref())?;
                EXIT_ASKS
            }
        })
    }

    /// A failed question ends it: the following ones may rest on its answer.
    async fn piped(&mut self) -> Result<u8, Failure> {
        let mut asks = false;
        loop {
            let line = tokio::select! {
                line = self.input.line(Prompt { text: "", is_question: true }) => line,
                () = self.interrupts.next() => Line::Interrupted,
            };
            match line {
                Line::Interrupted => return Ok(EXIT_INTERRUPTED),
                Line::End if asks => {
                    self.screen.waits(self.session.as_deref())?;
                    return Ok(EXIT_ASKS);
                }
                Line::End => return Ok(0),
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => match self.turn(text.trim().to_owned()).await? {
                    Ended::Answered => asks = false,
                    // The next line is the user's word.
                    Ended::Asks => asks = true,
                    Ended::Cancelled => return Ok(EXIT_INTERRUPTED),
                },
            }
        }
    }

    async fn typed(&mut self) -> Result<u8, Failure> {
        self.screen.note("Ask about your bases. Ctrl-C stops an answer, Ctrl-D leaves.")?;
        let mut leaves_on_interrupt = false;
        loop {
            if self.interrupts.is_pending() {
                return Ok(EXIT_INTERRUPTED);
            }
            match self.input.line(Prompt { text: "> ", is_question: true }).await {
                Line::End => return Ok(0),
                Line::Interrupted if leaves_on_interrupt => return Ok(EXIT_INTERRUPTED),
                Line::Interrupted => {
                    leaves_on_interrupt = true;
                    self.screen.note("Ctrl-C again, or Ctrl-D, leaves.")?;
                }
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) if matches!(text.trim(), "exit" | "quit") => return Ok(0),
                Line::Text(text) => {
                    leaves_on_interrupt = false;
                    match self.turn(text.trim().to_owned()).await {
                        Ok(Ended::Cancelled) => leaves_on_interrupt = true,
                        Ok(Ended::Asks) => self.screen.waits(self.session.as_deref())?,
                        Ok(Ended::Answered) => {}
                        Err(failure @ Failure::Output(_)) => return Err(failure),
                        Err(failure) => self.screen.failure(&failure)?,
                    }
                }
            }
        }
    }

    /// A question, with all the changes in it that need the user's word.
    async fn turn(&mut self, question: String) -> Result<Ended, Failure> {
        let mut say = Say::Message(question);
        for _ in 0..MOST_APPROVALS {
            let Some(summary) = self.ask(&say).await? else {
                self.screen.cancelled()?;
                return Ok(Ended::Cancelled);
            };
            let Some(approval) = summary.approval else { return Ok(Ended::Answered) };
            let approve = match self.consent {
                Consent::Later => return Ok(Ended::Asks),
                Consent::Always => {
                    self.screen.note("Approved by --yes.")?;
                    true
                }
                Consent::Ask => self.user_agrees().await,
            };
            say = Say::Decision { id: approval.id, approve };
        }
        Err(Failure::AsksForEver)
    }

    /// Says something and shows the answer; `None` if it was stopped.
    async fn ask(&mut self, say: &Say) -> Result<Option<Summary>, Failure> {
        let request = wire::request(say, self.session.as_deref(), self.model.as_deref());
        let mut answer = tokio::select! {
            answer = self.client.ask(&request) => answer?,
            () = self.interrupts.next() => return Ok(None),
        };
        self.session = answer.session.take().or(self.session.take());
        let mut summary = Summary::default();
        loop {
            let chunk = tokio::select! {
                chunk = answer.next() => chunk?,
                () = self.interrupts.next() => return Ok(None),
            };
            let Some(chunk) = chunk else { break };
            for event in summary.take(&chunk)? {
                self.screen.event(&event)?;
            }
        }
        summary.session = summary.session.or(self.session.take());
        self.session.clone_from(&summary.session);
        self.show_approval(summary.approval.as_ref())?;
        self.screen.done(&summary)?;
        Ok(Some(summary))
    }

    fn show_approval(&mut self, approval: Option<&Approval>) -> Result<(), Failure> {
        approval.map_or(Ok(()), |approval| self.screen.approval(approval))
    }

    /// Only a plain yes is one.
    async fn user_agrees(&mut self) -> bool {
        match self.input.line(Prompt { text: "Go ahead? [y/N] ", is_question: false }).await {
            Line::Text(text) => matches!(text.trim().to_lowercase().as_str(), "y" | "yes"),
            Line::Interrupted => false,
            Line::End => {
                // Nobody is there any more.
                self.consent = Consent::Later;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
