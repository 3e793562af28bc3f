//! From method and raw path to the call that is meant, before the token is looked at.
//!
//! The path is split at its raw `/` and each segment decoded afterwards: a table's name may hold a slash (`%2F`).

use http::Method;
use percent_encoding::percent_decode_str;

use super::errors::AirtableError;
use super::ids::{BaseId, CommentId, FieldId, RecordId, ViewId, WebhookId};

/// A call that Airtable's API knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    Whoami,
    ListBases,
    CreateBase,
    BaseSchema {
        base: BaseId,
    },
    Structure {
        base: BaseId,
        op: StructureOp,
    },
    Records {
        base: BaseId,
        table: String,
        op: RecordsOp,
    },
    Comments {
        base: BaseId,
        table: String,
        record: RecordId,
        op: CommentsOp,
    },
    /// Of a file into a cell of whichever table has the record. `field`: its id or name.
    Upload {
        base: BaseId,
        record: RecordId,
        field: String,
    },
    Webhooks {
        base: BaseId,
        op: WebhooksOp,
    },
    /// CSV data from a source.
    Sync {
        base: BaseId,
        table: String,
        sync: String,
    },
    /// Airtable has it, the emulator does not: the path as documented, and what it does.
    NotBuilt {
        base: Option<BaseId>,
        what: &'static str,
    },
}

/// What is done with records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RecordsOp {
    List,
    ListByPost,
    Get(RecordId),
    Create,
    /// `replace` says that it was PUT: fields that are not named are cleared.
    UpdateOne {
        id: RecordId,
        replace: bool,
    },
    UpdateMany {
        replace: bool,
    },
    DeleteOne(RecordId),
    DeleteMany,
}

/// What is done with the comments of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CommentsOp {
    List,
    Create,
    Update(CommentId),
    Delete(CommentId),
}

/// What is done with the structure of a base, besides reading its schema. Tables are named by id or name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StructureOp {
    Collaborators,
    CreateTable,
    UpdateTable(String),
    CreateField(String),
    UpdateField(String, FieldId),
    /// Only a person can, in Airtable's own interface.
    DeleteTable(String),
    /// The same.
    DeleteField(String, FieldId),
    ListViews,
    GetView(ViewId),
    DeleteView(ViewId),
}

/// What is done with the webhooks of a base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WebhooksOp {
    List,
    Create,
    Delete(WebhookId),
    Toggle(WebhookId),
    Refresh(WebhookId),
    Payloads(WebhookId),
}

impl Route {
    /// The base that the call is about, whose limit it counts against.
    pub(crate) fn base(&self) -> Option<BaseId> {
        match self {
            Self::Whoami | Self::ListBases | Self::CreateBase => None,
            Self::BaseSchema { base }
            | Self::Structure { base, .. }
            | Self::Records { base, .. }
            | Self::Upload { base, .. }
            | Self::Webhooks { base, .. }
            | Self::Sync { base, .. }
            | Self::Comments { base, .. } => Some(*base),
            Self::NotBuilt { base, .. } => *base,
        }
    }

    /// The pattern of the path, for logs and metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Whoami => "/v0/meta/whoami",
            Self::ListBases | Self::CreateBase => "/v0/meta/bases",
            Self::Structure { op, .. } => op.label(),
            Self::BaseSchema { .. } => "/v0/meta/bases/{baseId}/tables",
            Self::Records { op: RecordsOp::ListByPost, .. } => "/v0/{baseId}/{tableIdOrName}/listRecords",
            Self::Records {
                op: RecordsOp::Get(_) | RecordsOp::UpdateOne { .. } | RecordsOp::DeleteOne(_),
                ..
            } => "/v0/{baseId}/{tableIdOrName}/{recordId}",
            Self::Records { .. } => "/v0/{baseId}/{tableIdOrName}",
            Self::Comments { op: CommentsOp::List | CommentsOp::Create, .. } => {
                "/v0/{baseId}/{tableIdOrName}/{recordId}/comments"
            }
            Self::Comments { .. } => "/v0/{baseId}/{tableIdOrName}/{recordId}/comments/{commentId}",
            Self::Upload { .. } => "/v0/{baseId}/{recordId}/{attachmentFieldIdOrName}/uploadAttachment",
            Self::Webhooks { op, .. } => op.label(),
            Self::Sync { .. } => "/v0/{baseId}/{tableIdOrName}/sync/{apiEndpointSyncId}",
            Self::NotBuilt { .. } => "(not built)",
        }
    }

    /// Finds the call; `path` is the raw path and begins with `/v0/`.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, AirtableError> {
        Self::find(method, path).ok_or_else(AirtableError::no_route)
    }

    /// The same for what a person does in Airtable's own interface: also what Airtable's API has no call for, in the way in
    /// which it would have one.
    pub(crate) fn parse_edit(method: &Method, path: &str) -> Result<Self, AirtableError> {
        Self::parse(method, path).or_else(|error| Self::find_deletion(method, path).ok_or(error))
    }

    fn find_deletion(method: &Method, path: &str) -> Option<Self> {
        let segments = segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (base, op) = match (method.as_str(), segments.as_slice()) {
            ("DELETE", ["meta", "bases", base, "tables", table]) => {
                (base, StructureOp::DeleteTable((*table).to_owned()))
            }
            ("DELETE", ["meta", "bases", base, "tables", table, "fields", field]) => {
                (base, StructureOp::DeleteField((*table).to_owned(), FieldId::parse(field)?))
            }
            _ => return None,
        };
        Some(Self::Structure { base: BaseId::parse(base)?, op })
    }

    fn find(method: &Method, path: &str) -> Option<Self> {
        let segments = segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (method.as_str(), segments.as_slice()) {
            (verb, ["meta", rest @ ..]) => meta(verb, rest),
            (verb, ["bases", base, "webhooks", rest @ ..]) => webhooks(verb, BaseId::parse(base)?, rest),
            (verb, [base, rest @ ..]) => records(verb, BaseId::parse(base)?, rest),
            _ => None,
        }
    }
}

/// What stands between the slashes after `/v0`, decoded; none of it is empty.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("/v0/")?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded = |raw| Some(percent_decode_str(raw).decode_utf8().ok()?.into_owned());
    let segments = path.split('/').map(decoded).collect::<Option<Vec<String>>>()?;
    segments.iter().all(|segment| !segment.is_empty()).then_some(segments)
}

fn not_built(base: BaseId, what: &'static str) -> Option<Route> {
    Some(Route::NotBuilt { base: Some(base), what })
}

fn records(verb: &str, base: BaseId, rest: &[&str]) -> Option<Route> {
    if let ("POST", [record, field, "uploadAttachment"]) = (verb, rest)
        && let Some(record) = RecordId::parse(record)
    {
        return Some(Route::Upload { base, record, field: (*field).to_owned() });
    }
    let [table, rest @ ..] = rest else { return None };
    let op = match (verb, rest) {
        ("GET", []) => RecordsOp::List,
        ("POST", []) => RecordsOp::Create,
        ("PATCH", []) => RecordsOp::UpdateMany { replace: false },
        ("PUT", []) => RecordsOp::UpdateMany { replace: true },
        ("DELETE", []) => RecordsOp::DeleteMany,
        ("POST", ["listRecords"]) => RecordsOp::ListByPost,
        ("POST", ["sync", sync]) => {
            let (table, sync) = ((*table).to_owned(), (*sync).to_owned());
            return Some(Route::Sync { base, table, sync });
        }
        (verb, [record, "comments", rest @ ..]) => {
            let (record, op) = (RecordId::parse(record)?, comments(verb, rest)?);
            return Some(Route::Comments { base, table: (*table).to_owned(), record, op });
        }
        (verb, [record]) => {
            let id = RecordId::parse(record)?;
            match verb {
                "GET" => RecordsOp::Get(id),
                "PATCH" => RecordsOp::UpdateOne { id, replace: false },
                "PUT" => RecordsOp::UpdateOne { id, replace: true },
                "DELETE" => RecordsOp::DeleteOne(id),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Route::Records { base, table: (*table).to_owned(), op })
}

fn comments(verb: &str, rest: &[&str]) -> Option<CommentsOp> {
    Some(match (verb, rest) {
        ("GET", []) => CommentsOp::List,
        ("POST", []) => CommentsOp::Create,
        ("PATCH", [comment]) => CommentsOp::Update(CommentId::parse(comment)?),
        ("DELETE", [comment]) => CommentsOp::Delete(CommentId::parse(comment)?),
        _ => return None,
    })
}

fn meta(verb: &str, rest: &[&str]) -> Option<Route> {
    let everywhere = |what| Some(Route::NotBuilt { base: None, what });
    match (verb, rest) {
        ("GET", ["whoami"]) => Some(Route::Whoami),
        ("GET", ["bases"]) => Some(Route::ListBases),
        ("POST", ["bases"]) => Some(Route::CreateBase),
        (_, ["workspaces", ..]) => everywhere("/v0/meta/workspaces/… (workspace administration)"),
        (_, ["enterpriseAccounts", ..]) => {
            everywhere("/v0/meta/enterpriseAccounts/… (enterprise administration)")
        }
        (verb, ["bases", base, rest @ ..]) => base_meta(verb, BaseId::parse(base)?, rest),
        _ => None,
    }
}

fn base_meta(verb: &str, base: BaseId, rest: &[&str]) -> Option<Route> {
    let op = match (verb, rest) {
        ("GET", ["tables"]) => return Some(Route::BaseSchema { base }),
        ("DELETE", []) => return not_built(base, "DELETE /v0/meta/bases/{baseId} (delete base)"),
        ("GET", []) => StructureOp::Collaborators,
        ("POST", ["tables"]) => StructureOp::CreateTable,
        ("PATCH", ["tables", table]) => StructureOp::UpdateTable((*table).to_owned()),
        ("POST", ["tables", table, "fields"]) => StructureOp::CreateField((*table).to_owned()),
        ("PATCH", ["tables", table, "fields", field]) => {
            StructureOp::UpdateField((*table).to_owned(), FieldId::parse(field)?)
        }
        ("GET", ["views"]) => StructureOp::ListViews,
        ("GET", ["views", view]) => StructureOp::GetView(ViewId::parse(view)?),
        ("DELETE", ["views", view]) => StructureOp::DeleteView(ViewId::parse(view)?),
        _ => return None,
    };
    Some(Route::Structure { base, op })
}

impl StructureOp {
    fn label(&self) -> &'static str {
        match self {
            Self::Collaborators => "/v0/meta/bases/{baseId}",
            Self::CreateTable => "/v0/meta/bases/{baseId}/tables",
            Self::UpdateTable(_) | Self::DeleteTable(_) => "/v0/meta/bases/{baseId}/tables/{tableIdOrName}",
            Self::CreateField(_) => "/v0/meta/bases/{baseId}/tables/{tableId}/fields",
            Self::UpdateField(..) | Self::DeleteField(..) => {
                "/v0/meta/bases/{baseId}/tables/{tableId}/fields/{fieldId}"
            }
            Self::ListViews => "/v0/meta/bases/{baseId}/views",
            Self::GetView(_) | Self::DeleteView(_) => "/v0/meta/bases/{baseId}/views/{viewId}",
        }
    }
}

fn webhooks(verb: &str, base: BaseId, rest: &[&str]) -> Option<Route> {
    let op = match (verb, rest) {
        ("GET", []) => WebhooksOp::List,
        ("POST", []) => WebhooksOp::Create,
        ("DELETE", [hook]) => WebhooksOp::Delete(WebhookId::parse(hook)?),
        ("POST", [hook, "enableNotifications"]) => WebhooksOp::Toggle(WebhookId::parse(hook)?),
        ("POST", [hook, "refresh"]) => WebhooksOp::Refresh(WebhookId::parse(hook)?),
        ("GET", [hook, "payloads"]) => WebhooksOp::Payloads(WebhookId::parse(hook)?),
        _ => return None,
    };
    Some(Route::Webhooks { base, op })
}

impl WebhooksOp {
    fn label(self) -> &'static str {
        match self {
            Self::List | Self::Create => "/v0/bases/{baseId}/webhooks",
            Self::Delete(_) => "/v0/bases/{baseId}/webhooks/{webhookId}",
            Self::Toggle(_) => "/v0/bases/{baseId}/webhooks/{webhookId}/enableNotifications",
            Self::Refresh(_) => "/v0/bases/{baseId}/webhooks/{webhookId}/refresh",
            Self::Payloads(_) => "/v0/bases/{baseId}/webhooks/{webhookId}/payloads",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "app00000000000001";
    const RECORD: &str = "rec00000000000001";

    fn route(line: &str) -> Option<Route> {
        let (verb, path) = line.split_once(' ').unwrap();
        let path = path.replace("APP", BASE).replace("REC", RECORD);
        Route::parse(&Method::from_bytes(verb.as_bytes()).unwrap(), &path).ok()
    }

    fn table(line: &str) -> Option<(String, RecordsOp)> {
        match route(line)? {
            Route::Records { table, op, .. } => Some((table, op)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_table_segment_is_decoded_after_splitting() {
        let (name, op) = table("GET /v0/APP/Test%2FTable%202").unwrap();
        assert_eq!((name.as_str(), op), ("Test/Table 2", RecordsOp::List));
        assert_eq!(table("GET /v0/APP/100%25%20%26%20(more)").unwrap().0, "100% & (more)");
        assert_eq!(table("GET /v0/APP/a+b").unwrap().0, "a+b", "a plus is a plus in a path");
        assert_eq!(table("GET /v0/APP/T/").unwrap().1, RecordsOp::List);
        assert_eq!(table("GET /v0/APP/listRecords").unwrap().0, "listRecords");
    }

    #[test]
    fn each_record_call_is_found() {
        let id = RecordId::parse(RECORD).unwrap();
        for (line, op) in [
            ("POST /v0/APP/T", RecordsOp::Create),
            ("POST /v0/APP/T/listRecords", RecordsOp::ListByPost),
            ("PATCH /v0/APP/T", RecordsOp::UpdateMany { replace: false }),
            ("PUT /v0/APP/T/", RecordsOp::UpdateMany { replace: true }),
            ("DELETE /v0/APP/T", RecordsOp::DeleteMany),
            ("GET /v0/APP/T/REC", RecordsOp::Get(id)),
            ("PATCH /v0/APP/T/REC", RecordsOp::UpdateOne { id, replace: false }),
            ("PUT /v0/APP/T/REC", RecordsOp::UpdateOne { id, replace: true }),
            ("DELETE /v0/APP/T/REC/", RecordsOp::DeleteOne(id)),
        ] {
            assert_eq!(table(line).unwrap().1, op, "{line}");
        }
    }

    #[test]
    fn an_upload_names_a_record_and_a_field_and_no_table() {
        let (base, record) = (BaseId::parse(BASE).unwrap(), RecordId::parse(RECORD).unwrap());
        let upload = Some(Route::Upload { base, record, field: "A/B c".to_owned() });
        assert_eq!(route("POST /v0/APP/REC/A%2FB%20c/uploadAttachment"), upload);
        for line in [
            "GET /v0/APP/REC/F/uploadAttachment",
            "POST /v0/APP/T/F/uploadAttachment",
            "POST /v0/APP/REC/uploadAttachment",
        ] {
            assert_eq!(route(line), None, "{line}");
        }
    }

    #[test]
    fn a_path_that_airtable_does_not_have_is_not_found() {
        for line in [
            "GET /v0/",
            "GET /v0/APP",
            "GET /v0/APP/",
            "GET /v0/appX/T",
            "GET /v0/APP/T/recX",
            "GET /v0/APP/T/listRecords",
            "POST /v0/APP/T/REC",
            "GET /v0/APP//T",
            "GET /v0/APP/%FF",
            "OPTIONS /v0/APP/T",
            "GET /v0/meta/nothing",
            "GET /v0/meta/bases/appX/tables",
            "PATCH /v0/meta/bases/APP/tables/T/fields/F",
            "GET /v0/meta/bases/APP/views/V",
            "GET /v0/bases/APP/webhooks/ach00000000000001",
            "GET /v0/bases/APP/webhooks/ach1/payloads",
            "DELETE /v0/APP/T/REC/comments",
            "PATCH /v0/APP/T/REC/comments/comX",
            "GET /v0/APP/T/REC/comments/com00000000000001",
        ] {
            assert_eq!(route(line), None, "{line}");
        }
    }

    #[test]
    fn a_path_of_airtable_that_is_not_built_is_named() {
        assert!(matches!(route("DELETE /v0/meta/bases/APP"), Some(Route::NotBuilt { .. })));
    }
}
