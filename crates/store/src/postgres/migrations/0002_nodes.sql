-- The nodes that share this database: one row for each registration, deleted when the node leaves or is struck out.
-- `applied`: the newest change it has applied. `beat`: how often the row was renewed.
CREATE TABLE nodes (
    id      bytea PRIMARY KEY CHECK (length(id) = 16),
    applied bigint NOT NULL CHECK (applied >= 0),
    beat    bigint NOT NULL CHECK (beat >= 0)
) WITH (fillfactor = 50);
