-- A refresh finds its token by the digest and writes beside the tokens written last: rows in order of their making, found by
-- one index of random keys instead of two. So `successor` is the number of its row, and the tokens of a session are a chain
-- from its first one. An index by session would cost every refresh a page of its own.
CREATE TABLE refresh_tokens_0012 (
    number    INTEGER PRIMARY KEY,
    digest    BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    session   BLOB NOT NULL CHECK (length(session) = 16),
    used_at   INTEGER,
    successor INTEGER,
    sealed    BLOB CHECK (length(sealed) = 52),
    CHECK ((used_at IS NULL) = (successor IS NULL) AND (used_at IS NULL) = (sealed IS NULL))
) STRICT;
INSERT INTO refresh_tokens_0012 (digest, session)
    SELECT digest, session FROM refresh_tokens ORDER BY used_at NULLS LAST;
UPDATE refresh_tokens_0012 AS token SET used_at = old.used_at, successor = next.number, sealed = old.sealed
    FROM refresh_tokens AS old JOIN refresh_tokens_0012 AS next ON next.digest = old.successor
    WHERE old.digest = token.digest;
DROP TABLE refresh_tokens;
ALTER TABLE refresh_tokens_0012 RENAME TO refresh_tokens;

ALTER TABLE sessions ADD COLUMN first_token INTEGER;
UPDATE sessions SET first_token = token.number FROM refresh_tokens AS token WHERE token.session = sessions.id
    AND token.number NOT IN (SELECT successor FROM refresh_tokens WHERE successor IS NOT NULL);
CREATE TRIGGER sessions_take_their_tokens AFTER DELETE ON sessions BEGIN
    DELETE FROM refresh_tokens WHERE session = OLD.id AND number IN (
        WITH RECURSIVE chain (number) AS (
            SELECT OLD.first_token
            UNION
            SELECT token.successor FROM chain JOIN refresh_tokens AS token ON token.number = chain.number
        )
        SELECT number FROM chain
    );
END;
