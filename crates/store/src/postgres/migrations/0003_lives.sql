-- What nodes need to notice a database that is not the one it was, and a clock that is wrong.

-- The lives of this database that ended: an operator accepted that an older copy had been put in its place, or that a standby
-- which lacked commits had become the primary. A node that knew one of them goes over to the one that is in `meta`.
CREATE TABLE past_lives (
    incarnation bytea PRIMARY KEY CHECK (length(incarnation) = 16),
    revision    bigint NOT NULL CHECK (revision >= 0),
    ended_at    bigint NOT NULL
);

-- A revision that a node had seen when the database came back without it, and in which life it was then. While there is a row
-- for the life in `meta`, every node is closed.
CREATE TABLE losses (
    incarnation bytea PRIMARY KEY CHECK (length(incarnation) = 16),
    revision    bigint NOT NULL CHECK (revision >= 0)
);

-- By how many microseconds the node's wall clock was ahead of the database's when it renewed its lease; behind, if negative.
ALTER TABLE nodes ADD COLUMN skew bigint;
