-- Where in its life each signing key is. `stage_at`: since when it signs, when it stopped, when it was retired.
-- `token_life`: microseconds, the longest life of a token that it may have signed.
CREATE TABLE rotated_signing_keys (
    kid          TEXT PRIMARY KEY NOT NULL,
    algorithm    TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    wrapped      BLOB NOT NULL,
    published_at INTEGER NOT NULL,
    stage        TEXT NOT NULL CHECK (stage IN ('next', 'active', 'old', 'retired')),
    stage_at     INTEGER,
    token_life   INTEGER NOT NULL CHECK (token_life >= 0),
    CHECK ((stage_at IS NULL) = (stage = 'next'))
) STRICT, WITHOUT ROWID;

-- Before this step the newest key signed; tokens lived an hour at most.
INSERT INTO rotated_signing_keys
    SELECT kid, algorithm, wrapped, created_at,
        iif(row_number() OVER newest = 1, 'active', 'old'), max(created_at) OVER (), 3600000000
    FROM signing_keys WINDOW newest AS (ORDER BY created_at DESC, kid);
DROP TABLE signing_keys;
ALTER TABLE rotated_signing_keys RENAME TO signing_keys;

-- Whatever the program does: one signs, one is next.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (stage) WHERE stage IN ('next', 'active');
