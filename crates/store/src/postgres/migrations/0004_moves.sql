-- Where the store came from, or where it went: one row at most. `arriving`: what is here is half of it; `filled`: all of it,
-- and it may still be served from where it came from; `here`: it came, whole; `away`: it is served from `place` now and never
-- from here. `id` is that of the move.
CREATE TABLE moves (
    "only" bigint PRIMARY KEY CHECK ("only" = 1),
    id     bytea NOT NULL CHECK (length(id) = 16),
    state  text NOT NULL CHECK (state IN ('arriving', 'filled', 'here', 'away')),
    place  text NOT NULL,
    at     bigint NOT NULL
);

-- What refuses every write to a store that has moved away, whoever writes: the last step of a move makes it the tables' trigger.
CREATE FUNCTION refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'KF001', MESSAGE = coalesce((SELECT place FROM moves), '');
END $$;
