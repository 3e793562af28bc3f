//! The user's word about a change: when it counts as a yes.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::events::Pending;

/// The only words that go ahead. Anything else, also a longer sentence that begins with one, is a new message.
const YES: [&str; 8] = ["yes", "y", "ok", "okay", "confirm", "approve", "go ahead", "do it"];

const ID_LENGTH: usize = 6;

/// Whether a message is exactly a plain yes.
pub(crate) fn is_plain_yes(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['.', '!']).trim_end();
    YES.iter().any(|yes| yes.eq_ignore_ascii_case(text))
}

/// The id of the approval that an answer of ours asked for at its end.
pub(crate) fn id_in(answer: &str) -> Option<&str> {
    let (_, rest) = answer.rsplit_once("(approval ")?;
    let id = rest.split_once(')')?.0;
    let is_id =
        id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_id.then_some(id)
}

/// Whether the time to answer is over.
pub(crate) fn is_expired(pending: &Pending, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    now >= u128::from(pending.expires_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_goes_ahead() {
        for yes in ["yes", " Yes. ", "y", "OK", "ok!", "confirm", "Approve", "go ahead", "Do it!"] {
            assert!(is_plain_yes(yes), "{yes}");
        }
        for no in ["", "no", "yes, but only the first", "yesterday", "ok?", "sure", "don't do it", "yes yes"]
        {
            assert!(!is_plain_yes(no), "{no}");
        }
    }

    #[test]
    fn the_id_is_found_at_the_end_of_an_answer() {
        assert_eq!(id_in("Delete 2?\n\nReply yes … (approval K7Q3X9)."), Some("K7Q3X9"));
        for answer in ["", "(approval )", "(approval k7q3x9)", "(approval K7Q3X9Z)", "approval K7Q3X9"] {
            assert_eq!(id_in(answer), None, "{answer}");
        }
    }
}
