-- What people say about what a search found. An event also holds what its query vector was made with, so that it can be
-- asked again; whose it is says who may judge it.

ALTER TABLE search_events
    ADD COLUMN principal    text NOT NULL DEFAULT 'anyone',
    ADD COLUMN instruction  text;
COMMENT ON COLUMN search_events.instruction IS 'Of the query vector; null where none was needed.';

CREATE TABLE feedback (
    event_id      bigint NOT NULL REFERENCES search_events (id) ON DELETE CASCADE,
    rank          integer NOT NULL CHECK (rank >= 0),
    voter         text NOT NULL,
    helpful       boolean NOT NULL,
    reason        text CHECK (reason IN ('wrong_document', 'outdated', 'wrong_place', 'not_found', 'wrong_language')),
    right_passage jsonb,
    given_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, rank, voter)
);
COMMENT ON COLUMN feedback.rank IS 'Of the hit that is judged; 0: the answer as a whole.';
COMMENT ON COLUMN feedback.voter IS 'One vote per person and question: the principal, and the session where it has several.';
COMMENT ON COLUMN feedback.right_passage IS 'document_id and chunk_key of the passage that would have been right.';
