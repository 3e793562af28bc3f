use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::SqliteStore;
use crate::json;
use crate::time::{from_millis, millis, to_millis};
use crate::{
    EventRecord, Lease, NewEvent, SessionRecord, SessionStore, StorageError, UsageFilter, UsageRecord,
    UsageTotals,
};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, session: &SessionRecord) -> Result<(), StorageError> {
        let result = sqlx::query(
            "INSERT INTO sessions (id, owner, metadata, created_at, updated_at, last_seq) VALUES (?, ?, ?, ?, ?, 0)",
        )
        .bind(&session.id)
        .bind(&session.owner)
        .bind(json::to_text("session", &session.metadata)?)
        .bind(to_millis(session.created_at))
        .bind(to_millis(session.updated_at))
        .execute(&self.writer)
        .await;
        match result {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StorageError::Exists { what: "a session of this id" })
            }
            Err(error) => Err(StorageError::database("store a session")(error)),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<SessionRecord>, StorageError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(StorageError::database("find a session"))?;
        row.as_ref().map(session).transpose()
    }

    async fn list(
        &self,
        owner: &str,
        before: Option<(SystemTime, String)>,
        limit: u32,
    ) -> Result<Vec<SessionRecord>, StorageError> {
        let (updated, id) =
            before.map_or((i64::MAX, String::new()), |(updated, id)| (to_millis(updated), id));
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE owner = ? AND (updated_at, id) < (?, ?) ORDER BY updated_at DESC, id DESC LIMIT ?",
        )
        .bind(owner)
        .bind(updated)
        .bind(id)
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(StorageError::database("list sessions"))?;
        rows.iter().map(session).collect()
    }

    async fn delete(&self, id: &str) -> Result<bool, StorageError> {
        let done = sqlx::query("DELETE FROM sessions WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(StorageError::database("delete a session"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn append(
        &self,
        id: &str,
        after: u64,
        events: &[NewEvent],
        usage: &[UsageRecord],
    ) -> Result<u64, StorageError> {
        let failed = || StorageError::database("append to a session");
        let mut transaction = self.begin().await.map_err(failed())?;
        let latest: Option<i64> = sqlx::query_scalar("SELECT last_seq FROM sessions WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        match latest {
            None => return Err(StorageError::Missing { what: "the session" }),
            Some(latest) if u64::try_from(latest) != Ok(after) => {
                return Err(StorageError::Conflict { what: "the session" });
            }
            Some(_) => {}
        }
        let now = to_millis(SystemTime::now());
        let mut seq = after;
        for event in events {
            seq += 1;
            sqlx::query(
                "INSERT INTO session_events (session_id, seq, kind, body, at) VALUES (?, ?, ?, ?, ?)",
            )
            .bind(id)
            .bind(stored(seq))
            .bind(&event.kind)
            .bind(json::to_text("event", &event.body)?)
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        }
        sqlx::query("UPDATE sessions SET last_seq = ?, updated_at = max(updated_at, ?) WHERE id = ?")
            .bind(stored(seq))
            .bind(now)
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        for step in usage {
            count(&mut transaction, step).await.map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(seq)
    }

    async fn events(&self, id: &str, after: u64, limit: u32) -> Result<Vec<EventRecord>, StorageError> {
        let rows =
            sqlx::query("SELECT * FROM session_events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?")
                .bind(id)
                .bind(stored(after))
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(StorageError::database("read a session's events"))?;
        rows.iter().map(event).collect()
    }

    async fn purge(&self, updated_before: SystemTime, limit: u32) -> Result<u64, StorageError> {
        let done = sqlx::query(
            "DELETE FROM sessions WHERE id IN (
                 SELECT id FROM sessions WHERE updated_at < ? AND (lease_until IS NULL OR lease_until <= ?)
                 ORDER BY updated_at LIMIT ?)",
        )
        .bind(to_millis(updated_before))
        .bind(to_millis(SystemTime::now()))
        .bind(limit)
        .execute(&self.writer)
        .await
        .map_err(StorageError::database("remove old sessions"))?;
        Ok(done.rows_affected())
    }

    async fn lease(&self, id: &str, holder: &str, ttl: Duration) -> Result<Lease, StorageError> {
        let failed = || StorageError::database("lease a session");
        let mut transaction = self.begin().await.map_err(failed())?;
        let now = to_millis(SystemTime::now());
        let row = sqlx::query("SELECT lease_holder, lease_until FROM sessions WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?
            .ok_or(StorageError::Missing { what: "the session" })?;
        let current: Option<String> = row.try_get("lease_holder").map_err(failed())?;
        let until: Option<i64> = row.try_get("lease_until").map_err(failed())?;
        if let (Some(current), Some(until)) = (current, until)
            && current != holder
            && until > now
        {
            let remaining = Duration::from_millis(until.abs_diff(now));
            return Ok(Lease::Busy { holder: current, remaining });
        }
        sqlx::query("UPDATE sessions SET lease_holder = ?, lease_until = ? WHERE id = ?")
            .bind(holder)
            .bind(now.saturating_add(millis(ttl)))
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Lease::Held)
    }

    async fn release(&self, id: &str, holder: &str) -> Result<(), StorageError> {
        sqlx::query(
            "UPDATE sessions SET lease_holder = NULL, lease_until = NULL WHERE id = ? AND lease_holder = ?",
        )
        .bind(id)
        .bind(holder)
        .execute(&self.writer)
        .await
        .map_err(StorageError::database("release a session"))?;
        Ok(())
    }

    async fn usage(&self, filter: &UsageFilter) -> Result<UsageTotals, StorageError> {
        let failed = || StorageError::database("sum up usage");
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT count(DISTINCT run_id) AS runs, count(*) AS steps,
                 coalesce(sum(input_fresh), 0) AS input_fresh, coalesce(sum(input_cached), 0) AS input_cached,
                 coalesce(sum(input_cache_write), 0) AS input_cache_write, coalesce(sum(tool_prompt), 0) AS tool_prompt,
                 coalesce(sum(output_text), 0) AS output_text, coalesce(sum(output_reasoning), 0) AS output_reasoning,
                 coalesce(max(estimated), 0) AS estimated, coalesce(max(emulated), 0) AS emulated,
                 coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd
             FROM usage WHERE TRUE",
        );
        if let Some(session) = &filter.session {
            query.push(" AND session_id = ").push_bind(session);
        }
        if let Some(key) = &filter.key {
            query.push(" AND key_id = ").push_bind(key);
        }
        if let Some(run) = &filter.run {
            query.push(" AND run_id = ").push_bind(run);
        }
        if let Some(since) = filter.since {
            query.push(" AND at >= ").push_bind(to_millis(since));
        }
        let row = query.build().fetch_one(&self.readers).await.map_err(failed())?;
        totals(&row).map_err(failed())
    }
}

/// Notes what a step used, unless it is there already.
async fn count(connection: &mut SqliteConnection, usage: &UsageRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO usage (run_id, step, session_id, key_id, model, at, input_fresh, input_cached, input_cache_write,
             tool_prompt, output_text, output_reasoning, estimated, emulated, cost_nano_usd)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&usage.run_id)
    .bind(usage.step)
    .bind(&usage.session_id)
    .bind(&usage.key_id)
    .bind(&usage.model)
    .bind(to_millis(usage.at))
    .bind(stored(usage.input_fresh))
    .bind(stored(usage.input_cached))
    .bind(stored(usage.input_cache_write))
    .bind(stored(usage.tool_prompt))
    .bind(stored(usage.output_text))
    .bind(stored(usage.output_reasoning))
    .bind(usage.estimated)
    .bind(usage.emulated)
    .bind(usage.cost_nano_usd)
    .execute(connection)
    .await?;
    Ok(())
}

fn session(row: &SqliteRow) -> Result<SessionRecord, StorageError> {
    let read = |row: &SqliteRow| -> Result<SessionRecord, sqlx::Error> {
        Ok(SessionRecord {
            id: row.try_get("id")?,
            owner: row.try_get("owner")?,
            metadata: json::from_text(row.try_get("metadata")?)?,
            created_at: from_millis(row.try_get("created_at")?),
            updated_at: from_millis(row.try_get("updated_at")?),
            last_seq: row.try_get::<i64, _>("last_seq")?.unsigned_abs(),
        })
    };
    read(row).map_err(|error| StorageError::unreadable("session", error))
}

fn event(row: &SqliteRow) -> Result<EventRecord, StorageError> {
    let read = |row: &SqliteRow| -> Result<EventRecord, sqlx::Error> {
        Ok(EventRecord {
            seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
            kind: row.try_get("kind")?,
            body: json::from_text(row.try_get("body")?)?,
            at: from_millis(row.try_get("at")?),
        })
    };
    read(row).map_err(|error| StorageError::unreadable("event", error))
}

fn totals(row: &SqliteRow) -> Result<UsageTotals, sqlx::Error> {
    let sum = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    Ok(UsageTotals {
        runs: sum("runs")?,
        steps: sum("steps")?,
        input_fresh: sum("input_fresh")?,
        input_cached: sum("input_cached")?,
        input_cache_write: sum("input_cache_write")?,
        tool_prompt: sum("tool_prompt")?,
        output_text: sum("output_text")?,
        output_reasoning: sum("output_reasoning")?,
        estimated: sum("estimated")? > 0,
        emulated: sum("emulated")? > 0,
        cost_nano_usd: row.try_get("cost_nano_usd")?,
    })
}

/// Databases know signed numbers only; none of ours comes near their end.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
