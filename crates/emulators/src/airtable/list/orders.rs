//! What views show, in their order: worked out once, and used until something changes that it depends on. Where a few
//! records have changed, those are taken out and put where they belong now.

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

#[derive(Debug, Clone)]
struct Order {
    slots: Arc<[u32]>,
    /// The definition of the base that it was worked out for.
    definition: Arc<Dependents>,
    /// The other tables that it depends on, by position, and the state that they were in.
    others: Vec<(usize, u64)>,
    /// The state that the view's own table was in.
    edition: u64,
    /// No record's place depends on other records of its table.
    is_plain: bool,
}

impl Orders {
    /// The slots of a view's records, in its order.
    pub(crate) fn of(&self, eval: &Eval<'_>, table: usize, view: &View) -> Arc<[u32]> {
        let base = eval.base;
        let place = (base.id, view.id);
        let rows = &base.tables[table].rows;
        let known = self.lock().get(&place).filter(|order| order.may_hold(base)).cloned();
        let mended = match known {
            Some(order) if order.edition == rows.edition() => return order.slots,
            Some(order) if order.is_plain => rows
                .changed_since(order.edition)
                .map(|changed| mend(&order.slots, &changed, eval, table, view)),
            _ => None,
        };
        let slots: Arc<[u32]> = mended
            .unwrap_or_else(|| {
                let slots = rows.by_creation_from(0).filter(|slot| view.shows(eval, table, *slot)).collect();
                match view.sort.is_empty() {
                    true => slots,
                    false => sort::sort(eval, table, slots, &view.sort),
                }
            })
            .into();
        let mut kept = self.lock();
        kept.remove(&place);
        if let Some(DependsOn { others, is_plain }) = depends_on(base, table, view) {
            let held: usize = kept.values().map(|order| order.slots.len()).sum();
            if held + slots.len() > MAX_SLOTS {
                kept.clear();
            }
            let others = others.into_iter().map(|table| (table, base.tables[table].rows.edition()));
            kept.insert(
                place,
                Order {
                    slots: Arc::clone(&slots),
                    definition: Arc::clone(&base.dependents),
                    others: others.collect(),
                    edition: rows.edition(),
                    is_plain,
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
    /// Whether it holds, as far as that does not depend on the records of its own table.
    fn may_hold(&self, base: &Base) -> bool {
        let is_same = |(table, edition): &(usize, u64)| {
            base.tables.get(*table).is_some_and(|table| table.rows.edition() == *edition)
        };
        Arc::ptr_eq(&self.definition, &base.dependents) && self.others.iter().all(is_same)
    }
}

/// The order after some records have changed, come or gone.
fn mend(slots: &[u32], changed: &BTreeSet<u32>, eval: &Eval<'_>, table: usize, view: &View) -> Vec<u32> {
    let mut mended = Vec::with_capacity(slots.len() + changed.len());
    mended.extend(slots.iter().filter(|slot| !changed.contains(slot)));
    for &slot in changed.iter().filter(|slot| view.shows(eval, table, **slot)) {
        let place =
            mended.partition_point(|&other| sort::order(eval, table, other, slot, &view.sort).is_lt());
        mended.insert(place, slot);
    }
    mended
}

/// What decides what a view shows, beside the records of its own table one by one.
struct DependsOn {
    /// Positions of other tables.
    others: BTreeSet<usize>,
    is_plain: bool,
}

/// `None`: it changes by itself, as time goes on.
fn depends_on(base: &Base, own_table: usize, view: &View) -> Option<DependsOn> {
    let table = own_table;
    let mut others = BTreeSet::new();
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
                others.insert(linked.table);
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
    let is_plain = !others.remove(&own_table);
    Some(DependsOn { others, is_plain })
}
