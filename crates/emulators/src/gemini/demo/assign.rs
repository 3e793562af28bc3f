//! The cells that an order sets: "Status to Done", "with Priority High and Hours 2", "mark it as done", "called X".

use serde_json::{Map, Value, json};

use super::agent::{Agent, Plan, say};
use super::dates;
use super::filter::{DateTest, Day, Span, is_done_like};
use super::reading::{Reading, Setting};
use super::schema::{Field, FieldKind, Table};
use super::words::{Kind, Token, is_filler, name_at, name_words, tokens};
use super::writes::POLITE;

/// "set Field of … to Choice", with one "to" and nothing behind the choice: what stands between says which records,
/// whatever fields and choices it names.
pub(super) fn set_of(table: &Table, tokens: &[Token], verb: usize, used: &mut [bool]) -> Map<String, Value> {
    let found = || {
        let mut places = (verb..tokens.len()).filter(|at| tokens[*at].is("to"));
        let to = places.next().filter(|_| places.next().is_none())?;
        let start = (verb + 1..to).find(|at| !is_filler(&tokens[*at]))?;
        let fields = table.fields.iter().filter(|field| field.writable && field.has_choices());
        let named = fields.filter_map(|field| Some((name_at(tokens, start, field.words())?.0, field)));
        let (length, field) = named.max_by_key(|(length, _)| *length)?;
        let choice = field.choices.iter().find(|choice| {
            name_at(tokens, to + 1, &name_words(choice))
                .is_some_and(|(length, _)| to + 1 + length == tokens.len())
        })?;
        let is_of = tokens.get(start + length).is_some_and(|token| token.is_any(&["of", "for", "on"]));
        (is_of && tokens[verb].is_any(&["set", "change", "update"])).then_some((
            start..=start + length,
            to,
            field,
            choice,
        ))
    };
    let Some((name, to, field, choice)) = found() else { return Map::new() };
    used[name].fill(true);
    used[to..].fill(true);
    Map::from_iter([(field.name.clone(), choice_value(field, choice))])
}

impl Agent<'_> {
    /// "mark X as done", "close X", "rename X to Y": the cells that the verb itself says.
    pub(super) fn verb_cells(
        &self,
        table: &Table,
        tokens: &[Token],
        verb: usize,
        used: &mut [bool],
    ) -> Map<String, Value> {
        let mut cells = Map::new();
        let word = &tokens[verb];
        if word.is_any(&["close", "complete", "finish"]) {
            cells.extend(done_cell(table, true));
        }
        if word.is("reopen") {
            cells.extend(done_cell(table, false));
        }
        if word.is_any(&["rename"])
            && let Some(to) = tokens.iter().rposition(|token| token.is("to"))
        {
            let name: Vec<&str> = tokens[to + 1..].iter().map(|token| token.text.as_str()).collect();
            used[to..].fill(true);
            cells.insert(table.primary.clone(), json!(name.join(" ")));
        }
        if word.is_any(&["mark", "move", "set", "change", "check", "tick"])
            && let Some(to) = tokens.iter().rposition(|token| token.is_any(&["as", "to"]))
        {
            // "mark X as done", "move X to In progress": a choice of any field.
            let after = to + 1;
            let found =
                table.fields.iter().filter(|field| field.has_choices() && field.writable).find_map(|field| {
                    field.choices.iter().find_map(|choice| {
                        let (length, _) = name_at(tokens, after, &name_words(choice))?;
                        (after + length == tokens.len() || tokens[after + length..].iter().all(is_filler))
                            .then_some((field, choice, length))
                    })
                });
            let names_field = table.fields.iter().any(|field| {
                (verb + 1..to).any(|at| {
                    name_at(tokens, at, field.words()).is_some_and(|(length, _)| at + length <= to)
                        && !used[at]
                })
            });
            match found {
                Some((field, choice, length)) if !names_field => {
                    used[to..after + length].fill(true);
                    cells.insert(field.name.clone(), choice_value(field, choice));
                }
                None if tokens.get(after).is_some_and(|token| {
                    token.is_any(&["done", "finished", "completed", "complete", "closed"])
                }) =>
                {
                    used[to..=after].fill(true);
                    cells.extend(done_cell(table, true));
                }
                _ => {}
            }
        }
        cells
    }

    /// `Field to value`, `Field = value`, `with Field value`, joined by commas and "and".
    pub(super) fn assignments(
        &self,
        table: &Table,
        tokens: &[Token],
        used: &mut [bool],
    ) -> Plan<Map<String, Value>> {
        let mut cells = Map::new();
        // Where a new assignment may begin: a field's name, in front of a value.
        let starts: Vec<(usize, usize, &Field)> = (0..tokens.len())
            .filter(|at| !used[*at])
            .filter_map(|at| {
                let fits = |field: &&Field| name_at(tokens, at, field.words());
                let field = table
                    .fields
                    .iter()
                    .filter(|field| fits(field).is_some())
                    .max_by_key(|field| field.words().len())?;
                let (length, _) = name_at(tokens, at, field.words())?;
                (!used[at..at + length].contains(&true)).then_some((at, length, field))
            })
            .collect();
        let mut end_of_last = 0;
        for (index, (at, length, field)) in starts.iter().enumerate() {
            if *at < end_of_last {
                continue;
            }
            let mut from = at + length;
            // "Status of "X" to Done": the value stands behind "to".
            let next = starts[index + 1..]
                .iter()
                .map(|(at, _, _)| *at)
                .find(|next| *next >= from)
                .unwrap_or(tokens.len());
            let behind_to = (from..next).find(|place| tokens[*place].is("to"));
            if let Some(to) = behind_to
                .filter(|_| tokens.get(from).is_some_and(|token| token.is_any(&["of", "for", "from", "on"])))
            {
                from = to;
            }
            let sign = |place: usize| {
                tokens.get(place).is_some_and(|token| {
                    token.is_any(&["to", "is", "as", "equals"])
                        || token.kind == Kind::Sign && ["=", ":"].contains(&token.norm.as_str())
                })
            };
            let has_sign = sign(from);
            if has_sign {
                from += 1;
            }
            let Some((text, end)) = value_text(tokens, from, field, &starts, *at, used) else { continue };
            if !has_sign && !looks_like_value(field, &tokens[from], &text) {
                continue;
            }
            let value = self.value_of(field, &text)?;
            used[*at..at + length].fill(true);
            used[from.saturating_sub(1)..end].fill(true);
            end_of_last = end;
            cells.insert(field.name.clone(), value);
        }
        Ok(cells)
    }

    /// "assigned to X", "for X": the field with people.
    pub(super) fn assigned_to(
        &self,
        table: &Table,
        tokens: &[Token],
        used: &mut [bool],
        cells: &mut Map<String, Value>,
    ) {
        let is_free = |at: usize, used: &[bool]| at < tokens.len() && !used[at];
        let marker = (0..tokens.len()).find(|at| {
            is_free(*at, used)
                && (tokens[*at].is("assigned") && tokens.get(at + 1).is_some_and(|token| token.is("to"))
                    || tokens[*at].is("for"))
        });
        let Some(marker) = marker else { return };
        let from = marker + 1 + usize::from(tokens[marker].is("assigned"));
        let end =
            (from..tokens.len()).find(|at| used[*at] || is_filler(&tokens[*at])).unwrap_or(tokens.len());
        let setting = Setting { tokens, table_mention: None, group_mention: None, today: self.today };
        let Some(field) = Reading::new(&setting, table).person_field() else { return };
        let field = &table.fields[field];
        if end > from && field.writable && !cells.contains_key(&field.name) {
            used[marker..end].fill(true);
            let name = original(&tokens[from..end]);
            let value = if field.kind == FieldKind::Link { json!([name]) } else { json!(name) };
            cells.insert(field.name.clone(), value);
        }
    }

    /// A text as the field's value.
    pub(super) fn value_of(&self, field: &Field, text: &str) -> Plan<Value> {
        let pieces = tokens(text);
        Ok(match field.kind {
            FieldKind::Number | FieldKind::Percent => match pieces.iter().find_map(|token| match token.kind {
                Kind::Number(number) => Some(number),
                _ => None,
            }) {
                Some(number) if number.fract() == 0.0 => json!(number as i64),
                Some(number) => json!(number),
                None => return say(format!("{} takes a number, which \"{text}\" is not.", field.name)),
            },
            FieldKind::Checkbox => {
                json!(!pieces.first().is_some_and(|token| token.is_any(&[
                    "no",
                    "false",
                    "off",
                    "unchecked",
                    "not",
                    "unticked"
                ])))
            }
            FieldKind::Select | FieldKind::MultiSelect => {
                let choice = field.choices.iter().find(|choice| {
                    name_at(&pieces, 0, &name_words(choice)).is_some_and(|(length, _)| length == pieces.len())
                });
                match choice {
                    Some(choice) => choice_value(field, choice),
                    None => {
                        return say(format!(
                            "{} has no choice \"{text}\". It has {}.",
                            field.name,
                            field.choices.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                        ));
                    }
                }
            }
            FieldKind::Date => match dates::at(&pieces, 0, self.today).map(|found| found.test) {
                Some(DateTest::In(Span::Day(Day::On(day)))) => json!(day),
                Some(DateTest::In(Span::Day(Day::Today(days)))) => {
                    let day = self.today.checked_add(jiff::Span::new().days(days)).unwrap_or(self.today);
                    json!(day.to_string())
                }
                _ => {
                    return say(format!(
                        "{} takes a date such as {}, which I do not see in \"{text}\".",
                        field.name, self.today
                    ));
                }
            },
            FieldKind::Link => json!([text]),
            _ => json!(text),
        })
    }

    /// "called X", or what stands in quotes, or the words behind the table's name.
    pub(super) fn name_of_new(&self, tokens: &[Token], used: &mut [bool]) -> Option<String> {
        let called = tokens.iter().position(|token| token.is_any(&["called", "named", "titled"]));
        if let Some(at) = called {
            let end = (at + 1..tokens.len())
                .find(|place| {
                    used[*place]
                        || tokens[*place].is_any(&["with", "in", "for", "to", "where"])
                        || tokens[*place].kind == Kind::Sign && tokens[*place].norm == ","
                })
                .unwrap_or(tokens.len());
            if end > at + 1 {
                used[at..end].fill(true);
                return Some(original(&tokens[at + 1..end]));
            }
        }
        if let Some(at) = (0..tokens.len()).find(|at| !used[*at] && tokens[*at].kind == Kind::Quoted) {
            used[at] = true;
            return Some(tokens[at].text.clone());
        }
        let free: Vec<usize> = (0..tokens.len())
            .filter(|at| !used[*at] && !is_filler(&tokens[*at]) && !tokens[*at].is_any(POLITE))
            .collect();
        let (first, last) = (*free.first()?, *free.last()?);
        used[first..=last].fill(true);
        Some(original(&tokens[first..=last]))
    }
}

/// The cell that says that a record is done, or not: a choice that means so, else a checkbox that is called so.
fn done_cell(table: &Table, is_done: bool) -> Option<(String, Value)> {
    let mut writable = table.fields.iter().filter(|field| field.writable);
    let field = writable.clone().find(|field| {
        field.kind == FieldKind::Select && field.choices.iter().any(|choice| is_done_like(choice))
    });
    if let Some(field) = field {
        let choice = field.choices.iter().find(|choice| is_done_like(choice) == is_done)?;
        return Some((field.name.clone(), json!(choice)));
    }
    let field = writable.find(|field| {
        field.kind == FieldKind::Checkbox && field.words().iter().any(|word| is_done_like(word))
    })?;
    Some((field.name.clone(), json!(is_done)))
}

fn choice_value(field: &Field, choice: &str) -> Value {
    if field.kind == FieldKind::MultiSelect { json!([choice]) } else { json!(choice) }
}

/// The words of a value: quoted, or up to the next assignment.
fn value_text(
    tokens: &[Token],
    from: usize,
    field: &Field,
    starts: &[(usize, usize, &Field)],
    own: usize,
    used: &[bool],
) -> Option<(String, usize)> {
    let first = tokens.get(from).filter(|_| !used[from])?;
    if first.kind == Kind::Quoted {
        return Some((first.text.clone(), from + 1));
    }
    // A choice may have small words in it.
    let choice = field
        .choices
        .iter()
        .filter_map(|choice| Some((name_at(tokens, from, &name_words(choice))?.0, choice)))
        .max_by_key(|(length, _)| *length);
    if let Some((length, choice)) = choice {
        return Some((choice.clone(), from + length));
    }
    let mut end = from;
    while end < tokens.len() && !used[end] {
        let token = &tokens[end];
        let stops = token.is_any(&["and", "for", "where", "with", "of", "in", "on", "whose"])
            || token.kind == Kind::Sign && token.norm == ","
            || end > from && starts.iter().any(|(at, _, _)| *at == end && *at != own);
        if stops {
            break;
        }
        end += 1;
        // Numbers and dates are one piece.
        if matches!(field.kind, FieldKind::Number | FieldKind::Percent | FieldKind::Checkbox) {
            break;
        }
    }
    (end > from).then(|| (original(&tokens[from..end]), end))
}

/// Without "to" or "=", only what can be nothing else is taken for a value.
fn looks_like_value(field: &Field, first: &Token, text: &str) -> bool {
    match field.kind {
        FieldKind::Number | FieldKind::Percent => matches!(first.kind, Kind::Number(_)),
        FieldKind::Select | FieldKind::MultiSelect => field.choices.iter().any(|choice| choice == text),
        FieldKind::Date => {
            matches!(first.kind, Kind::Day(_)) || first.is_any(&["today", "tomorrow", "yesterday"])
        }
        FieldKind::Checkbox => first.is_any(&["yes", "no", "true", "false", "checked", "unchecked"]),
        _ => first.kind == Kind::Quoted || first.text.starts_with(char::is_uppercase),
    }
}

/// What an order says beside all that was understood.
pub(super) fn unused(tokens: &[Token], used: &[bool]) -> Option<String> {
    let left =
        tokens.iter().zip(used).filter(|(token, used)| !**used && !is_filler(token) && !token.is_any(POLITE));
    let words: Vec<&str> = left.map(|(token, _)| token.text.as_str()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The words as they were written.
fn original(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        if !text.is_empty() && token.kind != Kind::Sign {
            text.push_str(if token.joined { "-" } else { " " });
        }
        text.push_str(&token.text);
    }
    text
}
