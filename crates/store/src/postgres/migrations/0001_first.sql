-- The tables and columns of the SQLite store, so that facts can move between the two. Times are microseconds since the Unix
-- epoch; ids are the sixteen bytes of a UUIDv7; digests are SHA-256. Names are compared byte by byte ("C").

-- The installation: one row, and the revision in it. Whoever raises it holds it for the round trip of its COMMIT.
CREATE TABLE meta (
    "only"         bigint PRIMARY KEY CHECK ("only" = 1),
    incarnation    bytea NOT NULL CHECK (length(incarnation) = 16),
    root_key_check bytea NOT NULL CHECK (length(root_key_check) = 32),
    revision       bigint NOT NULL CHECK (revision >= 0),
    public_url     text,
    restored_at    bigint,
    backed_up_at   bigint
) WITH (fillfactor = 10);

-- `account` is the SHA-256 of `username`: what `attempts` and `throttles` know a user by.
CREATE TABLE users (
    id           bytea PRIMARY KEY CHECK (length(id) = 16),
    username     text COLLATE "C" NOT NULL UNIQUE,
    account      bytea NOT NULL UNIQUE CHECK (length(account) = 32),
    password     text NOT NULL,
    status       text NOT NULL CHECK (status IN ('active', 'disabled')),
    roles        text NOT NULL,
    auth_version bigint NOT NULL CHECK (auth_version >= 0),
    created_at   bigint NOT NULL
);

-- `scope`: what the sign-in asked for, which its access tokens never exceed; NULL: whatever the user may have.
-- `used_at`: its sign-in or its last refresh. Of a user with too many the least recently used one ends.
CREATE TABLE sessions (
    id          bytea PRIMARY KEY CHECK (length(id) = 16),
    "user"      bytea NOT NULL REFERENCES users (id),
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    ended_at    bigint,
    client_name text NOT NULL,
    address     text NOT NULL,
    scope       text,
    used_at     bigint NOT NULL
);
CREATE INDEX sessions_by_user ON sessions ("user", created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_by_use ON sessions ("user", used_at, expires_at, id) WHERE ended_at IS NULL;

-- The family is the session. A used token keeps its row as long as the session has one: it is how a copy is noticed.
-- `sealed` is the successor, which only the text of the token itself can open.
CREATE TABLE refresh_tokens (
    digest    bytea PRIMARY KEY CHECK (length(digest) = 32),
    session   bytea NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at   bigint,
    successor bytea CHECK (length(successor) = 32),
    sealed    bytea CHECK (length(sealed) = 52),
    CHECK ((used_at IS NULL) = (successor IS NULL) AND (used_at IS NULL) = (sealed IS NULL))
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);

-- A key of another incarnation than the store's is suspended. `used_at` is written in batches: it may be a little late.
CREATE TABLE api_keys (
    id          bytea PRIMARY KEY CHECK (length(id) = 16),
    "user"      bytea NOT NULL REFERENCES users (id),
    digest      bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    incarnation bytea NOT NULL CHECK (length(incarnation) = 16),
    name        text NOT NULL,
    scope       text NOT NULL,
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    revoked_at  bigint,
    used_at     bigint
);
CREATE INDEX api_keys_by_user ON api_keys ("user", created_at);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at);
CREATE INDEX api_keys_by_end ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;

-- Registered programs. `session` stands behind the tokens that the client got for itself. `by_restore`: whether it was a
-- restore that suspended it.
CREATE TABLE clients (
    id         bytea PRIMARY KEY CHECK (length(id) = 16),
    name       text COLLATE "C" NOT NULL UNIQUE,
    secret     bytea NOT NULL CHECK (length(secret) = 32),
    scope      text NOT NULL,
    status     text NOT NULL CHECK (status IN ('active', 'suspended')),
    session    bytea NOT NULL CHECK (length(session) = 16),
    created_at bigint NOT NULL,
    by_restore bigint NOT NULL DEFAULT 0 CHECK (by_restore IN (0, 1))
);

-- One row per sign-in attempt that is being hashed (`failed` = 0) or failed; a success leaves no row. `unknown`: NULL if
-- somebody has the name; else a number that rises with each row, so that the oldest can be forgotten.
CREATE TABLE attempts (
    id      bytea PRIMARY KEY CHECK (length(id) = 16),
    account bytea NOT NULL CHECK (length(account) = 32),
    address bytea NOT NULL CHECK (length(address) = 32),
    at      bigint NOT NULL,
    failed  bigint NOT NULL CHECK (failed IN (0, 1)),
    unknown bigint
);
CREATE INDEX attempts_by_account ON attempts (account, at);
CREATE INDEX attempts_by_address ON attempts (address, at);
CREATE INDEX attempts_by_time ON attempts (at);
CREATE INDEX attempts_of_unknown ON attempts (unknown) WHERE unknown IS NOT NULL;

-- Failures since the last success, whether there is such an account or not. `locked_at`: when they became too many.
CREATE TABLE throttles (
    account     bytea PRIMARY KEY CHECK (length(account) = 32),
    consecutive bigint NOT NULL CHECK (consecutive > 0),
    failed_at   bigint NOT NULL,
    unknown     bigint,
    locked_at   bigint
);
CREATE INDEX throttles_by_time ON throttles (failed_at);
CREATE INDEX throttles_of_unknown ON throttles (unknown) WHERE unknown IS NOT NULL;

-- What numbers the rows of names that nobody has. Whoever fills the tables from elsewhere sets these beyond them.
CREATE SEQUENCE unknown_attempts;
CREATE SEQUENCE unknown_throttles;

-- Failed sign-ins, counted. `user`: sixteen zeros stand for all names that nobody has. `hour`: its first microsecond.
-- `network`: coarse, as in `sessions`; empty for those beyond the first few.
CREATE TABLE failed_sign_ins (
    "user"   bytea NOT NULL CHECK (length("user") = 16),
    hour     bigint NOT NULL,
    network  text COLLATE "C" NOT NULL,
    count    bigint NOT NULL CHECK (count > 0),
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    PRIMARY KEY ("user", hour, network)
);
CREATE INDEX failed_sign_ins_by_hour ON failed_sign_ins (hour);

-- `wrapped` is a PKCS#8 document under AES-256-GCM by the root key, with `kid` as its associated data. `stage_at`: since
-- when it signs, when it stopped, when it was retired. `token_life`: the longest life of a token that it may have signed.
CREATE TABLE signing_keys (
    kid          text COLLATE "C" PRIMARY KEY,
    algorithm    text NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    wrapped      bytea NOT NULL,
    published_at bigint NOT NULL,
    stage        text NOT NULL CHECK (stage IN ('next', 'active', 'old', 'retired')),
    stage_at     bigint,
    token_life   bigint NOT NULL CHECK (token_life >= 0),
    CHECK ((stage_at IS NULL) = (stage = 'next'))
);
-- Whatever the program does: one signs, one is next.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (stage) WHERE stage IN ('next', 'active');

-- The newest version is in force.
CREATE TABLE policies (
    version    bigint PRIMARY KEY CHECK (version > 0),
    text       text NOT NULL,
    applied_at bigint NOT NULL
);

-- The feed: one row per revision, without gaps, until the oldest are swept.
CREATE TABLE changes (
    revision bigint PRIMARY KEY CHECK (revision > 0),
    kind     text NOT NULL CHECK (kind IN ('user', 'session', 'key', 'client', 'policy', 'signing-keys')),
    id       bytea CHECK (length(id) = 16),
    at       bigint NOT NULL,
    CHECK ((id IS NULL) = (kind IN ('policy', 'signing-keys')))
);

-- Numbered as they are written, which is not quite the order of their commits.
CREATE TABLE audit (
    sequence bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at       bigint NOT NULL,
    event    text NOT NULL,
    actor    text NOT NULL,
    subject  text NOT NULL,
    detail   text NOT NULL
);
