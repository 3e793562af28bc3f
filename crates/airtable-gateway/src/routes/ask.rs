//! What a listing of our own dialect asks for: by query, in the predecessor's words and Airtable's, or by body.

use airtable_api::wire::{Direction, ListRecords, SortKey};
use serde::{Deserialize, Serialize};
use service_kit::{ApiError, ErrorCode};
use utoipa::ToSchema;

/// More is not one answer any more.
const MOST_RECORDS: u64 = 100_000;

/// A listing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ask {
    /// Name or id of a view.
    pub view: Option<String>,
    /// Read this many records, however many pages that takes; else one page.
    pub max_records: Option<u64>,
    /// 1 to 100. Without effect if `max_records` is given.
    pub page_size: Option<u32>,
    /// From the page before.
    pub offset: Option<String>,
    /// Names or ids of the fields wanted.
    pub fields: Vec<String>,
    /// Keeps the records for which the formula is true.
    pub filter_by_formula: Option<String>,
    /// First key first.
    pub sort: Vec<Key>,
    /// Keys `fields` of the answer by field id.
    pub return_fields_by_field_id: bool,
}

/// One key to sort by.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Name or id.
    pub field: String,
    /// `asc` (default) or `desc`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub direction: Option<Direction>,
}

impl Ask {
    /// Reads a query. Unknown parameters are ignored, as they always were; a known one that cannot be read is 422.
    pub(super) fn of_query(query: &str) -> Result<Self, ApiError> {
        let mut ask = Self::default();
        let (mut sort_fields, mut directions) = (Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "view" => ask.view = Some(value),
                "max_records" | "maxRecords" => ask.max_records = Some(number(&name, &value)?),
                "page_size" | "pageSize" => ask.page_size = Some(number(&name, &value)?),
                "offset" => ask.offset = Some(value).filter(|offset| !offset.is_empty()),
                "fields" | "fields[]" => ask.fields.push(value),
                "filter_by_formula" | "filterByFormula" => ask.filter_by_formula = Some(value),
                "sort_field" => sort_fields.push(value),
                "sort_direction" => directions.push(direction(&value)?),
                "sort" => ask.sort.extend(value.split(',').filter_map(short_key)),
                "return_fields_by_field_id" | "returnFieldsByFieldId" => {
                    ask.return_fields_by_field_id = matches!(&*value, "true" | "1");
                }
                _ => {}
            }
        }
        if directions.len() > sort_fields.len() {
            return Err(invalid("sort_direction", "there are more directions than fields to sort by"));
        }
        for (at, field) in sort_fields.into_iter().enumerate() {
            ask.sort.push(Key { field, direction: directions.get(at).copied() });
        }
        ask.checked()
    }

    /// Checks what is not a matter of form.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if self.page_size.is_some_and(|size| !(1..=100).contains(&size)) {
            return Err(invalid("page_size", "must be between 1 and 100"));
        }
        if self.max_records.is_some_and(|most| !(1..=MOST_RECORDS).contains(&most)) {
            return Err(invalid("max_records", "must be between 1 and 100000"));
        }
        self.filter_by_formula = self.filter_by_formula.filter(|formula| !formula.is_empty());
        Ok(self)
    }

    /// The same for Airtable, without paging.
    pub(super) fn wire(&self) -> ListRecords {
        let key = |key: &Key| SortKey { field: key.field.clone(), direction: key.direction };
        ListRecords {
            view: self.view.clone(),
            fields: self.fields.clone(),
            sort: self.sort.iter().map(key).collect(),
            filter_by_formula: self.filter_by_formula.clone(),
            max_records: None,
            page_size: None,
            offset: self.offset.clone(),
            return_fields_by_field_id: self.return_fields_by_field_id,
        }
    }
}

/// `Name`, `+Name` or `-Name`.
fn short_key(text: &str) -> Option<Key> {
    let text = text.trim();
    let (field, direction) = match text.strip_prefix('-') {
        Some(field) => (field, Direction::Desc),
        None => (text.strip_prefix('+').unwrap_or(text), Direction::Asc),
    };
    (!field.is_empty()).then(|| Key { field: field.to_owned(), direction: Some(direction) })
}

fn direction(text: &str) -> Result<Direction, ApiError> {
    match text {
        "asc" => Ok(Direction::Asc),
        "desc" => Ok(Direction::Desc),
        _ => Err(invalid("sort_direction", "must be asc or desc")),
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| invalid(name, "must be a whole number"))
}

fn invalid(name: &str, reason: &str) -> ApiError {
    let message = format!("{name} {reason}");
    ApiError::new(ErrorCode::InvalidRequest, message.clone()).field(format!("/{name}"), "invalid", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predecessors_words_are_understood() {
        let ask = Ask::of_query(
            "view=All&max_records=250&fields=A&fields=B&filter_by_formula=1&sort_field=Due&sort_direction=desc&sort_field=Name&offset=",
        )
        .unwrap();
        let wire = ask.wire();
        assert_eq!(ask.max_records, Some(250));
        assert_eq!(wire.fields, ["A", "B"]);
        assert_eq!(wire.offset, None);
        assert_eq!(wire.sort[0], SortKey { field: "Due".into(), direction: Some(Direction::Desc) });
        assert_eq!(wire.sort[1], SortKey { field: "Name".into(), direction: None });
    }

    #[test]
    fn several_keys_can_be_written_in_short() {
        let ask = Ask::of_query("sort=-Due,Name,%2BPlace").unwrap();
        let keys: Vec<_> = ask.wire().sort.into_iter().map(|key| (key.field, key.direction)).collect();
        assert_eq!(
            keys,
            [
                ("Due".into(), Some(Direction::Desc)),
                ("Name".into(), Some(Direction::Asc)),
                ("Place".into(), Some(Direction::Asc))
            ]
        );
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for (query, name) in [
            ("page_size=101", "page_size"),
            ("page_size=x", "page_size"),
            ("max_records=0", "max_records"),
            ("sort_field=A&sort_direction=up", "sort_direction"),
            ("sort_direction=asc", "sort_direction"),
        ] {
            let error = Ask::of_query(query).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(name), "{query}");
        }
    }
}
