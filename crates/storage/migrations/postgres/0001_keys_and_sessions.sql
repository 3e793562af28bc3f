-- Times are milliseconds since 1970-01-01T00:00:00Z. `scopes`, `bases`, `metadata` and `body` are JSON, kept as text so
-- that members keep their order; `bases` NULL means every base.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    digest       BYTEA NOT NULL CHECK (length(digest) = 32),
    last4        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    bases        TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    last_seq     BIGINT NOT NULL,
    lease_holder TEXT,
    lease_until  BIGINT
);

CREATE INDEX sessions_by_owner ON sessions (owner, updated_at, id);
CREATE INDEX sessions_by_age ON sessions (updated_at);

CREATE TABLE session_events (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (session_id, seq)
);

-- Outlives its session: what was used stays used. Costs are billionths of a US dollar.
CREATE TABLE usage (
    run_id            TEXT NOT NULL,
    step              BIGINT NOT NULL,
    session_id        TEXT NOT NULL,
    key_id            TEXT NOT NULL,
    model             TEXT NOT NULL,
    at                BIGINT NOT NULL,
    input_fresh       BIGINT NOT NULL,
    input_cached      BIGINT NOT NULL,
    input_cache_write BIGINT NOT NULL,
    tool_prompt       BIGINT NOT NULL,
    output_text       BIGINT NOT NULL,
    output_reasoning  BIGINT NOT NULL,
    estimated         BOOLEAN NOT NULL,
    emulated          BOOLEAN NOT NULL,
    cost_nano_usd     BIGINT NOT NULL,
    PRIMARY KEY (run_id, step)
);

CREATE INDEX usage_by_session ON usage (session_id);
CREATE INDEX usage_by_key ON usage (key_id, at);

CREATE TABLE claims (
    key   TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);

CREATE INDEX claims_by_end ON claims (until);

-- The store's clock, by which everything is timed that several processes see.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql VOLATILE AS
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';
