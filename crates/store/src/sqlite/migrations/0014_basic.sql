-- Users who came with HTTP Basic where a route still takes it. Written in batches, so it may be a little late. `network`:
-- coarse, that of the last use.
CREATE TABLE basic_uses (
    user     BLOB PRIMARY KEY CHECK (length(user) = 16),
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    network  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The forms of legacy password hashes, 16 characters behind `legacy:`. Every sign-in asks which there are.
CREATE INDEX users_of_legacy ON users (substr(password, 8, 16)) WHERE substr(password, 1, 7) = 'legacy:';
