-- Which key the pseudonyms in this database were made with: a home that has another one would mask everything anew.

CREATE TABLE privacy_key (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    key_id       text NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE privacy_key IS 'One row: the id of the key, from which nobody can compute the key.';
