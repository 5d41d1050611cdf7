-- What strangers can make keyfob remember has a fixed room. `unknown`: NULL if somebody has the name; else a number that rises
-- with each row, so that the oldest can be forgotten. `locked_at`: when the failures in a row became too many.
ALTER TABLE attempts ADD COLUMN unknown INTEGER;
ALTER TABLE throttles ADD COLUMN unknown INTEGER;
ALTER TABLE throttles ADD COLUMN locked_at INTEGER;
UPDATE attempts SET unknown = 0 WHERE account NOT IN (SELECT account FROM users);
UPDATE throttles SET unknown = 0 WHERE account NOT IN (SELECT account FROM users);
CREATE INDEX attempts_of_unknown ON attempts (unknown) WHERE unknown IS NOT NULL;
CREATE INDEX throttles_of_unknown ON throttles (unknown) WHERE unknown IS NOT NULL;

-- Failed sign-ins, counted. `user`: sixteen zeros stand for all names that nobody has. `hour`: its first microsecond.
-- `network`: coarse, as in `sessions`; empty for those beyond the first few.
CREATE TABLE failed_sign_ins (
    user     BLOB NOT NULL CHECK (length(user) = 16),
    hour     INTEGER NOT NULL,
    network  TEXT NOT NULL,
    count    INTEGER NOT NULL CHECK (count > 0),
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (user, hour, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX failed_sign_ins_by_hour ON failed_sign_ins (hour);
