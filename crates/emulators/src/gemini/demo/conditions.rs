//! Which records are meant: values beside the names of fields, choices alone, "open", "overdue", "without a date".

use super::dates;
use super::filter::{Comparison, Condition, DateTest, Day, Test, is_done_like, listed};
use super::reading::{Mention, Reading};
use super::schema::FieldKind;
use super::words::{Kind, is_filler};

const BETWEEN: &[&str] = &[
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "equals",
    "equal",
    "=",
    ":",
    "to",
    "as",
    "being",
    "be",
    "still",
    "currently",
    "set",
    "the",
    "a",
    "an",
];
const NOT: &[&str] =
    &["not", "isn", "aren", "t", "except", "excluding", "without", "never", "!=", "don", "doesn"];

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
    /// A date whose name has one of these words.
    fn date_of(&self, words: &[&str]) -> Option<usize> {
        (0..self.table.fields.len()).find(|index| {
            let field = self.field(*index);
            field.kind == FieldKind::Date && field.words().iter().any(|word| words.contains(&word.as_str()))
        })
    }

    pub(super) fn conditions(&mut self) {
        self.beside_fields();
        self.choices_alone();
        self.states();
        self.checkboxes_alone();
        self.dates_alone();
    }

    /// Values behind or before the name of a field.
    fn beside_fields(&mut self) {
        for index in 0..self.mentions.len() {
            if self.spent[index] {
                continue;
            }
            let mention = self.mentions[index].clone();
            if self.behind(index, &mention) || self.before(index, &mention) {
                continue;
            }
        }
        // "sum of Budget where Budget > 5": the second one was not spent and is seen above; the first may carry a value too.
        for index in 0..self.mentions.len() {
            let mention = self.mentions[index].clone();
            if self.spent[index] && self.is_comparison_behind(&mention) {
                self.behind(index, &mention);
            }
        }
    }

    fn is_comparison_behind(&self, mention: &Mention) -> bool {
        let at = self.past(mention.end(), BETWEEN);
        self.comparison_at(at).is_some() && self.field(mention.field).may_be_number()
    }

    fn push(&mut self, field: usize, test: Test, negated: bool) {
        let condition = Condition { field: self.field(field).clone(), test, negated };
        if !self.query.conditions.contains(&condition) {
            self.query.conditions.push(condition);
        }
    }

    /// `Field is value`, `Field > 5`, `Field before today`, `Field contains "x"`, `Field is empty`.
    fn behind(&mut self, index: usize, mention: &Mention) -> bool {
        let field = self.field(mention.field);
        let mut at = self.past(mention.end(), BETWEEN);
        let mut negated = false;
        let after_not = self.past(at, NOT);
        if after_not > at {
            negated = true;
            at = self.past(after_not, BETWEEN);
        }
        let from = mention.end();
        if let Some(token) = self.free(at) {
            let empty = token.is_any(&["empty", "blank", "missing", "unset"]);
            let filled = token.is_any(&["filled", "given", "known", "present"]);
            if empty || filled {
                self.spend(index);
                self.take(from, at + 1 - from);
                self.push(mention.field, Test::Empty, negated != filled);
                return true;
            }
            if negated && token.is("set")
                || (self.tokens[at - 1].is("not") && self.tokens.get(at).is_some_and(|token| token.is("set")))
            {
                self.spend(index);
                self.take(from, at + 1 - from);
                self.push(mention.field, Test::Empty, false);
                return true;
            }
            if token.is_any(&[
                "contains",
                "contain",
                "containing",
                "includes",
                "including",
                "include",
                "mentions",
                "mentioning",
                "like",
            ]) && let Some((text, end)) = self.value_at(at + 1)
            {
                self.spend(index);
                self.take(from, end - from);
                let negated =
                    negated || (from..at).any(|place| self.tokens[place].is_any(&["not", "doesn", "don"]));
                self.push(mention.field, Test::Contains(text), negated);
                return true;
            }
        }
        let found = match field.kind {
            FieldKind::Select | FieldKind::MultiSelect => self.choices_from(mention.field, at),
            FieldKind::Checkbox => self.checked_at(at).map(|(checked, end)| {
                negated = negated == checked;
                (Test::Checked, end)
            }),
            FieldKind::Number | FieldKind::Percent => self.number_from(mention.field, at),
            FieldKind::Computed => self.number_from(mention.field, at).or_else(|| self.quoted_from(at)),
            FieldKind::Date => self.date_from(at),
            FieldKind::Text => self.text_from(mention, at),
            // Which records are meant is looked up later; quotes say that it is a name.
            FieldKind::Link | FieldKind::Person | FieldKind::Attachment | FieldKind::Other => None,
        };
        let Some((test, end)) = found else { return false };
        self.spend(index);
        self.take(from, end - from);
        self.push(mention.field, test, negated);
        true
    }

    /// `high priority`, `without notes`, `no assignee`, `with a date`, `more than 5 hours`, `due`.
    fn before(&mut self, index: usize, mention: &Mention) -> bool {
        let field = self.field(mention.field);
        // A number and a comparison: "more than 5 hours".
        if field.may_be_number()
            && let Some(number) = mention.at.checked_sub(1)
            && let Some(token) = self.free(number)
            && let Kind::Number(value) = token.kind
        {
            for start in number.saturating_sub(3)..number {
                if let Some((comparison, end)) = self.comparison_at(start)
                    && end == number
                {
                    self.spend(index);
                    self.take(start, number + 1 - start);
                    self.push(mention.field, Test::Compare(comparison, value), false);
                    return true;
                }
            }
        }
        // A choice directly before: "high priority".
        if field.has_choices() {
            for start in mention.at.saturating_sub(4)..mention.at {
                let ends_here = |(_, choice, length): (usize, String, usize)| {
                    (start + length == mention.at).then_some(choice)
                };
                let choice = self.choices_at(start, Some(mention.field)).into_iter().find_map(ends_here);
                if let Some(choice) = choice {
                    let (mut choices, mut first) = (vec![choice], start);
                    // "high or medium priority"
                    while let Some((more, at)) = self.choice_before_or(first, mention.field) {
                        choices.insert(0, more);
                        first = at;
                    }
                    let negated = first > 0 && self.free(first - 1).is_some_and(|token| token.is_any(NOT));
                    self.spend(index);
                    let from = first - usize::from(negated);
                    self.take(from, mention.at - from);
                    self.push(mention.field, Test::Choices(choices), negated);
                    return true;
                }
            }
        }
        let mut before = mention.at;
        while before > 0
            && self.free(before - 1).is_some_and(|token| token.is_any(&["a", "an", "any", "the", "set"]))
        {
            before -= 1;
        }
        let Some(word) = before.checked_sub(1).and_then(|at| self.free(at)) else { return false };
        let is_beside_value = {
            let next = self.past(mention.end(), BETWEEN);
            self.free(next).is_some_and(|token| !is_filler(token))
        };
        if word.is_any(&["no", "without", "missing", "lacking"]) {
            self.spend(index);
            self.take(before - 1, 1);
            self.push(mention.field, Test::Empty, false);
            return true;
        }
        if word.is_any(&["with", "have", "has", "having"]) && !is_beside_value && !mention.loose {
            self.spend(index);
            self.take(before - 1, 1);
            if field.kind == FieldKind::Checkbox {
                self.push(mention.field, Test::Checked, false);
            } else {
                self.push(mention.field, Test::Empty, true);
            }
            return true;
        }
        false
    }

    /// The choice that ends before an "or" that ends here.
    fn choice_before_or(&self, at: usize, field: usize) -> Option<(String, usize)> {
        let or = at.checked_sub(1)?;
        if !self.free(or)?.is_any(&["or", "and", "nor"]) {
            return None;
        }
        (or.saturating_sub(4)..or).find_map(|start| {
            let ends_here = |(_, choice, length): (usize, String, usize)| {
                (start + length == or).then_some((choice, start))
            };
            self.choices_at(start, Some(field)).into_iter().find_map(ends_here)
        })
    }

    /// Choices of a field, joined by "or".
    fn choices_from(&self, field: usize, at: usize) -> Option<(Test, usize)> {
        let (_, first, length) = self.choices_at(at, Some(field)).into_iter().next()?;
        let mut choices = vec![first];
        let mut end = at + length;
        loop {
            let next = self.past(end, &["or", "and", ",", "nor"]);
            let next = if next > end { self.past(next, &["is", "not"]) } else { next };
            match self.choices_at(next, Some(field)).into_iter().next() {
                Some((_, more, length)) if next > end => {
                    choices.push(more);
                    end = next + length;
                }
                _ => return Some((Test::Choices(choices), end)),
            }
        }
    }

    fn checked_at(&self, at: usize) -> Option<(bool, usize)> {
        let token = self.free(at)?;
        if token.is_any(&["checked", "ticked", "true", "yes", "on", "set"]) {
            return Some((true, at + 1));
        }
        token.is_any(&["unchecked", "unticked", "false", "no", "off"]).then_some((false, at + 1))
    }

    /// A comparison, and where its number stands.
    fn comparison_at(&self, at: usize) -> Option<(Comparison, usize)> {
        let token = self.free(at)?;
        let then = |words: &[&str]| self.free(at + 1).is_some_and(|next| next.is_any(words));
        if token.kind == Kind::Sign {
            let comparison = match token.norm.as_str() {
                "<" => Comparison::Less,
                "<=" => Comparison::AtMost,
                ">" => Comparison::Greater,
                ">=" => Comparison::AtLeast,
                "=" => Comparison::Equal,
                _ => return None,
            };
            return Some((comparison, at + 1));
        }
        let (comparison, length) = match token.norm.as_str() {
            "more" | "greater" | "higher" | "larger" | "bigger" | "longer" if then(&["than"]) => {
                (Comparison::Greater, 2)
            }
            "over" | "above" | "exceeding" | "exceeds" => (Comparison::Greater, 1),
            "less" | "fewer" | "lower" | "smaller" | "shorter" if then(&["than"]) => (Comparison::Less, 2),
            "under" | "below" => (Comparison::Less, 1),
            "at" if then(&["least"]) => (Comparison::AtLeast, 2),
            "at" if then(&["most"]) => (Comparison::AtMost, 2),
            "minimum" => (Comparison::AtLeast, 1),
            "exactly" => (Comparison::Equal, 1),
            "up" if then(&["to"]) => (Comparison::AtMost, 2),
            _ => return None,
        };
        Some((comparison, at + length))
    }

    fn number_from(&self, field: usize, at: usize) -> Option<(Test, usize)> {
        let number = |at: usize| match self.free(at)?.kind {
            Kind::Number(number) => Some(self.in_units(field, number, at)),
            _ => None,
        };
        if self.free(at)?.is("between") {
            let least = number(at + 1)?;
            let and = self.past(at + 2, &["and", "to"]);
            let most = number(and)?;
            return Some((Test::Between(least, most), and + 1));
        }
        if let Some((comparison, at)) = self.comparison_at(at) {
            return Some((Test::Compare(comparison, number(at)?), at + 1));
        }
        let value = number(at)?;
        // "5 or more"
        let or = |words: &[&str]| {
            self.free(at + 1).is_some_and(|token| token.is("or"))
                && self.free(at + 2).is_some_and(|token| token.is_any(words))
        };
        if or(&["more", "higher", "above"]) {
            return Some((Test::Compare(Comparison::AtLeast, value), at + 3));
        }
        if or(&["less", "fewer", "lower", "below"]) {
            return Some((Test::Compare(Comparison::AtMost, value), at + 3));
        }
        Some((Test::Compare(Comparison::Equal, value), at + 1))
    }

    /// 20 in a field of percents is 20 %.
    fn in_units(&self, field: usize, number: f64, at: usize) -> f64 {
        let is_percent = self.field(field).kind == FieldKind::Percent;
        if is_percent && number > 1.0 && !self.tokens[at].text.contains('%') {
            number / 100.0
        } else {
            number
        }
    }

    fn date_from(&self, at: usize) -> Option<(Test, usize)> {
        self.free(at)?;
        let found = dates::at(self.tokens, at, self.today)?;
        ((at..at + found.length).all(|place| self.is_free(place)))
            .then_some((Test::When(found.test), at + found.length))
    }

    fn quoted_from(&self, at: usize) -> Option<(Test, usize)> {
        let token = self.free(at)?;
        (token.kind == Kind::Quoted).then(|| (Test::Equals(token.text.clone()), at + 1))
    }

    /// A quoted text, or the words behind "is".
    fn text_from(&self, mention: &Mention, at: usize) -> Option<(Test, usize)> {
        if let Some(quoted) = self.quoted_from(at) {
            return Some(quoted);
        }
        let says_is = (mention.end()..at).any(|place| {
            self.tokens[place].is_any(&["is", "equals", "equal"]) || self.tokens[place].kind == Kind::Sign
        });
        if !says_is {
            return None;
        }
        let (text, end) = self.value_at(at)?;
        Some((Test::Equals(text), end))
    }

    /// A quoted text, or unknown words up to the next small word.
    fn value_at(&self, at: usize) -> Option<(String, usize)> {
        let at = self.past(at, &["the", "a", "an", "word", "text"]);
        let first = self.free(at)?;
        if first.kind == Kind::Quoted {
            return Some((first.text.clone(), at + 1));
        }
        let mut words: Vec<String> = Vec::new();
        let mut end = at;
        while let Some(token) = self.free(end) {
            if is_filler(token)
                || token.kind == Kind::Quoted
                || self.mentions.iter().any(|mention| mention.at == end)
            {
                break;
            }
            match words.last_mut().filter(|_| token.joined) {
                Some(last) => last.push_str(&format!("-{}", token.text)),
                None => words.push(token.text.clone()),
            }
            end += 1;
        }
        (!words.is_empty()).then(|| (words.join(" "), end))
    }

    /// Choices without their field: "blocked tasks", "tasks in progress".
    fn choices_alone(&mut self) {
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
        let capital = self.tokens[start].text.starts_with(char::is_uppercase) && start > 0;
        (end < self.tokens.len() && unknown(end)) || (capital && start > 0 && unknown(start - 1))
    }

    /// "open", "done", "overdue", "unassigned", where no choice is called so.
    fn states(&mut self) {
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
    fn checkboxes_alone(&mut self) {
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
    fn dates_alone(&mut self) {
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
}
