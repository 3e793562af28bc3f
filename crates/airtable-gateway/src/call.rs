//! What a request under `/v0` is: which operation, on which base, table and record.

use airtable_api::{BaseId, RecordId, TableKey};
use http::Method;

/// An operation of Airtable's Web API, as far as the gateway treats it in a way of its own.
///
/// Source: <https://airtable.com/developers/web/api/introduction>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// By GET or by POST `listRecords`.
    ListRecords,
    GetRecord,
    ListComments,
    WriteRecords,
    WriteComments,
    UploadAttachment,
    SyncCsv,
    WhoAmI,
    ListBases,
    CreateBase,
    DeleteBase,
    /// A base's collaborators.
    BaseInfo,
    Schema,
    WriteSchema,
    Views,
    DeleteView,
    ListWebhooks,
    WriteWebhooks,
    /// Listing payloads prolongs the webhook's life: not a pure read.
    WebhookPayloads,
    /// Everything else: passed on as it is.
    Unknown,
}

/// A classified request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// What it does.
    pub operation: Operation,
    /// The base it is about; `None` if it is about none, or nobody can tell.
    pub base: Option<BaseId>,
    /// The table, as the caller names it.
    pub table: Option<TableKey>,
    /// The record, as it stands in the path; need not have the shape of an id.
    pub record: Option<String>,
    /// A GET, HEAD or OPTIONS, whatever it is about.
    pub is_safe: bool,
}

impl Call {
    /// `segments` are the decoded segments of the whole path, `v0` included.
    pub(crate) fn classify(method: &Method, segments: &[String]) -> Self {
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        let found = (segments.first().map(String::as_str) == Some("v0")).then(|| match path[..] {
            ["meta", ref rest @ ..] => meta(method, rest),
            ["bases", base, "webhooks", ref rest @ ..] => webhooks(method, base, rest),
            [base, ref rest @ ..] => records(method, base, rest),
            [] => None,
        });
        let mut call = found.flatten().unwrap_or_else(|| Self::about(Operation::Unknown, None));
        call.is_safe = method.is_safe();
        call
    }

    /// A call on no base, or on one.
    pub(crate) fn about(operation: Operation, base: Option<BaseId>) -> Self {
        Self { operation, base, table: None, record: None, is_safe: true }
    }

    fn in_table(operation: Operation, base: BaseId, table: &str) -> Self {
        Self { table: Some(TableKey::new(table)), ..Self::about(operation, Some(base)) }
    }

    fn of_record(operation: Operation, base: BaseId, table: &str, record: &str) -> Self {
        Self { record: Some(record.to_owned()), ..Self::in_table(operation, base, table) }
    }

    /// A read whose answer may be shared and kept.
    pub(crate) fn is_cacheable(&self) -> bool {
        use Operation as O;
        matches!(
            self.operation,
            O::ListRecords
                | O::GetRecord
                | O::ListComments
                | O::WhoAmI
                | O::ListBases
                | O::BaseInfo
                | O::Schema
                | O::Views
        )
    }

    /// About tables, fields, views or bases rather than about records: changes seldom.
    pub(crate) fn is_metadata(&self) -> bool {
        use Operation as O;
        matches!(self.operation, O::WhoAmI | O::ListBases | O::BaseInfo | O::Schema | O::Views)
    }

    /// For logs and metrics: what a route pattern is for a route.
    pub(crate) fn label(&self) -> &'static str {
        use Operation as O;
        match self.operation {
            O::ListRecords => "list_records",
            O::GetRecord => "get_record",
            O::ListComments => "list_comments",
            O::WriteRecords => "write_records",
            O::WriteComments => "write_comments",
            O::UploadAttachment => "upload_attachment",
            O::SyncCsv => "sync_csv",
            O::WhoAmI => "who_am_i",
            O::ListBases => "list_bases",
            O::CreateBase => "create_base",
            O::DeleteBase => "delete_base",
            O::BaseInfo => "base_info",
            O::Schema => "schema",
            O::WriteSchema => "write_schema",
            O::Views => "views",
            O::DeleteView => "delete_view",
            O::ListWebhooks => "list_webhooks",
            O::WriteWebhooks => "write_webhooks",
            O::WebhookPayloads => "webhook_payloads",
            O::Unknown => "unknown",
        }
    }
}

fn meta(method: &Method, rest: &[&str]) -> Option<Call> {
    use Operation as O;
    let on = |operation, base: &str| Some(Call::about(operation, Some(BaseId::parse(base).ok()?)));
    match (method, rest) {
        (&Method::GET, ["whoami"]) => Some(Call::about(O::WhoAmI, None)),
        (&Method::GET, ["bases"]) => Some(Call::about(O::ListBases, None)),
        (&Method::POST, ["bases"]) => Some(Call::about(O::CreateBase, None)),
        (&Method::GET, ["bases", base]) => on(O::BaseInfo, base),
        (&Method::DELETE, ["bases", base]) => on(O::DeleteBase, base),
        (&Method::GET, ["bases", base, "tables"]) => on(O::Schema, base),
        (&Method::POST, ["bases", base, "tables"]) => on(O::WriteSchema, base),
        (&Method::PATCH, ["bases", base, "tables", _]) => on(O::WriteSchema, base),
        (&Method::POST, ["bases", base, "tables", _, "fields"]) => on(O::WriteSchema, base),
        (&Method::PATCH, ["bases", base, "tables", _, "fields", _]) => on(O::WriteSchema, base),
        (&Method::GET, ["bases", base, "views"]) => on(O::Views, base),
        (&Method::GET, ["bases", base, "views", view]) => {
            let call = on(O::Views, base)?;
            Some(Call { record: Some((*view).to_owned()), ..call })
        }
        (&Method::DELETE, ["bases", base, "views", _]) => on(O::DeleteView, base),
        _ => None,
    }
}

fn webhooks(method: &Method, base: &str, rest: &[&str]) -> Option<Call> {
    use Operation as O;
    let base = BaseId::parse(base).ok()?;
    let operation = match (method, rest) {
        (&Method::GET, []) => O::ListWebhooks,
        (&Method::GET, [_, "payloads"]) => O::WebhookPayloads,
        (&Method::POST, [] | [_, "enableNotifications" | "refresh"]) | (&Method::DELETE, [_]) => {
            O::WriteWebhooks
        }
        _ => return None,
    };
    Some(Call::about(operation, Some(base)))
}

fn records(method: &Method, base: &str, rest: &[&str]) -> Option<Call> {
    use Operation as O;
    let base = BaseId::parse(base).ok()?;
    if rest.first().is_none_or(|table| table.is_empty()) {
        return None;
    }
    let writes = [Method::PATCH, Method::PUT, Method::DELETE].contains(method);
    match (method, rest) {
        (&Method::GET, [table]) => Some(Call::in_table(O::ListRecords, base, table)),
        (&Method::POST, [table, "listRecords"]) => Some(Call::in_table(O::ListRecords, base, table)),
        (&Method::POST, [table]) => Some(Call::in_table(O::WriteRecords, base, table)),
        (_, [table]) if writes => Some(Call::in_table(O::WriteRecords, base, table)),
        // Whatever stands where a record id belongs: Airtable answers for ids that are none.
        (&Method::GET, [table, record]) => Some(Call::of_record(O::GetRecord, base, table, record)),
        (_, [table, record]) if writes => Some(Call::of_record(O::WriteRecords, base, table, record)),
        (&Method::GET, [table, record, "comments"]) => {
            Some(Call::of_record(O::ListComments, base, table, record))
        }
        (&Method::POST, [table, record, "comments"])
        | (&Method::PATCH | &Method::DELETE, [table, record, "comments", _]) => {
            Some(Call::of_record(O::WriteComments, base, table, record))
        }
        (&Method::POST, [table, "sync", _]) => Some(Call::in_table(O::SyncCsv, base, table)),
        (&Method::POST, [record, _, "uploadAttachment"]) if RecordId::parse(record).is_ok() => {
            Some(Call::about(O::UploadAttachment, Some(base)))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One request for each operation that has a name, with the operation expected.
    pub(crate) const EXAMPLES: &[(&str, &str, Operation)] = &[
        ("GET", "/v0/appAAAAAAAAAAAAAA/Tasks", Operation::ListRecords),
        ("GET", "/v0/appAAAAAAAAAAAAAA/a%2Fb/?", Operation::ListRecords),
        ("POST", "/v0/appAAAAAAAAAAAAAA/Tasks/listRecords", Operation::ListRecords),
        ("GET", "/v0/app%41AAAAAAAAAAAAA/Tasks", Operation::ListRecords),
        ("GET", "/v0/appAAAAAAAAAAAAAA/Tasks/recAAAAAAAAAAAAAA", Operation::GetRecord),
        ("GET", "/v0/appAAAAAAAAAAAAAA/Tasks/whatever", Operation::GetRecord),
        ("GET", "/v0/appAAAAAAAAAAAAAA/Tasks/recAAAAAAAAAAAAAA/comments", Operation::ListComments),
        ("POST", "/v0/appAAAAAAAAAAAAAA/Tasks/", Operation::WriteRecords),
        ("PATCH", "/v0/appAAAAAAAAAAAAAA/Tasks", Operation::WriteRecords),
        ("PUT", "/v0/appAAAAAAAAAAAAAA/Tasks/recAAAAAAAAAAAAAA", Operation::WriteRecords),
        ("DELETE", "/v0/appAAAAAAAAAAAAAA/Tasks?records[]=recA", Operation::WriteRecords),
        ("POST", "/v0/appAAAAAAAAAAAAAA/Tasks/recAAAAAAAAAAAAAA/comments", Operation::WriteComments),
        ("DELETE", "/v0/appAAAAAAAAAAAAAA/T/recAAAAAAAAAAAAAA/comments/com1", Operation::WriteComments),
        ("POST", "/v0/appAAAAAAAAAAAAAA/recAAAAAAAAAAAAAA/F/uploadAttachment", Operation::UploadAttachment),
        ("POST", "/v0/appAAAAAAAAAAAAAA/Tasks/sync/xyz", Operation::SyncCsv),
        ("GET", "/v0/meta/whoami", Operation::WhoAmI),
        ("GET", "/v0/meta/bases?offset=x", Operation::ListBases),
        ("POST", "/v0/meta/bases", Operation::CreateBase),
        ("DELETE", "/v0/meta/bases/appAAAAAAAAAAAAAA", Operation::DeleteBase),
        ("GET", "/v0/meta/bases/appAAAAAAAAAAAAAA", Operation::BaseInfo),
        ("GET", "/v0/meta/bases/appAAAAAAAAAAAAAA/tables", Operation::Schema),
        ("POST", "/v0/meta/bases/appAAAAAAAAAAAAAA/tables", Operation::WriteSchema),
        ("PATCH", "/v0/meta/bases/appAAAAAAAAAAAAAA/tables/T/fields/F", Operation::WriteSchema),
        ("GET", "/v0/meta/bases/appAAAAAAAAAAAAAA/views/viwA", Operation::Views),
        ("DELETE", "/v0/meta/bases/appAAAAAAAAAAAAAA/views/viwA", Operation::DeleteView),
        ("GET", "/v0/bases/appAAAAAAAAAAAAAA/webhooks", Operation::ListWebhooks),
        ("POST", "/v0/bases/appAAAAAAAAAAAAAA/webhooks/achA/refresh", Operation::WriteWebhooks),
        ("GET", "/v0/bases/appAAAAAAAAAAAAAA/webhooks/achA/payloads", Operation::WebhookPayloads),
        ("GET", "/v0", Operation::Unknown),
        ("GET", "/v0/", Operation::Unknown),
        ("GET", "/v0//appAAAAAAAAAAAAAA/Tasks", Operation::Unknown),
        ("GET", "/v0/appShort/Tasks", Operation::Unknown),
        ("GET", "/v0/appAAAAAAAAAAAAAA", Operation::Unknown),
        ("GET", "/v0/appAAAAAAAAAAAAAA//recAAAAAAAAAAAAAA", Operation::Unknown),
        ("HEAD", "/v0/appAAAAAAAAAAAAAA/Tasks", Operation::Unknown),
        ("GET", "/v1/appAAAAAAAAAAAAAA/Tasks", Operation::Unknown),
        ("GET", "/v0/meta/enterpriseAccounts/ent1", Operation::Unknown),
        ("POST", "/v0/appAAAAAAAAAAAAAA/T/recAAAAAAAAAAAAAA/newThing", Operation::Unknown),
    ];

    pub(crate) fn classify(method: &str, path: &str) -> Call {
        let target = airtable_api::Target::raw(path.parse().unwrap());
        Call::classify(&method.parse().unwrap(), &target.segments().unwrap())
    }

    #[test]
    fn every_call_of_the_inventory_is_recognised() {
        for (method, path, operation) in EXAMPLES {
            assert_eq!(classify(method, path).operation, *operation, "{method} {path}");
        }
    }

    #[test]
    fn the_base_is_known_exactly_where_the_call_is_understood() {
        for (method, path, operation) in EXAMPLES {
            use Operation as O;
            let baseless = [O::WhoAmI, O::ListBases, O::CreateBase, O::Unknown].contains(operation);
            assert_eq!(classify(method, path).base.is_none(), baseless, "{method} {path}");
        }
    }

    #[test]
    fn a_table_is_an_id_or_a_decoded_name() {
        let call = classify("GET", "/v0/appAAAAAAAAAAAAAA/Test%2FTable%202/recAAAAAAAAAAAAAA");
        assert_eq!(call.table, Some(TableKey::Name("Test/Table 2".into())));
        assert_eq!(call.record.as_deref(), Some("recAAAAAAAAAAAAAA"));
    }
}
