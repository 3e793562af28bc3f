//! A base read over Airtable's API: structure, records, comments.
//!
//! Airtable gives no picture of one moment: a listing takes a page after the other while others write. So the records that
//! have changed since the reading began are asked for again, and so is the structure, until nothing new comes; after some
//! rounds it is told that they go on, and the last ones may be there in part. What a record links to and is not there is left
//! out. A record that is deleted after its page was read is noticed by that only.

use std::collections::HashMap;

use airtable_api::{BaseId, Target};
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::progress::Progress;
use super::source::{Source, SourceError};

/// Records and comments on a page, the most that Airtable gives.
const PAGE: &str = "100";

/// How often a listing begins anew that Airtable has given up.
const BEGINNINGS: usize = 3;

/// How often changes are asked for; who writes more than that all the time is told.
const MOST_ROUNDS: usize = 5;

/// The server's clock is told in whole seconds, and changes carry its time of their beginning.
const MARGIN: SignedDuration = SignedDuration::from_secs(3);

/// A record as it came.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) created_time: String,
    pub(super) fields: Box<RawValue>,
    #[serde(default)]
    pub(super) comment_count: Option<u64>,
}

impl Row {
    fn is_same(&self, other: &Self) -> bool {
        self.fields.get() == other.fields.get() && self.comment_count == other.comment_count
    }
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Row>,
    #[serde(default)]
    offset: Option<String>,
}

#[derive(Deserialize)]
struct CommentPage {
    comments: Vec<Value>,
    #[serde(default)]
    offset: Option<String>,
}

/// A base in the list of bases.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BaseEntry {
    pub(super) id: BaseId,
    pub(super) name: String,
    pub(super) permission_level: Option<String>,
}

#[derive(Deserialize)]
struct BasePage {
    bases: Vec<BaseEntry>,
    #[serde(default)]
    offset: Option<String>,
}

/// Reads one base.
pub(super) struct Reading<'r> {
    pub(super) source: &'r mut Source,
    pub(super) progress: &'r Progress,
}

/// What the records of a table are told by.
pub(super) struct Records {
    pub(super) rows: Vec<Row>,
    index: HashMap<String, usize>,
}

impl Reading<'_> {
    /// All bases that the token reaches.
    pub(super) async fn bases(&mut self) -> anyhow::Result<Vec<BaseEntry>> {
        let mut bases = Vec::new();
        let mut offset = None;
        loop {
            let target = airtable_api::calls::list_bases(offset.as_deref())?.target;
            let page: BasePage = self.get(&target).await.context("cannot list the bases")?;
            bases.extend(page.bases);
            match page.offset.filter(|offset| !offset.is_empty()) {
                Some(next) => offset = Some(next),
                None => return Ok(bases),
            }
        }
    }

    /// The metadata of a base: `{"tables": […]}`.
    pub(super) async fn structure(&mut self, base: &BaseId) -> anyhow::Result<Value> {
        let target = airtable_api::TargetBuilder::v0(["meta", "bases", base.as_str(), "tables"]);
        let target = target.pair("include", "visibleFieldIds").build()?;
        self.get(&target).await.with_context(|| format!("cannot read the structure of {base}"))
    }

    /// The records of these tables (id and name), as they were when the reading of the last one ended, as far as can be told.
    pub(super) async fn records(
        &mut self,
        base: &BaseId,
        tables: &[(String, String)],
        with_comments: bool,
    ) -> anyhow::Result<Vec<Records>> {
        let mut since = self.now();
        let mut all = Vec::with_capacity(tables.len());
        for (id, name) in tables {
            let mut records = Records { rows: Vec::new(), index: HashMap::new() };
            self.list(base, (id, name), None, with_comments, &mut records).await?;
            all.push(records);
        }
        for _ in 0..MOST_ROUNDS {
            let (from, begun) = (since - MARGIN, self.now());
            let mut changed = 0;
            for ((id, name), records) in tables.iter().zip(&mut all) {
                changed += self.list(base, (id, name), Some(from), with_comments, records).await?;
            }
            if changed == 0 {
                return Ok(all);
            }
            self.progress.note(&format!("{changed} records were written meanwhile; reading them again"));
            since = begun;
        }
        self.progress.note("the base is written to all the time: the last changes may be there in part");
        Ok(all)
    }

    /// Reads records page by page: all, or those written since then. Gives how many are new or not what they were.
    async fn list(
        &mut self,
        base: &BaseId,
        (table, name): (&str, &str),
        since: Option<Timestamp>,
        with_comments: bool,
        records: &mut Records,
    ) -> anyhow::Result<usize> {
        let mut changed = 0;
        for _ in 0..BEGINNINGS {
            let mut offset: Option<String> = None;
            loop {
                let mut target =
                    Source::records(base, table).pair("pageSize", PAGE).pair("returnFieldsByFieldId", "true");
                if let Some(since) = since {
                    target = target.pair("filterByFormula", &written_since(since));
                }
                if with_comments {
                    target = target.pair("recordMetadata[]", "commentCount");
                }
                let target = target.optional("offset", offset.as_deref()).build()?;
                let page: Page = match self.get(&target).await {
                    Ok(page) => page,
                    Err(SourceError::ListingGone) => break,
                    Err(error) => {
                        return Err(error).with_context(|| format!("cannot read the records of {name}"));
                    }
                };
                changed += page.records.into_iter().map(|row| usize::from(records.put(row))).sum::<usize>();
                self.progress.at(&format!("{name}: {} records", records.rows.len()));
                match page.offset.filter(|offset| !offset.is_empty()) {
                    Some(next) => offset = Some(next),
                    None => return Ok(changed),
                }
            }
        }
        bail!("cannot read the records of {name}: Airtable has given up the listing {BEGINNINGS} times");
    }

    /// The comments of a record, the oldest first.
    pub(super) async fn comments(
        &mut self,
        base: &BaseId,
        table: &str,
        record: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let mut comments: Vec<Value> = Vec::new();
        let mut offset: Option<String> = None;
        loop {
            let target = airtable_api::TargetBuilder::v0([base.as_str(), table, record, "comments"]);
            let target = target.pair("pageSize", PAGE).optional("offset", offset.as_deref()).build()?;
            let page: CommentPage =
                self.get(&target).await.with_context(|| format!("cannot read the comments of {record}"))?;
            comments.extend(page.comments);
            match page.offset.filter(|offset| !offset.is_empty()) {
                Some(next) => offset = Some(next),
                None => break,
            }
        }
        // They come newest first; of two that were made in the same moment that is all that is known.
        comments.reverse();
        comments.sort_by_cached_key(|comment| comment["createdTime"].as_str().unwrap_or_default().to_owned());
        Ok(comments)
    }

    /// The server's time, as far as it tells.
    fn now(&self) -> Timestamp {
        self.source.time.unwrap_or_else(Timestamp::now)
    }

    async fn get<T: DeserializeOwned>(&mut self, target: &Target) -> Result<T, SourceError> {
        let bytes = self.source.get(target, |what| self.progress.note(what)).await?;
        serde_json::from_slice(&bytes).map_err(|error| airtable_api::SendError::NotUnderstood(error).into())
    }
}

impl Records {
    /// Takes a record, in the place of what was known of it; whether that is anything new.
    fn put(&mut self, row: Row) -> bool {
        match self.index.get(&row.id) {
            Some(&position) => {
                let known = &mut self.rows[position];
                let is_new = !known.is_same(&row);
                *known = row;
                is_new
            }
            None => {
                self.index.insert(row.id.clone(), self.rows.len());
                self.rows.push(row);
                true
            }
        }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.index.contains_key(id)
    }
}

/// A formula that holds for records that were made or edited since then.
fn written_since(time: Timestamp) -> String {
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.000Z");
    format!(
        "NOT(IS_BEFORE(IF(LAST_MODIFIED_TIME(), LAST_MODIFIED_TIME(), CREATED_TIME()), DATETIME_PARSE(\"{time}\")))"
    )
}
