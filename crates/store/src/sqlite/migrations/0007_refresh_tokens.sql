-- What the sign-in asked for, which its access tokens never exceed; NULL: whatever the user may have.
ALTER TABLE sessions ADD COLUMN scope TEXT;

-- The family is the session. A used token keeps its row as long as the session has one: it is how a copy is noticed.
-- `sealed` is the successor, which only the text of the token itself can open.
CREATE TABLE refresh_tokens (
    digest    BLOB PRIMARY KEY NOT NULL CHECK (length(digest) = 32),
    session   BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at   INTEGER,
    successor BLOB CHECK (length(successor) = 32),
    sealed    BLOB CHECK (length(sealed) = 52),
    CHECK ((used_at IS NULL) = (successor IS NULL) AND (used_at IS NULL) = (sealed IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
