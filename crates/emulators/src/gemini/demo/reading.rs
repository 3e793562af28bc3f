//! Reading a question against the schema of a table: names of fields and choices are found in it, then each of its parts is
//! taken for what it says, until nothing is left.

use jiff::civil::Date;

use super::filter::{Condition, Test};
use super::query::{Goal, Phrase, Query};
use super::schema::{Field, FieldKind, Table};
use super::words::{self, Kind, Token, name_at};

/// A name of the schema at a place of the question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mention {
    pub(super) at: usize,
    pub(super) length: usize,
    /// Index of the field.
    pub(super) field: usize,
    /// By the name of the table that it links to, or by a part of its own.
    pub(super) loose: bool,
}

impl Mention {
    pub(super) fn end(&self) -> usize {
        self.at + self.length
    }
}

/// What is known of a question before its fields are read.
pub(super) struct Setting<'a> {
    pub(super) tokens: &'a [Token],
    /// Where the table is named.
    pub(super) table_mention: Option<(usize, usize)>,
    /// "which A has the most B": group B by the pieces that name A.
    pub(super) group_mention: Option<(usize, usize)>,
    pub(super) today: Date,
}

pub(super) struct Reading<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) table: &'a Table,
    pub(super) today: Date,
    pub(super) used: Vec<bool>,
    /// Choices that are taken for parts of names.
    pub(super) held: Vec<bool>,
    /// Fields that are named, from left to right.
    pub(super) mentions: Vec<Mention>,
    /// Fields that were put to use, by their place in `mentions`.
    pub(super) spent: Vec<bool>,
    pub(super) table_mention: Option<(usize, usize)>,
    pub(super) query: Query,
}

impl<'a> Reading<'a> {
    pub(super) fn new(setting: &Setting<'a>, table: &'a Table) -> Self {
        let mut reading = Self {
            tokens: setting.tokens,
            table,
            today: setting.today,
            used: vec![false; setting.tokens.len()],
            held: vec![false; setting.tokens.len()],
            mentions: Vec::new(),
            spent: Vec::new(),
            table_mention: setting.table_mention,
            query: Query {
                table: table.clone(),
                goal: Goal::Records,
                conditions: Vec::new(),
                metrics: Vec::new(),
                groups: Vec::new(),
                extreme: None,
                sort: Vec::new(),
                limit: None,
                shown: Vec::new(),
                phrases: Vec::new(),
                notes: Vec::new(),
                troubles: Vec::new(),
            },
        };
        if let Some((at, length)) = setting.table_mention {
            reading.take(at, length);
        }
        reading.mentions = reading.find_mentions();
        reading.spent = vec![false; reading.mentions.len()];
        reading
    }

    /// Reads everything.
    pub(super) fn read(mut self, setting: &Setting<'_>) -> Query {
        self.numbers_or_records(setting);
        self.conditions();
        self.leftovers();
        self.query
    }

    /// Puts pieces to use. A field that seemed to be named in them was not.
    pub(super) fn take(&mut self, at: usize, length: usize) {
        let end = (at + length).min(self.used.len());
        self.used[at..end].fill(true);
        for (mention, spent) in self.mentions.iter().zip(&mut self.spent) {
            *spent |= mention.at < end && mention.end() > at;
        }
    }

    pub(super) fn is_free(&self, at: usize) -> bool {
        self.used.get(at) == Some(&false)
    }

    /// A free piece.
    pub(super) fn free(&self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at).filter(|_| self.is_free(at))
    }

    /// The next place that is none of these words.
    pub(super) fn past(&self, mut at: usize, words: &[&str]) -> usize {
        while self.free(at).is_some_and(|token| {
            token.is_any(words) || words.contains(&token.norm.as_str()) && token.kind == Kind::Sign
        }) {
            at += 1;
        }
        at
    }

    pub(super) fn field(&self, index: usize) -> &'a Field {
        &self.table.fields[index]
    }

    /// The mention at this place that was not put to use, and its index.
    pub(super) fn mention_at(&self, at: usize) -> Option<(usize, Mention)> {
        let index = self.mentions.iter().position(|mention| mention.at == at)?;
        (!self.spent[index]).then(|| (index, self.mentions[index].clone()))
    }

    /// The mention that ends just before this place, articles and the like between.
    pub(super) fn mention_before(&self, at: usize) -> Option<(usize, Mention)> {
        let index = self.mentions.iter().rposition(|mention| mention.end() <= at)?;
        let between = self.mentions[index].end()..at;
        let close = between.clone().all(|place| self.tokens[place].is_any(&["the", "a", "an", "is", "of"]));
        (close && !self.spent[index]).then(|| (index, self.mentions[index].clone()))
    }

    pub(super) fn spend(&mut self, index: usize) {
        self.spent[index] = true;
        let mention = self.mentions[index].clone();
        self.take(mention.at, mention.length);
    }

    pub(super) fn note(&mut self, note: String) {
        if !self.query.notes.contains(&note) {
            self.query.notes.push(note);
        }
    }

    /// All fields that are named, without overlaps; the longest names first, whole names before parts of names.
    fn find_mentions(&self) -> Vec<Mention> {
        // Whole or not, length, agreement, mention.
        let mut found: Vec<(bool, usize, u32, Mention)> = Vec::new();
        for at in 0..self.tokens.len() {
            if !self.is_free(at) {
                continue;
            }
            let mut parts: Vec<(usize, Mention)> = Vec::new();
            for (index, field) in self.table.fields.iter().enumerate() {
                let words = field.words();
                if let Some((length, score)) = name_at(self.tokens, at, words)
                    && self.may_be_name(at, length)
                {
                    found.push((true, length, score, Mention { at, length, field: index, loose: false }));
                    continue;
                }
                if let Some((length, _)) = name_at(self.tokens, at, field.linked_words())
                    && self.may_be_name(at, length)
                {
                    parts.push((length, Mention { at, length, field: index, loose: true }));
                    continue;
                }
                // A part of a name of several words.
                for length in (1..words.len()).rev() {
                    let hit = words.windows(length).any(|part| name_at(self.tokens, at, part).is_some());
                    if hit && !self.tokens[at..at + length].iter().all(words::is_filler) {
                        parts.push((length, Mention { at, length, field: index, loose: true }));
                        break;
                    }
                }
            }
            let longest = parts.iter().map(|(length, _)| *length).max().unwrap_or_default();
            parts.retain(|(length, _)| *length == longest);
            // A part that fits several fields says nothing, unless they all lead to one table.
            let links = |mention: &Mention| self.field(mention.field).links_to.clone();
            let is_one = parts.len() == 1
                || parts.first().is_some_and(|(_, first)| {
                    links(first).is_some() && parts.iter().all(|(_, mention)| links(mention) == links(first))
                });
            if is_one && let Some((length, mention)) = parts.into_iter().next() {
                found.push((false, length, 0, mention));
            }
        }
        found.sort_by_key(|(whole, length, score, mention)| {
            (std::cmp::Reverse((*whole, *length, *score)), mention.at, mention.field)
        });
        let mut mentions: Vec<Mention> = Vec::new();
        let mut taken = self.used.clone();
        for (_, _, _, mention) in found {
            let end = mention.end().min(taken.len());
            let place = &mut taken[mention.at..end];
            if !place.contains(&true) {
                place.fill(true);
                mentions.push(mention);
            }
        }
        mentions.sort_by_key(|mention| mention.at);
        // "where Lead is Ada": what stands there is a value, though a part of some field may be called so.
        let says_is = |from: usize, to: usize| {
            from < to
                && self.tokens[from..to].iter().all(|token| {
                    token.is_any(&["is", "equals", "called", "named", "not"])
                        || token.kind == Kind::Sign && ["=", ":", "!="].contains(&token.norm.as_str())
                })
        };
        let ends: Vec<usize> = mentions.iter().map(Mention::end).collect();
        mentions.retain(|mention| {
            !mention.loose || !ends.iter().any(|end| *end < mention.at && says_is(*end, mention.at))
        });
        // "due date" where the field is called Due.
        for mention in &mut mentions {
            let next = self.tokens.get(mention.end());
            let is_free = taken.get(mention.end()) == Some(&false);
            if self.field(mention.field).kind == FieldKind::Date
                && is_free
                && next.is_some_and(|token| token.is_any(&["date", "dates"]))
            {
                taken[mention.end()] = true;
                mention.length += 1;
            }
        }
        mentions
    }

    /// A name that is an everyday word ("Total", "Order") must be marked as one: by quotes, a capital, or what stands before it.
    fn may_be_name(&self, at: usize, length: usize) -> bool {
        let here = &self.tokens[at..(at + length).min(self.tokens.len())];
        if here.len() != length || !here.iter().all(words::is_common) {
            return here.len() == length;
        }
        if length > 1 {
            return true;
        }
        let is_numbered =
            self.tokens.get(at + length).is_some_and(|token| matches!(token.kind, Kind::Number(_)));
        let is_capital = at > 0 && here[0].text.starts_with(char::is_uppercase);
        let before = at.checked_sub(1).map(|before| &self.tokens[before]);
        is_capital
            || is_numbered
            || before.is_some_and(|before| {
                before.is_any(&[
                    "of", "by", "per", "each", "every", "where", "average", "sum", "max", "min", "highest",
                    "lowest", "maximum", "minimum", "field", "column",
                ])
            })
    }

    /// The choices at this place, of all fields that have one there: field, choice, length. The longest only, and those that
    /// are written just so rather than those that differ by accents.
    pub(super) fn choices_at(&self, at: usize, of: Option<usize>) -> Vec<(usize, String, usize)> {
        let mut found = Vec::new();
        for (index, field) in self.table.fields.iter().enumerate() {
            if !field.has_choices() || of.is_some_and(|of| of != index) {
                continue;
            }
            for (choice, words) in field.choices_with_words() {
                let Some((length, score)) = name_at(self.tokens, at, words) else { continue };
                if (at..at + length).any(|place| !self.is_free(place)) {
                    continue;
                }
                // Without its field, an everyday word is no choice unless it looks like one.
                if of.is_some() || self.may_be_name(at, length) {
                    let is_exact = self.is_written(at, length, choice);
                    found.push(((length, score, is_exact), index, choice.clone()));
                }
            }
        }
        let best = found.iter().map(|(rank, ..)| *rank).max().unwrap_or_default();
        found.retain(|(rank, ..)| *rank == best);
        found.into_iter().map(|((length, ..), field, choice)| (field, choice, length)).collect()
    }

    /// Whether these tokens are the name with all its accents, in any case.
    fn is_written(&self, at: usize, length: usize, name: &str) -> bool {
        let written = self.tokens[at..at + length].iter().map(|token| token.text.to_lowercase());
        written.eq(name.to_lowercase().split_whitespace().map(str::to_owned))
    }

    /// A field for dates: the only one, or the one whose name says that it is meant.
    pub(super) fn date_field(&mut self, wanted: &[&str]) -> Option<usize> {
        let dates: Vec<usize> =
            (0..self.table.fields.len()).filter(|index| self.field(*index).kind == FieldKind::Date).collect();
        let named = |words: &[&str]| {
            dates
                .iter()
                .copied()
                .find(|index| self.field(*index).words().iter().any(|word| words.contains(&word.as_str())))
        };
        let written = || dates.iter().copied().find(|index| self.field(*index).writable);
        let chosen = named(wanted)
            .or_else(|| named(&["due", "deadline", "date", "day", "when"]))
            .or_else(written)
            .or(dates.first().copied())?;
        let writable = dates.iter().filter(|index| self.field(**index).writable).count();
        if writable > 1 || !self.field(chosen).writable {
            self.note(format!("I took the date to be {}", self.field(chosen).name));
        }
        Some(chosen)
    }

    /// A field that holds people.
    pub(super) fn person_field(&self) -> Option<usize> {
        const PEOPLE: [&str; 16] = [
            "people",
            "person",
            "user",
            "users",
            "member",
            "members",
            "employee",
            "employees",
            "staff",
            "team",
            "colleagues",
            "contacts",
            "assignee",
            "assignees",
            "owner",
            "lead",
        ];
        let is_people = |words: &[String]| words.iter().any(|word| PEOPLE.contains(&word.as_str()));
        let find = |wanted: &dyn Fn(&Field) -> bool| self.table.fields.iter().position(wanted);
        find(&|field| field.kind == FieldKind::Link && is_people(field.linked_words()))
            .or_else(|| find(&|field| field.kind == FieldKind::Person && field.writable))
            .or_else(|| {
                find(&|field| {
                    is_people(field.words()) && matches!(field.kind, FieldKind::Link | FieldKind::Select)
                })
            })
            .or_else(|| find(&|field| field.kind == FieldKind::Person))
    }

    /// What nothing explained so far: names of records, perhaps.
    fn leftovers(&mut self) {
        self.fields_without_use();
        let mut at = 0;
        while at < self.tokens.len() {
            if !self.is_unknown(at) {
                at += 1;
                continue;
            }
            let start = at;
            let mut end = at + 1;
            loop {
                if self.is_unknown(end)
                    && self.tokens[end].kind != Kind::Quoted
                    && self.tokens[start].kind != Kind::Quoted
                {
                    end += 1;
                } else if self.joins_names(end) {
                    end += 2;
                } else {
                    break;
                }
            }
            self.phrase(start, end);
            at = end;
        }
    }

    fn is_unknown(&self, at: usize) -> bool {
        let is_field = self
            .mentions
            .iter()
            .zip(&self.spent)
            .any(|(mention, spent)| !spent && (mention.at..mention.end()).contains(&at));
        !is_field && self.free(at).is_some_and(|token| self.held[at] || !words::is_filler(token))
    }

    /// "Bank of America", "Price list 2025": a small word between two capitals, or before a number.
    fn joins_names(&self, at: usize) -> bool {
        const SEPARATES: &[&str] = &[
            "and", "or", "with", "by", "to", "is", "are", "was", "has", "have", "had", "does", "do", "from",
            "at", "on", "where", "whose", "who", "which", "that", "per", "each", "than", "as", "about",
        ];
        let capital = |place: usize| {
            self.tokens.get(place).is_some_and(|token| token.text.starts_with(char::is_uppercase))
        };
        let number =
            |place: usize| self.tokens.get(place).is_some_and(|token| matches!(token.kind, Kind::Number(_)));
        self.free(at).is_some_and(|token| token.kind == Kind::Word && !token.is_any(SEPARATES))
            && at > 0
            && self.is_unknown(at + 1)
            && (number(at + 1) || capital(at - 1) && capital(at + 1))
    }

    fn phrase(&mut self, start: usize, end: usize) {
        let mut text = String::new();
        for token in &self.tokens[start..end] {
            if !text.is_empty() {
                text.push_str(if token.joined { "-" } else { " " });
            }
            text.push_str(&token.text);
        }
        let split = self.split(start, end);
        self.take(start, end - start);
        let before = start.checked_sub(1).map(|before| &self.tokens[before]);
        let negated = before.is_some_and(|token| token.is_any(&["not", "except", "without", "excluding"]));
        // A linked table or field beside it says where to look.
        let beside =
            |at: Option<(usize, Mention)>| at.filter(|(_, mention)| self.may_name_records(mention.field));
        let mention =
            beside(self.mention_before(self.before_naming(start))).or_else(|| beside(self.mention_at(end)));
        let field = mention.map(|(index, mention)| {
            self.spend(index);
            self.field(mention.field).name.clone()
        });
        let quoted = self.tokens[start].kind == Kind::Quoted;
        self.query.phrases.push(Phrase { text, field, negated, quoted, split });
    }

    /// The choices between these places, and the words that are none.
    fn split(&self, start: usize, end: usize) -> Option<(Vec<Condition>, String)> {
        let mut conditions = Vec::new();
        let mut rest: Vec<&str> = Vec::new();
        let mut at = start;
        while at < end {
            let choice = self.choices_at(at, None).into_iter().find(|(_, _, length)| at + length <= end);
            match choice {
                Some((field, choice, length)) => {
                    let field = self.field(field).clone();
                    conditions.push(Condition { field, test: Test::Choices(vec![choice]), negated: false });
                    at += length;
                }
                None => {
                    rest.push(&self.tokens[at].text);
                    at += 1;
                }
            }
        }
        (!conditions.is_empty()).then(|| (conditions, rest.join(" ")))
    }

    fn is_in_use(&self, name: &str) -> bool {
        let query = &self.query;
        query.groups.iter().any(|group| group.field == name)
            || query.metrics.iter().any(|metric| metric.field == name)
            || query.conditions.iter().any(|condition| condition.field.name == name)
    }

    /// Whether a name beside the field may be one of its values.
    fn may_name_records(&self, field: usize) -> bool {
        matches!(self.field(field).kind, FieldKind::Link | FieldKind::Person | FieldKind::Computed)
    }

    /// "project called X": the place before "called".
    fn before_naming(&self, at: usize) -> usize {
        match at.checked_sub(1).map(|before| &self.tokens[before]) {
            Some(token)
                if token.is_any(&["called", "named", "is", "=", ":", "equals"])
                    || token.norm == ":"
                    || token.norm == "=" =>
            {
                at - 1
            }
            _ => at,
        }
    }

    /// Fields that were named and not used: those to be shown, or to be grouped by.
    fn fields_without_use(&mut self) {
        for index in 0..self.mentions.len() {
            if self.spent[index] {
                continue;
            }
            let mention = self.mentions[index].clone();
            let field = self.field(mention.field);
            // A link beside an unknown word says where that is to be looked for.
            let beside = |at: Option<usize>| at.is_some_and(|at| self.is_unknown(at));
            let next = self.past(mention.end(), &["the", "called", "named", "is", "=", ":"]);
            if self.may_name_records(mention.field)
                && (beside(Some(next)) || beside(mention.at.checked_sub(1)))
            {
                continue;
            }
            self.spend(index);
            match self.query.goal {
                Goal::Records => self.query.shown.push(field.name.clone()),
                Goal::Numbers if self.query.groups.is_empty() && field.has_choices() => {
                    self.query.groups.push(super::query::Group { field: field.name.clone(), unit: None });
                }
                Goal::Numbers if self.is_in_use(&field.name) => {}
                Goal::Numbers => self.note(format!("I did not use {}", field.name)),
            }
        }
    }
}
