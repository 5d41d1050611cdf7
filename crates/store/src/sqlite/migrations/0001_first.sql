-- Times are microseconds since the Unix epoch; ids are the sixteen bytes of a UUIDv7; digests are SHA-256.

-- The installation: one row.
CREATE TABLE meta (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    incarnation    BLOB NOT NULL CHECK (length(incarnation) = 16),
    root_key_check BLOB NOT NULL CHECK (length(root_key_check) = 32),
    revision       INTEGER NOT NULL CHECK (revision >= 0),
    public_url     TEXT
) STRICT;

-- `account` is the SHA-256 of `username`: what `attempts` and `throttles` know a user by.
CREATE TABLE users (
    id           BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    username     TEXT NOT NULL UNIQUE,
    account      BLOB NOT NULL UNIQUE CHECK (length(account) = 32),
    password     TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    roles        TEXT NOT NULL,
    auth_version INTEGER NOT NULL CHECK (auth_version >= 0),
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id          BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    user        BLOB NOT NULL REFERENCES users (id),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    client_name TEXT NOT NULL,
    address     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- One row per sign-in attempt that is being hashed (`failed` = 0) or failed; a success leaves no row.
CREATE TABLE attempts (
    id      BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    account BLOB NOT NULL CHECK (length(account) = 32),
    address BLOB NOT NULL CHECK (length(address) = 32),
    at      INTEGER NOT NULL,
    failed  INTEGER NOT NULL CHECK (failed IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_account ON attempts (account, at);
CREATE INDEX attempts_by_address ON attempts (address, at);
CREATE INDEX attempts_by_time ON attempts (at);

-- Failures since the last success, whether there is such an account or not.
CREATE TABLE throttles (
    account     BLOB PRIMARY KEY NOT NULL CHECK (length(account) = 32),
    consecutive INTEGER NOT NULL CHECK (consecutive > 0),
    failed_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_by_time ON throttles (failed_at);

-- `wrapped` is a PKCS#8 document under AES-256-GCM by the root key, with `kid` as its associated data.
CREATE TABLE signing_keys (
    kid        TEXT PRIMARY KEY NOT NULL,
    algorithm  TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    wrapped    BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest version is in force.
CREATE TABLE policies (
    version    INTEGER PRIMARY KEY CHECK (version > 0),
    text       TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- The feed: one row per revision, without gaps, until the oldest are swept.
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY CHECK (revision > 0),
    kind     TEXT NOT NULL CHECK (kind IN ('user', 'session', 'policy', 'signing-keys')),
    id       BLOB CHECK (length(id) = 16),
    at       INTEGER NOT NULL,
    CHECK ((id IS NULL) = (kind IN ('policy', 'signing-keys')))
) STRICT;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    event    TEXT NOT NULL,
    actor    TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;
