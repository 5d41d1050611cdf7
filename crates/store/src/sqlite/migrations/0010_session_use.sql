-- When a session was last used: its sign-in or its last refresh. Of a user with too many the least recently used one ends.
ALTER TABLE sessions ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET used_at = max(created_at,
    coalesce((SELECT max(used_at) FROM refresh_tokens WHERE session = sessions.id), created_at));
CREATE INDEX sessions_by_use ON sessions (user, used_at, expires_at) WHERE ended_at IS NULL;
