-- What a language model wrote out of the hits of a search, kept with the search, so that feedback on the answer can be
-- looked at beside what it was about. It goes with its search.

CREATE TABLE answers (
    event_id   bigint PRIMARY KEY REFERENCES search_events (id) ON DELETE CASCADE,
    state      text NOT NULL CHECK (state IN ('answered', 'unknown', 'failed')),
    sentences  jsonb NOT NULL,
    dropped    integer NOT NULL,
    note_code  text,
    model      text NOT NULL,
    seconds    real NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN answers.state IS 'unknown: the passages do not answer; failed: the chat server wrote nothing that can be used.';
COMMENT ON COLUMN answers.sentences IS
    'text (masked) of each, and cited: rank, document_id and chunk_key of every passage that it names.';
COMMENT ON COLUMN answers.dropped IS 'Sentences that named no passage that was given, and were left out.';
COMMENT ON COLUMN answers.note_code IS 'Why it is incomplete or missing.';
