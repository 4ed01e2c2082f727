-- What a model can be tuned on: for a question a passage that answers it, and passages that look so and do not. Passages
-- are named, not copied: what is deleted leaves no text behind.

CREATE TABLE triplets (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    query       text NOT NULL,
    document_id bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    chunk_key   text NOT NULL,
    score       double precision NOT NULL,
    negatives   jsonb NOT NULL,
    provenance  text NOT NULL,
    generation  text NOT NULL,
    mined_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN triplets.negatives IS 'document_id, chunk_key, score and why: mined or judged. Those that are gone are passed over.';
CREATE INDEX triplets_document ON triplets (document_id);
