//! Whether numbers or records are asked for: metrics, groups, order, how many.

use super::filter::Unit;
use super::query::{Function, Goal, Group, Metric};
use super::reading::{Mention, Reading, Setting};
use super::schema::FieldKind;
use super::words::Kind;

/// Words that ask for the largest (true) or the smallest.
const EXTREMES: [(&str, bool); 24] = [
    ("highest", true),
    ("largest", true),
    ("biggest", true),
    ("greatest", true),
    ("maximum", true),
    ("max", true),
    ("most", true),
    ("longest", true),
    ("latest", true),
    ("newest", true),
    ("top", true),
    ("best", true),
    ("lowest", false),
    ("smallest", false),
    ("least", false),
    ("minimum", false),
    ("min", false),
    ("shortest", false),
    ("earliest", false),
    ("oldest", false),
    ("fewest", false),
    ("worst", false),
    ("cheapest", false),
    ("bottom", false),
];

const PEOPLE: [&str; 14] = [
    "person",
    "people",
    "user",
    "users",
    "member",
    "members",
    "assignee",
    "assignees",
    "employee",
    "employees",
    "colleague",
    "somebody",
    "owner",
    "owners",
];

impl Reading<'_> {
    pub(super) fn numbers_or_records(&mut self, setting: &Setting<'_>) {
        let counts = self.counts();
        self.groups(setting);
        self.order();
        self.metrics(counts);
        self.numbers_of_groups(counts);
        if counts || !self.query.metrics.is_empty() || (!self.query.groups.is_empty() && !self.lists()) {
            self.query.goal = Goal::Numbers;
        }
        if self.query.goal == Goal::Records {
            self.limit();
        }
    }

    /// "hours per project": the sums, where no function is named.
    fn numbers_of_groups(&mut self, counts: bool) {
        if counts
            || self.query.groups.is_empty()
            || !self.query.metrics.is_empty()
            || self.query.extreme.is_some()
        {
            return;
        }
        for index in 0..self.mentions.len() {
            let mention = self.mentions[index].clone();
            if !self.spent[index] && self.field(mention.field).is_number() && !self.is_compared(&mention) {
                self.push_metric(index, &mention, Function::Sum);
            }
        }
    }

    /// "how many", "count", "number of".
    fn counts(&self) -> bool {
        let is = |at: usize, words: &[&str]| self.free(at).is_some_and(|token| token.is_any(words));
        (0..self.tokens.len()).any(|at| {
            is(at, &["how"]) && is(at + 1, &["many", "much"])
                || is(at, &["number", "amount"]) && is(at + 1, &["of"])
                || at < 3 && is(at, &["count"])
        })
    }

    /// The question begins by asking for a list.
    fn lists(&self) -> bool {
        self.tokens.iter().take(4).any(|token| token.is_any(&["list", "show", "display", "find"]))
    }

    /// "per X", "by X", "for each X", "does every X have", "which X has the most".
    fn groups(&mut self, setting: &Setting<'_>) {
        if let Some((at, _)) = setting.group_mention {
            self.group_by(at);
        }
        // "which team has the most people"
        let asked = self.tokens.iter().position(|token| token.is_any(&["which", "what"]));
        let most = self.tokens.iter().rposition(|token| token.is_any(&["most", "fewest", "least"]));
        if let (Some(asked), Some(most), Some((table, _))) = (asked, most, self.table_mention)
            && asked + 1 < most
            && table > most
            && !self.tokens[most - 1].is("at")
            && let Some((_, mention)) = self.mention_at(asked + 1)
            && !self.field(mention.field).may_be_number()
        {
            self.group_by(asked + 1);
        }
        let mut at = 0;
        while at < self.tokens.len() {
            let starts =
                self.free(at).is_some_and(|token| token.is_any(&["per", "by", "each", "every", "across"]));
            let sorts =
                at > 0 && self.tokens[at - 1].is_any(&["sorted", "sort", "ordered", "order", "ranked"]);
            if starts && !sorts {
                let end = self.group_by(self.past(at + 1, &["the", "each", "every", "single", "different"]));
                if end > at {
                    self.take(at, 1);
                    at = end;
                    continue;
                }
            }
            at += 1;
        }
    }

    /// Takes what stands here to be grouped by, and more of it behind "and"; gives the end, or 0 if there is nothing.
    fn group_by(&mut self, start: usize) -> usize {
        let mut at = start;
        let mut end = 0;
        while let Some((group, next)) = self.group_at(at) {
            if !self.query.groups.contains(&group) {
                self.query.groups.push(group);
            }
            end = next;
            // "per status and priority"
            at = self.past(next, &["and", ",", "by", "per", "the"]);
            if at == next {
                break;
            }
        }
        end
    }

    fn group_at(&mut self, at: usize) -> Option<(Group, usize)> {
        let token = self.free(at)?;
        // "month of Due", "month"
        if let Some(unit) = Unit::of(&token.norm)
            && self.mention_at(at).is_none()
        {
            let behind = self.past(at + 1, &["of", "the", "in"]);
            let (field, end) = match self.mention_at(behind) {
                Some((index, mention)) if self.field(mention.field).kind == FieldKind::Date => {
                    self.spend(index);
                    (mention.field, mention.end())
                }
                _ => (self.date_for_unit()?, at + 1),
            };
            self.take(at, end - at);
            return Some((Group { field: self.field(field).name.clone(), unit: Some(unit) }, end));
        }
        // "per project" of projects: each record.
        let own = super::words::name_words(&self.table.name);
        if let Some((length, _)) = super::words::name_at(self.tokens, at, &own)
            && self.table_mention.is_none()
        {
            self.take(at, length);
            // "average hours per task" is no more than the average.
            if self.tokens.iter().any(|token| token.is_any(&["average", "avg", "mean"])) {
                return None;
            }
            return Some((Group { field: self.table.primary.clone(), unit: None }, at + length));
        }
        if let Some((index, mention)) = self.mention_at(at) {
            let field = self.field(mention.field);
            // "the 3 largest by budget" is an order, not groups.
            let is_order = field.is_number()
                && self.tokens[..at].iter().any(|token| EXTREMES.iter().any(|(word, _)| token.is(word)));
            if field.kind == FieldKind::Attachment || is_order {
                return None;
            }
            self.spend(index);
            if mention.loose {
                self.note_loose(&mention);
            }
            // "due month"
            let unit = self.free(mention.end()).and_then(|token| Unit::of(&token.norm));
            let is_date = field.kind == FieldKind::Date;
            let end = mention.end() + usize::from(is_date && unit.is_some());
            self.take(at, end - at);
            return Some((Group { field: field.name.clone(), unit: unit.filter(|_| is_date) }, end));
        }
        if token.is_any(&PEOPLE) || token.is("who") {
            let field = self.person_field()?;
            self.take(at, 1);
            let name = self.field(field).name.clone();
            self.note(format!("I took people to be those in {name}"));
            return Some((Group { field: name, unit: None }, at + 1));
        }
        None
    }

    /// The date field that is named anywhere, else the likeliest.
    fn date_for_unit(&mut self) -> Option<usize> {
        let named = self.mentions.iter().enumerate().find(|(index, mention)| {
            !self.spent[*index] && self.field(mention.field).kind == FieldKind::Date
        });
        if let Some((index, mention)) = named {
            let field = mention.field;
            self.spend(index);
            return Some(field);
        }
        self.date_field(&[])
    }

    pub(super) fn note_loose(&mut self, mention: &Mention) {
        let said: Vec<&str> =
            self.tokens[mention.at..mention.end()].iter().map(|token| token.text.as_str()).collect();
        let name = &self.field(mention.field).name;
        let note = format!("I took \"{}\" to be {name}", said.join(" "));
        if said.join(" ").to_lowercase() != name.to_lowercase() {
            self.note(note);
        }
    }

    /// "sorted by X descending", "newest first", "the 3 largest by X", "top 5".
    fn order(&mut self) {
        for at in 0..self.tokens.len() {
            let sorts = self
                .free(at)
                .is_some_and(|token| token.is_any(&["sorted", "sort", "ordered", "order", "ranked"]));
            if sorts && self.free(at + 1).is_some_and(|token| token.is("by")) {
                let place = self.past(at + 2, &["the"]);
                if let Some((index, mention)) = self.mention_at(place) {
                    self.spend(index);
                    let next = self.free(mention.end());
                    let descends = next.is_some_and(|token| {
                        token.is_any(&[
                            "descending",
                            "desc",
                            "descendingly",
                            "largest",
                            "highest",
                            "newest",
                            "latest",
                        ])
                    });
                    let ends = mention.end()
                        + usize::from(
                            next.is_some_and(|token| token.is_any(&["ascending", "asc"]) || descends),
                        );
                    self.take(at, ends - at);
                    self.query.sort.push((self.field(mention.field).name.clone(), descends));
                }
            }
        }
    }

    /// Sums, averages, extremes.
    fn metrics(&mut self, counts: bool) {
        for at in 0..self.tokens.len() {
            let Some(token) = self.free(at) else { continue };
            if token.kind != Kind::Word {
                continue;
            }
            let next_is = |word: &str| self.free(at + 1).is_some_and(|next| next.is(word));
            match token.norm.as_str() {
                "sum" | "total" | "totals" | "altogether" | "combined" => self.metric(at, Function::Sum),
                "average" | "avg" | "mean" | "averages" => {
                    if !self.metric_found(at, Function::Average) {
                        self.query
                            .troubles
                            .push("I do not see of which field you want the average".to_owned());
                    }
                }
                "median" => self.query.troubles.push("I cannot compute medians".to_owned()),
                "how" if next_is("much") => self.metric(at + 1, Function::Sum),
                "how" if next_is("many") => self.how_many(at + 2),
                // "at most 5", "at least 3" belong to conditions.
                "most" | "least" if at > 0 && self.tokens[at - 1].is("at") => {}
                word => {
                    if let Some((_, largest)) = EXTREMES.iter().find(|(extreme, _)| *extreme == word) {
                        self.extreme(at, *largest, counts);
                    }
                }
            }
        }
    }

    /// "how many hours": a sum; "how many statuses": different values.
    fn how_many(&mut self, at: usize) {
        let at = self.past(at, &["different", "distinct", "unique", "the"]);
        let Some((index, mention)) = self.mention_at(at) else { return };
        let field = self.field(mention.field);
        // A choice or a condition follows: "how many high priority tasks" names the table later.
        let is_adjective = self.table_mention.is_some_and(|(table, _)| table == mention.end());
        if is_adjective {
            return;
        }
        let function = match field.kind {
            FieldKind::Number => Function::Sum,
            FieldKind::Select
            | FieldKind::MultiSelect
            | FieldKind::Link
            | FieldKind::Person
            | FieldKind::Text => Function::Distinct,
            _ => return,
        };
        self.spend(index);
        if mention.loose {
            self.note_loose(&mention);
        }
        self.query.metrics.push(Metric { function, field: field.name.clone() });
    }

    fn metric(&mut self, at: usize, function: Function) {
        self.metric_found(at, function);
    }

    /// The nearest number behind, and more of them after "and"; else the nearest before.
    fn metric_found(&mut self, at: usize, function: Function) -> bool {
        let is_number = |mention: &Mention| self.field(mention.field).may_be_number();
        let behind = self.mentions.iter().enumerate().find(|(index, mention)| {
            mention.at > at && is_number(mention) && (!self.spent[*index] || self.is_metric(mention))
        });
        if let Some((index, mention)) = behind
            && self.between_is_plain(at + 1, mention.at)
        {
            let (mut index, mut mention) = (index, mention.clone());
            loop {
                self.push_metric(index, &mention, function);
                let next = self.past(mention.end(), &["and", ",", "the", "is", "are"]);
                match self.mention_at(next) {
                    Some((more, field))
                        if next > mention.end()
                            && self.field(field.field).is_number()
                            && !self.is_compared(&field) =>
                    {
                        (index, mention) = (more, field);
                    }
                    _ => break,
                }
            }
            self.take(at, 1);
            return true;
        }
        let before = self.mentions.iter().enumerate().rev().find(|(index, mention)| {
            mention.end() <= at && mention.end() + 2 >= at && is_number(mention) && !self.spent[*index]
        });
        if let Some((index, mention)) = before {
            let mention = mention.clone();
            self.push_metric(index, &mention, function);
            self.take(at, 1);
            return true;
        }
        false
    }

    fn push_metric(&mut self, index: usize, mention: &Mention, function: Function) {
        self.spend(index);
        if mention.loose {
            self.note_loose(mention);
        }
        let metric = Metric { function, field: self.field(mention.field).name.clone() };
        if !self.query.metrics.contains(&metric) {
            self.query.metrics.push(metric);
        }
    }

    /// Whether the field is computed already, so that another function may share it: "average and total budget".
    fn is_metric(&self, mention: &Mention) -> bool {
        let name = &self.field(mention.field).name;
        self.query.metrics.iter().any(|metric| metric.field == *name)
    }

    fn is_compared(&self, mention: &Mention) -> bool {
        let next = self.past(mention.end(), &["is", "are", "of"]);
        self.free(next).is_some_and(|token| {
            token.is_any(&[
                "over", "above", "more", "greater", "under", "below", "less", "at", "between", "fewer",
            ]) || matches!(token.kind, Kind::Sign)
                && ["<", "<=", ">", ">=", "=", "!="].contains(&token.norm.as_str())
        })
    }

    /// Nothing but small words, other functions and the table's name between a function and its field.
    fn between_is_plain(&self, from: usize, to: usize) -> bool {
        (from..to).all(|at| {
            self.used[at]
                || super::words::is_filler(&self.tokens[at])
                || self.tokens[at].is_any(&["average", "mean", "combined", "estimated"])
                || EXTREMES.iter().any(|(word, _)| self.tokens[at].is(word))
        })
    }

    /// A superlative: of groups, of records, or of values.
    fn extreme(&mut self, at: usize, largest: bool, counts: bool) {
        // "newest first" alone is an order.
        let is_order = self.free(at + 1).is_some_and(|token| token.is("first"));
        let count_before = at.checked_sub(1).and_then(|before| match self.free(before)?.kind {
            Kind::Number(count) if count.fract() == 0.0 && count >= 1.0 => Some((before, count as usize)),
            _ => None,
        });
        let count_behind = self.free(at + 1).and_then(|token| match token.kind {
            Kind::Number(count) if count.fract() == 0.0 && count >= 1.0 => Some((at + 1, count as usize)),
            _ => None,
        });
        if !self.query.groups.is_empty()
            && !counts
            && count_before.or(count_behind).is_none()
            && !self.is_of_each_group(at)
        {
            // "which person has the most tasks", "the project with the highest total budget"
            self.query.extreme = Some(largest);
            self.take(at, 1);
            self.query.goal = Goal::Numbers;
            let mention = self.mentions.iter().enumerate().find(|(index, mention)| {
                !self.spent[*index] && mention.at > at && self.field(mention.field).is_number()
            });
            if let Some((index, mention)) = mention {
                let mention = mention.clone();
                self.push_metric(index, &mention, Function::Sum);
            }
            return;
        }
        let is_date_word = self.tokens[at].is_any(&["latest", "newest", "earliest", "oldest"]);
        let fits = |mention: &Mention| {
            let field = self.field(mention.field);
            if is_date_word {
                field.kind == FieldKind::Date
            } else {
                field.may_be_number() || field.kind == FieldKind::Date
            }
        };
        let behind = self.mentions.iter().enumerate().find(|(index, mention)| {
            mention.at > at && (!self.spent[*index] || self.is_metric(mention)) && fits(mention)
        });
        let behind = behind.map(|(index, mention)| (index, mention.clone()));
        let is_of_records = is_order || count_before.or(count_behind).is_some() || self.asks_for_records(at);
        if !is_of_records {
            if let Some((index, mention)) = behind {
                let function = if largest { Function::Max } else { Function::Min };
                self.push_metric(index, &mention, function);
                self.take(at, 1);
            }
            return;
        }
        let field = match behind {
            Some((index, mention)) => {
                self.spend(index);
                Some(mention.field)
            }
            None if is_date_word => self.date_field(&["created", "added"]),
            None => self.only_number(at),
        };
        let Some(field) = field else { return };
        let name = self.field(field).name.clone();
        // "top 3 by budget": the "by" in between was not a group.
        self.query.sort.push((name, largest));
        self.take(at, 1 + usize::from(is_order));
        match count_before.or(count_behind) {
            Some((place, count)) => {
                self.take(place, 1);
                self.query.limit = Some(count);
            }
            None if !is_order => self.query.limit = Some(1),
            None => {}
        }
    }

    /// "the highest budget by team": a value of each group, and not the group that has the most of something.
    fn is_of_each_group(&self, at: usize) -> bool {
        let number = self.mentions.iter().enumerate().find(|(index, mention)| {
            !self.spent[*index] && mention.at > at && self.field(mention.field).may_be_number()
        });
        let is_grouped_behind = |from: usize| {
            self.tokens[from..].iter().any(|token| token.is_any(&["by", "per", "each", "every"]))
        };
        number.is_some_and(|(_, mention)| {
            self.between_is_plain(at + 1, mention.at) && is_grouped_behind(mention.end())
        })
    }

    /// "which project has the highest budget", "show the largest project": records, not a value.
    fn asks_for_records(&self, at: usize) -> bool {
        let asks_who = self.tokens[..at].iter().any(|token| token.is_any(&["who", "which", "whose"]));
        asks_who || self.table_mention.is_some_and(|(table, _)| table < at || table == at + 1)
    }

    /// "the largest project", where a table has one number only.
    fn only_number(&mut self, at: usize) -> Option<usize> {
        let is_beside = self.table_mention.is_some_and(|(table, _)| table == at + 1);
        let numbers: Vec<usize> =
            (0..self.table.fields.len()).filter(|index| self.field(*index).is_number()).collect();
        match numbers.as_slice() {
            [one] if is_beside => {
                self.note(format!("I went by {}", self.field(*one).name));
                Some(*one)
            }
            _ => None,
        }
    }

    /// "show 5 tasks", "the first 10".
    fn limit(&mut self) {
        for at in 0..self.tokens.len() {
            let Some(token) = self.free(at) else { continue };
            let Kind::Number(count) = token.kind else { continue };
            if count.fract() != 0.0
                || !(1.0..=1000.0).contains(&count)
                || token.text.contains(['%', '€', '$', '£'])
            {
                continue;
            }
            let behind_first = at > 0 && self.tokens[at - 1].is_any(&["first", "top", "last"]);
            let before_table = self.table_mention.is_some_and(|(table, _)| table == at + 1);
            if behind_first || before_table {
                self.query.limit = Some(count as usize);
                self.take(at, 1);
                return;
            }
        }
    }
}
