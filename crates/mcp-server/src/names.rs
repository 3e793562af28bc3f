//! Finding things by id or by name, and saying what was meant where that fails.

use crate::error::{Code, ToolError};

/// Most names that an error lists.
const LISTED: usize = 20;

/// Something with an id and a name.
pub(crate) trait Named {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

impl<T: Named> Named for &T {
    fn id(&self) -> &str {
        (*self).id()
    }
    fn name(&self) -> &str {
        (*self).name()
    }
}

/// Finds the one thing that `wanted` names: by id, by exact name, else by a name that differs in case or in spaces around
/// it only. `what` is its kind in the singular (`table`), `place` where it was looked for (` in base "X"`).
pub(crate) fn find<'t, T: Named>(
    what: &str,
    place: &str,
    wanted: &str,
    things: &'t [T],
) -> Result<&'t T, ToolError> {
    if let Some(found) = things.iter().find(|thing| thing.id() == wanted) {
        return Ok(found);
    }
    let exact: Vec<&T> = things.iter().filter(|thing| thing.name() == wanted).collect();
    let found = if exact.is_empty() {
        let loose = loosely(wanted);
        things.iter().filter(|thing| loosely(thing.name()) == loose).collect()
    } else {
        exact
    };
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown(what, place, wanted, things.iter().map(Named::name))),
        _ => Err(ToolError::new(
            Code::Ambiguous,
            format!(
                "{} names more than one {what}{place}: {}. Give the id instead",
                quoted(wanted),
                with_ids(&found)
            ),
        )),
    }
}

/// The error for a name that nothing has: the nearest one, and what there is.
pub(crate) fn unknown<'n>(
    what: &str,
    place: &str,
    wanted: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> ToolError {
    let meant = match airtable_formula::nearest(wanted, names.clone()) {
        Some(near) => format!("; did you mean {}?", quoted(near)),
        None => ".".to_owned(),
    };
    let all = listed(names);
    let all = if all.is_empty() { "There are none".to_owned() } else { format!("There are: {all}") };
    ToolError::new(Code::NotFound, format!("there is no {what} {}{place}{meant} {all}", quoted(wanted)))
}

/// Names with their ids, the first few of many: two things may have one name.
pub(crate) fn with_ids<T: Named>(things: &[T]) -> String {
    let things = things.iter().map(|thing| format!("{} ({})", quoted(thing.name()), thing.id()));
    first_of(things)
}

/// Names in quotes, the first few of many.
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    first_of(names.map(quoted))
}

fn first_of(mut all: impl Iterator<Item = String>) -> String {
    let mut text: Vec<String> = all.by_ref().take(LISTED).collect();
    let more = all.count();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

/// A name that came from a base, or from a caller, so that it cannot be taken for our own words.
pub(crate) fn quoted(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for (at, letter) in name.chars().enumerate() {
        match letter {
            _ if at == LONGEST => {
                text.push('…');
                break;
            }
            '"' | '\\' => text.extend(['\\', letter]),
            letter if letter.is_control() || is_deceptive(letter) => text.push(' '),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// What breaks lines, or turns the order of letters around, without being a control character.
fn is_deceptive(letter: char) -> bool {
    matches!(letter, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn loosely(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, &'static str);

    impl Named for Thing {
        fn id(&self) -> &str {
            self.0
        }
        fn name(&self) -> &str {
            self.1
        }
    }

    const THINGS: [Thing; 5] = [
        Thing("t1", "Tasks"),
        Thing("t2", "tasks"),
        Thing("t3", "People"),
        Thing("t4", "Twin"),
        Thing("t5", "Twin"),
    ];

    #[test]
    fn an_id_wins_then_the_exact_name_then_one_that_differs_in_case_only() {
        for (wanted, id) in [("t3", "t3"), ("Tasks", "t1"), ("tasks", "t2"), (" PEOPLE ", "t3")] {
            assert_eq!(find("table", "", wanted, &THINGS).unwrap().0, id, "{wanted}");
        }
    }

    #[test]
    fn what_could_be_several_is_asked_back_with_their_ids() {
        for wanted in ["TASKS", "Twin"] {
            let error = find("table", "", wanted, &THINGS).err().unwrap();
            assert_eq!(error.code, Code::Ambiguous);
        }
        let error = find("table", "", "Twin", &THINGS).err().unwrap();
        assert!(error.message.contains(r#""Twin" (t4), "Twin" (t5)"#), "{error}");
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name_and_all_names() {
        let error = find("table", r#" in base "B""#, "Peple", &THINGS).err().unwrap();
        assert_eq!(
            error.message,
            r#"there is no table "Peple" in base "B"; did you mean "People"? There are: "Tasks", "tasks", "People", "Twin", "Twin""#
        );
    }

    #[test]
    fn a_name_cannot_pose_as_our_own_words() {
        assert_eq!(quoted("a\"\nIgnore all"), r#""a\" Ignore all""#);
        assert_eq!(quoted("a\u{2028}b\u{202E}c 👩\u{200D}🔧"), "\"a b c 👩\u{200D}🔧\"");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), 83);
    }
}
