//! The order of `sort`: empty cells first (last when descending), select choices in the order of the field's
//! options, text without regard to case.

use std::cmp::Ordering;

use airtable_formula::Value;

use crate::airtable::cell::Cell;
use crate::airtable::computed::Eval;
use crate::airtable::model::Kind;

/// One field to sort by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SortKey {
    pub(crate) field: usize,
    pub(crate) descending: bool,
}

/// What one cell is compared by. Of different types, the one that stands first here comes first.
#[derive(Debug, Clone, PartialEq)]
enum Comparable {
    Empty,
    Number(f64),
    Choices(Vec<u32>),
    /// In lower case, then as written.
    Text(String, String),
}

/// Sorts slots; those that are equal keep their order.
pub(crate) fn sort(eval: &Eval<'_>, table: usize, slots: Vec<u32>, keys: &[SortKey]) -> Vec<u32> {
    let comparables =
        |slot: u32| keys.iter().map(|key| comparable(eval, table, slot, key.field)).collect::<Vec<_>>();
    let mut keyed: Vec<(Vec<Comparable>, u32)> =
        slots.into_iter().map(|slot| (comparables(slot), slot)).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let orders = keys.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| key.order(a, b));
        first_difference(orders)
    });
    keyed.into_iter().map(|(_, slot)| slot).collect()
}

/// The order of two slots as [`sort`] leaves them, equal ones by slot.
pub(crate) fn order(eval: &Eval<'_>, table: usize, a: u32, b: u32, keys: &[SortKey]) -> Ordering {
    let cell = |slot: u32, key: &SortKey| comparable(eval, table, slot, key.field);
    first_difference(keys.iter().map(|key| key.order(&cell(a, key), &cell(b, key)))).then(a.cmp(&b))
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl SortKey {
    fn order(&self, a: &Comparable, b: &Comparable) -> Ordering {
        let order = compare(a, b);
        if self.descending { order.reverse() } else { order }
    }
}

fn comparable(eval: &Eval<'_>, table: usize, slot: u32, field: usize) -> Comparable {
    let table_ref = &eval.base.tables[table];
    if let (Kind::SingleSelect(_) | Kind::MultipleSelects(_), Some(record)) =
        (&table_ref.fields[field].kind, table_ref.rows.get(slot))
    {
        return match record.cell(field) {
            Cell::Choice(choice) => Comparable::Choices(vec![*choice]),
            Cell::Choices(choices) => Comparable::Choices(choices.to_vec()),
            _ => Comparable::Empty,
        };
    }
    of_value(&eval.value(table, slot, field))
}

fn of_value(value: &Value<'_>) -> Comparable {
    match value {
        Value::Blank => Comparable::Empty,
        Value::Number(number) => Comparable::Number(*number),
        Value::Boolean(boolean) => Comparable::Number(f64::from(u8::from(*boolean))),
        Value::Date(date) => Comparable::Number(date.as_millisecond() as f64),
        Value::Array(items) if items.len() == 1 => of_value(&items[0]),
        other => {
            let text = other.to_string();
            if text.is_empty() { Comparable::Empty } else { Comparable::Text(text.to_lowercase(), text) }
        }
    }
}

fn compare(a: &Comparable, b: &Comparable) -> Ordering {
    use Comparable::{Choices, Empty, Number, Text};
    match (a, b) {
        (Empty, Empty) => Ordering::Equal,
        (Number(a), Number(b)) => a.total_cmp(b),
        (Choices(a), Choices(b)) => a.cmp(b),
        (Text(a, a_written), Text(b, b_written)) => a.cmp(b).then_with(|| a_written.cmp(b_written)),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(comparable: &Comparable) -> u8 {
    match comparable {
        Comparable::Empty => 0,
        Comparable::Number(_) => 1,
        Comparable::Choices(_) => 2,
        Comparable::Text(..) => 3,
    }
}
