-- `metadata` and `body` are JSON, kept as text so that members keep their order.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    lease_holder TEXT,
    lease_until  INTEGER
) STRICT;

CREATE INDEX sessions_by_owner ON sessions (owner, updated_at, id);
CREATE INDEX sessions_by_age ON sessions (updated_at);

CREATE TABLE session_events (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT;

-- Outlives its session: what was used stays used. Costs are billionths of a US dollar.
CREATE TABLE usage (
    run_id            TEXT NOT NULL,
    step              INTEGER NOT NULL,
    session_id        TEXT NOT NULL,
    key_id            TEXT NOT NULL,
    model             TEXT NOT NULL,
    at                INTEGER NOT NULL,
    input_fresh       INTEGER NOT NULL,
    input_cached      INTEGER NOT NULL,
    input_cache_write INTEGER NOT NULL,
    tool_prompt       INTEGER NOT NULL,
    output_text       INTEGER NOT NULL,
    output_reasoning  INTEGER NOT NULL,
    estimated         INTEGER NOT NULL,
    emulated          INTEGER NOT NULL,
    cost_nano_usd     INTEGER NOT NULL,
    PRIMARY KEY (run_id, step)
) STRICT;

CREATE INDEX usage_by_session ON usage (session_id);
CREATE INDEX usage_by_key ON usage (key_id, at);

CREATE TABLE claims (
    key   TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;

CREATE INDEX claims_by_end ON claims (until);

PRAGMA user_version = 2;
