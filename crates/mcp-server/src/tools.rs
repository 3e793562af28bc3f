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

const BASE: Argument = Argument::new("base", Kind::Text, "").or(&["base_id", "baseId"]);
const TABLE: Argument = Argument::new("table", Kind::Text, "").or(&["table_id", "tableId"]).required();
const FIELDS: Argument = Argument::new("fields", Kind::Texts, "Default all");
const FILTER: Argument = Argument::new("filter", Kind::Text, "Formula: AND({State}=\"Open\",{Amount}>10)")
    .or(&["filter_by_formula", "filterByFormula"]);
const VIEW: Argument = Argument::new("view", Kind::Text, "");
const FORMAT: Argument = Argument::new("format", Kind::OneOf(FORMATS), "");
const RECORDS: Argument = Argument::new("records", Kind::Objects, "Each {field: value}");
const TYPECAST: Argument = Argument::new("typecast", Kind::Flag, "Convert values, add choices");
const PREVIEW: Argument = Argument::new("preview", Kind::Flag, "");
const CONFIRM: Argument = Argument::new("confirm", Kind::Text, "Token of an agreed preview");
const RECORD_ID: Argument = Argument::new("record_id", Kind::Text, "").or(&["recordId"]);
const RECORD_IDS: Argument = Argument::new("record_ids", Kind::Texts, "").or(&["recordIds", "ids"]);

/// Of the predecessor, where it stood beside `max_records`; alone it is the limit.
const PAGE_SIZE: Argument =
    Argument::new("page_size", Kind::Integer { least: 1, most: 100 }, "").or(&["pageSize"]).hidden();

static LIST_TABLES: [Argument; 1] = [Argument { about: "Id or name", ..BASE }];
static DESCRIBE_TABLE: [Argument; 2] = [BASE, Argument { about: "Id or name", ..TABLE }];
static LIST_RECORDS: [Argument; 10] = [
    BASE,
    TABLE,
    FIELDS,
    FILTER,
    Argument::new("sort", Kind::Sort, "\"Field\" or \"-Field\""),
    VIEW,
    Argument::new("limit", Kind::Integer { least: 1, most: list::MOST }, "Default 100")
        .or(&["max_records", "maxRecords"]),
    PAGE_SIZE,
    Argument::new("cursor", Kind::Text, "").or(&["offset"]),
    FORMAT,
];
static SEARCH_RECORDS: [Argument; 6] = [
    BASE,
    Argument { is_required: false, about: "Default all", ..TABLE },
    Argument::new("query", Kind::Text, "Words or \"a phrase\"").required(),
    Argument { about: "", ..FIELDS },
    Argument::new("limit", Kind::Integer { least: 1, most: search::MOST }, "Default 50").or(&[
        "max_results",
        "max_records",
        "maxRecords",
    ]),
    FORMAT.hidden(),
];
static GET_RECORD: [Argument; 4] = [BASE, TABLE, RECORD_ID.required(), FIELDS];
static AGGREGATE_RECORDS: [Argument; 7] = [
    BASE,
    TABLE,
    Argument::new(
        "metrics",
        Kind::Metrics,
        "count, or count, distinct, sum, avg, min, max as in sum(Amount)",
    ),
    Argument::new("group_by", Kind::Texts, "Field, or Date:day, week, month, quarter, year").or(&["groupBy"]),
    FILTER,
    VIEW,
    FORMAT.hidden(),
];
static CREATE_RECORDS: [Argument; 7] = [
    BASE,
    TABLE,
    RECORDS,
    Argument::new("fields", Kind::Object, "Instead, for one"),
    TYPECAST,
    PREVIEW,
    CONFIRM,
];
static UPDATE_RECORDS: [Argument; 9] = [
    BASE,
    TABLE,
    Argument::new("records", Kind::Objects, "Each {id, fields}; or:"),
    RECORD_ID,
    RECORD_IDS,
    Argument::new("fields", Kind::Object, ""),
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
static DELETE_RECORDS: [Argument; 6] = [BASE, TABLE, RECORD_IDS, RECORD_ID.hidden(), PREVIEW, CONFIRM];

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
            Self::ListBases => "Airtable bases within reach. All things can be named by name or id.",
            Self::ListTables => "Tables of a base.",
            Self::DescribeTable => "Fields (types, choices, links) and views of a table.",
            Self::ListRecords => "Records of a table. To count or sum use aggregate_records.",
            Self::SearchRecords => "Records with these words in any text, of one table or all.",
            Self::GetRecord => "One record, whole.",
            Self::AggregateRecords => {
                "Exact counts, sums, averages, extremes over all matching records, overall and by group."
            }
            Self::CreateRecords => "Create up to 1000 records. Links by id or name.",
            Self::UpdateRecords => {
                "Set cells of up to 1000 records; null clears. Over 10 need the user's word."
            }
            Self::UpsertRecords => {
                "Update records that match in merge_on, create the rest. Over 10 need the user's word."
            }
            Self::DeleteRecords => "Delete records. Needs the user's word.",
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
            Self::ListTables => (&[("tables", "objects")], 1),
            Self::DescribeTable => (&[("fields", "objects"), ("name", "string")], 2),
            Self::ListRecords => (
                &[
                    ("records", "objects"),
                    ("complete", "boolean"),
                    ("total", "integer"),
                    ("next_cursor", "string"),
                ],
                2,
            ),
            Self::SearchRecords => (&[("matches", "objects"), ("complete", "boolean")], 2),
            Self::GetRecord => (&[("record", "object")], 1),
            Self::AggregateRecords => (
                &[("groups", "objects"), ("totals", "object"), ("rows", "integer"), ("complete", "boolean")],
                4,
            ),
            Self::DeleteRecords => (&[("status", "string"), ("count", "integer"), ("confirm", "string")], 2),
            Self::CreateRecords => (&[("status", "string"), ("count", "integer"), ("records", "objects")], 2),
            Self::UpdateRecords | Self::UpsertRecords => (
                &[("status", "string"), ("count", "integer"), ("records", "objects"), ("confirm", "string")],
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
