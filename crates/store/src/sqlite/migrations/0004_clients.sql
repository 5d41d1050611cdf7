-- Registered programs. `secret` is the SHA-256 of the client secret; `session` stands behind the tokens that the client
-- got for itself.
CREATE TABLE clients (
    id         BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    name       TEXT NOT NULL UNIQUE,
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    scope      TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    session    BLOB NOT NULL CHECK (length(session) = 16),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
