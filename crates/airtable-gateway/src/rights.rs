//! Who may make which call. The one table from operation to scopes.

use service_kit::auth::{Principal, Scope};
use service_kit::{ApiError, ErrorCode};

use crate::call::{Call, Operation};
use crate::caller::{Caller, Rights};

/// The scopes that a key needs for a call: all of them.
fn needed(call: &Call) -> &'static [Scope] {
    use Operation as O;
    use Scope::{RecordsRead, RecordsWrite, SchemaRead, SchemaWrite};
    match call.operation {
        O::ListRecords | O::GetRecord | O::ListComments | O::WebhookPayloads => &[RecordsRead],
        O::WriteRecords | O::WriteComments | O::UploadAttachment => &[RecordsWrite],
        O::ListBases | O::BaseInfo | O::Schema | O::Views | O::ListWebhooks => &[SchemaRead],
        O::CreateBase | O::DeleteBase | O::WriteSchema | O::DeleteView | O::WriteWebhooks => &[SchemaWrite],
        // A synchronisation may create fields.
        O::SyncCsv => &[RecordsWrite, SchemaWrite],
        // As at Airtable.
        O::WhoAmI => &[],
        // Whatever it is, it can do no more than its method says.
        O::Unknown if call.is_safe => &[RecordsRead, SchemaRead],
        O::Unknown => &[RecordsRead, RecordsWrite, SchemaRead, SchemaWrite],
    }
}

/// Refuses a call that the caller may not make. A token that is passed through is Airtable's to judge.
///
/// A key that is limited to bases gets nothing that cannot be attributed to one of them, except answers that are
/// filtered for it afterwards ([`is_filtered`]).
pub(crate) fn authorise(call: &Call, caller: &Caller) -> Result<(), ApiError> {
    let Rights::Key(principal) = &caller.rights else { return Ok(()) };
    needed(call).iter().try_for_each(|scope| principal.require(*scope))?;
    match &call.base {
        Some(base) => principal.require_base(base.as_str()),
        None if !principal.bases.is_limited() || is_filtered(call) => Ok(()),
        None => {
            Err(ApiError::new(ErrorCode::Forbidden, "this key is limited to bases, and the call names none"))
        }
    }
}

/// Calls on no base whose answers are cut down for a limited key.
pub(crate) fn is_filtered(call: &Call) -> bool {
    matches!(call.operation, Operation::ListBases | Operation::WhoAmI)
}

/// The principal for whom the answer of this call has to be cut down, if any.
pub(crate) fn filter_for<'a>(call: &Call, caller: &'a Caller) -> Option<&'a Principal> {
    match &caller.rights {
        Rights::Key(principal) if principal.bases.is_limited() && is_filtered(call) => Some(principal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use service_kit::auth::{Bases, Scopes};

    use super::*;
    use crate::call::tests::{EXAMPLES, classify};
    use crate::caller::Credential;

    fn key(scopes: &str, bases: Bases) -> Caller {
        let principal = Principal {
            key_id: "k".into(),
            name: "n".into(),
            scopes: scopes.parse::<Scopes>().unwrap(),
            bases,
        };
        Caller::of_key(principal, Credential::of_token("pat".into()))
    }

    #[test]
    fn a_key_without_scopes_may_only_ask_who_it_is() {
        let nobody = key("", Bases::All);
        for (method, path, operation) in EXAMPLES {
            let allowed = authorise(&classify(method, path), &nobody).is_ok();
            assert_eq!(allowed, *operation == Operation::WhoAmI, "{method} {path}");
        }
    }

    #[test]
    fn a_key_with_all_scopes_may_make_every_call() {
        let all = key("records:read,records:write,schema:read,schema:write", Bases::All);
        for (method, path, _) in EXAMPLES {
            assert!(authorise(&classify(method, path), &all).is_ok(), "{method} {path}");
        }
    }

    #[test]
    fn reading_rights_do_not_write() {
        let reader = key("records:read,schema:read", Bases::All);
        for (method, path, _) in EXAMPLES {
            let call = classify(method, path);
            let reads = call.is_safe || call.operation == Operation::ListRecords;
            assert_eq!(authorise(&call, &reader).is_ok(), reads, "{method} {path}");
        }
    }

    #[test]
    fn a_key_limited_to_bases_reaches_those_and_nothing_that_cannot_be_told() {
        let scopes = "records:read,records:write,schema:read,schema:write";
        let own = key(scopes, Bases::only(["appAAAAAAAAAAAAAA"]));
        let other = key(scopes, Bases::only(["appBBBBBBBBBBBBBB"]));
        for (method, path, _) in EXAMPLES {
            let call = classify(method, path);
            let filtered = is_filtered(&call);
            assert_eq!(authorise(&call, &own).is_ok(), filtered || call.base.is_some(), "{method} {path}");
            assert_eq!(authorise(&call, &other).is_ok(), filtered, "{method} {path}");
        }
    }
}
