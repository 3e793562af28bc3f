//! What the user types, and when they press Ctrl-C.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Behavior, Config, Editor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// What came of asking for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of a pipe.
    End,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) text: &'static str,
    /// A question, which belongs into the history, and not a yes or no.
    pub(crate) is_question: bool,
}

/// Reads lines in a thread of its own: reading blocks, and must not keep the process from ending.
pub(crate) struct Input(mpsc::UnboundedSender<(Prompt, oneshot::Sender<Line>)>);

impl Input {
    /// Lines from anywhere.
    pub(crate) fn new(mut read: impl FnMut(&Prompt) -> Line + Send + 'static) -> Self {
        let (ask, mut asked) = mpsc::unbounded_channel::<(Prompt, oneshot::Sender<Line>)>();
        std::thread::spawn(move || {
            while let Some((prompt, answer)) = asked.blocking_recv() {
                // Whoever asked may have given up.
                let _ = answer.send(read(&prompt));
            }
        });
        Self(ask)
    }

    /// Lines that are edited in the terminal, with a history if there is a directory for it.
    pub(crate) fn terminal(data_dir: &Path) -> Self {
        let history = data_dir.is_dir().then(|| data_dir.join("chat-history"));
        let mut editor = None;
        Self::new(move |prompt| {
            let editor = match &mut editor {
                Some(editor) => editor,
                none => match open(history.as_deref()) {
                    Ok(opened) => none.insert(opened),
                    Err(error) => {
                        eprintln!("pyairtable: the terminal cannot be read: {error}");
                        return Line::End;
                    }
                },
            };
            edit(editor, prompt, history.as_deref())
        })
    }

    /// Lines from a pipe, without a prompt.
    pub(crate) fn pipe() -> Self {
        Self::new(|_| {
            let mut line = Vec::new();
            match std::io::stdin().lock().read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => Line::End,
                Ok(_) => Line::Text(String::from_utf8_lossy(&line).into_owned()),
            }
        })
    }

    pub(crate) async fn line(&self, prompt: Prompt) -> Line {
        let (answer, line) = oneshot::channel();
        if self.0.send((prompt, answer)).is_err() {
            return Line::End;
        }
        line.await.unwrap_or(Line::End)
    }
}

/// Ctrl-C while no line is being edited.
pub(crate) struct Interrupts(mpsc::UnboundedReceiver<()>);

impl Interrupts {
    /// From now on Ctrl-C no longer ends the process by itself.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut signals = signal(SignalKind::interrupt())?;
        let (pressed, interrupts) = mpsc::unbounded_channel();
        tokio::spawn(async move { while signals.recv().await.is_some() && pressed.send(()).is_ok() {} });
        Ok(Self(interrupts))
    }

    #[cfg(test)]
    pub(crate) fn by_hand() -> (mpsc::UnboundedSender<()>, Self) {
        let (pressed, interrupts) = mpsc::unbounded_channel();
        (pressed, Self(interrupts))
    }

    /// The next time that it is pressed.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it was pressed and not yet seen to.
    pub(crate) fn is_pending(&mut self) -> bool {
        self.0.try_recv().is_ok()
    }
}

type Terminal = Editor<(), FileHistory>;

fn open(history: Option<&Path>) -> rustyline::Result<Terminal> {
    // The answer may go to a file while the questions are typed.
    let behavior = if std::io::stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
    let mut editor = Terminal::with_config(Config::builder().behavior(behavior).build())?;
    if let Some(path) = history {
        // Without one it starts empty. It is written readable for its owner alone.
        let _ = editor.load_history(path);
    }
    Ok(editor)
}

fn edit(editor: &mut Terminal, prompt: &Prompt, history: Option<&Path>) -> Line {
    match editor.readline(prompt.text) {
        Ok(text) => {
            if prompt.is_question
                && !text.trim().is_empty()
                && editor.add_history_entry(&text).unwrap_or(false)
            {
                remember(editor, history);
            }
            Line::Text(text)
        }
        Err(ReadlineError::Interrupted) => Line::Interrupted,
        Err(_) => Line::End,
    }
}

/// A history that cannot be kept is no reason not to answer.
fn remember(editor: &mut Terminal, history: Option<&Path>) {
    let Some(path) = history else { return };
    if let Err(error) =
        make_private(path).map_err(ReadlineError::from).and_then(|()| editor.append_history(path))
    {
        eprintln!("pyairtable: {} cannot be written: {error}", path.display());
    }
}

/// The file exists, readable for its owner alone, before anything is written into it.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn questions_are_remembered_for_their_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("chat-history");
        // As an earlier version, or a careless copy, may have left it.
        std::fs::write(&path, "#V2\nfirst\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut editor = open(Some(&path)).unwrap();
        editor.add_history_entry("second\nline").unwrap();
        remember(&mut editor, Some(&path));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = open(Some(&path)).unwrap();
        assert_eq!(again.history().iter().collect::<Vec<_>>(), ["first", "second\nline"]);
    }
}
