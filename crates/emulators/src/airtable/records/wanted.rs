//! What is done with records: which call it is, and what its parameters and body say.

use serde_json::{Map, Value};

use super::Write;
use crate::airtable::errors::AirtableError;
use crate::airtable::ids::RecordId;
use crate::airtable::limits::Limits;
use crate::airtable::list::params::{ListParams, rendering_from_query};
use crate::airtable::query::Query;
use crate::airtable::render::Rendering;
use crate::airtable::routes::RecordsOp;
use crate::airtable::unconfirmed::Unconfirmed;

/// A call on records whose parameters and body are in order.
pub(crate) enum Wanted {
    Read(Read),
    Write(Write),
}

pub(crate) enum Read {
    List(Box<ListParams>),
    Get(RecordId, Rendering),
}

impl Wanted {
    pub(crate) async fn read<B: Future<Output = Result<Map<String, Value>, AirtableError>>>(
        op: RecordsOp,
        query: &Query,
        body: impl FnOnce() -> B,
        (limits, unconfirmed): (&Limits, &Unconfirmed),
    ) -> Result<Self, AirtableError> {
        Ok(match op {
            RecordsOp::List => {
                let mut params = ListParams::from_query(query, limits.max_page_size)?;
                params.comment_count_zero = unconfirmed.comment_count_zero;
                Self::Read(Read::List(Box::new(params)))
            }
            RecordsOp::ListByPost => {
                let mut params = ListParams::from_body(query, &body().await?, limits.max_page_size)?;
                params.comment_count_zero = unconfirmed.comment_count_zero;
                Self::Read(Read::List(Box::new(params)))
            }
            RecordsOp::Get(id) => Self::Read(Read::Get(id, rendering_from_query(query)?)),
            RecordsOp::DeleteOne(id) => Self::Write(Write::delete_one(id)),
            RecordsOp::DeleteMany => Self::Write(Write::delete_many(query, limits.max_records_per_request)?),
            RecordsOp::Create | RecordsOp::UpdateOne { .. } | RecordsOp::UpdateMany { .. } => {
                Self::Write(Write::from_body(op, body().await?, limits.max_records_per_request)?)
            }
        })
    }
}
