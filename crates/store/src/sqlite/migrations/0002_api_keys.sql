-- The feed may also say that an API key or a client changed. SQLite cannot alter a CHECK, so the table is made again.
CREATE TABLE changes_0002 (
    revision INTEGER PRIMARY KEY CHECK (revision > 0),
    kind     TEXT NOT NULL CHECK (kind IN ('user', 'session', 'key', 'client', 'policy', 'signing-keys')),
    id       BLOB CHECK (length(id) = 16),
    at       INTEGER NOT NULL,
    CHECK ((id IS NULL) = (kind IN ('policy', 'signing-keys')))
) STRICT;
INSERT INTO changes_0002 (revision, kind, id, at) SELECT revision, kind, id, at FROM changes;
DROP TABLE changes;
ALTER TABLE changes_0002 RENAME TO changes;

-- `digest` is the SHA-256 of the key's text. A key of another incarnation than the store's is suspended. `used_at` is
-- written in batches: it may be a little late.
CREATE TABLE api_keys (
    id          BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    user        BLOB NOT NULL REFERENCES users (id),
    digest      BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),
    name        TEXT NOT NULL,
    scope       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    used_at     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_user ON api_keys (user, created_at);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at);
CREATE INDEX api_keys_by_end ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
