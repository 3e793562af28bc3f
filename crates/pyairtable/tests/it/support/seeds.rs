//! Bases for the system tests, in the emulator's seed format.

use serde_json::{Value, json};

/// The emulator's token with every right; the gateway uses it.
pub(crate) const TOKEN: &str = "patSystemTests001.0123456789abcdef";

pub(crate) const BASE: &str = "appSystem00000001";
pub(crate) const TASKS: &str = "tblTasks000000001";
pub(crate) const TASKS_NAME: &str = "Tasks / 100% & Möre";
pub(crate) const PEOPLE: &str = "tblPeople00000001";
pub(crate) const PEOPLE_NAME: &str = "People";
pub(crate) const VIEW: &str = "Grid view";

/// No limits: what is tested is not their keeping.
pub(crate) fn no_limits() -> Value {
    json!({"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null, "penaltySeconds": 30, "retryAfterHeader": false})
}

/// Airtable's own limits.
pub(crate) fn airtables_limits() -> Value {
    json!({"requestsPerSecondPerBase": 5, "requestsPerSecondPerUser": 50, "penaltySeconds": 30, "retryAfterHeader": false})
}

pub(crate) fn seed(bases: Vec<Value>, limits: Value) -> Value {
    let user = json!({"id": "usrSystem00000001", "email": "system@example.com", "name": "System"});
    json!({
        "bases": bases,
        "users": [user],
        "tokens": [{
            "token": TOKEN,
            "scopes": ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write", "webhook:manage", "user.email:read"],
            "bases": "*",
            "user": "usrSystem00000001",
        }],
        "limits": limits,
    })
}

/// Two tables linked both ways, with computed fields on each side of the link, and no records.
pub(crate) fn linked_base(id: &str) -> Value {
    let link = |table: &str, inverse: &str| json!({"linkedTableId": table, "isReversed": false, "prefersSingleRecordLink": false, "inverseLinkFieldId": inverse});
    let choices = |prefix: &str, names: &[&str]| {
        let choices: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(index, name)| json!({"id": format!("sel{prefix}{index:011}"), "name": name}))
            .collect();
        json!({"choices": choices})
    };
    json!({"id": id, "name": "System", "permissionLevel": "create", "tables": [
        {"id": TASKS, "name": TASKS_NAME, "primaryFieldId": "fldTaName00000001", "fields": [
            {"id": "fldTaName00000001", "name": "Name", "type": "singleLineText"},
            {"id": "fldTaNumber000001", "name": "Number", "type": "number", "options": {"precision": 0}},
            {"id": "fldTaDone00000001", "name": "Done", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
            {"id": "fldTaState0000001", "name": "State", "type": "singleSelect", "options": choices("Sta", &["New", "Open", "Closed"])},
            {"id": "fldTaTags00000001", "name": "Tags", "type": "multipleSelects", "options": choices("Tag", &["a", "b", "c"])},
            {"id": "fldTaPeople000001", "name": "People", "type": "multipleRecordLinks", "options": link(PEOPLE, "fldPeTasks0000001")},
            {"id": "fldTaTwice0000001", "name": "Twice", "type": "formula", "options": {"formula": "{fldTaNumber000001}*2", "isValid": true, "referencedFieldIds": ["fldTaNumber000001"], "result": {"type": "number", "options": {"precision": 0}}}},
            {"id": "fldTaHeads0000001", "name": "Heads", "type": "count", "options": {"isValid": true, "recordLinkFieldId": "fldTaPeople000001"}},
            {"id": "fldTaAges00000001", "name": "Ages", "type": "multipleLookupValues", "options": {"isValid": true, "recordLinkFieldId": "fldTaPeople000001", "fieldIdInLinkedTable": "fldPeAge000000001", "result": {"type": "number", "options": {"precision": 0}}}},
        ], "views": [{"id": "viwTasks000000001", "name": VIEW, "type": "grid"}], "records": []},
        {"id": PEOPLE, "name": PEOPLE_NAME, "primaryFieldId": "fldPeName00000001", "fields": [
            {"id": "fldPeName00000001", "name": "Name", "type": "singleLineText"},
            {"id": "fldPeAge000000001", "name": "Age", "type": "number", "options": {"precision": 0}},
            {"id": "fldPeTasks0000001", "name": "Tasks", "type": "multipleRecordLinks", "options": link(TASKS, "fldTaPeople000001")},
            {"id": "fldPeLoad00000001", "name": "Load", "type": "count", "options": {"isValid": true, "recordLinkFieldId": "fldPeTasks0000001"}},
            {"id": "fldPeDone00000001", "name": "Task names", "type": "multipleLookupValues", "options": {"isValid": true, "recordLinkFieldId": "fldPeTasks0000001", "fieldIdInLinkedTable": "fldTaName00000001", "result": {"type": "singleLineText"}}},
        ], "views": [{"id": "viwPeople00000001", "name": VIEW, "type": "grid"}], "records": []},
    ]})
}

/// One table of two fields and `records` rows named `{prefix} 0`, `{prefix} 1`, …
pub(crate) fn plain_base(id: &str, name: &str, prefix: &str, records: usize) -> Value {
    let tail = &id[3..];
    let rows: Vec<Value> = (0..records)
        .map(|number| {
            json!({
                "id": format!("rec{}{number:04}", &tail[4..]),
                "createdTime": "2025-01-01T00:00:00.000Z",
                "fields": {"Name": format!("{prefix} {number}"), "Number": number},
            })
        })
        .collect();
    json!({"id": id, "name": name, "permissionLevel": "create", "tables": [{
        "id": format!("tbl{tail}"), "name": "Rows", "primaryFieldId": format!("fld{tail}"),
        "fields": [
            {"id": format!("fld{tail}"), "name": "Name", "type": "singleLineText"},
            {"id": format!("fldN{}", &tail[1..]), "name": "Number", "type": "number", "options": {"precision": 0}},
        ],
        "views": [{"id": format!("viw{tail}"), "name": VIEW, "type": "grid"}],
        "records": rows,
    }]})
}
