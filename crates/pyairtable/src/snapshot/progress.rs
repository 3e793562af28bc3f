//! What a person sees while it goes on: a line that is written over on a terminal, nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};

pub(super) struct Progress {
    is_terminal: bool,
}

impl Progress {
    pub(super) fn on_standard_error() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal() }
    }

    /// Where it is now.
    pub(super) fn at(&self, what: &str) {
        if self.is_terminal {
            // Nobody may be looking any more.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", visible(what));
        }
    }

    /// Something that stays.
    pub(super) fn note(&self, what: &str) {
        self.end();
        let _ = writeln!(std::io::stderr(), "{}", visible(what));
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Names come from elsewhere: what a terminal would obey is not shown to it.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
