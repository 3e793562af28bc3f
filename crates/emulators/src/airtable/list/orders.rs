//! What views show, in their order: worked out once and used until something changes that it depends on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use airtable_formula::Formula;

use super::sort;
use crate::airtable::computed::Eval;
use crate::airtable::dependents::Dependents;
use crate::airtable::ids::{BaseId, ViewId};
use crate::airtable::model::{Base, Kind, View};

/// How many slots all kept orders may hold together (four bytes each).
const MAX_SLOTS: usize = 16 << 20;

/// What views show, as long as it is true.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    kept: Mutex<HashMap<(BaseId, ViewId), Order>>,
}

#[derive(Debug)]
struct Order {
    slots: Arc<[u32]>,
    /// The definition of the base that it was worked out for.
    definition: Arc<Dependents>,
    /// The tables that it depends on, by position, and the state that they were in.
    editions: Vec<(usize, u64)>,
}

impl Orders {
    /// The slots of a view's records, in its order.
    pub(crate) fn of(&self, eval: &Eval<'_>, table: usize, view: &View) -> Arc<[u32]> {
        let base = eval.base;
        let place = (base.id, view.id);
        if let Some(order) = self.lock().get(&place).filter(|order| order.holds(base)) {
            return Arc::clone(&order.slots);
        }
        let rows = &base.tables[table].rows;
        let slots = rows.by_creation_from(0).filter(|slot| view.shows(eval, table, *slot)).collect();
        let slots: Arc<[u32]> = match view.sort.is_empty() {
            true => slots,
            false => sort::sort(eval, table, slots, &view.sort),
        }
        .into();
        let mut kept = self.lock();
        kept.remove(&place);
        if let Some(tables) = depends_on(base, table, view) {
            let held: usize = kept.values().map(|order| order.slots.len()).sum();
            if held + slots.len() > MAX_SLOTS {
                kept.clear();
            }
            let editions = tables.into_iter().map(|table| (table, base.tables[table].rows.edition()));
            kept.insert(
                place,
                Order {
                    slots: Arc::clone(&slots),
                    definition: Arc::clone(&base.dependents),
                    editions: editions.collect(),
                },
            );
        }
        slots
    }

    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(BaseId, ViewId), Order>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    fn holds(&self, base: &Base) -> bool {
        let is_same = |(table, edition): &(usize, u64)| {
            base.tables.get(*table).is_some_and(|table| table.rows.edition() == *edition)
        };
        Arc::ptr_eq(&self.definition, &base.dependents) && self.editions.iter().all(is_same)
    }
}

/// The tables that decide what a view shows; `None`: it changes by itself, as time goes on.
fn depends_on(base: &Base, table: usize, view: &View) -> Option<BTreeSet<usize>> {
    let mut tables = BTreeSet::from([table]);
    let mut seen = HashSet::new();
    let mut waiting: Vec<(usize, usize)> = view.sort.iter().map(|key| (table, key.field)).collect();
    let read = |formula: &Formula, table: usize, waiting: &mut Vec<(usize, usize)>| {
        waiting.extend(formula.fields().iter().map(|&field| (table, field)));
        (!formula.volatile()).then_some(())
    };
    if let Some(filter) = &view.filter {
        read(filter, table, &mut waiting)?;
    }
    while let Some(place) = waiting.pop() {
        if !seen.insert(place) {
            continue;
        }
        let (table, field) = place;
        let own = &base.tables[table];
        let mut through = |link: usize, target: Option<usize>| {
            if let Some(linked) = own.fields[link].kind.link() {
                tables.insert(linked.table);
                waiting.push((linked.table, target.unwrap_or(base.tables[linked.table].primary)));
            }
        };
        match &own.fields[field].kind {
            Kind::Links(_) => through(field, None),
            Kind::Lookup { link, target, .. } => through(*link, Some(*target)),
            Kind::Rollup(rollup) => {
                through(rollup.link, Some(rollup.target));
                if let Some(formula) = &rollup.compiled
                    && formula.volatile()
                {
                    return None;
                }
            }
            // A button shows its label, which does not change.
            Kind::Formula(formula) => {
                if let Some(compiled) = &formula.compiled {
                    read(compiled, table, &mut waiting)?;
                }
            }
            _ => {}
        }
    }
    Some(tables)
}
