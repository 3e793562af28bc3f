//! Which table a question is about.

use super::schema::TableRef;
use super::words::{self, Token, name_at, name_words};

/// A table that is named, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) at: usize,
    pub(super) length: usize,
    /// Index of the table.
    pub(super) table: usize,
}

/// The table asked about, and the one whose records the groups are.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Subject {
    pub(super) main: Option<Named>,
    pub(super) group: Option<(usize, usize)>,
}

/// All tables that are named, from left to right, without overlaps. Parts of names count where no whole name is found,
/// if that is wanted.
pub(super) fn table_mentions(tokens: &[Token], tables: &[TableRef], by_parts: bool) -> Vec<Named> {
    let names: Vec<Vec<String>> = tables.iter().map(|table| name_words(&table.name)).collect();
    let mut found: Vec<(usize, u32, Named)> = Vec::new();
    for at in 0..tokens.len() {
        for (table, words) in names.iter().enumerate() {
            if let Some((length, score)) = name_at(tokens, at, words) {
                found.push((length, score, Named { at, length, table }));
            }
        }
        if let Some(table) = tables.iter().position(|table| table.id == tokens[at].text) {
            found.push((1, 9, Named { at, length: 1, table }));
        }
    }
    if found.is_empty() && by_parts {
        for at in 0..tokens.len() {
            let mut parts: Vec<(usize, Named)> = Vec::new();
            for (table, words) in names.iter().enumerate() {
                for length in (1..words.len()).rev() {
                    let hit = words.windows(length).any(|part| name_at(tokens, at, part).is_some());
                    if hit && !tokens[at..at + length].iter().all(words::is_filler) {
                        parts.push((length, Named { at, length, table }));
                        break;
                    }
                }
            }
            let longest = parts.iter().map(|(length, _)| *length).max().unwrap_or_default();
            parts.retain(|(length, _)| *length == longest);
            if let [(length, named)] = parts.as_slice() {
                found.push((*length, 0, named.clone()));
            }
        }
    }
    found.sort_by_key(|(length, score, named)| (std::cmp::Reverse((*length, *score)), named.at));
    let mut taken = vec![false; tokens.len()];
    let mut out: Vec<Named> = Vec::new();
    for (_, _, named) in found {
        let place = &mut taken[named.at..named.at + named.length];
        if !place.contains(&true) {
            place.fill(true);
            out.push(named);
        }
    }
    out.sort_by_key(|named| named.at);
    out
}

/// Chooses among the tables that are named.
pub(super) fn subject(tokens: &[Token], tables: &[TableRef]) -> Subject {
    let named = table_mentions(tokens, tables, true);
    let is = |at: Option<usize>, words: &[&str]| at.is_some_and(|at| tokens[at].is_any(words));
    let before = |at: usize| at.checked_sub(1);
    // "the X table", "table X"
    let explicit = named.iter().find(|named| {
        tokens.get(named.at + named.length).is_some_and(|token| token.is("table"))
            || is(before(named.at), &["table"])
    });
    if let Some(main) = explicit {
        return Subject { main: Some(main.clone()), group: None };
    }
    let follows_group = |named: &Named| {
        let mut at = named.at;
        while is(before(at), &["the", "single", "different"]) {
            at -= 1;
        }
        is(before(at), &["per", "by", "each", "every", "across"])
    };
    let free: Vec<&Named> = named.iter().filter(|named| !follows_group(named)).collect();
    if let [first, second, ..] = free.as_slice()
        && first.table != second.table
    {
        // "which person has the most tasks", "which projects have overdue tasks"
        let asks = tokens[..first.at].iter().any(|token| token.is_any(&["which", "what", "who", "whose"]))
            && tokens[..first.at].iter().all(|token| !token.is("many"));
        let between = &tokens[first.at + first.length..second.at];
        let has = between.iter().any(|token| {
            token.is_any(&["has", "have", "had", "with", "leads", "lead", "own", "owns", "got"])
        });
        if asks && has {
            return Subject { main: Some((*second).clone()), group: Some((first.at, first.length)) };
        }
    }
    // "who has the most tasks"
    let who = tokens.iter().position(|token| token.is("who"));
    let most = tokens.iter().any(|token| token.is_any(&["most", "fewest", "least"]));
    let group =
        who.filter(|who| most && free.first().is_some_and(|first| first.at > *who)).map(|who| (who, 1));
    Subject { main: free.first().map(|first| (*first).clone()), group }
}

#[cfg(test)]
mod tests {
    use super::super::words::tokens;
    use super::*;

    fn check(question: &str, main: Option<&str>, group: Option<&str>) {
        let table = |name: &str| TableRef { id: format!("tbl{name}"), name: name.to_owned() };
        let tables = [table("Tasks"), table("People"), table("Projects"), table("CRM Contacts")];
        let tokens = tokens(question);
        let subject = subject(&tokens, &tables);
        assert_eq!(subject.main.map(|named| tables[named.table].name.clone()).as_deref(), main, "{question}");
        assert_eq!(subject.group.map(|(at, _)| tokens[at].norm.clone()).as_deref(), group, "{question}");
    }

    #[test]
    fn the_table_is_the_first_that_is_not_grouped_by() {
        check("how many open tasks does each person have?", Some("Tasks"), None);
        check("per project, how many tasks are there?", Some("Tasks"), None);
        check("which person has the most tasks?", Some("Tasks"), Some("person"));
        check("who has the most tasks?", Some("Tasks"), Some("who"));
        check("which projects are active?", Some("Projects"), None);
        check("in the projects table, which tasks are done?", Some("Projects"), None);
        check("list all contacts", Some("CRM Contacts"), None);
        check("how much is it?", None, None);
    }
}
