//! The tools that were declared, recognised by what they are called and what they take.

use serde_json::{Map, Value, json};

use super::words::name_words;
use crate::gemini::prompt::{Declaration, Prompt};

/// What a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    ListBases,
    ListTables,
    DescribeTable,
    ListRecords,
    Search,
    GetRecord,
    Aggregate,
    Create,
    Update,
    Upsert,
    Delete,
}

/// An argument of a tool, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Base,
    Table,
    Filter,
    Sort,
    Limit,
    Cursor,
    Fields,
    Query,
    GroupBy,
    Metrics,
    RecordId,
    RecordIds,
    Records,
    Confirm,
}

impl Slot {
    /// Without case and underscores, the usual first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Base => &["base", "baseid", "baseidorname", "basename", "database"],
            Self::Table => &["table", "tableid", "tableidorname", "tablename"],
            Self::Filter => &["filter", "filterbyformula", "formula", "where"],
            Self::Sort => &["sort", "sortby", "orderby", "order"],
            Self::Limit => &["limit", "maxrecords", "pagesize", "maxresults", "top"],
            Self::Cursor => &["cursor", "offset", "pagetoken"],
            Self::Fields => &["fields", "columns", "fieldnames"],
            Self::Query => &["query", "search", "searchterm", "text", "q"],
            Self::GroupBy => &["groupby", "group", "groups", "by"],
            Self::Metrics => &["metrics", "aggregations", "measures", "functions"],
            Self::RecordId => &["recordid", "id"],
            Self::RecordIds => &["recordids", "ids"],
            Self::Records => &["records", "rows", "items"],
            Self::Confirm => &["confirm", "confirmtoken", "confirmation"],
        }
    }
}

/// A declared tool with its role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool<'a> {
    pub(super) role: Role,
    pub(super) declaration: &'a Declaration,
}

/// All tools whose role was recognised, one for each role.
#[derive(Debug, Default)]
pub(super) struct Belt<'a> {
    tools: Vec<Tool<'a>>,
}

impl<'a> Belt<'a> {
    pub(super) fn new(prompt: &'a Prompt) -> Self {
        let mut belt = Self::default();
        let allowed = &prompt.calling.allowed;
        // Mode NONE forbids calls, not reading what calls have brought.
        let may = |tool: &&Declaration| allowed.is_empty() || allowed.contains(&tool.name);
        for declaration in prompt.tools.iter().filter(may) {
            let Some(role) = role(declaration) else { continue };
            if belt.get(role).is_none() {
                belt.tools.push(Tool { role, declaration });
            }
        }
        belt
    }

    pub(super) fn get(&self, role: Role) -> Option<Tool<'a>> {
        self.tools.iter().copied().find(|tool| tool.role == role)
    }

    /// The role of a tool by its name.
    pub(super) fn role_of(&self, name: &str) -> Option<Role> {
        self.tools.iter().find(|tool| tool.declaration.name == name).map(|tool| tool.role)
    }

    pub(super) fn can_write(&self) -> bool {
        [Role::Create, Role::Update, Role::Delete].iter().any(|role| self.get(*role).is_some())
    }
}

impl<'a> Tool<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.declaration.name
    }

    fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.declaration.schema.get("properties")?.as_object()
    }

    /// The argument's name in this tool, and its schema.
    pub(super) fn slot(&self, slot: Slot) -> Option<(&'a str, &'a Value)> {
        let properties = self.properties()?;
        slot.names().iter().find_map(|wanted| {
            properties
                .iter()
                .find(|(name, _)| plain(name) == *wanted)
                .map(|(name, schema)| (name.as_str(), schema))
        })
    }

    pub(super) fn has(&self, slot: Slot) -> bool {
        self.slot(slot).is_some()
    }

    /// Whether it cannot be called without this argument.
    pub(super) fn requires(&self, slot: Slot) -> bool {
        let Some((name, _)) = self.slot(slot) else { return false };
        let required = self.declaration.schema.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }

    /// Arguments by meaning, in the tool's own names and types; what the tool does not take is left out.
    pub(super) fn arguments(&self, given: Vec<(Slot, Value)>) -> Map<String, Value> {
        let mut arguments = Map::new();
        for (slot, value) in given {
            if let Some((name, schema)) = self.slot(slot) {
                arguments.insert(name.to_owned(), adapted(value, schema));
            }
        }
        arguments
    }
}

/// Lists become texts where texts are wanted, and single values lists.
fn adapted(value: Value, schema: &Value) -> Value {
    let wanted = match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        kind => kind.as_str().unwrap_or_default(),
    };
    match (wanted, value) {
        ("string", Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ").into()
        }
        ("array", value) if !value.is_array() => json!([value]),
        ("string", Value::Number(number)) => number.to_string().into(),
        (_, value) => value,
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// By the words of its name, else by the shape of its arguments.
fn role(declaration: &Declaration) -> Option<Role> {
    let words = name_words(&declaration.name.replace('_', " "));
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let tool = Tool { role: Role::ListBases, declaration };
    let takes = |slot: Slot| tool.has(slot);
    let about_records = has(&["record", "records", "row", "rows", "entry", "entries", "item", "items"]);
    if about_records || takes(Slot::Table) {
        if has(&["upsert"]) {
            return Some(Role::Upsert);
        }
        if has(&["create", "insert", "add"]) && (takes(Slot::Records) || takes(Slot::Fields)) {
            return Some(Role::Create);
        }
        if has(&["update", "edit", "modify", "patch", "change"])
            && (takes(Slot::Records) || takes(Slot::Fields))
        {
            return Some(Role::Update);
        }
        if has(&["delete", "remove"]) && (takes(Slot::RecordIds) || takes(Slot::RecordId)) {
            return Some(Role::Delete);
        }
        if takes(Slot::Metrics) || has(&["aggregate", "summarize", "summarise", "statistics"]) {
            return Some(Role::Aggregate);
        }
        if has(&["search"]) && takes(Slot::Query) {
            return Some(Role::Search);
        }
        if takes(Slot::Filter) && (takes(Slot::Limit) || takes(Slot::Sort) || has(&["list", "query", "find"]))
        {
            return Some(Role::ListRecords);
        }
        if takes(Slot::Query) && !takes(Slot::Filter) {
            return Some(Role::Search);
        }
        if takes(Slot::RecordId)
            && !takes(Slot::Records)
            && has(&["get", "read", "fetch", "retrieve", "show", "open"])
        {
            return Some(Role::GetRecord);
        }
        if has(&["list"]) && about_records {
            return Some(Role::ListRecords);
        }
    }
    let properties = tool.properties().map_or(0, Map::len);
    if has(&["table", "field", "fields", "schema"]) && takes(Slot::Table) && properties <= 4 {
        return Some(Role::DescribeTable);
    }
    if has(&["tables", "schema"]) && !takes(Slot::Table) {
        return Some(Role::ListTables);
    }
    if has(&["bases", "databases"]) && !takes(Slot::Table) && !takes(Slot::Base) {
        return Some(Role::ListBases);
    }
    if takes(Slot::Table) && takes(Slot::Base) && properties == 2 {
        return Some(Role::DescribeTable);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn belt(tools: Value) -> Vec<(String, Role)> {
        let body =
            json!({"contents": [{"parts": [{"text": "x"}]}], "tools": [{"functionDeclarations": tools}]});
        let prompt = Prompt::read(body.as_object().unwrap()).unwrap();
        Belt::new(&prompt).tools.iter().map(|tool| (tool.name().to_owned(), tool.role)).collect()
    }

    fn tool(name: &str, arguments: &[&str]) -> Value {
        let properties: Map<String, Value> =
            arguments.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        json!({"name": name, "parametersJsonSchema": {"type": "object", "properties": properties}})
    }

    #[test]
    fn tools_are_recognised_under_our_names_and_under_others() {
        let ours = belt(json!([
            tool("list_bases", &[]),
            tool("list_tables", &["base"]),
            tool("describe_table", &["base", "table"]),
            tool(
                "list_records",
                &["base", "table", "fields", "filter", "sort", "view", "limit", "cursor", "format"]
            ),
            tool("search_records", &["base", "table", "query", "fields", "limit", "format"]),
            tool("get_record", &["base", "table", "record_id", "fields"]),
            tool("aggregate_records", &["base", "table", "metrics", "group_by", "filter", "view", "format"]),
            tool("create_records", &["base", "table", "records", "typecast", "preview"]),
            tool(
                "update_records",
                &["base", "table", "record_id", "fields", "records", "typecast", "confirm"]
            ),
            tool("upsert_records", &["base", "table", "records", "merge_on", "confirm"]),
            tool("delete_records", &["base", "table", "record_ids", "confirm"]),
        ]));
        assert_eq!(
            ours.iter().map(|(_, role)| *role).collect::<Vec<_>>(),
            [
                Role::ListBases,
                Role::ListTables,
                Role::DescribeTable,
                Role::ListRecords,
                Role::Search,
                Role::GetRecord,
                Role::Aggregate,
                Role::Create,
                Role::Update,
                Role::Upsert,
                Role::Delete
            ]
        );
        let others = belt(json!([
            tool("getBases", &[]),
            tool("getBaseSchema", &["baseId"]),
            tool("table-info", &["baseId", "tableId"]),
            tool("airtable.queryRows", &["baseId", "tableId", "filterByFormula", "maxRecords"]),
            tool("rowStatistics", &["baseId", "tableId", "metrics", "groupBy"]),
            tool("weather", &["city"]),
        ]));
        assert_eq!(
            others,
            [
                ("getBases".to_owned(), Role::ListBases),
                ("getBaseSchema".to_owned(), Role::ListTables),
                ("table-info".to_owned(), Role::DescribeTable),
                ("airtable.queryRows".to_owned(), Role::ListRecords),
                ("rowStatistics".to_owned(), Role::Aggregate),
            ]
        );
    }
}
