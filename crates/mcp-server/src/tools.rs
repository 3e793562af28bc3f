//! The tools: what each is called, takes and gives, and which rights it needs.

mod aggregate;
mod bases;
mod list;
mod search;

use std::sync::{Arc, LazyLock};

use rmcp::model::ToolAnnotations;
use serde_json::{Map, Value, json};
use service_kit::auth::{Principal, Scope};

use crate::arguments::{Argument, Arguments, Kind, input_schema};
use crate::context::Context;
use crate::error::{Code, ToolError};
use crate::render::FORMATS;
use crate::write::consent::Asking;
use crate::write::{self, Failed, Reply};

pub(crate) use bases::counted;
pub(crate) use list::record_of;

/// One tool. The order is that of `tools/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    ListBases,
    ListTables,
    DescribeTable,
    ListRecords,
    SearchRecords,
    GetRecord,
    AggregateRecords,
    CreateRecords,
    UpdateRecords,
    UpsertRecords,
    DeleteRecords,
}

/// What a tool does to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    /// Adds to the data, and never takes away.
    Adds,
    /// Changes or deletes; the same call again changes nothing more.
    Changes,
}

const BASE: Argument = Argument::new("base", Kind::Text, "Id or name").or(&["base_id"]);
const TABLE: Argument = Argument::new("table", Kind::Text, "Id or name").or(&["table_id"]).required();
const FIELDS: Argument = Argument::new("fields", Kind::Texts, "Default all");
const FILTER: Argument =
    Argument::new("filter", Kind::Text, "Airtable formula, e.g. AND({State}=\"Open\",{Amount}>10)")
        .or(&["filter_by_formula", "filterByFormula"]);
const VIEW: Argument = Argument::new("view", Kind::Text, "");
const FORMAT: Argument = Argument::new("format", Kind::OneOf(FORMATS), "");

static LIST_TABLES: [Argument; 1] = [BASE];
static DESCRIBE_TABLE: [Argument; 2] = [BASE, TABLE];
static LIST_RECORDS: [Argument; 9] = [
    BASE,
    TABLE,
    FIELDS,
    FILTER,
    Argument::new("sort", Kind::Sort, "\"Field\" or \"-Field\""),
    VIEW,
    Argument::new("limit", Kind::Integer { least: 1, most: list::MOST }, "Default 100").or(&[
        "max_records",
        "maxRecords",
        "page_size",
        "pageSize",
    ]),
    Argument::new("cursor", Kind::Text, "From the answer before").or(&["offset"]),
    FORMAT,
];
static GET_RECORD: [Argument; 4] =
    [BASE, TABLE, Argument::new("record_id", Kind::Text, "").or(&["recordId", "id"]).required(), FIELDS];

static SEARCH_RECORDS: [Argument; 6] = [
    BASE,
    Argument::new("table", Kind::Text, "Default all").or(&["table_id"]),
    Argument::new("query", Kind::Text, "Words, or a \"phrase\"").required(),
    FIELDS,
    Argument::new("limit", Kind::Integer { least: 1, most: search::MOST }, "Default 50").or(&[
        "max_results",
        "max_records",
        "maxRecords",
    ]),
    FORMAT,
];
static AGGREGATE_RECORDS: [Argument; 7] = [
    BASE,
    TABLE,
    Argument::new(
        "metrics",
        Kind::Metrics,
        "count, count(F), distinct(F), sum(F), avg(F), min(F), max(F). Default count",
    ),
    Argument::new(
        "group_by",
        Kind::Texts,
        "Fields; dates as \"Due:month\" (day, week, month, quarter, year)",
    )
    .or(&["groupBy"]),
    FILTER,
    VIEW,
    FORMAT,
];

const RECORDS: Argument = Argument::new("records", Kind::Objects, "Field names to values");
const TYPECAST: Argument = Argument::new("typecast", Kind::Flag, "Let Airtable convert values, add choices");
const PREVIEW: Argument = Argument::new("preview", Kind::Flag, "Only show what would change");
const CONFIRM: Argument = Argument::new("confirm", Kind::Text, "Token of the preview the user agreed to");
const RECORD_ID: Argument = Argument::new("record_id", Kind::Text, "").or(&["recordId"]);
const RECORD_IDS: Argument = Argument::new("record_ids", Kind::Texts, "").or(&["recordIds", "ids"]);

static CREATE_RECORDS: [Argument; 7] = [
    BASE,
    TABLE,
    RECORDS,
    Argument::new("fields", Kind::Object, "For one record"),
    TYPECAST,
    PREVIEW,
    CONFIRM,
];
static UPDATE_RECORDS: [Argument; 9] = [
    BASE,
    TABLE,
    Argument::new("records", Kind::Objects, "Each {id, fields}"),
    RECORD_ID,
    RECORD_IDS,
    Argument::new("fields", Kind::Object, "With record_id(s): what to set"),
    TYPECAST,
    PREVIEW,
    CONFIRM,
];
static UPSERT_RECORDS: [Argument; 7] = [
    BASE,
    TABLE,
    RECORDS.required(),
    Argument::new("merge_on", Kind::Texts, "1-3 fields")
        .or(&["mergeOn", "fields_to_merge_on", "key_fields"])
        .required(),
    TYPECAST,
    PREVIEW,
    CONFIRM,
];
static DELETE_RECORDS: [Argument; 6] = [BASE, TABLE, RECORD_IDS, RECORD_ID, PREVIEW, CONFIRM];

impl Tool {
    pub(crate) const ALL: [Self; 11] = [
        Self::ListBases,
        Self::ListTables,
        Self::DescribeTable,
        Self::ListRecords,
        Self::SearchRecords,
        Self::GetRecord,
        Self::AggregateRecords,
        Self::CreateRecords,
        Self::UpdateRecords,
        Self::UpsertRecords,
        Self::DeleteRecords,
    ];

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBases => "list_bases",
            Self::ListTables => "list_tables",
            Self::DescribeTable => "describe_table",
            Self::ListRecords => "list_records",
            Self::SearchRecords => "search_records",
            Self::GetRecord => "get_record",
            Self::AggregateRecords => "aggregate_records",
            Self::CreateRecords => "create_records",
            Self::UpdateRecords => "update_records",
            Self::UpsertRecords => "upsert_records",
            Self::DeleteRecords => "delete_records",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::ListBases => "List bases",
            Self::ListTables => "List tables",
            Self::DescribeTable => "Describe a table",
            Self::ListRecords => "List records",
            Self::SearchRecords => "Search records",
            Self::GetRecord => "Get a record",
            Self::AggregateRecords => "Aggregate records",
            Self::CreateRecords => "Create records",
            Self::UpdateRecords => "Update records",
            Self::UpsertRecords => "Upsert records",
            Self::DeleteRecords => "Delete records",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::ListBases => "The Airtable bases within reach.",
            Self::ListTables => "The tables of a base.",
            Self::DescribeTable => {
                "Fields (types, choices, links) and views of a table. Call it before filtering or writing."
            }
            Self::ListRecords => {
                "Records of a table, filtered and sorted. For counts and sums use aggregate_records instead."
            }
            Self::SearchRecords => {
                "Records that have all the words, in any text of one table or of all tables."
            }
            Self::GetRecord => "One record with all its cells.",
            Self::AggregateRecords => {
                "Counts, sums, averages, extremes of all matching records, overall and per group. Exact and complete."
            }
            Self::CreateRecords => "Create up to 1000 records. Linked records by id or name.",
            Self::UpdateRecords => {
                "Change cells of up to 1000 records; others stay, null clears. More than ten need the user's word."
            }
            Self::UpsertRecords => {
                "Update the records that match in the merge_on fields, create the others. More than ten need the user's word."
            }
            Self::DeleteRecords => "Delete records. Always needs the user's word.",
        }
    }

    fn arguments(self) -> &'static [Argument] {
        match self {
            Self::ListBases => &[],
            Self::ListTables => &LIST_TABLES,
            Self::DescribeTable => &DESCRIBE_TABLE,
            Self::ListRecords => &LIST_RECORDS,
            Self::SearchRecords => &SEARCH_RECORDS,
            Self::GetRecord => &GET_RECORD,
            Self::AggregateRecords => &AGGREGATE_RECORDS,
            Self::CreateRecords => &CREATE_RECORDS,
            Self::UpdateRecords => &UPDATE_RECORDS,
            Self::UpsertRecords => &UPSERT_RECORDS,
            Self::DeleteRecords => &DELETE_RECORDS,
        }
    }

    /// Members of the structured result and their types; the first `required` of them are always there.
    fn result(self) -> (&'static [(&'static str, &'static str)], usize) {
        match self {
            Self::ListBases => (&[("bases", "objects")], 1),
            Self::ListTables => (&[("tables", "objects"), ("base", "string")], 2),
            Self::DescribeTable => (&[("fields", "objects"), ("views", "objects"), ("name", "string")], 3),
            Self::ListRecords => (
                &[
                    ("records", "objects"),
                    ("complete", "boolean"),
                    ("total", "integer"),
                    ("next_cursor", "string"),
                ],
                2,
            ),
            Self::SearchRecords => {
                (&[("matches", "objects"), ("searched", "objects"), ("complete", "boolean")], 3)
            }
            Self::GetRecord => (&[("record", "object")], 1),
            Self::AggregateRecords => (
                &[("groups", "objects"), ("totals", "object"), ("rows", "integer"), ("complete", "boolean")],
                4,
            ),
            _ => (
                &[
                    ("status", "string"),
                    ("count", "integer"),
                    ("records", "objects"),
                    ("changes", "objects"),
                    ("confirm", "string"),
                ],
                2,
            ),
        }
    }

    fn effect(self) -> Effect {
        match self {
            Self::CreateRecords => Effect::Adds,
            Self::UpdateRecords | Self::UpsertRecords | Self::DeleteRecords => Effect::Changes,
            _ => Effect::Reads,
        }
    }

    /// The rights without which the tool can do nothing. Names are looked up in the schema, so every tool reads it.
    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::ListBases | Self::ListTables | Self::DescribeTable => &[Scope::SchemaRead],
            Self::ListRecords | Self::SearchRecords | Self::GetRecord | Self::AggregateRecords => {
                &[Scope::SchemaRead, Scope::RecordsRead]
            }
            Self::CreateRecords => &[Scope::SchemaRead, Scope::RecordsWrite],
            // What would change is read first.
            Self::UpdateRecords | Self::UpsertRecords | Self::DeleteRecords => {
                &[Scope::SchemaRead, Scope::RecordsRead, Scope::RecordsWrite]
            }
        }
    }

    /// Whether a caller sees the tool. One whose rights only the gateway knows sees all.
    pub(crate) fn is_for(self, principal: Option<&Principal>) -> bool {
        principal.is_none_or(|principal| self.scopes().iter().all(|scope| principal.may(*scope)))
    }

    /// Runs the tool. Arguments are read first, so that a wrong call costs nothing.
    pub(crate) async fn run(
        self,
        context: &mut Context,
        given: Option<Map<String, Value>>,
        asking: &Asking,
    ) -> Result<Reply, Failed> {
        if let Some(principal) = context.asker.principal()
            && let Some(missing) = self.scopes().iter().find(|scope| !principal.may(**scope))
        {
            let message = format!("this API key lacks the scope {missing}, which {} needs", self.name());
            return Err(ToolError::new(Code::Forbidden, message).into());
        }
        let arguments = Arguments::read(self.name(), self.arguments(), given)?;
        let output = match self {
            Self::ListBases => bases::list_bases(context).await,
            Self::ListTables => bases::list_tables(context, &arguments).await,
            Self::DescribeTable => bases::describe_table(context, &arguments).await,
            Self::ListRecords => list::list_records(context, &arguments).await,
            Self::SearchRecords => search::search_records(context, &arguments).await,
            Self::GetRecord => list::get_record(context, &arguments).await,
            Self::AggregateRecords => aggregate::aggregate_records(context, &arguments).await,
            Self::CreateRecords | Self::UpdateRecords | Self::UpsertRecords | Self::DeleteRecords => {
                return write::run(context, self, &arguments, asking).await;
            }
        };
        Ok(Reply::Output(output?))
    }

    fn definition(self) -> rmcp::model::Tool {
        // All said, since what is left out counts as the worst.
        let (reads, destroys, repeats) = match self.effect() {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Changes => (false, true, true),
        };
        let annotations =
            ToolAnnotations::from_raw(None, Some(reads), Some(destroys), Some(repeats), Some(true));
        rmcp::model::Tool::new(self.name(), self.description(), Arc::new(input_schema(self.arguments())))
            .with_title(self.title())
            .with_raw_output_schema(Arc::new(self.output_schema()))
            .with_annotations(annotations)
    }

    /// A flat object: what clients of all kinds accept.
    fn output_schema(self) -> Map<String, Value> {
        let (members, required) = self.result();
        let schema_of = |kind: &str| match kind {
            "objects" => json!({"type": "array", "items": {"type": "object"}}),
            kind => json!({"type": kind}),
        };
        let properties: Map<String, Value> =
            members.iter().map(|(name, kind)| ((*name).to_owned(), schema_of(kind))).collect();
        let required: Vec<&str> = members.iter().take(required).map(|(name, _)| *name).collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), json!(required));
        schema
    }
}

/// All tools as they are advertised.
pub(crate) fn definitions() -> &'static [(Tool, rmcp::model::Tool)] {
    static DEFINITIONS: LazyLock<Vec<(Tool, rmcp::model::Tool)>> =
        LazyLock::new(|| Tool::ALL.into_iter().map(|tool| (tool, tool.definition())).collect());
    &DEFINITIONS
}
