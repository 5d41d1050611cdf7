-- Where the store came from, or where it went: one row at most. `away`: it is served from `place` now and never from here;
-- `here`: it came, whole. `id` is that of the move.
CREATE TABLE moves (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    id    BLOB NOT NULL CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('here', 'away')),
    place TEXT NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
