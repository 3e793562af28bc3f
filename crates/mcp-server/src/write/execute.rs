//! Making a change: ten rows a call, in order, stopping at the first that fails, and saying exactly how far it came.

use airtable_api::calls::{self, BATCH};
use airtable_api::wire::{Row, Upsert, WriteRecords};
use airtable_api::{InvalidTarget, RecordId};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::plan::{Action, Cells, Plan};
use crate::cells::{self, Names};
use crate::context::{Context, Output, Place};
use crate::error::{Code, ToolError};
use crate::gateway::{Record, Written};
use crate::names::quoted;
use crate::schema::Table;
use crate::tools::{counted, record_of};

/// Ids that a text lists.
const LISTED: usize = 100;

/// What was done so far.
#[derive(Default)]
struct Done {
    records: Vec<Record>,
    created: Vec<RecordId>,
    updated: Vec<RecordId>,
    deleted: Vec<RecordId>,
    rows: usize,
}

pub(super) async fn run(context: &Context, place: &Place, plan: &Plan) -> Result<Output, ToolError> {
    let mut done = Done::default();
    let total = plan.len();
    while done.rows < total {
        let from = done.rows;
        let to = (from + BATCH).min(total);
        match chunk(context, plan, from, to, &mut done).await {
            Ok(()) => done.rows = to,
            Err(error) if from == 0 && error.code != Code::OutcomeUnknown => {
                return Err(if total > BATCH {
                    error.within(format!("rows 1 to {to}, nothing was written"))
                } else {
                    error
                });
            }
            Err(error) => return Ok(partly(plan, place.table(), &done, to, &error)),
        }
        context.progress.report(done.rows, Some(total), format!("{} of {total} rows", done.rows)).await;
    }
    Ok(whole(plan, place.table(), done))
}

/// Sends rows `from` to `to` (exclusive), and notes what became of them.
async fn chunk(
    context: &Context,
    plan: &Plan,
    from: usize,
    to: usize,
    done: &mut Done,
) -> Result<(), ToolError> {
    let (base, table) = (&plan.base, plan.table_id.as_str());
    let body = |rows: Vec<Row>, perform_upsert: Option<Upsert>| WriteRecords {
        records: rows,
        typecast: plan.typecast,
        return_fields_by_field_id: false,
        perform_upsert,
    };
    let bad = |_: InvalidTarget| ToolError::new(Code::NotFound, "no table can have this name");
    match &plan.action {
        Action::Create(rows) => {
            let rows = rows[from..to].iter().map(|cells| row(None, cells)).collect();
            let written = context
                .asker
                .write(base, &calls::create_records(base, table, &body(rows, None)).map_err(bad)?)
                .await?;
            done.created.extend(written.records.iter().map(|record| record.id.clone()));
            done.records.extend(written.records);
        }
        Action::Update(rows) => {
            let rows = rows[from..to].iter().map(|(id, cells)| row(Some(id), cells)).collect();
            let call = calls::update_records(base, table, &body(rows, None), false).map_err(bad)?;
            let written = context.asker.write(base, &call).await?;
            done.updated.extend(written.records.iter().map(|record| record.id.clone()));
            done.records.extend(written.records);
        }
        Action::Upsert { rows, merge_on } => {
            let rows = rows[from..to].iter().map(|(id, cells)| row(id.as_ref(), cells)).collect();
            let upsert = Upsert { fields_to_merge_on: merge_on.clone() };
            let call = calls::update_records(base, table, &body(rows, Some(upsert)), false).map_err(bad)?;
            let Written { records, created_records, updated_records } =
                context.asker.write(base, &call).await?;
            done.created.extend(created_records);
            done.updated.extend(updated_records);
            done.records.extend(records);
        }
        Action::Delete(ids) => {
            context.asker.delete(base, table, &ids[from..to]).await?;
            done.deleted.extend_from_slice(&ids[from..to]);
        }
    }
    Ok(())
}

fn row(id: Option<&RecordId>, cells: &Cells) -> Row {
    let fields = cells
        .iter()
        .map(|(name, value)| (name.clone(), to_raw_value(value).expect("JSON values always serialise")))
        .collect();
    Row { id: id.cloned(), fields }
}

fn whole(plan: &Plan, table: &Table, done: Done) -> Output {
    let place = quoted(&plan.table_name);
    let text = match &plan.action {
        Action::Create(_) => format!("Created {} in {place}", counted(done.created.len(), "record")),
        Action::Update(_) => format!("Changed {} of {place}", counted(done.updated.len(), "record")),
        Action::Upsert { .. } => format!(
            "Created {} and changed {} in {place}",
            counted(done.created.len(), "record"),
            counted(done.updated.len(), "record")
        ),
        Action::Delete(_) => format!("Deleted {} from {place}", counted(done.deleted.len(), "record")),
    };
    let text = format!("{text}:\n{}", listed(table, &done));
    Output::new(text, structured("done", table, done))
}

/// The first chunks are done, one failed or its outcome is unknown, the rest was not tried.
fn partly(plan: &Plan, table: &Table, done: &Done, failed_to: usize, error: &ToolError) -> Output {
    let (from, total) = (done.rows + 1, plan.len());
    let mut text = match done.rows {
        0 => "It is not known what became of this change. ".to_owned(),
        rows => format!("Only {rows} of {total} rows were written (rows 1 to {rows}). "),
    };
    text.push_str(&format!("Rows {from} to {failed_to}: {}. ", error.message.trim_end_matches('.')));
    if failed_to < total {
        text.push_str(&format!("Rows {} to {total} were not tried. ", failed_to + 1));
    }
    if error.code != Code::OutcomeUnknown {
        text.push_str(&format!(
            "What was written stays; to go on, call again with rows {from} to {total} only. "
        ));
    }
    if done.rows > 0 {
        text.push_str(&format!("Written:\n{}", listed(table, done)));
    }
    let code = if error.code == Code::OutcomeUnknown { Code::OutcomeUnknown } else { Code::PartlyDone };
    let done = Done {
        records: done.records.clone(),
        created: done.created.clone(),
        updated: done.updated.clone(),
        deleted: done.deleted.clone(),
        rows: done.rows,
    };
    let mut structured = structured("partial", table, done);
    structured["failed_rows"] = json!({"from": from, "to": failed_to});
    Output { text: text.trim_end().to_owned(), structured, problem: Some(code) }
}

fn structured(status: &str, table: &Table, done: Done) -> Value {
    let count = done.rows;
    let records: Vec<Value> =
        done.records.into_iter().map(|record| record_of(record, table, &Names::new())).collect();
    let mut structured = json!({"status": status, "count": count, "records": records});
    for (name, ids) in [("created", done.created), ("updated", done.updated), ("deleted", done.deleted)] {
        if !ids.is_empty() {
            structured[name] = json!(ids);
        }
    }
    structured
}

/// Ids, with the primary cell where there is one.
fn listed(table: &Table, done: &Done) -> String {
    let name = |record: &Record| {
        let cell = table.primary().and_then(|primary| Some((primary, record.fields.get(&primary.name)?)));
        cell.map(|(primary, cell)| cells::text(primary, cell, &Names::new())).unwrap_or_default()
    };
    let lines: Vec<String> = match done.records[..] {
        [] => done.deleted.iter().map(ToString::to_string).collect(),
        ref records => {
            records.iter().map(|record| format!("{} {}", record.id, quoted(&name(record)))).collect()
        }
    };
    let more = lines.len().saturating_sub(LISTED);
    let mut text = lines.into_iter().take(LISTED).collect::<Vec<_>>().join("\n");
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    text
}
