-- Times are milliseconds since 1970-01-01T00:00:00Z. `scopes` and `bases` are JSON arrays of strings;
-- `bases` NULL means every base.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    last4        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    bases        TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

PRAGMA user_version = 1;
