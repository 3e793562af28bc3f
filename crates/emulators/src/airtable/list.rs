//! Listing records: which ones, in which order, and a page of them.

pub(crate) mod offsets;
mod orders;
pub(crate) mod params;
pub(crate) mod sort;

use std::cell::Cell;
use std::time::{Duration, Instant};

use airtable_formula::{CompileError, Formula, Limits};
use serde_json::{Map, Value, json};

use self::offsets::{Anchor, Listings, Offset, Walk};
use self::params::ListParams;
use self::sort::SortKey;
use super::computed::Eval;
use super::errors::AirtableError;
use super::ids::{RecordId, ViewId};
use super::model::{Base, Table, View};
use super::render::{self, Rendering};

/// When a page is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// By the emulator's clock.
    pub(crate) now: Instant,
    /// When to give up filtering, by the system's.
    pub(crate) until: Instant,
    /// How long a listing waits for its next page.
    pub(crate) offset_life: Duration,
}

/// One page as the API answers it.
pub(crate) fn page(
    eval: &Eval<'_>,
    table: usize,
    params: &ListParams,
    listings: &Listings,
    times: Times,
) -> Result<Value, AirtableError> {
    let plan = Plan::new(eval.base, table, params, times.until)?;
    let base = eval.base;
    let place = (base.id, base.tables[table].id);
    let (first, anchor, mut listing) = match &params.offset {
        Some(text) => {
            let offset = Offset::parse(text).ok_or_else(|| AirtableError::bad_offset(text))?;
            let (anchor, listing) = listings
                .resume(&offset, place, times.now, times.offset_life)
                .ok_or_else(AirtableError::iterator_gone)?;
            (Some(offset.next), anchor, listing)
        }
        None => {
            let walk = if !plan.sort.is_empty() {
                Walk::Sorted(plan.sorted(eval, table).into())
            } else {
                match plan.view {
                    Some(view) if view.filter.is_some() || !view.sort.is_empty() => {
                        Walk::View(listings.orders.of(eval, table, view))
                    }
                    Some(_) => Walk::ByCreation,
                    None => Walk::ById,
                }
            };
            (None, Anchor::default(), listings.begin(place, walk))
        }
    };
    let left = params.max_records.map_or(usize::MAX, |max| max.saturating_sub(anchor.served));
    let wanted = params.page_size.min(left);
    let walk = listing.walk.clone();
    let mut found = plan.walk(eval, table, &walk, (first, anchor.at));
    let mut records = Vec::with_capacity(wanted);
    while records.len() < wanted {
        let Some((_, slot)) = found.next() else { break };
        let mut record = render::record(eval, table, slot, &params.rendering_with(&plan.fields));
        if params.comment_counts
            && let Some(Value::Object(record)) = &mut record
            && let Some(count) = base.tables[table].rows.get(slot).map(|record| record.comments.len())
            && (count > 0 || params.comment_count_zero)
        {
            record.insert("commentCount".to_owned(), count.into());
        }
        records.extend(record);
    }
    let mut answer = Map::new();
    let served = anchor.served + records.len();
    answer.insert("records".to_owned(), Value::Array(records));
    let more = left > wanted;
    if more
        && let Some((at, slot)) = found.next()
        && let Some(next) = base.tables[table].rows.get(slot)
    {
        let token =
            listings.suspend(&mut listing, next.id, Anchor { at, served }, times.now, times.offset_life);
        answer.insert("offset".to_owned(), json!(token.to_string()));
    }
    if plan.timed_out.get() {
        return Err(AirtableError::timed_out());
    }
    Ok(Value::Object(answer))
}

/// What the parameters mean for this table.
struct Plan<'b> {
    sort: Vec<SortKey>,
    filter: Option<Formula>,
    fields: Option<Vec<usize>>,
    view: Option<&'b View>,
    /// When to give up filtering.
    until: Instant,
    /// Whether that has happened: what was not looked at yet was left out.
    timed_out: Cell<bool>,
}

impl<'b> Plan<'b> {
    fn new(base: &'b Base, index: usize, params: &ListParams, until: Instant) -> Result<Self, AirtableError> {
        let table = &base.tables[index];
        let field = |name: &String| table.field(name).ok_or_else(|| AirtableError::unknown_field(name));
        let fields = params.fields.as_ref().map(|names| names.iter().map(field).collect()).transpose()?;
        let sort = params
            .sort
            .iter()
            .map(|(name, descending)| Ok(SortKey { field: field(name)?, descending: *descending }))
            .collect::<Result<_, AirtableError>>()?;
        let view = params.view.as_ref().map(|view| find_view(base, table, view)).transpose()?;
        let filter = params.filter.as_deref().map(|text| compile_filter(text, table)).transpose()?;
        Ok(Self { sort, filter, fields, view, until, timed_out: Cell::new(false) })
    }

    /// Whether the filter lets a record pass.
    fn keeps(&self, eval: &Eval<'_>, table: usize, slot: u32) -> bool {
        match (&self.filter, eval.row(table, slot)) {
            (Some(filter), Some(row)) => self.in_time() && filter.keeps(&row, eval.context()),
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    fn in_time(&self) -> bool {
        if !self.timed_out.get() && Instant::now() >= self.until {
            self.timed_out.set(true);
        }
        !self.timed_out.get()
    }

    /// Records from a place on (by id, or by position) that pass the filter, each with its position in the walk.
    fn walk<'p>(
        &'p self,
        eval: &'p Eval<'_>,
        table: usize,
        walk: &'p Walk,
        (first, at): (Option<RecordId>, u32),
    ) -> Box<dyn Iterator<Item = (u32, u32)> + 'p> {
        let rows = &eval.base.tables[table].rows;
        let keeps = move |&(_, slot): &(u32, u32)| self.keeps(eval, table, slot);
        match walk {
            Walk::ById => Box::new(rows.by_id_from(first).map(|slot| (slot, slot)).filter(keeps)),
            Walk::ByCreation => Box::new(rows.by_creation_from(at).map(|slot| (slot, slot)).filter(keeps)),
            Walk::View(slots) => Box::new(
                (at..slots.len() as u32).map(|at| (at, slots[at as usize])).filter(keeps), // which what was deleted since does not pass
            ),
            // Filtered when it was sorted; what was deleted since is left out.
            Walk::Sorted(slots) => Box::new(
                (at..slots.len() as u32)
                    .map(|at| (at, slots[at as usize]))
                    .filter(|(_, slot)| rows.get(*slot).is_some()),
            ),
        }
    }

    fn sorted(&self, eval: &Eval<'_>, table: usize) -> Vec<u32> {
        let rows = &eval.base.tables[table].rows;
        let kept = |slot: &u32| self.keeps(eval, table, *slot);
        let slots: Vec<u32> = match self.view {
            Some(view) => {
                let shown = |slot: &u32| view.shows(eval, table, *slot);
                rows.by_creation_from(0).filter(|slot| shown(slot) && kept(slot)).collect()
            }
            None => rows.by_id_from(None).filter(kept).collect(),
        };
        sort::sort(eval, table, slots, &self.sort)
    }
}

impl ListParams {
    fn rendering_with(&self, fields: &Option<Vec<usize>>) -> Rendering {
        Rendering { fields: fields.clone(), ..self.rendering.clone() }
    }
}

/// A view of the table, by id or by name.
fn find_view<'b>(base: &Base, table: &'b Table, view: &str) -> Result<&'b View, AirtableError> {
    let id = ViewId::parse(view);
    let found = table.views.iter().find(|own| Some(own.id) == id);
    if let Some(found) = found.or_else(|| table.views.iter().find(|own| own.name == view)) {
        return Ok(found);
    }
    let elsewhere = base.tables.iter().flat_map(|table| &table.views).any(|other| Some(other.id) == id);
    Err(if elsewhere { AirtableError::failed_state_check() } else { AirtableError::view_not_found(view) })
}

fn compile_filter(text: &str, table: &Table) -> Result<Formula, AirtableError> {
    Formula::compile(text, &table.schema, &Limits::default()).map_err(|error| match error {
        CompileError::NotBuilt { function, .. } => {
            AirtableError::not_built(&format!("the formula function {function}"))
        }
        error => AirtableError::bad_formula(&error.api_message()),
    })
}

#[cfg(test)]
mod tests {
    use airtable_formula::Timestamp;

    use super::*;
    use crate::airtable::access::Users;
    use crate::airtable::query::Query;
    use crate::airtable::seed::Seed;

    #[test]
    fn a_formula_that_takes_too_long_is_told_and_not_half_an_answer() {
        let seed = json!({"bases": [{"name": "B", "tables": [{
            "name": "T", "fields": [{"name": "N", "type": "singleLineText"}],
            "records": [{"fields": {"N": "a"}}, {"fields": {"N": "b"}}],
        }]}]});
        let seed = Seed::from_json(seed.to_string().as_bytes()).unwrap();
        let users = Users::default();
        let eval = Eval::new(&seed.bases[0], &users, Timestamp::UNIX_EPOCH);
        let listings = Listings::default();
        let page = |query: &str, until: Instant| {
            let params = ListParams::from_query(&Query::parse(query), 100).unwrap();
            let times = Times { now: Instant::now(), until, offset_life: Duration::from_secs(60) };
            super::page(&eval, 0, &params, &listings, times)
                .map(|page| page["records"].as_array().unwrap().len())
        };
        let long_ago = Instant::now();
        let later = long_ago + Duration::from_secs(60);
        for query in
            ["filterByFormula=N", "filterByFormula=N&pageSize=1", "filterByFormula=N&sort[0][field]=N"]
        {
            assert_eq!(page(query, long_ago), Err(AirtableError::timed_out()), "{query}");
            assert!(page(query, later).is_ok(), "{query}");
        }
        assert_eq!(page("sort[0][field]=N", long_ago), Ok(2), "nothing is filtered");
    }
}
