-- What people decided about passages, out of what was said of hits.

CREATE TABLE judgments (
    query        text NOT NULL,
    document_id  bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    chunk_key    text NOT NULL,
    quote        text NOT NULL,
    is_right     boolean NOT NULL,
    decided_by   text NOT NULL,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (query, document_id, chunk_key)
);
COMMENT ON COLUMN judgments.query IS 'Masked, as it was asked.';
COMMENT ON COLUMN judgments.quote IS 'What the passage said, masked; it finds its place in another chunking.';
CREATE INDEX judgments_document ON judgments (document_id);

CREATE TABLE closed_cases (
    query      text PRIMARY KEY,
    closed_by  text NOT NULL,
    closed_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closed_cases IS 'Questions that a person looked into; one opens again when something new is said of it.';
