//! Conditions without the name of a field: choices, "open", "overdue", checkboxes, dates.

use super::conditions::NOT;
use super::dates;
use super::filter::{DateTest, Day, Test, is_done_like, listed};
use super::reading::Reading;
use super::schema::FieldKind;
use super::words::{Kind, is_filler};

/// What the whole table may be called in adjectives.
const OPEN: &[&str] =
    &["open", "unfinished", "incomplete", "outstanding", "undone", "unresolved", "remaining", "todo"];

const STATES: &[&str] = &["overdue", "late", "delayed", "past", "due", "unassigned"];

const DONE: &[&str] = &["done", "finished", "completed", "complete", "closed", "resolved"];

/// What a date must be called to say when this happened; `None` for words that say nothing of the kind.
fn event(word: &str) -> Option<&'static [&'static str]> {
    Some(match word {
        "created" | "added" | "entered" | "new" => &["created", "creation", "added", "entered"],
        "changed" | "modified" | "updated" | "edited" => {
            &["changed", "modified", "updated", "edited", "change"]
        }
        "started" | "starting" | "began" | "joined" | "hired" => {
            &["started", "start", "begin", "began", "joined", "hired", "from"]
        }
        "finished" | "completed" | "closed" | "done" | "ended" | "delivered" | "shipped" => {
            &["finished", "completed", "closed", "ended", "end", "done", "delivered", "shipped", "completion"]
        }
        "sent" | "paid" | "signed" | "published" | "released" | "received" | "ordered" | "booked"
        | "born" => {
            &["sent", "paid", "signed", "published", "released", "received", "ordered", "booked", "born"]
        }
        _ => return None,
    })
}

impl Reading<'_> {
    /// Choices without their field: "blocked tasks", "tasks in progress".
    pub(super) fn choices_alone(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let found = self.choices_at(at, None);
            let Some((field, _, _)) = found.first().cloned() else {
                at += 1;
                continue;
            };
            let Some((Test::Choices(choices), end)) = self.choices_from(field, at) else {
                at += 1;
                continue;
            };
            if found.len() > 1 {
                let names: Vec<String> =
                    found.iter().map(|(field, _, _)| self.field(*field).name.clone()).collect();
                self.note(format!(
                    "\"{}\" is a choice of {}; I took {}",
                    choices[0],
                    listed(&names, "and"),
                    names[0]
                ));
            }
            // Beside an unknown word it may be part of a name: "Data warehouse" where Data is a choice.
            let is_part = self.may_belong_to_a_name(at, end);
            if is_part {
                self.held[at..end].fill(true);
                at = end;
                continue;
            }
            let negated = at > 0 && self.free(at - 1).is_some_and(|token| token.is_any(NOT));
            let from = at - usize::from(negated);
            self.take(from, end - from);
            self.push(field, Test::Choices(choices), negated);
            at = end;
        }
    }

    /// Whether a word that nothing explains stands directly beside these places, written as a name.
    fn may_belong_to_a_name(&self, start: usize, end: usize) -> bool {
        let unknown = |at: usize| {
            let is_field = self.mentions.iter().any(|mention| (mention.at..mention.end()).contains(&at));
            let says_something = OPEN.iter().chain(DONE).chain(STATES).any(|word| self.tokens[at].is(word));
            let is_date = dates::at(self.tokens, at, self.today).is_some();
            self.free(at).is_some_and(|token| token.kind == Kind::Word && !is_filler(token))
                && !is_field
                && !says_something
                && !is_date
                && self.choices_at(at, None).is_empty()
        };
        let capital = |at: usize| self.tokens[at].text.starts_with(char::is_uppercase);
        let follows = start > 0 && unknown(start - 1) && (capital(start) || capital(start - 1));
        (end < self.tokens.len() && unknown(end)) || follows
    }

    /// "open", "done", "overdue", "unassigned", where no choice is called so.
    pub(super) fn states(&mut self) {
        for at in 0..self.tokens.len() {
            let Some(token) = self.free(at) else { continue };
            let negated = at > 0
                && self.free(at - 1).is_some_and(|token| token.is_any(&["not", "isn", "aren", "never"]));
            let from = at - usize::from(negated);
            if token.is_any(OPEN) || token.is_any(DONE) {
                if self.done(token.is_any(DONE) != negated) {
                    self.take(from, at + 1 - from);
                }
            } else if token.is_any(&["overdue", "late", "delayed"])
                || (token.is("past") && self.free(at + 1).is_some_and(|next| next.is("due")))
            {
                let Some(field) = self.date_field(&["due", "deadline", "until", "end"]) else { continue };
                let length = if token.is("past") { 2 } else { 1 };
                self.take(from, at + length - from);
                self.push(field, Test::When(DateTest::Before(Day::Today(0))), negated);
                self.done(false);
            } else if token.is_any(&["unassigned", "nobody", "noone"])
                && let Some(field) = self.person_field()
            {
                self.take(from, at + 1 - from);
                self.push(field, Test::Empty, negated);
            } else if token.is("unfinished") {
                self.done(false);
                self.take(at, 1);
            }
        }
    }

    /// Adds that records are done, or not; by a field with such choices, else by such a checkbox.
    fn done(&mut self, is_done: bool) -> bool {
        let states = |index: &usize| {
            self.field(*index)
                .words()
                .iter()
                .any(|word| ["status", "state", "stage", "progress"].contains(&word.as_str()))
        };
        let done_of = |index: usize| -> Vec<String> {
            self.field(index).choices.iter().filter(|choice| is_done_like(choice)).cloned().collect()
        };
        let fields: Vec<usize> = (0..self.table.fields.len())
            .filter(|index| self.field(*index).kind == FieldKind::Select && !done_of(*index).is_empty())
            .collect();
        if let Some(field) = fields.iter().find(|index| states(index)).or(fields.first()).copied() {
            let choices = done_of(field);
            let already = self.query.conditions.iter().any(|condition| condition.field == *self.field(field));
            if !already {
                self.push(field, Test::Choices(choices), !is_done);
            }
            return true;
        }
        let checkbox = (0..self.table.fields.len()).find(|index| {
            self.field(*index).kind == FieldKind::Checkbox
                && self.field(*index).words().iter().any(|word| is_done_like(word))
        });
        if let Some(field) = checkbox {
            self.push(field, Test::Checked, !is_done);
        }
        checkbox.is_some()
    }

    /// The name of a checkbox as an adjective: "remote people", "people who are not remote".
    pub(super) fn checkboxes_alone(&mut self) {
        for index in 0..self.mentions.len() {
            let mention = self.mentions[index].clone();
            if self.spent[index] || self.field(mention.field).kind != FieldKind::Checkbox {
                continue;
            }
            let negated = mention.at > 0 && self.free(mention.at - 1).is_some_and(|token| token.is_any(NOT));
            self.spend(index);
            self.take(mention.at - usize::from(negated), usize::from(negated));
            self.push(mention.field, Test::Checked, negated);
        }
    }

    /// Dates without a field.
    pub(super) fn dates_alone(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            // A year alone may be part of a name.
            let is_number =
                self.tokens[at].kind != Kind::Word && !matches!(self.tokens[at].kind, Kind::Day(_));
            if is_number {
                at += 1;
                continue;
            }
            let found = self.free(at).and_then(|_| dates::at(self.tokens, at, self.today));
            let Some(found) = found.filter(|found| (at..at + found.length).all(|place| self.is_free(place)))
            else {
                at += 1;
                continue;
            };
            // A field of dates that is named nearby, such as in "due dates this week".
            let named = self.mentions.iter().enumerate().rev().find(|(index, mention)| {
                !self.spent[*index]
                    && mention.end() <= at
                    && self.field(mention.field).kind == FieldKind::Date
            });
            let said = at
                .checked_sub(1)
                .filter(|before| self.is_free(*before))
                .map(|before| self.tokens[before].norm.clone());
            let field = match named.map(|(index, mention)| (index, mention.field)) {
                Some((index, field)) => {
                    self.spend(index);
                    Some(field)
                }
                None => match said.as_deref().and_then(event) {
                    Some(words) => match self.date_of(words) {
                        Some(field) => Some(field),
                        None => {
                            let said = said.unwrap_or_default();
                            let table = &self.table.name;
                            let trouble =
                                format!("I see no date in {table} that says when something was {said}");
                            self.query.troubles.push(trouble);
                            self.take(at - 1, found.length + 1);
                            return;
                        }
                    },
                    None => self.date_field(&["due", "deadline"]),
                },
            };
            let Some(field) = field else { return };
            // "overdue today" is overdue.
            let is_now = found.test == DateTest::In(super::filter::Span::Day(Day::Today(0)));
            let is_overdue = self.query.conditions.iter().any(|condition| {
                condition.field == *self.field(field)
                    && condition.test == Test::When(DateTest::Before(Day::Today(0)))
            });
            if is_now && is_overdue {
                self.take(at, found.length);
                at += found.length;
                continue;
            }
            self.take(at, found.length);
            if at > 0
                && self.free(at - 1).is_some_and(|token| {
                    event(&token.norm).is_some() || token.is_any(&["due", "ending", "scheduled", "happening"])
                })
            {
                self.take(at - 1, 1);
            }
            self.push(field, Test::When(found.test), false);
            at += found.length;
        }
    }

    /// A date whose name has one of these words.
    fn date_of(&self, words: &[&str]) -> Option<usize> {
        (0..self.table.fields.len()).find(|index| {
            let field = self.field(*index);
            field.kind == FieldKind::Date && field.words().iter().any(|word| words.contains(&word.as_str()))
        })
    }
}
