//! Which records are meant: values beside the names of fields.

use super::dates;
use super::filter::{Comparison, Condition, Test};
use super::reading::{Mention, Reading};
use super::schema::FieldKind;
use super::words::{Kind, is_filler};

const BETWEEN: &[&str] = &[
    "of",
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
pub(super) const NOT: &[&str] =
    &["neither", "not", "isn", "aren", "t", "except", "excluding", "without", "never", "!=", "don", "doesn"];

impl Reading<'_> {
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

    pub(super) fn push(&mut self, field: usize, test: Test, negated: bool) {
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
    pub(super) fn choices_from(&self, field: usize, at: usize) -> Option<(Test, usize)> {
        let (_, first, length) = self.choices_at(at, Some(field)).into_iter().next()?;
        let mut choices = vec![first];
        let mut end = at + length;
        loop {
            // "bug and client" of several choices is both; of one choice it can only be either.
            let several = self.field(field).kind == FieldKind::MultiSelect;
            let joins: &[&str] = if several { &["or", ",", "nor"] } else { &["or", "and", ",", "nor"] };
            let next = self.past(end, joins);
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
}
