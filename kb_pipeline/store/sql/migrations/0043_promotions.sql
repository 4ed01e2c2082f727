-- Decisions about what takes the place of what is searched, with all that they rest on.

CREATE TABLE promotions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    candidate    text NOT NULL,
    incumbent    text NOT NULL,
    set_name     text NOT NULL,
    verdict      text NOT NULL CHECK (verdict IN ('promoted', 'rejected', 'not enough evidence')),
    reason       text NOT NULL,
    gains        jsonb NOT NULL,
    needed       integer,
    leaks        integer NOT NULL,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    approved_by  text,
    switched_at  timestamptz
);
COMMENT ON COLUMN promotions.candidate IS 'A generation, or a weight of meaning for a collection.';
COMMENT ON COLUMN promotions.gains IS 'Slice → gain in nDCG@10 with its interval, p, deviation and number of questions.';
COMMENT ON COLUMN promotions.leaks IS 'Questions of the frozen test that touch what may train.';
COMMENT ON COLUMN promotions.switched_at IS 'Null while it waits for approval, or where nothing was to be switched.';
