-- Which rows hold a word and what it counts there, ready to be added up: see store.postings.

CREATE TABLE posting_blocks (
    generation_id  bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
    first_row      bigint NOT NULL,
    last_row       bigint NOT NULL,
    row_count      integer NOT NULL,
    PRIMARY KEY (generation_id, first_row)
);
COMMENT ON TABLE posting_blocks IS 'Ranges of rows of a serving table whose words are in postings.';

CREATE TABLE postings (
    generation_id  bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
    lexeme         text NOT NULL,
    first_row      bigint NOT NULL,
    rows           bytea NOT NULL,
    PRIMARY KEY (generation_id, lexeme, first_row)
);
ALTER TABLE postings ALTER COLUMN rows SET STORAGE EXTERNAL;  -- so that its beginning can be read alone
COMMENT ON TABLE postings IS 'The rows of a block that hold a lexeme, those where it counts most first.';

-- Frequencies were counted for other words.
TRUNCATE generation_lexemes, generation_statistics;
