-- Whether it was a restore that suspended the client: such are resumed all at once, and one that an operator suspended is not
-- among them. Of those that were suspended before this step nobody knows: each is resumed by its name.
ALTER TABLE clients ADD COLUMN by_restore INTEGER NOT NULL DEFAULT 0 CHECK (by_restore IN (0, 1));

-- `ended_at` is in the index so that the sessions beyond the limit are found in it alone.
DROP INDEX sessions_by_use;
CREATE INDEX sessions_by_use ON sessions (user, used_at, expires_at, id, ended_at) WHERE ended_at IS NULL;
