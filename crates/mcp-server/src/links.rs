//! Names of linked records, from their table's primary field.

use std::collections::{BTreeSet, HashMap};

use airtable_api::BaseId;
use airtable_api::calls::PAGE;
use airtable_api::wire::ListRecords;
use airtable_formula::filter::Filter;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::cells::{self, Names};
use crate::error::ToolError;
use crate::gateway::{Asker, Record};
use crate::schema::{BaseSchema, Field};

/// Most records of one table whose names one call looks up.
pub(crate) const MOST: usize = 1000;

/// Look-ups under way at the same time: the gateway has five slots a base.
const AT_ONCE: usize = 4;

/// What was found, and whether everything was looked for.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    pub(crate) names: Names,
    /// Some ids were beyond [`MOST`].
    pub(crate) is_cut: bool,
}

/// The names of all records that these cells link to.
pub(crate) async fn names_in(
    asker: &Asker,
    base: &BaseId,
    schema: &BaseSchema,
    fields: &[&Field],
    records: &[Record],
) -> Result<Linked, ToolError> {
    let mut wanted: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for field in fields {
        let Some(table) = field.linked_table() else { continue };
        let cells = records.iter().filter_map(|record| record.fields.get(&field.name));
        wanted.entry(table).or_default().extend(cells.flat_map(|cell| cells::linked_ids(field, cell)));
    }
    let mut linked = Linked::default();
    for (table, ids) in wanted {
        linked.is_cut |= ids.len() > MOST;
        let ids: Vec<&str> = ids.into_iter().take(MOST).collect();
        linked.names.extend(names_of(asker, base, schema, table, &ids).await?);
    }
    Ok(linked)
}

/// The names of these records of one table. A record that is gone, or a table out of sight, has none.
pub(crate) async fn names_of(
    asker: &Asker,
    base: &BaseId,
    schema: &BaseSchema,
    table: &str,
    ids: &[&str],
) -> Result<Names, ToolError> {
    let Some((table, primary)) = schema.table_by_id(table).and_then(|table| Some((table, table.primary()?)))
    else {
        return Ok(Names::new());
    };
    // Chunks of a page, so that each is one call.
    let asks: Vec<ListRecords> = ids
        .chunks(PAGE as usize)
        .map(|ids| ListRecords {
            fields: vec![primary.name.clone()],
            filter_by_formula: Some(Filter::record_ids(ids).to_string()),
            page_size: Some(PAGE),
            ..ListRecords::default()
        })
        .collect();
    let pages: Vec<_> = stream::iter(asks)
        .map(|ask| {
            let (asker, base, table) = (asker.clone(), base.clone(), table.id.clone());
            async move { asker.list(&base, &table, &ask).await }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let none = Names::new();
    Ok(pages
        .into_iter()
        .flat_map(|page| page.records)
        .map(|record| {
            let name = record.fields.get(&primary.name);
            let name = name.map(|cell| cells::text(primary, cell, &none)).unwrap_or_default();
            (record.id.into(), name)
        })
        .filter(|(_, name): &(String, String)| !name.is_empty())
        .collect())
}
