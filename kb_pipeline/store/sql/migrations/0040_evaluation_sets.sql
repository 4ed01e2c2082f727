-- Questions whose answers are known. An answer points at a document and at words of it, never at a chunk: so it outlives
-- another chunking and another model.

CREATE TABLE evaluation_sets (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE evaluation_questions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_id      bigint NOT NULL REFERENCES evaluation_sets (id) ON DELETE CASCADE,
    question    text NOT NULL,
    kind        text NOT NULL DEFAULT '',
    language    text NOT NULL,
    provenance  text NOT NULL CHECK (provenance IN ('judgment', 'import', 'file', 'synthetic')),
    split       text NOT NULL DEFAULT 'unused' CHECK (split IN ('tune', 'dev', 'test', 'unused')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (set_id, question),
    CHECK (provenance <> 'synthetic' OR split <> 'test')
);
COMMENT ON COLUMN evaluation_questions.question IS 'Masked as a query is.';
COMMENT ON COLUMN evaluation_questions.split IS
    'What it may be used for, for ever: a question of the frozen test never trains. unused: it would join two parts.';

CREATE TABLE evaluation_answers (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    question_id  bigint NOT NULL REFERENCES evaluation_questions (id) ON DELETE CASCADE,
    path         text NOT NULL,
    document_id  bigint REFERENCES documents (id) ON DELETE SET NULL,
    quote        text NOT NULL DEFAULT '',
    page_number  integer,
    grade        integer NOT NULL DEFAULT 1 CHECK (grade > 0),
    UNIQUE NULLS NOT DISTINCT (question_id, path, quote, page_number)
);
COMMENT ON COLUMN evaluation_answers.path IS 'Of the document as it was imported; a document of this path that came later counts, too.';
COMMENT ON COLUMN evaluation_answers.quote IS 'Words of the document, masked; empty: all of it answers.';
CREATE INDEX evaluation_answers_document ON evaluation_answers (document_id);
