use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};

use super::{PostgresStore, run};
use crate::json;
use crate::time::{from_millis, millis, to_millis};
use crate::{
    EventRecord, Lease, NewEvent, SessionRecord, SessionStore, StorageError, UsageFilter, UsageRecord,
    UsageTotals,
};

#[async_trait]
impl SessionStore for PostgresStore {
    async fn create(&self, session: &SessionRecord) -> Result<(), StorageError> {
        let metadata = json::to_text("session", &session.metadata)?;
        let done = run(
            "store a session",
            sqlx::query(
                "INSERT INTO sessions (id, owner, metadata, created_at, updated_at, last_seq)
                     VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT DO NOTHING",
            )
            .bind(&session.id)
            .bind(&session.owner)
            .bind(&metadata)
            .bind(to_millis(session.created_at))
            .bind(to_millis(session.updated_at))
            .execute(self.pool()?),
        )
        .await?;
        match done.rows_affected() {
            0 => Err(StorageError::Exists { what: "a session of this id" }),
            _ => Ok(()),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<SessionRecord>, StorageError> {
        let row = run(
            "find a session",
            sqlx::query("SELECT * FROM sessions WHERE id = $1").bind(id).fetch_optional(self.pool()?),
        )
        .await?;
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
        let rows = run(
            "list sessions",
            sqlx::query(
                "SELECT * FROM sessions WHERE owner = $1 AND (updated_at, id) < ($2, $3)
                     ORDER BY updated_at DESC, id DESC LIMIT $4",
            )
            .bind(owner)
            .bind(updated)
            .bind(&id)
            .bind(i64::from(limit))
            .fetch_all(self.pool()?),
        )
        .await?;
        rows.iter().map(session).collect()
    }

    async fn delete(&self, id: &str) -> Result<bool, StorageError> {
        let done = run(
            "delete a session",
            sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id).execute(self.pool()?),
        )
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn append(
        &self,
        id: &str,
        after: u64,
        events: &[NewEvent],
        usage: &[UsageRecord],
    ) -> Result<u64, StorageError> {
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        let bodies =
            events.iter().map(|event| json::to_text("event", &event.body)).collect::<Result<Vec<_>, _>>()?;
        self.transact("append to a session", || async {
            let mut transaction = self.begin().await?;
            let latest: Option<i64> = sqlx::query_scalar(
                "UPDATE sessions SET last_seq = last_seq + $3, updated_at = greatest(updated_at, now_ms())
                 WHERE id = $1 AND last_seq = $2 RETURNING last_seq",
            )
            .bind(id)
            .bind(stored(after))
            .bind(stored(events.len() as u64))
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(latest) = latest else {
                let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = $1)")
                    .bind(id)
                    .fetch_one(&mut *transaction)
                    .await?;
                let what = "the session";
                let error =
                    if exists { StorageError::Conflict { what } } else { StorageError::Missing { what } };
                return Err(error.into());
            };
            sqlx::query(
                "INSERT INTO session_events (session_id, seq, kind, body, at)
                 SELECT $1, $2 + number, kind, body, now_ms()
                 FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS new (kind, body, number)",
            )
            .bind(id)
            .bind(stored(after))
            .bind(&kinds)
            .bind(&bodies)
            .execute(&mut *transaction)
            .await?;
            for step in usage {
                count(&mut transaction, step).await?;
            }
            transaction.commit().await?;
            Ok(latest.unsigned_abs())
        })
        .await
    }

    async fn events(&self, id: &str, after: u64, limit: u32) -> Result<Vec<EventRecord>, StorageError> {
        let rows = run(
            "read a session's events",
            sqlx::query(
                "SELECT * FROM session_events WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            )
            .bind(id)
            .bind(stored(after))
            .bind(i64::from(limit))
            .fetch_all(self.pool()?),
        )
        .await?;
        rows.iter().map(event).collect()
    }

    async fn purge(&self, updated_before: SystemTime, limit: u32) -> Result<u64, StorageError> {
        let done = run("remove old sessions", sqlx::query(
                    "DELETE FROM sessions WHERE id IN (
                         SELECT id FROM sessions WHERE updated_at < $1 AND (lease_until IS NULL OR lease_until <= now_ms())
                         ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
                )
                .bind(to_millis(updated_before))
                .bind(i64::from(limit))
                .execute(self.pool()?))
            .await?;
        Ok(done.rows_affected())
    }

    async fn lease(&self, id: &str, holder: &str, ttl: Duration) -> Result<Lease, StorageError> {
        self.transact("lease a session", || async {
            let mut transaction = self.begin().await?;
            let row = sqlx::query(
                "SELECT lease_holder, lease_until - now_ms() AS remaining FROM sessions WHERE id = $1 FOR UPDATE",
            )
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(StorageError::Missing { what: "the session" })?;
            let current: Option<String> = row.try_get("lease_holder")?;
            let remaining: Option<i64> = row.try_get("remaining")?;
            if let (Some(current), Some(remaining)) = (current, remaining)
                && current != holder
                && remaining > 0
            {
                let remaining = Duration::from_millis(remaining.unsigned_abs());
                return Ok(Lease::Busy { holder: current, remaining });
            }
            sqlx::query("UPDATE sessions SET lease_holder = $2, lease_until = now_ms() + $3 WHERE id = $1")
                .bind(id)
                .bind(holder)
                .bind(millis(ttl))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(Lease::Held)
        })
        .await
    }

    async fn release(&self, id: &str, holder: &str) -> Result<(), StorageError> {
        run("release a session", sqlx::query(
                "UPDATE sessions SET lease_holder = NULL, lease_until = NULL WHERE id = $1 AND lease_holder = $2",
            )
            .bind(id)
            .bind(holder)
            .execute(self.pool()?))
        .await?;
        Ok(())
    }

    async fn usage(&self, filter: &UsageFilter) -> Result<UsageTotals, StorageError> {
        let mut query = QueryBuilder::<Postgres>::new(
                "SELECT count(DISTINCT run_id) AS runs, count(*) AS steps,
                     coalesce(sum(input_fresh), 0)::bigint AS input_fresh,
                     coalesce(sum(input_cached), 0)::bigint AS input_cached,
                     coalesce(sum(input_cache_write), 0)::bigint AS input_cache_write,
                     coalesce(sum(tool_prompt), 0)::bigint AS tool_prompt,
                     coalesce(sum(output_text), 0)::bigint AS output_text,
                     coalesce(sum(output_reasoning), 0)::bigint AS output_reasoning,
                     coalesce(bool_or(estimated), FALSE) AS estimated, coalesce(bool_or(emulated), FALSE) AS emulated,
                     coalesce(sum(cost_nano_usd), 0)::bigint AS cost_nano_usd
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
        let row = run("sum up usage", query.build().fetch_one(self.pool()?)).await?;
        totals(&row).map_err(StorageError::database("sum up usage"))
    }
}

/// Notes what a step used, unless it is there already.
async fn count(connection: &mut PgConnection, usage: &UsageRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO usage (run_id, step, session_id, key_id, model, at, input_fresh, input_cached, input_cache_write,
             tool_prompt, output_text, output_reasoning, estimated, emulated, cost_nano_usd)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING",
    )
    .bind(&usage.run_id)
    .bind(i64::from(usage.step))
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

fn session(row: &PgRow) -> Result<SessionRecord, StorageError> {
    let read = |row: &PgRow| -> Result<SessionRecord, sqlx::Error> {
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

fn event(row: &PgRow) -> Result<EventRecord, StorageError> {
    let read = |row: &PgRow| -> Result<EventRecord, sqlx::Error> {
        Ok(EventRecord {
            seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
            kind: row.try_get("kind")?,
            body: json::from_text(row.try_get("body")?)?,
            at: from_millis(row.try_get("at")?),
        })
    };
    read(row).map_err(|error| StorageError::unreadable("event", error))
}

fn totals(row: &PgRow) -> Result<UsageTotals, sqlx::Error> {
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
        estimated: row.try_get("estimated")?,
        emulated: row.try_get("emulated")?,
        cost_nano_usd: row.try_get("cost_nano_usd")?,
    })
}

/// Databases know signed numbers only; none of ours comes near their end.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
